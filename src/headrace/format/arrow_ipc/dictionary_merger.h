// DictionaryMerger: the file format allows one dictionary per column, which may only grow; batches
// of the engine may each have their own. This gives them one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arrow/type_fwd.h"
#include "headrace/types/batch.h"

namespace headrace::arrow_ipc {

/// One thread. Memory: the union of all dictionaries seen.
class DictionaryMerger {
 public:
  explicit DictionaryMerger(arrow::MemoryPool* pool);
  ~DictionaryMerger();

  /// `batch` with every dictionary, at any depth, replaced by one that begins with the dictionary
  /// of the batch before. All batches have one schema. kUnsupported when the codes of a column
  /// cannot count all values, or its values are nested and differ from batch to batch.
  Result<std::shared_ptr<arrow::RecordBatch>> Merge(const arrow::RecordBatch& batch);

 private:
  struct Merged;
  using DataPtr = std::shared_ptr<arrow::ArrayData>;
  Result<DataPtr> MergeNode(const DataPtr& data);
  Result<DataPtr> MergeDictionary(const DataPtr& data);
  Result<DataPtr> Recode(const DataPtr& data, Merged* merged);

  arrow::MemoryPool* const pool_;
  std::vector<std::unique_ptr<Merged>> merged_;  // per dictionary, in depth-first order
  size_t next_ = 0;                              // in merged_, while a batch is walked
};

}  // namespace headrace::arrow_ipc
