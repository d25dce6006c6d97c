// Plan building, running, writing and explaining for Python.
#include "headrace/python/plan.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/format/format.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/match_clause.h"
#include "headrace/python/error.h"
#include "headrace/python/exchange.h"
#include "headrace/python/expression.h"
#include "headrace/python/poll.h"
#include "headrace/python/run.h"

namespace headrace::python {
namespace {

using NamedHandles = std::vector<std::tuple<ExpressionHandle, std::string>>;
using KeyTuple = std::tuple<ExpressionHandle, bool, std::optional<std::string>>;

/// A plan made from `self`, by the builder.
template <typename Build>
PlanHandle Derive(const PlanHandle& self, Callbacks more, Build&& build) {
  Callbacks callbacks = self.callbacks;
  Merge(more, &callbacks);
  return {self.session, CallEngine(std::forward<Build>(build)), std::move(callbacks)};
}

Scope ScopeOf(const PlanHandle& self) { return Scope(*self.plan->schema()); }

Result<std::vector<NamedExpression>> BindAll(const NamedHandles& handles, const Scope& scope) {
  std::vector<NamedExpression> bound;
  for (const auto& [handle, name] : handles) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr expression, BindHandle(handle, scope));
    bound.push_back({std::move(expression), name});
  }
  return bound;
}

Callbacks CallbacksOf(const NamedHandles& handles) {
  Callbacks callbacks;
  for (const auto& named : handles) Merge(std::get<0>(named).callbacks, &callbacks);
  return callbacks;
}

PlanHandle Filter(const PlanHandle& self, const ExpressionHandle& predicate) {
  return Derive(self, predicate.callbacks, [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindHandle(predicate, ScopeOf(self)));
    return PlanFilter(self.plan, std::move(bound));
  });
}

PlanHandle Project(const PlanHandle& self, const NamedHandles& outputs) {
  return Derive(self, CallbacksOf(outputs), [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(auto bound, BindAll(outputs, ScopeOf(self)));
    return PlanProject(self.plan, std::move(bound));
  });
}

/// Columns by index, each with a new name.
PlanHandle Pick(const PlanHandle& self, const std::vector<std::tuple<int, std::string>>& columns) {
  return Derive(self, {}, [&]() -> Result<PlanPtr> {
    std::vector<NamedExpression> outputs;
    for (const auto& [index, name] : columns) {
      const auto& field = self.plan->schema()->field(index);
      outputs.push_back({Expression::Column(index, field->name(), field->type()), name});
    }
    return PlanProject(self.plan, std::move(outputs));
  });
}

PlanHandle Distinct(const PlanHandle& self) {
  return Derive(self, {}, [&] { return PlanDistinct(self.plan); });
}

PlanHandle Union(const PlanHandle& self, const std::vector<PlanHandle>& others, bool by_name) {
  std::vector<PlanPtr> inputs = {self.plan};
  Callbacks callbacks;
  for (const PlanHandle& other : others) {
    inputs.push_back(other.plan);
    Merge(other.callbacks, &callbacks);
  }
  return Derive(self, std::move(callbacks), [&] { return PlanUnion(std::move(inputs), by_name); });
}

/// The columns that `keys` name, or kInvalidArgument, which begins with `what`.
Result<Ordering> OrderingOf(const std::vector<SortExpression>& keys, const char* what) {
  Ordering ordering;
  for (const SortExpression& key : keys) {
    if (key.expression->kind != Expression::Kind::kColumn) {
      return Error(ErrorKind::kInvalidArgument,
                   "{} by columns, and {} is none: derive it as a column first", what,
                   ToString(*key.expression));
    }
    ordering.push_back({key.expression->column, key.descending, key.nulls});
  }
  if (!ordering.empty()) return ordering;
  return Error(ErrorKind::kInvalidArgument, "expected the columns that rows are sorted by");
}

PlanHandle Limit(const PlanHandle& self, int64_t count, int64_t offset) {
  return Derive(self, {}, [&] { return PlanLimit(self.plan, count, offset); });
}

Result<NullPlacement> SortPlacementOf(const std::optional<std::string>& name) {
  if (!name.has_value()) return NullPlacement::kLast;
  if (*name == "first") return NullPlacement::kFirst;
  if (*name == "last") return NullPlacement::kLast;
  return Error(ErrorKind::kInvalidArgument,
               "expected nulls to be \"first\" or \"last\", got \"{}\"", *name);
}

Result<std::vector<SortExpression>> BindKeys(const PlanHandle& self,
                                             const std::vector<KeyTuple>& keys) {
  std::vector<SortExpression> bound;
  for (const auto& [handle, descending, nulls] : keys) {
    ARROW_ASSIGN_OR_RAISE(const NullPlacement placement, SortPlacementOf(nulls));
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr key, BindHandle(handle, ScopeOf(self)));
    bound.push_back({std::move(key), descending, placement});
  }
  return bound;
}

PlanHandle Sort(const PlanHandle& self, const std::vector<KeyTuple>& keys) {
  Callbacks callbacks;
  for (const auto& key : keys) Merge(std::get<0>(key).callbacks, &callbacks);
  return Derive(self, std::move(callbacks), [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(auto bound, BindKeys(self, keys));
    return PlanSort(self.plan, std::move(bound));
  });
}

PlanHandle AssumeSorted(const PlanHandle& self, const std::vector<KeyTuple>& keys) {
  return Derive(self, {}, [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const auto bound, BindKeys(self, keys));
    ARROW_ASSIGN_OR_RAISE(Ordering ordering, OrderingOf(bound, "rows are declared sorted"));
    return PlanAssumeSorted(self.plan, std::move(ordering));
  });
}

PlanHandle MergeSorted(const PlanHandle& self, const std::vector<PlanHandle>& others,
                       const std::vector<KeyTuple>& keys, bool by_name) {
  std::vector<PlanPtr> inputs = {self.plan};
  Callbacks callbacks;
  for (const PlanHandle& other : others) {
    inputs.push_back(other.plan);
    Merge(other.callbacks, &callbacks);
  }
  return Derive(self, std::move(callbacks), [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const auto bound, BindKeys(self, keys));
    ARROW_ASSIGN_OR_RAISE(Ordering ordering, OrderingOf(bound, "sorted rows are merged"));
    return PlanMergeUnion(std::move(inputs), std::move(ordering), by_name);
  });
}

PlanHandle Aggregate(const PlanHandle& self, const NamedHandles& keys,
                     const NamedHandles& outputs) {
  Callbacks callbacks = CallbacksOf(keys);
  Merge(CallbacksOf(outputs), &callbacks);
  return Derive(self, std::move(callbacks), [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(auto bound_keys, BindAll(keys, ScopeOf(self)));
    ARROW_ASSIGN_OR_RAISE(auto bound_outputs, BindAll(outputs, ScopeOf(self)));
    return PlanAggregate(self.plan, std::move(bound_keys), std::move(bound_outputs));
  });
}

/// The columns of both sides under the qualifiers "l" and "r".
Scope JoinScope(const PlanHandle& left, const PlanHandle& right) {
  Scope scope;
  for (const auto& field : left.plan->schema()->fields()) {
    scope.Add("l", field->name(), field->type());
  }
  for (const auto& field : right.plan->schema()->fields()) {
    scope.Add("r", field->name(), field->type());
  }
  return scope;
}

Result<JoinKind> JoinKindOf(const std::string& how) {
  if (how == "inner") return JoinKind::kInner;
  if (how == "left") return JoinKind::kLeft;
  if (how == "right") return JoinKind::kRight;
  if (how == "full" || how == "outer") return JoinKind::kFull;
  if (how == "semi") return JoinKind::kSemi;
  if (how == "anti") return JoinKind::kAnti;
  return Error(ErrorKind::kInvalidArgument,
               "expected how to be \"inner\", \"left\", \"right\", \"full\", \"semi\" or "
               "\"anti\", got \"{}\"",
               how);
}

PlanHandle Join(const PlanHandle& self, const PlanHandle& right, const ExpressionHandle& condition,
                const std::string& how, bool merges) {
  Callbacks callbacks = right.callbacks;
  Merge(condition.callbacks, &callbacks);
  return Derive(self, std::move(callbacks), [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const JoinKind kind, JoinKindOf(how));
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindHandle(condition, JoinScope(self, right)));
    JoinOptions options;
    if (merges) options.strategy = JoinStrategy::kMerge;
    return PlanJoin(self.plan, right.plan, kind, std::move(bound), options);
  });
}

Result<std::vector<int>> IndexesOf(const PlanHandle& self, const std::vector<std::string>& names) {
  std::vector<int> indexes;
  for (const std::string& name : names) {
    ARROW_ASSIGN_OR_RAISE(const int index, ScopeOf(self).Resolve({name}, Dialect::kSFrame));
    indexes.push_back(index);
  }
  return indexes;
}

PlanHandle Funnel(const PlanHandle& self, const std::vector<ExpressionHandle>& steps,
                  const std::vector<std::string>& keys, const std::string& time, int64_t within) {
  return Derive(self, {}, [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(std::vector<int> columns, IndexesOf(self, keys));
    ARROW_ASSIGN_OR_RAISE(const std::vector<int> times, IndexesOf(self, {time}));
    std::vector<ExpressionPtr> bound;
    for (const ExpressionHandle& step : steps) {
      ARROW_ASSIGN_OR_RAISE(bound.emplace_back(), BindHandle(step, ScopeOf(self)));
    }
    return PlanFunnel(self.plan, std::move(columns), times.front(), std::move(bound), within);
  });
}

/// A row per item of `list`, in a column `name` behind the others.
PlanHandle Unnest(const PlanHandle& self, const ExpressionHandle& list, const std::string& name) {
  return Derive(self, list.callbacks, [&]() -> Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindHandle(list, ScopeOf(self)));
    return PlanUnnest(self.plan, {{std::move(bound), name}});
  });
}

Result<AsofDirection> DirectionOf(const std::string& name) {
  if (name == "backward") return AsofDirection::kBackward;
  if (name == "forward") return AsofDirection::kForward;
  return Error(ErrorKind::kInvalidArgument,
               "expected direction to be \"backward\" or \"forward\", got \"{}\"", name);
}

/// `left` and `right` name the time column, then the columns that must be equal.
PlanHandle AsofJoin(const PlanHandle& self, const PlanHandle& right,
                    const std::vector<std::string>& left_names,
                    const std::vector<std::string>& right_names, const std::string& direction,
                    bool strict, std::optional<int64_t> tolerance) {
  return Derive(self, right.callbacks, [&]() -> Result<PlanPtr> {
    AsofOptions options;
    ARROW_ASSIGN_OR_RAISE(options.direction, DirectionOf(direction));
    ARROW_ASSIGN_OR_RAISE(const auto left_columns, IndexesOf(self, left_names));
    ARROW_ASSIGN_OR_RAISE(const auto right_columns, IndexesOf(right, right_names));
    options.left_by.assign(left_columns.begin() + 1, left_columns.end());
    options.right_by.assign(right_columns.begin() + 1, right_columns.end());
    options.strict = strict;
    options.tolerance = tolerance;
    return PlanAsofJoin(self.plan, right.plan, left_columns.front(), right_columns.front(),
                        std::move(options));
  });
}

/// Names of MatchRows and MatchSkip::Kind, in their order.
constexpr std::array kMatchRowsNames = {"one", "all", "all omit empty", "all with unmatched"};
constexpr std::array kMatchSkipNames = {"past last row", "to next row", "to first", "to last"};

template <typename Enum, size_t kCount>
Result<Enum> NamedOf(const std::string& name, const std::array<const char*, kCount>& names,
                     const char* what) {
  for (size_t i = 0; i < kCount; ++i) {
    if (name == names[i]) return static_cast<Enum>(i);
  }
  std::string known;
  for (const char* other : names)
    known += (known.empty() ? "\"" : ", \"") + std::string(other) + "\"";
  return Error(ErrorKind::kInvalidArgument, "expected {} to be one of {}, got \"{}\"", what, known,
               name);
}

std::vector<NamedUnboundExpression> UnboundOf(const NamedHandles& handles) {
  std::vector<NamedUnboundExpression> unbound;
  for (const auto& [handle, name] : handles) unbound.push_back({name, handle.tree});
  return unbound;
}

using Subsets = std::vector<std::tuple<std::string, std::vector<std::string>>>;

/// `skip`: its kind, and the variable of one that has one.
PlanHandle MatchRecognize(const PlanHandle& self, const std::string& pattern,
                          const NamedHandles& definitions, const NamedHandles& measures,
                          const std::vector<ExpressionHandle>& partition_by,
                          const std::vector<KeyTuple>& order_by, const std::string& rows,
                          const std::tuple<std::string, std::string>& skip, const Subsets& subsets,
                          int64_t rows_max, std::optional<int64_t> span_micros,
                          std::optional<int64_t> span_units) {
  return Derive(self, {}, [&]() -> Result<PlanPtr> {
    MatchClause clause;
    clause.pattern = pattern;
    clause.definitions = UnboundOf(definitions);
    clause.measures = UnboundOf(measures);
    for (const ExpressionHandle& key : partition_by) clause.partition_by.push_back(key.tree);
    for (const auto& [handle, descending, nulls] : order_by) {
      ARROW_ASSIGN_OR_RAISE(const NullPlacement placement, SortPlacementOf(nulls));
      clause.order_by.push_back({handle.tree, descending, placement});
    }
    ARROW_ASSIGN_OR_RAISE(clause.rows, NamedOf<MatchRows>(rows, kMatchRowsNames, "rows"));
    const auto& [kind, variable] = skip;
    ARROW_ASSIGN_OR_RAISE(clause.skip,
                          NamedOf<MatchSkip::Kind>(kind, kMatchSkipNames, "after_match"));
    clause.skip_variable = variable;
    for (const auto& [name, parts] : subsets) clause.subsets.emplace_back(name, parts);
    clause.rows_max = rows_max;
    clause.span_micros = span_micros;
    clause.span_units = span_units;
    return PlanMatchRecognize(self.plan, ScopeOf(self), clause);
  });
}

Result<std::unique_ptr<RunHandle>> Start(const PlanHandle& self, Session& session, Poll poll) {
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session.Run(self.plan));
  return std::make_unique<RunHandle>(self.session, std::move(cursor), self.callbacks,
                                     std::move(poll));
}

std::shared_ptr<RunHandle> Run(const PlanHandle& self, nb::object progress) {
  Session& session = self.session->Get();
  Poll poll = MakePoll(std::move(progress));
  return CallEngine([&]() -> Result<std::shared_ptr<RunHandle>> {
    return Start(self, session, std::move(poll));
  });
}

/// The rows of a plan for any consumer; the query starts when the first batch is asked for.
class PlanReader final : public arrow::RecordBatchReader {
 public:
  PlanReader(PlanHandle plan, std::shared_ptr<Session> session)
      : plan_(std::move(plan)), session_(std::move(session)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return plan_.plan->schema(); }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    // Consumers call with the GIL or without.
    if (nb::is_alive() && PyGILState_Check() != 0) {
      nb::gil_scoped_release release;
      return Read(out);
    }
    return Read(out);
  }

 private:
  Status Read(std::shared_ptr<arrow::RecordBatch>* out) {
    const NoRaisedSlot outside_python;
    if (!plan_.session->InItsProcess()) {
      return MakeError(ErrorKind::kInvalidArgument,
                       "the stream was made before this process forked");
    }
    try {
      if (run_ == nullptr) {
        ARROW_ASSIGN_OR_RAISE(run_, Start(plan_, *session_, PollSignals));
      }
      return run_->Next().Value(out);
    } catch (const InvariantError& error) {
      return MakeError(ErrorKind::kInternal, error.what());
    }
  }

  const PlanHandle plan_;
  const std::shared_ptr<Session> session_;
  std::unique_ptr<RunHandle> run_;
};

nb::object Stream(const PlanHandle& self) {
  return ExportStream(std::make_shared<PlanReader>(self, self.session->Get().shared_from_this()));
}

int64_t Write(const PlanHandle& self, const std::string& path,
              const std::map<std::string, std::string>& options, nb::object progress) {
  Session& session = self.session->Get();
  Poll poll = MakePoll(std::move(progress));
  return CallEngine([&]() -> Result<int64_t> {
    ARROW_ASSIGN_OR_RAISE(
        auto sink, CreateFile(session.vfs(), path, OptionMap(options.begin(), options.end())));
    return session.RunInto(self.plan, std::move(sink), std::move(poll));
  });
}

std::string Explain(const PlanHandle& self, bool analyze) {
  Session& session = self.session->Get();
  return CallEngine([&] { return session.ExplainPlan(self.plan, analyze, PollSignals); });
}

PlanHandle CachedPlan(const PlanHandle& self) {
  Session& session = self.session->Get();
  return {self.session, CallEngine([&] { return session.Cache(self.plan); }), self.callbacks};
}

/// A scan of `table` in the session of `self`.
PlanHandle ScanBeside(const PlanHandle& self, const TableHandle& table) {
  return {self.session, CallEngine([&] { return PlanScan(table.source); }), {}};
}

/// The table that a bare scan reads, so that it need not be copied to be named in SQL.
std::optional<TableHandle> ScannedTable(const PlanHandle& self) {
  const auto* scan = As<ScanNode>(*self.plan);
  if (scan == nullptr) return std::nullopt;
  return TableHandle{scan->source};
}

}  // namespace

void AddPlanClass(nb::module_& module) {
  nb::class_<PlanHandle>(module, "Plan")
      .def("filter", &Filter, nb::arg("predicate"))
      .def("project", &Project, nb::arg("outputs"))
      .def("pick", &Pick, nb::arg("columns"))
      .def("limit", &Limit, nb::arg("count"), nb::arg("offset"))
      .def("distinct", &Distinct)
      .def("union", &Union, nb::arg("others"), nb::arg("by_name"))
      .def("sort", &Sort, nb::arg("keys"))
      .def("assume_sorted", &AssumeSorted, nb::arg("keys"))
      .def("aggregate", &Aggregate, nb::arg("keys"), nb::arg("outputs"))
      .def("join", &Join, nb::arg("right"), nb::arg("condition"), nb::arg("how"), nb::arg("merges"))
      .def("asof_join", &AsofJoin, nb::arg("right"), nb::arg("left_names"), nb::arg("right_names"),
           nb::arg("direction"), nb::arg("strict"), nb::arg("tolerance").none())
      .def("merge_sorted", &MergeSorted, nb::arg("others"), nb::arg("keys"), nb::arg("by_name"))
      .def("funnel", &Funnel, nb::arg("steps"), nb::arg("keys"), nb::arg("time"), nb::arg("within"))
      .def("unnest", &Unnest, nb::arg("list"), nb::arg("name"))
      .def("match_recognize", &MatchRecognize, nb::arg("pattern"), nb::arg("definitions"),
           nb::arg("measures"), nb::arg("partition_by"), nb::arg("order_by"), nb::arg("rows"),
           nb::arg("skip"), nb::arg("subsets"), nb::arg("rows_max"), nb::arg("span_micros").none(),
           nb::arg("span_units").none())
      .def("run", &Run, nb::arg("progress") = nb::none())
      .def("write", &Write, nb::arg("path"), nb::arg("options"), nb::arg("progress") = nb::none())
      .def("progress_mode", [](const PlanHandle& self) { return self.session->progress_mode; })
      .def("explain", &Explain, nb::arg("analyze"))
      .def("cache", &CachedPlan)
      .def("scan_beside", &ScanBeside, nb::arg("table"))
      .def("scanned_table", &ScannedTable)
      .def("__arrow_c_schema__",
           [](const PlanHandle& self) { return ExportSchema(self.plan->schema()); })
      .def("__arrow_c_stream__", &Stream);
}

}  // namespace headrace::python
