// Queries: WITH, set operations, and ORDER BY and LIMIT over them.
#include <random>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/engine/computed_source.h"
#include "headrace/expression/coerce.h"
#include "headrace/plan/make_node.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/lexer.h"
#include "headrace/sql/select_binder.h"
#include "headrace/types/encoding.h"

namespace headrace::sql {
namespace {

/// The column that a key of ORDER BY over a whole query means.
Result<ExpressionPtr> OutputKey(const Unbound& key, const arrow::Schema& schema) {
  const bool is_position = key.kind == Unbound::Kind::kLiteral &&
                           key.literal->type->id() == arrow::Type::INT64 && key.literal->is_valid;
  if (!is_position) return headrace::Bind(key, Scope(schema), Dialect::kSql);
  const int64_t position = static_cast<const arrow::Int64Scalar&>(*key.literal).value;
  if (position < 1 || position > schema.num_fields()) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument, "ORDER BY takes a position between 1 and {}, got {}",
              schema.num_fields(), position),
        key.span);
  }
  return ColumnOf(schema, static_cast<int>(position - 1));
}

/// The rows that LIMIT or OFFSET counts; a null is no limit.
Result<std::optional<int64_t>> RowCount(const UnboundPtr& count, const char* clause) {
  if (count == nullptr) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*count, Scope(), Dialect::kSql));
  bound = FoldConstants(bound);
  if (bound->kind == Expression::Kind::kLiteral) {
    if (!bound->literal->is_valid) return std::nullopt;
    const Result<ExpressionPtr> integer = ConvertTo(bound, arrow::int64());
    if (arrow::is_integer(bound->type->id()) && integer.ok()) {
      const ExpressionPtr folded = FoldConstants(*integer);
      const int64_t rows = static_cast<const arrow::Int64Scalar&>(*folded->literal).value;
      if (rows >= 0) return rows;
    }
  }
  return WithSpan(Error(ErrorKind::kInvalidArgument,
                        "{} takes a whole number of rows that is not negative, got {}", clause,
                        ToString(*bound)),
                  count->span);
}

}  // namespace

Result<PlanPtr> OrderedOutput(PlanPtr plan, const Query& query) {
  if (query.order_by.empty()) return plan;
  std::vector<SortExpression> keys;
  for (const UnboundSortKey& key : query.order_by) {
    const NullPlacement nulls = key.nulls.value_or(NullPlacement::kLast);
    if (query.order_by_all) {
      for (const ExpressionPtr& column : AllColumnsOf(*plan->schema())) {
        keys.push_back({column, key.descending, nulls});
      }
      break;
    }
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, OutputKey(*key.expression, *plan->schema()));
    keys.push_back({std::move(bound), key.descending, nulls});
  }
  return PlanSort(std::move(plan), std::move(keys));
}

Result<RowLimit> LimitOf(const Query& query) {
  ARROW_ASSIGN_OR_RAISE(const std::optional<int64_t> count, RowCount(query.limit, "LIMIT"));
  ARROW_ASSIGN_OR_RAISE(const std::optional<int64_t> offset, RowCount(query.offset, "OFFSET"));
  return RowLimit{count, offset.value_or(0)};
}

Result<PlanPtr> WithLimit(PlanPtr plan, const Query& query) {
  ARROW_ASSIGN_OR_RAISE(const RowLimit limit, LimitOf(query));
  if (!limit.count.has_value() && limit.offset == 0) return plan;
  return PlanLimit(std::move(plan), limit.count.value_or(std::numeric_limits<int64_t>::max()),
                   limit.offset);
}

Result<PlanPtr> WithSample(PlanPtr plan, const std::optional<SampleClause>& sample) {
  if (!sample.has_value()) return plan;
  const uint64_t seed = sample->seed.has_value() ? *sample->seed : std::random_device()();
  Result<PlanPtr> sampled =
      sample->is_percent
          ? PlanSample(std::move(plan), sample->amount / 100, seed)
          : PlanSampleRows(std::move(plan), static_cast<int64_t>(sample->amount), seed);
  if (!sampled.ok()) return WithSpan(sampled.status(), sample->span);
  return sampled;
}

Result<PlanPtr> WithColumnNames(PlanPtr plan, const std::vector<std::string>& names,
                                TextSpan span) {
  if (names.empty()) return plan;
  const auto width = static_cast<size_t>(plan->schema()->num_fields());
  if (names.size() > width) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument,
              "expected at most {} names, as there are columns, got {}", width, names.size()),
        span);
  }
  std::vector<NamedExpression> outputs;
  for (size_t i = 0; i < width; ++i) {
    const ExpressionPtr column = ColumnOf(*plan->schema(), static_cast<int>(i));
    outputs.push_back({column, i < names.size() ? names[i] : column->name});
  }
  return PlanProject(std::move(plan), std::move(outputs));
}

Result<PlanPtr> Binder::BindQuery(const Query& query) {
  const size_t known = known_.size();
  ARROW_RETURN_NOT_OK(BindWith(query));
  Result<PlanPtr> plan = BindBody(query);
  known_.resize(known);
  return plan;
}

Result<PlanPtr> Binder::BindBody(const Query& query) {
  if (query.select != nullptr) return SelectBinder(*this, *query.select, query, nullptr).Bind();
  Result<PlanPtr> plan = query.set != nullptr ? BindSetOperation(*query.set) : BindValues(query);
  ARROW_RETURN_NOT_OK(plan);
  ARROW_ASSIGN_OR_RAISE(PlanPtr ordered, OrderedOutput(*std::move(plan), query));
  return WithLimit(std::move(ordered), query);
}

Result<KeyedQuery> Binder::BindKeyedQuery(const Query& query) {
  KeyedQuery keyed;
  if (query.select == nullptr) {
    ARROW_ASSIGN_OR_RAISE(keyed.plan, BindQuery(query));
  } else {
    const size_t known = known_.size();
    ARROW_RETURN_NOT_OK(BindWith(query));
    SelectBinder select(*this, *query.select, query, nullptr);
    Result<PlanPtr> plan = select.Bind();
    known_.resize(known);
    ARROW_ASSIGN_OR_RAISE(keyed.plan, std::move(plan));
    ARROW_ASSIGN_OR_RAISE(keyed.key, select.KeyColumns());
  }
  return WithQueriesInlined(keyed.plan).Map([&](PlanPtr plan) {
    keyed.plan = std::move(plan);
    return keyed;
  });
}

Result<PlanPtr> Binder::BindSetOperation(const SetOperation& set) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr left, BindQuery(*set.left));
  ARROW_ASSIGN_OR_RAISE(PlanPtr right, BindQuery(*set.right));
  return PlanOfSet(set, std::move(left), std::move(right));
}

Result<PlanPtr> PlanOfSet(const SetOperation& set, PlanPtr left, PlanPtr right) {
  const auto kind = set.kind == SetOperation::Kind::kUnion ? headrace::SetOperation::kUnion
                    : set.kind == SetOperation::Kind::kIntersect
                        ? headrace::SetOperation::kIntersect
                        : headrace::SetOperation::kExcept;
  Result<PlanPtr> plan =
      PlanSetOperation(std::move(left), std::move(right), kind, set.all, set.by_name);
  if (!plan.ok()) return WithSpan(plan.status(), set.span);
  return plan;
}

Result<PlanPtr> PlanOfAll(std::vector<PlanPtr> plans) {
  PlanPtr all = std::move(plans.front());
  for (size_t i = 1; i < plans.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(all, PlanSetOperation(std::move(all), std::move(plans[i]),
                                                headrace::SetOperation::kUnion, /*all=*/true));
  }
  return all;
}

}  // namespace headrace::sql
