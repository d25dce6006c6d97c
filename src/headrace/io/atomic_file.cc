// AtomicFile: write beside, sync, rename.
#include "headrace/io/atomic_file.h"

#include <unistd.h>

#include <atomic>

#include "headrace/base/fault.h"

namespace headrace {
namespace {

// ".out.parquet.1234-7.part": hidden, so that a glob over the folder never sees half a file.
std::string TemporaryPath(const std::string& path) {
  static std::atomic<int64_t> count{0};
  const std::string name = path.substr(path.rfind('/') + 1);
  return JoinPath(ParentPath(path), fmt::format(".{}.{}-{}.part", name, ::getpid(), ++count));
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
  std::string temporary = TemporaryPath(path);
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
  return vfs_.Remove(temporary_);
}

}  // namespace headrace
