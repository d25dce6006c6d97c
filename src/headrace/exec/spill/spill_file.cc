// Life of a spill file; its format is that of every state file.
#include "headrace/exec/spill/spill_file.h"

#include "headrace/base/check.h"

namespace headrace {

Result<std::unique_ptr<SpillFile>> SpillFile::Make(const OperatorContext& context,
                                                   std::string_view stem) {
  ARROW_ASSIGN_OR_RAISE(std::string path, context.spill->NewPath(stem));
  auto writer = StateWriter::Make(*context.vfs, path, context.pool);
  if (!writer.ok()) {
    (void)context.vfs->Remove(path);
    return writer.status();
  }
  return std::unique_ptr<SpillFile>(new SpillFile(context, *std::move(writer)));
}

SpillFile::SpillFile(const OperatorContext& context, std::unique_ptr<StateWriter> writer)
    : space_(*context.spill),
      vfs_(*context.vfs),
      pool_(context.pool),
      metrics_(context.metrics),
      path_(writer->path()),
      writer_(std::move(writer)) {}

// A file that cannot be removed here goes with its folder, at the end of the session.
SpillFile::~SpillFile() {
  writer_.reset();
  reader_.reset();
  (void)vfs_.Remove(path_);
  space_.Release(charged_);
}

Status SpillFile::ChargeWritten() {
  const int64_t more = writer_->bytes_written() - charged_;
  ARROW_RETURN_NOT_OK(space_.Charge(more));
  charged_ += more;
  if (metrics_ != nullptr) metrics_->spilled_bytes.fetch_add(more, std::memory_order_relaxed);
  return Status::OK();
}

Status SpillFile::Write(int key_group, const arrow::RecordBatch& batch) {
  HEADRACE_CHECK(writer_ != nullptr, "a sealed spill file is not written");
  ARROW_RETURN_NOT_OK(writer_->Write(key_group, batch));
  return ChargeWritten();
}

Status SpillFile::Seal() {
  if (writer_ == nullptr) return Status::OK();
  ARROW_RETURN_NOT_OK(writer_->Close(/*sync=*/false));
  ARROW_RETURN_NOT_OK(ChargeWritten());
  sections_ = writer_->sections();
  writer_.reset();
  if (metrics_ != nullptr) metrics_->spilled_runs.fetch_add(1, std::memory_order_relaxed);
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> SpillFile::Read(const StateSection& section) {
  {
    std::lock_guard lock(mutex_);
    HEADRACE_CHECK(writer_ == nullptr, "a spill file is read before it was sealed");
    if (reader_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(reader_,
                            StateReader::Make(vfs_, path_, pool_, StateOrigin::kThisProcess));
    }
  }
  return reader_->Read(section);
}

}  // namespace headrace
