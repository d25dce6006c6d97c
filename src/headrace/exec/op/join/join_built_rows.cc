// Rows stay in the batches they were read in; where order is read their places order the matches.
#include "headrace/exec/op/join/join_built_rows.h"

#include <algorithm>
#include <utility>

#include "arrow/array.h"
#include "arrow/type.h"

namespace headrace {
namespace {

// The rows of a pass take at most this part of the limit, over all lanes; less where rows of the
// table in memory wait beside them for their turn.
constexpr double kPassShare = 0.75;
constexpr double kPassShareOfKept = 0.5;
// So many at most, whatever the limit: the matches of a key are ordered in one step.
constexpr int64_t kPassRowsMax = int64_t{4} << 20;

}  // namespace

JoinBuiltRows::JoinBuiltRows(HashJoinTermsPtr terms, const KeyEncoder* encoder,
                             const OperatorContext& context)
    : terms_(std::move(terms)),
      encoder_(encoder),
      context_(context),
      reservation_(context.budget) {}

void JoinBuiltRows::Clear() {
  loaded_.clear();
  num_rows_ = 0;
  table_.reset();
  reservation_.Clear();
}

// Rows and, twice where they are not of one size, their keys; then the table.
int64_t JoinBuiltRows::ClaimOf(const Batch& rows) const {
  constexpr int64_t kTableBytes = 128;
  constexpr int64_t kTableBytesOfFixedKeys = 72;
  const bool is_fixed = encoder_ != nullptr && encoder_->is_fixed();
  return (is_fixed ? 1 : 2) * rows.num_bytes() +
         (is_fixed ? kTableBytesOfFixedKeys : kTableBytes) * rows.num_rows();
}

int64_t JoinBuiltRows::RowsThatFit(const Batch& first) const {
  const bool waits = !terms_->order_read && terms_->keeps_build();
  const auto share = static_cast<int64_t>(static_cast<double>(context_.budget->limit_bytes()) *
                                          (waits ? kPassShareOfKept : kPassShare) / context_.lanes);
  const int64_t row_bytes = ClaimOf(first) / std::max<int64_t>(1, first.num_rows());
  return std::clamp<int64_t>(share / std::max<int64_t>(1, row_bytes), 1, kPassRowsMax);
}

int64_t JoinBuiltRows::TryAdd(const Batch& rows) {
  if (rows.num_rows() == 0) return 0;
  const int64_t claim = ClaimOf(rows);
  if (!reservation_.TryGrow(claim)) return claim;
  num_rows_ += rows.num_rows();
  loaded_.push_back(rows);
  return 0;
}

Status JoinBuiltRows::StartTable() {
  const auto width = terms_->build->num_fields();
  std::vector<JoinChunk> chunks;
  for (const Batch& rows : std::exchange(loaded_, {})) {
    JoinChunk& chunk = chunks.emplace_back();
    const std::vector<ArrayPtr>& columns = rows.columns();
    chunk.batch = rows.WithColumns({columns.begin(), columns.begin() + width});
    if (terms_->order_read) {
      chunk.splits = rows.column(width);
      chunk.rows = rows.column(width + 1);
    }
    if (encoder_ == nullptr) continue;
    ARROW_RETURN_NOT_OK(encoder_->Encode(chunk.batch, context_.pool, &chunk.keys));
  }
  table_ = std::make_shared<JoinTable>(terms_);
  return table_->Start(std::move(chunks), 1, context_);
}

Result<bool> JoinBuiltRows::BuildStep() {
  if (table_ == nullptr) {
    ARROW_RETURN_NOT_OK(StartTable());
    return true;
  }
  if (table_->part_count() > 0) {
    ARROW_ASSIGN_OR_RAISE(const bool more, table_->BuildStep(0, context_));
    if (more) return true;
  }
  ARROW_RETURN_NOT_OK(table_->Seal(context_));
  return false;
}

}  // namespace headrace
