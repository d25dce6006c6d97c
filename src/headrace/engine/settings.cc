// Defaults come from the machine: cores this process may use, memory of the machine or the cgroup.
#include "headrace/engine/settings.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

#include "headrace/base/ascii_case.h"
#include "headrace/base/limits.h"
#include "headrace/engine/cgroup.h"

namespace headrace {
namespace {

constexpr int kThreadsMax = 256;
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

Result<int64_t> SizeFrom(std::string_view name, const OptionMap& options) {
  const auto found = options.find(name);
  return found == options.end() ? 0 : SizeFrom(name, found->second);
}

/// The number of threads that the environment asks for, else that of the cores.
Result<int> DefaultThreads() {
  constexpr const char* kVariable = "HEADRACE_THREADS";
  const std::string text = FromEnvironment(kVariable);
  if (text.empty()) return UsableCores();
  const OptionMap options = {{kVariable, text}};
  ARROW_ASSIGN_OR_RAISE(const int64_t threads,
                        OptionReader("environment", options).Integer(kVariable, 0, 1, kThreadsMax));
  return static_cast<int>(threads);
}

/// The seed of a deterministic run that the environment asks for; none: -1.
Result<int64_t> SeedFromEnvironment() {
  constexpr const char* kVariable = "HEADRACE_SEED";
  const std::string text = FromEnvironment(kVariable);
  if (text.empty()) return -1;
  const OptionMap options = {{kVariable, text}};
  return OptionReader("environment", options)
      .Integer(kVariable, 0, 0, std::numeric_limits<int64_t>::max());
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

Result<Settings> Settings::FromOptions(const OptionMap& options) {
  Settings settings;
  OptionReader reader("session", options);
  ARROW_ASSIGN_OR_RAISE(std::string memory, reader.Text("memory_limit", ""));
  ARROW_ASSIGN_OR_RAISE(std::string spill, reader.Text("spill_limit", ""));
  ARROW_ASSIGN_OR_RAISE(settings.memory_limit, SizeFrom("memory_limit", options));
  ARROW_ASSIGN_OR_RAISE(settings.spill_limit, SizeFrom("spill_limit", options));
  ARROW_ASSIGN_OR_RAISE(int64_t threads, reader.Integer("threads", 0, 0, kThreadsMax));
  settings.threads = static_cast<int>(threads);
  ARROW_ASSIGN_OR_RAISE(settings.temp_dir, reader.Text("temp_dir", ""));
  ARROW_ASSIGN_OR_RAISE(settings.batch_rows, reader.Integer("batch_rows", 0, 0, kBatchRowsMax));
  ARROW_ASSIGN_OR_RAISE(settings.optimizer, reader.Flag("optimizer", true));
  ARROW_ASSIGN_OR_RAISE(settings.deterministic, reader.Flag("deterministic", false));
  ARROW_ASSIGN_OR_RAISE(int64_t seed,
                        reader.Integer("seed", 0, 0, std::numeric_limits<int64_t>::max()));
  settings.seed = static_cast<uint64_t>(seed);
  ARROW_RETURN_NOT_OK(reader.Finish());
  return settings;
}

std::vector<std::string> Settings::Names() {
  return {"batch_rows", "memory_limit", "optimizer", "spill_limit", "temp_dir", "threads"};
}

Result<std::string> Settings::Value(const std::string& name) const {
  if (name == "batch_rows") return std::to_string(batch_rows);
  if (name == "memory_limit") return std::to_string(memory_limit);
  if (name == "optimizer") return std::string(optimizer ? "true" : "false");
  if (name == "spill_limit") return std::to_string(spill_limit);
  if (name == "temp_dir") return temp_dir;
  if (name == "threads") return std::to_string(threads);
  const std::string nearest = NearestName(name, Names());
  return Error(
      ErrorKind::kUnknownName, "there is no setting \"{}\"{}", name,
      nearest.empty() ? "; SHOW ALL lists them" : fmt::format("; did you mean {}?", nearest));
}

void Settings::Take(const std::string& name, const Settings& other) {
  if (name == "batch_rows") batch_rows = other.batch_rows;
  if (name == "memory_limit") memory_limit = other.memory_limit;
  if (name == "optimizer") optimizer = other.optimizer;
  if (name == "spill_limit") spill_limit = other.spill_limit;
  if (name == "temp_dir") temp_dir = other.temp_dir;
  if (name == "threads") threads = other.threads;
}

Result<Settings> Settings::Resolve() const {
  Settings out = *this;
  const std::string memory = FromEnvironment("HEADRACE_MEMORY_LIMIT");
  if (out.memory_limit == 0 && !memory.empty()) {
    ARROW_ASSIGN_OR_RAISE(out.memory_limit, SizeFrom("HEADRACE_MEMORY_LIMIT", memory));
  }
  if (out.memory_limit == 0) out.memory_limit = MachineMemory() / 10 * 6;
  if (out.memory_limit < kMemoryLimitMin) {
    return Error(ErrorKind::kInvalidArgument, "memory_limit: expected at least {} bytes, got {}",
                 kMemoryLimitMin, out.memory_limit);
  }
  if (out.threads == 0) {
    ARROW_ASSIGN_OR_RAISE(out.threads, DefaultThreads());
  }
  if (out.threads < 1 || out.threads > kThreadsMax) {
    return Error(ErrorKind::kInvalidArgument, "threads: expected 1 to {}, got {}", kThreadsMax,
                 out.threads);
  }
  if (!out.deterministic) {
    ARROW_ASSIGN_OR_RAISE(const int64_t seed, SeedFromEnvironment());
    out.deterministic = seed >= 0;
    if (out.deterministic) out.seed = static_cast<uint64_t>(seed);
  }
  if (out.temp_dir.empty()) out.temp_dir = FromEnvironment("HEADRACE_TEMP_DIR");
  if (out.spill_limit == 0) out.spill_limit = std::numeric_limits<int64_t>::max();
  if (out.batch_rows == 0) out.batch_rows = BatchRowsFor(out.memory_limit);
  if (out.batch_rows < 1 || out.batch_rows > kBatchRowsMax) {
    return Error(ErrorKind::kInvalidArgument, "batch_rows: expected 1 to {}, got {}", kBatchRowsMax,
                 out.batch_rows);
  }
  return out;
}

}  // namespace headrace
