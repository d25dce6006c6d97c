// Defaults come from the machine: cores this process may use, memory of the machine or the cgroup.
#include "headrace/engine/settings.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <type_traits>

#include "headrace/base/ascii_case.h"
#include "headrace/base/limits.h"
#include "headrace/engine/cgroup.h"

namespace headrace {
namespace {

constexpr int kThreadsMax = 256;
// Of the memory, for cached results in memory and on disk.
constexpr int64_t kCacheFactor = 4;
constexpr int64_t kMemoryLimitMin = int64_t{1} << 20;

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

int64_t MachineMemory() {
  const int64_t physical = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGE_SIZE);
  std::stringstream groups;
  groups << std::ifstream("/proc/self/cgroup").rdbuf();
  const int64_t group = CgroupMemoryLimit("/sys/fs/cgroup", groups.str());
  return group > 0 ? std::min(group, physical) : physical;
}

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int64_t UnitBytes(std::string_view unit) {
  if (unit.empty() || unit == "b") return 1;
  static constexpr std::string_view kLetters = "kmgt";
  const size_t power = kLetters.find(unit[0]);
  if (power == std::string_view::npos) return 0;
  const std::string_view rest = unit.substr(1);
  const int64_t step = rest == "ib" ? 1024 : (rest == "b" || rest.empty()) ? 1000 : 0;
  int64_t bytes = 1;
  for (size_t at = 0; at <= power; ++at) bytes *= step;
  return bytes;
}

/// The bytes in `text`; the error names the setting or the variable that it comes from.
Result<int64_t> SizeFrom(std::string_view name, const std::string& text) {
  Result<int64_t> bytes = ParseByteSize(text);
  if (bytes.ok()) return bytes;
  return Error(ErrorKind::kInvalidArgument, "{}: {}", name, bytes.status().message());
}

constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();

constexpr Setting kSettings[] = {
    {"batch_rows", "source_batch_size", &Settings::batch_rows, false, kBatchRowsMax, "", true},
    {"cache_limit", "", &Settings::cache_limit, true, kAnyNumber, "", true},
    {"deterministic", "", &Settings::deterministic, false, 1, "", false},
    {"groupby_buffer_num_rows", "", &Settings::groupby_buffer_num_rows, false, kAnyNumber, "",
     true},
    {"join_buffer_num_cells", "", &Settings::join_buffer_num_cells, false, kAnyNumber, "", true},
    {"memory_limit", "", &Settings::memory_limit, true, kAnyNumber, "", true},
    {"optimizer", "", &Settings::optimizer, false, 1, "", true},
    {"seed", "", &Settings::seed, false, kAnyNumber, "", false},
    {"sort_memory_budget", "", &Settings::sort_memory_budget, true, kAnyNumber, "", true},
    {"spill_compression", "", &Settings::spill_compression, false, 0, "lz4|zstd|none", true},
    {"spill_limit", "", &Settings::spill_limit, true, kAnyNumber, "", true},
    {"temp_dir", "spill_dir", &Settings::temp_dir, false, 0, "", true},
    {"threads", "", &Settings::threads, false, kThreadsMax, "", true},
};

const Setting* FindSetting(std::string_view name) {
  for (const Setting& setting : kSettings) {
    if (name == setting.name || (!name.empty() && name == setting.other_name)) return &setting;
  }
  return nullptr;
}

Status CheckChoice(const Setting& setting, const std::string& text) {
  if (*setting.choices == '\0' || text.empty()) return Status::OK();
  const std::string choices = fmt::format("|{}|", setting.choices);
  if (choices.find(fmt::format("|{}|", text)) != std::string::npos) return Status::OK();
  return Error(ErrorKind::kInvalidArgument, "{}: expected one of {}, got \"{}\"", setting.name,
               setting.choices, text);
}

/// Sets the field of `setting` to the option `name`, if there is one.
Status Take(const Setting& setting, const std::string& name, const OptionMap& options,
            OptionReader* reader, Settings* settings) {
  const auto take = [&](auto field) -> Status {
    auto& value = settings->*field;
    using Value = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, std::string>) {
      ARROW_ASSIGN_OR_RAISE(value, reader->Text(name, value));
      return CheckChoice(setting, value);
    } else if constexpr (std::is_same_v<Value, bool>) {
      return reader->Flag(name, value).Value(&value);
    } else if (setting.is_size) {
      ARROW_ASSIGN_OR_RAISE(const std::string text, reader->Text(name, ""));
      if (!options.contains(name)) return Status::OK();
      ARROW_ASSIGN_OR_RAISE(const int64_t bytes, SizeFrom(name, text));
      value = static_cast<Value>(bytes);
    } else {
      ARROW_ASSIGN_OR_RAISE(const int64_t number,
                            reader->Integer(name, static_cast<int64_t>(value), 0, setting.most));
      value = static_cast<Value>(number);
    }
    return Status::OK();
  };
  return std::visit(take, setting.field);
}

/// A number that is zero, or a text that is empty.
bool IsUnset(const Setting& setting, const Settings& settings) {
  return std::visit(
      [&](auto field) {
        using Value = std::decay_t<decltype(settings.*field)>;
        return !std::is_same_v<Value, bool> && settings.*field == Value();
      },
      setting.field);
}

/// Takes what the environment has for a setting that is not set.
Status TakeFromEnvironment(const Setting& setting, Settings* settings) {
  if (!IsUnset(setting, *settings)) return Status::OK();
  std::string variable = "HEADRACE_";
  for (const char* c = setting.name; *c != '\0'; ++c)
    variable.push_back(static_cast<char>(std::toupper(*c)));
  const std::string text = FromEnvironment(variable.c_str());
  if (text.empty()) return Status::OK();
  const OptionMap options = {{variable, text}};
  OptionReader reader("environment", options);
  return Take(setting, variable, options, &reader, settings);
}

// In a small budget a batch is short: operators hold a row with its key and more beside it.
int64_t BatchRowsFor(int64_t memory_limit) {
  constexpr int64_t kRowBytes = 64;
  constexpr int64_t kRowsMin = 512;
  return std::clamp(memory_limit / kBatchBudgetFraction / kRowBytes, kRowsMin, kBatchRowsDefault);
}

}  // namespace

Result<int64_t> ParseByteSize(std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  const double number = std::strtod(copy.c_str(), &end);
  std::string unit;
  for (const char* at = end; *at != '\0'; ++at) {
    if (*at != ' ') unit.push_back(LowerCase(*at));
  }
  const int64_t step = UnitBytes(unit);
  const double bytes = number * static_cast<double>(step);
  if (end == copy.c_str() || step == 0 || !(bytes >= 0) || bytes > 9e18) {
    return Error(ErrorKind::kInvalidArgument, "expected a size such as 256MB or 4GiB, got \"{}\"",
                 text);
  }
  return static_cast<int64_t>(bytes);
}

std::span<const Setting> AllSettings() { return kSettings; }

Result<Settings> Settings::FromOptions(const OptionMap& options) {
  Settings settings;
  OptionReader reader("session", options);
  for (const Setting& setting : kSettings) {
    for (const std::string name : {setting.name, setting.other_name}) {
      if (name.empty()) continue;
      ARROW_RETURN_NOT_OK(headrace::Take(setting, name, options, &reader, &settings));
    }
  }
  ARROW_RETURN_NOT_OK(reader.Finish());
  return settings;
}

std::vector<std::string> Settings::Names() {
  std::vector<std::string> names;
  for (const Setting& setting : kSettings) {
    if (setting.may_set) names.emplace_back(setting.name);
  }
  return names;
}

Result<std::string> Settings::Value(const std::string& name) const {
  const Setting* setting = FindSetting(name);
  if (setting == nullptr || !setting->may_set) {
    const std::string nearest = NearestName(name, Names());
    return Error(
        ErrorKind::kUnknownName, "there is no setting \"{}\"{}", name,
        nearest.empty() ? "; SHOW ALL lists them" : fmt::format("; did you mean {}?", nearest));
  }
  return std::visit([&](auto field) { return fmt::format("{}", this->*field); }, setting->field);
}

void Settings::Take(const std::string& name, const Settings& other) {
  std::visit([&](auto field) { this->*field = other.*field; }, FindSetting(name)->field);
}

Result<Settings> Settings::Resolve() const {
  Settings out = *this;
  const bool is_seeded = !out.deterministic && !FromEnvironment("HEADRACE_SEED").empty();
  for (const Setting& setting : kSettings) {
    if (std::string_view(setting.name) == "seed" && !is_seeded) continue;
    ARROW_RETURN_NOT_OK(TakeFromEnvironment(setting, &out));
  }
  out.deterministic |= is_seeded;
  if (out.memory_limit == 0) out.memory_limit = MachineMemory() / 10 * 6;
  if (out.memory_limit < kMemoryLimitMin) {
    return Error(ErrorKind::kInvalidArgument, "memory_limit: expected at least {} bytes, got {}",
                 kMemoryLimitMin, out.memory_limit);
  }
  if (out.threads == 0) out.threads = UsableCores();
  if (out.threads < 1 || out.threads > kThreadsMax) {
    return Error(ErrorKind::kInvalidArgument, "threads: expected 1 to {}, got {}", kThreadsMax,
                 out.threads);
  }
  if (out.spill_limit == 0) out.spill_limit = std::numeric_limits<int64_t>::max();
  if (out.spill_compression.empty()) out.spill_compression = "lz4";
  // Zero stays: whatever memory_limit is when a query starts.
  if (out.sort_memory_budget != 0 && out.sort_memory_budget < kMemoryLimitMin) {
    return Error(ErrorKind::kInvalidArgument,
                 "sort_memory_budget: expected at least {} bytes, got {}", kMemoryLimitMin,
                 out.sort_memory_budget);
  }
  if (out.cache_limit == 0) {
    out.cache_limit = std::min(out.memory_limit, kAnyNumber / kCacheFactor) * kCacheFactor;
  }
  if (out.batch_rows == 0) out.batch_rows = BatchRowsFor(out.memory_limit);
  if (out.batch_rows < 1 || out.batch_rows > kBatchRowsMax) {
    return Error(ErrorKind::kInvalidArgument, "batch_rows: expected 1 to {}, got {}", kBatchRowsMax,
                 out.batch_rows);
  }
  return out;
}

}  // namespace headrace
