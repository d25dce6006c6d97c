// FileSource: files of one format and one schema as one bounded source, in path order.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/io/vfs.h"
#include "headrace/table/column_facts.h"
#include "headrace/table/source.h"

namespace headrace {

/// One file as its format sees it. Immutable and thread safe.
class DataFile {
 public:
  virtual ~DataFile() = default;
  virtual const SchemaPtr& schema() const = 0;
  virtual std::optional<int64_t> row_count() const { return std::nullopt; }
  /// As ColumnFacts.
  virtual std::optional<WholeColumn> WholeColumnOf(int /*column*/) const { return std::nullopt; }
  /// Parts of the file that can be read on their own.
  virtual int64_t num_parts() const { return 1; }
  /// The parts that `request.bounds` leave, in row order; their indexes count from 0 in this file.
  virtual Result<std::vector<Split>> Parts(const ScanRequest& request) const = 0;
  virtual Result<std::unique_ptr<SplitReader>> Open(const Split& part, const ScanRequest& request,
                                                    const ReadContext& context) const = 0;
};

struct BoundDataFile {
  FileInfo info;  // at bind time
  std::unique_ptr<DataFile> file;
};

/// What sources of several files tell beside: which of them a split is from.
class FileSplits {
 public:
  virtual ~FileSplits() = default;
  virtual size_t FileOf(const Split& split) const = 0;
};

/// A source that is a FileSplits and a ColumnFacts too. REQUIRES: at least one file. Files whose
/// columns differ from those of the first (in name, order or logical type) are kTypeMismatch. `vfs`
/// must outlive the source.
Result<SourcePtr> MakeFileSource(Vfs& vfs, std::string format, std::vector<BoundDataFile> files);

/// `array`s of `batch` in the order of `projection`, whose batches hold the columns `present`
/// (sorted, without repeats).
std::vector<ArrayPtr> InProjectionOrder(const std::vector<ArrayPtr>& columns,
                                        const std::vector<int>& present,
                                        const std::vector<int>& projection);
/// The columns of `projection`, sorted, without repeats.
std::vector<int> DistinctColumns(const std::vector<int>& projection);

}  // namespace headrace
