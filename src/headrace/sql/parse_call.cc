// Calls: arguments, what stands after them, and the calls with a syntax of their own.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/registry.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {}  // namespace

/// name( – also for the reserved words that are functions, and the calls without parentheses.
bool Parser::StartsCall() const {
  if (Peek().kind == Token::Kind::kQuotedName) return PeekNext().IsSymbol("(");
  if (Peek().kind != Token::Kind::kWord) return false;
  if (PeekIsOneOf({"CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIMESTAMP"}))
    return true;
  if (!PeekNext().IsSymbol("(")) return false;
  return !IsReserved(Peek().text) || PeekIsOneOf({"LEFT", "RIGHT", "LIKE", "JOIN"});
}

Result<Parser::Term> Parser::ParseFunction() {
  ARROW_ASSIGN_OR_RAISE(std::optional<Term> special, ParseSpecialCall());
  if (special.has_value()) return *std::move(special);
  const Token name = Take();
  Unbound call;
  call.kind = Unbound::Kind::kCall;
  call.name = name.kind == Token::Kind::kQuotedName ? UnquotedText(name) : std::string(name.text);
  std::vector<Term> parts;
  if (Peek().IsSymbol("(")) ARROW_RETURN_NOT_OK(ParseArguments(&call, &parts));
  ARROW_RETURN_NOT_OK(ParseAfterCall(&call, &parts));
  call.span = SpanFrom(name.span.begin);
  ARROW_ASSIGN_OR_RAISE(Term term, Above(parts, call.span));
  term.expression = std::make_shared<const Unbound>(std::move(call));
  return term;
}

/// EXTRACT, SUBSTRING, POSITION and TRIM where they are written with words between the arguments.
Result<std::optional<Parser::Term>> Parser::ParseSpecialCall() {
  if (!PeekNext().IsSymbol("(")) return std::nullopt;
  if (Peek().IsWord("COLUMNS")) return ParseColumns();
  const Parser start = *this;
  Result<Term> (Parser::*parse)() = nullptr;
  if (Peek().IsWord("EXTRACT")) parse = &Parser::ParseExtract;
  if (Peek().IsWord("SUBSTRING")) parse = &Parser::ParseSubstring;
  if (Peek().IsWord("POSITION")) parse = &Parser::ParsePosition;
  if (Peek().IsWord("TRIM")) parse = &Parser::ParseTrim;
  if (parse == nullptr) return std::nullopt;
  const int64_t begin = Take().span.begin;
  Take();
  ARROW_ASSIGN_OR_RAISE(Term term, (this->*parse)());
  if (term.expression == nullptr) {
    Restore(start);
    return std::nullopt;
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  auto spanned = std::make_shared<Unbound>(*term.expression);
  spanned->span = term.span = SpanFrom(begin);
  term.expression = std::move(spanned);
  return term;
}

/// COLUMNS(* …), COLUMNS('regular expression'), COLUMNS(['name', …])
Result<Parser::Term> Parser::ParseColumns() {
  const int64_t begin = Take().span.begin;
  Take();
  auto operand = std::make_shared<ColumnsOperand>();
  ARROW_ASSIGN_OR_RAISE(operand->columns.expression, ParseItem());
  if (operand->columns.expression->kind == Unbound::Kind::kStar) {
    ARROW_RETURN_NOT_OK(ParseStarChanges(&operand->columns));
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  Unbound node;
  node.kind = Unbound::Kind::kQuery;
  node.name = "columns";
  node.span = SpanFrom(begin);
  node.query = std::move(operand);
  return Term{std::make_shared<const Unbound>(node), node.span};
}

/// EXTRACT(field FROM x), or with a comma, is date_part('field', x).
Result<Parser::Term> Parser::ParseExtract() {
  const Token field = Take();
  const bool is_name = field.kind == Token::Kind::kWord || field.kind == Token::Kind::kString;
  if (!is_name || (!Peek().IsWord("FROM") && !Peek().IsSymbol(","))) {
    return WithSpan(
        Error(ErrorKind::kSyntax, "expected EXTRACT(YEAR FROM time), got {}", field.text),
        field.span);
  }
  Take();
  std::string text =
      field.kind == Token::Kind::kString ? UnquotedText(field) : std::string(field.text);
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  Term name{Unbound::Literal(std::make_shared<arrow::StringScalar>(std::move(text)), field.span),
            field.span};
  ARROW_ASSIGN_OR_RAISE(Term time, ParseTerm());
  const TextSpan span = Around(field.span, time.span);
  return MakeCall("date_part", {std::move(name), std::move(time)}, span);
}

/// SUBSTRING(x FROM start [FOR length]); no expression when it has commas.
Result<Parser::Term> Parser::ParseSubstring() {
  std::vector<Term> args;
  ARROW_ASSIGN_OR_RAISE(args.emplace_back(), ParseTerm());
  if (!PeekIsOneOf({"FROM", "FOR"})) return Term{};
  const TextSpan span = args.front().span;
  if (AcceptWord("FROM")) {
    ARROW_ASSIGN_OR_RAISE(args.emplace_back(), ParseTerm());
  } else {
    args.push_back({Unbound::Literal(std::make_shared<arrow::Int64Scalar>(1), span), span});
  }
  if (AcceptWord("FOR")) {
    ARROW_ASSIGN_OR_RAISE(args.emplace_back(), ParseTerm());
  }
  return MakeCall("substring", args, span);
}

/// POSITION(part IN text) is strpos(text, part); no expression when it has commas.
Result<Parser::Term> Parser::ParsePosition() {
  ARROW_ASSIGN_OR_RAISE(Term part, ParseArithmetic(0));
  if (!AcceptWord("IN")) return Term{};
  ARROW_ASSIGN_OR_RAISE(Term text, ParseTerm());
  const TextSpan span = Around(part.span, text.span);
  return MakeCall("strpos", {std::move(text), std::move(part)}, span);
}

/// TRIM([BOTH | LEADING | TRAILING] [characters] FROM text); no expression when it has commas.
Result<Parser::Term> Parser::ParseTrim() {
  std::string function = "trim";
  const bool has_side = PeekIsOneOf({"BOTH", "LEADING", "TRAILING"});
  if (has_side) {
    const Token side = Take();
    if (side.IsWord("LEADING")) function = "ltrim";
    if (side.IsWord("TRAILING")) function = "rtrim";
  }
  const TextSpan span = Peek().span;
  std::vector<Term> args;
  if (!AcceptWord("FROM")) {
    ARROW_ASSIGN_OR_RAISE(args.emplace_back(), ParseTerm());
    if (!has_side && !Peek().IsWord("FROM")) return Term{};
    if (!AcceptWord("FROM")) return MakeCall(std::move(function), args, span);
  }
  ARROW_ASSIGN_OR_RAISE(Term text, ParseTerm());
  args.insert(args.begin(), std::move(text));
  return MakeCall(std::move(function), args, span);
}

/// ([DISTINCT] argument, … [ORDER BY …])
Status Parser::ParseArguments(Unbound* call, std::vector<Term>* parts) {
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  call->distinct = AcceptWord("DISTINCT");
  if (Peek().IsSymbol("*") && !call->distinct) {
    const TextSpan span = Take().span;
    call->args.push_back(Unbound::Star({}, span));
    return ExpectSymbol(")");
  }
  if (AcceptSymbol(")")) return Status::OK();
  do {
    ARROW_RETURN_NOT_OK(ParseArgument(call, parts));
  } while (AcceptSymbol(","));
  if (Peek().IsWord("ORDER")) {
    ARROW_ASSIGN_OR_RAISE(call->order_by, ParseOrderBy(parts));
  }
  if (PeekIsOneOf({"IGNORE", "RESPECT"}) && PeekNext().IsWord("NULLS")) {
    call->ignore_nulls = Take().IsWord("IGNORE");
    Take();
  }
  return ExpectSymbol(")");
}

/// [name :=] expression, or a lambda
Status Parser::ParseArgument(Unbound* call, std::vector<Term>* parts) {
  if (PeekNext().IsSymbol(":=") || PeekNext().IsSymbol("=>")) {
    call->arg_names.resize(call->args.size());
    ARROW_ASSIGN_OR_RAISE(call->arg_names.emplace_back(), ParseName("the name of an argument"));
    Take();
  }
  ARROW_ASSIGN_OR_RAISE(std::optional<Term> lambda, ParseLambda(*call));
  Term arg;
  if (lambda.has_value()) {
    arg = *std::move(lambda);
  } else {
    ARROW_ASSIGN_OR_RAISE(arg, ParseTerm());
  }
  call->args.push_back(arg.expression);
  parts->push_back(std::move(arg));
  if (!call->arg_names.empty()) call->arg_names.resize(call->args.size());
  return Status::OK();
}

/// [WITHIN GROUP (ORDER BY x)] [FILTER (WHERE p)] [IGNORE | RESPECT NULLS] [OVER …]
Status Parser::ParseAfterCall(Unbound* call, std::vector<Term>* parts) {
  if (Peek().IsWord("WITHIN") && PeekNext().IsWord("GROUP")) {
    ARROW_RETURN_NOT_OK(ParseWithinGroup(call, parts));
  }
  if (Peek().IsWord("FILTER") && PeekNext().IsSymbol("(")) {
    Take();
    Take();
    AcceptWord("WHERE");
    ARROW_ASSIGN_OR_RAISE(Term filter, ParseTerm());
    call->filter = filter.expression;
    parts->push_back(std::move(filter));
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  }
  if (PeekIsOneOf({"IGNORE", "RESPECT"}) && PeekNext().IsWord("NULLS")) {
    call->ignore_nulls = Take().IsWord("IGNORE");
    Take();
  }
  return Peek().IsWord("OVER") ? ParseOver(call, parts) : Status::OK();
}

/// percentile_cont(p) WITHIN GROUP (ORDER BY x) is quantile_cont(x, p), mode() … is mode(x),
/// listagg(x, s) … is listagg(x, s ORDER BY …).
Status Parser::ParseWithinGroup(Unbound* call, std::vector<Term>* parts) {
  const Token first = Take();
  Take();
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  if (!Peek().IsWord("ORDER")) return Unexpected("ORDER BY");
  ARROW_ASSIGN_OR_RAISE(const std::vector<UnboundSortKey> keys, ParseOrderBy(parts));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  const bool is_cont = EqualsIgnoringCase(call->name, "percentile_cont") && call->args.size() == 1;
  if (FindFunction(Dialect::kSql, call->name) == FindFunctionById("string_agg")) {
    call->order_by = keys;
    return Status::OK();
  }
  if (keys.size() != 1 || (keys.front().descending && !is_cont)) {
    return Unsupported(first, "WITHIN GROUP takes one ascending key");
  }
  if (keys.front().descending) {  // the share from the other end
    const auto one = Unbound::Literal(std::make_shared<arrow::Int64Scalar>(1), first.span);
    call->args[0] = Unbound::Call("-", {one, call->args[0]}, first.span);
  }
  if (EqualsIgnoringCase(call->name, "percentile_cont")) call->name = "quantile_cont";
  if (EqualsIgnoringCase(call->name, "percentile_disc")) call->name = "quantile_disc";
  call->args.insert(call->args.begin(), keys.front().expression);
  return Status::OK();
}

/// OVER name, OVER (window)
Status Parser::ParseOver(Unbound* call, std::vector<Term>* parts) {
  Take();
  if (Peek().IsSymbol("(")) return ParseWindow(parts).Value(&call->window);
  auto window = std::make_shared<UnboundWindow>();
  ARROW_ASSIGN_OR_RAISE(window->base, ParseName("the name of a window or ("));
  call->window = std::move(window);
  return Status::OK();
}

/// ([name] [PARTITION BY …] [ORDER BY …] [frame]), or (ROWS WINDOW BUFFER …)
Result<std::shared_ptr<const UnboundWindow>> Parser::ParseWindow(std::vector<Term>* parts) {
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  auto window = std::make_shared<UnboundWindow>();
  const bool is_buffer = Peek().IsWord("ROWS") && PeekNext().IsWord("WINDOW");
  const bool has_base = Peek().kind == Token::Kind::kWord && !IsReserved(Peek().text) &&
                        !PeekIsOneOf({"PARTITION", "ROWS", "RANGE", "GROUPS"});
  if (has_base) {
    ARROW_ASSIGN_OR_RAISE(window->base, ParseName("the name of a window"));
  }
  ARROW_RETURN_NOT_OK(is_buffer ? ParseRowBuffer(window.get(), parts)
                                : ParseWindowBody(window.get(), parts));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return window;
}

/// [PARTITION BY …] [ORDER BY …] [frame]
Status Parser::ParseWindowBody(UnboundWindow* window, std::vector<Term>* parts) {
  if (AcceptWord("PARTITION")) {
    ARROW_RETURN_NOT_OK(ExpectWord("BY"));
    do {
      ARROW_ASSIGN_OR_RAISE(Term key, ParseTerm());
      window->partition_by.push_back(key.expression);
      parts->push_back(std::move(key));
    } while (AcceptSymbol(","));
  }
  if (Peek().IsWord("ORDER")) {
    ARROW_ASSIGN_OR_RAISE(window->order_by, ParseOrderBy(parts));
  }
  if (PeekIsOneOf({"ROWS", "RANGE", "GROUPS"})) {
    ARROW_ASSIGN_OR_RAISE(window->frame, ParseFrame(parts));
  }
  return Status::OK();
}

/// ROWS | RANGE | GROUPS start, or BETWEEN start AND end, [EXCLUDE …]
Result<UnboundFrame> Parser::ParseFrame(std::vector<Term>* parts) {
  UnboundFrame frame;
  const Token unit = Take();
  frame.unit = unit.IsWord("ROWS")    ? FrameUnit::kRows
               : unit.IsWord("RANGE") ? FrameUnit::kRange
                                      : FrameUnit::kGroups;
  const bool between = AcceptWord("BETWEEN");
  ARROW_ASSIGN_OR_RAISE(frame.start, ParseFrameBound(parts));
  if (between) {
    ARROW_RETURN_NOT_OK(ExpectWord("AND"));
    ARROW_ASSIGN_OR_RAISE(frame.end, ParseFrameBound(parts));
  }
  if (!AcceptWord("EXCLUDE")) return frame;
  if (AcceptWord("CURRENT")) {
    frame.exclusion = FrameExclusion::kCurrentRow;
    ARROW_RETURN_NOT_OK(ExpectWord("ROW"));
  } else if (AcceptWord("GROUP")) {
    frame.exclusion = FrameExclusion::kGroup;
  } else if (AcceptWord("TIES")) {
    frame.exclusion = FrameExclusion::kTies;
  } else {
    ARROW_RETURN_NOT_OK(ExpectWord("NO"));
    ARROW_RETURN_NOT_OK(ExpectWord("OTHERS"));
  }
  return frame;
}

/// UNBOUNDED PRECEDING | CURRENT ROW | offset PRECEDING, or FOLLOWING.
Result<UnboundFrameBound> Parser::ParseFrameBound(std::vector<Term>* parts) {
  UnboundFrameBound bound;
  if (AcceptWord("CURRENT")) {
    ARROW_RETURN_NOT_OK(ExpectWord("ROW"));
    bound.kind = FrameBound::Kind::kCurrentRow;
    return bound;
  }
  const bool unbounded = AcceptWord("UNBOUNDED");
  if (!unbounded) {
    ARROW_ASSIGN_OR_RAISE(Term offset, ParseArithmetic(0));
    bound.offset = offset.expression;
    parts->push_back(std::move(offset));
  }
  if (!PeekIsOneOf({"PRECEDING", "FOLLOWING"})) return Unexpected("PRECEDING or FOLLOWING");
  using Kind = FrameBound::Kind;
  if (Take().IsWord("PRECEDING")) {
    bound.kind = unbounded ? Kind::kUnboundedPreceding : Kind::kPreceding;
  } else {
    bound.kind = unbounded ? Kind::kUnboundedFollowing : Kind::kFollowing;
  }
  return bound;
}

}  // namespace headrace::sql
