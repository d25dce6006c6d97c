// SpillStream: a file that is written in the background.
#pragma once

#include <memory>

#include "headrace/exec/spill/spill_io.h"
#include "headrace/io/vfs.h"

namespace headrace {

/// Buffers go to the file in their order while the caller makes the next; it waits when too many
/// wait. What goes wrong is the error of a later call: at the latest of Close. One thread.
class SpillStream final : public WritableFile {
 public:
  SpillStream(std::shared_ptr<WritableFile> file, std::shared_ptr<SpillIo> io);
  ~SpillStream() override;

  Status Write(const void* data, int64_t nbytes) override;
  /// `data` is not changed any more.
  Status Write(const std::shared_ptr<arrow::Buffer>& data) override;
  Status Sync() override;
  Status Close() override;
  Status Abort() override;
  bool closed() const override;
  Result<int64_t> Tell() const override { return position_; }

 private:
  struct State;
  Status Enqueue(std::shared_ptr<arrow::Buffer> data);
  Status Drain();

  const std::shared_ptr<SpillIo> io_;
  const std::shared_ptr<State> state_;
  int64_t position_ = 0;
};

}  // namespace headrace
