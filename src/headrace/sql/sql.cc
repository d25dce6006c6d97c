// The door of the SQL room: texts in, bound statements and cursors out.
#include "headrace/sql/sql.h"

#include <algorithm>

#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/stored_table.h"
#include "headrace/format/format.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/caret.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

/// What `work` gives; our bugs become errors here.
template <typename Work>
auto Guarded(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const InvariantError& bug) {
    return Error(ErrorKind::kInternal, "{}", bug.what());
  }
}

Result<BoundStatement> ParseAndBind(Session& session, std::string_view text,
                                    const ExtraTables& tables, const Parameters& parameters,
                                    Poll poll) {
  ARROW_ASSIGN_OR_RAISE(const Statement statement, Parser(text, &parameters).ParseStatement());
  return Binder(session, tables, text, std::move(poll)).BindStatement(statement);
}

/// A cursor over one batch with one column.
Result<Cursor> CursorOver(Session& session, const std::string& name, ArrayPtr column) {
  const SchemaPtr schema = arrow::schema({arrow::field(name, column->type())});
  const int64_t length = column->length();
  const auto batch = arrow::RecordBatch::Make(schema, length, {std::move(column)});
  MemoryTableOptions options;
  options.name = name;
  ARROW_ASSIGN_OR_RAISE(SourcePtr table, MemoryTable::Make(schema, {batch}, std::move(options)));
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanScan(std::move(table)));
  return session.Run(std::move(plan));
}

Result<Cursor> NumberOfRows(Session& session, const char* name, int64_t rows) {
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.Append(rows));
  ARROW_ASSIGN_OR_RAISE(ArrayPtr number, builder.Finish());
  return CursorOver(session, name, std::move(number));
}

Result<Cursor> RowsWritten(Session& session, int64_t rows) {
  return NumberOfRows(session, "rows_written", rows);
}

Result<Cursor> Done(Session& session, const std::string& what) {
  arrow::StringBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Append(what));
  ARROW_ASSIGN_OR_RAISE(ArrayPtr done, builder.Finish());
  return CursorOver(session, "done", std::move(done));
}

Result<Cursor> RunCopy(Session& session, BoundStatement statement, Poll poll) {
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Sink> sink,
                        CreateFile(session.vfs(), statement.path, std::move(statement.options)));
  ARROW_ASSIGN_OR_RAISE(const int64_t rows, session.RunInto(std::move(statement.plan),
                                                            std::move(sink), std::move(poll)));
  return RowsWritten(session, rows);
}

/// CREATE TABLE and INSERT: the rows are all there before the table is changed.
Result<Cursor> RunIntoTable(Session& session, BoundStatement statement, Poll poll) {
  if (statement.does_nothing) return RowsWritten(session, 0);
  const SchemaPtr schema = statement.plan->schema();
  ARROW_ASSIGN_OR_RAISE(StoredRowsPtr rows,
                        StoreRows(session, std::move(statement.plan), schema, poll));
  const int64_t written = rows->num_rows();
  if (statement.kind == BoundStatement::Kind::kInsert) {
    ARROW_RETURN_NOT_OK(session.Append(statement.name, std::move(rows)));
    return RowsWritten(session, written);
  }
  ARROW_ASSIGN_OR_RAISE(SourcePtr table,
                        StoredTable::Make(session, statement.name, schema, {std::move(rows)}));
  ARROW_RETURN_NOT_OK(session.CreateTable(statement.name, std::move(table)));
  return RowsWritten(session, written);
}

/// UPDATE and DELETE: the table as it is afterwards takes its place, all or nothing. The last
/// column of an UPDATE says whether a row changed.
Result<Cursor> RunChange(Session& session, BoundStatement statement, Poll poll) {
  int64_t marked = 0;
  const RowChange take_marks = [&marked](const std::shared_ptr<arrow::RecordBatch>& batch) {
    const int last = batch->num_columns() - 1;
    marked += std::static_pointer_cast<arrow::BooleanArray>(batch->column(last))->true_count();
    return batch->RemoveColumn(last);
  };
  const bool is_update = statement.kind == BoundStatement::Kind::kUpdate;
  ARROW_ASSIGN_OR_RAISE(StoredRowsPtr rows,
                        StoreRows(session, std::move(statement.plan), statement.changed->schema(),
                                  poll, is_update ? take_marks : nullptr));
  const int64_t before = statement.changed->row_count().value_or(rows->num_rows());
  const int64_t changed = is_update ? marked : before - rows->num_rows();
  ARROW_RETURN_NOT_OK(session.ReplaceRows(statement.name, statement.changed, std::move(rows)));
  return NumberOfRows(session, "rows_changed", changed);
}

Result<Cursor> RunDrop(Session& session, const BoundStatement& statement) {
  if (statement.does_nothing) return Done(session, "nothing to drop");
  ARROW_RETURN_NOT_OK(session.Drop(statement.name, statement.entry));
  return Done(session, fmt::format("{} dropped", statement.name));
}

Result<Cursor> RunCreateView(Session& session, BoundStatement statement) {
  if (statement.does_nothing) return Done(session, "nothing to create");
  ARROW_RETURN_NOT_OK(session.CreateView(statement.name, std::move(statement.view_query)));
  return Done(session, fmt::format("view {} created", statement.name));
}

Result<Cursor> RunCreateStream(Session& session, BoundStatement statement) {
  if (statement.does_nothing) return Done(session, "nothing to create");
  ARROW_RETURN_NOT_OK(session.CreateStream(statement.name, std::move(statement.stream)));
  return Done(session, fmt::format("stream {} created", statement.name));
}

Result<Cursor> RunExplain(Session& session, BoundStatement statement, Poll poll) {
  ARROW_ASSIGN_OR_RAISE(
      const std::string text,
      session.ExplainPlan(std::move(statement.plan), statement.analyze, std::move(poll)));
  arrow::StringBuilder builder;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    ARROW_RETURN_NOT_OK(builder.Append(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr lines, builder.Finish());
  return CursorOver(session, "plan", std::move(lines));
}

Result<Cursor> RunStatement(Session& session, BoundStatement statement, Poll poll) {
  switch (statement.kind) {
    case BoundStatement::Kind::kCopy:
      return RunCopy(session, std::move(statement), std::move(poll));
    case BoundStatement::Kind::kExplain:
      return RunExplain(session, std::move(statement), std::move(poll));
    case BoundStatement::Kind::kCreateTable:
    case BoundStatement::Kind::kInsert:
      return RunIntoTable(session, std::move(statement), std::move(poll));
    case BoundStatement::Kind::kUpdate:
    case BoundStatement::Kind::kDelete:
      return RunChange(session, std::move(statement), std::move(poll));
    case BoundStatement::Kind::kCreateView:
      return RunCreateView(session, std::move(statement));
    case BoundStatement::Kind::kCreateStream:
      return RunCreateStream(session, std::move(statement));
    case BoundStatement::Kind::kDrop:
      return RunDrop(session, statement);
    case BoundStatement::Kind::kSet:
      ARROW_RETURN_NOT_OK(session.Set(statement.name, statement.value));
      return Done(session, fmt::format("{} set", statement.name));
    case BoundStatement::Kind::kQuery:
      break;
  }
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session.Run(std::move(statement.plan)));
  cursor.set_poll(std::move(poll));
  return cursor;
}

template <typename T>
Result<T> ParseWhole(std::string_view text, Result<T> (Parser::*parse)()) {
  ARROW_RETURN_NOT_OK(CheckText(text));
  Parser parser(text);
  Result<T> parsed = (parser.*parse)();
  if (!parsed.ok()) return WithCaret(parsed.status(), text);
  return parsed;
}

}  // namespace

Result<BoundStatement> Bind(Session& session, std::string_view text, const ExtraTables& tables,
                            int64_t first_line, const Parameters& parameters, Poll poll) {
  ARROW_RETURN_NOT_OK(CheckText(text));
  Result<BoundStatement> bound =
      Guarded([&] { return ParseAndBind(session, text, tables, parameters, std::move(poll)); });
  if (!bound.ok()) return WithCaret(bound.status(), text, first_line);
  return bound;
}

Result<Cursor> Run(Session& session, BoundStatement statement, Poll poll) {
  return Guarded([&] { return RunStatement(session, std::move(statement), std::move(poll)); });
}

Result<Cursor> Execute(Session& session, std::string_view text, const ExtraTables& tables,
                       Poll poll) {
  ARROW_ASSIGN_OR_RAISE(BoundStatement statement, Bind(session, text, tables, 1, {}, poll));
  return Run(session, std::move(statement), std::move(poll));
}

Result<UnboundPtr> ParseExpression(std::string_view text) {
  return ParseWhole(text, &Parser::ParseWholeExpression);
}

Result<UnboundPtr> ParseMatchExpression(std::string_view text) {
  return ParseWhole(text, &Parser::ParseWholeMatchExpression);
}

Result<std::vector<NamedUnbound>> ParseItems(std::string_view text) {
  return ParseWhole(text, &Parser::ParseWholeItems);
}

Result<std::vector<UnboundSortKey>> ParseSortKeys(std::string_view text) {
  return ParseWhole(text, &Parser::ParseWholeSortKeys);
}

Result<std::vector<ScriptStatement>> SplitScript(std::string_view script) {
  ARROW_RETURN_NOT_OK(CheckText(script));
  std::vector<ScriptStatement> statements;
  Lexer lexer(script);
  const auto part = [&](int64_t begin, int64_t end) {
    return script.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  };
  int64_t counted = 0;
  int64_t line = 1;
  int64_t begin = -1;
  for (Token token = lexer.Next();; token = lexer.Next()) {
    if (token.kind == Token::Kind::kError) return WithCaret(lexer.status(), script);
    const bool ends = token.kind == Token::Kind::kEnd || token.IsSymbol(";");
    if (ends && begin >= 0) {
      const std::string_view before = part(counted, begin);
      line += std::count(before.begin(), before.end(), '\n');
      counted = begin;
      statements.push_back({std::string(part(begin, token.span.begin)), line, begin});
      begin = -1;
    }
    if (token.kind == Token::Kind::kEnd) return statements;
    if (!ends && begin < 0) begin = token.span.begin;
  }
}

Result<std::vector<std::string>> SplitStatements(std::string_view script) {
  ARROW_ASSIGN_OR_RAISE(std::vector<ScriptStatement> statements, SplitScript(script));
  std::vector<std::string> texts;
  for (ScriptStatement& statement : statements) texts.push_back(std::move(statement.text));
  return texts;
}

}  // namespace headrace::sql
