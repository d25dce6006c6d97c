// The parser: recursive descent over two tokens of lookahead, one file per clause. Depth of
// recursion and height of trees are limited, so no text overflows the stack here or later.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "headrace/sql/ast.h"
#include "headrace/sql/lexer.h"

namespace headrace::sql {

/// Errors are kSyntax (what was expected, what came), kUnsupported for what is understood and not
/// done, and kOverflow for numbers; all with a span.
class Parser {
 public:
  /// The text must outlive the parser.
  explicit Parser(std::string_view text);

  /// A whole statement, with an optional ';'.
  Result<Statement> ParseStatement();
  /// A whole text that is one expression.
  Result<UnboundPtr> ParseWholeExpression();

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

  // parser.cc: tokens
  const Token& Peek() const { return current_; }
  const Token& PeekNext() const { return following_; }
  Token Take();
  bool AcceptWord(std::string_view word);
  bool AcceptSymbol(std::string_view symbol);
  Status ExpectWord(std::string_view word);
  Status ExpectSymbol(std::string_view symbol);
  Status ExpectEnd();
  Status Unexpected(std::string_view expected) const;
  Status Unsupported(const Token& token, std::string_view what) const;
  Result<std::string> ParseName(std::string_view expected);
  Result<std::string> ParseString(std::string_view expected);
  /// [AS] name; empty when there is none.
  Result<std::string> ParseAlias();
  TextSpan SpanFrom(int64_t begin) const { return {begin, last_end_}; }
  Status CheckNesting() const;

  // parse_statement.cc
  Status ParseCopy(Statement* statement);
  Status ParseOptions(OptionMap* options);
  Result<std::string> ParseOptionValue();
  Status UnknownStatement() const;

  // parse_select.cc
  Result<Select> ParseSelect();
  Status ParseItems(Select* select);
  Result<UnboundPtr> ParseItem();
  Status ParseFrom(Select* select);
  Status ParseGroupBy(Select* select);
  Status ParseLimit(Select* select);
  Status RefuseMoreClauses() const;
  Result<TableReference> ParseTable();
  Status CheckTableName(const Token& name) const;
  Result<bool> ParseJoin(Select* select);
  Result<std::optional<JoinClause::Kind>> ParseJoinKind();
  /// The keys' terms go to `parts` too, where it is given.
  Result<std::vector<UnboundSortKey>> ParseOrderBy(std::vector<Term>* parts = nullptr);
  Result<int64_t> ParseRowCount(std::string_view expected);

  // parse_expression.cc
  Result<UnboundPtr> ParseExpression();
  Result<std::vector<UnboundPtr>> ParseExpressionList();
  Result<Term> ParseTerm();
  Result<Term> ParseConnected(std::string_view word, const char* function,
                              Result<Term> (Parser::*parse_operand)());
  Result<Term> ParseConjunction();
  Result<Term> ParseNegation();
  Result<Term> ParsePredicate();
  Result<Term> ParsePredicateOf(Term operand);
  Result<Term> ParseIsNull(Term operand);
  Result<Term> ParseBetween(Term operand);
  Result<Term> ParseIn(Term operand);
  Result<Term> ParseArithmetic(size_t level);
  Result<Term> ParseSigned();
  Result<Term> ParsePostfix();
  Result<Term> MakeCall(std::string name, const std::vector<Term>& args, TextSpan span) const;
  Result<Term> Negated(Term term) const;
  Result<Term> Above(const std::vector<Term>& parts, TextSpan span) const;

  // parse_primary.cc
  Result<Term> ParsePrimary();
  Result<Term> ParseParenthesized();
  Result<Term> ParseNamed();
  Result<Term> ParseFunction();
  Status ParseArguments(std::string_view function, Unbound* call, std::vector<Term>* parts);
  Status ParseOver(Unbound* call, std::vector<Term>* parts);
  Result<Term> ParseCase();
  Result<Term> ParseCast(bool try_cast);
  Result<Term> MakeCast(Term term, bool try_cast, int64_t begin);

  // parse_literal.cc
  Result<Term> ParseNumber(bool negative, int64_t begin);
  Result<Term> ParseTypedLiteral(const TypePtr& type, const char* example);
  Result<Term> ParseBlob();
  Result<TypePtr> ParseType();
  Result<std::string> ParseTypeName(std::vector<int64_t>* params);
  Status ParseTypeParams(std::vector<int64_t>* params);

  Lexer lexer_;
  Token current_;
  Token following_;
  int64_t last_end_ = 0;
  int depth_ = 0;
  int64_t nodes_ = 0;  // of the expressions parsed so far
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
