// Windows of time in SELECT: WINDOW TUMBLING (…) and GROUP BY over TUMBLE(table, …) are one thing –
// groups with two columns more, _window_start and _window_end –, and the names of event time.
#include <algorithm>
#include <array>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/lexer.h"
#include "headrace/sql/select_binder.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

/// Whose names stand for the start and the end of a window.
struct BoundNames {
  const char* use;
  std::array<std::string_view, 3> columns;  // the last: of a table function alone
  std::array<std::string_view, 4> calls;
};
constexpr std::array<BoundNames, 2> kBoundNames = {
    {{"window_start",
      {"_window_start", "_wstart", "window_start"},
      {"tumble_start", "hop_start", "session_start", "window_start"}},
     {"window_end",
      {"_window_end", "_wend", "window_end"},
      {"tumble_end", "hop_end", "session_end", "window_end"}}}};

template <typename Names>
bool IsWordOf(const Names& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view known) { return EqualsIgnoringCase(known, name); });
}

/// "window_start" or "window_end" if `expression` is a name or call of one; else null.
const char* BoundMeant(const Unbound& expression) {
  for (const BoundNames& names : kBoundNames) {
    const bool is_column = expression.kind == Unbound::Kind::kColumn &&
                           expression.path.size() <= 2 &&
                           IsWordOf(names.columns, expression.path.back());
    const bool is_call =
        expression.kind == Unbound::Kind::kCall && IsWordOf(names.calls, expression.name);
    if (is_column || is_call) return names.use;
  }
  return nullptr;
}

WindowKind PlanKindOf(WindowClause::Kind kind) {
  switch (kind) {
    case WindowClause::Kind::kSliding:
      return WindowKind::kSliding;
    case WindowClause::Kind::kSession:
      return WindowKind::kSession;
    case WindowClause::Kind::kCumulate:
      return WindowKind::kCumulate;
    default:
      return WindowKind::kTumbling;
  }
}

/// A name that means entry `index` of `scope` alone.
UnboundPtr NameOfEntry(const Scope& scope, int index, TextSpan span) {
  const Scope::Entry& entry = scope.entries()[static_cast<size_t>(index)];
  if (entry.qualifier.empty()) return Unbound::Column({entry.name}, span);
  return Unbound::Column({entry.qualifier, entry.name}, span);
}

}  // namespace

Result<UnboundPtr> Binder::TimeOfWindow(const WindowClause& window,
                                        const Relation& relation) const {
  if (window.time != nullptr) return window.time;
  const std::vector<int> times = relation.plan->EventTimes();
  if (times.size() == 1) return NameOfEntry(relation.scope, times.front(), window.span);
  return WithSpan(
      Error(ErrorKind::kInvalidArgument, "{}",
            times.empty() ? "a window needs a column of time, and FROM has no event time: write it "
                            "first in the window, or declare it with WATERMARK FOR"
                          : "FROM has several event times: write the column first in the window"),
      window.span);
}

namespace {

/// A row is in so many windows at most where each gives a row.
constexpr int64_t kWindowsOfRowMax = 1000;

ExpressionPtr Length(int64_t micros) {
  return Expression::Literal(
      std::make_shared<arrow::DurationScalar>(micros, arrow::duration(arrow::TimeUnit::MICRO)));
}

/// The start of the window of `size` that `time` is in.
Result<ExpressionPtr> StartOf(const ExpressionPtr& time, int64_t size, int64_t offset) {
  if (offset == 0) return CallOf("time_bucket", {Length(size), time});
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr shifted, CallOf("-", {time, Length(offset)}));
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr start, CallOf("time_bucket", {Length(size), shifted}));
  return CallOf("+", {start, Length(offset)});
}

/// `plan` with a row per time of [first, first + step, …), as its last column.
Result<PlanPtr> WithTimes(PlanPtr plan, const ExpressionPtr& first, int64_t step, int64_t count,
                          const char* name) {
  std::vector<ExpressionPtr> times = {first};
  for (int64_t i = 1; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(times.emplace_back(), CallOf("+", {first, Length(i * step)}));
  }
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr list, CallOf("list_value", times));
  return PlanUnnest(std::move(plan), {{std::move(list), name}});
}

/// `plan` as its first `width` columns and the bounds of a window.
Result<PlanPtr> WithBounds(PlanPtr plan, size_t width, ExpressionPtr start, ExpressionPtr end) {
  std::vector<NamedExpression> outputs;
  for (const ExpressionPtr& column : AllColumnsOf(*plan->schema())) {
    if (outputs.size() < width) outputs.push_back({column, column->name});
  }
  outputs.push_back({std::move(start), "window_start"});
  outputs.push_back({std::move(end), "window_end"});
  return PlanProject(std::move(plan), std::move(outputs));
}

Status CheckBoundsOfRows(const WindowClause& window) {
  if (window.kind == WindowClause::Kind::kSession) {
    return Error(ErrorKind::kUnsupported,
                 "a session is known when it is over: group by it, GROUP BY window_start, "
                 "window_end");
  }
  const bool is_stepped = window.kind != WindowClause::Kind::kTumbling;
  if (!is_stepped || window.size_micros / window.step_micros <= kWindowsOfRowMax) {
    return Status::OK();
  }
  return Error(ErrorKind::kUnsupported,
               "a row would be in {} windows; at most {} are given for each: group by them, GROUP "
               "BY window_start, window_end",
               window.size_micros / window.step_micros, kWindowsOfRowMax);
}

}  // namespace

Result<PlanPtr> Binder::WithWindowBounds(PlanPtr plan, const WindowClause& window) {
  ARROW_RETURN_NOT_OK(CheckBoundsOfRows(window));
  const Relation relation{plan, Scope(*plan->schema()), nullptr};
  const auto width = static_cast<size_t>(plan->schema()->num_fields());
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr written, TimeOfWindow(window, relation));
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr time,
                        headrace::Bind(*written, relation.scope, Dialect::kSql));
  const int64_t size = window.size_micros;
  const int64_t step = window.step_micros;
  const bool slides = window.kind == WindowClause::Kind::kSliding;
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr start,
                        StartOf(time, slides ? step : size, window.offset_micros));
  if (window.kind == WindowClause::Kind::kTumbling) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr end, CallOf("+", {start, Length(size)}));
    return WithBounds(std::move(plan), width, std::move(start), std::move(end));
  }
  const auto last = static_cast<int>(width);
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr first, slides
                                                       ? CallOf("-", {start, Length(size - step)})
                                                       : CallOf("+", {start, Length(step)}));
  ARROW_ASSIGN_OR_RAISE(plan, WithTimes(std::move(plan), first, step, size / step,
                                        slides ? "window_start" : "window_end"));
  const ExpressionPtr given = ColumnOf(*plan->schema(), last);
  if (slides) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr end, CallOf("+", {given, Length(size)}));
    return WithBounds(std::move(plan), width, given, std::move(end));
  }
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr is_in, CallOf(">", {given, time}));
  ARROW_ASSIGN_OR_RAISE(plan, PlanFilter(std::move(plan), std::move(is_in)));
  return WithBounds(std::move(plan), width, std::move(start), given);
}

/// The window whose bounds are groups of this query, if there is one.
void SelectBinder::ChooseTimeWindow() {
  time_window_ = select_.time_window;
  first_stream_ = binder_.names_read_.streams.size();
  const bool over_function = select_.from.has_value() && select_.from->window != nullptr;
  if (time_window_ != nullptr || !over_function || !GroupsByWindow()) return;
  time_window_ = select_.from->window;
  binder_.grouped_table_ = &*select_.from;
}

bool SelectBinder::GroupsByWindow() const {
  return select_.group_by_all ||
         std::any_of(select_.group_by.begin(), select_.group_by.end(),
                     [&](const UnboundPtr& group) { return IsWindowBound(*group); });
}

/// Whether a group is a bound of the window: by its name, by an alias or the place of an item.
bool SelectBinder::IsWindowBound(const Unbound& expression) const {
  if (BoundMeant(expression) != nullptr) return true;
  const bool is_place = expression.kind == Unbound::Kind::kLiteral &&
                        expression.literal->type->id() == arrow::Type::INT64 &&
                        expression.literal->is_valid;
  for (size_t i = 0; i < select_.items.size(); ++i) {
    const SelectItem& item = select_.items[i];
    const bool is_meant =
        is_place ? static_cast<const arrow::Int64Scalar&>(*expression.literal).value ==
                       static_cast<int64_t>(i) + 1
                 : expression.kind == Unbound::Kind::kColumn && expression.path.size() == 1 &&
                       EqualsIgnoringCase(item.name, expression.path.front());
    if (is_meant && BoundMeant(*item.expression) != nullptr) return true;
  }
  return false;
}

Status SelectBinder::BindTimeWindow() {
  if (time_window_ == nullptr) return Status::OK();
  const WindowClause& clause = *time_window_;
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr time, binder_.TimeOfWindow(clause, relation_));
  StreamWindowSpec window;
  ARROW_ASSIGN_OR_RAISE(window.time, BindPrepared(time));
  const TypePtr type = PlainType(window.time->type);
  if (type->id() != arrow::Type::TIMESTAMP) {
    return WithSpan(Error(ErrorKind::kTypeMismatch, "the time of a window is a TIMESTAMP, got {}",
                          SqlNameOf(*type)),
                    time->span);
  }
  window.kind = PlanKindOf(clause.kind);
  window.size_micros =
      clause.kind == WindowClause::Kind::kSession ? clause.gap_micros : clause.size_micros;
  window.advance_micros = clause.step_micros;
  window.offset_micros = clause.offset_micros;
  const auto& streams = binder_.names_read_.streams;
  if (first_stream_ < streams.size()) {
    const std::optional<StreamDef> stream = binder_.session_.FindStream(streams[first_stream_]);
    if (stream.has_value()) {
      window.late = stream->late;
      window.lateness_micros = stream->lateness_micros;
    }
  }
  window.late = binder_.terms_.late.value_or(window.late);
  window.lateness_micros = binder_.terms_.lateness_micros.value_or(window.lateness_micros);
  window_ = std::move(window);
  return Status::OK();
}

/// Sessions are per group; what they are kept apart by beside the groups is a group too.
Status SelectBinder::AddWindowPartitions() {
  if (time_window_ == nullptr) return Status::OK();
  for (const UnboundPtr& key : time_window_->partition_by) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindPrepared(key));
    const auto is_it = [&](const NamedExpression& group) {
      return Equals(*group.expression, *bound);
    };
    if (std::any_of(groups_.begin(), groups_.end(), is_it)) continue;
    if (!sets_.empty()) {
      return WithSpan(Error(ErrorKind::kUnsupported, "a key of sessions is one of GROUP BY's keys"),
                      key->span);
    }
    groups_.push_back({std::move(bound), DefaultName(*key)});
  }
  return Status::OK();
}

/// _window_start and _window_end of a query with a window, as columns or calls; null: it is none.
UnboundPtr SelectBinder::WindowBoundOf(const Unbound& name) {
  if (!window_.has_value()) return nullptr;
  const char* use = BoundMeant(name);
  if (use == nullptr) return nullptr;
  for (size_t i = 0; i < extras_.size(); ++i) {
    if (extras_[i].use != use) continue;
    return Unbound::Column({kExtraQualifier, std::to_string(i)}, name.span);
  }
  Extra extra;
  extra.use = use;
  extra.type = PlainType(window_->time->type);
  return AddExtra(std::move(extra), name.span);
}

/// _event_time and _timestamp of the streams of FROM; null: `name` is another name.
UnboundPtr SelectBinder::EventTimeOf(const Unbound& name) const {
  if (name.kind != Unbound::Kind::kColumn || name.path.size() > 2) return nullptr;
  constexpr std::array<std::string_view, 2> kNames = {"_event_time", "_timestamp"};
  if (!IsWordOf(kNames, name.path.back())) return nullptr;
  for (const int column : relation_.plan->EventTimes()) {
    if (static_cast<size_t>(column) >= relation_.scope.entries().size()) continue;
    const Scope::Entry& entry = relation_.scope.entries()[static_cast<size_t>(column)];
    const bool is_here =
        name.path.size() == 1 || EqualsIgnoringCase(entry.qualifier, name.path.front());
    if (is_here) return NameOfEntry(relation_.scope, column, name.span);
  }
  return nullptr;
}

Result<PlanPtr> SelectBinder::PlanWindowPass(PlanPtr plan, std::vector<NamedExpression> groups,
                                             const AggregatePass& pass) const {
  const bool is_plain = pass.order.empty() && pass.filter == nullptr;
  if (!is_plain) {
    return WithSpan(
        Error(ErrorKind::kUnsupported,
              "aggregates with an order or rows of their own do not work in windows of time"),
        time_window_->span);
  }
  const bool is_endless = plan->properties().boundedness == Boundedness::kUnbounded;
  const bool changes = is_endless && !binder_.terms_.emits_final.value_or(true);
  Result<PlanPtr> windows =
      PlanWindowAggregate(std::move(plan), *window_, std::move(groups), pass.calls, nullptr,
                          changes ? EmitPolicy::kChanges : EmitPolicy::kAtEnd);
  if (!windows.ok()) return WithSpan(windows.status(), time_window_->span);
  return windows;
}

Result<std::vector<int>> SelectBinder::KeyColumns() const {
  std::vector<int> key;
  for (const SelectItem& item : select_.items) {
    if (!item.is_key) continue;
    const std::string name = item.name.empty() ? DefaultName(*item.expression) : item.name;
    for (size_t i = 0; i < num_items_; ++i) {
      if (EqualsIgnoringCase(outputs_[i].name, name)) key.push_back(static_cast<int>(i));
    }
  }
  if (!key.empty() || !sets_.empty()) return key;
  const auto selected = [&](const auto& is_it) {
    for (size_t i = 0; i < num_items_; ++i) {
      if (!is_it(*outputs_[i].expression)) continue;
      key.push_back(static_cast<int>(i));
      return true;
    }
    return false;
  };
  for (const NamedExpression& group : groups_) {
    const auto is_group = [&](const Expression& output) {
      return Equals(output, *group.expression);
    };
    if (!selected(is_group)) return std::vector<int>();
  }
  if (!window_.has_value()) return key;
  // Cumulating windows share their starts.
  const bool by_end = window_->kind == WindowKind::kCumulate;
  const auto is_bound = [&](const Expression& output) {
    const Extra* extra = output.kind == Expression::Kind::kColumn ? ExtraOf(output) : nullptr;
    return extra != nullptr && extra->use.starts_with(by_end ? "window_end" : "window_");
  };
  return selected(is_bound) ? key : std::vector<int>();
}

}  // namespace headrace::sql
