// What a fuzz target gives to the driver, and how it takes inputs apart and says that one broke a
// promise. A target also defines LLVMFuzzerTestOneInput, as libFuzzer wants it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <set>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace headrace::fuzz {

/// Valid inputs that mutations start from, each at most kInputBytesMax; the same at every call.
std::vector<std::string> Seeds();
/// Byte strings that mutations put in: words of the format.
std::vector<std::string> Tokens();

/// Longer inputs are not made.
inline constexpr size_t kInputBytesMax = size_t{1} << 16;

/// Ends the process when a promise is broken.
inline void Expect(bool holds, std::string_view promise,
                   const std::source_location& where = std::source_location::current()) {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "%s:%u: broken promise: %.*s\n", where.file_name(),
               static_cast<unsigned>(where.line()), static_cast<int>(promise.size()),
               promise.data());
  std::abort();
}

/// Whether `input` is as Seeds gave it, which is what a target can expect more of.
inline bool IsSeed(std::string_view input) {
  static const auto seeds = [] {
    const std::vector<std::string> made = Seeds();
    return std::set<std::string, std::less<>>(made.begin(), made.end());
  }();
  return seeds.contains(input);
}

/// An input as choices of the target, a byte each, before the bytes for the code under test. An
/// input that is too short chooses 0.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  /// A number below `count`.
  int Choose(int count) {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return byte % count;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace headrace::fuzz
