// Lengths of time as streams write them: 5s, 100ms, 2 hours.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace headrace::sql {

/// In microseconds.
inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kDay = 86'400 * kSecond;

/// Microseconds of "1h 30m", "5 seconds", "30" (a bare number is seconds), "INTERVAL '5' MINUTE";
/// null: it is no length of time that is whole in microseconds, not negative and fits.
std::optional<int64_t> ReadDuration(std::string_view text);

}  // namespace headrace::sql
