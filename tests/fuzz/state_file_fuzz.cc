// State files, damaged and then given checksums that fit, so that what is behind them is reached.
#include <cstring>

#include "arrow/array.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "file_case.h"
#include "fuzz.h"
#include "headrace/base/hash.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/exec/spill/state_format.h"
#include "headrace/io/memory_vfs.h"
#include "headrace/memory/pool.h"
#include "headrace/types/encoding.h"

namespace headrace::fuzz {
namespace {

constexpr const char* kPath = "/input.state";

std::string WriteState(const std::vector<std::vector<RecordBatchPtr>>& tables) {
  const auto vfs = MakeMemoryVfs();
  const auto write = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(auto writer,
                          StateWriter::Make(*vfs, kPath, arrow::default_memory_pool()));
    int key_group = 0;
    for (const auto& table : tables) {
      for (const RecordBatchPtr& batch : table) {
        ARROW_RETURN_NOT_OK(writer->Write(key_group++ % kKeyGroups, *batch));
      }
    }
    return writer->Close(false);
  };
  const Status written = write();
  Expect(written.ok(), written.message());
  auto file = vfs->OpenForRead(kPath).ValueOrDie();
  return file->ReadAt(0, file->GetSize().ValueOrDie()).ValueOrDie()->ToString();
}

template <typename T>
T ReadAt(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Writes the checksum of whatever stands where a section may begin.
void SealSection(size_t at, std::string* bytes) {
  const auto header = ReadAt<StateSectionHeader>(*bytes, at);
  const size_t most = bytes->size() - at - sizeof header;
  const size_t body = std::min<size_t>(most, static_cast<uint64_t>(header.body_bytes));
  const std::string_view covered = std::string_view(*bytes).substr(
      at + sizeof header.checksum, sizeof header - sizeof header.checksum + body);
  const uint64_t checksum = HashBytes(covered);
  std::memcpy(bytes->data() + at, &checksum, sizeof checksum);
}

void SealFooter(std::string* bytes) {
  if (bytes->size() < sizeof(StateTail)) return;
  const size_t end = bytes->size() - sizeof(StateTail);
  auto tail = ReadAt<StateTail>(*bytes, end);
  const size_t length = std::min<size_t>(end, static_cast<uint64_t>(tail.footer_bytes));
  tail.footer_checksum = HashBytes(std::string_view(*bytes).substr(end - length, length));
  std::memcpy(bytes->data() + end, &tail, sizeof tail);
}

std::string Sealed(std::string_view input) {
  std::string bytes(input);
  for (size_t at = 0; at + sizeof(StateSectionHeader) <= bytes.size(); ++at) {
    const auto magic = ReadAt<uint32_t>(bytes, at + sizeof(uint64_t));
    if (magic == kStateSectionMagic) SealSection(at, &bytes);
  }
  SealFooter(&bytes);
  return bytes;
}

void PutFile(Vfs& vfs, std::string_view bytes) {
  auto file = vfs.OpenForWrite(kPath).ValueOrDie();
  Expect(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())).ok(), "memory takes bytes");
  Expect(file->Close().ok(), "a file in memory can be closed");
}

void CheckError(const Status& status) {
  if (status.ok()) return;
  ExpectPresentable(status);
  if (KindOf(status) == ErrorKind::kMemoryLimit) return;
  Expect(KindOf(status) == ErrorKind::kBadData, "damage is bad data: " + status.message());
  Expect(status.message().find(kPath) != std::string::npos, "bad data names the file");
}

void ReadState(std::string_view bytes) {
  const auto vfs = MakeMemoryVfs();
  PutFile(*vfs, bytes);
  const auto pool = BudgetPool::Make(int64_t{32} << 20);
  const auto reader = StateReader::Make(*vfs, kPath, pool.get());
  CheckError(reader.status());
  Expect(reader.ok() || !IsSeed(bytes), "seeds are valid: " + reader.status().message());
  if (!reader.ok()) return;
  for (const StateSection& section : (*reader)->sections()) {
    const auto batch = (*reader)->Read(section);
    CheckError(batch.status());
    Expect(batch.ok() || !IsSeed(bytes), "seeds are valid: " + batch.status().message());
    if (!batch.ok()) continue;
    Expect((*batch)->num_rows() == section.num_rows, "as many rows as the index says");
    const Status valid = (*batch)->ValidateFull();
    Expect(valid.ok(), valid.message());
  }
  CheckError((*reader)->ReadGroups(0, kKeyGroups / 2).status());
}

/// Tables in plain encodings.
std::vector<std::vector<RecordBatchPtr>> PlainTables() {
  std::vector<std::vector<RecordBatchPtr>> tables;
  for (const auto& rich : {FlatTables(), RichTables()}) {
    for (const auto& table : rich) {
      const auto& schema = table.front()->schema();
      arrow::FieldVector fields;
      for (const auto& field : schema->fields()) {
        fields.push_back(field->WithType(PlainType(field->type())));
      }
      std::vector<RecordBatchPtr> plain;
      for (const RecordBatchPtr& batch : table) {
        auto decoded = DecodeBatch(Batch::FromRecordBatch(*batch), arrow::default_memory_pool());
        plain.push_back(decoded.ValueOrDie().ToRecordBatch(arrow::schema(fields)));
      }
      tables.push_back(std::move(plain));
    }
  }
  return tables;
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {WriteState({}), WriteState(PlainTables())};
  for (const auto& table : PlainTables()) seeds.push_back(WriteState({table}));
  return seeds;
}

std::vector<std::string> Tokens() {
  return {"HRSTATE1",
          "HRSC",
          std::string(8, '\0'),
          std::string("\x01\0\0\0\0\0\0\0", 8),
          std::string("\xff\xff\xff\xff\0\0\0\0", 8),
          std::string(8, '\xff')};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::fuzz;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ReadState(bytes);
  ReadState(Sealed(bytes));
  return 0;
}
