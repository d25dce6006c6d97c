// BucketedRows: numbered rows in a spill file, written and read by bucket, or read in the order of
// their numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "headrace/base/limits.h"
#include "headrace/exec/operator.h"
#include "headrace/exec/spill/spill_file.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// Batches have the columns of `schema` in plain encoding, and a number (BIGINT) behind them. One
/// thread.
class BucketedRows {
 public:
  static Result<std::unique_ptr<BucketedRows>> Make(const OperatorContext& context,
                                                    const SchemaPtr& schema, int buckets);

  /// Rows of a bucket; their numbers ascend, and go on from those that it has.
  Status Write(int bucket, const Batch& rows);
  /// Numbers rows, which follow those added before, and writes each to the bucket of its key.
  Status AddByPartition(const Batch& rows, const KeyEncoder& encoder, arrow::MemoryPool* pool);
  /// Which bucket has the keys of a key group.
  int BucketOf(int key_group) const {
    return key_group * static_cast<int>(buckets_.size()) / kKeyGroups;
  }
  /// Ends writing.
  Status Seal();

  /// The next rows of a bucket; none: there are no more.
  Result<std::optional<Batch>> Next(int bucket);
  /// The next at most `count` rows of all buckets by their numbers, which follow each other from
  /// 0 on, without them. Empty: there are no more.
  Result<Batch> NextInOrder(int64_t count, arrow::MemoryPool* pool);

 private:
  struct Bucket {
    std::vector<size_t> sections;
    size_t next = 0;
    Batch rows;  // read, and not given in order
  };

  BucketedRows(SchemaPtr schema, std::unique_ptr<SpillFile> file, int buckets)
      : schema_(std::move(schema)),
        file_(std::move(file)),
        buckets_(static_cast<size_t>(buckets)) {}
  Status TakeBelow(int64_t end, Bucket* bucket, std::vector<Batch>* taken);

  const SchemaPtr schema_;  // with the number
  const std::unique_ptr<SpillFile> file_;
  std::vector<Bucket> buckets_;
  int64_t numbers_given_ = 0;  // by AddByPartition
  int64_t next_number_ = 0;    // of NextInOrder
};

}  // namespace headrace
