// Life of a spill file; its format is that of every state file.
#include "headrace/exec/spill/spill_file.h"

#include <algorithm>
#include <utility>

#include "arrow/buffer.h"
#include "headrace/base/check.h"
#include "headrace/exec/spill/spill_stream.h"

namespace headrace {
namespace {

Result<std::unique_ptr<StateWriter>> OpenWriter(const OperatorContext& context,
                                                const std::string& path,
                                                const std::shared_ptr<SpillIo>& io) {
  ARROW_ASSIGN_OR_RAISE(auto file, context.vfs->OpenForWrite(path));
  if (io != nullptr) file = std::make_shared<SpillStream>(std::move(file), io);
  return StateWriter::Make(std::move(file), path, context.pool, context.spill->compression());
}

}  // namespace

// The bytes of a section, on their way. Who needs them before the thread has begun reads them.
struct SpillFile::Ahead {
  std::mutex mutex;  // guards all below; held by who reads
  bool is_read = false;
  Result<std::shared_ptr<arrow::Buffer>> bytes = std::shared_ptr<arrow::Buffer>();

  void Read(const StateReader& reader, const StateSection& section) {
    std::lock_guard lock(mutex);
    if (!is_read) bytes = reader.ReadBytes(section);
    is_read = true;
  }
};

Result<std::unique_ptr<SpillFile>> SpillFile::Make(const OperatorContext& context,
                                                   std::string_view stem) {
  ARROW_ASSIGN_OR_RAISE(std::string path, context.spill->NewPath(stem));
  std::shared_ptr<SpillIo> io;
  if (context.vfs->is_local()) io = SpillIo::Of(*context.spill);
  auto writer = OpenWriter(context, path, io);
  if (!writer.ok()) {
    (void)context.vfs->Remove(path);
    return writer.status();
  }
  return std::unique_ptr<SpillFile>(new SpillFile(context, std::move(io), *std::move(writer)));
}

SpillFile::SpillFile(const OperatorContext& context, std::shared_ptr<SpillIo> io,
                     std::unique_ptr<StateWriter> writer)
    : space_(*context.spill),
      vfs_(*context.vfs),
      pool_(context.pool),
      metrics_(context.metrics),
      path_(writer->path()),
      io_(std::move(io)),
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
  Count(metrics_, &OperatorMetrics::spilled_bytes, more);
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
  Count(metrics_, &OperatorMetrics::spilled_runs);
  return Status::OK();
}

std::shared_ptr<SpillFile::Ahead> SpillFile::TakeAhead(const StateSection& section) {
  ahead_end_ = std::max(ahead_end_, section.offset + section.length);
  auto node = ahead_.extract(section.offset);
  return node.empty() ? nullptr : std::move(node.mapped());
}

Result<std::shared_ptr<arrow::RecordBatch>> SpillFile::Read(const StateSection& section) {
  std::shared_ptr<Ahead> ahead;
  {
    std::lock_guard lock(mutex_);
    HEADRACE_CHECK(writer_ == nullptr, "a spill file is read before it was sealed");
    if (reader_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(reader_,
                            StateReader::Make(vfs_, path_, pool_, StateOrigin::kThisProcess));
    }
    ahead = TakeAhead(section);
  }
  if (ahead == nullptr) return reader_->Read(section);
  ahead->Read(*reader_, section);
  ARROW_ASSIGN_OR_RAISE(const auto bytes, std::move(ahead->bytes));
  return reader_->Parse(section, bytes);
}

void SpillFile::ReadAhead(size_t section) {
  if (io_ == nullptr || section >= sections_.size()) return;
  const StateSection& wanted = sections_[section];
  std::lock_guard lock(mutex_);
  if (reader_ == nullptr || wanted.offset < ahead_end_) return;
  ahead_end_ = wanted.offset + wanted.length;
  auto ahead = std::make_shared<Ahead>();
  ahead_.emplace(wanted.offset, ahead);
  io_->Submit([ahead = std::weak_ptr(ahead), reader = reader_, wanted] {
    if (const auto alive = ahead.lock()) alive->Read(*reader, wanted);
  });
}

}  // namespace headrace
