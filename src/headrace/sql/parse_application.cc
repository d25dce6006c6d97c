// The statements of a file, and the annotations in the comments before them.
#include <algorithm>

#include "headrace/base/ascii_case.h"
#include "headrace/sql/annotations.h"
#include "headrace/sql/caret.h"
#include "headrace/sql/parser.h"
#include "headrace/sql/sql.h"
#include "headrace/sql/stream_application.h"

namespace headrace::sql {
namespace {

bool IsBlankInLine(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsBlankInLine(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlankInLine(text.back())) text.remove_suffix(1);
  return text;
}

/// The annotation in a line of a comment, if it is one; `begin`: of the line in the file.
std::optional<Annotation> AnnotationIn(std::string_view line, int64_t begin) {
  const std::string_view text = Trimmed(line);
  if (!text.starts_with("--")) return std::nullopt;
  const size_t mark = text.find_first_not_of("- \t");
  if (mark == std::string_view::npos || text[mark] != '@') return std::nullopt;
  const std::string_view inside = text.substr(mark + 1);
  const size_t end = std::min(inside.find_first_of(": \t"), inside.size());
  if (end == 0) return std::nullopt;
  std::string_view value = Trimmed(inside.substr(end));
  if (value.starts_with(":")) value = Trimmed(value.substr(1));
  const auto offset = static_cast<int64_t>(text.data() - line.data());
  return Annotation{LowerCase(inside.substr(0, end)),
                    std::string(value),
                    {begin + offset, begin + offset + static_cast<int64_t>(text.size())}};
}

struct Gap {
  std::vector<Annotation> annotations;
  /// How many of them a blank line parts from what follows.
  size_t apart = 0;
};

/// Annotations between statements: text from `begin` that holds blanks and comments alone.
Gap ReadGap(std::string_view text, int64_t begin) {
  Gap gap;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    std::optional<Annotation> annotation = AnnotationIn(line, begin);
    const bool is_whole = end < text.size();
    if (annotation.has_value()) {
      gap.annotations.push_back(*std::move(annotation));
    } else if (is_whole && Trimmed(line).empty()) {
      gap.apart = gap.annotations.size();
    }
    const size_t taken = std::min(end + 1, text.size());
    begin += static_cast<int64_t>(taken);
    text.remove_prefix(taken);
  }
  return gap;
}

/// Gives the annotations before a statement to it, and those of the file to the file.
void Distribute(Gap gap, bool is_first, Application* application, ApplicationStatement* statement) {
  for (size_t i = 0; i < gap.annotations.size(); ++i) {
    const bool is_of_file = is_first && (i < gap.apart || IsOfFile(gap.annotations[i].name));
    std::vector<Annotation>& owner = is_of_file ? application->annotations : statement->annotations;
    owner.push_back(std::move(gap.annotations[i]));
  }
}

}  // namespace

Result<Application> SplitApplication(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(std::vector<ScriptStatement> parts, SplitScript(text));
  Application application;
  int64_t gap_begin = 0;
  for (ScriptStatement& part : parts) {
    ApplicationStatement statement;
    statement.span = {part.begin, part.begin + static_cast<int64_t>(part.text.size())};
    statement.line = part.line;
    const auto before =
        text.substr(static_cast<size_t>(gap_begin), static_cast<size_t>(part.begin - gap_begin));
    Distribute(ReadGap(before, gap_begin), gap_begin == 0, &application, &statement);
    gap_begin = statement.span.end;
    statement.text = std::move(part.text);
    application.statements.push_back(std::move(statement));
  }
  return application;
}

Result<Application> ParseApplication(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(Application application, SplitApplication(text));
  for (ApplicationStatement& statement : application.statements) {
    Result<Statement> parsed = Parser(statement.text).ParseStatement();
    if (!parsed.ok()) return WithCaret(parsed.status(), statement.text, statement.line);
    statement.parsed = std::make_shared<const Statement>(*std::move(parsed));
  }
  return application;
}

}  // namespace headrace::sql
