// With clang, libFuzzer drives the targets in place of driver.cc. Before it starts this puts a
// target's seeds and tokens where libFuzzer looks for them: `./dev fuzz NAME --libfuzzer` names
// the folder.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fuzz.h"

namespace headrace::fuzz {
namespace {

void WriteSeeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : Seeds()) {
    std::ofstream(folder / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
  }
}

/// A token a line, in quotes, every byte in hex.
void WriteTokens(const std::filesystem::path& path) {
  std::ofstream file(path);
  for (const std::string& token : Tokens()) {
    file << '"';
    for (const unsigned char byte : token) {
      constexpr const char* kDigits = "0123456789abcdef";
      file << "\\x" << kDigits[byte / 16] << kDigits[byte % 16];
    }
    file << "\"\n";
  }
}

}  // namespace
}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("HEADRACE_FUZZ_FOLDER");
  if (folder == nullptr) return 0;
  headrace::fuzz::WriteSeeds(std::filesystem::path(folder) / "corpus");
  headrace::fuzz::WriteTokens(std::filesystem::path(folder) / "tokens.dict");
  return 0;
}
