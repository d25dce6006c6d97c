// Statements are parsed, looked at by the rules, and bound over sources without rows.
#include "headrace/sql/lint/lint.h"

#include <algorithm>
#include <set>

#include "headrace/base/check.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/sql/annotations.h"
#include "headrace/sql/application_binder.h"
#include "headrace/sql/caret.h"
#include "headrace/sql/lint/rules.h"
#include "headrace/sql/open_connector.h"
#include "headrace/sql/parser.h"
#include "headrace/sql/run_options.h"

namespace headrace::sql {
namespace {

Result<SourcePtr> WithoutRows(const std::string& name, const SchemaPtr& schema,
                              Boundedness boundedness) {
  MemoryTableOptions options;
  options.name = name;
  options.boundedness = boundedness;
  return MemoryTable::Make(schema, {}, std::move(options));
}

/// Whether the source could not be opened for what is outside of the text: files, servers.
bool IsOutside(const Status& status) {
  const ErrorKind kind = KindOf(status);
  return kind == ErrorKind::kNotFound || kind == ErrorKind::kIo;
}

/// Options are checked by the connector itself; declared columns are believed.
Result<SourcePtr> SourceWithoutRows(Session& session, const StreamDefinition& stream,
                                    const std::string& base_directory) {
  const Result<SourcePtr> opened = OpenStreamSource(session, stream, base_directory);
  const bool may_go_on = opened.ok() || (IsOutside(opened.status()) && stream.schema != nullptr);
  if (!may_go_on) return opened.status();
  const SchemaPtr schema = stream.schema != nullptr ? stream.schema : (*opened)->schema();
  return WithoutRows(stream.name, schema,
                     stream.feeds_table ? Boundedness::kBounded : Boundedness::kUnbounded);
}

const char* CodeOf(const Status& status) {
  switch (KindOf(status)) {
    case ErrorKind::kSyntax:
      return "syntax";
    case ErrorKind::kUnknownName:
      return "unknown-name";
    case ErrorKind::kTypeMismatch:
      return "type-mismatch";
    case ErrorKind::kUnsupported:
      return "unsupported";
    case ErrorKind::kNotFound:
      return "not-found";
    default:
      return "invalid";
  }
}

class Linter {
 public:
  Linter(std::string_view text, const LintOptions& options) : text_(text), options_(options) {}

  std::vector<Diagnostic> Run() {
    const Status done = LintAll();
    if (!done.ok()) AddStatus(done, 0, static_cast<int64_t>(text_.size()));
    for (Diagnostic& diagnostic : found_) Place(&diagnostic);
    std::stable_sort(found_.begin(), found_.end(), [](const Diagnostic& a, const Diagnostic& b) {
      return a.span.begin < b.span.begin;
    });
    return std::move(found_);
  }

 private:
  Status LintAll() {
    Settings settings;
    settings.deterministic = true;
    ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Session> session, Session::Make(settings));
    ARROW_ASSIGN_OR_RAISE(application_, SplitApplication(text_));
    const ApplicationMakers makers = MakersOf(*session);
    ApplicationBinder binder(*session, makers, &application_);
    AddWarnings(CheckAnnotations(application_.annotations, /*are_of_file=*/true));
    for (size_t i = 0; i < application_.statements.size(); ++i) {
      AddWarnings(CheckAnnotations(application_.statements[i].annotations, /*are_of_file=*/false));
      LintOne(*session, binder, i);
    }
    return Status::OK();
  }

  ApplicationMakers MakersOf(Session& session) const {
    ApplicationMakers makers;
    makers.base_directory = options_.base_directory;
    makers.environment = options_.environment;
    makers.open_source = [this, &session](const StreamDefinition& stream) {
      return SourceWithoutRows(session, stream, options_.base_directory);
    };
    makers.make_table = [](const TableDefinition& table) -> Result<SourcePtr> {
      ARROW_RETURN_NOT_OK(CheckTableOptions(table));
      return WithoutRows(table.name, table.schema, Boundedness::kBounded);
    };
    makers.check_sink = [this, &session](const SinkDefinition& sink) {
      return CheckConnectorSink(session, sink, options_.base_directory);
    };
    return makers;
  }

  void AddWarnings(std::vector<Diagnostic> warnings) {
    std::move(warnings.begin(), warnings.end(), std::back_inserter(found_));
  }

  void LintOne(Session& session, ApplicationBinder& binder, size_t index) {
    ApplicationStatement& statement = application_.statements[index];
    const int64_t begin = statement.span.begin;
    Result<Statement> parsed = Parser(statement.text).ParseStatement();
    if (!parsed.ok()) {
      AddStatus(parsed.status(), begin, statement.span.end);
      return;
    }
    statement.parsed = std::make_shared<const Statement>(*std::move(parsed));
    std::vector<Diagnostic> found = CheckStatement(session, *statement.parsed);
    const Status bound = Bind(binder, index);
    if (!bound.ok()) {
      failed_.insert(LowerCase(statement.parsed->name));
      AddRefusal(bound, statement, &found);
    }
    for (Diagnostic& diagnostic : found) {
      diagnostic.span = {diagnostic.span.begin + begin, diagnostic.span.end + begin};
      found_.push_back(std::move(diagnostic));
    }
  }

  static Status Bind(ApplicationBinder& binder, size_t index) {
    try {
      return binder.BindNext(index);
    } catch (const InvariantError& bug) {
      return Error(ErrorKind::kInternal, "{}", bug.what());
    }
  }

  /// What the binder refused: said already by a rule, or a diagnostic of its own. A name whose own
  /// statement failed is not missed again.
  void AddRefusal(const Status& status, const ApplicationStatement& statement,
                  std::vector<Diagnostic>* found) {
    const ErrorKind kind = KindOf(status);
    const bool is_of_meaning =
        kind == ErrorKind::kUnsupported || kind == ErrorKind::kInvalidArgument;
    bool is_said = false;
    for (Diagnostic& diagnostic : *found) {
      if (!is_of_meaning || !MayBeRefused(diagnostic.code)) continue;
      diagnostic.severity = Severity::kError;
      is_said = true;
    }
    if (is_said || SpeaksOfFailed(status)) return;
    AddStatus(status, statement.span.begin, statement.span.end);
  }

  bool SpeaksOfFailed(const Status& status) const {
    if (KindOf(status) != ErrorKind::kUnknownName) return false;
    const std::string message = LowerCase(status.message());
    return std::any_of(failed_.begin(), failed_.end(), [&](const std::string& name) {
      return !name.empty() && message.find("\"" + name + "\"") != std::string::npos;
    });
  }

  /// `begin`, `end`: of the statement in the text.
  void AddStatus(const Status& status, int64_t begin, int64_t end) {
    Diagnostic diagnostic;
    diagnostic.code = CodeOf(status);
    diagnostic.message = status.message();
    const std::optional<TextSpan> span = SpanOf(status);
    diagnostic.span =
        span.has_value() ? TextSpan{begin + span->begin, begin + span->end} : TextSpan{begin, end};
    found_.push_back(std::move(diagnostic));
  }

  void Place(Diagnostic* diagnostic) const {
    const auto place = std::min(static_cast<size_t>(diagnostic->span.begin), text_.size());
    const std::string_view before = text_.substr(0, place);
    diagnostic->line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t line_break = before.rfind('\n');
    const std::string_view line =
        line_break == std::string_view::npos ? before : before.substr(line_break + 1);
    diagnostic->column = 1 + std::count_if(line.begin(), line.end(), [](char c) {
                           return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
                         });
  }

  const std::string_view text_;
  const LintOptions& options_;
  Application application_;
  std::set<std::string> failed_;  // names that the statements with errors would have made
  std::vector<Diagnostic> found_;
};

const char* NameOf(Severity severity) { return severity == Severity::kError ? "error" : "warning"; }

int64_t CountOf(const std::vector<Diagnostic>& diagnostics, Severity severity) {
  return std::count_if(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& diagnostic) {
    return diagnostic.severity == severity;
  });
}

std::string JsonText(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

std::vector<Diagnostic> Lint(std::string_view text, const LintOptions& options) {
  return Linter(text, options).Run();
}

bool HasErrors(const std::vector<Diagnostic>& diagnostics) {
  return CountOf(diagnostics, Severity::kError) > 0;
}

std::string LintText(const std::vector<Diagnostic>& diagnostics, std::string_view text,
                     std::string_view path) {
  std::string shown;
  for (const Diagnostic& diagnostic : diagnostics) {
    const Status quoted = WithCaret(
        WithSpan(MakeError(ErrorKind::kInvalidArgument, diagnostic.message), diagnostic.span),
        text);
    shown += fmt::format("{}:{}:{}: {}: {} [{}]", path, diagnostic.line, diagnostic.column,
                         NameOf(diagnostic.severity), diagnostic.message, diagnostic.code);
    shown += quoted.message().substr(diagnostic.message.size()) + "\n";
    if (!diagnostic.hint.empty()) shown += fmt::format("  hint: {}\n", diagnostic.hint);
  }
  const auto counted = [](int64_t count, const char* noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
  };
  return shown + fmt::format("{}: {}, {}\n", path,
                             counted(CountOf(diagnostics, Severity::kError), "error"),
                             counted(CountOf(diagnostics, Severity::kWarning), "warning"));
}

std::string LintJson(const std::vector<Diagnostic>& diagnostics, std::string_view path) {
  std::string list;
  for (const Diagnostic& diagnostic : diagnostics) {
    list += fmt::format(
        "{}\n  {{\"severity\": \"{}\", \"code\": {}, \"message\": {}, \"hint\": {}, \"line\": {}, "
        "\"column\": {}}}",
        list.empty() ? "" : ",", NameOf(diagnostic.severity), JsonText(diagnostic.code),
        JsonText(diagnostic.message), JsonText(diagnostic.hint), diagnostic.line,
        diagnostic.column);
  }
  return fmt::format(
      "{{\"path\": {}, \"errors\": {}, \"warnings\": {}, \"diagnostics\": [{}{}]}}\n",
      JsonText(path), CountOf(diagnostics, Severity::kError),
      CountOf(diagnostics, Severity::kWarning), list, list.empty() ? "" : "\n");
}

}  // namespace headrace::sql
