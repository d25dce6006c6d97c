// UPDATE and DELETE: the rows that the table has afterwards, as a query over the table.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/lexer.h"
#include "headrace/types/encoding.h"

namespace headrace::sql {
namespace {

// No name of a query can be these: quoted names are not empty, and these start with a blank.
constexpr const char* kChanged = " changed";
constexpr const char* kRow = " row";
constexpr const char* kMatch = " match";

UnboundPtr BooleanLiteral(bool value, TextSpan span) {
  return Unbound::Literal(std::make_shared<arrow::BooleanScalar>(value), span);
}

QueryPtr QueryOf(Select select, TextSpan span) {
  auto query = std::make_shared<Query>();
  query->select = std::make_shared<const Select>(std::move(select));
  query->span = span;
  return query;
}

void AddItem(Select* select, UnboundPtr expression, std::string name = "") {
  SelectItem& item = select->items.emplace_back();
  item.expression = std::move(expression);
  item.name = std::move(name);
}

TableReference ReferenceTo(QueryPtr query, std::string alias) {
  TableReference reference;
  reference.kind = TableReference::Kind::kQuery;
  reference.span = query->span;
  reference.query = std::move(query);
  reference.alias = std::move(alias);
  return reference;
}

/// The query of the rows of a changed table.
class ChangedRows {
 public:
  ChangedRows(const Statement& statement, const arrow::Schema& schema)
      : change_(statement.change), schema_(schema), span_(statement.name_span) {
    table_.name = statement.name;
    table_.alias = change_.alias;
    table_.span = span_;
    name_ = change_.alias.empty() ? statement.name : change_.alias;
  }

  /// Rows for which the condition is not true, or that have no partner for which it is.
  QueryPtr AfterDelete() const {
    Select select;
    select.from = table_;
    AddItem(&select, Unbound::Star({}, span_));
    const UnboundPtr condition =
        change_.others.where == nullptr ? BooleanLiteral(true, span_) : change_.others.where;
    if (change_.others.from.has_value()) {
      Select partners = change_.others;
      AddItem(&partners, BooleanLiteral(true, span_));
      Unbound exists;
      exists.kind = Unbound::Kind::kQuery;
      exists.name = "exists";
      exists.span = span_;
      exists.query = std::make_shared<const QueryOperand>(QueryOf(std::move(partners), span_));
      select.where =
          Unbound::Call("not", {std::make_shared<const Unbound>(std::move(exists))}, span_);
    } else {
      select.where = Unbound::Call("not", {IsTrue(condition)}, span_);
    }
    return QueryOf(std::move(select), span_);
  }

  /// All rows, with a column behind them that says whether a row changed.
  QueryPtr AfterUpdate() const {
    return change_.others.from.has_value() ? UpdatedFromOthers() : UpdatedAlone();
  }

 private:
  UnboundPtr IsTrue(const UnboundPtr& condition) const {
    return Unbound::Call("coalesce", {condition, BooleanLiteral(false, span_)}, span_);
  }

  const UnboundPtr* AssignedTo(const std::string& column) const {
    for (const auto& [name, value] : change_.assignments) {
      if (EqualsIgnoringCase(name, column)) return &value;
    }
    return nullptr;
  }

  /// The columns of the table, of those that are set `value(i)` where `changed`.
  template <typename Value>
  void AddColumns(Select* select, const UnboundPtr& changed, const Value& value) const {
    for (const auto& field : schema_.fields()) {
      UnboundPtr column = Unbound::Column({name_, field->name()}, span_);
      if (const UnboundPtr* assigned = AssignedTo(field->name())) {
        const UnboundPtr cast = Unbound::Cast(value(field->name(), *assigned),
                                              PlainType(field->type()), false, (*assigned)->span);
        column = Unbound::Call("case", {changed, cast, column}, (*assigned)->span);
      }
      AddItem(select, std::move(column), field->name());
    }
    AddItem(select, changed, kChanged);
  }

  /// The condition is computed once, below the values.
  QueryPtr UpdatedAlone() const {
    Select marked;
    marked.from = table_;
    AddItem(&marked, Unbound::Star({}, span_));
    AddItem(&marked,
            change_.others.where == nullptr ? BooleanLiteral(true, span_)
                                            : IsTrue(change_.others.where),
            kChanged);
    Select select;
    select.from = ReferenceTo(QueryOf(std::move(marked), span_), name_);
    AddColumns(&select, Unbound::Column({name_, kChanged}, span_),
               [](const std::string&, const UnboundPtr& assigned) { return assigned; });
    return QueryOf(std::move(select), span_);
  }

  /// The table with numbers of its rows.
  TableReference Numbered() const {
    Select numbered;
    numbered.from = table_;
    AddItem(&numbered, Unbound::Star({}, span_));
    Unbound number;
    number.kind = Unbound::Kind::kCall;
    number.name = "row_number";
    number.span = span_;
    number.window = std::make_shared<const UnboundWindow>();
    AddItem(&numbered, std::make_shared<const Unbound>(std::move(number)), kRow);
    return ReferenceTo(QueryOf(std::move(numbered), span_), name_);
  }

  /// Values of the first match of each row.
  QueryPtr Matches() const {
    Select matches;
    matches.from = Numbered();
    JoinClause cross;
    cross.kind = JoinClause::Kind::kCross;
    cross.right = *change_.others.from;
    cross.span = span_;
    matches.joins.push_back(std::move(cross));
    matches.joins.insert(matches.joins.end(), change_.others.joins.begin(),
                         change_.others.joins.end());
    matches.where = change_.others.where;
    const UnboundPtr row = Unbound::Column({name_, kRow}, span_);
    matches.distinct_on.push_back(row);
    AddItem(&matches, row, kRow);
    for (const auto& [name, value] : change_.assignments) AddItem(&matches, value, name);
    return QueryOf(std::move(matches), span_);
  }

  QueryPtr UpdatedFromOthers() const {
    Select select;
    select.from = Numbered();
    JoinClause join;
    join.kind = JoinClause::Kind::kLeft;
    join.right = ReferenceTo(Matches(), kMatch);
    join.span = span_;
    const UnboundPtr found = Unbound::Column({kMatch, kRow}, span_);
    const UnboundPtr row = Unbound::Column({name_, kRow}, span_);
    join.condition = Unbound::Call("=", {row, found}, span_);
    select.joins.push_back(std::move(join));
    AddColumns(&select, Unbound::Call("is_not_null", {found}, span_),
               [&](const std::string& column, const UnboundPtr&) {
                 return Unbound::Column({kMatch, column}, span_);
               });
    auto query = std::make_shared<Query>();
    query->select = std::make_shared<const Select>(std::move(select));
    query->span = span_;
    query->order_by.push_back({row, false, std::nullopt});
    return query;
  }

  const Change& change_;
  const arrow::Schema& schema_;
  const TextSpan span_;
  TableReference table_;
  std::string name_;
};

}  // namespace

Status Binder::BindChange(const Statement& statement, BoundStatement* bound) {
  const bool updates = statement.kind == Statement::Kind::kUpdate;
  bound->kind = updates ? BoundStatement::Kind::kUpdate : BoundStatement::Kind::kDelete;
  if (session_.FindEntry(statement.name) == Session::EntryKind::kView) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument, "\"{}\" is a view; change its table", statement.name),
        statement.name_span);
  }
  Result<SourcePtr> found = session_.FindTable(statement.name);
  if (!found.ok()) return WithSpan(found.status(), statement.name_span);
  bound->changed = *std::move(found);
  ARROW_RETURN_NOT_OK(WithSpan(Session::CheckTakesRows(*bound->changed), statement.name_span));
  const arrow::Schema& schema = *bound->changed->schema();
  const Scope scope(schema);
  for (const auto& [column, value] : statement.change.assignments) {
    const Result<int> known = scope.Resolve({column}, Dialect::kSql);
    if (!known.ok()) return WithSpan(known.status(), value->span);
  }
  const ChangedRows rows(statement, schema);
  return BindQuery(updates ? *rows.AfterUpdate() : *rows.AfterDelete()).Value(&bound->plan);
}

}  // namespace headrace::sql
