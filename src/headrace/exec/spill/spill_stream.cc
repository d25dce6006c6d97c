// One job per buffer; the thread runs them in the order in which they came.
#include "headrace/exec/spill/spill_stream.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "arrow/buffer.h"

namespace headrace {

struct SpillStream::State {
  std::shared_ptr<WritableFile> file;  // of the thread while buffers wait
  std::mutex mutex;                    // guards all below
  std::condition_variable changed;
  int waiting = 0;
  Status failure;
};

SpillStream::SpillStream(std::shared_ptr<WritableFile> file, std::shared_ptr<SpillIo> io)
    : io_(std::move(io)), state_(std::make_shared<State>()) {
  state_->file = std::move(file);
  set_mode(arrow::io::FileMode::WRITE);
}

SpillStream::~SpillStream() { (void)Drain(); }

Status SpillStream::Enqueue(std::shared_ptr<arrow::Buffer> data) {
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->failure.ok()) return state_->failure;
    ++state_->waiting;
  }
  const int64_t bytes = data->size();
  position_ += bytes;
  io_->Charge(bytes);
  io_->Submit([state = state_, data = std::move(data), io = io_.get(), bytes]() mutable {
    Status written;
    {
      std::lock_guard lock(state->mutex);
      written = state->failure;
    }
    if (written.ok()) written = state->file->Write(data->data(), bytes);
    data.reset();
    io->Release(bytes);
    std::lock_guard lock(state->mutex);
    if (state->failure.ok()) state->failure = std::move(written);
    --state->waiting;
    state->changed.notify_all();
  });
  return Status::OK();
}

Status SpillStream::Drain() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->waiting == 0; });
  return state_->failure;
}

Status SpillStream::Write(const void* data, int64_t nbytes) {
  const std::string_view bytes(static_cast<const char*>(data), static_cast<size_t>(nbytes));
  return Enqueue(arrow::Buffer::FromString(std::string(bytes)));
}

Status SpillStream::Write(const std::shared_ptr<arrow::Buffer>& data) { return Enqueue(data); }

Status SpillStream::Sync() {
  ARROW_RETURN_NOT_OK(Drain());
  return state_->file->Sync();
}

Status SpillStream::Close() {
  const Status drained = Drain();
  const Status closed = state_->file->Close();
  return drained.ok() ? closed : drained;
}

Status SpillStream::Abort() {
  (void)Drain();
  return state_->file->Abort();
}

bool SpillStream::closed() const { return state_->file->closed(); }

}  // namespace headrace
