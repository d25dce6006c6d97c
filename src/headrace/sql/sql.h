// SQL: text → statements → plans over a session's catalog.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/engine/session.h"
#include "headrace/expression/unbound.h"

namespace headrace::sql {

/// What a statement is, ready to run.
struct BoundStatement {
  enum class Kind {
    kQuery,  // rows of `plan`; so are DESCRIBE, SHOW and SUMMARIZE
    kCopy,
    kExplain,
    kCreateTable,
    kCreateView,
    kCreateStream,
    kInsert,
    kUpdate,  // `plan`: all rows of the table as they are then, and whether each changed
    kDelete,  // `plan`: the rows that stay
    kDrop,
    kSet,
  };
  Kind kind = Kind::kQuery;
  PlanPtr plan;
  // of a table or view
  std::string name;
  std::string view_query;
  Session::EntryKind entry = Session::EntryKind::kTable;  // kDrop
  StreamDef stream;                                       // kCreateStream
  bool does_nothing = false;                              // IF [NOT] EXISTS
  SourcePtr changed;  // kUpdate, kDelete: the table as it was bound
  // kCopy
  std::string path;
  OptionMap options;
  // kExplain
  bool analyze = false;
  // kSet: the setting is `name`; without a value it is as the session began
  std::optional<std::string> value;
};

/// Tables visible to one query besides the session's, by name (Python's **tables): any plan, put in
/// where the query names it.
using ExtraTables = std::map<std::string, PlanPtr>;

/// One statement of a script, and where in it: the line it begins in, from 1, and the byte.
struct ScriptStatement {
  std::string text;
  int64_t line = 1;
  int64_t begin = 0;
};

/// Statements of a script, split at ';' outside literals and comments; empty ones are dropped.
Result<std::vector<ScriptStatement>> SplitScript(std::string_view script);
/// Their texts.
Result<std::vector<std::string>> SplitStatements(std::string_view script);

/// Values for ?, $1 and $name of a statement.
struct Parameters {
  std::vector<ScalarPtr> positional;
  std::map<std::string, ScalarPtr, std::less<>> named;
};

/// Parses and binds one statement. Errors quote the line with a caret under the place; the text
/// begins in line `first_line`. A PIVOT without values runs its input to find them, and polls.
Result<BoundStatement> Bind(Session& session, std::string_view text, const ExtraTables& tables = {},
                            int64_t first_line = 1, const Parameters& parameters = {},
                            Poll poll = nullptr);

/// Runs a bound statement. A query gives its rows; COPY, CREATE TABLE and INSERT one row with
/// `rows_written` (int64), UPDATE and DELETE one with `rows_changed`; CREATE VIEW and DROP one text
/// `done`; EXPLAIN one text column `plan`, a row a line. `poll` as in Cursor.
Result<Cursor> Run(Session& session, BoundStatement statement, Poll poll = nullptr);
/// Bind, then Run.
Result<Cursor> Execute(Session& session, std::string_view text, const ExtraTables& tables = {},
                       Poll poll = nullptr);

/// One scalar or boolean expression in SQL spelling, for Python's filter("a > 1") and tests.
Result<UnboundPtr> ParseExpression(std::string_view text);
/// The same, of DEFINE or MEASURES of MATCH_RECOGNIZE.
Result<UnboundPtr> ParseMatchExpression(std::string_view text);

/// An expression; no name where the text gives none.
struct NamedUnbound {
  UnboundPtr expression;
  std::string name;
};

/// Expressions with names, for Python's select("a, b * 2 AS c").
Result<std::vector<NamedUnbound>> ParseItems(std::string_view text);

/// What stands after ORDER BY, for Python's sort("a DESC, b").
Result<std::vector<UnboundSortKey>> ParseSortKeys(std::string_view text);

}  // namespace headrace::sql
