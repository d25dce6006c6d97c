// Queries: WITH, set operations, VALUES, ORDER BY, LIMIT.
#include "arrow/scalar.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

/// SELECT * FROM (query), for clauses that come after a query that has the same ones.
std::shared_ptr<const Select> SelectFrom(QueryPtr query) {
  auto select = std::make_shared<Select>();
  SelectItem star;
  star.expression = Unbound::Star({}, query->span);
  select->items.push_back(std::move(star));
  select->from.emplace();
  select->from->kind = TableReference::Kind::kQuery;
  select->from->span = query->span;
  select->from->query = std::move(query);
  return select;
}

bool HasTail(const Query& query) {
  return !query.with.empty() || !query.order_by.empty() || query.limit != nullptr ||
         query.offset != nullptr;
}

}  // namespace

/// Whether a query comes next, where an expression or a table may come too.
bool Parser::StartsQuery() const {
  if (PeekIsOneOf({"SELECT", "FROM"}) || StartsPivot()) return true;
  if (Peek().IsWord("VALUES")) return PeekNext().IsSymbol("(");
  return Peek().IsWord("WITH") &&
         (PeekNext().kind == Token::Kind::kWord || PeekNext().kind == Token::Kind::kQuotedName);
}

Result<QueryPtr> Parser::ParseQuery() {
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  const int64_t begin = Peek().span.begin;
  Query query;
  if (AcceptWord("WITH")) ARROW_RETURN_NOT_OK(ParseWith(&query));
  const int64_t body_begin = Peek().span.begin;
  ARROW_ASSIGN_OR_RAISE(QueryPtr body, ParseSetOperations());
  ARROW_RETURN_NOT_OK(ParseQueryClauses(&query));
  ARROW_ASSIGN_OR_RAISE(body, ParseLateClauses(std::move(body), body_begin));
  ARROW_RETURN_NOT_OK(ParseQueryClauses(&query));
  if (!HasTail(query)) return body;
  if (HasTail(*body)) {
    query.select = SelectFrom(body);
  } else {
    query.select = body->select;
    query.set = body->set;
    query.values = body->values;
  }
  query.span = SpanFrom(begin);
  return std::make_shared<const Query>(std::move(query));
}

/// name [(column, …)] AS [[NOT] MATERIALIZED] (query), …
Status Parser::ParseWith(Query* query) {
  const bool recursive = Peek().IsWord("RECURSIVE") && !PeekNext().IsWord("AS");
  if (recursive) Take();
  do {
    CommonTable table;
    table.recursive = recursive;
    ARROW_ASSIGN_OR_RAISE(table.name, ParseName("the name of a query"));
    if (Peek().IsSymbol("(")) {
      ARROW_ASSIGN_OR_RAISE(table.columns, ParseNameList("a column"));
    }
    ARROW_RETURN_NOT_OK(ExpectWord("AS"));
    const bool negated = AcceptWord("NOT");
    if (!AcceptWord("MATERIALIZED") && negated) return Unexpected("MATERIALIZED");
    ARROW_RETURN_NOT_OK(ExpectSymbol("("));
    ARROW_ASSIGN_OR_RAISE(table.query, ParseQuery());
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    query->with.push_back(std::move(table));
  } while (AcceptSymbol(","));
  return Status::OK();
}

Result<std::vector<std::string>> Parser::ParseNameList(std::string_view expected) {
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  std::vector<std::string> names;
  do {
    ARROW_ASSIGN_OR_RAISE(names.emplace_back(), ParseName(expected));
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return names;
}

Result<QueryPtr> Parser::ParseSetOperations() {
  ARROW_ASSIGN_OR_RAISE(QueryPtr query, ParseIntersections());
  for (int count = 0; PeekIsOneOf({"UNION", "EXCEPT"}); ++count) {
    const auto kind =
        Take().IsWord("UNION") ? SetOperation::Kind::kUnion : SetOperation::Kind::kExcept;
    ARROW_ASSIGN_OR_RAISE(query,
                          ParseSetOperation(kind, std::move(query), &Parser::ParseIntersections));
    if (depth_ + count > kSetOperationsMax) return Unexpected("fewer set operations");
  }
  return query;
}

Result<QueryPtr> Parser::ParseIntersections() {
  ARROW_ASSIGN_OR_RAISE(QueryPtr query, ParseSetOperand());
  for (int count = 0; AcceptWord("INTERSECT"); ++count) {
    ARROW_ASSIGN_OR_RAISE(query, ParseSetOperation(SetOperation::Kind::kIntersect, std::move(query),
                                                   &Parser::ParseSetOperand));
    if (depth_ + count > kSetOperationsMax) return Unexpected("fewer set operations");
  }
  return query;
}

/// After the word: [ALL | DISTINCT] [BY NAME] right.
Result<QueryPtr> Parser::ParseSetOperation(SetOperation::Kind kind, QueryPtr left,
                                           Result<QueryPtr> (Parser::*parse_right)()) {
  SetOperation set;
  set.kind = kind;
  set.all = AcceptWord("ALL");
  if (!set.all) AcceptWord("DISTINCT");
  if (AcceptWord("BY")) {
    ARROW_RETURN_NOT_OK(ExpectWord("NAME"));
    set.by_name = true;
  }
  set.span = Peek().span;
  const int64_t begin = left->span.begin;
  set.left = std::move(left);
  ARROW_ASSIGN_OR_RAISE(set.right, (this->*parse_right)());
  Query query;
  query.set = std::make_shared<const SetOperation>(std::move(set));
  query.span = SpanFrom(begin);
  return std::make_shared<const Query>(std::move(query));
}

/// SELECT, VALUES or a query in parentheses.
Result<QueryPtr> Parser::ParseSetOperand() {
  const int64_t begin = Peek().span.begin;
  if (AcceptSymbol("(")) {
    ARROW_ASSIGN_OR_RAISE(QueryPtr inner, ParseQuery());
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    return inner;
  }
  Query query;
  if (AcceptWord("VALUES")) {
    ARROW_RETURN_NOT_OK(ParseValues(&query));
  } else {
    ARROW_ASSIGN_OR_RAISE(Select select, StartsPivot() ? ParsePivotQuery() : ParseSelect());
    query.select = std::make_shared<const Select>(std::move(select));
  }
  query.span = SpanFrom(begin);
  return std::make_shared<const Query>(std::move(query));
}

/// (expression, …), …
Status Parser::ParseValues(Query* query) {
  do {
    const Token first = Peek();
    ARROW_RETURN_NOT_OK(ExpectSymbol("("));
    ARROW_ASSIGN_OR_RAISE(auto row, ParseExpressionList());
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    if (!query->values.empty() && row.size() != query->values.front().size()) {
      return WithSpan(Error(ErrorKind::kSyntax, "expected {} values as in the first row, got {}",
                            query->values.front().size(), row.size()),
                      first.span);
    }
    query->values.push_back(std::move(row));
  } while (AcceptSymbol(","));
  return Status::OK();
}

/// ORDER BY, LIMIT, OFFSET, and EMIT and INTO of a statement.
Status Parser::ParseQueryClauses(Query* query) {
  while (true) {
    if (Peek().IsWord("ORDER") && query->order_by.empty() && query->limit == nullptr) {
      ARROW_RETURN_NOT_OK(ParseQueryOrder(query));
    } else if (PeekIsOneOf({"LIMIT", "OFFSET", "FETCH"})) {
      ARROW_RETURN_NOT_OK(ParseLimit(query));
    } else if (Peek().IsWord("EMIT") && StartsStreamClause()) {
      ARROW_RETURN_NOT_OK(ParseEmit());
    } else if (Peek().IsWord("INTO") && StartsStreamClause()) {
      ARROW_RETURN_NOT_OK(ParseInto());
    } else {
      return Status::OK();
    }
  }
}

/// Clauses of a SELECT that come after its ORDER BY, LIMIT or EMIT: WINDOW, GROUP BY, HAVING.
Result<QueryPtr> Parser::ParseLateClauses(QueryPtr body, int64_t begin) {
  const bool is_plain = body->select != nullptr && body->span.begin == begin && !HasTail(*body);
  if (!is_plain || !PeekIsOneOf({"WINDOW", "GROUP", "HAVING"})) return body;
  Select select = *body->select;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool more, ParseSelectClause(&select));
    if (!more) break;
  }
  Query query = *body;
  query.select = std::make_shared<const Select>(std::move(select));
  query.span = SpanFrom(begin);
  return std::make_shared<const Query>(std::move(query));
}

Status Parser::ParseQueryOrder(Query* query) {
  const Parser start = *this;
  Take();
  ARROW_RETURN_NOT_OK(ExpectWord("BY"));
  query->order_by_all = AcceptWord("ALL");
  if (query->order_by_all) {
    return ParseSortDirection(nullptr).Value(&query->order_by.emplace_back());
  }
  Restore(start);
  return ParseOrderBy().Value(&query->order_by);
}

Status Parser::ParseLimit(Query* query) {
  while (PeekIsOneOf({"LIMIT", "OFFSET", "FETCH"})) {
    if (Peek().IsWord("FETCH")) {
      ARROW_RETURN_NOT_OK(ParseFetch(query));
      continue;
    }
    UnboundPtr* count = Take().IsWord("LIMIT") ? &query->limit : &query->offset;
    if (*count != nullptr) return Unexpected("one LIMIT and one OFFSET");
    if (count == &query->limit && AcceptWord("ALL")) continue;
    ARROW_ASSIGN_OR_RAISE(*count, ParseExpression());
    if (count == &query->offset && !AcceptWord("ROWS")) AcceptWord("ROW");
  }
  return Status::OK();
}

/// FETCH FIRST | NEXT [n] ROW | ROWS ONLY
Status Parser::ParseFetch(Query* query) {
  if (query->limit != nullptr) return Unexpected("one LIMIT or FETCH");
  Take();
  if (!AcceptWord("FIRST") && !AcceptWord("NEXT")) return Unexpected("FIRST or NEXT");
  if (PeekIsOneOf({"ROW", "ROWS"})) {
    query->limit = Unbound::Literal(std::make_shared<arrow::Int64Scalar>(1), Peek().span);
  } else {
    ARROW_ASSIGN_OR_RAISE(query->limit, ParseExpression());
  }
  if (!AcceptWord("ROWS") && !AcceptWord("ROW")) return Unexpected("ROWS");
  return ExpectWord("ONLY");
}

}  // namespace headrace::sql
