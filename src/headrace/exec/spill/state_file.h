// The one serialization of state: spills and checkpoints are files of sections, each a checksummed
// compressed Arrow IPC record batch that belongs to a key group. docs/formats/state.md gives the
// bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/spill/narrow_columns.h"
#include "headrace/io/vfs.h"
#include "headrace/types/batch.h"

namespace headrace {

class SelectiveCodec;

/// Rows of a section at most, where state is rows.
inline constexpr size_t kRowsPerSection = 4096;
/// Place of one section in its file: `length` bytes at `offset`, its header included.
struct StateSection {
  int key_group = 0;
  int64_t offset = 0;
  int64_t length = 0;
  int64_t num_rows = 0;
};

/// Writes sections one after the other. One thread. Batches are of any schema; a reader gets the
/// same schema back. Plain encodings only (decode before writing). Columns are narrowed, and
/// buffers compressed while that makes them much smaller (by half with LZ4). After a failed call
/// the file is of no use; who made the writer removes it.
class StateWriter {
 public:
  static Result<std::unique_ptr<StateWriter>> Make(Vfs& vfs, std::string path,
                                                   arrow::MemoryPool* pool);
  /// Into an empty file that is open at `path`. `compression`: "lz4", "zstd" or "none".
  static Result<std::unique_ptr<StateWriter>> Make(std::shared_ptr<WritableFile> file,
                                                   std::string path, arrow::MemoryPool* pool,
                                                   const std::string& compression = "lz4");
  virtual ~StateWriter();
  virtual Status Write(int key_group, const arrow::RecordBatch& batch);
  /// Writes the index of sections, syncs when asked, and closes. No Write after it.
  virtual Status Close(bool sync);

  const std::string& path() const { return path_; }
  int64_t bytes_written() const { return offset_; }
  const std::vector<StateSection>& sections() const { return sections_; }

 protected:
  StateWriter(std::string path, std::shared_ptr<WritableFile> file, arrow::MemoryPool* pool,
              std::shared_ptr<SelectiveCodec> codec = nullptr);

 private:
  Status Append(const std::shared_ptr<arrow::Buffer>& bytes);
  Status WriteFooter();
  uint32_t IndexOfSchema(const SchemaPtr& schema);

  const std::string path_;
  std::shared_ptr<WritableFile> file_;
  arrow::MemoryPool* const pool_;
  const std::shared_ptr<SelectiveCodec> codec_;  // null: none
  int64_t offset_ = 0;
  std::vector<StateSection> sections_;
  std::vector<SchemaPtr> schemas_;
  std::vector<NarrowColumn> narrow_;  // of the section in work
};

/// Who wrote a file, and so what may be wrong with it.
enum class StateOrigin : uint8_t {
  kOutside,      // anyone: cells are validated
  kThisProcess,  // a right checksum means that these are the bytes that were written
};

/// Reads sections of a closed file in any order. Thread safe. A section whose checksum or shape is
/// wrong is kBadData with the path and offset.
class StateReader {
 public:
  static Result<std::unique_ptr<StateReader>> Make(Vfs& vfs, std::string path,
                                                   arrow::MemoryPool* pool,
                                                   StateOrigin origin = StateOrigin::kOutside);
  virtual ~StateReader() = default;
  const std::vector<StateSection>& sections() const { return sections_; }
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Read(const StateSection& section) const;
  /// The two halves of Read: what the disk does, and what the processor does.
  Result<std::shared_ptr<arrow::Buffer>> ReadBytes(const StateSection& section) const;
  Result<std::shared_ptr<arrow::RecordBatch>> Parse(
      const StateSection& section, const std::shared_ptr<arrow::Buffer>& bytes) const;
  /// All batches of the key groups [first, last), in the order written.
  Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> ReadGroups(int first, int last) const;

 protected:
  StateReader(std::string path, std::shared_ptr<arrow::io::RandomAccessFile> file,
              std::vector<StateSection> sections, std::vector<SchemaPtr> schemas,
              arrow::MemoryPool* pool, StateOrigin origin = StateOrigin::kOutside);

 private:
  const std::string path_;
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  std::vector<StateSection> sections_;
  std::vector<SchemaPtr> schemas_;
  arrow::MemoryPool* const pool_;
  const StateOrigin origin_;
};

}  // namespace headrace
