// FaultyVfs: passes a fault point before every call. A failing write leaves half of its bytes
// behind, as a full disk does.
#include "headrace/base/fault.h"
#include "headrace/io/vfs.h"

#include "arrow/buffer.h"

namespace headrace {
namespace {

class FaultyReadFile final : public arrow::io::RandomAccessFile {
 public:
  explicit FaultyReadFile(std::shared_ptr<RandomAccessFile> base) : base_(std::move(base)) {
    set_mode(arrow::io::FileMode::READ);
  }

  Status Close() override {
    const Status passed = fault::Pass("vfs.close");
    const Status closed = base_->Close();
    return passed.ok() ? closed : passed;
  }
  bool closed() const override { return base_->closed(); }
  Result<int64_t> Tell() const override { return base_->Tell(); }
  Status Seek(int64_t position) override { return base_->Seek(position); }
  Result<int64_t> GetSize() override { return base_->GetSize(); }
  Result<int64_t> Read(int64_t nbytes, void* out) override {
    HEADRACE_FAULT_POINT("vfs.read");
    return base_->Read(nbytes, out);
  }
  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    HEADRACE_FAULT_POINT("vfs.read");
    return base_->Read(nbytes);
  }
  using RandomAccessFile::ReadAt;
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override {
    HEADRACE_FAULT_POINT("vfs.read");
    return base_->ReadAt(position, nbytes, out);
  }
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, bool allow_short_read,
                         void* out) override {
    HEADRACE_FAULT_POINT("vfs.read");
    return base_->ReadAt(position, nbytes, allow_short_read, out);
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override {
    HEADRACE_FAULT_POINT("vfs.read");
    return base_->ReadAt(position, nbytes);
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes,
                                                bool allow_short_read) override {
    HEADRACE_FAULT_POINT("vfs.read");
    return base_->ReadAt(position, nbytes, allow_short_read);
  }

 private:
  const std::shared_ptr<RandomAccessFile> base_;
};

class FaultyWriteFile final : public WritableFile {
 public:
  explicit FaultyWriteFile(std::shared_ptr<WritableFile> base) : base_(std::move(base)) {
    set_mode(arrow::io::FileMode::WRITE);
  }

  using WritableFile::Write;
  Status Write(const void* data, int64_t nbytes) override {
    const Status passed = fault::Pass("vfs.write");
    if (passed.ok()) return base_->Write(data, nbytes);
    ARROW_RETURN_NOT_OK(base_->Write(data, nbytes / 2));
    return passed;
  }
  Status Flush() override {
    HEADRACE_FAULT_POINT("vfs.flush");
    return base_->Flush();
  }
  Status Sync() override {
    HEADRACE_FAULT_POINT("vfs.sync");
    return base_->Sync();
  }
  Status Close() override {
    const Status passed = fault::Pass("vfs.close");
    const Status closed = base_->Close();
    return passed.ok() ? closed : passed;
  }
  bool closed() const override { return base_->closed(); }
  Result<int64_t> Tell() const override { return base_->Tell(); }

 private:
  const std::shared_ptr<WritableFile> base_;
};

class FaultyVfs final : public Vfs {
 public:
  explicit FaultyVfs(Vfs& base) : base_(base) {}

  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenForRead(
      const std::string& path) override {
    HEADRACE_FAULT_POINT("vfs.open_for_read");
    ARROW_ASSIGN_OR_RAISE(auto file, base_.OpenForRead(path));
    return std::make_shared<FaultyReadFile>(std::move(file));
  }
  Result<std::shared_ptr<WritableFile>> OpenForWrite(const std::string& path) override {
    HEADRACE_FAULT_POINT("vfs.open_for_write");
    ARROW_ASSIGN_OR_RAISE(auto file, base_.OpenForWrite(path));
    return std::make_shared<FaultyWriteFile>(std::move(file));
  }
  Result<std::shared_ptr<WritableFile>> OpenForAppend(const std::string& path,
                                                      int64_t size) override {
    HEADRACE_FAULT_POINT("vfs.open_for_append");
    ARROW_ASSIGN_OR_RAISE(auto file, base_.OpenForAppend(path, size));
    return std::make_shared<FaultyWriteFile>(std::move(file));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    HEADRACE_FAULT_POINT("vfs.rename");
    return base_.Rename(from, to);
  }
  Status Remove(const std::string& path) override {
    HEADRACE_FAULT_POINT("vfs.remove");
    return base_.Remove(path);
  }
  Status RemoveTree(const std::string& path) override {
    HEADRACE_FAULT_POINT("vfs.remove_tree");
    return base_.RemoveTree(path);
  }
  Status MakeDirectories(const std::string& path) override {
    HEADRACE_FAULT_POINT("vfs.make_directories");
    return base_.MakeDirectories(path);
  }
  Status SyncDirectory(const std::string& path) override {
    HEADRACE_FAULT_POINT("vfs.sync_directory");
    return base_.SyncDirectory(path);
  }
  Result<FileInfo> Stat(const std::string& path) override {
    HEADRACE_FAULT_POINT("vfs.stat");
    return base_.Stat(path);
  }
  Result<std::vector<FileInfo>> List(const std::string& path) override {
    HEADRACE_FAULT_POINT("vfs.list");
    return base_.List(path);
  }
  Result<WriteTarget> TargetOf(const std::string& path) override { return base_.TargetOf(path); }
  bool is_local() const override { return base_.is_local(); }

 private:
  Vfs& base_;
};

}  // namespace

std::unique_ptr<Vfs> MakeFaultyVfs(Vfs& base) { return std::make_unique<FaultyVfs>(base); }

}  // namespace headrace
