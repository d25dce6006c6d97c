// The manifest is lines of text; its last line is the XXH3 of those before:
//   headrace checkpoint 1 / epoch N / plan HASH / operator ID / position SCAN SPLIT HEX / end HASH
#include "headrace/exec/checkpoint/checkpoint.h"

#include <algorithm>
#include <sstream>

#include "arrow/buffer.h"
#include "arrow/util/string.h"
#include "headrace/base/check.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/io/atomic_file.h"

namespace headrace {
namespace {

constexpr const char* kManifestName = "MANIFEST";
constexpr const char* kFirstLine = "headrace checkpoint 1";

std::string EpochPath(const std::string& directory, int64_t epoch) {
  return JoinPath(directory, fmt::format("epoch-{}", epoch));
}

std::string OperatorPath(const std::string& directory, int64_t epoch, int operator_id) {
  return JoinPath(EpochPath(directory, epoch), fmt::format("operator-{}.state", operator_id));
}

Result<std::string> FromHex(const std::string& hex) {
  std::string bytes;
  if (hex.size() % 2 != 0) return Error(ErrorKind::kBadData, "odd hex text");
  for (size_t at = 0; at < hex.size(); at += 2) {
    uint8_t byte = 0;
    ARROW_RETURN_NOT_OK(arrow::ParseHexValue(hex.data() + at, &byte));
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

Status DamagedLine() {
  return Error(ErrorKind::kBadData, "a line of the checkpoint manifest is damaged");
}

Result<std::string> ReadWhole(Vfs& vfs, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForRead(path));
  ARROW_ASSIGN_OR_RAISE(int64_t size, file->GetSize());
  ARROW_ASSIGN_OR_RAISE(auto buffer, file->ReadAt(0, size));
  return buffer->ToString();
}

}  // namespace

CheckpointWriter::CheckpointWriter(Vfs& vfs, std::string directory, int64_t epoch,
                                   uint64_t plan_hash, arrow::MemoryPool* pool)
    : vfs_(vfs),
      directory_(std::move(directory)),
      epoch_(epoch),
      plan_hash_(plan_hash),
      pool_(pool) {}

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Make(Vfs& vfs, std::string directory,
                                                                 int64_t epoch, uint64_t plan_hash,
                                                                 arrow::MemoryPool* pool) {
  ARROW_RETURN_NOT_OK(vfs.RemoveTree(EpochPath(directory, epoch)));
  ARROW_RETURN_NOT_OK(vfs.MakeDirectories(EpochPath(directory, epoch)));
  return std::unique_ptr<CheckpointWriter>(
      new CheckpointWriter(vfs, std::move(directory), epoch, plan_hash, pool));
}

Result<StateWriter*> CheckpointWriter::BeginOperator(int operator_id) {
  HEADRACE_CHECK(open_ == nullptr, "an operator's state is still open");
  ARROW_ASSIGN_OR_RAISE(
      open_, StateWriter::Make(vfs_, OperatorPath(directory_, epoch_, operator_id), pool_));
  operators_.push_back(operator_id);
  return open_.get();
}

Status CheckpointWriter::EndOperator() {
  std::unique_ptr<StateWriter> writer = std::move(open_);
  return writer->Close(/*sync=*/true);
}

void CheckpointWriter::AddPositions(int scan_id, const SplitPositions& positions) {
  SplitPositions& of_scan = positions_[scan_id];
  of_scan.insert(of_scan.end(), positions.begin(), positions.end());
}

Status CheckpointWriter::Commit() {
  HEADRACE_FAULT_POINT("checkpoint.commit");
  std::string text = fmt::format("{}\nepoch {}\nplan {:016x}\n", kFirstLine, epoch_, plan_hash_);
  for (int id : operators_) text += fmt::format("operator {}\n", id);
  for (const auto& [scan, positions] : positions_) {
    for (const auto& [split, position] : positions) {
      text += fmt::format("position {} {} {}\n", scan, split, arrow::HexEncode(position));
    }
  }
  text += fmt::format("end {:016x}\n", HashBytes(text));
  ARROW_RETURN_NOT_OK(vfs_.SyncDirectory(EpochPath(directory_, epoch_)));
  ARROW_ASSIGN_OR_RAISE(auto file, AtomicFile::Make(vfs_, JoinPath(directory_, kManifestName)));
  ARROW_RETURN_NOT_OK(file->stream()->Write(text.data(), static_cast<int64_t>(text.size())));
  ARROW_RETURN_NOT_OK(file->Commit());
  HEADRACE_FAULT_POINT("checkpoint.committed");
  return vfs_.RemoveTree(EpochPath(directory_, epoch_ - 1));
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::OpenLatest(Vfs& vfs,
                                                                       std::string directory,
                                                                       uint64_t plan_hash) {
  const std::string path = JoinPath(directory, kManifestName);
  std::unique_ptr<CheckpointReader> reader(new CheckpointReader(vfs, std::move(directory)));
  Result<std::string> manifest = ReadWhole(vfs, path);
  if (!manifest.ok()) {
    if (KindOf(manifest.status()) == ErrorKind::kNotFound) return nullptr;
    return manifest.status();
  }
  ARROW_RETURN_NOT_OK(WithContext(reader->Parse(*manifest, plan_hash), path + ": "));
  ARROW_RETURN_NOT_OK(reader->RemoveOtherEpochs());
  return reader;
}

Status CheckpointReader::Parse(const std::string& manifest, uint64_t plan_hash) {
  const size_t end = manifest.rfind("end ");
  if (end == std::string::npos ||
      manifest.substr(end) != fmt::format("end {:016x}\n", HashBytes(manifest.substr(0, end)))) {
    return Error(ErrorKind::kBadData, "the checksum of the checkpoint manifest does not fit");
  }
  std::istringstream lines(manifest.substr(0, end));
  std::string line;
  if (!std::getline(lines, line) || line != kFirstLine) {
    return Error(ErrorKind::kBadData, "expected the first line \"{}\"", kFirstLine);
  }
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "epoch") {
      words >> epoch_;
    } else if (word == "plan") {
      std::string hash;
      words >> hash;
      if (hash != fmt::format("{:016x}", plan_hash)) {
        return Error(ErrorKind::kStale, "this checkpoint was made by another query");
      }
    } else if (word == "position") {
      int scan = 0;
      int64_t split = 0;
      std::string hex;
      words >> scan >> split;
      if (words.fail() || split < 0) return DamagedLine();
      words >> hex;  // nothing stands for an empty position
      ARROW_ASSIGN_OR_RAISE(std::string position, FromHex(hex));
      positions_[scan].emplace_back(split, std::move(position));
      continue;
    }
    if (words.fail() || epoch_ < 0) return DamagedLine();
  }
  return Status::OK();
}

Status CheckpointReader::RemoveOtherEpochs() const {
  ARROW_ASSIGN_OR_RAISE(auto entries, vfs_.List(directory_));
  for (const FileInfo& entry : entries) {
    const std::string name = entry.path.substr(entry.path.rfind('/') + 1);
    if (!entry.is_directory || !name.starts_with("epoch-")) continue;
    if (name == fmt::format("epoch-{}", epoch_)) continue;
    ARROW_RETURN_NOT_OK(vfs_.RemoveTree(JoinPath(directory_, name)));
  }
  return Status::OK();
}

Result<std::unique_ptr<StateReader>> CheckpointReader::OpenOperator(int operator_id,
                                                                    arrow::MemoryPool* pool) const {
  return StateReader::Make(vfs_, OperatorPath(directory_, epoch_, operator_id), pool);
}

SplitPositions CheckpointReader::Positions(int scan_id) const {
  const auto found = positions_.find(scan_id);
  return found == positions_.end() ? SplitPositions{} : found->second;
}

}  // namespace headrace
