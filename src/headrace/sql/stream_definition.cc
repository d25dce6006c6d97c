// Options are texts; what they mean to the engine is decided here, the rest is the connector's.
#include "headrace/sql/stream_definition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/sql/duration.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

/// Of a stream; they go into its watermark.
constexpr std::array<std::string_view, 9> kTimeOptions = {
    "event.time.field",      "watermark.strategy",     "watermark.max_out_of_orderness",
    "watermark.punctuation", "watermark.idle_timeout", "watermark.max_future_skew",
    "late.data.strategy",    "allowed.lateness",       "watermark.delay"};
/// Of tables, sinks and queries; whoever runs them reads them.
constexpr std::array<std::string_view, 13> kRunOptions = {"dlq.path",
                                                          "dlq.format",
                                                          "retention",
                                                          "deleted.field",
                                                          "table.wait.timeout",
                                                          "on_not_ready",
                                                          "on_not_ready.defaults",
                                                          "on_not_ready.retries",
                                                          "on_not_ready.delay",
                                                          "alert.rate_min",
                                                          "alert.memory_max",
                                                          "key",
                                                          "ready.timeout"};

template <typename Names>
bool IsAmong(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

TextSpan SpanOfOption(const StreamOptions& with, const std::string& key) {
  const auto found = with.spans.find(key);
  return found == with.spans.end() ? with.span : found->second;
}

bool NamesConnector(std::string_view key) {
  return key == "connector" || key == "type" || key == "config_file";
}

/// "x" of "x.connector"; "" where `key` is no such.
std::string NameBefore(const std::string& key) {
  const size_t dot = key.rfind('.');
  if (dot == std::string::npos || !NamesConnector(std::string_view(key).substr(dot + 1))) return "";
  const std::string name = key.substr(0, dot);
  const bool is_side = name == "datasource" || name == "datasink";
  return is_side ? "" : name;
}

/// `key` without the words by which files of options tell sources from sinks.
std::string WithoutSide(const std::string& key) {
  for (const std::string_view side : {"datasource.", "datasink."}) {
    if (key.starts_with(side)) return key.substr(side.size());
  }
  return key;
}

/// file_source, file_source_mmap and file_sink are the connector file.
std::string PlainConnector(const std::string& written) {
  std::string name = LowerCase(written);
  for (const std::string_view ending : {"_mmap", "_source", "_sink"}) {
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  }
  return name;
}

/// Takes `name` out of `options`; null: it is not there.
std::optional<std::string> TakeOption(OptionMap* options, std::string_view name) {
  const auto found = options->find(name);
  if (found == options->end()) return std::nullopt;
  std::string value = std::move(found->second);
  options->erase(found);
  return value;
}

Result<std::optional<int64_t>> TakeLength(OptionMap* options, std::string_view name) {
  const std::optional<std::string> text = TakeOption(options, name);
  if (!text.has_value()) return std::nullopt;
  const std::optional<int64_t> micros = ReadDuration(*text);
  if (micros.has_value()) return micros;
  return Error(ErrorKind::kInvalidArgument,
               "option {}: expected a length of time such as 30s or 5 minutes, got '{}'", name,
               *text);
}

/// WATERMARK FOR and the options watermark.…, which may add to it.
Status ReadWatermark(const std::optional<WatermarkClause>& clause, StreamDefinition* stream) {
  OptionMap* options = &stream->engine_options;
  const auto field = TakeOption(options, "event.time.field");
  const auto strategy = TakeOption(options, "watermark.strategy");
  ARROW_ASSIGN_OR_RAISE(auto delay, TakeLength(options, "watermark.max_out_of_orderness"));
  ARROW_ASSIGN_OR_RAISE(const auto other_delay, TakeLength(options, "watermark.delay"));
  ARROW_ASSIGN_OR_RAISE(const auto idle, TakeLength(options, "watermark.idle_timeout"));
  ARROW_ASSIGN_OR_RAISE(const auto skew, TakeLength(options, "watermark.max_future_skew"));
  const auto punctuation = TakeOption(options, "watermark.punctuation");
  const bool any = strategy || delay || other_delay || idle || skew || punctuation;
  if (!clause.has_value() && !field.has_value()) {
    if (!any) return Status::OK();
    return Error(
        ErrorKind::kInvalidArgument,
        "options of watermarks need the column of the event time: WATERMARK FOR column, or "
        "'event.time.field'");
  }
  if (clause.has_value() && field.has_value() && !EqualsIgnoringCase(clause->column, *field)) {
    return Error(ErrorKind::kInvalidArgument,
                 "the event time is one column: WATERMARK FOR {}, and event.time.field = {}",
                 clause->column, *field);
  }
  constexpr int64_t kDelayDefault = 5'000'000;
  WatermarkDefinition watermark;
  watermark.column = clause.has_value() ? clause->column : *field;
  if (!delay.has_value()) delay = other_delay;
  const bool ascends = strategy.has_value() && LowerCase(*strategy).starts_with("ascending");
  const bool is_bounded = strategy.has_value() && LowerCase(*strategy).starts_with("bounded");
  if (strategy.has_value() && !ascends && !is_bounded &&
      !EqualsIgnoringCase(*strategy, "punctuated")) {
    return Error(ErrorKind::kInvalidArgument,
                 "option watermark.strategy: expected bounded_out_of_orderness, ascending or "
                 "punctuated, got '{}'",
                 *strategy);
  }
  watermark.delay_micros = delay.value_or(ascends              ? 0
                                          : clause.has_value() ? clause->delay_micros
                                                               : kDelayDefault);
  watermark.punctuation = punctuation.value_or("");
  watermark.idle_timeout_micros = idle;
  watermark.future_skew_max_micros = skew;
  stream->watermark = std::move(watermark);
  return Status::OK();
}

/// Which of `with` speak of `name`, without its prefix.
OptionMap ValuesFor(const std::string& name, const StreamOptions& with) {
  const std::vector<std::string> named = NamesWithConnectors(with);
  const std::string prefix = LowerCase(name) + ".";
  const auto is_of_another = [&](const std::string& key) {
    return std::any_of(named.begin(), named.end(), [&](const std::string& other) {
      return other + "." != prefix && key.starts_with(other + ".");
    });
  };
  OptionMap values;
  for (const auto& [key, value] : with.values) {
    if (key.starts_with(prefix) || is_of_another(key)) continue;
    values[WithoutSide(key)] = value;
  }
  for (const auto& [key, value] : with.values) {
    if (key.starts_with(prefix)) values[WithoutSide(key.substr(prefix.size()))] = value;
  }
  return values;
}

Status CheckColumns(const StreamDefinition& definition) {
  if (definition.schema == nullptr) return Status::OK();
  const arrow::Schema& declared = *definition.schema;
  const arrow::Schema& given = *definition.source->schema();
  bool same = declared.num_fields() == given.num_fields();
  for (int i = 0; same && i < declared.num_fields(); ++i) {
    same = declared.field(i)->name() == given.field(i)->name() &&
           declared.field(i)->type()->Equals(*given.field(i)->type());
  }
  if (same) return Status::OK();
  const auto shown = [](const arrow::Schema& schema) {
    std::string text;
    for (const auto& field : schema.fields()) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", field->name(),
                          SqlNameOf(*field->type()));
    }
    return text;
  };
  return Error(ErrorKind::kTypeMismatch, "{} is declared as ({}), and its connector {} gives ({})",
               definition.name, shown(declared), definition.connector, shown(given));
}

Result<int> ColumnNamed(const arrow::Schema& schema, const std::string& name, const char* what) {
  std::vector<std::string> names;
  for (int i = 0; i < schema.num_fields(); ++i) {
    names.push_back(schema.field(i)->name());
    if (EqualsIgnoringCase(names.back(), name)) return i;
  }
  const std::string nearest = NearestName(name, names);
  return Error(ErrorKind::kUnknownName, "{} names no column: \"{}\"{}", what, name,
               nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
}

}  // namespace

bool IsEngineOption(std::string_view name) {
  return IsAmong(kTimeOptions, name) || IsAmong(kRunOptions, name);
}

bool KeepsRows(const Statement& statement) {
  if (statement.kind != Statement::Kind::kCreateTable) return false;
  const bool marks_key =
      statement.query != nullptr && statement.query->select != nullptr &&
      std::any_of(statement.query->select->items.begin(), statement.query->select->items.end(),
                  [](const SelectItem& item) { return item.is_key; });
  return statement.is_materialized || statement.with.has_value() ||
         !statement.primary_key.empty() || statement.watermark.has_value() || marks_key;
}

std::vector<std::string> NamesWithConnectors(const StreamOptions& with) {
  std::vector<std::string> names;
  for (const auto& [key, value] : with.values) {
    const std::string name = NameBefore(key);
    if (!name.empty() && !IsAmong(names, name)) names.push_back(name);
  }
  return names;
}

Result<ConnectorOptions> OptionsFor(const std::string& name, const StreamOptions& with,
                                    const ConfigFiles& files) {
  OptionMap values = ValuesFor(name, with);
  if (const auto path = TakeOption(&values, "config_file"); path.has_value()) {
    Result<OptionMap> config = ReadConfigFile(files, *path);
    if (!config.ok()) return WithSpan(config.status(), SpanOfOption(with, "config_file"));
    for (const auto& [key, value] : *config) values.emplace(WithoutSide(key), value);
  }
  ConnectorOptions found;
  const auto connector = TakeOption(&values, "connector");
  const auto type = TakeOption(&values, "type");
  if (connector.has_value() || type.has_value()) {
    found.connector = PlainConnector(connector.has_value() ? *connector : *type);
  }
  for (auto& [key, value] : values) {
    OptionMap& part = IsEngineOption(key) ? found.engine_options : found.options;
    part.emplace(key, std::move(value));
  }
  return found;
}

Result<SchemaPtr> SchemaOf(const Statement& statement) {
  if (statement.definitions.empty()) return nullptr;
  arrow::FieldVector fields;
  for (const ColumnDefinition& column : statement.definitions) {
    for (const auto& known : fields) {
      if (!EqualsIgnoringCase(known->name(), column.name)) continue;
      return WithSpan(
          Error(ErrorKind::kInvalidArgument, "column \"{}\" is defined twice", column.name),
          column.span);
    }
    fields.push_back(arrow::field(column.name, column.type, !column.not_null));
  }
  return arrow::schema(std::move(fields));
}

Result<std::vector<int>> KeyOf(const Statement& statement, const arrow::Schema& schema) {
  std::vector<int> key;
  for (const std::string& name : statement.primary_key) {
    Result<int> column = ColumnNamed(schema, name, "PRIMARY KEY");
    if (!column.ok()) return WithSpan(column.status(), statement.primary_key_span);
    if (std::find(key.begin(), key.end(), *column) != key.end()) {
      return WithSpan(Error(ErrorKind::kInvalidArgument, "PRIMARY KEY names \"{}\" twice", name),
                      statement.primary_key_span);
    }
    key.push_back(*column);
  }
  return key;
}

Result<StreamDefinition> DefineStream(const Statement& statement, const ConfigFiles& files) {
  StreamDefinition stream;
  stream.name = statement.name;
  ARROW_ASSIGN_OR_RAISE(stream.schema, SchemaOf(statement));
  ARROW_ASSIGN_OR_RAISE(ConnectorOptions options,
                        OptionsFor(statement.name, *statement.with, files));
  stream.connector = std::move(options.connector);
  stream.options = std::move(options.options);
  stream.engine_options = std::move(options.engine_options);
  if (stream.connector.empty()) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument, "WITH needs a connector, such as connector = 'file'"),
        statement.with->span);
  }
  Status read = ReadWatermark(statement.watermark, &stream);
  std::optional<LatePolicy> late;
  std::optional<int64_t> lateness;
  if (read.ok()) read = TakeLatePolicy(&stream.engine_options, &late, &lateness);
  stream.late = late.value_or(stream.late);
  stream.lateness_micros = lateness.value_or(0);
  if (!read.ok()) return WithSpan(read, statement.with->span);
  if (stream.watermark.has_value() && stream.schema != nullptr) {
    const Result<int> column =
        ColumnNamed(*stream.schema, stream.watermark->column, "the watermark");
    if (!column.ok()) {
      return WithSpan(column.status(), statement.watermark.has_value() ? statement.watermark->span
                                                                       : statement.with->span);
    }
  }
  return stream;
}

Result<StreamDefinition> DefineStreamOf(const std::string& name, const StreamOptions& with,
                                        const ConfigFiles& files) {
  Statement statement;
  statement.name = name;
  statement.with.emplace();
  statement.with->span = with.span;
  const std::string prefix = LowerCase(name) + ".";
  for (const auto& [key, value] : with.values) {
    if (!key.starts_with(prefix)) continue;
    statement.with->values[key] = value;
    statement.with->spans[key] = SpanOfOption(with, key);
  }
  return DefineStream(statement, files);
}

Status TakeLatePolicy(OptionMap* options, std::optional<LatePolicy>* late,
                      std::optional<int64_t>* lateness_micros) {
  ARROW_ASSIGN_OR_RAISE(*lateness_micros, TakeLength(options, "allowed.lateness"));
  const std::optional<std::string> strategy = TakeOption(options, "late.data.strategy");
  if (!strategy.has_value()) return Status::OK();
  constexpr std::array<std::pair<std::string_view, LatePolicy>, 6> kStrategies = {
      {{"drop", LatePolicy::kDrop},
       {"dead_letter", LatePolicy::kAside},
       {"dlq", LatePolicy::kAside},
       {"update", LatePolicy::kUpdate},
       {"update_previous", LatePolicy::kUpdate},
       {"update_previous_window", LatePolicy::kUpdate}}};
  for (const auto& [name, policy] : kStrategies) {
    if (EqualsIgnoringCase(*strategy, name)) *late = policy;
  }
  if (late->has_value()) return Status::OK();
  return Error(ErrorKind::kInvalidArgument,
               "option late.data.strategy: expected drop, dead_letter or update, got '{}'",
               *strategy);
}

Result<StreamDef> CatalogEntryOf(const StreamDefinition& definition) {
  ARROW_RETURN_NOT_OK(CheckColumns(definition));
  StreamDef entry;
  entry.source = definition.source;
  entry.late = definition.late;
  entry.lateness_micros = definition.lateness_micros;
  if (!definition.watermark.has_value()) return entry;
  const WatermarkDefinition& watermark = *definition.watermark;
  const arrow::Schema& schema = *definition.source->schema();
  EventTime time;
  ARROW_ASSIGN_OR_RAISE(time.column, ColumnNamed(schema, watermark.column, "the watermark"));
  time.delay_micros = watermark.delay_micros;
  if (!watermark.punctuation.empty()) {
    ARROW_ASSIGN_OR_RAISE(time.punctuation,
                          ColumnNamed(schema, watermark.punctuation, "watermark.punctuation"));
  }
  time.idle_micros = watermark.idle_timeout_micros.value_or(time.idle_micros);
  time.skew_micros = watermark.future_skew_max_micros.value_or(time.skew_micros);
  entry.event_time = time;
  return entry;
}

}  // namespace headrace::sql
