// Reader of state files. Every length and offset is checked before use: a file may be truncated,
// flipped or made by somebody else.
#include <cstring>

#include "arrow/buffer.h"
#include "arrow/io/memory.h"
#include "arrow/ipc/dictionary.h"
#include "arrow/ipc/reader.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/base/limits.h"
#include "headrace/exec/spill/narrow_columns.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/exec/spill/state_format.h"
#include "headrace/format/arrow_ipc/compressed_lengths.h"

namespace headrace {
namespace {

using BufferPtr = std::shared_ptr<arrow::Buffer>;

Status Bad(const std::string& path, int64_t offset, std::string_view what) {
  return Error(ErrorKind::kBadData, "state file {} at offset {}: {}", path, offset, what);
}

Result<BufferPtr> ReadExactly(arrow::io::RandomAccessFile& file, const std::string& path,
                              int64_t offset, int64_t length, arrow::MemoryPool* pool) {
  HEADRACE_FAULT_POINT("state_file.read");
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer, arrow::AllocateBuffer(length, pool));
  ARROW_ASSIGN_OR_RAISE(const int64_t read, file.ReadAt(offset, length, buffer->mutable_data()));
  if (read != length) {
    return Bad(path, offset, fmt::format("expected {} bytes, got {}", length, read));
  }
  return buffer;
}

std::string_view TextOf(const arrow::Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(buffer.size())};
}

// Takes values off the front of the footer.
class FooterCursor {
 public:
  FooterCursor(const std::string& path, int64_t offset, std::string_view rest)
      : path_(path), offset_(offset), rest_(rest) {}

  Result<std::string_view> Take(uint64_t length) {
    if (length > rest_.size()) {
      return Bad(path_, offset_, fmt::format("the footer ends within {} bytes", length));
    }
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    offset_ += static_cast<int64_t>(length);
    return taken;
  }
  template <typename T>
  Result<T> Read() {
    ARROW_ASSIGN_OR_RAISE(std::string_view bytes, Take(sizeof(T)));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  bool at_end() const { return rest_.empty(); }
  int64_t offset() const { return offset_; }

 private:
  const std::string& path_;
  int64_t offset_;
  std::string_view rest_;
};

Result<SchemaPtr> ParseSchema(const std::string& path, int64_t offset, std::string_view bytes) {
  arrow::io::BufferReader stream(std::make_shared<arrow::Buffer>(bytes));
  arrow::ipc::DictionaryMemo memo;
  Result<SchemaPtr> schema = arrow::ipc::ReadSchema(&stream, &memo);
  if (!schema.ok()) return Bad(path, offset, schema.status().message());
  return schema;
}

Result<std::vector<SchemaPtr>> ParseSchemas(const std::string& path, FooterCursor& cursor) {
  ARROW_ASSIGN_OR_RAISE(const uint64_t count, cursor.Read<uint64_t>());
  std::vector<SchemaPtr> schemas;
  for (uint64_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const uint64_t length, cursor.Read<uint64_t>());
    const int64_t offset = cursor.offset();
    ARROW_ASSIGN_OR_RAISE(std::string_view bytes, cursor.Take(length));
    ARROW_ASSIGN_OR_RAISE(SchemaPtr schema, ParseSchema(path, offset, bytes));
    schemas.push_back(std::move(schema));
  }
  return schemas;
}

// Sections lie between the magic and the footer, and are as long as their header at least.
bool IsPlausible(const StateIndexEntry& entry, int64_t footer_begin) {
  const auto header_bytes = static_cast<int64_t>(sizeof(StateSectionHeader));
  return entry.key_group >= 0 && entry.key_group < kKeyGroups && entry.num_rows >= 0 &&
         entry.offset >= kStateMagicBytes && entry.offset <= footer_begin &&
         entry.length >= header_bytes && entry.length <= footer_begin - entry.offset;
}

Result<std::vector<StateSection>> ParseSections(const std::string& path, FooterCursor& cursor,
                                                int64_t footer_begin) {
  ARROW_ASSIGN_OR_RAISE(const uint64_t count, cursor.Read<uint64_t>());
  std::vector<StateSection> sections;
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t offset = cursor.offset();
    ARROW_ASSIGN_OR_RAISE(const auto entry, cursor.Read<StateIndexEntry>());
    if (!IsPlausible(entry, footer_begin)) {
      return Bad(path, offset, fmt::format("section {} of the index is out of range", i));
    }
    sections.push_back({entry.key_group, entry.offset, entry.length, entry.num_rows});
  }
  if (!cursor.at_end()) return Bad(path, cursor.offset(), "bytes are left after the index");
  return sections;
}

Result<StateTail> ReadTail(arrow::io::RandomAccessFile& file, const std::string& path, int64_t size,
                           arrow::MemoryPool* pool) {
  const auto tail_bytes = static_cast<int64_t>(sizeof(StateTail));
  if (size < kStateMagicBytes + tail_bytes) {
    return Bad(path, size, "the file is too short to be a state file");
  }
  ARROW_ASSIGN_OR_RAISE(BufferPtr head, ReadExactly(file, path, 0, kStateMagicBytes, pool));
  if (TextOf(*head) != kStateMagic) return Bad(path, 0, "expected the magic HRSTATE1");
  ARROW_ASSIGN_OR_RAISE(BufferPtr bytes,
                        ReadExactly(file, path, size - tail_bytes, tail_bytes, pool));
  StateTail tail;
  std::memcpy(&tail, bytes->data(), sizeof(tail));
  if (std::memcmp(tail.magic, kStateMagic, sizeof(tail.magic)) != 0) {
    return Bad(path, size - kStateMagicBytes, "expected the magic HRSTATE1: was it written whole?");
  }
  if (tail.footer_bytes < 0 || tail.footer_bytes > size - tail_bytes - kStateMagicBytes) {
    return Bad(path, size - tail_bytes, "the length of the footer is out of range");
  }
  return tail;
}

// Checks what the header of a section says against its place in the index and its bytes.
Status CheckSection(const std::string& path, const StateSection& section,
                    const StateSectionHeader& header, std::string_view bytes) {
  if (header.checksum != HashBytes(bytes.substr(sizeof(header.checksum)))) {
    return Bad(path, section.offset, "the checksum of the section does not fit its bytes");
  }
  const bool fits = header.magic == kStateSectionMagic && header.key_group == section.key_group &&
                    header.num_rows == section.num_rows &&
                    header.body_bytes == static_cast<int64_t>(bytes.size() - sizeof(header));
  return fits ? Status::OK()
              : Bad(path, section.offset, "the section is not the one that the index names");
}

// What the body says of its narrow columns.
Result<std::vector<NarrowColumn>> ParseNarrow(std::string_view body, uint32_t bytes) {
  if (bytes > body.size() || bytes % sizeof(NarrowColumn) != 0) {
    return Status::Invalid(fmt::format("a list of narrow columns of {} bytes", bytes));
  }
  std::vector<NarrowColumn> narrow(bytes / sizeof(NarrowColumn));
  if (bytes > 0) std::memcpy(narrow.data(), body.data(), bytes);
  return narrow;
}

Result<std::shared_ptr<arrow::RecordBatch>> ParseMessage(const BufferPtr& body,
                                                         const SchemaPtr& schema,
                                                         arrow::MemoryPool* pool) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  arrow::io::BufferReader stream(body);
  const arrow::ipc::DictionaryMemo memo;
  ARROW_ASSIGN_OR_RAISE(auto message, arrow::ipc::ReadMessage(&stream, pool));
  if (message == nullptr) return Status::Invalid("expected a record batch, got nothing");
  ARROW_RETURN_NOT_OK(arrow_ipc::CheckCompressedLengths(*message));
  return arrow::ipc::ReadRecordBatch(*message, schema, &memo, options);
}

Result<std::shared_ptr<arrow::RecordBatch>> ParseBatch(const BufferPtr& body, uint32_t narrow_bytes,
                                                       const SchemaPtr& schema, StateOrigin origin,
                                                       arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const auto narrow, ParseNarrow(TextOf(*body), narrow_bytes));
  ARROW_ASSIGN_OR_RAISE(const SchemaPtr narrowed, NarrowSchema(schema, narrow));
  ARROW_ASSIGN_OR_RAISE(auto batch,
                        ParseMessage(arrow::SliceBuffer(body, narrow_bytes), narrowed, pool));
  const bool is_checked = origin == StateOrigin::kOutside;
  if (is_checked) ARROW_RETURN_NOT_OK(batch->ValidateFull());
  if (narrow.empty()) return batch;
  ARROW_ASSIGN_OR_RAISE(batch, WidenColumns(batch, schema, narrow, pool));
  if (is_checked) ARROW_RETURN_NOT_OK(batch->ValidateFull());
  return batch;
}

}  // namespace

Result<std::unique_ptr<StateReader>> StateReader::Make(Vfs& vfs, std::string path,
                                                       arrow::MemoryPool* pool,
                                                       StateOrigin origin) {
  ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForRead(path));
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
  ARROW_ASSIGN_OR_RAISE(const StateTail tail, ReadTail(*file, path, size, pool));
  const int64_t begin = size - static_cast<int64_t>(sizeof(StateTail)) - tail.footer_bytes;
  ARROW_ASSIGN_OR_RAISE(BufferPtr footer, ReadExactly(*file, path, begin, tail.footer_bytes, pool));
  if (HashBytes(TextOf(*footer)) != tail.footer_checksum) {
    return Bad(path, begin, "the checksum of the footer does not fit its bytes");
  }
  FooterCursor cursor(path, begin, TextOf(*footer));
  ARROW_ASSIGN_OR_RAISE(auto schemas, ParseSchemas(path, cursor));
  ARROW_ASSIGN_OR_RAISE(auto sections, ParseSections(path, cursor, begin));
  return std::unique_ptr<StateReader>(new StateReader(
      std::move(path), std::move(file), std::move(sections), std::move(schemas), pool, origin));
}

StateReader::StateReader(std::string path, std::shared_ptr<arrow::io::RandomAccessFile> file,
                         std::vector<StateSection> sections, std::vector<SchemaPtr> schemas,
                         arrow::MemoryPool* pool, StateOrigin origin)
    : path_(std::move(path)),
      file_(std::move(file)),
      sections_(std::move(sections)),
      schemas_(std::move(schemas)),
      pool_(pool),
      origin_(origin) {}

Result<std::shared_ptr<arrow::RecordBatch>> StateReader::Read(const StateSection& section) const {
  ARROW_ASSIGN_OR_RAISE(const BufferPtr bytes, ReadBytes(section));
  return Parse(section, bytes);
}

Result<BufferPtr> StateReader::ReadBytes(const StateSection& section) const {
  return ReadExactly(*file_, path_, section.offset, section.length, pool_);
}

Result<std::shared_ptr<arrow::RecordBatch>> StateReader::Parse(const StateSection& section,
                                                               const BufferPtr& bytes) const {
  StateSectionHeader header;
  std::memcpy(&header, bytes->data(), sizeof(header));
  ARROW_RETURN_NOT_OK(CheckSection(path_, section, header, TextOf(*bytes)));
  if (header.schema >= schemas_.size()) {
    return Bad(path_, section.offset, fmt::format("there is no schema {}", header.schema));
  }
  const BufferPtr body = arrow::SliceBuffer(bytes, sizeof(header));
  auto batch = ParseBatch(body, header.narrow_bytes, schemas_[header.schema], origin_, pool_);
  if (!batch.ok() && !batch.status().IsOutOfMemory()) {
    return Bad(path_, section.offset, batch.status().message());
  }
  ARROW_RETURN_NOT_OK(batch.status());
  if ((*batch)->num_rows() != section.num_rows) {
    return Bad(path_, section.offset, "the section has another number of rows than its header");
  }
  return batch;
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> StateReader::ReadGroups(int first,
                                                                                 int last) const {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (const StateSection& section : sections_) {
    if (section.key_group < first || section.key_group >= last) continue;
    ARROW_ASSIGN_OR_RAISE(auto batch, Read(section));
    batches.push_back(std::move(batch));
  }
  return batches;
}

}  // namespace headrace
