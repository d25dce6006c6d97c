// Settings of a session, with their defaults, limits and environment names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "headrace/base/error.h"
#include "headrace/io/vfs.h"
#include "headrace/table/options.h"

namespace headrace {

/// Zero and "" mean "choose": Resolve fills them in.
struct Settings {
  int64_t memory_limit = 0;             // bytes; 60 % of the machine's or the cgroup's memory
  int threads = 0;                      // lanes; the cores this process may use
  std::string temp_dir;                 // spills; $TMPDIR or /tmp
  int64_t spill_limit = 0;              // bytes on disk; no limit
  std::string spill_compression;        // lz4, zstd or none; lz4
  int64_t sort_memory_budget = 0;       // bytes of one sort; memory_limit
  int64_t groupby_buffer_num_rows = 0;  // groups of an aggregate in memory; what memory_limit lets
  int64_t join_buffer_num_cells = 0;    // cells of a join's built side in memory; the same
  int64_t cache_limit = 0;              // bytes of cached results, on disk too; 4 x memory_limit
  int64_t batch_rows = 0;               // rows a source puts in a batch; kBatchRowsDefault
  bool optimizer = true;                // false: plans run as they are written
  /// Runs all lanes on the caller's thread in an order drawn from `seed`; for tests.
  bool deterministic = false;
  uint64_t seed = 0;
  /// Asked while work before a query waits for another process: an error ends it.
  Vfs::Poll poll;

  /// Reads the names of AllSettings; unknown names are errors.
  static Result<Settings> FromOptions(const OptionMap& options);
  /// Those that SET may change.
  static std::vector<std::string> Names();
  /// The text form of one of them; kUnknownName with the nearest names.
  Result<std::string> Value(const std::string& name) const;
  /// Takes the value of one of them from `other`.
  void Take(const std::string& name, const Settings& other);
  /// Every field set; kInvalidArgument for values out of range. Fields that are zero take
  /// HEADRACE_<NAME> from the environment, then the default.
  Result<Settings> Resolve() const;
};

/// One setting by name.
struct Setting {
  using Field = std::variant<int64_t Settings::*, int Settings::*, uint64_t Settings::*,
                             bool Settings::*, std::string Settings::*>;
  const char* name;
  const char* other_name;  // taken for it; "": there is none
  Field field;
  bool is_size;         // "256MB", "4MiB"
  int64_t most;         // of numbers
  const char* choices;  // of texts: "lz4|zstd|none"; "": any text
  bool may_set;         // by SET
};
/// By name.
std::span<const Setting> AllSettings();

/// "64", "64kb", "1.5 GiB" → bytes. kb, mb, gb are 10^3 steps, kib, mib, gib 2^10 steps.
Result<int64_t> ParseByteSize(std::string_view text);

}  // namespace headrace
