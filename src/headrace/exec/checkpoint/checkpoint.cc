// The manifest is lines of text; its last line is the XXH3 of those before:
//   headrace checkpoint 4 / epoch N
//   query NAME-IN-HEX PLAN-HASH running|ended / part NAME PLACE … … / position SCAN SPLIT HEX …
//   end HASH
#include "headrace/exec/checkpoint/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/util/string.h"
#include "headrace/base/check.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/io/atomic_file.h"

namespace headrace {
namespace {

constexpr const char* kManifestName = "MANIFEST";
constexpr const char* kPlaceEnding = ".state";
constexpr const char* kNoFile = "-";
constexpr const char* kRunning = "running";
constexpr const char* kEnded = "ended";
constexpr const char* kFirstLine = "headrace checkpoint 4";

std::string EpochPath(const std::string& directory, int64_t epoch) {
  return JoinPath(directory, fmt::format("epoch-{}", epoch));
}

/// In the directory of the checkpoint.
std::string PlaceOf(int64_t epoch, size_t query, const std::string& part) {
  return fmt::format("epoch-{}/query-{}-{}{}", epoch, query, part, kPlaceEnding);
}

/// The folder of an epoch, and a file in it.
bool IsPlace(std::string_view place) {
  constexpr std::string_view kEpoch = "epoch-";
  const size_t slash = place.find('/');
  if (!place.starts_with(kEpoch) || slash == place.npos || slash == kEpoch.size()) return false;
  const std::string_view number = place.substr(kEpoch.size(), slash - kEpoch.size());
  const std::string_view file = place.substr(slash + 1);
  return number.find_first_not_of("0123456789") == number.npos && file.find('/') == file.npos &&
         file.ends_with(kPlaceEnding);
}

/// The files of parts, by the folder of the epoch that wrote them.
using EpochFiles = std::map<std::string, std::set<std::string>>;

void AddFiles(const std::map<std::string, PartPlaces>& parts, EpochFiles* files) {
  for (const auto& [part, places] : parts) {
    for (const std::string& place : places) {
      const size_t slash = place.find('/');
      (*files)[place.substr(0, slash)].insert(place.substr(slash + 1));
    }
  }
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

std::string NameOf(const FileInfo& entry) { return entry.path.substr(entry.path.rfind('/') + 1); }

/// Removes the files of epochs that are not among those kept.
Status RemoveOthers(Vfs& vfs, const std::string& directory, const EpochFiles& kept) {
  ARROW_ASSIGN_OR_RAISE(const auto entries, vfs.List(directory));
  for (const FileInfo& entry : entries) {
    const std::string name = NameOf(entry);
    if (!entry.is_directory || !name.starts_with("epoch-")) continue;
    const std::string folder = JoinPath(directory, name);
    const auto of_epoch = kept.find(name);
    if (of_epoch == kept.end()) {
      ARROW_RETURN_NOT_OK(vfs.RemoveTree(folder));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const auto files, vfs.List(folder));
    for (const FileInfo& file : files) {
      if (of_epoch->second.contains(NameOf(file))) continue;
      ARROW_RETURN_NOT_OK(vfs.Remove(JoinPath(folder, NameOf(file))));
    }
  }
  return Status::OK();
}

Result<std::string> ReadWhole(Vfs& vfs, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForRead(path));
  ARROW_ASSIGN_OR_RAISE(int64_t size, file->GetSize());
  ARROW_ASSIGN_OR_RAISE(auto buffer, file->ReadAt(0, size));
  return buffer->ToString();
}

/// The state of a part that has none.
class EmptyState final : public StateReader {
 public:
  explicit EmptyState(arrow::MemoryPool* pool) : StateReader("", nullptr, {}, {}, pool) {}
};

}  // namespace

/// Makes the file, and its folder, when there is a section to write.
class CheckpointWriter::PartWriter final : public StateWriter {
 public:
  PartWriter(Vfs& vfs, std::string path, arrow::MemoryPool* pool)
      : StateWriter(std::move(path), nullptr, pool), vfs_(vfs), pool_(pool) {}
  bool is_empty() const { return file_ == nullptr; }
  Status Write(int key_group, const arrow::RecordBatch& batch) override {
    if (file_ == nullptr) {
      ARROW_RETURN_NOT_OK(vfs_.MakeDirectories(ParentPath(path())));
      ARROW_ASSIGN_OR_RAISE(file_, StateWriter::Make(vfs_, path(), pool_));
    }
    return file_->Write(key_group, batch);
  }
  Status Close(bool sync) override { return is_empty() ? Status::OK() : file_->Close(sync); }

 private:
  Vfs& vfs_;
  arrow::MemoryPool* const pool_;
  std::unique_ptr<StateWriter> file_;
};

CheckpointWriter::~CheckpointWriter() = default;

CheckpointWriter::CheckpointWriter(Vfs& vfs, std::string directory, int64_t epoch,
                                   arrow::MemoryPool* pool)
    : vfs_(vfs), directory_(std::move(directory)), epoch_(epoch), pool_(pool) {}

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Make(Vfs& vfs, std::string directory,
                                                                 int64_t epoch,
                                                                 arrow::MemoryPool* pool) {
  ARROW_RETURN_NOT_OK(vfs.RemoveTree(EpochPath(directory, epoch)));
  return std::unique_ptr<CheckpointWriter>(
      new CheckpointWriter(vfs, std::move(directory), epoch, pool));
}

void CheckpointWriter::BeginQuery(const std::string& name, uint64_t plan_hash, bool ended) {
  queries_.push_back({name, plan_hash, ended, {}, {}});
}

Result<StateWriter*> CheckpointWriter::BeginPart(const std::string& part) {
  HEADRACE_CHECK(open_ == nullptr, "a part of the state is still open");
  HEADRACE_CHECK(!queries_.empty(), "a part of the state belongs to no query");
  open_part_ = part;
  const std::string place = PlaceOf(epoch_, queries_.size() - 1, part);
  open_ = std::make_unique<PartWriter>(vfs_, JoinPath(directory_, place), pool_);
  return open_.get();
}

PartPlaces CheckpointWriter::EndPart() {
  std::unique_ptr<PartWriter> writer = std::move(open_);
  PartPlaces& places = queries_.back().parts[open_part_];
  if (!writer->is_empty()) {
    places.push_back(PlaceOf(epoch_, queries_.size() - 1, open_part_));
    unsynced_.push_back(std::move(writer));
  }
  return places;
}

void CheckpointWriter::KeepPart(const std::string& part, PartPlaces places) {
  HEADRACE_CHECK(!queries_.empty(), "a part of the state belongs to no query");
  HEADRACE_CHECK(std::all_of(places.begin(), places.end(), IsPlace),
                 "a part is kept that was not written");
  queries_.back().parts[part] = std::move(places);
}

std::string CheckpointWriter::AddFile(const std::string& part,
                                      std::function<Status(StateWriter&)> write) {
  HEADRACE_CHECK(!queries_.empty(), "a part of the state belongs to no query");
  const std::string place = PlaceOf(epoch_, queries_.size() - 1, part);
  queries_.back().parts[part].push_back(place);
  later_.push_back({place, std::move(write)});
  return place;
}

void CheckpointWriter::AddPositions(int scan_id, const SplitPositions& positions) {
  HEADRACE_CHECK(!queries_.empty(), "positions belong to no query");
  SplitPositions& of_scan = queries_.back().positions[scan_id];
  of_scan.insert(of_scan.end(), positions.begin(), positions.end());
}

/// They are durable then.
Status CheckpointWriter::WriteFiles() {
  for (LaterFile& file : std::exchange(later_, {})) {
    auto writer = std::make_unique<PartWriter>(vfs_, JoinPath(directory_, file.place), pool_);
    ARROW_RETURN_NOT_OK(file.write(*writer));
    HEADRACE_CHECK(!writer->is_empty(), "a file of a part has no sections");
    unsynced_.push_back(std::move(writer));
  }
  if (unsynced_.empty()) return Status::OK();
  for (const auto& writer : std::exchange(unsynced_, {})) {
    ARROW_RETURN_NOT_OK(writer->Close(/*sync=*/true));
  }
  return vfs_.SyncDirectory(EpochPath(directory_, epoch_));
}

std::string CheckpointWriter::ManifestText() const {
  std::string text = fmt::format("{}\nepoch {}\n", kFirstLine, epoch_);
  for (const QueryState& query : queries_) {
    text += fmt::format("query {} {:016x} {}\n", arrow::HexEncode(query.name), query.plan_hash,
                        query.ended ? kEnded : kRunning);
    for (const auto& [part, places] : query.parts) {
      text += fmt::format("part {} {}\n", part,
                          places.empty() ? kNoFile : fmt::format("{}", fmt::join(places, " ")));
    }
    for (const auto& [scan, positions] : query.positions) {
      for (const auto& [split, position] : positions) {
        text += fmt::format("position {} {} {}\n", scan, split, arrow::HexEncode(position));
      }
    }
  }
  return text + fmt::format("end {:016x}\n", HashBytes(text));
}

Status CheckpointWriter::Commit() {
  HEADRACE_FAULT_POINT("checkpoint.commit");
  ARROW_RETURN_NOT_OK(WriteFiles());
  const std::string text = ManifestText();
  ARROW_ASSIGN_OR_RAISE(auto file, AtomicFile::Make(vfs_, JoinPath(directory_, kManifestName)));
  ARROW_RETURN_NOT_OK(file->stream()->Write(text.data(), static_cast<int64_t>(text.size())));
  ARROW_RETURN_NOT_OK(file->Commit());
  HEADRACE_FAULT_POINT("checkpoint.committed");
  EpochFiles kept;
  for (const QueryState& query : queries_) AddFiles(query.parts, &kept);
  return RemoveOthers(vfs_, directory_, kept);
}

Result<PartPlaces> QueryCheckpoint::Places(const std::string& part) const {
  const auto found = parts_.find(part);
  if (found != parts_.end()) return found->second;
  return Error(ErrorKind::kNotFound, "the checkpoint in {} has no part {}", directory_, part);
}

Result<std::vector<std::unique_ptr<StateReader>>> QueryCheckpoint::OpenFiles(
    const std::string& part, arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(const PartPlaces places, Places(part));
  std::vector<std::unique_ptr<StateReader>> files;
  for (const std::string& place : places) {
    auto file = StateReader::Make(*vfs_, JoinPath(directory_, place), pool);
    if (!file.ok()) {
      return WithContext(file.status(), fmt::format("a file of part {} of the checkpoint: ", part));
    }
    files.push_back(*std::move(file));
  }
  return files;
}

Result<std::unique_ptr<StateReader>> QueryCheckpoint::OpenPart(const std::string& part,
                                                               arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(auto files, OpenFiles(part, pool));
  if (files.empty()) return std::make_unique<EmptyState>(pool);
  if (files.size() == 1) return std::move(files.front());
  return Error(ErrorKind::kBadData, "the checkpoint in {}: expected one file of part {}, got {}",
               directory_, part, files.size());
}

Result<std::vector<QueryCheckpoint::Part>> QueryCheckpoint::Parts() const {
  std::vector<Part> parts;
  for (const auto& [name, places] : parts_) {
    Part& part = parts.emplace_back(Part{name, {}});
    for (const std::string& place : places) {
      ARROW_ASSIGN_OR_RAISE(const FileInfo file, vfs_->Stat(JoinPath(directory_, place)));
      part.file_bytes.push_back(file.size);
    }
  }
  return parts;
}

SplitPositions QueryCheckpoint::Positions(int scan_id) const {
  const auto found = positions_.find(scan_id);
  return found == positions_.end() ? SplitPositions{} : found->second;
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::OpenLatest(Vfs& vfs,
                                                                       std::string directory) {
  ARROW_ASSIGN_OR_RAISE(auto reader, Look(vfs, std::move(directory)));
  if (reader != nullptr) ARROW_RETURN_NOT_OK(reader->RemoveOtherEpochs());
  return reader;
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::Look(Vfs& vfs, std::string directory) {
  const std::string path = JoinPath(directory, kManifestName);
  std::unique_ptr<CheckpointReader> reader(new CheckpointReader(vfs, std::move(directory)));
  Result<std::string> manifest = ReadWhole(vfs, path);
  if (!manifest.ok()) {
    if (KindOf(manifest.status()) == ErrorKind::kNotFound) return nullptr;
    return manifest.status();
  }
  ARROW_RETURN_NOT_OK(WithContext(reader->Parse(*manifest), path + ": "));
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
  const auto [entry, is_new] = queries_.try_emplace(name);
  if (!is_new) return DamagedLine();
  *query = &entry->second;
  (*query)->vfs_ = &vfs_;
  (*query)->directory_ = directory_;
  (*query)->plan_hash_ = plan_hash;
  (*query)->ended_ = state == kEnded;
  return Status::OK();
}

Status CheckpointReader::ParsePart(std::istream& words, QueryCheckpoint* query) {
  std::string name;
  PartPlaces places;
  words >> name;
  for (std::string place; words >> place;) places.push_back(place);
  if (places.empty()) return DamagedLine();
  if (places.size() == 1 && places.front() == kNoFile) places.clear();
  const bool are_places = std::all_of(places.begin(), places.end(), IsPlace);
  if (!are_places || query == nullptr) return DamagedLine();
  return query->parts_.emplace(name, std::move(places)).second ? Status::OK() : DamagedLine();
}

Status CheckpointReader::ParsePosition(std::istream& words, QueryCheckpoint* query) {
  int scan = 0;
  int64_t split = 0;
  std::string hex;
  words >> scan >> split;
  if (words.fail() || split < 0 || query == nullptr) return DamagedLine();
  words >> hex;  // nothing stands for an empty position
  ARROW_ASSIGN_OR_RAISE(std::string position, FromHex(hex));
  query->positions_[scan].emplace_back(split, std::move(position));
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
    } else if (word == "part") {
      ARROW_RETURN_NOT_OK(ParsePart(words, query));
      continue;
    } else if (word == "position") {
      ARROW_RETURN_NOT_OK(ParsePosition(words, query));
      continue;
    }
    if (words.fail() || epoch_ < 0) return DamagedLine();
  }
  return Status::OK();
}

Status CheckpointReader::RemoveOtherEpochs() const {
  EpochFiles kept;
  for (const auto& [name, query] : queries_) AddFiles(query.parts_, &kept);
  return RemoveOthers(vfs_, directory_, kept);
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
  return RemoveOthers(vfs, directory, {});
}

}  // namespace headrace
