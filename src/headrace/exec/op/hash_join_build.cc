// One lane of the build: keeps decoded rows, and claims beforehand what the table over them needs.
#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/exec/op/hash_join.h"
#include "headrace/exec/op/hash_join_table.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

std::string NamesOf(const arrow::Schema& schema, const std::vector<int>& columns) {
  std::string text;
  for (int column : columns) {
    if (!text.empty()) text += ", ";
    text += schema.field(column)->name();
  }
  return text;
}

// Rows without a null in `keys`; null when that is all of them.
Selection RowsWithKeys(const Batch& batch, const std::vector<int>& keys) {
  std::vector<const arrow::Array*> columns;
  for (int key : keys) {
    if (batch.column(key)->null_count() > 0) columns.push_back(batch.column(key).get());
  }
  if (columns.empty()) return nullptr;
  auto rows = std::make_shared<std::vector<uint32_t>>();
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    bool valid = true;
    for (const arrow::Array* column : columns) valid = valid && column->IsValid(row);
    if (valid) rows->push_back(static_cast<uint32_t>(row));
  }
  return rows;
}

class HashJoinBuild final : public Operator {
 public:
  HashJoinBuild(const HashJoinBuildSpec& spec)
      : schema_(spec.schema),
        keys_(spec.keys),
        nulls_(spec.nulls),
        chunk_bytes_(RowStore(*spec.schema).bytes_per_chunk()) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder, KeyEncoder::Make(KeyColumnsOf(*schema_, keys_)));
    has_fixed_keys_ = encoder.is_fixed();
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out&) override {
    if (!pending_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(pending_, RowsToKeep(batch));
    }
    if (pending_->num_rows() > 0) {
      const int64_t claim = ClaimWith(*pending_);
      const int64_t before = reservation_.bytes();
      if (!reservation_.TryResize(claim)) return Flow::NeedMemory(claim - before);
      num_rows_ += pending_->num_rows();
      key_bytes_ += KeyBytes(*pending_);
      row_bytes_ += pending_->num_bytes() + chunk_bytes_;
      batches_.push_back(std::move(*pending_));
    }
    pending_.reset();
    return Flow::NeedInput();
  }

  Result<Flow> Advance(int, Watermark, Out&) override { return Flow::NeedInput(); }

  Status Combine(GlobalState& global) override {
    static_cast<JoinTable&>(global).Add(
        {context().lane, std::move(batches_), std::move(reservation_)});
    return Status::OK();
  }

 private:
  Result<Batch> RowsToKeep(const Batch& batch) const {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    if (nulls_ == NullMatching::kMatch) return rows;
    Selection kept = RowsWithKeys(rows, keys_);
    return kept == nullptr ? rows : rows.WithSelection(std::move(kept)).Compact(context().pool);
  }

  int64_t KeyBytes(const Batch& batch) const {
    std::vector<ArrayPtr> columns;
    for (int key : keys_) columns.push_back(batch.column(key));
    // An encoding marks nulls and lengths beside the value.
    constexpr int64_t kMarkBytes = 8;
    const auto marks = static_cast<int64_t>(columns.size()) * kMarkBytes * batch.num_rows();
    return Batch(std::move(columns), batch.num_rows()).num_bytes() + marks;
  }

  // Bytes of the rows, and of the table that Seal makes of them, with `batch` added.
  int64_t ClaimWith(const Batch& batch) const {
    const int64_t rows = num_rows_ + batch.num_rows();
    // Seal adds keys chunk by chunk: old slots stand beside new ones while the table grows.
    const GroupTable table(has_fixed_keys_);
    const int64_t table_bytes = table.BytesToAdd(rows, key_bytes_ + KeyBytes(batch)) * 3 / 2;
    return row_bytes_ + batch.num_bytes() + chunk_bytes_ + rows * kSealBytesPerRow + table_bytes;
  }

  const SchemaPtr schema_;
  const std::vector<int> keys_;
  const NullMatching nulls_;
  const int64_t chunk_bytes_;
  bool has_fixed_keys_ = false;
  std::optional<Batch> pending_;
  std::vector<Batch> batches_;
  int64_t num_rows_ = 0;
  int64_t row_bytes_ = 0;
  int64_t key_bytes_ = 0;
  Reservation reservation_;
};

}  // namespace

std::string HashJoinBuildSpec::Describe() const { return "keys=" + NamesOf(*schema, keys); }

std::shared_ptr<GlobalState> HashJoinBuildSpec::MakeGlobal() const {
  return std::make_shared<JoinTable>(schema, keys, nulls);
}

std::unique_ptr<Operator> HashJoinBuildSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<HashJoinBuild>(*this);
}

}  // namespace headrace
