// Runs SQL statements one after the other and shows their rows; for scripts and the shell.
#pragma once

#include <memory>
#include <string>

#include "headrace/engine/session.h"
#include "headrace/sql/sql.h"
#include "row_writer.h"

namespace headrace::app {

struct ScriptOptions {
  std::string format = "table";
  /// Rows of a table shown at most, 0: all; by default kRowsShown on a terminal, all elsewhere.
  int64_t rows_max = -1;
  /// Says on standard error how long each statement took.
  bool timer = false;
};

class ScriptRunner {
 public:
  ScriptRunner(ScriptOptions options, Session& session, Output& output)
      : options_(std::move(options)), session_(session), output_(output) {}

  /// Stops at the first statement that fails. Rows are flushed after every statement.
  Status Run(const std::string& script);
  ScriptOptions& options() { return options_; }

 private:
  Status RunStatement(const sql::ScriptStatement& statement);
  std::unique_ptr<RowWriter> MakeWriter(bool is_explain);
  TableOptions TableOptionsNow() const;

  ScriptOptions options_;
  Session& session_;
  Output& output_;
  int64_t results_ = 0;
};

}  // namespace headrace::app
