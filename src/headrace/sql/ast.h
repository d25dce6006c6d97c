// The syntax tree of a statement. Expressions are `Unbound`; spans point into the query text.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/expression/unbound.h"
#include "headrace/table/options.h"

namespace headrace {
struct MatchClause;
}

namespace headrace::sql {

struct Query;
using QueryPtr = std::shared_ptr<const Query>;

/// A query inside an expression; the node that holds it says by `name` how it is used:
/// "scalar", "exists", "= any", "<> all" … (args[0] is the left side of the comparison).
struct QueryOperand final : UnboundQuery {
  explicit QueryOperand(QueryPtr query) : query(std::move(query)) {}
  QueryPtr query;
};

/// expression [AS name], or * [EXCLUDE (…)] [REPLACE (…)] [RENAME (…)], which has no name.
struct SelectItem {
  UnboundPtr expression;
  std::string name;
  std::vector<std::string> exclude;
  std::vector<SelectItem> replace;
  std::vector<std::pair<std::string, std::string>> rename;  // old, new
  bool is_key = false;                                      // … PRIMARY KEY
  TextSpan key_span;
};

/// COLUMNS(…) inside an item: the columns that it stands for, one after the other. A star, a text
/// (a regular expression) or a list of names.
struct ColumnsOperand final : UnboundQuery {
  SelectItem columns;
};

/// TABLESAMPLE, USING SAMPLE.
struct SampleClause {
  double amount = 0;
  bool is_percent = false;  // else rows
  std::optional<uint64_t> seed;
  TextSpan span;
};

/// A column that PIVOT is made ON, and its values; none: those that are there.
struct PivotColumn {
  UnboundPtr expression;
  std::vector<SelectItem> values;
};

/// Columns of UNPIVOT that make one row; "": called as they are.
struct UnpivotEntry {
  std::vector<SelectItem> columns;
  std::string name;
};

/// PIVOT or UNPIVOT of a table.
struct Pivot {
  bool is_unpivot = false;
  std::vector<PivotColumn> on;
  std::vector<SelectItem> items;  // the aggregates
  std::vector<UnboundPtr> groups;
  bool grouped = false;  // else: by all columns that are not used
  /// Of UNPIVOT.
  std::vector<UnpivotEntry> entries;
  std::string name;
  std::vector<std::string> value_names;
  bool include_nulls = false;
  TextSpan span;
};

/// Rows by time: WINDOW kind (…) of a SELECT, or a table function of that kind over a table.
struct WindowClause {
  enum class Kind { kTumbling, kSliding, kSession, kCumulate };
  Kind kind = Kind::kTumbling;
  UnboundPtr time;            // a column; null: the event time of the stream
  int64_t size_micros = 0;    // not of a session
  int64_t step_micros = 0;    // kSliding: from start to start; kCumulate: how much a window grows
  int64_t gap_micros = 0;     // kSession: a longer pause begins another
  int64_t offset_micros = 0;  // of the starts
  std::vector<UnboundPtr> partition_by;  // kSession: beside the groups
  bool is_table_function = false;
  TextSpan span;
};

/// 'file' [(option value, …)], name, (query), function(…), each with alias [(column, …)].
struct TableReference {
  enum class Kind { kFile, kName, kQuery, kFunction };
  Kind kind = Kind::kName;
  std::string name;  // or path, or function
  std::string alias;
  std::vector<std::string> columns;
  OptionMap options;             // of the file or function
  std::vector<UnboundPtr> args;  // of the function
  bool ordinality = false;       // unnest(…) WITH ORDINALITY
  QueryPtr query;
  std::vector<std::shared_ptr<const Pivot>> pivots;  // one over the other
  std::shared_ptr<const MatchClause> match;          // MATCH_RECOGNIZE of those rows
  std::string match_alias;                           // by which it may call its input
  std::optional<SampleClause> sample;
  std::shared_ptr<const WindowClause> window;  // TUMBLE(table, …) and its kin
  UnboundPtr as_of;                            // FOR SYSTEM_TIME AS OF …
  TextSpan span;
};

/// What bounds the state of a join of two streams.
struct JoinBounds {
  /// WITHIN (before, after): how much earlier and later the right row may be; WITHIN d: (d, d).
  std::optional<std::pair<int64_t, int64_t>> within_micros;
  std::optional<int64_t> grace_micros;
  bool allow_unbounded = false;
  TextSpan span;
};

struct JoinClause {
  enum class Kind { kInner, kLeft, kRight, kFull, kSemi, kAnti, kCross, kAsof, kAsofLeft };
  Kind kind = Kind::kInner;
  TableReference right;
  UnboundPtr condition;  // null: USING, NATURAL or CROSS
  std::vector<std::string> using_columns;
  bool natural = false;
  JoinBounds bounds;
  TextSpan span;
};

struct NamedWindow {
  std::string name;
  std::shared_ptr<const UnboundWindow> window;
};

struct Select {
  bool distinct = false;
  std::vector<UnboundPtr> distinct_on;
  std::vector<SelectItem> items;
  std::optional<TableReference> from;
  std::vector<JoinClause> joins;
  UnboundPtr where;
  std::vector<UnboundPtr> group_by;
  bool group_by_all = false;
  /// GROUPING SETS, ROLLUP, CUBE: for each set the indexes in group_by. Empty: one set of all.
  std::vector<std::vector<size_t>> grouping_sets;
  UnboundPtr having;
  std::shared_ptr<const WindowClause> time_window;
  std::vector<NamedWindow> windows;
  UnboundPtr qualify;
  std::optional<SampleClause> sample;  // of the rows of FROM
};

/// name [(column, …)] AS (query).
struct CommonTable {
  std::string name;
  std::vector<std::string> columns;
  QueryPtr query;
  bool recursive = false;
};

/// left UNION|INTERSECT|EXCEPT [ALL] right.
struct SetOperation {
  enum class Kind { kUnion, kIntersect, kExcept };
  Kind kind = Kind::kUnion;
  bool all = false;
  bool by_name = false;
  QueryPtr left;
  QueryPtr right;
  TextSpan span;
};

/// [WITH …] body [ORDER BY …] [LIMIT …]; exactly one of select, set and values is there.
struct Query {
  std::vector<CommonTable> with;
  std::shared_ptr<const Select> select;
  std::shared_ptr<const SetOperation> set;
  std::vector<std::vector<UnboundPtr>> values;
  std::vector<UnboundSortKey> order_by;
  bool order_by_all = false;  // the one key of order_by says how
  UnboundPtr limit;
  UnboundPtr offset;
  TextSpan span;
};

/// name type [NOT NULL], of CREATE.
struct ColumnDefinition {
  std::string name;
  TypePtr type;
  bool not_null = false;
  TextSpan span;
};

/// WATERMARK FOR column [AS column [- INTERVAL …]].
struct WatermarkClause {
  std::string column;
  int64_t delay_micros = 0;
  TextSpan span;
};

/// WITH (key = value, …); keys in lower case.
struct StreamOptions {
  OptionMap values;
  std::map<std::string, TextSpan> spans;  // of the keys
  TextSpan span;
};

/// SELECT … INTO name | 'uri'.
struct IntoClause {
  std::string name;
  bool is_uri = false;
  TextSpan span;
};

/// EMIT CHANGES | FINAL | ON WINDOW CLOSE.
struct EmitClause {
  bool is_final = false;
  TextSpan span;
};

/// UPDATE, DELETE: which rows of a table change, and to what.
struct Change {
  std::string alias;                                            // of the table; may be empty
  std::vector<std::pair<std::string, UnboundPtr>> assignments;  // column, value
  Select others;  // FROM or USING: other tables; WHERE
  TextSpan span;
};

struct Statement {
  enum class Kind {
    kQuery,
    kCopy,
    kCreateTable,
    kCreateView,
    kCreateStream,
    kCreateSink,
    kInsert,
    kUpdate,
    kDelete,
    kDrop,
    kDescribe,
    kShowTables,
    kShowStreams,
    kShowFunctions,
    kShowSettings,
    kShowStatus,
    kShowJobs,
    kShowMetrics,
    kShowProperties,
    kSummarize,
    kSet,
  };
  Kind kind = Kind::kQuery;
  bool is_explain = false;
  bool analyze = false;
  QueryPtr query;
  /// COPY (query) TO path.
  std::string path;
  OptionMap options;
  TextSpan path_span;
  /// Of a table or view.
  std::string name;
  TextSpan name_span;
  std::vector<std::string> columns;
  std::vector<ColumnDefinition> definitions;
  bool or_replace = false;
  bool if_exists = false;      // DROP … IF EXISTS
  bool if_not_exists = false;  // CREATE … IF NOT EXISTS
  bool is_view = false;        // DROP VIEW
  bool is_stream = false;      // DROP STREAM
  Change change;               // UPDATE, DELETE
  /// SET name = value; none: RESET.
  std::optional<std::string> value;
  /// The text of a view's query.
  TextSpan query_span;
  /// Of what streams: see KeepsRows.
  bool is_materialized = false;  // CREATE MATERIALIZED VIEW
  std::vector<std::string> primary_key;
  TextSpan primary_key_span;
  std::optional<WatermarkClause> watermark;
  std::optional<StreamOptions> with;
  std::optional<IntoClause> into;
  std::optional<EmitClause> emit;
  std::string pattern;  // SHOW … [LIKE] 'pattern'
  std::string noun;     // SHOW PROPERTIES: "stream", "table", "job", or ""
};

}  // namespace headrace::sql
