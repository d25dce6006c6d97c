// Statements: queries, COPY, CREATE, INSERT, DROP, DESCRIBE, SHOW, SUMMARIZE, SET, EXPLAIN.
#include <array>
#include <utility>

#include "headrace/base/ascii_case.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

/// SELECT * FROM the table that comes next.
QueryPtr QueryOfTable(TableReference table) {
  auto select = std::make_shared<Select>();
  SelectItem star;
  star.expression = Unbound::Star({}, table.span);
  select->items.push_back(std::move(star));
  auto query = std::make_shared<Query>();
  query->span = table.span;
  select->from = std::move(table);
  query->select = std::move(select);
  return query;
}

}  // namespace

Result<Statement> Parser::ParseStatement() {
  Statement statement;
  statement.is_explain = AcceptWord("EXPLAIN");
  statement.analyze = statement.is_explain && AcceptWord("ANALYZE");
  const Token first = Peek();
  ARROW_RETURN_NOT_OK(ParseStatementBody(&statement));
  const bool explains = statement.kind == Statement::Kind::kQuery ||
                        (statement.kind == Statement::Kind::kCopy && !statement.analyze);
  if (statement.is_explain && !explains) {
    return Unsupported(first, fmt::format("EXPLAIN {}takes a query, not {}",
                                          statement.analyze ? "ANALYZE " : "", first.text));
  }
  ARROW_RETURN_NOT_OK(ExpectEnd());
  statement.emit = emit_;
  statement.into = into_;
  return statement;
}

Status Parser::ParseStatementBody(Statement* statement) {
  if (StartsQuery() || Peek().IsSymbol("(") || Peek().IsWord("VALUES")) {
    ARROW_ASSIGN_OR_RAISE(statement->query, ParseQuery());
    return ParseQueryTail(statement);
  }
  if (AcceptWord("COPY")) return ParseCopy(statement);
  if (AcceptWord("CREATE")) return ParseCreate(statement);
  if (AcceptWord("INSERT")) return ParseInsert(statement);
  if (AcceptWord("UPDATE")) return ParseUpdate(statement);
  if (AcceptWord("DELETE")) return ParseDelete(statement);
  if (AcceptWord("TRUNCATE")) return ParseTruncate(statement);
  if (AcceptWord("DROP")) return ParseDrop(statement);
  if (AcceptWord("SHOW") || AcceptWord("LIST")) return ParseShow(statement);
  if (AcceptWord("SET")) return ParseSet(statement);
  if (AcceptWord("RESET")) return ParseReset(statement);
  if (PeekIsOneOf({"DESCRIBE", "DESC"})) {
    return ParseQueryOrTable(statement, Statement::Kind::kDescribe);
  }
  if (Peek().IsWord("SUMMARIZE")) {
    return ParseQueryOrTable(statement, Statement::Kind::kSummarize);
  }
  return UnknownStatement();
}

Status Parser::UnknownStatement() const {
  constexpr const char* kCopy = "a changed copy: CREATE OR REPLACE TABLE … AS SELECT …";
  constexpr const char* kWhole = "every statement is whole or leaves nothing";
  constexpr const char* kFiles = "files are tables by their names in quotes: FROM 'file.parquet'";
  constexpr const char* kSettings = "settings: SET name = value, SHOW ALL; columns: DESCRIBE";
  constexpr const char* kJobs =
      "jobs are files: headrace run FILE starts one, an interrupt saves its state and ends it, and "
      "the next start goes on there";
  if (Peek().IsWord("ROLLBACK") && PeekNext().IsWord("JOB")) {
    return Unsupported(Peek(), fmt::format("ROLLBACK JOB is not supported; {}", kJobs));
  }
  constexpr std::array<std::pair<const char*, const char*>, 15> kOthers = {{{"ALTER", kCopy},
                                                                            {"START", kJobs},
                                                                            {"STOP", kJobs},
                                                                            {"PAUSE", kJobs},
                                                                            {"RESUME", kJobs},
                                                                            {"DEPLOY", kJobs},
                                                                            {"MERGE", kCopy},
                                                                            {"PRAGMA", kSettings},
                                                                            {"ATTACH", kFiles},
                                                                            {"USE", kFiles},
                                                                            {"INSTALL", kFiles},
                                                                            {"LOAD", kFiles},
                                                                            {"BEGIN", kWhole},
                                                                            {"COMMIT", kWhole},
                                                                            {"ROLLBACK", kWhole}}};
  for (const auto& [word, instead] : kOthers) {
    if (!Peek().IsWord(word)) continue;
    return Unsupported(Peek(), fmt::format("{} is not supported; {}", word, instead));
  }
  const std::vector<std::string> words = {"SELECT",   "WITH",   "VALUES",    "FROM",    "COPY",
                                          "CREATE",   "INSERT", "DROP",      "PIVOT",   "SHOW",
                                          "DESCRIBE", "SET",    "SUMMARIZE", "RESET",   "UNPIVOT",
                                          "EXPLAIN",  "UPDATE", "DELETE",    "TRUNCATE"};
  const bool is_word = Peek().kind == Token::Kind::kWord;
  const std::string nearest = is_word ? NearestName(Peek().text, words) : "";
  if (!nearest.empty()) {
    return WithSpan(
        Error(ErrorKind::kSyntax, "a statement does not begin with {}; did you mean {}?",
              Peek().text, nearest),
        Peek().span);
  }
  return Unexpected(
      "SELECT, WITH, VALUES, COPY, CREATE, INSERT, UPDATE, DELETE, TRUNCATE, DROP, DESCRIBE, "
      "SHOW, SUMMARIZE, SET, RESET or EXPLAIN");
}

/// COPY (query) | table TO 'path' [[WITH] (option [value], …)].
Status Parser::ParseCopy(Statement* statement) {
  statement->kind = Statement::Kind::kCopy;
  if (AcceptSymbol("(")) {
    ARROW_ASSIGN_OR_RAISE(statement->query, ParseQuery());
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  } else {
    TableReference table;
    table.span = Peek().span;
    if (Peek().kind == Token::Kind::kString) {
      return WithSpan(Error(ErrorKind::kSyntax, "a file is copied by a query: COPY (FROM {}) TO …",
                            Peek().text),
                      Peek().span);
    }
    ARROW_ASSIGN_OR_RAISE(table.name, ParseName("a table or ( and a query"));
    if (Peek().IsWord("FROM")) {
      return Unsupported(Peek(), fmt::format("COPY … FROM is not supported; INSERT INTO {} FROM {}",
                                             table.name, PeekNext().text));
    }
    statement->query = QueryOfTable(std::move(table));
  }
  ARROW_RETURN_NOT_OK(ExpectWord("TO"));
  statement->path_span = Peek().span;
  ARROW_ASSIGN_OR_RAISE(statement->path, ParseString("the path of a file in quotes"));
  AcceptWord("WITH");
  return Peek().IsSymbol("(") ? ParseOptions(&statement->options) : Status::OK();
}

/// CREATE [OR REPLACE] [TEMP] TABLE | VIEW | STREAM … [IF NOT EXISTS] name …
Status Parser::ParseCreate(Statement* statement) {
  if (AcceptWord("OR")) {
    ARROW_RETURN_NOT_OK(ExpectWord("REPLACE"));
    statement->or_replace = true;
  }
  if (!AcceptWord("TEMP")) AcceptWord("TEMPORARY");
  ARROW_RETURN_NOT_OK(ParseCreateKind(statement));
  if (Peek().IsWord("IF") && PeekNext().IsWord("NOT")) {
    Take();
    Take();
    ARROW_RETURN_NOT_OK(ExpectWord("EXISTS"));
    statement->if_not_exists = true;
  }
  ARROW_RETURN_NOT_OK(ParseStatementName(statement, "a name"));
  return statement->is_view ? ParseCreateQuery(statement) : ParseCreateStream(statement);
}

/// TABLE | VIEW | MATERIALIZED VIEW | STREAM | SOURCE | SINK
Status Parser::ParseCreateKind(Statement* statement) {
  using Kind = Statement::Kind;
  statement->is_materialized = AcceptWord("MATERIALIZED");
  if (AcceptWord("VIEW")) {
    statement->is_view = !statement->is_materialized;
    statement->kind = statement->is_view ? Kind::kCreateView : Kind::kCreateTable;
  } else if (statement->is_materialized) {
    return Unexpected("VIEW");
  } else if (AcceptWord("TABLE")) {
    statement->kind = Kind::kCreateTable;
  } else if (AcceptWord("STREAM") || AcceptWord("SOURCE")) {
    statement->kind = Kind::kCreateStream;
  } else if (AcceptWord("SINK")) {
    statement->kind = Kind::kCreateSink;
  } else {
    return Unexpected("TABLE, VIEW, STREAM, SOURCE, SINK or MATERIALIZED VIEW");
  }
  return Status::OK();
}

/// [(column, …)] AS query, of a view.
Status Parser::ParseCreateQuery(Statement* statement) {
  if (Peek().IsSymbol("(")) {
    ARROW_ASSIGN_OR_RAISE(statement->columns, ParseNameList("a column"));
  }
  ARROW_RETURN_NOT_OK(ExpectWord("AS"));
  const int64_t begin = Peek().span.begin;
  ARROW_ASSIGN_OR_RAISE(statement->query, ParseQuery());
  statement->query_span = SpanFrom(begin);
  return Status::OK();
}

/// INSERT INTO table [(column, …)] query
Status Parser::ParseInsert(Statement* statement) {
  statement->kind = Statement::Kind::kInsert;
  ARROW_RETURN_NOT_OK(ExpectWord("INTO"));
  ARROW_RETURN_NOT_OK(ParseStatementName(statement, "a table"));
  if (Peek().IsSymbol("(") && !PeekNext().IsWord("SELECT") && !PeekNext().IsWord("WITH")) {
    ARROW_ASSIGN_OR_RAISE(statement->columns, ParseNameList("a column"));
  }
  if (!StartsQuery() && !Peek().IsSymbol("(")) return Unexpected("VALUES or SELECT");
  ARROW_ASSIGN_OR_RAISE(statement->query, ParseQuery());
  return ParseQueryTail(statement);
}

/// DROP TABLE | VIEW | STREAM [IF EXISTS] name
Status Parser::ParseDrop(Statement* statement) {
  statement->kind = Statement::Kind::kDrop;
  statement->is_view = AcceptWord("VIEW");
  statement->is_stream = !statement->is_view && (AcceptWord("STREAM") || AcceptWord("SOURCE"));
  if (!statement->is_view && !statement->is_stream && !AcceptWord("TABLE")) {
    return Unexpected("TABLE, VIEW or STREAM");
  }
  if (Peek().IsWord("IF") && PeekNext().IsWord("EXISTS")) {
    Take();
    Take();
    statement->if_exists = true;
  }
  return ParseStatementName(statement, statement->is_view     ? "a view"
                                       : statement->is_stream ? "a stream"
                                                              : "a table");
}

/// [STREAM | TABLE | JOB] name
Status Parser::ParseShowProperties(Statement* statement) {
  statement->kind = Statement::Kind::kShowProperties;
  const bool has_noun = PeekIsOneOf({"STREAM", "TABLE", "JOB"}) &&
                        PeekNext().kind != Token::Kind::kEnd && !PeekNext().IsSymbol(";");
  if (has_noun) statement->noun = LowerCase(Take().text);
  return ParseNameOrText(statement, "a stream, table or job");
}

/// A name, also in the quotes of texts, as those of jobs that are called after files.
Status Parser::ParseNameOrText(Statement* statement, std::string_view what) {
  if (Peek().kind != Token::Kind::kString) return ParseStatementName(statement, what);
  statement->name_span = Peek().span;
  return ParseString(what).Value(&statement->name);
}

/// STATUS | METRICS [query or job], PROPERTIES, JOBS, TABLES | STREAMS | FUNCTIONS [[LIKE]
/// 'pattern'], ALL, or a setting.
Status Parser::ParseShow(Statement* statement) {
  using Kind = Statement::Kind;
  if (Peek().IsWord("SCHEMA") && PeekNext().kind != Token::Kind::kEnd &&
      !PeekNext().IsSymbol(";")) {
    return ParseQueryOrTable(statement, Kind::kDescribe);
  }
  if (PeekIsOneOf({"TOPICS", "QUERIES", "PARTITIONS", "VERSIONS"})) {
    return Unsupported(
        Peek(), fmt::format("SHOW {} is not supported; SHOW STREAMS, TABLES, STATUS, METRICS, "
                            "PROPERTIES and JOBS tell what there is",
                            Peek().text));
  }
  const bool all = AcceptWord("ALL");
  if (AcceptWord("PROPERTIES")) return ParseShowProperties(statement);
  if (AcceptWord("JOBS")) {
    statement->kind = Kind::kShowJobs;
    return Status::OK();
  }
  if (PeekIsOneOf({"STATUS", "METRICS"})) {
    statement->kind = Take().IsWord("STATUS") ? Kind::kShowStatus : Kind::kShowMetrics;
    const bool ends = Peek().kind == Token::Kind::kEnd || Peek().IsSymbol(";");
    return ends ? Status::OK() : ParseNameOrText(statement, "a query or job");
  }
  const bool is_list = PeekIsOneOf({"TABLES", "STREAMS", "FUNCTIONS"});
  if (!is_list) {
    statement->kind = Kind::kShowSettings;
    return all ? Status::OK()
               : ParseStatementName(statement,
                                    "TABLES, STREAMS, FUNCTIONS, STATUS, METRICS, PROPERTIES, "
                                    "JOBS, ALL or a setting");
  }
  const Token what = Take();
  statement->kind = what.IsWord("TABLES")    ? Kind::kShowTables
                    : what.IsWord("STREAMS") ? Kind::kShowStreams
                                             : Kind::kShowFunctions;
  if (!AcceptWord("LIKE") && Peek().kind != Token::Kind::kString) return Status::OK();
  return ParseString("a pattern in quotes").Value(&statement->pattern);
}

/// SET [SESSION | GLOBAL] name = | TO value
Status Parser::ParseSet(Statement* statement) {
  statement->kind = Statement::Kind::kSet;
  if (!PeekNext().IsSymbol("=") && !PeekNext().IsWord("TO") && !AcceptWord("SESSION")) {
    AcceptWord("GLOBAL");
  }
  ARROW_RETURN_NOT_OK(ParseStatementName(statement, "a setting"));
  if (!AcceptSymbol("=") && !AcceptWord("TO")) return Unexpected("= or TO");
  if (AcceptWord("DEFAULT")) return Status::OK();
  return ParseOptionValue().Value(&statement->value.emplace());
}

/// RESET [SESSION | GLOBAL] name
Status Parser::ParseReset(Statement* statement) {
  statement->kind = Statement::Kind::kSet;
  if (!AcceptWord("SESSION")) AcceptWord("GLOBAL");
  return ParseStatementName(statement, "a setting");
}

/// DESCRIBE | SUMMARIZE, then a query, a table or a file.
Status Parser::ParseQueryOrTable(Statement* statement, Statement::Kind kind) {
  Take();
  statement->kind = kind;
  if (StartsQuery()) return ParseQuery().Value(&statement->query);
  ARROW_ASSIGN_OR_RAISE(TableReference table, ParseTable());
  statement->query = QueryOfTable(std::move(table));
  return Status::OK();
}

Status Parser::ParseStatementName(Statement* statement, std::string_view expected) {
  statement->name_span = Peek().span;
  return ParseName(expected).Value(&statement->name);
}

/// (option [value], …), as COPY and files in FROM have them.
Status Parser::ParseOptions(OptionMap* options) {
  Take();
  do {
    const Token token = Peek();
    if (token.kind != Token::Kind::kWord) return Unexpected("an option");
    const std::string name = LowerCase(Take().text);
    ARROW_ASSIGN_OR_RAISE(std::string value, ParseOptionValue());
    if (!options->emplace(name, std::move(value)).second) {
      return WithSpan(Error(ErrorKind::kSyntax, "option given twice: {}", name), token.span);
    }
  } while (AcceptSymbol(","));
  return ExpectSymbol(")");
}

/// {'name': 'TYPE', …} as a list of columns: "name" TYPE, …
Result<std::string> Parser::ParseColumnTypes() {
  Take();
  std::string list;
  do {
    const bool is_string = Peek().kind == Token::Kind::kString;
    ARROW_ASSIGN_OR_RAISE(const std::string name, is_string ? ParseString("the name of a column")
                                                            : ParseName("the name of a column"));
    ARROW_RETURN_NOT_OK(ExpectSymbol(":"));
    ARROW_ASSIGN_OR_RAISE(const std::string type, ParseString("the name of a type in quotes"));
    list += list.empty() ? "\"" : ", \"";
    for (const char c : name) list += c == '"' ? "\"\"" : std::string(1, c);
    list += "\" " + type;
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol("}"));
  return list;
}

/// A word, a string, a number, a list or types of columns; nothing means true.
Result<std::string> Parser::ParseOptionValue() {
  if (Peek().IsSymbol("{")) return ParseColumnTypes();
  if (Peek().IsSymbol(",") || Peek().IsSymbol(")")) return std::string("true");
  if (Peek().kind == Token::Kind::kString) return UnquotedText(Take());
  const std::string sign = AcceptSymbol("-") ? "-" : "";
  if (sign.empty() && (Peek().IsSymbol("[") || Peek().IsSymbol("("))) {
    const char* const end = Take().IsSymbol("[") ? "]" : ")";
    std::string list;
    do {
      const bool is_name =
          Peek().kind == Token::Kind::kWord || Peek().kind == Token::Kind::kQuotedName;
      ARROW_ASSIGN_OR_RAISE(const std::string item,
                            is_name ? ParseName("a value") : ParseOptionValue());
      list += (list.empty() ? "" : ",") + item;
    } while (AcceptSymbol(","));
    ARROW_RETURN_NOT_OK(ExpectSymbol(end));
    return list;
  }
  const bool plain =
      Peek().kind == Token::Kind::kNumber || (sign.empty() && Peek().kind == Token::Kind::kWord);
  if (!plain) return Unexpected("a value");
  const Token value = Take();
  if (value.kind == Token::Kind::kWord) return LowerCase(value.text);
  return sign + std::string(value.text);
}

}  // namespace headrace::sql
