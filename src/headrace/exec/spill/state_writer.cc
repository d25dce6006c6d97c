// Writer of state files: sections go out as they come, the footer at the end makes the file
// readable.
#include <algorithm>
#include <cstring>
#include <span>

#include "arrow/buffer.h"
#include "arrow/io/memory.h"
#include "arrow/ipc/writer.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/base/limits.h"
#include "headrace/exec/spill/narrow_columns.h"
#include "headrace/exec/spill/selective_codec.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/exec/spill/state_format.h"

namespace headrace {
namespace {

Result<std::shared_ptr<SelectiveCodec>> CodecOf(const std::string& compression) {
  if (compression == "none") return nullptr;
  const auto type =
      compression == "zstd" ? arrow::Compression::ZSTD : arrow::Compression::LZ4_FRAME;
  ARROW_ASSIGN_OR_RAISE(auto codec, arrow::util::Codec::Create(type));
  return std::make_shared<SelectiveCodec>(std::move(codec));
}

// `codec` may be null: buffers are written as they are.
arrow::ipc::IpcWriteOptions WriteOptions(const std::shared_ptr<SelectiveCodec>& codec,
                                         arrow::MemoryPool* pool) {
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  options.allow_64bit = true;
  options.codec = codec;
  if (codec != nullptr) options.min_space_savings = codec->min_savings();
  return options;
}

// A section with a header that still lacks the checksum. `batch` is narrowed.
Result<std::shared_ptr<arrow::Buffer>> SerializeSection(
    const StateSectionHeader& header, std::span<const NarrowColumn> narrow,
    const arrow::RecordBatch& batch, const arrow::ipc::IpcWriteOptions& options) {
  arrow::ipc::IpcPayload payload;
  ARROW_RETURN_NOT_OK(arrow::ipc::GetRecordBatchPayload(batch, options, &payload));
  const int64_t guess = payload.body_length + payload.metadata->size() + 64;
  const auto header_bytes = static_cast<int64_t>(sizeof(header));
  const int64_t front_bytes = header_bytes + header.narrow_bytes;
  ARROW_ASSIGN_OR_RAISE(
      auto stream, arrow::io::BufferOutputStream::Create(front_bytes + guess, options.memory_pool));
  ARROW_RETURN_NOT_OK(stream->Write(&header, header_bytes));
  ARROW_RETURN_NOT_OK(stream->Write(narrow.data(), header.narrow_bytes));
  int32_t metadata_length = 0;
  ARROW_RETURN_NOT_OK(
      arrow::ipc::WriteIpcPayload(payload, options, stream.get(), &metadata_length));
  return stream->Finish();
}

// Fills in what is known only now: the length and the checksum.
void SealHeader(StateSectionHeader header, uint8_t* section, int64_t length) {
  header.body_bytes = length - static_cast<int64_t>(sizeof(header));
  std::memcpy(section, &header, sizeof(header));
  const std::string_view covered(reinterpret_cast<const char*>(section) + sizeof(uint64_t),
                                 static_cast<size_t>(length) - sizeof(uint64_t));
  header.checksum = HashBytes(covered);
  std::memcpy(section, &header, sizeof(header));
}

template <typename T>
void AppendRaw(const T& value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

Result<std::string> Footer(const std::vector<SchemaPtr>& schemas,
                           const std::vector<StateSection>& sections, arrow::MemoryPool* pool) {
  std::string footer;
  AppendRaw(static_cast<uint64_t>(schemas.size()), &footer);
  for (const SchemaPtr& schema : schemas) {
    ARROW_ASSIGN_OR_RAISE(auto bytes, arrow::ipc::SerializeSchema(*schema, pool));
    AppendRaw(bytes->size(), &footer);
    footer += bytes->ToString();
  }
  AppendRaw(static_cast<uint64_t>(sections.size()), &footer);
  for (const StateSection& s : sections) {
    AppendRaw(StateIndexEntry{s.key_group, 0, s.offset, s.length, s.num_rows}, &footer);
  }
  return footer;
}

}  // namespace

Result<std::unique_ptr<StateWriter>> StateWriter::Make(Vfs& vfs, std::string path,
                                                       arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForWrite(path));
  return Make(std::move(file), std::move(path), pool);
}

Result<std::unique_ptr<StateWriter>> StateWriter::Make(std::shared_ptr<WritableFile> file,
                                                       std::string path, arrow::MemoryPool* pool,
                                                       const std::string& compression) {
  ARROW_ASSIGN_OR_RAISE(auto codec, CodecOf(compression));
  std::unique_ptr<StateWriter> writer(
      new StateWriter(std::move(path), std::move(file), pool, std::move(codec)));
  ARROW_RETURN_NOT_OK(writer->Append(arrow::Buffer::FromString(kStateMagic)));
  return writer;
}

StateWriter::StateWriter(std::string path, std::shared_ptr<WritableFile> file,
                         arrow::MemoryPool* pool, std::shared_ptr<SelectiveCodec> codec)
    : path_(std::move(path)), file_(std::move(file)), pool_(pool), codec_(std::move(codec)) {}

StateWriter::~StateWriter() {
  // Only an abandoned file is still open here; what becomes of it does not matter.
  if (file_ != nullptr && !file_->closed()) (void)file_->Abort();
}

Status StateWriter::Append(const std::shared_ptr<arrow::Buffer>& bytes) {
  HEADRACE_FAULT_POINT("state_file.write");
  ARROW_RETURN_NOT_OK(file_->Write(bytes));
  offset_ += bytes->size();
  return Status::OK();
}

uint32_t StateWriter::IndexOfSchema(const SchemaPtr& schema) {
  const auto same = [&schema](const SchemaPtr& seen) {
    return seen == schema || seen->Equals(*schema, /*check_metadata=*/true);
  };
  const auto found = std::find_if(schemas_.begin(), schemas_.end(), same);
  const auto index = static_cast<uint32_t>(found - schemas_.begin());
  if (found == schemas_.end()) schemas_.push_back(schema);
  return index;
}

Status StateWriter::Write(int key_group, const arrow::RecordBatch& batch) {
  HEADRACE_CHECK(key_group >= 0 && key_group < kKeyGroups, "a key group out of range");
  StateSectionHeader header;
  header.key_group = key_group;
  header.schema = IndexOfSchema(batch.schema());
  header.num_rows = batch.num_rows();
  ARROW_ASSIGN_OR_RAISE(const auto narrowed, NarrowColumns(batch, pool_, &narrow_));
  header.narrow_bytes = static_cast<uint32_t>(narrow_.size() * sizeof(NarrowColumn));
  const bool compresses = codec_ != nullptr && codec_->Begin();
  ARROW_ASSIGN_OR_RAISE(const auto section,
                        SerializeSection(header, narrow_, narrowed == nullptr ? batch : *narrowed,
                                         WriteOptions(compresses ? codec_ : nullptr, pool_)));
  SealHeader(header, section->mutable_data(), section->size());
  const int64_t begin = offset_;
  ARROW_RETURN_NOT_OK(Append(section));
  sections_.push_back({key_group, begin, section->size(), batch.num_rows()});
  return Status::OK();
}

Status StateWriter::WriteFooter() {
  ARROW_ASSIGN_OR_RAISE(std::string footer, Footer(schemas_, sections_, pool_));
  StateTail tail;
  tail.footer_checksum = HashBytes(footer);
  tail.footer_bytes = static_cast<int64_t>(footer.size());
  std::memcpy(tail.magic, kStateMagic, sizeof(tail.magic));
  AppendRaw(tail, &footer);
  return Append(arrow::Buffer::FromString(std::move(footer)));
}

Status StateWriter::Close(bool sync) {
  ARROW_RETURN_NOT_OK(WriteFooter());
  if (sync) {
    HEADRACE_FAULT_POINT("state_file.sync");
    ARROW_RETURN_NOT_OK(file_->Sync());
  }
  return file_->Close();
}

}  // namespace headrace
