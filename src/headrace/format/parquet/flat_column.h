// FlatColumn: the decoder of a column chunk without nesting, page by page.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "headrace/format/parquet/flat_type.h"
#include "headrace/format/parquet/hybrid_decoder.h"
#include "headrace/format/parquet/page_reader.h"
#include "headrace/format/parquet/text_assembly.h"
#include "headrace/format/parquet/value_decoder.h"

namespace headrace::parquet_format {

/// A chunk and how it is to be read.
struct FlatChunk {
  FlatType type;
  ChunkPlace place;
  int64_t rows = 0;  // of the row group
  bool is_optional = false;
};

/// One thread. Memory: what PageReader takes, the dictionary, and the rows that are read. Arrays
/// are valid whatever the file holds. Read and Skip fail with NotImplemented at a page of an
/// encoding that is not decoded here; the rows before it have been read then.
class FlatColumn {
 public:
  /// To be read from row `begin` on, from the nearest page that `map`, which must outlive this,
  /// knows.
  static Result<std::unique_ptr<FlatColumn>> Make(const FlatChunk& chunk, int64_t begin,
                                                  std::shared_ptr<BoundFile> file,
                                                  const PageMemory& memory, PageMap* map,
                                                  arrow::MemoryPool* pool);

  /// At most `rows_max` rows, of text no more than about `bytes_max` bytes or one page; at least
  /// one row. Plain, or with the dictionary of the chunk where that is small. REQUIRES: rows are
  /// left.
  /// `any_codes`: also numbers may come with a small dictionary.
  Result<ArrayPtr> Read(int64_t rows_max, int64_t bytes_max, bool any_codes);
  /// Of the next `*rows` rows those at `picks`, which are ascending, less than `*rows`, and 0 for
  /// the next one. When their texts are more than about `bytes_max` bytes, or encodings change,
  /// only the first `*rows`, at least one, were passed. Encodings as Read.
  Result<ArrayPtr> ReadPicked(std::span<const uint32_t> picks, int64_t* rows, int64_t bytes_max);
  /// REQUIRES: as many rows are left.
  Status Skip(int64_t rows);
  /// Bytes of memory, without those of what was read.
  int64_t bytes() const;

 private:
  /// Rows that are decoded in one go.
  static constexpr int64_t kPieceRows = 1024;

  FlatColumn(const FlatChunk& chunk, PageReader pages, PageMap* map, arrow::MemoryPool* pool);

  Status GoTo(int64_t begin);
  Status NextPage();
  bool IsTaken() const;
  bool IsCoded() const;  // the page has codes of the dictionary
  Status LoadPage();
  bool IsStreamed() const;
  Status LoadStream();
  Status LoadLevels(std::span<const uint8_t> levels);
  int64_t text_bytes() const;
  Status LoadValues(std::span<const uint8_t> values);
  Status FindDictionary();
  Status LoadDictionary();
  Status LoadFixedDictionary(std::span<const uint8_t> page, int64_t count);
  Status LoadTextDictionary(std::span<const uint8_t> page, int64_t count);

  bool IsReadAsCodes(int64_t rows, bool any_codes) const;
  Status SkipInPage(int64_t rows);
  Status BeginRead(int64_t rows_max);
  Status ReadPart(int64_t rows, int64_t bytes_max, bool as_codes);
  Result<int64_t> ReadValidity(int64_t rows);
  Result<const uint32_t*> ReadCodes(int64_t count);
  Result<const uint32_t*> CheckCodes(int64_t count) const;
  void ViewCodes(const uint32_t* codes, int64_t count);
  Status ReadCodesPart(int64_t rows);
  Status ReadFixedPart(int64_t rows);
  Status ReadTextPart(int64_t rows, int64_t bytes_max);
  Result<const std::string_view*> ReadViews(int64_t count);
  Status ReadPicksOfPage(std::span<const uint32_t> picks, int64_t first, int64_t* rows,
                         int64_t bytes_max, bool as_codes);
  Status PickPiece(int64_t rows, int64_t picked, bool as_codes);
  Result<int64_t> PickValid(int64_t rows, int64_t picked, int64_t* valid);
  Status PickFixed(int64_t valid, int64_t picked, uint8_t* out);
  Status PickText(int64_t valid, int64_t valid_picked, int64_t picked);
  Result<const uint32_t*> PickCodes(int64_t valid, int64_t picked);
  Result<ArrayPtr> Finish(bool as_codes);
  void PassRows(int64_t rows);

  const FlatChunk chunk_;
  arrow::MemoryPool* const pool_;
  PageMap* const map_;
  PageReader pages_;
  int64_t row_ = 0;  // the next one

  // The page.
  int64_t page_rows_left_ = 0;
  bool is_loaded_ = false;
  std::unique_ptr<PageStream> stream_;  // of a page that is streamed
  std::vector<uint8_t> level_bytes_;    // of one
  HybridDecoder levels_;
  HybridDecoder codes_;
  std::unique_ptr<FixedDecoder> fixed_;
  std::unique_ptr<TextDecoder> text_;

  // The dictionary, in memory's widths.
  bool has_dictionary_ = false;
  int64_t dictionary_count_ = 0;
  std::shared_ptr<arrow::Buffer> fixed_dictionary_;
  ArrayPtr dictionary_;  // null: of values that are converted
  int64_t text_length_max_ = 1;

  // What is being read.
  int64_t filled_ = 0;
  int64_t null_count_ = 0;
  bool has_unchecked_text_ = false;
  std::shared_ptr<arrow::ResizableBuffer> validity_;
  std::unique_ptr<arrow::ResizableBuffer> values_;
  TextAssembly texts_;
  std::vector<uint32_t> code_piece_;
  std::vector<uint8_t> stored_piece_;
  std::vector<std::string_view> view_piece_;
  std::vector<uint32_t> pick_piece_;  // in the piece
};

}  // namespace headrace::parquet_format
