// Windows of time: WINDOW TUMBLING (…) and its kin, TUMBLE(table, …) in FROM, lengths of time.
#include <array>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/sql/duration.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

using WindowKind = WindowClause::Kind;

struct WindowWord {
  std::string_view word;
  WindowKind kind;
};
/// Of WINDOW …; table functions go by those of `kFunctionWords`.
constexpr std::array<WindowWord, 7> kClauseWords = {{{"TUMBLING", WindowKind::kTumbling},
                                                     {"TUMBLE", WindowKind::kTumbling},
                                                     {"SLIDING", WindowKind::kSliding},
                                                     {"HOPPING", WindowKind::kSliding},
                                                     {"SESSION", WindowKind::kSession},
                                                     {"CUMULATE", WindowKind::kCumulate},
                                                     {"CUMULATING", WindowKind::kCumulate}}};
constexpr std::array<WindowWord, 4> kFunctionWords = {{{"TUMBLE", WindowKind::kTumbling},
                                                       {"HOP", WindowKind::kSliding},
                                                       {"SESSION", WindowKind::kSession},
                                                       {"CUMULATE", WindowKind::kCumulate}}};

struct LengthWord {
  std::string_view word;
  int64_t WindowClause::* place;
};
constexpr std::array<LengthWord, 6> kLengthWords = {{{"SIZE", &WindowClause::size_micros},
                                                     {"GAP", &WindowClause::size_micros},
                                                     {"ADVANCE", &WindowClause::step_micros},
                                                     {"SLIDE", &WindowClause::step_micros},
                                                     {"STEP", &WindowClause::step_micros},
                                                     {"OFFSET", &WindowClause::offset_micros}}};

/// What the lengths of a window are, in the order in which they stand without names.
std::vector<int64_t WindowClause::*> PlacesOf(const WindowClause& window) {
  switch (window.kind) {
    case WindowKind::kSession:
      return {&WindowClause::gap_micros};
    case WindowKind::kTumbling:
      return {&WindowClause::size_micros, &WindowClause::offset_micros};
    case WindowKind::kSliding:
      if (!window.is_table_function) {
        return {&WindowClause::size_micros, &WindowClause::step_micros,
                &WindowClause::offset_micros};
      }
      [[fallthrough]];
    case WindowKind::kCumulate:
      return {&WindowClause::step_micros, &WindowClause::size_micros, &WindowClause::offset_micros};
  }
  return {};
}

template <typename Words>
std::optional<WindowKind> KindNamed(const Words& words, const Token& token) {
  for (const WindowWord& known : words) {
    if (token.IsWord(known.word)) return known.kind;
  }
  return std::nullopt;
}

Status CheckWindow(const WindowClause& window) {
  const bool is_stepped =
      window.kind == WindowKind::kSliding || window.kind == WindowKind::kCumulate;
  if (!is_stepped) return Status::OK();
  if (window.step_micros <= window.size_micros && window.size_micros % window.step_micros == 0) {
    return Status::OK();
  }
  return WithSpan(
      Error(ErrorKind::kInvalidArgument,
            "the size of a window is a multiple of its step, got a size of {} ms and a step of {} "
            "ms{}",
            window.size_micros / 1000, window.step_micros / 1000,
            window.step_micros > window.size_micros ? "; are they the other way round?" : ""),
      window.span);
}

}  // namespace

bool Parser::StartsDuration() const {
  if (Peek().kind == Token::Kind::kDuration || Peek().kind == Token::Kind::kNumber) return true;
  if (Peek().kind == Token::Kind::kString) return true;
  return Peek().IsWord("INTERVAL") &&
         (PeekNext().kind == Token::Kind::kString || PeekNext().kind == Token::Kind::kNumber ||
          PeekNext().kind == Token::Kind::kDuration);
}

/// INTERVAL '5' SECOND, 5s, '5s', 5 SECONDS, 5: microseconds.
Result<int64_t> Parser::ParseDuration(std::string_view expected, int64_t micros_min) {
  const Token first = Peek();
  if (!StartsDuration()) return Unexpected(expected);
  std::optional<int64_t> micros;
  if (Peek().IsWord("INTERVAL") && PeekNext().kind != Token::Kind::kDuration) {
    ARROW_ASSIGN_OR_RAISE(const Term interval, ParseInterval());
    const arrow::Scalar& literal = *interval.expression->literal;
    if (literal.type->id() == arrow::Type::DURATION) {
      micros = static_cast<const arrow::DurationScalar&>(literal).value;
    }
  } else if (Peek().kind == Token::Kind::kString) {
    micros = ReadDuration(UnquotedText(Take()));
  } else {
    AcceptWord("INTERVAL");
    std::string text(Peek().text);
    const bool is_bare = Take().kind == Token::Kind::kNumber;
    const bool has_unit = is_bare && Peek().kind == Token::Kind::kWord &&
                          ReadDuration("1 " + std::string(Peek().text)).has_value();
    if (has_unit) text += " " + std::string(Take().text);
    micros = ReadDuration(text);
  }
  if (micros.value_or(-1) >= micros_min) return *micros;
  const TextSpan span = SpanFrom(first.span.begin);
  return WithSpan(
      Error(ErrorKind::kInvalidArgument,
            "expected a fixed length of time{}, such as INTERVAL '5' SECOND or 5s, got {}",
            micros_min > 0 ? " above zero" : "",
            text_.substr(static_cast<size_t>(span.begin),
                         static_cast<size_t>(span.end - span.begin))),
      span);
}

/// After WINDOW: kind ([time,] lengths …). Whether one comes next.
bool Parser::StartsWindowClause() const {
  return KindNamed(kClauseWords, Peek()).has_value() && PeekNext().IsSymbol("(");
}

Status Parser::ParseWindowClause(Select* select) {
  WindowClause window;
  const Token first = Peek();
  if (select->time_window != nullptr) return Unexpected("one WINDOW of time");
  window.kind = *KindNamed(kClauseWords, Take());
  Take();
  return ParseWindowEnd(std::move(window), first, &select->time_window);
}

/// [time,] lengths …) of a window that begins with `first`.
Status Parser::ParseWindowEnd(WindowClause window, const Token& first,
                              std::shared_ptr<const WindowClause>* parsed) {
  ARROW_RETURN_NOT_OK(ParseWindowTerms(&window));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  window.span = SpanFrom(first.span.begin);
  ARROW_RETURN_NOT_OK(CheckWindow(window));
  *parsed = std::make_shared<const WindowClause>(std::move(window));
  return Status::OK();
}

/// [time,] lengths …
Status Parser::ParseWindowTerms(WindowClause* window) {
  SkipArgumentName("TIMECOL");
  const bool is_length =
      StartsDuration() || (PeekIsOneOf({"SIZE", "GAP"}) && !PeekNext().IsSymbol(","));
  if (!is_length) {
    ARROW_RETURN_NOT_OK(ParseWindowTime(window));
    ARROW_RETURN_NOT_OK(ExpectSymbol(","));
  }
  return ParseWindowLengths(window);
}

/// GROUP BY TUMBLE (time, size) and its kin: the window of the groups, none of them itself.
Status Parser::ParseGroupWindow(Select* select) {
  WindowClause window;
  const Token first = Peek();
  if (select->time_window != nullptr) return Unexpected("one window of time");
  window.is_table_function = true;
  window.kind = *KindNamed(kFunctionWords, Take());
  Take();
  return ParseWindowEnd(std::move(window), first, &select->time_window);
}

bool Parser::StartsGroupWindow() const {
  return PeekNext().IsSymbol("(") && KindNamed(kFunctionWords, Peek()).has_value();
}

/// column, or DESCRIPTOR(column)
Status Parser::ParseWindowTime(WindowClause* window) {
  if (!Peek().IsWord("DESCRIPTOR") || !PeekNext().IsSymbol("(")) {
    return ParseExpression().Value(&window->time);
  }
  Take();
  Take();
  ARROW_ASSIGN_OR_RAISE(window->time, ParseExpression());
  return ExpectSymbol(")");
}

/// [name [=>]] length, …; those without a name by their place. TUMBLING: size, offset; SLIDING:
/// size, step, offset (HOP: step, size); CUMULATE: step, size, offset; SESSION: gap, then keys.
Status Parser::ParseWindowLengths(WindowClause* window) {
  const std::vector<int64_t WindowClause::*> places = PlacesOf(*window);
  size_t next = 0;
  do {
    int64_t WindowClause::* place = AcceptLengthName(*window);
    const bool is_named = place != nullptr;
    const bool is_key = !is_named && window->kind == WindowKind::kSession && next > 0;
    if (is_key) {
      ARROW_ASSIGN_OR_RAISE(window->partition_by.emplace_back(), ParseExpression());
      continue;
    }
    if (!is_named && next == places.size()) return Unexpected(")");
    if (!is_named) place = places[next];
    ++next;
    if (window->*place != 0) return Unexpected("each length once");
    ARROW_ASSIGN_OR_RAISE(window->*place, ParseDuration("the length of a window"));
  } while (AcceptSymbol(","));
  for (int64_t WindowClause::* place : places) {
    if (place != &WindowClause::offset_micros && window->*place == 0) {
      return Unexpected(place == &WindowClause::step_micros ? "the step of the windows"
                                                            : "the length of the windows");
    }
  }
  return Status::OK();
}

/// SIZE, SLIDE … in front of a length, with or without =>; null: none.
int64_t WindowClause::* Parser::AcceptLengthName(const WindowClause& window) {
  for (const LengthWord& known : kLengthWords) {
    if (!Peek().IsWord(known.word)) continue;
    Take();
    if (known.word == "ADVANCE") AcceptWord("BY");
    if (!AcceptSymbol("=>")) AcceptSymbol(":=");
    const bool is_gap =
        window.kind == WindowKind::kSession && known.place == &WindowClause::size_micros;
    return is_gap ? &WindowClause::gap_micros : known.place;
  }
  return nullptr;
}

/// DATA => and TIMECOL =>, as other systems name the arguments of window functions.
void Parser::SkipArgumentName(std::string_view name) {
  if (!Peek().IsWord(name) || !(PeekNext().IsSymbol("=>") || PeekNext().IsSymbol(":="))) return;
  Take();
  Take();
}

/// Whether TUMBLE(table, …) or TABLE(TUMBLE(…)) comes next.
bool Parser::StartsWindowedTable() const {
  return PeekNext().IsSymbol("(") &&
         (Peek().IsWord("TABLE") || KindNamed(kFunctionWords, Peek()).has_value());
}

/// [TABLE(] TUMBLE ([TABLE] name | (query) [PARTITION BY …], time, lengths …) [)]
/// The name before the lengths is the time, unless it is the only one behind PARTITION BY.
Status Parser::ParseWindowedTable(TableReference* table) {
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  if (Peek().IsWord("TABLE")) {
    Take();
    Take();
    if (!StartsWindowedTable()) return Unexpected("TUMBLE, HOP, SESSION or CUMULATE");
    ARROW_RETURN_NOT_OK(ParseWindowedTable(table));
    return ExpectSymbol(")");
  }
  WindowClause window;
  window.is_table_function = true;
  const Token first = Take();
  window.kind = *KindNamed(kFunctionWords, first);
  Take();
  SkipArgumentName("DATA");
  ARROW_RETURN_NOT_OK(ParseWindowInput(table));
  if (AcceptWord("PARTITION")) {
    ARROW_RETURN_NOT_OK(ExpectWord("BY"));
    do {
      ARROW_ASSIGN_OR_RAISE(window.partition_by.emplace_back(), ParseExpression());
    } while (AcceptSymbol(",") && !Peek().IsWord("DESCRIPTOR") && !StartsDuration());
    if (StartsDuration() && window.partition_by.size() > 1) {
      window.time = std::move(window.partition_by.back());  // PARTITION BY a, b, time, gap
      window.partition_by.pop_back();
    }
  } else {
    ARROW_RETURN_NOT_OK(ExpectSymbol(","));
  }
  return ParseWindowEnd(std::move(window), first, &table->window);
}

/// [TABLE] name | (query): what a window function reads.
Status Parser::ParseWindowInput(TableReference* table) {
  const bool is_named = AcceptWord("TABLE");
  if (AcceptSymbol("(")) {
    table->kind = TableReference::Kind::kQuery;
    ARROW_ASSIGN_OR_RAISE(table->query, ParseQuery());
    return ExpectSymbol(")");
  }
  if (!is_named && Peek().kind == Token::Kind::kString) {
    table->kind = TableReference::Kind::kFile;
    return ParseString("a table").Value(&table->name);
  }
  return ParseName("a table").Value(&table->name);
}

/// ROWS WINDOW BUFFER n ROWS [PARTITION BY …] [ORDER BY …] [frame] [EMIT …] [EXPIRE …]: the last n
/// rows of each key; without a frame, all of them.
Status Parser::ParseRowBuffer(UnboundWindow* window, std::vector<Term>* parts) {
  Take();
  Take();
  ARROW_RETURN_NOT_OK(ExpectWord("BUFFER"));
  const Token count = Peek();
  constexpr int64_t kBufferRowsMax = 1'000'000;
  RowBuffer buffer;
  ARROW_ASSIGN_OR_RAISE(buffer.rows, ParseRowCount("a number of rows"));
  if (buffer.rows < 1 || buffer.rows > kBufferRowsMax) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "a buffer holds 1 to {} rows, got {}",
                          kBufferRowsMax, buffer.rows),
                    count.span);
  }
  if (!AcceptWord("ROWS")) ARROW_RETURN_NOT_OK(ExpectWord("ROW"));
  ARROW_RETURN_NOT_OK(ParseWindowBody(window, parts));
  if (!window->frame.has_value()) {
    window->frame.emplace();
    window->frame->unit = FrameUnit::kRows;
    window->frame->end.kind = FrameBound::Kind::kUnboundedFollowing;
  }
  ARROW_RETURN_NOT_OK(ParseRowBufferEmit(&buffer));
  window->buffer = buffer;
  return Status::OK();
}

/// [EMIT EVERY RECORD | EMIT ON BUFFER FULL] [EXPIRE AFTER length INACTIVITY | EXPIRE AFTER NEVER]
Status Parser::ParseRowBufferEmit(RowBuffer* buffer) {
  if (AcceptWord("EMIT")) {
    buffer->only_full = AcceptWord("ON");
    ARROW_RETURN_NOT_OK(ExpectWord(buffer->only_full ? "BUFFER" : "EVERY"));
    ARROW_RETURN_NOT_OK(ExpectWord(buffer->only_full ? "FULL" : "RECORD"));
  }
  if (!AcceptWord("EXPIRE")) return Status::OK();
  ARROW_RETURN_NOT_OK(ExpectWord("AFTER"));
  if (AcceptWord("NEVER")) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(buffer->expire_micros, ParseDuration("a length of time or NEVER"));
  return ExpectWord("INACTIVITY");
}

}  // namespace headrace::sql
