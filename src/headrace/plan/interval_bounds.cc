// Event times are followed from the scan up; bounds are read off comparisons.
#include "headrace/plan/interval_bounds.h"

#include <algorithm>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

bool Holds(const std::vector<int>& columns, int column) {
  return std::find(columns.begin(), columns.end(), column) != columns.end();
}

/// A time give or take a constant.
struct ShiftedTime {
  int column = -1;
  int64_t micros = 0;
};

std::optional<int64_t> MicrosOf(const Expression& expression) {
  const bool is_span = expression.kind == Expression::Kind::kLiteral &&
                       expression.literal->is_valid &&
                       expression.type->id() == arrow::Type::DURATION;
  if (!is_span) return std::nullopt;
  const int64_t ticks = static_cast<const arrow::DurationScalar&>(*expression.literal).value;
  switch (static_cast<const arrow::DurationType&>(*expression.type).unit()) {
    case arrow::TimeUnit::MICRO:
      return ticks;
    case arrow::TimeUnit::NANO:
      return ticks % 1000 == 0 ? std::optional(ticks / 1000) : std::nullopt;
    default:
      break;
  }
  const bool is_seconds =
      static_cast<const arrow::DurationType&>(*expression.type).unit() == arrow::TimeUnit::SECOND;
  int64_t micros;
  const bool overflows = __builtin_mul_overflow(ticks, is_seconds ? 1'000'000 : 1000, &micros);
  return overflows ? std::nullopt : std::optional(micros);
}

bool IsWidened(const Expression& cast) {
  const auto* from = dynamic_cast<const arrow::TimestampType*>(cast.args[0]->type.get());
  const auto* to = dynamic_cast<const arrow::TimestampType*>(cast.type.get());
  return from != nullptr && to != nullptr && from->unit() <= to->unit() &&
         from->timezone() == to->timezone();
}

std::optional<ShiftedTime> ShiftedTimeOf(const Expression& expression,
                                         const std::vector<int>& times) {
  if (expression.kind == Expression::Kind::kColumn) {
    if (!Holds(times, expression.column)) return std::nullopt;
    return ShiftedTime{expression.column, 0};
  }
  if (expression.kind == Expression::Kind::kCast) {
    return IsWidened(expression) ? ShiftedTimeOf(*expression.args[0], times) : std::nullopt;
  }
  if (expression.kind != Expression::Kind::kCall || expression.args.size() != 2) {
    return std::nullopt;
  }
  const std::string_view id = expression.function->id;
  const bool adds = id == "add_checked";
  if (!adds && id != "subtract_checked") return std::nullopt;
  std::optional<int64_t> span = MicrosOf(*expression.args[1]);
  const Expression* time = expression.args[0].get();
  if (adds && !span.has_value()) {
    span = MicrosOf(*expression.args[0]);
    time = expression.args[1].get();
  }
  if (!span.has_value()) return std::nullopt;
  std::optional<ShiftedTime> shifted = ShiftedTimeOf(*time, times);
  if (!shifted.has_value()) return std::nullopt;
  const bool overflows = adds ? __builtin_add_overflow(shifted->micros, *span, &shifted->micros)
                              : __builtin_sub_overflow(shifted->micros, *span, &shifted->micros);
  if (overflows) return std::nullopt;
  return shifted;
}

/// The start of a window of fixed length that its rows' event time is in.
struct WindowStart {
  int time = -1;
  int64_t size_micros = 0;
};

bool IsCallOf(const Expression& expression, std::string_view id) {
  return expression.kind == Expression::Kind::kCall && expression.args.size() == 2 &&
         expression.function->id == id;
}

/// time_bucket(size, time), with an offset too.
std::optional<WindowStart> WindowStartOf(const Expression& expression,
                                         const std::vector<int>& times) {
  if (expression.kind == Expression::Kind::kCast) {
    return IsWidened(expression) ? WindowStartOf(*expression.args[0], times) : std::nullopt;
  }
  if (IsCallOf(expression, "add_checked")) return WindowStartOf(*expression.args[0], times);
  if (!IsCallOf(expression, "time_bucket")) return std::nullopt;
  const std::optional<int64_t> size = MicrosOf(*expression.args[0]);
  const std::optional<ShiftedTime> time = ShiftedTimeOf(*expression.args[1], times);
  if (!size.has_value() || !time.has_value()) return std::nullopt;
  return WindowStart{time->column, *size};
}

/// What column `column` of `plan` is the start of; nothing where its time is no column of `plan`.
std::optional<WindowStart> WindowStartAt(const PlanNode& plan, int column) {
  if (As<FilterNode>(plan) != nullptr) return WindowStartAt(*plan.input(), column);
  const auto* project = As<ProjectNode>(plan);
  if (project == nullptr) return std::nullopt;
  const Expression& expression = *project->expressions[static_cast<size_t>(column)];
  std::optional<WindowStart> start = expression.kind == Expression::Kind::kColumn
                                         ? WindowStartAt(*plan.input(), expression.column)
                                         : WindowStartOf(expression, plan.input()->EventTimes());
  if (!start.has_value()) return std::nullopt;
  for (size_t i = 0; i < project->expressions.size(); ++i) {
    const Expression& output = *project->expressions[i];
    if (output.kind != Expression::Kind::kColumn || output.column != start->time) continue;
    start->time = static_cast<int>(i);
    return start;
  }
  return std::nullopt;
}

bool IsExact(const PlanNode& plan, int column) {
  const auto& type = plan.schema()->field(column)->type();
  const auto* timestamp = dynamic_cast<const arrow::TimestampType*>(type.get());
  return timestamp != nullptr && timestamp->unit() != arrow::TimeUnit::NANO;
}

class BoundTaker {
 public:
  BoundTaker(const PlanNode& left, const PlanNode& right)
      : left_(left),
        right_(right),
        left_times_(left.EventTimes()),
        right_times_(right.EventTimes()) {}

  /// Whether the bounds say all that `pair` says.
  bool Take(const SidePair& pair) {
    if (pair.op == Comparison::kNone || pair.op == Comparison::kNotDistinct) return false;
    const std::optional<ShiftedTime> left = ShiftedTimeOf(*pair.left, left_times_);
    const std::optional<ShiftedTime> right = ShiftedTimeOf(*pair.right, right_times_);
    if (!left.has_value() || !right.has_value() || !FitsTimes(left->column, right->column)) {
      return false;
    }
    const bool is_exact = IsExact(left_, left->column) && IsExact(right_, right->column);
    const int64_t slack = is_exact ? 0 : 1;  // nanoseconds are cut off
    int64_t difference;
    if (__builtin_sub_overflow(left->micros, right->micros, &difference)) return false;
    // left time + left.micros op right time + right.micros
    const bool is_strict = pair.op == Comparison::kLess || pair.op == Comparison::kGreater;
    const int64_t step = is_strict && is_exact ? 1 : 0;
    if (pair.op != Comparison::kGreater && pair.op != Comparison::kGreaterEqual) {
      const int64_t lower = difference + step - slack;
      bounds_.lower = std::max(bounds_.lower.value_or(lower), lower);
    }
    if (pair.op != Comparison::kLess && pair.op != Comparison::kLessEqual) {
      const int64_t upper = difference - step + slack;
      bounds_.upper = std::min(bounds_.upper.value_or(upper), upper);
    }
    bounds_.left_time = left->column;
    bounds_.right_time = right->column;
    return is_exact;
  }
  /// Rows of one window are no further apart than it is long.
  void TakeWindow(const SidePair& pair) {
    const bool are_columns = pair.op == Comparison::kEqual &&
                             pair.left->kind == Expression::Kind::kColumn &&
                             pair.right->kind == Expression::Kind::kColumn;
    if (!are_columns) return;
    const std::optional<WindowStart> left = WindowStartAt(left_, pair.left->column);
    const std::optional<WindowStart> right = WindowStartAt(right_, pair.right->column);
    const bool are_starts = left.has_value() && right.has_value() &&
                            left->size_micros == right->size_micros &&
                            FitsTimes(left->time, right->time);
    if (!are_starts) return;
    bounds_.lower = std::max(bounds_.lower.value_or(-left->size_micros), -left->size_micros);
    bounds_.upper = std::min(bounds_.upper.value_or(left->size_micros), left->size_micros);
    bounds_.left_time = left->time;
    bounds_.right_time = right->time;
  }
  const IntervalBounds& bounds() const { return bounds_; }

 private:
  /// Bounds speak of one column of each side.
  bool FitsTimes(int left, int right) const {
    return bounds_.left_time < 0 || (bounds_.left_time == left && bounds_.right_time == right);
  }

  const PlanNode& left_;
  const PlanNode& right_;
  const std::vector<int> left_times_;
  const std::vector<int> right_times_;
  IntervalBounds bounds_;
};

}  // namespace

std::optional<int64_t> MicrosBefore(const Expression& value) {
  if (value.kind == Expression::Kind::kCast) return MicrosBefore(*value.args[0]);
  return IsCallOf(value, "subtract_checked") ? MicrosOf(*value.args[1]) : std::nullopt;
}

std::vector<int> PlanNode::EventTimes() const { return {}; }

std::vector<int> ScanNode::EventTimes() const {
  if (!event_time.has_value()) return {};
  const auto found =
      std::find(request.projection.begin(), request.projection.end(), event_time->column);
  if (found == request.projection.end()) return {};
  return {static_cast<int>(found - request.projection.begin())};
}

std::vector<int> FilterNode::EventTimes() const { return input()->EventTimes(); }

std::vector<int> ProjectNode::EventTimes() const {
  const std::vector<int> below = input()->EventTimes();
  std::vector<int> times;
  for (size_t i = 0; i < expressions.size(); ++i) {
    const Expression& expression = *expressions[i];
    const bool is_time =
        expression.kind == Expression::Kind::kColumn && Holds(below, expression.column);
    if (is_time) times.push_back(static_cast<int>(i));
  }
  return times;
}

std::vector<int> WindowAggregateNode::EventTimes() const {
  return {static_cast<int>(keys.size())};  // the starts
}

/// Of the side of a join that is a stream; other columns may be null where it has no row.
std::vector<int> JoinNode::EventTimes() const {
  const bool streams_left = terms.build == JoinSide::kRight;
  std::vector<int> times = inputs()[streams_left ? 0 : 1]->EventTimes();
  if (streams_left || !HasRightColumns(kind)) return times;
  for (int& time : times) time += inputs()[0]->schema()->num_fields();
  return times;
}

std::vector<int> LookupJoinNode::EventTimes() const { return input()->EventTimes(); }

std::vector<int> IntervalJoinNode::EventTimes() const {
  return {terms.left_time, inputs()[0]->schema()->num_fields() + terms.right_time};
}

std::vector<int> WindowNode::EventTimes() const { return input()->EventTimes(); }

std::vector<int> UnionNode::EventTimes() const {
  std::vector<int> shared = input()->EventTimes();
  for (const PlanPtr& input : inputs()) {
    const std::vector<int> times = input->EventTimes();
    std::erase_if(shared, [&](int column) { return !Holds(times, column); });
  }
  return shared;
}

std::vector<int> UnnestNode::EventTimes() const { return input()->EventTimes(); }

std::vector<int> SampleNode::EventTimes() const { return input()->EventTimes(); }

std::vector<int> CallbackNode::EventTimes() const { return input()->EventTimes(); }

IntervalBounds TakeBounds(const PlanNode& left, const PlanNode& right,
                          const std::vector<SidePair>& pairs, std::vector<ExpressionPtr>* rest) {
  BoundTaker taker(left, right);
  const int left_width = left.schema()->num_fields();
  std::erase_if(*rest, [&](const ExpressionPtr& term) {
    const std::optional<SidePair> pair = SplitTerm(term, left_width);
    return pair.has_value() && taker.Take(*pair);
  });
  for (const SidePair& pair : pairs) {
    taker.Take(pair);
    taker.TakeWindow(pair);
  }
  return taker.bounds();
}

}  // namespace headrace
