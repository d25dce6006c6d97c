// Files are known by inode; the hash of their first bytes tells when an inode came to another file
// or its bytes were replaced.
#include "headrace/connect/file/file_set.h"

#include <algorithm>
#include <utility>

#include "headrace/format/compressed_stream.h"

namespace headrace {
namespace {

/// A file without its name is at its end when nothing came for so long.
constexpr int64_t kDepartedMicros = 5'000'000;
/// More unread bytes than these do not linger.
constexpr int64_t kLingerBytes = int64_t{64} << 10;
/// Files that are open at a time, and those of them with a window of their text.
constexpr size_t kOpenFilesMax = 256;
constexpr size_t kWindowsMax = 8;

/// Matching files; a folder stands for what is in it.
Result<std::vector<std::string>> MatchingPaths(Vfs& vfs, const std::string& pattern) {
  const Result<FileInfo> info = vfs.Stat(pattern);
  if (!info.ok() && KindOf(info.status()) != ErrorKind::kNotFound) return info.status();
  if (info.ok() && info->is_directory) return Glob(vfs, JoinPath(pattern, "*"));
  return Glob(vfs, pattern);
}

}  // namespace

Status FileSet::Discover() {
  wants_discovery_ = false;
  const Result<std::vector<std::string>> paths = MatchingPaths(vfs_, options_.pattern);
  if (!paths.ok()) {
    const bool waits = options_.watch && KindOf(paths.status()) == ErrorKind::kNotFound;
    return waits ? Status::OK() : paths.status();
  }
  for (const std::string& path : *paths) {
    Result<FileInfo> info = vfs_.Stat(path);
    if (!info.ok() && KindOf(info.status()) == ErrorKind::kNotFound) continue;  // removed meanwhile
    ARROW_RETURN_NOT_OK(info.status());
    info->path = path;
    if (!info->is_directory) ARROW_RETURN_NOT_OK(AddOrRename(*info));
  }
  return Status::OK();
}

TrackedFile* FileSet::Find(uint64_t inode) {
  for (const auto& file : files_) {
    if (file->inode == inode) return file.get();
  }
  return nullptr;
}

Status FileSet::AddOrRename(const FileInfo& info) {
  if (TrackedFile* known = Find(info.inode); known != nullptr) {
    if (known->path == info.path) return Status::OK();
    const Result<FileInfo> before = vfs_.Stat(known->path);
    if (before.ok() && before->inode == known->inode) return Status::OK();  // another link to it
    ARROW_ASSIGN_OR_RAISE(auto file, vfs_.OpenForRead(info.path));
    ARROW_ASSIGN_OR_RAISE(const FileHead head, HeadOf(*file, known->head.bytes));
    if (head == known->head) {
      known->path = info.path;
      known->detached_micros = -1;
      known->renamed = false;
      return Status::OK();
    }
    std::erase_if(files_, [&](const auto& one) { return one.get() == known; });
  }
  auto file = std::make_unique<TrackedFile>();
  file->path = info.path;
  file->inode = info.inode;
  file->bytes_counted = info.size;
  counts_->bytes += info.size;
  files_.push_back(std::move(file));
  ++counts_->files;
  return Status::OK();
}

bool FileSet::Grows(const TrackedFile& file) const {
  return options_.watch && format_->is_text() && !IsCompressedPath(file.path);
}

Result<FileSet::News> FileSet::LookAt(TrackedFile& file, int64_t now_micros) {
  const Result<FileInfo> info = vfs_.Stat(file.path);
  if (!info.ok() && KindOf(info.status()) != ErrorKind::kNotFound) return info.status();
  if (file.renamed || !info.ok() || info->inode != file.inode) {
    if (file.detached_micros < 0) {
      file.detached_micros = now_micros;
      wants_discovery_ = true;
      ++counts_->rotations;
    }
    const bool waits = now_micros - file.detached_micros < kDepartedMicros;
    return waits ? News::kBytes : News::kDeparted;
  }
  file.detached_micros = -1;
  if (info->size == file.size && info->modified_nanos == file.modified_nanos) return News::kNothing;
  bool is_same = info->size >= std::max(file.size, file.place.offset);
  if (is_same && file.open.file != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const FileHead head, HeadOf(*file.open.file, file.head.bytes));
    is_same = head == file.head;
  }
  file.modified_nanos = info->modified_nanos;
  if (!is_same) {
    BeginAnew(file);
    return News::kBytes;
  }
  if (info->size == file.size) return News::kNothing;
  const bool lingers = now_micros - file.caught_up_micros < options_.linger_micros &&
                       info->size - file.size < kLingerBytes;
  if (lingers) return News::kLingers;
  file.size = info->size;
  return News::kBytes;
}

void FileSet::BeginAnew(TrackedFile& file) const {
  ++counts_->truncations;
  file.rows.reset();
  file.place = {};
  file.head = {};
  file.size = 0;
  file.fresh = true;
}

Result<bool> FileSet::OpenRows(TrackedFile& file, const RowRequest& request) {
  if (file.rows != nullptr) return true;
  if (file.open.file == nullptr) {
    ARROW_ASSIGN_OR_RAISE(const bool found, OpenHandle(file));
    if (!found) {
      Finish(file);
      return false;
    }
  }
  CloseIdle(file);
  ARROW_ASSIGN_OR_RAISE(file.rows, format_->Open(file.open, file.place, request));
  return true;
}

Result<bool> FileSet::OpenHandle(TrackedFile& file) {
  for (int tries = 0;; ++tries) {
    Result<FileInfo> info = vfs_.Stat(file.path);
    if (!info.ok() && KindOf(info.status()) != ErrorKind::kNotFound) return info.status();
    if (!info.ok() || info->inode != file.inode) {
      ARROW_ASSIGN_OR_RAISE(const bool renamed, FindRenamed(file));
      if (renamed && tries < 3) continue;
      if (options_.watch) return false;
      return Error(ErrorKind::kStale, "expected the file that the stream began to read: {}",
                   file.path);
    }
    info->path = file.path;
    ARROW_ASSIGN_OR_RAISE(auto handle, vfs_.OpenForRead(file.path));
    ARROW_ASSIGN_OR_RAISE(const FileInfo now, vfs_.Stat(file.path));
    if (now.inode != file.inode && tries < 3) continue;  // renamed between the two calls
    ARROW_ASSIGN_OR_RAISE(const FileHead head, HeadOf(*handle, file.head.bytes));
    const bool cut =
        format_->is_text() && !IsCompressedPath(file.path) && now.size < file.place.offset;
    if (head != file.head || cut) {
      if (!options_.watch) {
        return Error(ErrorKind::kStale,
                     "expected a file that was not changed since it was read: {}", file.path);
      }
      BeginAnew(file);
    }
    file.open = {&vfs_, *std::move(info), std::move(handle)};
    file.size = now.size;
    file.modified_nanos = now.modified_nanos;
    return true;
  }
}

Result<bool> FileSet::FindRenamed(TrackedFile& file) {
  const Result<std::vector<FileInfo>> entries = vfs_.List(ParentPath(file.path));
  if (!entries.ok()) return false;
  for (const FileInfo& entry : *entries) {
    if (entry.inode != file.inode || entry.is_directory) continue;
    ARROW_ASSIGN_OR_RAISE(auto handle, vfs_.OpenForRead(entry.path));
    ARROW_ASSIGN_OR_RAISE(const FileHead head, HeadOf(*handle, file.head.bytes));
    if (head != file.head) return false;
    file.path = entry.path;
    file.renamed = true;
    return true;
  }
  return false;
}

void FileSet::CaughtUp(TrackedFile& file, int64_t now_micros) const {
  file.fresh = false;
  file.caught_up_micros = now_micros;
  if (files_.size() > kWindowsMax) file.rows.reset();
}

void FileSet::CountBytes(TrackedFile& file) const {
  const bool is_plain = format_->is_text() && !IsCompressedPath(file.path);
  const int64_t place = is_plain ? file.place.offset : 0;
  const int64_t size = std::max({file.bytes_counted, file.size, place});
  const int64_t read = file.finished ? size : place;
  counts_->bytes += size - std::exchange(file.bytes_counted, size);
  counts_->bytes_read += read - std::exchange(file.bytes_read_counted, read);
}

Status FileSet::NoteHead(TrackedFile& file) const {
  const int64_t read = std::min(file.place.offset, FileHead::kBytesMax);
  if (!format_->is_text() || read <= file.head.bytes) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(file.head, HeadOf(*file.open.file, read));
  return Status::OK();
}

void FileSet::Finish(TrackedFile& file) {
  file.finished = true;
  file.rows.reset();
  file.open.file.reset();
}

void FileSet::CloseIdle(const TrackedFile& kept) {
  size_t open = 0;
  for (const auto& file : files_) open += file->open.file != nullptr ? 1 : 0;
  for (const auto& file : files_) {
    if (open <= kOpenFilesMax) break;
    if (file.get() == &kept || file->open.file == nullptr || file->detached_micros >= 0) continue;
    file->rows.reset();
    file->open.file.reset();
    --open;
  }
}

void FileSet::ForgetDeparted() {
  std::erase_if(files_, [&](const auto& file) {
    if (!file->finished) return false;
    const Result<FileInfo> info = vfs_.Stat(file->path);
    return (!info.ok() && KindOf(info.status()) == ErrorKind::kNotFound) ||
           (info.ok() && info->inode != file->inode);
  });
}

}  // namespace headrace
