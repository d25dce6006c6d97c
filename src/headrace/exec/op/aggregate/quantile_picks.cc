// The places of the values are known from the number of values of the group.
#include "headrace/exec/op/aggregate/quantile_picks.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "headrace/exec/op/run_finder.h"
#include "headrace/exec/op/sort/sort.h"
#include "headrace/exec/op/window/partition_totals.h"
#include "headrace/exec/physical.h"
#include "headrace/function/registry.h"
#include "headrace/plan/estimate.h"

namespace headrace {
namespace {

// States of quantiles may take this part of the memory: while those of one group grow they are
// there twice, and once more before lanes are merged. Many groups are never held at once.
constexpr int64_t kMemoryFraction = 3;
// A string of a state, with its block of the heap.
constexpr int64_t kBytesOfText = 64;

/// Of the ordered values, from 0: those that a quantile is made of, and how far between them it
/// stands.
struct PickedPlaces {
  int64_t low = 0;
  int64_t high = 0;
  double share = 0;
};

PickedPlaces PlacesOfPick(const QuantilePick& pick, int64_t count) {
  if (pick.kind == QuantilePick::Kind::kMedian) return {(count - 1) / 2, count / 2, 0};
  const auto size = static_cast<double>(count);
  if (pick.kind == QuantilePick::Kind::kDiscrete) {
    const auto rank =
        static_cast<int64_t>(std::max(1.0, size - std::floor(size - pick.fraction * size)));
    return {rank - 1, rank - 1, 0};
  }
  const double place = static_cast<double>(count - 1) * pick.fraction;
  const auto low = static_cast<int64_t>(std::floor(place));
  return {low, place == std::floor(place) ? low : low + 1, place - std::floor(place)};
}

class QuantilePicks final : public Operator {
 public:
  explicit QuantilePicks(const QuantilePicksSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    ARROW_ASSIGN_OR_RAISE(groups_, RunFinder::Make(*spec_.schema, spec_.keys));
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    ARROW_ASSIGN_OR_RAISE(const Batch rows, batch.Compact(context().pool));
    bool goes_on = false;
    ARROW_ASSIGN_OR_RAISE(const RunBegins begins, groups_.NextRuns(rows, context().pool, &goes_on));
    if (!goes_on) before_ = 0;
    std::vector<ArrayPtr> columns = rows.columns();
    for (const QuantilePick& pick : spec_.picks) {
      ARROW_RETURN_NOT_OK(Append(pick, rows, begins, &columns));
    }
    const int64_t last_run = begins[begins.size() - 2];
    before_ = rows.num_rows() - last_run + (last_run == 0 ? before_ : 0);
    out.Emit(rows.WithColumns(std::move(columns)));
    return Flow::NeedInput();
  }

 private:
  Status Append(const QuantilePick& pick, const Batch& rows, const RunBegins& begins,
                std::vector<ArrayPtr>* columns) const {
    const auto& counts = static_cast<const arrow::Int64Array&>(*rows.column(spec_.count));
    const arrow::ArrayData& values = *rows.column(spec_.value)->data();
    ARROW_ASSIGN_OR_RAISE(
        std::shared_ptr<arrow::Buffer> is_picked,
        arrow::AllocateEmptyBitmap(values.offset + values.length, context().pool));
    arrow::DoubleBuilder shares(context().pool);
    for (size_t run = 0; run + 1 < begins.size(); ++run) {
      const PickedPlaces places = PlacesOfPick(pick, counts.Value(begins[run]));
      const int64_t first = begins[run] - (run == 0 ? before_ : 0);  // of the group, maybe below 0
      for (const int64_t row : {first + places.low, first + places.high}) {
        const bool is_here =
            counts.Value(begins[run]) > 0 && row >= begins[run] && row < begins[run + 1];
        if (is_here) arrow::bit_util::SetBit(is_picked->mutable_data(), values.offset + row);
      }
      if (pick.kind != QuantilePick::Kind::kContinuous) continue;
      const auto length = static_cast<size_t>(begins[run + 1] - begins[run]);
      ARROW_RETURN_NOT_OK(shares.AppendValues(std::vector<double>(length, places.share)));
    }
    columns->push_back(WithValidity(values, std::move(is_picked)));
    if (pick.kind != QuantilePick::Kind::kContinuous) return Status::OK();
    return shares.Finish().Value(&columns->emplace_back());
  }

  static ArrayPtr WithValidity(const arrow::ArrayData& values,
                               std::shared_ptr<arrow::Buffer> is_valid) {
    std::shared_ptr<arrow::ArrayData> data = values.Copy();
    data->buffers[0] = std::move(is_valid);
    data->null_count = arrow::kUnknownNullCount;
    return arrow::MakeArray(std::move(data));
  }

  const QuantilePicksSpec spec_;
  RunFinder groups_;
  int64_t before_ = 0;  // rows of the last group that stand before the next batch
};

/// What a call picks; none where it is no quantile, or has no fraction that is known and right.
std::optional<QuantilePick> PickOf(const FunctionCall& call) {
  const std::string_view id = call.function->id;
  if (call.args.empty() || call.args[0]->kind != Expression::Kind::kColumn) return std::nullopt;
  if (id == "median") return QuantilePick{};
  if (id != "quantile_cont" && id != "quantile_disc") return std::nullopt;
  const ExpressionPtr& fraction = call.args[1];
  const bool is_known = fraction->kind == Expression::Kind::kLiteral &&
                        fraction->literal->is_valid &&
                        fraction->literal->type->id() == arrow::Type::DOUBLE;
  if (!is_known) return std::nullopt;
  const double asked = static_cast<const arrow::DoubleScalar&>(*fraction->literal).value;
  if (!(asked >= 0 && asked <= 1)) return std::nullopt;
  return QuantilePick{
      id == "quantile_cont" ? QuantilePick::Kind::kContinuous : QuantilePick::Kind::kDiscrete,
      asked};
}

FunctionCall CountOf(const FunctionCall& call) {
  FunctionCall count;
  count.function = FindFunctionById("count");
  const auto overloads = count.function->overloads;
  count.overload = &*std::find_if(overloads.begin(), overloads.end(), [](const Overload& overload) {
    return overload.args.size() == 1;
  });
  count.args = {call.args[0]};
  count.type = arrow::int64();
  count.name = "values";
  return count;
}

SchemaPtr WithField(const SchemaPtr& schema, std::shared_ptr<arrow::Field> field) {
  arrow::FieldVector fields = schema->fields();
  fields.push_back(std::move(field));
  return arrow::schema(std::move(fields));
}

ExpressionPtr LastColumn(const arrow::Schema& schema) {
  const int column = schema.num_fields() - 1;
  return Expression::Column(column, schema.field(column)->name(), schema.field(column)->type());
}

/// The calls over one column read what was picked for them.
class PickedColumn {
 public:
  explicit PickedColumn(int column) : column_(column) {}

  Status Lower(const std::vector<int>& keys, AggregateInput* rows, Lowering& lowering) const {
    Ordering order;
    for (const int key : keys) order.push_back({key, false, NullPlacement::kLast});
    const bool is_key = std::find(keys.begin(), keys.end(), column_) != keys.end();
    if (!is_key) order.push_back({column_, false, NullPlacement::kLast});
    LowerToSort(rows->schema, order, lowering);
    lowering.Serialize();
    std::vector<size_t> calls = CallsOf(*rows);
    const FunctionCall count = CountOf(rows->calls[calls.front()]);
    lowering.Append(std::make_shared<PartitionTotalsSpec>(rows->schema, keys,
                                                          std::vector<FunctionCall>{count}));
    const SchemaPtr counted = WithField(rows->schema, arrow::field(count.name, count.type));
    rows->schema = counted;
    std::vector<QuantilePick> picks;
    for (const size_t call : calls) picks.push_back(ReadPicked(rows, call));
    lowering.Append(std::make_shared<QuantilePicksSpec>(counted, keys, column_,
                                                        counted->num_fields() - 1, picks));
    return Status::OK();
  }

 private:
  std::vector<size_t> CallsOf(const AggregateInput& rows) const {
    std::vector<size_t> calls;
    for (size_t i = 0; i < rows.calls.size(); ++i) {
      const bool picks = PickOf(rows.calls[i]).has_value();
      if (picks && rows.calls[i].args[0]->column == column_) calls.push_back(i);
    }
    return calls;
  }

  QuantilePick ReadPicked(AggregateInput* rows, size_t index) const {
    FunctionCall& call = rows->calls[index];
    const QuantilePick pick = *PickOf(call);
    const TypePtr& type = rows->schema->field(column_)->type();
    rows->schema = WithField(rows->schema, arrow::field(call.name, type));
    call.args[0] = LastColumn(*rows->schema);
    if (pick.kind == QuantilePick::Kind::kContinuous) {
      rows->schema = WithField(rows->schema, arrow::field("share", arrow::float64()));
      call.args[1] = LastColumn(*rows->schema);
    }
    return pick;
  }

  const int column_;
};

}  // namespace

std::string QuantilePicksSpec::Describe() const { return schema->field(value)->name(); }

std::unique_ptr<Operator> QuantilePicksSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<QuantilePicks>(*this);
}

bool QuantilesExceed(const AggregateNode& aggregate, int64_t memory_bytes) {
  int64_t bytes_per_row = 0;
  for (const FunctionCall& call : aggregate.calls) {
    if (call.function->Has(function_flag::kOrderSensitive)) return false;
    if (!PickOf(call).has_value()) continue;
    const int width = call.args[0]->type->bit_width();
    bytes_per_row += width > 0 ? width / 8 : kBytesOfText;
  }
  if (bytes_per_row == 0 || aggregate.order == GroupOrder::kFirstAppearance) return false;
  const std::optional<int64_t> rows = EstimatedRows(*aggregate.input());
  return rows.has_value() && *rows > memory_bytes / kMemoryFraction / bytes_per_row;
}

Status LowerToQuantilePicks(const std::vector<int>& keys, AggregateInput* rows,
                            Lowering& lowering) {
  const std::vector<FunctionCall> calls = rows->calls;
  std::vector<int> done;
  for (const FunctionCall& call : calls) {
    if (!PickOf(call).has_value()) continue;
    const int column = call.args[0]->column;
    if (std::find(done.begin(), done.end(), column) != done.end()) continue;
    done.push_back(column);
    ARROW_RETURN_NOT_OK(PickedColumn(column).Lower(keys, rows, lowering));
  }
  return Status::OK();
}

}  // namespace headrace
