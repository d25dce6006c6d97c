// A numbering of identities, and the pass over the table at the end.
#include "headrace/exec/op/stream/matched_keys.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/expression/evaluate.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr size_t kKeysPerSection = 16384;

std::vector<KeyColumn> ProbeKeyColumnsOf(const LookupJoinSpec& spec) {
  std::vector<KeyColumn> columns;
  for (int column : IdentityOf(spec)) {
    const auto& field = spec.table->schema()->field(column);
    columns.push_back({static_cast<int>(columns.size()), field->name(), PlainType(field->type())});
  }
  return columns;
}

}  // namespace

std::vector<int> IdentityOf(const LookupJoinSpec& spec) {
  std::vector<int> identity = spec.terms.table_keys;
  if (spec.terms.residual == nullptr) return identity;
  const int width = spec.stream->num_fields();
  for (int column : ColumnsOf(*spec.terms.residual)) {
    if (column < width) continue;
    const int of_table = spec.terms.columns[static_cast<size_t>(column - width)];
    const bool is_new = std::find(identity.begin(), identity.end(), of_table) == identity.end();
    if (is_new) identity.push_back(of_table);
  }
  return identity;
}

MatchedKeys::MatchedKeys(KeyNumbering keys, const OperatorContext& context)
    : keys_(std::move(keys)),
      reservation_(context.budget, Backing::kOwn),
      budget_(context.budget),
      pool_(context.pool) {}

Result<std::shared_ptr<MatchedKeys>> MatchedKeys::Make(const LookupJoinSpec& spec,
                                                       const OperatorContext& context) {
  ARROW_ASSIGN_OR_RAISE(KeyNumbering keys, KeyNumbering::Make({ProbeKeyColumnsOf(spec)}));
  return std::shared_ptr<MatchedKeys>(new MatchedKeys(std::move(keys), context));
}

Result<int64_t> MatchedKeys::Add(std::vector<ArrayPtr> identity, int64_t num_rows) {
  ARROW_ASSIGN_OR_RAISE(const int64_t missing,
                        keys_.FindColumns(std::move(identity), num_rows, pool_));
  if (missing == 0) return 0;
  const int64_t wanted = keys_.BytesToAssign();
  const int64_t more = wanted - reservation_.bytes();
  if (more > 0 && !reservation_.TryResize(wanted)) return more;
  (void)keys_.Assign();
  reservation_.TryResize(keys_.bytes());
  return 0;
}

Status MatchedKeys::Find(std::vector<ArrayPtr> identity, std::vector<bool>* unmatched) {
  const auto num_rows = static_cast<int64_t>(unmatched->size());
  ARROW_RETURN_NOT_OK(keys_.FindColumns(std::move(identity), num_rows, pool_).status());
  for (size_t row = 0; row < unmatched->size(); ++row) {
    if (keys_.found()[row] != GroupTable::kNoGroup) (*unmatched)[row] = false;
  }
  return Status::OK();
}

Status MatchedKeys::Save(StateWriter& writer) {
  std::vector<std::vector<uint32_t>> by_key_group(kKeyGroups);
  for (uint32_t number = 0; number < keys_.size(); ++number) {
    by_key_group[static_cast<size_t>(keys_.KeyGroupOfNumber(number))].push_back(number);
  }
  for (int key_group = 0; key_group < kKeyGroups; ++key_group) {
    const std::vector<uint32_t>& all = by_key_group[static_cast<size_t>(key_group)];
    for (size_t begin = 0; begin < all.size(); begin += kKeysPerSection) {
      const size_t end = std::min(all.size(), begin + kKeysPerSection);
      const std::vector<uint32_t> some(all.begin() + static_cast<int64_t>(begin),
                                       all.begin() + static_cast<int64_t>(end));
      ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, keys_.KeysOf(some, pool_));
      arrow::FieldVector fields;
      for (size_t i = 0; i < columns.size(); ++i) {
        fields.push_back(arrow::field(fmt::format("key_{}", i), columns[i]->type()));
      }
      ARROW_RETURN_NOT_OK(writer.Write(
          key_group, *arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                               static_cast<int64_t>(some.size()), columns)));
    }
  }
  return Status::OK();
}

Status MatchedKeys::Load(const StateReader& reader, int first, int last) {
  ARROW_ASSIGN_OR_RAISE(auto sections, reader.ReadGroups(first, last));
  const std::vector<KeyColumn>& columns = keys_.columns();
  for (const auto& section : sections) {
    bool fits = static_cast<size_t>(section->num_columns()) == columns.size();
    for (int i = 0; fits && i < section->num_columns(); ++i) {
      fits = section->column(i)->type()->Equals(*columns[static_cast<size_t>(i)].type);
    }
    if (!fits) {
      return Error(ErrorKind::kBadData, "the saved keys of a lookup join do not fit it: {}",
                   section->schema()->ToString());
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t refused, Add(section->columns(), section->num_rows()));
    if (refused > 0) return budget_->OverLimit(refused);
  }
  return Status::OK();
}

bool LookupJoinState::End(std::shared_ptr<MatchedKeys> keys, int lanes) {
  std::lock_guard lock(mutex_);
  keys_.push_back(std::move(keys));
  return keys_.size() == static_cast<size_t>(lanes);
}

Status UnmatchedRows::Open() {
  request_.projection = spec_.terms.columns;
  for (int column : IdentityOf(spec_)) request_.projection.push_back(column);
  request_.batch_rows = context_.batch_rows;
  request_.batch_bytes = context_.batch_bytes;
  ARROW_ASSIGN_OR_RAISE(splits_, spec_.table->Splits(request_));
  std::reverse(splits_.begin(), splits_.end());
  return Status::OK();
}

Result<Flow> UnmatchedRows::Step(Out& out) {
  if (reader_ == nullptr) {
    if (splits_.empty()) return Flow::NeedInput();
    const ReadContext reading{context_.pool, context_.stop, context_.waker, ""};
    ARROW_ASSIGN_OR_RAISE(reader_, spec_.table->Open(splits_.back(), request_, reading));
    splits_.pop_back();
  }
  ARROW_ASSIGN_OR_RAISE(ReadResult read, reader_->Next());
  if (std::holds_alternative<Pending>(read)) return Flow::Blocked();
  if (std::holds_alternative<EndOfSplit>(read)) {
    reader_.reset();
    return Flow::MoreOutput();
  }
  ARROW_ASSIGN_OR_RAISE(const Batch batch, Filtered(std::get<Batch>(std::move(read))));
  ARROW_ASSIGN_OR_RAISE(const std::vector<bool> unmatched, FindUnmatched(batch));
  std::vector<uint32_t> rows;
  for (size_t row = 0; row < unmatched.size(); ++row) {
    if (unmatched[row]) rows.push_back(static_cast<uint32_t>(row));
  }
  if (rows.empty()) return Flow::MoreOutput();
  ARROW_ASSIGN_OR_RAISE(const Batch chosen, TakeRows(batch, rows, context_.pool));
  ARROW_ASSIGN_OR_RAISE(Batch arranged, Arranged(chosen));
  out.Emit(std::move(arranged));
  return Flow::MoreOutput();
}

Result<Batch> UnmatchedRows::Filtered(Batch batch) const {
  if (spec_.terms.filter == nullptr) return batch;
  bool all_selected = false;
  ARROW_ASSIGN_OR_RAISE(
      Selection kept, EvaluatePredicate(*spec_.terms.filter, batch, context_.pool, &all_selected));
  return all_selected ? batch : batch.WithSelection(std::move(kept)).Compact(context_.pool);
}

Result<std::vector<bool>> UnmatchedRows::FindUnmatched(const Batch& batch) const {
  std::vector<bool> unmatched(static_cast<size_t>(batch.num_rows()), true);
  std::vector<ArrayPtr> identity;
  for (size_t i = spec_.terms.columns.size(); i < batch.columns().size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(identity.emplace_back(), Decode(batch.columns()[i], context_.pool));
  }
  for (const std::shared_ptr<MatchedKeys>& keys : matched_) {
    ARROW_RETURN_NOT_OK(keys->Find(identity, &unmatched));
  }
  return unmatched;
}

Result<Batch> UnmatchedRows::Arranged(const Batch& batch) const {
  std::vector<ArrayPtr> columns;
  for (const auto& field : spec_.stream->fields()) {
    ARROW_ASSIGN_OR_RAISE(
        columns.emplace_back(),
        arrow::MakeArrayOfNull(PlainType(field->type()), batch.num_rows(), context_.pool));
  }
  columns.insert(columns.end(), batch.columns().begin(),
                 batch.columns().begin() + static_cast<int64_t>(spec_.terms.columns.size()));
  return Batch(std::move(columns), batch.num_rows());
}

}  // namespace headrace
