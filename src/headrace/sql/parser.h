// The parser: recursive descent over two tokens of lookahead, one file per clause. Depth of
// recursion and height of trees are limited, so no text overflows the stack here or later.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/sql/ast.h"
#include "headrace/sql/lexer.h"
#include "headrace/sql/sql.h"

namespace headrace::sql {

/// Errors are kSyntax (what was expected, what came), kUnsupported for what is understood and not
/// done, and kOverflow for numbers; all with a span.
class Parser {
 public:
  /// Text and parameters must outlive the parser.
  explicit Parser(std::string_view text, const Parameters* parameters = nullptr);

  /// A whole statement, with an optional ';'.
  Result<Statement> ParseStatement();
  /// A whole text that is one expression.
  Result<UnboundPtr> ParseWholeExpression();
  /// The same, of DEFINE or MEASURES.
  Result<UnboundPtr> ParseWholeMatchExpression();
  /// A whole text that is a list of expressions with names.
  Result<std::vector<NamedUnbound>> ParseWholeItems();
  /// A whole text that is what stands after ORDER BY.
  Result<std::vector<UnboundSortKey>> ParseWholeSortKeys();

 private:
  /// An expression and where it stands; height and number of nodes of its tree. Parts that are used
  /// twice (x in x BETWEEN a AND b) count twice, as they do for whoever walks the tree.
  struct Term {
    UnboundPtr expression;
    TextSpan span;
    int height = 1;
    int64_t nodes = 1;
  };
  /// Counts nesting while it lives.
  class Nesting;

  /// Set operations of one query, which nest to the left.
  static constexpr int kSetOperationsMax = 200;

  // parser.cc: tokens
  const Token& Peek() const { return current_; }
  const Token& PeekNext() const { return following_; }
  Token Take();
  bool AcceptWord(std::string_view word);
  bool AcceptSymbol(std::string_view symbol);
  Status ExpectWord(std::string_view word);
  Status ExpectSymbol(std::string_view symbol);
  Status ExpectEnd();
  std::string ClauseMeant() const;
  Status Unexpected(std::string_view expected) const;
  bool PeekIsOneOf(std::initializer_list<std::string_view> words) const;
  Status Unsupported(const Token& token, std::string_view what) const;
  Result<std::string> ParseName(std::string_view expected);
  Result<std::string> ParseString(std::string_view expected);
  /// [AS] name; empty when there is none.
  Result<std::string> ParseAlias();
  TextSpan SpanFrom(int64_t begin) const { return {begin, last_.span.end}; }
  Status CheckNesting() const;
  /// Back to where a copy of the parser was taken.
  void Restore(const Parser& start) { *this = start; }

  // parse_statement.cc
  Status ParseStatementBody(Statement* statement);
  Status ParseCopy(Statement* statement);
  Status ParseCreate(Statement* statement);
  Status ParseCreateKind(Statement* statement);
  Status ParseCreateQuery(Statement* statement);
  Status ParseInsert(Statement* statement);
  Status ParseDrop(Statement* statement);
  Status ParseShow(Statement* statement);
  Status ParseShowProperties(Statement* statement);
  Status ParseNameOrText(Statement* statement, std::string_view what);
  Status ParseSet(Statement* statement);
  Status ParseReset(Statement* statement);
  Status ParseQueryOrTable(Statement* statement, Statement::Kind kind);
  Status ParseStatementName(Statement* statement, std::string_view expected);
  Status ParseOptions(OptionMap* options);
  Result<std::string> ParseColumnTypes();
  Result<std::string> ParseOptionValue();
  Status UnknownStatement() const;

  // parse_stream.cc
  bool StartsStreamClause() const;
  Status ParseCreateStream(Statement* statement);
  Status ParseColumnsOfCreate(Statement* statement);
  Status ParseColumnDefinitions(Statement* statement);
  Status ParseColumnDefinition(Statement* statement);
  Status ParseTableKey(Statement* statement);
  Status TakePrimaryKey(Statement* statement);
  void SkipNotEnforced();
  Status ParseWatermark(Statement* statement);
  Status ParseStreamOptions(Statement* statement);
  Result<std::string> ParseDotted(std::string_view expected);
  Result<std::string> ParseStreamOptionValue();
  Status ParseEmit();
  Status ParseInto();
  Status ParseQueryTail(Statement* statement);
  Status ParseJoinBounds(JoinBounds* bounds);
  Status ParseWithin(JoinBounds* bounds);
  Status ParseSystemTime(TableReference* table);

  // parse_window_clause.cc
  bool StartsDuration() const;
  Result<int64_t> ParseDuration(std::string_view expected, int64_t micros_min = 1);
  bool StartsWindowClause() const;
  Status ParseWindowClause(Select* select);
  Status ParseWindowTime(WindowClause* window);
  Status ParseWindowLengths(WindowClause* window);
  bool StartsWindowedTable() const;
  Status ParseWindowedTable(TableReference* table);
  Status ParseWindowInput(TableReference* table);
  Status ParseRowBuffer(UnboundWindow* window, std::vector<Term>* parts);
  Status ParseRowBufferEmit(RowBuffer* buffer);
  Status ParseWindowTerms(WindowClause* window);
  Status ParseWindowEnd(WindowClause window, const Token& first,
                        std::shared_ptr<const WindowClause>* parsed);
  int64_t WindowClause::* AcceptLengthName(const WindowClause& window);
  void SkipArgumentName(std::string_view name);
  bool StartsGroupWindow() const;
  Status ParseGroupWindow(Select* select);

  // parse_change.cc
  Status ParseUpdate(Statement* statement);
  Status ParseDelete(Statement* statement);
  Status ParseTruncate(Statement* statement);
  Status ParseChangedTable(Statement* statement);

  // parse_query.cc
  bool StartsQuery() const;
  Result<QueryPtr> ParseQuery();
  Status ParseWith(Query* query);
  Result<QueryPtr> ParseSetOperations();
  Result<QueryPtr> ParseIntersections();
  Result<QueryPtr> ParseSetOperand();
  Result<QueryPtr> ParseSetOperation(SetOperation::Kind kind, QueryPtr left,
                                     Result<QueryPtr> (Parser::*parse_right)());
  Status ParseValues(Query* query);
  Status ParseQueryClauses(Query* query);
  Result<QueryPtr> ParseLateClauses(QueryPtr body, int64_t begin);
  Status ParseQueryOrder(Query* query);
  Status ParseLimit(Query* query);
  Status ParseFetch(Query* query);
  Result<std::vector<std::string>> ParseNameList(std::string_view expected);

  // parse_select.cc
  Result<Select> ParseSelect();
  Status ParseSelectAfterFrom(Select* select);
  Result<bool> ParseSelectClause(Select* select);
  Status ParseDistinct(Select* select);
  Status ParseItems(Select* select);
  Result<UnboundPtr> ParseItem();
  Status ParseStarChanges(SelectItem* item);
  Status ParseStarRenames(SelectItem* item);

  // parse_pivot.cc
  bool StartsPivot() const;
  Result<Select> ParsePivotQuery();
  Status ParsePivotOn(Pivot* pivot);
  Status ParsePivotGroups(Pivot* pivot);
  Status ParsePivotAggregates(Pivot* pivot);
  Status ParsePivotValues(PivotColumn* column);
  Status ParseUnpivotOn(Pivot* pivot);
  Status ParseUnpivotColumns(Pivot* pivot);
  Status ParsePivotSuffixes(TableReference* table);
  Status ParsePivotFor(Pivot* pivot);
  Status ParseUnpivotFor(Pivot* pivot);

  // parse_match.cc
  Status ParseMatchRecognize(TableReference* table);
  Status ParseMatchTerms(MatchClause* clause);
  Status ParseMeasures(MatchClause* clause);
  Status ParseMatchRows(MatchClause* clause);
  Status ParseMatchSkip(MatchClause* clause);
  Status ParsePattern(MatchClause* clause);
  Status ParseMatchSpan(MatchClause* clause);
  Status ParseSubsets(MatchClause* clause);
  Status ParseDefinitions(MatchClause* clause);
  Result<Term> ParseMatchCall();

  // parse_group_by.cc
  using GroupingSets = std::vector<std::vector<size_t>>;
  Status ParseGroupBy(Select* select);
  Result<GroupingSets> ParseGroupingElement(Select* select);
  Result<GroupingSets> ParseGroupingSets(Select* select);
  Result<GroupingSets> ParseRollup(Select* select);
  Result<GroupingSets> ParseCube(Select* select);
  Result<std::vector<size_t>> ParseGroupingSet(Select* select);
  Result<size_t> ParseGroup(Select* select);

  // parse_sample.cc
  Result<SampleClause> ParseSample();
  Status ParseSampleAmount(SampleClause* sample);
  Status ParseSampleMethod(SampleClause* sample);
  Result<uint64_t> ParseSeed();
  Status ParseNamedWindows(Select* select);

  // parse_from.cc
  Status ParseFrom(Select* select);
  Result<TableReference> ParseTable();
  Status ParseNamedTable(TableReference* table);
  Status ParseTableArguments(TableReference* table);
  Status ParseTableAlias(TableReference* table);
  Result<bool> ParseJoin(Select* select);
  Result<std::optional<JoinClause::Kind>> ParseJoinKind();
  Status ParseJoinCondition(JoinClause* join);

  // parse_expression.cc
  Result<UnboundPtr> ParseExpression();
  Result<std::vector<UnboundPtr>> ParseExpressionList();
  Result<Term> ParseTerm();
  Result<Term> ParseConnected(std::string_view word, const char* function,
                              Result<Term> (Parser::*parse_operand)());
  Result<Term> ParseConjunction();
  Result<Term> ParseNegation();
  Result<Term> ParseArithmetic(size_t level);
  Result<Term> ParseSigned();
  Result<Term> ParsePower();
  Result<Term> ParsePostfix();
  Result<Term> ParseSubscript(Term term);
  Result<Term> MakeCall(std::string name, const std::vector<Term>& args, TextSpan span) const;
  Result<Term> Negated(Term term) const;
  Result<Term> Above(const std::vector<Term>& parts, TextSpan span) const;
  /// The keys' terms go to `parts` too, where it is given.
  Result<std::vector<UnboundSortKey>> ParseOrderBy(std::vector<Term>* parts = nullptr);
  Result<std::vector<UnboundSortKey>> ParseSortKeys(std::vector<Term>* parts);
  Status ExpectEndOfExpression();
  Result<UnboundSortKey> ParseSortDirection(UnboundPtr expression);
  Result<int64_t> ParseRowCount(std::string_view expected);

  // parse_predicate.cc
  Result<Term> ParsePredicate();
  Result<Term> ParseComparison(Term left);
  bool StartsPredicate() const;
  Result<Term> ParsePredicateOf(Term operand);
  Result<Term> ParseIs(Term operand);
  Result<Term> ParseIsTruth(Term operand, bool negated);
  Result<Term> ParseIsDistinct(Term operand, bool negated);
  Result<Term> ParseBetween(Term operand);
  Result<Term> ParseIn(Term operand);
  Result<Term> ParseLike(const char* function, Term operand);
  Result<Term> ParseQuantified(const std::string& comparison, Term operand);
  Result<Term> MakeComparison(const std::string& symbol, const Term& left, const Term& right,
                              TextSpan span) const;
  Result<Term> MakeRowComparison(const std::string& symbol, const Term& left, const Term& right,
                                 TextSpan span) const;
  Result<Term> MakeRowOrder(const std::string& symbol, const Term& left, const Term& right,
                            TextSpan span) const;
  Result<Term> MakeSubquery(std::string use, std::vector<Term> args, QueryPtr query,
                            TextSpan span) const;
  Result<Term> ParseSubquery(std::string use, std::vector<Term> args, int64_t begin);

  // parse_primary.cc
  Result<Term> ParsePrimary();
  Result<Term> ParseParenthesized();
  Result<Term> ParseRow(Term first, int64_t begin);
  Result<Term> ParseArrayQuery();
  Result<Term> ParseNamed();
  Result<Term> ParseParameter();
  Result<Term> ParseCase();
  Result<Term> ParseCast(bool try_cast);
  Result<Term> MakeCast(Term term, bool try_cast, int64_t begin);

  // parse_call.cc
  bool StartsCall() const;
  Result<Term> ParseFunction();
  Result<std::optional<Term>> ParseSpecialCall();
  Result<Term> ParseColumns();
  Result<Term> ParseExtract();
  Result<Term> ParseSubstring();
  Result<Term> ParsePosition();
  Result<Term> ParseTrim();
  Status ParseArguments(Unbound* call, std::vector<Term>* parts);
  Status ParseArgument(Unbound* call, std::vector<Term>* parts);
  Status ParseAfterCall(Unbound* call, std::vector<Term>* parts);
  Status ParseWithinGroup(Unbound* call, std::vector<Term>* parts);
  Status ParseOver(Unbound* call, std::vector<Term>* parts);
  Result<std::shared_ptr<const UnboundWindow>> ParseWindow(std::vector<Term>* parts);
  Status ParseWindowBody(UnboundWindow* window, std::vector<Term>* parts);
  Result<UnboundFrame> ParseFrame(std::vector<Term>* parts);
  Result<UnboundFrameBound> ParseFrameBound(std::vector<Term>* parts);

  // parse_lambda.cc
  Result<std::optional<Term>> ParseLambda(const Unbound& call);
  Result<std::vector<std::string>> ParseParameters();
  Result<std::optional<Term>> ParseLambdaBody(std::vector<std::string> names, int64_t begin);
  Result<Term> LambdaOf(std::vector<std::string> names, const Term& body, TextSpan span);
  Result<Term> ParseListOf(const Term& value, int64_t begin);
  Result<Term> QuantifiedByList(const std::string& comparison, const Term& value, const Term& list,
                                bool all);

  // parse_literal.cc
  Result<Term> ParseNumber(bool negative, int64_t begin);
  Result<Term> ParseTypedLiteral(const TypePtr& type, const char* example);
  Result<Term> ParseInterval();
  Result<Term> ParseBlob();
  Result<Term> ParseList();
  Result<Term> ParseStruct();
  Result<Term> ParseMap();

  // parse_type.cc
  Result<TypePtr> ParseType();
  Result<TypePtr> ParseElementType();
  Result<TypePtr> ParseStructType();
  Result<TypePtr> ParseMapType();
  Result<TypePtr> ParseArrayType();
  Result<std::string> ParseTypeName(std::vector<int64_t>* params);
  Status ParseTypeParams(std::vector<int64_t>* params);

  std::string_view text_;
  const Parameters* parameters_;
  Lexer lexer_;
  Token current_;
  Token following_;
  Token last_;  // the last one taken
  int depth_ = 0;
  bool in_match_ = false;      // DEFINE and MEASURES: FINAL sum(x), count(a.*)
  size_t next_parameter_ = 0;  // of those written ?
  int64_t lambdas_ = 0;
  int64_t nodes_ = 0;  // of the expressions parsed so far
  /// Of the statement; they may stand inside its query.
  std::optional<EmitClause> emit_;
  std::optional<IntoClause> into_;
};

class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : parser_(parser) { ++parser_.depth_; }
  ~Nesting() { --parser_.depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  Parser& parser_;
};

/// Words that cannot be names unless quoted.
bool IsReserved(std::string_view word);

/// kSyntax when the text is longer than kQueryTextBytesMax or not UTF-8.
Status CheckText(std::string_view text);

}  // namespace headrace::sql
