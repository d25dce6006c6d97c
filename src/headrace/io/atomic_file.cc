// AtomicFile: write beside, sync, rename.
#include "headrace/io/atomic_file.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>

#include "headrace/base/fault.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

std::string HostName() {
  char name[256] = {};
  (void)::gethostname(name, sizeof name - 1);
  return fmt::format("{:08x}", HashBytes(name) & 0xFFFFFFFF);
}

// The process in "….<host>-<process>-<count>.part" of this host; 0 for other names.
pid_t ProcessOf(std::string_view name, std::string_view host) {
  if (!name.starts_with('.') || !name.ends_with(".part")) return 0;
  const size_t at = name.rfind(fmt::format(".{}-", host));
  if (at == name.npos) return 0;
  pid_t process = 0;
  for (char c : name.substr(at + host.size() + 2)) {
    if (c == '-') return process;
    if (c < '0' || c > '9' || process > 100'000'000) return 0;
    process = process * 10 + (c - '0');
  }
  return 0;
}

// Nobody waits for what a dead process has begun. What cannot be removed stays.
void Sweep(Vfs& vfs, const std::string& folder, std::string_view host) {
  const Result<std::vector<FileInfo>> entries = vfs.List(folder);
  if (!entries.ok()) return;
  for (const FileInfo& entry : *entries) {
    const std::string_view path = entry.path;
    const pid_t process = ProcessOf(path.substr(path.rfind('/') + 1), host);
    if (process == 0 || ::kill(process, 0) == 0 || errno != ESRCH) continue;
    (void)(entry.is_directory ? vfs.RemoveTree(entry.path) : vfs.Remove(entry.path));
  }
}

void SweepOnce(Vfs& vfs, const std::string& folder, std::string_view host) {
  static std::mutex mutex;
  static std::set<std::string> swept;
  if (!vfs.is_local()) return;
  {
    const std::lock_guard lock(mutex);
    if (!swept.insert(folder).second) return;
  }
  Sweep(vfs, folder, host);
}

// Passes the fault point of writes.
class CheckedFile final : public WritableFile {
 public:
  explicit CheckedFile(std::shared_ptr<WritableFile> base) : base_(std::move(base)) {
    set_mode(arrow::io::FileMode::WRITE);
  }

  using WritableFile::Write;
  Status Write(const void* data, int64_t nbytes) override {
    HEADRACE_FAULT_POINT("atomic_file.write");
    return base_->Write(data, nbytes);
  }
  Status Flush() override { return base_->Flush(); }
  Status Sync() override {
    HEADRACE_FAULT_POINT("atomic_file.sync");
    return base_->Sync();
  }
  Status Close() override { return base_->Close(); }
  bool closed() const override { return base_->closed(); }
  Result<int64_t> Tell() const override { return base_->Tell(); }

 private:
  const std::shared_ptr<WritableFile> base_;
};

// A failure to make `temporary` in words about the file that the user named.
Status AboutTarget(const Status& status, const std::string& temporary, const std::string& path) {
  std::string message = status.message();
  const size_t at = message.find(temporary);
  if (at != std::string::npos) message.replace(at, temporary.size(), path);
  if (KindOf(status) == ErrorKind::kNotFound) message += "; its folder must exist";
  return status.WithMessage(message);
}

}  // namespace

// Hidden, so that a glob over the folder never sees half a file.
std::string TemporaryPath(Vfs& vfs, const std::string& path) {
  static std::atomic<int64_t> count{0};
  static const std::string host = HostName();
  const std::string folder = ParentPath(path);
  SweepOnce(vfs, folder, host);
  const std::string name = path.substr(path.rfind('/') + 1);
  return JoinPath(folder, fmt::format(".{}.{}-{}-{}.part", name, host, ::getpid(), ++count));
}

AtomicFile::AtomicFile(Vfs& vfs, std::string path, std::string temporary,
                       std::shared_ptr<WritableFile> stream)
    : vfs_(vfs),
      path_(std::move(path)),
      temporary_(std::move(temporary)),
      stream_(std::move(stream)) {}

Result<std::unique_ptr<AtomicFile>> AtomicFile::Make(Vfs& vfs, std::string path) {
  HEADRACE_FAULT_POINT("atomic_file.open");
  if (path.empty() || path.ends_with('/')) {
    return Error(ErrorKind::kInvalidArgument, "expected the path of a file, got '{}'", path);
  }
  ARROW_ASSIGN_OR_RAISE(WriteTarget target, vfs.TargetOf(path));
  path = std::move(target.path);
  if (target.is_stream) {
    ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForWrite(path));
    auto stream = std::make_shared<CheckedFile>(std::move(file));
    return std::unique_ptr<AtomicFile>(new AtomicFile(vfs, std::move(path), "", std::move(stream)));
  }
  std::string temporary = TemporaryPath(vfs, path);
  Result<std::shared_ptr<WritableFile>> opened = vfs.OpenForWrite(temporary);
  if (!opened.ok()) return AboutTarget(opened.status(), temporary, path);
  auto file = std::move(opened).ValueUnsafe();
  auto stream = std::make_shared<CheckedFile>(std::move(file));
  return std::unique_ptr<AtomicFile>(
      new AtomicFile(vfs, std::move(path), std::move(temporary), std::move(stream)));
}

AtomicFile::~AtomicFile() { (void)Abort(); }

Status AtomicFile::Prepare() {
  if (prepared_) return Status::OK();
  ARROW_RETURN_NOT_OK(stream_->Sync());
  ARROW_RETURN_NOT_OK(stream_->Close());
  prepared_ = true;
  return Status::OK();
}

Status AtomicFile::Commit() {
  if (done_) return Status::OK();
  ARROW_RETURN_NOT_OK(Prepare());
  if (temporary_.empty()) {
    done_ = true;
    return Status::OK();
  }
  HEADRACE_FAULT_POINT("atomic_file.rename");
  ARROW_RETURN_NOT_OK(vfs_.Rename(temporary_, path_));
  HEADRACE_FAULT_POINT("atomic_file.sync_directory");
  ARROW_RETURN_NOT_OK(vfs_.SyncDirectory(ParentPath(path_)));
  done_ = true;
  return Status::OK();
}

Status AtomicFile::Abort() {
  if (done_) return Status::OK();
  done_ = true;
  (void)stream_->Close();
  if (temporary_.empty()) return Status::OK();
  return vfs_.Remove(temporary_);
}

}  // namespace headrace
