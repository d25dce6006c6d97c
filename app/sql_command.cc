// headrace sql: statements from the command line, a file or standard input, one after the other.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "arrow/array.h"
#include "arrow/io/interfaces.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "command.h"
#include "headrace/base/limits.h"
#include "headrace/sql/sql.h"
#include "headrace/types/format_value.h"
#include "interrupt.h"
#include "progress.h"
#include "row_writer.h"

namespace headrace::app {
namespace {

Result<std::string> ReadFile(Session& session, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file, session.vfs().OpenForRead(path));
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
  if (size > kQueryTextBytesMax) {
    return Error(ErrorKind::kInvalidArgument, "expected a script of at most {} bytes, got {}: {}",
                 kQueryTextBytesMax, size, path);
  }
  std::string text(static_cast<size_t>(size), '\0');
  ARROW_ASSIGN_OR_RAISE(const int64_t read, file->ReadAt(0, size, text.data()));
  text.resize(static_cast<size_t>(read));
  return text;
}

Result<std::string> ReadStandardInput() {
  std::string text;
  char part[1 << 16];
  while (static_cast<int64_t>(text.size()) <= kQueryTextBytesMax) {
    const ssize_t count = ::read(STDIN_FILENO, part, sizeof(part));
    if (count == 0) return text;
    if (count > 0) {
      text.append(part, static_cast<size_t>(count));
    } else if (errno != EINTR) {
      return Error(ErrorKind::kIo, "cannot read standard input: {}", std::strerror(errno));
    }
    ARROW_RETURN_NOT_OK(CheckInterrupted());
  }
  return Error(ErrorKind::kInvalidArgument,
               "expected a script of at most {} bytes on standard input", kQueryTextBytesMax);
}

Result<std::vector<std::string>> Scripts(const SqlCommand& command, Session& session) {
  if (!command.queries.empty()) return command.queries;
  std::vector<std::string> scripts(1);
  if (command.file.empty()) {
    ARROW_ASSIGN_OR_RAISE(scripts[0], ReadStandardInput());
  } else {
    ARROW_ASSIGN_OR_RAISE(scripts[0], ReadFile(session, command.file));
  }
  return scripts;
}

/// Lines as they are: the result of EXPLAIN for people.
class LineWriter final : public RowWriter {
 public:
  explicit LineWriter(Output& output) : output_(output) {}
  Status Begin(const arrow::Schema&) override { return Status::OK(); }
  Status Write(const arrow::RecordBatch& batch) override {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      ARROW_RETURN_NOT_OK(output_.Write(FormatValue(*batch.column(0), row) + "\n"));
    }
    return Status::OK();
  }

 private:
  Output& output_;
};

std::unique_ptr<RowWriter> MakeWriter(const std::string& format, bool is_explain, Output& output) {
  if (format == "csv") return MakeCsvWriter(output);
  if (format == "jsonl") return MakeJsonLinesWriter(output);
  if (is_explain) return std::make_unique<LineWriter>(output);
  return MakeTableWriter(output);
}

/// On a terminal the rows take the place of the progress line; in a pipe it counts them.
Status WriteRows(Cursor cursor, RowWriter& writer, const Output& output, Progress& progress) {
  ARROW_RETURN_NOT_OK(writer.Begin(*cursor.schema()));
  int64_t rows = 0;
  while (true) {
    ARROW_RETURN_NOT_OK(CheckInterrupted());
    ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
    if (batch == nullptr) return writer.End();
    if (output.is_terminal()) progress.Stop();
    ARROW_RETURN_NOT_OK(writer.Write(*batch));
    progress.Tick(rows += batch->num_rows());
  }
}

Status SayRowsWritten(Cursor cursor, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
  fmt::print(stderr, "{} rows written to {}\n", FormatValue(*batch->column(0), 0), path);
  return Status::OK();
}

class SqlRunner {
 public:
  SqlRunner(const SqlCommand& command, Session& session, Output& output)
      : command_(command), session_(session), output_(output) {}

  Status RunScript(const std::string& script) {
    ARROW_ASSIGN_OR_RAISE(const auto statements, sql::SplitScript(script));
    for (const sql::ScriptStatement& statement : statements) {
      ARROW_RETURN_NOT_OK(RunStatement(statement));
    }
    return Status::OK();
  }

 private:
  Status RunStatement(const sql::ScriptStatement& statement) {
    ARROW_ASSIGN_OR_RAISE(sql::BoundStatement bound,
                          sql::Bind(session_, statement.text, {}, statement.line));
    using Kind = sql::BoundStatement::Kind;
    const Kind kind = bound.kind;
    const std::string path = bound.path;
    Progress progress;
    ARROW_ASSIGN_OR_RAISE(Cursor cursor, sql::Run(session_, std::move(bound), progress.Poll()));
    progress.Clear();
    if (kind == Kind::kCopy) return SayRowsWritten(std::move(cursor), path);
    const bool is_table = command_.format == "table";
    if (is_table && results_++ > 0) ARROW_RETURN_NOT_OK(output_.Write("\n"));
    const auto writer = MakeWriter(command_.format, kind == Kind::kExplain, output_);
    ARROW_RETURN_NOT_OK(WriteRows(std::move(cursor), *writer, output_, progress));
    return output_.Flush();
  }

  const SqlCommand& command_;
  Session& session_;
  Output& output_;
  int64_t results_ = 0;
};

}  // namespace

Status RunSql(const SqlCommand& command, const Settings& settings, Output& output) {
  ARROW_ASSIGN_OR_RAISE(const auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(const auto scripts, Scripts(command, *session));
  SqlRunner runner(command, *session, output);
  for (const std::string& script : scripts) ARROW_RETURN_NOT_OK(runner.RunScript(script));
  return Status::OK();
}

}  // namespace headrace::app
