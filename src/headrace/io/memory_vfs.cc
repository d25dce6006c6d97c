// MemoryVfs keeps two name spaces, the live one and the durable one, over shared file nodes.
#include "headrace/io/memory_vfs.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "arrow/buffer.h"
#include "headrace/io/positioned_file.h"
#include "headrace/io/system_error.h"

namespace headrace {
namespace {

struct Node {
  std::mutex mutex;
  std::string bytes;
  std::string durable_bytes;
  int64_t modified_nanos = 0;
  uint64_t inode = 0;
};
using NodePtr = std::shared_ptr<Node>;
using Names = std::map<std::string, NodePtr>;

std::string Absolute(std::string_view path) {
  std::string absolute = "/";
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (absolute.size() > 1) absolute += '/';
    absolute += part;
  }
  return absolute;
}

std::string Prefix(const std::string& directory) {
  return directory == "/" ? directory : directory + "/";
}

Status Missing(const std::string& path) {
  return Error(ErrorKind::kNotFound, "cannot open {}: No such file or directory", path);
}

class MemoryReadFile final : public PositionedFile {
 public:
  MemoryReadFile(std::string path, NodePtr node)
      : PositionedFile(std::move(path)), node_(std::move(node)) {}

  Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }
  Result<int64_t> GetSize() override {
    std::lock_guard lock(node_->mutex);
    return static_cast<int64_t>(node_->bytes.size());
  }

  using PositionedFile::ReadAt;
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override {
    if (closed_) return Error(ErrorKind::kIo, "read from a closed file {}", path());
    if (position < 0 || nbytes < 0) return Error(ErrorKind::kIo, "bad range in {}", path());
    std::lock_guard lock(node_->mutex);
    const auto size = static_cast<int64_t>(node_->bytes.size());
    const int64_t got = std::clamp<int64_t>(size - position, 0, nbytes);
    if (got > 0) std::memcpy(out, node_->bytes.data() + position, static_cast<size_t>(got));
    return got;
  }
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, bool allow_short_read,
                         void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position, nbytes, out));
    if (got < nbytes && !allow_short_read) return ShortRead(position, nbytes);
    return got;
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override {
    if (position < 0 || nbytes < 0) return Error(ErrorKind::kIo, "bad range in {}", path());
    ARROW_ASSIGN_OR_RAISE(const int64_t size, GetSize());
    const int64_t available = std::clamp<int64_t>(size - position, 0, nbytes);
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(available));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position, available, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes,
                                                bool allow_short_read) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position, nbytes));
    if (buffer->size() < nbytes && !allow_short_read) return ShortRead(position, nbytes);
    return buffer;
  }

 private:
  Status ShortRead(int64_t position, int64_t nbytes) const {
    return Error(ErrorKind::kIo, "cannot read {} bytes at {}: the file ends before: {}", nbytes,
                 position, path());
  }

  const NodePtr node_;
  bool closed_ = false;
};

class MemoryWriteFile final : public WritableFile {
 public:
  MemoryWriteFile(std::string path, NodePtr node, int64_t position = 0)
      : path_(std::move(path)), node_(std::move(node)), position_(position) {
    set_mode(arrow::io::FileMode::WRITE);
  }

  using WritableFile::Write;
  Status Write(const void* data, int64_t nbytes) override {
    if (closed_) return Error(ErrorKind::kIo, "write to a closed file {}", path_);
    std::lock_guard lock(node_->mutex);
    node_->bytes.append(static_cast<const char*>(data), static_cast<size_t>(nbytes));
    ++node_->modified_nanos;
    position_ += nbytes;
    return Status::OK();
  }
  Status Sync() override {
    if (closed_) return Error(ErrorKind::kIo, "sync of a closed file {}", path_);
    std::lock_guard lock(node_->mutex);
    node_->durable_bytes = node_->bytes;
    return Status::OK();
  }
  Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }
  Result<int64_t> Tell() const override { return position_; }

 private:
  const std::string path_;
  const NodePtr node_;
  int64_t position_;
  bool closed_ = false;
};

class MemoryFileSystem final : public MemoryVfs {
 public:
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenForRead(
      const std::string& path) override {
    std::lock_guard lock(mutex_);
    const auto it = live_.find(Absolute(path));
    if (it == live_.end()) return Missing(path);
    return std::make_shared<MemoryReadFile>(path, it->second);
  }

  Result<std::shared_ptr<WritableFile>> OpenForWrite(const std::string& path) override {
    std::lock_guard lock(mutex_);
    const std::string absolute = Absolute(path);
    if (!directories_.contains(ParentPath(absolute))) return Missing(path);
    if (directories_.contains(absolute)) {
      return Error(ErrorKind::kIo, "cannot create {}: Is a directory", path);
    }
    NodePtr& node = live_[absolute];
    if (node == nullptr) node = NewNode();
    std::lock_guard node_lock(node->mutex);
    node->bytes.clear();
    node->modified_nanos = Tick();
    return std::make_shared<MemoryWriteFile>(path, node);
  }

  Result<std::shared_ptr<WritableFile>> OpenForAppend(const std::string& path,
                                                      int64_t size) override {
    std::lock_guard lock(mutex_);
    const auto it = live_.find(Absolute(path));
    if (it == live_.end()) return Missing(path);
    Node& node = *it->second;
    std::lock_guard node_lock(node.mutex);
    const auto has = static_cast<int64_t>(node.bytes.size());
    if (has < size) return TooShort(path, size, has);
    node.bytes.resize(static_cast<size_t>(size));
    node.modified_nanos = Tick();
    return std::make_shared<MemoryWriteFile>(path, it->second, size);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    std::lock_guard lock(mutex_);
    const std::string source = Absolute(from);
    const std::string target = Absolute(to);
    if (directories_.contains(source)) return RenameDirectory(source, target);
    const auto it = live_.find(source);
    if (it == live_.end() || !directories_.contains(ParentPath(target))) return Missing(from);
    if (directories_.contains(target)) {
      return Error(ErrorKind::kIo, "cannot rename {} to {}: Is a directory", from, to);
    }
    if (source == target) return Status::OK();
    NodePtr node = std::move(it->second);
    live_.erase(it);
    live_[target] = std::move(node);
    return Status::OK();
  }

  Status Remove(const std::string& path) override {
    std::lock_guard lock(mutex_);
    if (directories_.contains(Absolute(path))) {
      return Error(ErrorKind::kIo, "cannot remove {}: Is a directory", path);
    }
    live_.erase(Absolute(path));
    return Status::OK();
  }

  Status RemoveTree(const std::string& path) override {
    std::lock_guard lock(mutex_);
    const std::string root = Absolute(path);
    const auto below = [&](const std::string& name) {
      return name == root || name.starts_with(Prefix(root));
    };
    std::erase_if(live_, [&](const auto& entry) { return below(entry.first); });
    std::erase_if(directories_,
                  [&](const std::string& name) { return name != "/" && below(name); });
    return Status::OK();
  }

  Status MakeDirectories(const std::string& path) override {
    std::lock_guard lock(mutex_);
    for (std::string name = Absolute(path); name != "/"; name = ParentPath(name)) {
      if (live_.contains(name)) {
        return Error(ErrorKind::kIo, "cannot make directory {}: Not a directory", path);
      }
      directories_.insert(name);
    }
    return Status::OK();
  }

  Status SyncDirectory(const std::string& path) override {
    std::lock_guard lock(mutex_);
    const std::string directory = Absolute(path);
    if (!directories_.contains(directory)) return Missing(path);
    const auto inside = [&](const auto& entry) { return ParentPath(entry.first) == directory; };
    std::erase_if(durable_, inside);
    for (const auto& entry : live_) {
      if (inside(entry)) durable_.insert(entry);
    }
    return Status::OK();
  }

  Result<FileInfo> Stat(const std::string& path) override {
    std::lock_guard lock(mutex_);
    const std::string absolute = Absolute(path);
    if (directories_.contains(absolute)) return FileInfo{.path = path, .is_directory = true};
    const auto it = live_.find(absolute);
    if (it == live_.end()) return Missing(path);
    return InfoOfNode(path, *it->second);
  }

  Result<std::vector<FileInfo>> List(const std::string& path) override {
    std::lock_guard lock(mutex_);
    const std::string directory = Absolute(path);
    if (!directories_.contains(directory)) return Missing(path);
    std::vector<FileInfo> entries;
    const auto listed = [&](const std::string& name) {
      return JoinPath(path, std::string_view(name).substr(Prefix(directory).size()));
    };
    for (const auto& [name, node] : live_) {
      if (ParentPath(name) == directory) entries.push_back(InfoOfNode(listed(name), *node));
    }
    for (const std::string& name : directories_) {
      if (name == "/" || ParentPath(name) != directory) continue;
      entries.push_back({.path = listed(name), .is_directory = true});
    }
    std::sort(entries.begin(), entries.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return entries;
  }

  void Crash() override {
    std::lock_guard lock(mutex_);
    std::map<const Node*, NodePtr> survivors;
    for (auto& [name, node] : durable_) {
      NodePtr& survivor = survivors[node.get()];
      if (survivor == nullptr) survivor = Survivor(*node);
    }
    for (auto& [name, node] : durable_) node = survivors[node.get()];
    live_ = durable_;
  }

 private:
  int64_t Tick() { return tick_ += 1'000'000; }

  NodePtr NewNode() {
    auto node = std::make_shared<Node>();
    node->inode = ++inodes_;
    return node;
  }

  static NodePtr Survivor(Node& node) {
    std::lock_guard lock(node.mutex);
    auto survivor = std::make_shared<Node>();
    survivor->bytes = node.durable_bytes;
    survivor->durable_bytes = node.durable_bytes;
    survivor->modified_nanos = node.modified_nanos;
    survivor->inode = node.inode;
    return survivor;
  }

  static FileInfo InfoOfNode(std::string path, Node& node) {
    std::lock_guard lock(node.mutex);
    return {.path = std::move(path),
            .size = static_cast<int64_t>(node.bytes.size()),
            .modified_nanos = node.modified_nanos,
            .inode = node.inode};
  }

  static void MoveNames(Names* names, const std::string& source, const std::string& target) {
    Names moved;
    std::erase_if(*names, [&](const auto& entry) {
      if (!entry.first.starts_with(Prefix(source))) return false;
      moved.emplace(target + entry.first.substr(source.size()), entry.second);
      return true;
    });
    names->merge(moved);
  }

  // Like directories themselves, their new name is durable at once.
  Status RenameDirectory(const std::string& source, const std::string& target) {
    const auto occupied = live_.lower_bound(Prefix(target));
    if (live_.contains(target) ||
        (occupied != live_.end() && occupied->first.starts_with(Prefix(target)))) {
      return Error(ErrorKind::kIo, "cannot rename {} to {}: File exists", source, target);
    }
    MoveNames(&live_, source, target);
    MoveNames(&durable_, source, target);
    std::set<std::string> renamed;
    for (const std::string& name : directories_) {
      const bool moves = name == source || name.starts_with(Prefix(source));
      renamed.insert(moves ? target + name.substr(source.size()) : name);
    }
    directories_ = std::move(renamed);
    return Status::OK();
  }

  std::mutex mutex_;
  Names live_;
  Names durable_;
  std::set<std::string> directories_{"/"};
  int64_t tick_ = 0;
  uint64_t inodes_ = 0;
};

}  // namespace

std::unique_ptr<MemoryVfs> MemoryVfs::Make() { return std::make_unique<MemoryFileSystem>(); }

std::unique_ptr<Vfs> MakeMemoryVfs() { return MemoryVfs::Make(); }

}  // namespace headrace
