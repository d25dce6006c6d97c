// Joins of an endless stream with a table that can be probed by key become lookups: the table is
// read as it is when a row of the stream comes, and nothing of it is copied. Filters and plain
// columns over the table move into the lookup. Terms that are no equality with a column of the
// table, as it is stored, belong to the residual.
#include <algorithm>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/function/registry.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/table_view.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// A join seen from its stream: the table is the right side.
struct Sides {
  bool stream_is_left = true;
  PlanPtr stream;
  PlanPtr table;
  JoinKind kind = JoinKind::kInner;
  std::vector<int> stream_keys;
  std::vector<int> table_keys;
};

JoinKind Mirrored(JoinKind kind) {
  if (kind == JoinKind::kLeft) return JoinKind::kRight;
  return kind == JoinKind::kRight ? JoinKind::kLeft : kind;
}

Sides SidesOf(const JoinNode& join) {
  const JoinTerms& terms = join.terms;
  if (terms.build == JoinSide::kRight) {
    return {true, join.inputs()[0], join.inputs()[1], join.kind, terms.left_keys, terms.right_keys};
  }
  return {false,          join.inputs()[1], join.inputs()[0], Mirrored(join.kind), terms.right_keys,
          terms.left_keys};
}

bool KeepsTable(JoinKind kind) { return kind == JoinKind::kRight || kind == JoinKind::kFull; }

ExpressionPtr WithoutCasts(ExpressionPtr expression) {
  while (expression->kind == Expression::Kind::kCast) expression = expression->args[0];
  return expression;
}

/// Its value for nulls is null.
bool IsColumnWithCasts(const ExpressionPtr& expression) {
  return WithoutCasts(expression)->kind == Expression::Kind::kColumn;
}

ExpressionPtr CallOf(const char* function_id, ExpressionPtr left, ExpressionPtr right) {
  const FunctionDef* function = FindFunctionById(function_id);
  return Expression::Call(function, function->overloads.data(), {std::move(left), std::move(right)},
                          arrow::boolean());
}

/// `expression` where `key` is not null, else null.
ExpressionPtr WhereThere(const ExpressionPtr& key, const ExpressionPtr& expression) {
  static const FunctionDef* const is_not_null = FindFunctionById("is_not_null");
  static const FunctionDef* const if_else = FindFunctionById("if");
  ExpressionPtr there =
      Expression::Call(is_not_null, is_not_null->overloads.data(), {key}, arrow::boolean());
  ExpressionPtr null = Expression::Literal(arrow::MakeNullScalar(PlainType(expression->type)));
  return Expression::Call(if_else, if_else->overloads.data(),
                          {std::move(there), expression, std::move(null)}, expression->type);
}

/// What the stream has to be compared with a column of the table by, in the column's own type: the
/// key itself, or, where the column was widened to it, the key made narrower (null where it does
/// not fit: then it equals nothing there). Null: there is no such thing.
ExpressionPtr StreamKeyFor(const ExpressionPtr& stream_key, const ExpressionPtr& table_key) {
  if (table_key->kind == Expression::Kind::kColumn) return stream_key;
  if (table_key->kind != Expression::Kind::kCast) return nullptr;
  const ExpressionPtr& column = table_key->args[0];
  const bool is_widened_integer = column->kind == Expression::Kind::kColumn &&
                                  arrow::is_integer(column->type->id()) &&
                                  arrow::is_integer(table_key->type->id());
  if (!is_widened_integer) return nullptr;
  return Expression::Cast(stream_key, column->type, /*try_cast=*/true);
}

/// The columns of the table that are used, each once.
class UsedColumns {
 public:
  explicit UsedColumns(const arrow::Schema& schema) : schema_(schema) {}

  /// `expression` is over the table's schema; the result over columns(), behind `first` others.
  ExpressionPtr Use(const ExpressionPtr& expression, int first) {
    return ReplaceColumns(expression, [&](const Expression& column) {
      const auto found = std::find(columns_.begin(), columns_.end(), column.column);
      const auto place = static_cast<int>(found - columns_.begin());
      if (found == columns_.end()) columns_.push_back(column.column);
      const auto& field = schema_.field(column.column);
      return Expression::Column(first + place, field->name(), field->type());
    });
  }
  const std::vector<int>& columns() const { return columns_; }

 private:
  const arrow::Schema& schema_;
  std::vector<int> columns_;
};

class LookupMaker {
 public:
  LookupMaker(const PlanPtr& plan, const JoinNode& join, Sides sides, TableView view)
      : plan_(plan),
        join_(join),
        sides_(std::move(sides)),
        view_(std::move(view)),
        used_(*view_.table->schema()) {}

  /// Null: no term is a key.
  Result<PlanPtr> Make() {
    DivideKeys();
    if (terms_.table_keys.empty()) return nullptr;
    ARROW_ASSIGN_OR_RAISE(PlanPtr stream,
                          AppendColumns(sides_.stream, stream_keys_, &terms_.stream_keys));
    width_ = stream->schema()->num_fields();
    AddResiduals();
    if (!view_.filters.empty()) {
      terms_.filter = used_.Use(MakeConjunction(view_.filters), 0);
    }
    std::vector<ExpressionPtr> outputs = Outputs();
    terms_.columns = used_.columns();
    ARROW_ASSIGN_OR_RAISE(PlanPtr lookup, MakeLookupJoinNode(std::move(stream), view_.table,
                                                             sides_.kind, std::move(terms_)));
    return MakeProjectNode(std::move(lookup), std::move(outputs), plan_->schema()->field_names());
  }

 private:
  void DivideKeys() {
    for (size_t i = 0; i < sides_.table_keys.size(); ++i) {
      const ExpressionPtr key = ColumnOf(*sides_.stream->schema(), sides_.stream_keys[i]);
      const ExpressionPtr& of_table = TableColumn(sides_.table_keys[i]);
      const bool matches_null = join_.terms.nulls[i] == NullMatching::kMatch;
      ExpressionPtr stream_key = matches_null ? nullptr : StreamKeyFor(key, of_table);
      const int column = stream_key == nullptr ? -1 : WithoutCasts(of_table)->column;
      const auto& keys = terms_.table_keys;
      if (column < 0 || std::find(keys.begin(), keys.end(), column) != keys.end()) {
        compared_.push_back({matches_null ? "is_not_distinct_from" : "equal", key, of_table});
        continue;
      }
      stream_keys_.push_back(std::move(stream_key));
      terms_.table_keys.push_back(column);
    }
  }

  void AddResiduals() {
    std::vector<ExpressionPtr> residuals;
    for (const auto& [function, key, of_table] : compared_) {
      residuals.push_back(CallOf(function, key, used_.Use(of_table, width_)));
    }
    if (join_.terms.residual != nullptr) {
      residuals.push_back(ReplaceColumns(
          join_.terms.residual, [&](const Expression& column) { return Moved(column.column); }));
    }
    if (!residuals.empty()) terms_.residual = MakeConjunction(std::move(residuals));
  }

  const ExpressionPtr& TableColumn(int column) const {
    return view_.columns[static_cast<size_t>(column)];
  }

  /// Column `column` of both sides of the join, over what the lookup gives.
  ExpressionPtr Moved(int column) {
    const int left_width = join_.inputs()[0]->schema()->num_fields();
    const bool is_left = column < left_width;
    const int of_side = is_left ? column : column - left_width;
    if (is_left != sides_.stream_is_left) return used_.Use(TableColumn(of_side), width_);
    return ColumnOf(*sides_.stream->schema(), of_side);
  }

  std::vector<ExpressionPtr> Outputs() {
    std::vector<ExpressionPtr> outputs;
    for (int column = 0; column < plan_->schema()->num_fields(); ++column) {
      outputs.push_back(Moved(column));
      const bool is_computed = !IsColumnWithCasts(outputs.back());
      if (is_computed && sides_.kind == JoinKind::kLeft) {
        outputs.back() = WhereThere(TableKey(), outputs.back());
      }
    }
    return outputs;
  }

  /// A column of the table that is null where a row of the stream has no match, and only there.
  ExpressionPtr TableKey() {
    const auto& schema = *view_.table->schema();
    return used_.Use(ColumnOf(schema, terms_.table_keys.front()), width_);
  }

  struct Compared {
    const char* function;
    ExpressionPtr key;
    ExpressionPtr of_table;
  };

  const PlanPtr& plan_;
  const JoinNode& join_;
  const Sides sides_;
  const TableView view_;
  UsedColumns used_;
  LookupTerms terms_;
  std::vector<ExpressionPtr> stream_keys_;
  std::vector<Compared> compared_;
  int width_ = 0;  // columns of the stream, keys that were appended included
};

/// Whether a join by hash over the table as it stands would give the same.
bool MayBeHashJoin(const Sides& sides, const TableView& view) {
  return !KeepsTable(sides.kind) && view.table->changes() == nullptr &&
         sides.stream->properties().change_mode == ChangeMode::kAppend;
}

Result<PlanPtr> LookUp(const PlanPtr& plan) {
  const auto* join = As<JoinNode>(*plan);
  if (join == nullptr || join->kind == JoinKind::kMark || join->kind == JoinKind::kSingle) {
    return plan;
  }
  Sides sides = SidesOf(*join);
  if (sides.stream->properties().boundedness == Boundedness::kBounded) return plan;
  std::optional<TableView> view = TableViewOf(*sides.table);
  if (!view.has_value()) return plan;
  const bool may_be_hash_join = MayBeHashJoin(sides, *view);
  const SourcePtr table = view->table;
  const bool is_plain = sides.kind != JoinKind::kFull ||
                        std::all_of(view->columns.begin(), view->columns.end(), IsColumnWithCasts);
  if (is_plain) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr lookup,
                          LookupMaker(plan, *join, std::move(sides), *std::move(view)).Make());
    if (lookup != nullptr) return lookup;
  }
  if (may_be_hash_join) return plan;
  if (!is_plain) {
    return Error(ErrorKind::kUnsupported,
                 "a full join of a stream with {} takes its columns as they are: compute with "
                 "them above the join",
                 table->name());
  }
  return Error(ErrorKind::kUnsupported,
               "a join of a stream with {} looks rows up by key: it needs an equality with a "
               "column of the table, such as stream.id = table.id",
               table->name());
}

}  // namespace

Result<PlanPtr> LookUpTables(const PlanPtr& plan) { return RewriteBottomUp(plan, LookUp); }

}  // namespace headrace
