// The life of a file sink: open, write, finish and sync, publish by rename.
#include "headrace/format/file_sink.h"

#include <exception>
#include <new>
#include <utility>

#include "headrace/base/check.h"
#include "headrace/base/fault.h"
#include "headrace/format/sink_threads.h"
#include "headrace/io/atomic_file.h"

namespace headrace {
namespace {

class FileSink final : public Sink, public SinkThreads {
 public:
  FileSink(Vfs& vfs, std::string format, std::string path, MakeEncoder make_encoder)
      : vfs_(vfs),
        format_(std::move(format)),
        fault_point_(format_ + ".write"),
        path_(std::move(path)),
        make_encoder_(std::move(make_encoder)) {}

  // The encoder may still write when it dies: it goes before the file.
  ~FileSink() override { encoder_.reset(); }

  std::string name() const override { return format_ + " " + path_; }

  void UseThreads(int count) override { threads_ = count; }

  Status Open(const SchemaPtr& schema, arrow::MemoryPool* pool) override {
    HEADRACE_CHECK(file_ == nullptr, "a sink is opened once");
    ARROW_ASSIGN_OR_RAISE(file_, AtomicFile::Make(vfs_, path_));
    return Place(Caught([&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(encoder_, make_encoder_(schema, file_->stream(), pool));
      encoder_->UseThreads(threads_);
      return Status::OK();
    }));
  }

  Status Write(const arrow::RecordBatch& batch) override {
    if (encoder_ == nullptr) {
      return Error(ErrorKind::kUnsupported, "{}: a file takes the batches of one epoch", path_);
    }
    HEADRACE_FAULT_POINT(fault_point_.c_str());
    return Place(Caught([&] { return encoder_->Write(batch); }));
  }

  Status Prepare(int64_t) override {
    if (encoder_ == nullptr) return Status::OK();
    HEADRACE_FAULT_POINT(fault_point_.c_str());
    ARROW_RETURN_NOT_OK(Place(Caught([&] { return encoder_->Finish(); })));
    encoder_.reset();
    return file_->Prepare();
  }

  Status Commit(int64_t epoch) override {
    if (file_ == nullptr) return Status::OK();
    ARROW_RETURN_NOT_OK(Prepare(epoch));
    return file_->Commit();
  }

  Status Abort() override {
    encoder_.reset();
    return file_ == nullptr ? Status::OK() : file_->Abort();
  }

 private:
  template <typename Call>
  static Status Caught(Call call) {
    try {
      return call();
    } catch (const std::bad_alloc&) {
      return Status::OutOfMemory("no memory");
    } catch (const InvariantError&) {
      throw;
    } catch (const std::exception& error) {
      return Status::IOError(error.what());
    }
  }

  Status Place(const Status& status) const {
    // A detail is the mark of our own errors: they have their place.
    return status.detail() != nullptr ? status : WithContext(status, path_ + ": ");
  }

  Vfs& vfs_;
  const std::string format_;
  const std::string fault_point_;
  const std::string path_;
  const MakeEncoder make_encoder_;
  int threads_ = 0;
  std::unique_ptr<AtomicFile> file_;
  std::unique_ptr<FileEncoder> encoder_;
};

}  // namespace

std::unique_ptr<Sink> MakeFileSink(Vfs& vfs, std::string format, std::string path,
                                   MakeEncoder make_encoder) {
  return std::make_unique<FileSink>(vfs, std::move(format), std::move(path),
                                    std::move(make_encoder));
}

}  // namespace headrace
