// Manifests of checkpoints: lines of text behind a checksum that is made to fit.
#include "file_case.h"
#include "fuzz.h"
#include "headrace/base/hash.h"
#include "headrace/exec/checkpoint/checkpoint.h"
#include "headrace/io/memory_vfs.h"

namespace headrace::fuzz {
namespace {

constexpr const char* kFolder = "/job";
constexpr const char* kManifest = "/job/MANIFEST";

std::string Sealed(std::string_view lines) {
  return fmt::format("{}end {:016x}\n", lines, HashBytes(lines));
}

void OpenManifest(std::string_view bytes) {
  const auto vfs = MakeMemoryVfs();
  Expect(vfs->MakeDirectories(kFolder).ok(), "memory takes folders");
  auto file = vfs->OpenForWrite(kManifest).ValueOrDie();
  Expect(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())).ok(), "memory takes bytes");
  Expect(file->Close().ok(), "a file in memory can be closed");
  const auto reader = CheckpointReader::OpenLatest(*vfs, kFolder);
  if (!reader.ok()) {
    ExpectPresentable(reader.status());
    const ErrorKind kind = KindOf(reader.status());
    Expect(kind == ErrorKind::kBadData, "damage is bad data");
    return;
  }
  Expect(*reader != nullptr, "there is a manifest");
  Expect((*reader)->epoch() >= 0, "epochs are not negative");
  for (const std::string& name : (*reader)->QueryNames()) {
    for (const auto& [split, position] : (*reader)->Find(name)->Positions(0)) {
      Expect(split >= 0, "splits are not negative");
    }
  }
}

}  // namespace

std::vector<std::string> Seeds() {
  return {
      "headrace checkpoint 4\nepoch 3\nquery 61 0000000000001234 running\n"
      "part operator-0 epoch-3/query-0-operator-0.state\npart operator-1 -\npart table "
      "epoch-2/query-0-table.state epoch-3/query-0-table.state\nposition 0 0 00ff\nposition "
      "0 1 \nposition 2 5 616263\nquery 6263 12 ended\n",
      "headrace checkpoint 4\nepoch 0\n"};
}

std::vector<std::string> Tokens() {
  return {"headrace checkpoint 4\n",
          "epoch ",
          "query ",
          "0000000000001234",
          " running\n",
          " ended\n",
          "part ",
          "epoch-3/query-0-table.state\n",
          " epoch-2/query-0-table.state",
          "-\n",
          "position ",
          "end ",
          "\n",
          " ",
          "-1",
          "99999999999999999999",
          "0g",
          std::string(1, '\0')};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::fuzz;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  OpenManifest(bytes);
  OpenManifest(Sealed(bytes));
  return 0;
}
