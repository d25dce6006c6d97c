// Texts of options to terms; errors name the option, what was expected and the value.
#include "headrace/sql/run_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/expression/bind.h"
#include "headrace/expression/coerce.h"
#include "headrace/sql/duration.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

enum class Strategy { kFail, kDefaults, kSkip, kNulls, kRetry };

constexpr std::array<std::pair<std::string_view, Strategy>, 10> kStrategies = {
    {{"fail_fast", Strategy::kFail},
     {"fail", Strategy::kFail},
     {"use_defaults", Strategy::kDefaults},
     {"defaults", Strategy::kDefaults},
     {"skip", Strategy::kSkip},
     {"skip_record", Strategy::kSkip},
     {"emit_nulls", Strategy::kNulls},
     {"emit_with_nulls", Strategy::kNulls},
     {"wait_and_retry", Strategy::kRetry},
     {"retry", Strategy::kRetry}}};

const std::string* Find(const OptionMap& options, std::string_view name) {
  const auto found = options.find(name);
  return found == options.end() ? nullptr : &found->second;
}

Result<Strategy> StrategyOf(const TableDefinition& table) {
  const std::string* text = Find(table.engine_options, "on_not_ready");
  if (text == nullptr) return Strategy::kFail;
  for (const auto& [name, strategy] : kStrategies) {
    if (EqualsIgnoringCase(*text, name)) return strategy;
  }
  return Error(ErrorKind::kInvalidArgument,
               "table {}: option on_not_ready: expected fail_fast, use_defaults, skip, emit_nulls "
               "or wait_and_retry, got '{}'",
               table.name, *text);
}

Result<std::optional<int64_t>> LengthOf(const OptionMap& options, std::string_view name) {
  const std::string* text = Find(options, name);
  if (text == nullptr) return std::nullopt;
  const std::optional<int64_t> micros = ReadDuration(*text);
  if (micros.has_value()) return micros;
  return Error(ErrorKind::kInvalidArgument,
               "option {}: expected a length of time such as 30s or 5 minutes, got '{}'", name,
               *text);
}

Result<std::optional<double>> NumberOf(const OptionMap& options, std::string_view name) {
  const std::string* text = Find(options, name);
  if (text == nullptr) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const bool is_good = error == std::errc() && end == text->data() + text->size() && number >= 0;
  if (is_good) return number;
  return Error(ErrorKind::kInvalidArgument,
               "option {}: expected a number that is not negative, got '{}'", name, *text);
}

Result<std::optional<int64_t>> CountOf(const OptionMap& options, std::string_view name) {
  ARROW_ASSIGN_OR_RAISE(const auto number, NumberOf(options, name));
  if (!number.has_value()) return std::nullopt;
  return static_cast<int64_t>(*number);
}

std::string_view WithoutBlanks(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

/// The text as a value of `type`.
Result<ScalarPtr> ValueOf(std::string_view text, const TypePtr& type) {
  const auto literal = Unbound::Literal(std::make_shared<arrow::StringScalar>(std::string(text)));
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr cast,
                        headrace::Bind(*Unbound::Cast(literal, type), Scope(), Dialect::kSql));
  const ExpressionPtr folded = FoldConstants(cast);
  if (folded->kind == Expression::Kind::kLiteral) return folded->literal;
  return Error(ErrorKind::kTypeMismatch, "'{}' is no {}", text, SqlNameOf(*type));
}

/// Puts the value of "name = value" in the place of its column.
Status ReadDefault(const TableDefinition& table, std::string_view item,
                   std::vector<ScalarPtr>* defaults) {
  const size_t equals = item.find('=');
  const std::string name(WithoutBlanks(item.substr(0, equals)));
  std::vector<std::string> names;
  for (int i = 0; equals != std::string_view::npos && i < table.schema->num_fields(); ++i) {
    const arrow::Field& field = *table.schema->field(i);
    names.push_back(field.name());
    if (!EqualsIgnoringCase(field.name(), name)) continue;
    const Result<ScalarPtr> value = ValueOf(WithoutBlanks(item.substr(equals + 1)), field.type());
    ARROW_RETURN_NOT_OK(
        WithContext(value.status(),
                    fmt::format("table {}: option on_not_ready.defaults: {}: ", table.name, name)));
    (*defaults)[static_cast<size_t>(i)] = *value;
    return Status::OK();
  }
  const std::string nearest = NearestName(name, names);
  return Error(ErrorKind::kInvalidArgument,
               "table {}: option on_not_ready.defaults: expected column = value, …, got '{}'{}",
               table.name, item, nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
}

}  // namespace

Result<ReadinessTerms> ReadReadiness(const TableDefinition& table,
                                     std::optional<int64_t> wait_micros) {
  ReadinessTerms terms;
  const OptionMap& options = table.engine_options;
  ARROW_ASSIGN_OR_RAISE(terms.wait_micros, LengthOf(options, "table.wait.timeout"));
  if (!terms.wait_micros.has_value()) {
    ARROW_ASSIGN_OR_RAISE(terms.wait_micros, LengthOf(options, "ready.timeout"));
  }
  if (!terms.wait_micros.has_value()) terms.wait_micros = wait_micros;
  ARROW_ASSIGN_OR_RAISE(const Strategy strategy, StrategyOf(table));
  terms.then = strategy == Strategy::kFail    ? NotReady::kFail
               : strategy == Strategy::kRetry ? NotReady::kRetry
                                              : NotReady::kGoOn;
  ARROW_ASSIGN_OR_RAISE(const auto delay, LengthOf(options, "on_not_ready.delay"));
  terms.delay_micros = delay.value_or(terms.delay_micros);
  ARROW_ASSIGN_OR_RAISE(const auto retries, CountOf(options, "on_not_ready.retries"));
  terms.retries = static_cast<int>(retries.value_or(terms.retries));
  if (terms.then != NotReady::kFail && !terms.wait_micros.has_value()) {
    return Error(ErrorKind::kInvalidArgument,
                 "table {}: option on_not_ready needs table.wait.timeout, which says when",
                 table.name);
  }
  return terms;
}

Result<std::shared_ptr<StandInTable>> MakeStandIn(const TableDefinition& definition,
                                                  std::shared_ptr<KeyedTable> table) {
  ARROW_ASSIGN_OR_RAISE(const Strategy strategy, StrategyOf(definition));
  const std::string* text = Find(definition.engine_options, "on_not_ready.defaults");
  if (text != nullptr && strategy != Strategy::kDefaults) {
    return Error(ErrorKind::kInvalidArgument,
                 "table {}: option on_not_ready.defaults goes with on_not_ready = 'use_defaults'",
                 definition.name);
  }
  if (strategy == Strategy::kFail || strategy == Strategy::kRetry) return nullptr;
  std::vector<ScalarPtr> defaults(static_cast<size_t>(definition.schema->num_fields()));
  std::string_view rest = text == nullptr ? "" : std::string_view(*text);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    ARROW_RETURN_NOT_OK(ReadDefault(definition, rest.substr(0, end), &defaults));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const StandIn kind = strategy == Strategy::kSkip    ? StandIn::kSkip
                       : strategy == Strategy::kNulls ? StandIn::kNulls
                                                      : StandIn::kDefaults;
  return std::make_shared<StandInTable>(std::move(table), kind, std::move(defaults));
}

Result<TableAlertTerms> ReadTableAlerts(const TableDefinition& table) {
  TableAlertTerms terms;
  ARROW_ASSIGN_OR_RAISE(terms.rate_min, NumberOf(table.engine_options, "alert.rate_min"));
  ARROW_ASSIGN_OR_RAISE(terms.memory_bytes, CountOf(table.engine_options, "alert.memory_max"));
  return terms;
}

Status CheckTableOptions(const TableDefinition& table) {
  ARROW_RETURN_NOT_OK(ReadReadiness(table, 0).status());
  ARROW_RETURN_NOT_OK(MakeStandIn(table, nullptr).status());
  return ReadTableAlerts(table).status();
}

Result<AlertTerms> ReadAlerts(const OptionMap& options) {
  AlertTerms terms;
  constexpr std::array<std::string_view, 5> kNames = {"load_time", "late_ratio", "late_rows",
                                                      "dead_letters", "commit_age"};
  for (const auto& [name, value] : options) {
    if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) continue;
    return Error(ErrorKind::kInvalidArgument,
                 "there is no alert \"{}\"; there are load_time, late_ratio, late_rows, "
                 "dead_letters and commit_age",
                 name);
  }
  ARROW_ASSIGN_OR_RAISE(terms.load_micros, LengthOf(options, "load_time"));
  ARROW_ASSIGN_OR_RAISE(terms.late_ratio, NumberOf(options, "late_ratio"));
  ARROW_ASSIGN_OR_RAISE(terms.late_rows, CountOf(options, "late_rows"));
  ARROW_ASSIGN_OR_RAISE(terms.dead_letters, CountOf(options, "dead_letters"));
  ARROW_ASSIGN_OR_RAISE(terms.commit_age_micros, LengthOf(options, "commit_age"));
  return terms;
}

}  // namespace headrace::sql
