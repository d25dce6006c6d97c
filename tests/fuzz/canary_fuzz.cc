// A target with planted bugs, which proves that the driver finds what it is there to find: a read
// past the end behind a length that lies, a broken promise, an endless loop, endless memory, a
// leak.
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "fuzz.h"

namespace headrace::fuzz {
namespace {

constexpr std::string_view kMagic = "CANARY";

/// A record is the magic, a kind, the length of the text behind, and the text.
struct Record {
  uint8_t kind;
  uint32_t length;
};
constexpr size_t kHeaderBytes = kMagic.size() + 5;

int* volatile lost = nullptr;
char* volatile hoard = nullptr;
volatile int sum = 0;

int SumOf(const uint8_t* text, uint32_t length) { return std::accumulate(text, text + length, 0); }

}  // namespace

std::vector<std::string> Seeds() {
  return {std::string(kMagic) + std::string("\x00\x03\x00\x00\x00", 5) + "abc", "a plain text", ""};
}

std::vector<std::string> Tokens() { return {std::string(kMagic), "hang", "abort"}; }

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::fuzz;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // A test of the driver looks for one bug at a time.
  const char* wanted = std::getenv("CANARY_BUG");
  const std::string_view bug = wanted == nullptr ? "overflow" : wanted;
  if (bug == "hang" && input.find("hang") == 2) {
    while (true) asm volatile("");
  }
  if (bug == "hoard" && input.find("abc", 1) != std::string_view::npos) {
    while (true) {
      hoard = new char[1 << 20];
      std::memset(hoard, 1, 1 << 20);
    }
  }
  if (bug == "abort") Expect(input.find("abort", 1) == std::string_view::npos, "no abort inside");
  if (bug == "leak" && size == 100) lost = new int(1);
  if (bug != "overflow" || size < kHeaderBytes || !input.starts_with(kMagic)) return 0;
  Record record;
  std::memcpy(&record.kind, data + kMagic.size(), sizeof record.kind);
  std::memcpy(&record.length, data + kMagic.size() + 1, sizeof record.length);
  // The bug: nobody compares the length with the size.
  sum = SumOf(data + kHeaderBytes, record.length);
  return 0;
}
