// Statements: bind, run, show.
#include "script_runner.h"

#include <chrono>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/format_value.h"
#include "interrupt.h"
#include "progress.h"
#include "terminal.h"

namespace headrace::app {
namespace {

constexpr int64_t kRowsShown = 40;

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

/// On a terminal the rows take the place of the progress line.
Status WriteRows(Cursor cursor, RowWriter& writer, const Output& output, Progress& progress) {
  ARROW_RETURN_NOT_OK(writer.Begin(*cursor.schema()));
  while (true) {
    ARROW_RETURN_NOT_OK(CheckInterrupted());
    ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
    if (batch == nullptr) return writer.End();
    if (output.is_terminal()) progress.Stop();
    ARROW_RETURN_NOT_OK(writer.Write(*batch));
    if (!writer.WantsMore()) return writer.End();
    progress.Tick(cursor.metrics());
  }
}

/// What a statement without rows did is talk: standard output is for rows.
Status SayWhatWasDone(Cursor cursor, const std::string& written_to) {
  ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
  const std::string done = FormatValue(*batch->column(0), 0);
  if (batch->column(0)->type_id() == arrow::Type::STRING) {
    fmt::print(stderr, "{}\n", done);
  } else {
    fmt::print(stderr, "{} row{} written to {}\n", done, done == "1" ? "" : "s", written_to);
  }
  return Status::OK();
}

}  // namespace

Status ScriptRunner::Run(const std::string& script) {
  ARROW_ASSIGN_OR_RAISE(const auto statements, sql::SplitScript(script));
  for (const sql::ScriptStatement& statement : statements) {
    const auto start = std::chrono::steady_clock::now();
    ARROW_RETURN_NOT_OK(RunStatement(statement));
    if (!options_.timer) continue;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    fmt::print(stderr, "{:.3f} s\n", took.count());
  }
  return Status::OK();
}

Status ScriptRunner::RunStatement(const sql::ScriptStatement& statement) {
  Progress progress;
  ARROW_ASSIGN_OR_RAISE(sql::BoundStatement bound, sql::Bind(session_, statement.text, {},
                                                             statement.line, {}, progress.poll()));
  using Kind = sql::BoundStatement::Kind;
  const Kind kind = bound.kind;
  const std::string written_to = kind == Kind::kCopy ? bound.path : bound.name;
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, sql::Run(session_, std::move(bound), progress.poll()));
  progress.Clear();
  if (kind != Kind::kQuery && kind != Kind::kExplain) {
    return SayWhatWasDone(std::move(cursor), written_to);
  }
  const bool is_text = options_.format == "table" || options_.format == "markdown";
  if (is_text && results_++ > 0) ARROW_RETURN_NOT_OK(output_.Write("\n"));
  const auto writer = MakeWriter(kind == Kind::kExplain);
  ARROW_RETURN_NOT_OK(WriteRows(std::move(cursor), *writer, output_, progress));
  return output_.Flush();
}

std::unique_ptr<RowWriter> ScriptRunner::MakeWriter(bool is_explain) {
  if (is_explain && options_.format == "table") return std::make_unique<LineWriter>(output_);
  return MakeRowWriter(options_.format, output_, TableOptionsNow());
}

TableOptions ScriptRunner::TableOptionsNow() const {
  TableOptions table;
  table.width = output_.is_terminal() ? TerminalWidth(output_.descriptor()) : 0;
  table.color = output_.is_terminal() && ShowsColor(output_.descriptor());
  table.rows_max = options_.rows_max;
  if (table.rows_max < 0) table.rows_max = output_.is_terminal() ? kRowsShown : 0;
  table.counts_all = !output_.is_terminal();
  return table;
}

}  // namespace headrace::app
