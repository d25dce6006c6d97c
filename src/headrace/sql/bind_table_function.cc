// Functions in FROM: read_csv and its like, range, unnest.
#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "arrow/array/array_nested.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/range/range_table.h"
#include "headrace/expression/coerce.h"
#include "headrace/sql/binder.h"
#include "headrace/sql/call_in_other_words.h"
#include "headrace/sql/lexer.h"

namespace headrace::sql {
namespace {

struct FileFunction {
  const char* name;
  const char* format;  // "": by the extension
};
constexpr std::array<FileFunction, 11> kFileFunctions = {{{"read_csv", "csv"},
                                                          {"read_csv_auto", "csv"},
                                                          {"read_parquet", "parquet"},
                                                          {"parquet_scan", "parquet"},
                                                          {"read_json", "json_lines"},
                                                          {"read_json_auto", "json_lines"},
                                                          {"read_ndjson", "json_lines"},
                                                          {"read_ndjson_auto", "json_lines"},
                                                          {"read_arrow", "arrow_ipc"},
                                                          {"read_ipc", "arrow_ipc"},
                                                          {"scan_arrow_ipc", "arrow_ipc"}}};

Result<ExpressionPtr> Constant(const UnboundPtr& argument, const std::string& function) {
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr plain, InOtherWords(argument));
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*plain, Scope(), Dialect::kSql));
  bound = FoldConstants(bound);
  if (bound->kind == Expression::Kind::kLiteral && bound->literal->is_valid) return bound;
  return WithSpan(
      Error(ErrorKind::kInvalidArgument, "{} takes constants, got {}", function, ToString(*bound)),
      argument->span);
}

Result<int64_t> IntegerOf(const UnboundPtr& argument, const std::string& function) {
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr constant, Constant(argument, function));
  if (!arrow::is_integer(constant->type->id())) {
    return WithSpan(
        Error(ErrorKind::kTypeMismatch, "{} takes integers, got {}", function, ToString(*constant)),
        argument->span);
  }
  ARROW_ASSIGN_OR_RAISE(const ScalarPtr value, constant->literal->CastTo(arrow::int64()));
  return static_cast<const arrow::Int64Scalar&>(*value).value;
}

/// A path, or a list of paths.
Result<std::vector<std::string>> PathsOf(const UnboundPtr& argument, const std::string& function) {
  std::vector<UnboundPtr> parts = {argument};
  if (argument->kind == Unbound::Kind::kCall && argument->name == "list_value") {
    parts = argument->args;
  }
  std::vector<std::string> paths;
  for (const UnboundPtr& part : parts) {
    if (part->kind == Unbound::Kind::kColumn) {
      return WithSpan(Error(ErrorKind::kSyntax, "the name of a file goes in quotes: {}('{}')",
                            function, fmt::join(part->path, ".")),
                      part->span);
    }
    ARROW_ASSIGN_OR_RAISE(const ExpressionPtr constant, Constant(part, function));
    if (!arrow::is_base_binary_like(constant->type->id())) {
      return WithSpan(Error(ErrorKind::kTypeMismatch, "{} takes the path of a file, got {}",
                            function, ToString(*constant)),
                      part->span);
    }
    paths.push_back(constant->literal->ToString());
  }
  return paths;
}

}  // namespace

Result<PlanPtr> Binder::BindTableFunction(const TableReference& table) {
  std::vector<std::string> names = {"range", "generate_series", "unnest"};
  for (const FileFunction& function : kFileFunctions) {
    if (table.name == function.name) return ReadFiles(table, function.format);
    names.emplace_back(function.name);
  }
  if (table.name == "range") return RangeOf(table, /*inclusive=*/false);
  if (table.name == "generate_series") return RangeOf(table, /*inclusive=*/true);
  if (table.name == "unnest") return UnnestConstants(table);
  const std::string nearest = NearestName(table.name, names);
  return Error(ErrorKind::kUnknownName, "there is no table function \"{}\"{}", table.name,
               nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest));
}

Result<PlanPtr> Binder::ReadFiles(const TableReference& table, const char* format) {
  if (table.args.size() != 1) {
    return Error(
        ErrorKind::kInvalidArgument,
        "{} takes one path or list of paths, then options (name = value), got {} arguments",
        table.name, table.args.size());
  }
  ARROW_ASSIGN_OR_RAISE(const auto paths, PathsOf(table.args.front(), table.name));
  OptionMap options = table.options;
  options.emplace("format", format);
  ARROW_ASSIGN_OR_RAISE(SourcePtr files, session_.OpenFiles(paths, options));
  return PlanScan(std::move(files));
}

/// The items of the list that the function of this name gives.
Result<PlanPtr> Binder::RangeOfTimes(const TableReference& table) {
  TableReference items = table;
  items.name = "unnest";
  items.args = {Unbound::Call(table.name, table.args, table.span)};
  if (items.columns.empty()) items.columns.push_back(table.name);
  return UnnestConstants(items);
}

/// range(end), range(begin, end[, step])
Result<PlanPtr> Binder::RangeOf(const TableReference& table, bool inclusive) {
  const size_t count = table.args.size();
  if (count < 1 || count > 3 || !table.options.empty()) {
    return Error(ErrorKind::kInvalidArgument, "{0} takes {0}(end) or {0}(begin, end[, step])",
                 table.name);
  }
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr first, Constant(table.args.front(), table.name));
  if (count == 3 && !arrow::is_integer(first->type->id())) return RangeOfTimes(table);
  std::vector<int64_t> values;
  for (const UnboundPtr& arg : table.args) {
    ARROW_ASSIGN_OR_RAISE(values.emplace_back(), IntegerOf(arg, table.name));
  }
  RangeOptions range;
  range.column = table.name;
  range.inclusive = inclusive;
  range.begin = count == 1 ? 0 : values[0];
  range.end = count == 1 ? values[0] : values[1];
  range.step = count == 3 ? values[2] : 1;
  ARROW_ASSIGN_OR_RAISE(SourcePtr source, MakeRangeTable(range));
  return PlanScan(std::move(source));
}

namespace {

Result<std::vector<NamedExpression>> ListsOf(const TableReference& table, const Scope& scope) {
  if (table.args.empty()) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "unnest takes a list"), table.span);
  }
  std::vector<NamedExpression> lists;
  for (const UnboundPtr& arg : table.args) {
    ARROW_ASSIGN_OR_RAISE(const UnboundPtr plain, InOtherWords(arg));
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr list, headrace::Bind(*plain, scope, Dialect::kSql));
    const size_t place = lists.size();
    std::string name = place < table.columns.size() ? table.columns[place] : "unnest";
    lists.push_back({std::move(list), std::move(name)});
  }
  return lists;
}

/// The name of the column of WITH ORDINALITY; "": there is none.
std::string OrdinalityOf(const TableReference& table, size_t lists) {
  if (!table.ordinality) return "";
  return lists < table.columns.size() ? table.columns[lists] : "ordinality";
}

}  // namespace

/// FROM unnest([…]).
Result<PlanPtr> Binder::UnnestConstants(const TableReference& table) {
  Select nothing;
  std::vector<UnboundPtr> none;
  ARROW_ASSIGN_OR_RAISE(Relation one_row, BindFrom(nothing, &none));
  ARROW_ASSIGN_OR_RAISE(auto lists, ListsOf(table, Scope()));
  UnnestOptions options;
  options.ordinality = OrdinalityOf(table, lists.size());
  return PlanUnnest(std::move(one_row.plan), std::move(lists), options);
}

/// table, unnest(table.list): the elements beside their row.
Result<Relation> Binder::BindUnnest(Relation left, const JoinClause& join) {
  const bool outer = join.kind == JoinClause::Kind::kLeft;
  if (!outer && join.kind != JoinClause::Kind::kCross && join.kind != JoinClause::Kind::kInner) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "unnest takes a comma, CROSS JOIN, or [LEFT] JOIN ... ON TRUE"),
                    join.span);
  }
  ARROW_ASSIGN_OR_RAISE(auto lists, ListsOf(join.right, NamesOf(left)));
  UnnestOptions options;
  options.keep_empty = outer;
  options.ordinality = OrdinalityOf(join.right, lists.size());
  const size_t count = lists.size() + (join.right.ordinality ? 1 : 0);
  Result<PlanPtr> plan = PlanUnnest(std::move(left.plan), std::move(lists), options);
  if (!plan.ok()) return WithSpan(plan.status(), join.span);
  Relation relation{*std::move(plan), std::move(left.scope), std::move(left.around)};
  const int width = relation.plan->schema()->num_fields();
  const std::string qualifier = join.right.alias.empty() ? "unnest" : join.right.alias;
  for (int i = width - static_cast<int>(count); i < width; ++i) {
    const auto& field = relation.plan->schema()->field(i);
    const bool takes_alias = join.right.columns.empty() && !join.right.alias.empty();
    relation.scope.Add(qualifier, takes_alias ? join.right.alias : field->name(), field->type());
  }
  return relation;
}

}  // namespace headrace::sql
