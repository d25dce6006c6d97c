// Keys of neighbours are compared as they are encoded.
#include "headrace/exec/op/run_finder.h"

#include "arrow/type.h"

namespace headrace {
namespace {

bool SameNeighbours(const EncodedKeys& keys, int64_t a, int64_t b) {
  if (!keys.is_fixed) return keys.Bytes(a) == keys.Bytes(b);
  const auto left = static_cast<size_t>(a);
  const auto right = static_cast<size_t>(b);
  return keys.values[left] == keys.values[right] && keys.nulls[left] == keys.nulls[right];
}

}  // namespace

Result<RunFinder> RunFinder::Make(const arrow::Schema& schema, const std::vector<int>& columns) {
  RunFinder finder;
  if (columns.empty()) return finder;
  ARROW_ASSIGN_OR_RAISE(finder.encoder_, KeyEncoder::Make(KeyColumnsOf(schema, columns)));
  return finder;
}

RunFinder::Key RunFinder::KeyAt(int64_t row) const {
  if (!encoder_.has_value()) return {};
  if (!keys_.is_fixed) return {.bytes = std::string(keys_.Bytes(row))};
  return {keys_.values[static_cast<size_t>(row)], keys_.nulls[static_cast<size_t>(row)], ""};
}

Status RunFinder::Find(const Batch& rows, arrow::MemoryPool* pool, std::vector<uint8_t>* starts) {
  starts->assign(static_cast<size_t>(rows.num_rows()), 0);
  if (!starts->empty()) starts->front() = 1;
  if (!encoder_.has_value()) return Status::OK();
  ARROW_RETURN_NOT_OK(encoder_->EncodeWithoutHashes(rows, pool, &keys_));
  for (int64_t row = 1; row < rows.num_rows(); ++row) {
    (*starts)[static_cast<size_t>(row)] = SameNeighbours(keys_, row - 1, row) ? 0 : 1;
  }
  return Status::OK();
}

Status RunFinder::FindNext(const Batch& rows, arrow::MemoryPool* pool,
                           std::vector<uint8_t>* starts) {
  ARROW_RETURN_NOT_OK(Find(rows, pool, starts));
  if (last_.has_value() && *last_ == KeyAt(0)) starts->front() = 0;
  last_ = KeyAt(rows.num_rows() - 1);
  return Status::OK();
}

Result<RunBegins> RunFinder::NextRuns(const Batch& rows, arrow::MemoryPool* pool, bool* goes_on) {
  std::vector<uint8_t> starts;
  ARROW_RETURN_NOT_OK(FindNext(rows, pool, &starts));
  *goes_on = starts.front() == 0;
  starts.front() = 1;
  return BeginsOf(starts);
}

RunBegins BeginsOf(const std::vector<uint8_t>& starts) {
  RunBegins begins;
  for (size_t row = 0; row < starts.size(); ++row) {
    if (starts[row] != 0) begins.push_back(static_cast<int64_t>(row));
  }
  begins.push_back(static_cast<int64_t>(starts.size()));
  return begins;
}

}  // namespace headrace
