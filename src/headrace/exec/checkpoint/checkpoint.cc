// The manifest is lines of text; its last line is the XXH3 of those before:
//   headrace checkpoint 2 / epoch N
//   query NAME-IN-HEX PLAN-HASH running|ended / position SCAN SPLIT HEX …
//   end HASH
#include "headrace/exec/checkpoint/checkpoint.h"

#include <charconv>
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
constexpr const char* kRunning = "running";
constexpr const char* kEnded = "ended";
constexpr const char* kFirstLine = "headrace checkpoint 2";

std::string EpochPath(const std::string& directory, int64_t epoch) {
  return JoinPath(directory, fmt::format("epoch-{}", epoch));
}

/// The files of a query, up to the name of the part.
std::string QueryPath(const std::string& directory, int64_t epoch, size_t query) {
  return JoinPath(EpochPath(directory, epoch), fmt::format("query-{}-", query));
}

std::string PartPath(const std::string& query_path, const std::string& part) {
  return query_path + part + ".state";
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

/// Removes the folders of the epochs that `is_old` takes by name.
template <typename IsOld>
Status RemoveEpochs(Vfs& vfs, const std::string& directory, const IsOld& is_old) {
  ARROW_ASSIGN_OR_RAISE(auto entries, vfs.List(directory));
  for (const FileInfo& entry : entries) {
    const std::string name = entry.path.substr(entry.path.rfind('/') + 1);
    if (!entry.is_directory || !name.starts_with("epoch-") || !is_old(name)) continue;
    ARROW_RETURN_NOT_OK(vfs.RemoveTree(JoinPath(directory, name)));
  }
  return Status::OK();
}

Result<std::string> ReadWhole(Vfs& vfs, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForRead(path));
  ARROW_ASSIGN_OR_RAISE(int64_t size, file->GetSize());
  ARROW_ASSIGN_OR_RAISE(auto buffer, file->ReadAt(0, size));
  return buffer->ToString();
}

}  // namespace

CheckpointWriter::CheckpointWriter(Vfs& vfs, std::string directory, int64_t epoch,
                                   arrow::MemoryPool* pool)
    : vfs_(vfs), directory_(std::move(directory)), epoch_(epoch), pool_(pool) {}

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Make(Vfs& vfs, std::string directory,
                                                                 int64_t epoch,
                                                                 arrow::MemoryPool* pool) {
  ARROW_RETURN_NOT_OK(vfs.RemoveTree(EpochPath(directory, epoch)));
  ARROW_RETURN_NOT_OK(vfs.MakeDirectories(EpochPath(directory, epoch)));
  return std::unique_ptr<CheckpointWriter>(
      new CheckpointWriter(vfs, std::move(directory), epoch, pool));
}

void CheckpointWriter::BeginQuery(const std::string& name, uint64_t plan_hash, bool ended) {
  queries_.push_back({name, plan_hash, ended, {}});
}

Result<StateWriter*> CheckpointWriter::BeginPart(const std::string& part) {
  HEADRACE_CHECK(open_ == nullptr, "a part of the state is still open");
  HEADRACE_CHECK(!queries_.empty(), "a part of the state belongs to no query");
  const std::string query = QueryPath(directory_, epoch_, queries_.size() - 1);
  ARROW_ASSIGN_OR_RAISE(open_, StateWriter::Make(vfs_, PartPath(query, part), pool_));
  return open_.get();
}

Status CheckpointWriter::EndPart() {
  std::unique_ptr<StateWriter> writer = std::move(open_);
  return writer->Close(/*sync=*/true);
}

void CheckpointWriter::AddPositions(int scan_id, const SplitPositions& positions) {
  HEADRACE_CHECK(!queries_.empty(), "positions belong to no query");
  SplitPositions& of_scan = queries_.back().positions[scan_id];
  of_scan.insert(of_scan.end(), positions.begin(), positions.end());
}

Status CheckpointWriter::Commit() {
  HEADRACE_FAULT_POINT("checkpoint.commit");
  std::string text = fmt::format("{}\nepoch {}\n", kFirstLine, epoch_);
  for (const QueryState& query : queries_) {
    text += fmt::format("query {} {:016x} {}\n", arrow::HexEncode(query.name), query.plan_hash,
                        query.ended ? kEnded : kRunning);
    for (const auto& [scan, positions] : query.positions) {
      for (const auto& [split, position] : positions) {
        text += fmt::format("position {} {} {}\n", scan, split, arrow::HexEncode(position));
      }
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

Result<std::unique_ptr<StateReader>> QueryCheckpoint::OpenPart(const std::string& part,
                                                               arrow::MemoryPool* pool) const {
  return StateReader::Make(*vfs_, PartPath(path_, part), pool);
}

SplitPositions QueryCheckpoint::Positions(int scan_id) const {
  const auto found = positions_.find(scan_id);
  return found == positions_.end() ? SplitPositions{} : found->second;
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::OpenLatest(Vfs& vfs,
                                                                       std::string directory) {
  const std::string path = JoinPath(directory, kManifestName);
  std::unique_ptr<CheckpointReader> reader(new CheckpointReader(vfs, std::move(directory)));
  Result<std::string> manifest = ReadWhole(vfs, path);
  if (!manifest.ok()) {
    if (KindOf(manifest.status()) == ErrorKind::kNotFound) return nullptr;
    return manifest.status();
  }
  ARROW_RETURN_NOT_OK(WithContext(reader->Parse(*manifest), path + ": "));
  ARROW_RETURN_NOT_OK(reader->RemoveOtherEpochs());
  return reader;
}

/// Names are bytes in hex: whatever they hold stays on one line.
Status CheckpointReader::ParseQuery(std::istream& words, QueryCheckpoint** query) {
  std::string hex_name;
  std::string hash;
  std::string state;
  words >> hex_name >> hash >> state;
  if (words.fail() || (state != kRunning && state != kEnded)) return DamagedLine();
  uint64_t plan_hash = 0;
  const auto [end, error] = std::from_chars(hash.data(), hash.data() + hash.size(), plan_hash, 16);
  if (error != std::errc() || end != hash.data() + hash.size()) return DamagedLine();
  ARROW_ASSIGN_OR_RAISE(const std::string name, FromHex(hex_name));
  const size_t place = queries_.size();
  const auto [entry, is_new] = queries_.try_emplace(name);
  if (!is_new) return DamagedLine();
  *query = &entry->second;
  (*query)->vfs_ = &vfs_;
  (*query)->path_ = QueryPath(directory_, epoch_, place);
  (*query)->plan_hash_ = plan_hash;
  (*query)->ended_ = state == kEnded;
  return Status::OK();
}

Status CheckpointReader::Parse(const std::string& manifest) {
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
  QueryCheckpoint* query = nullptr;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "epoch") {
      words >> epoch_;
    } else if (word == "query") {
      ARROW_RETURN_NOT_OK(ParseQuery(words, &query));
    } else if (word == "position") {
      int scan = 0;
      int64_t split = 0;
      std::string hex;
      words >> scan >> split;
      if (words.fail() || split < 0 || query == nullptr) return DamagedLine();
      words >> hex;  // nothing stands for an empty position
      ARROW_ASSIGN_OR_RAISE(std::string position, FromHex(hex));
      query->positions_[scan].emplace_back(split, std::move(position));
      continue;
    }
    if (words.fail() || epoch_ < 0) return DamagedLine();
  }
  return Status::OK();
}

Status CheckpointReader::RemoveOtherEpochs() const {
  const std::string kept = fmt::format("epoch-{}", epoch_);
  return RemoveEpochs(vfs_, directory_, [&](std::string_view name) { return name != kept; });
}

const QueryCheckpoint* CheckpointReader::Find(const std::string& name) const {
  const auto found = queries_.find(name);
  return found == queries_.end() ? nullptr : &found->second;
}

std::vector<std::string> CheckpointReader::QueryNames() const {
  std::vector<std::string> names;
  for (const auto& [name, query] : queries_) names.push_back(name);
  return names;
}

Status RemoveCheckpoint(Vfs& vfs, const std::string& directory) {
  const Status removed = vfs.Remove(JoinPath(directory, kManifestName));
  if (!removed.ok() && KindOf(removed) != ErrorKind::kNotFound) return removed;
  return RemoveEpochs(vfs, directory, [](std::string_view) { return true; });
}

}  // namespace headrace
