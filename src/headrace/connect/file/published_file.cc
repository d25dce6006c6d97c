// Appending with a journal: the length is written down behind the bytes, and whoever finds more
// bytes than that goes on where they agree with the parts.
#include "headrace/connect/file/published_file.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/io/memory.h"
#include "headrace/base/fault.h"
#include "headrace/io/atomic_file.h"

namespace headrace {
namespace {

constexpr std::string_view kJournalMagic = "headrace sink journal 1\n";
constexpr int64_t kCopyBytes = int64_t{1} << 20;
constexpr int kNumberDigits = 6;

/// The name's extension, with that of a compression behind it.
size_t ExtensionAt(std::string_view name) {
  std::string_view rest = name;
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (rest.ends_with(packed)) rest.remove_suffix(packed.size());
  }
  const size_t dot = rest.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? rest.size() : dot;
}

/// What is to stand behind the committed bytes: the header, if it is not there yet, and parts.
class Tail {
 public:
  static Result<Tail> Open(Vfs& vfs, std::string_view header, const std::vector<EpochPart>& parts) {
    Tail tail;
    if (!header.empty())
      tail.Add(
          std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(header))),
          static_cast<int64_t>(header.size()));
    for (const EpochPart& part : parts) {
      ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForRead(part.path));
      ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
      tail.Add(std::move(file), size);
    }
    return tail;
  }

  int64_t size() const { return size_; }
  /// Bytes [offset, offset + length), cut to those of one piece.
  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t offset, int64_t length) const {
    for (const Piece& piece : pieces_) {
      if (offset >= piece.begin + piece.size) continue;
      const int64_t within = offset - piece.begin;
      return piece.file->ReadAt(within, std::min(length, piece.size - within));
    }
    return arrow::Buffer::FromString("");
  }

 private:
  struct Piece {
    std::shared_ptr<arrow::io::RandomAccessFile> file;
    int64_t begin;
    int64_t size;
  };
  void Add(std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t size) {
    pieces_.push_back({std::move(file), size_, size});
    size_ += size;
  }

  std::vector<Piece> pieces_;
  int64_t size_ = 0;
};

/// How many bytes of the file from `begin` to `end` are those of the tail.
Result<int64_t> AgreeingBytes(Vfs& vfs, const std::string& path, int64_t begin, int64_t end,
                              const Tail& tail) {
  ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForRead(path));
  int64_t agreeing = 0;
  while (begin + agreeing < end && agreeing < tail.size()) {
    ARROW_ASSIGN_OR_RAISE(const auto wanted, tail.Read(agreeing, kCopyBytes));
    const int64_t length = std::min(wanted->size(), end - begin - agreeing);
    ARROW_ASSIGN_OR_RAISE(const auto have, file->ReadAt(begin + agreeing, length));
    if (have->size() < length || length == 0) break;
    if (std::memcmp(have->data(), wanted->data(), static_cast<size_t>(length)) != 0) return 0;
    agreeing += length;
  }
  return begin + agreeing == end ? agreeing : 0;
}

Status Copy(const Tail& tail, int64_t from, WritableFile& file) {
  for (int64_t at = from; at < tail.size();) {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, tail.Read(at, kCopyBytes));
    if (bytes->size() == 0) return Error(ErrorKind::kIo, "a part of a sink became shorter");
    ARROW_RETURN_NOT_OK(file.Write(bytes->data(), bytes->size()));
    at += bytes->size();
  }
  return Status::OK();
}

}  // namespace

// ---- The journal ----

std::string WriteJournal(const SinkJournal& journal) {
  return fmt::format("{}epoch {}\nlength {}\nrows {}\nbegun {}\nnumber {}\nrotating {}\n",
                     kJournalMagic, journal.epoch, journal.length, journal.rows,
                     journal.begun_micros, journal.number, journal.is_rotating ? 1 : 0);
}

Result<SinkJournal> ReadJournal(std::string_view text, const std::string& path) {
  const std::string_view all = text;
  SinkJournal journal;
  int64_t rotating = 0;
  bool fits = text.starts_with(kJournalMagic);
  if (fits) text.remove_prefix(kJournalMagic.size());
  const std::pair<std::string_view, int64_t*> fields[] = {
      {"epoch ", &journal.epoch},        {"length ", &journal.length}, {"rows ", &journal.rows},
      {"begun ", &journal.begun_micros}, {"number ", &journal.number}, {"rotating ", &rotating}};
  for (const auto& [name, out] : fields) {
    fits = fits && text.starts_with(name);
    if (!fits) break;
    text.remove_prefix(name.size());
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
    text.remove_prefix(static_cast<size_t>(stop - text.data()));
    fits = error == std::errc() && *out >= 0 && text.starts_with('\n');
    if (fits) text.remove_prefix(1);
  }
  if (!fits || !text.empty()) {
    return Error(ErrorKind::kBadData, "{}: expected the journal of a sink, got {} other bytes",
                 path, all.size());
  }
  journal.is_rotating = rotating != 0;
  return journal;
}

// ---- The file ----

PublishedFile::PublishedFile(Vfs& vfs, Clock& clock, EpochFileOptions options)
    : vfs_(vfs), clock_(clock), options_(std::move(options)), folder_(ParentPath(options_.path)) {
  const std::string name = options_.path.substr(options_.path.rfind('/') + 1);
  const size_t at = ExtensionAt(name);
  stem_ = name.substr(0, at);
  extension_ = name.substr(at);
}

std::string PublishedFile::JournalPath() const {
  return JoinPath(folder_, "." + stem_ + extension_ + ".journal");
}

std::string PublishedFile::NumberedPath(int64_t number) const {
  return JoinPath(folder_, fmt::format("{}-{:0{}}{}", stem_, number, kNumberDigits, extension_));
}

Result<std::vector<std::pair<int64_t, std::string>>> PublishedFile::NumberedFiles() const {
  std::vector<std::pair<int64_t, std::string>> files;
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> entries, vfs_.List(folder_));
  for (const FileInfo& entry : entries) {
    std::string_view name = entry.path;
    name.remove_prefix(name.rfind('/') + 1);
    if (!name.starts_with(stem_ + "-") || !name.ends_with(extension_)) continue;
    name.remove_prefix(stem_.size() + 1);
    name.remove_suffix(std::min(extension_.size(), name.size()));
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || stop != name.data() + name.size()) continue;
    if (entry.path == NumberedPath(number)) files.emplace_back(number, entry.path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

Status PublishedFile::SaveJournal(const SinkJournal& journal) {
  ARROW_ASSIGN_OR_RAISE(auto file, AtomicFile::Make(vfs_, JournalPath()));
  const std::string text = WriteJournal(journal);
  ARROW_RETURN_NOT_OK(file->stream()->Write(text.data(), static_cast<int64_t>(text.size())));
  ARROW_RETURN_NOT_OK(file->Commit());
  journal_ = journal;
  return Status::OK();
}

Status PublishedFile::Forget() {
  journal_.reset();
  ARROW_RETURN_NOT_OK(vfs_.Remove(JournalPath()));
  return vfs_.SyncDirectory(folder_);
}

Status PublishedFile::Recover() {
  const Result<FileInfo> info = vfs_.Stat(JournalPath());
  if (!info.ok() && KindOf(info.status()) == ErrorKind::kNotFound) return Status::OK();
  ARROW_RETURN_NOT_OK(info.status());
  ARROW_ASSIGN_OR_RAISE(auto file, vfs_.OpenForRead(JournalPath()));
  ARROW_ASSIGN_OR_RAISE(const auto bytes, file->Read(info->size));
  ARROW_ASSIGN_OR_RAISE(
      journal_,
      ReadJournal({bytes->data_as<char>(), static_cast<size_t>(bytes->size())}, JournalPath()));
  return Status::OK();
}

Status PublishedFile::Publish(const std::vector<EpochPart>& parts, int64_t epoch) {
  if (!journal_.has_value()) ARROW_RETURN_NOT_OK(BeginAnew());
  if (!options_.is_text) return RenameParts(parts, epoch);
  if (journal_->is_rotating) ARROW_RETURN_NOT_OK(PutAway());
  std::vector<EpochPart> unpublished = parts;
  std::erase_if(unpublished, [&](const EpochPart& part) { return part.epoch <= journal_->epoch; });
  // What a commit that failed has left behind the committed bytes goes away with the next one.
  if (unpublished.empty()) return Status::OK();
  ARROW_RETURN_NOT_OK(Append(unpublished, epoch));
  return journal_->is_rotating ? PutAway() : Status::OK();
}

/// The first commit of a job. What it does may be done again until the journal is there.
Status PublishedFile::BeginAnew() {
  ARROW_ASSIGN_OR_RAISE(const auto numbered, NumberedFiles());
  SinkJournal journal{.begun_micros = clock_.WallMicros()};
  const bool keeps = options_.append_if_exists;
  if (keeps && !numbered.empty()) journal.number = numbered.back().first;
  if (!keeps) {
    for (const auto& [number, path] : numbered) ARROW_RETURN_NOT_OK(vfs_.Remove(path));
  }
  if (options_.is_text) {
    ++journal.number;
    const Result<FileInfo> info = vfs_.Stat(options_.path);
    if (!info.ok() && KindOf(info.status()) != ErrorKind::kNotFound) return info.status();
    if (keeps && info.ok()) {
      journal.length = info->size;
    } else {
      ARROW_RETURN_NOT_OK(MakeEmptyFile());
    }
  }
  return SaveJournal(journal);
}

Status PublishedFile::MakeEmptyFile() {
  ARROW_ASSIGN_OR_RAISE(auto file, AtomicFile::Make(vfs_, options_.path));
  return file->Commit();
}

Status PublishedFile::Append(const std::vector<EpochPart>& parts, int64_t epoch) {
  ARROW_ASSIGN_OR_RAISE(const FileInfo info, vfs_.Stat(options_.path));
  const int64_t length = journal_->length;
  if (info.size < length) {
    return Error(ErrorKind::kStale,
                 "{}: expected the {} bytes that were committed, got a file of {}; somebody has "
                 "changed it",
                 options_.path, length, info.size);
  }
  ARROW_ASSIGN_OR_RAISE(const Tail tail, Tail::Open(vfs_, length == 0 ? header_ : "", parts));
  ARROW_ASSIGN_OR_RAISE(const int64_t there,
                        AgreeingBytes(vfs_, options_.path, length, info.size, tail));
  ARROW_ASSIGN_OR_RAISE(auto file, vfs_.OpenForAppend(options_.path, length + there));
  HEADRACE_FAULT_POINT("file_sink.append");
  Status written = Copy(tail, there, *file);
  if (written.ok()) written = file->Sync();
  const Status closed = file->Close();
  if (written.ok()) written = closed;
  if (!written.ok()) {  // half of an epoch is not to be seen
    const auto cut = vfs_.OpenForAppend(options_.path, length);
    if (cut.ok()) (void)(*cut)->Close();
    return written;
  }
  HEADRACE_FAULT_POINT("file_sink.appended");
  SinkJournal journal = *journal_;
  journal.epoch = epoch;
  journal.length += tail.size();
  for (const EpochPart& part : parts) journal.rows += part.rows;
  journal.is_rotating = IsDue(journal);
  return SaveJournal(journal);
}

bool PublishedFile::IsDue(const SinkJournal& journal) const {
  const FileRotation& rotation = options_.rotation;
  return (rotation.bytes_max >= 0 && journal.length >= rotation.bytes_max) ||
         (rotation.rows_max >= 0 && journal.rows >= rotation.rows_max) ||
         (rotation.interval_micros >= 0 &&
          clock_.WallMicros() - journal.begun_micros >= rotation.interval_micros);
}

/// The file gets its number, and an empty one its name.
Status PublishedFile::PutAway() {
  const std::string numbered = NumberedPath(journal_->number);
  const Result<FileInfo> there = vfs_.Stat(numbered);
  if (!there.ok()) {
    if (KindOf(there.status()) != ErrorKind::kNotFound) return there.status();
    ARROW_RETURN_NOT_OK(vfs_.Rename(options_.path, numbered));
    ARROW_RETURN_NOT_OK(vfs_.SyncDirectory(folder_));
  }
  ARROW_RETURN_NOT_OK(MakeEmptyFile());
  return SaveJournal({.epoch = journal_->epoch,
                      .begun_micros = clock_.WallMicros(),
                      .number = journal_->number + 1});
}

Status PublishedFile::RenameParts(const std::vector<EpochPart>& parts, int64_t epoch) {
  for (const EpochPart& part : parts) {
    ARROW_RETURN_NOT_OK(vfs_.Rename(part.path, NumberedPath(journal_->number + part.epoch)));
  }
  return parts.empty() || epoch == 0 ? Status::OK() : vfs_.SyncDirectory(folder_);
}

}  // namespace headrace
