// RowPages: rows of a table in columnar pages of plain Arrow layout. Rows are never changed where
// they stand: a table kills the old row and appends the new one.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "arrow/buffer.h"
#include "headrace/memory/spill_map.h"
#include "headrace/types/batch.h"

namespace headrace {

/// Page << RowPages::kPageBits | row in the page. It means another row once its page is released.
using RowId = uint32_t;
inline constexpr RowId kNoRow = 0xffffffffU;

/// Where the cells of one column in one page stand; null where there are none.
struct PageCells {
  const uint8_t* values = nullptr;  // of fixed width, bits, or int32 offsets into `text`
  const uint8_t* valid = nullptr;
  const uint8_t* text = nullptr;
};

/// Table order is the order of appending; compaction keeps it. Readers may run side by side while
/// no one writes.
class RowPages {
 public:
  static constexpr int kPageBits = 12;
  static constexpr uint32_t kPageRows = 1U << kPageBits;
  static constexpr uint32_t kLiveWords = kPageRows / 64;

  /// `schema` has plain types, of any kind.
  RowPages(SchemaPtr schema, arrow::MemoryPool* pool);
  ~RowPages();

  /// Appends living rows [begin, begin + count) of plain `columns`, written at `micros`; their ids
  /// are added to `ids`. After a failure the pages are of no use any more.
  Status Append(const std::vector<ArrayPtr>& columns, int64_t begin, int64_t count, uint64_t epoch,
                int64_t micros, std::vector<RowId>* ids);
  /// REQUIRES: it lives.
  void Kill(RowId row);
  bool IsLive(RowId row) const;
  /// Rises in table order.
  uint64_t PlaceOfRow(RowId row) const;
  int64_t num_live() const { return num_live_; }

  /// Columns of `rows` (−1: null), which may be dead, but not released.
  Result<std::vector<ArrayPtr>> Gather(std::span<const int64_t> rows, std::span<const int> columns,
                                       arrow::MemoryPool* pool) const;
  std::span<const PageCells> CellsOf(int column) const {
    return columns_[static_cast<size_t>(column)].pages;
  }

  /// The living rows now, page by page in table order.
  struct LivePage {
    uint32_t page;
    int64_t live_rows;
    int64_t row_bytes;  // of one row, about
    std::array<uint64_t, kLiveWords> live;

    /// Adds the ids of at most `count` living rows from row `begin` on; gives the row to go on at.
    uint32_t AppendRows(uint32_t begin, int64_t count, std::vector<int64_t>* rows) const;
    void KeepFrom(uint32_t begin);
  };
  std::vector<LivePage> LivePages() const { return LivePagesFrom(0); }
  /// Of them those appended since SetMark, wherever they stand by now.
  std::vector<LivePage> LivePagesBehindMark() const { return LivePagesFrom(mark_); }
  void SetMark();

  /// Rows that took another place, in table order, with their cells.
  struct Move {
    std::vector<int64_t> from;
    std::vector<RowId> to;
    std::vector<ArrayPtr> columns;
    std::vector<uint32_t> retired;  // pages
  };
  /// A page of whose rows many are dead since it was looked at, or none: kNoPage.
  static constexpr uint32_t kNoPage = 0xffffffffU;
  uint32_t TakeSparsePage();
  /// Writes the living rows of the page, and of a neighbour that fits beside, into a new one, and
  /// retires the old: they can be read until Release.
  Result<Move> Compact(uint32_t page, uint64_t epoch);
  /// Frees the retired pages that no pin (an epoch) sees.
  void Release(std::span<const uint64_t> pins);

  /// Living rows written before `micros`, as far as they are the first ones of the table.
  std::vector<int64_t> RowsBefore(int64_t micros, int64_t count_max) const;

  /// Moves full pages to `disk`, the oldest first, until `bytes` of memory are free; gives those
  /// freed. Then their cells are read from there. `disk` is always the same and outlives the pages.
  Result<int64_t> MoveToDisk(SpillMap* disk, int64_t bytes);

  /// Memory held, retired pages included.
  int64_t bytes() const;
  /// At most held more after appending rows of so many bytes.
  int64_t BytesToAppend(int64_t rows, int64_t row_bytes) const;

 private:
  enum class Kind : uint8_t { kFixed, kBits, kText, kArrays };
  struct Column {
    TypePtr type;
    Kind kind;
    int width = 0;  // bytes of a cell of kFixed
    int64_t pages_with_nulls = 0;
    std::vector<PageCells> pages;
  };
  struct PageColumn;
  struct Page;

  std::vector<LivePage> LivePagesFrom(uint64_t place) const;
  void MoveMark(const Move& move, std::span<const uint32_t> old);
  Page& PageOf(RowId row) const { return *pages_[row >> kPageBits]; }
  Result<uint32_t> NewPage(uint64_t sequence, uint64_t epoch);
  Status Seal(uint32_t page);
  void NoteIfSparse(uint32_t page);
  Status AppendTo(uint32_t page, const std::vector<ArrayPtr>& columns, int64_t begin,
                  int64_t count);
  Status AppendCells(Column& column, PageColumn& cells, uint32_t rows, const ArrayPtr& array,
                     int64_t begin, int64_t count);
  Status AppendValid(PageColumn& cells, uint32_t rows, const arrow::Array& array, int64_t begin,
                     int64_t count);
  Status AppendText(PageColumn& cells, uint32_t rows, const arrow::Array& array, int64_t begin,
                    int64_t count);
  Status AppendArray(PageColumn& cells, const ArrayPtr& array, int64_t begin, int64_t count);
  void Publish(uint32_t page);
  Status MovePage(uint32_t page);
  int64_t TextBytesOf(RowId row) const;
  void Drop(uint32_t page);
  int64_t TextBytes(const std::vector<ArrayPtr>& columns, int64_t begin, int64_t count) const;
  int64_t RowsThatFit(const Page& page, const std::vector<ArrayPtr>& columns, int64_t begin,
                      int64_t count) const;
  void Retire(uint32_t page, uint64_t epoch);
  uint32_t NeighbourOf(size_t place) const;
  size_t PlaceOf(uint32_t page) const;
  size_t FirstPlaceFrom(uint64_t sequence) const;
  Result<ArrayPtr> GatherColumn(const Column& column, size_t index, std::span<const int64_t> rows,
                                bool any_missing, arrow::MemoryPool* pool) const;
  Result<ArrayPtr> GatherText(const Column& column, std::span<const int64_t> rows,
                              std::shared_ptr<arrow::Buffer> valid, arrow::MemoryPool* pool) const;
  Result<ArrayPtr> GatherArrays(const Column& column, size_t index, std::span<const int64_t> rows,
                                arrow::MemoryPool* pool) const;

  const SchemaPtr schema_;
  arrow::MemoryPool* const pool_;
  std::vector<Column> columns_;
  std::vector<std::unique_ptr<Page>> pages_;  // by number; null: free
  std::vector<uint32_t> free_;
  std::vector<uint32_t> order_;  // numbers of the pages with rows, in table order
  struct Retired {
    uint32_t page;
    uint64_t epoch;
  };
  std::vector<Retired> retired_;
  std::deque<uint32_t> sparse_;
  std::deque<uint32_t> full_;  // sealed pages in memory, and some that are not any more
  SpillMap* disk_ = nullptr;
  uint64_t next_sequence_ = 0;
  uint64_t mark_ = 0;  // a place as of PlaceOfRow
  int64_t num_live_ = 0;
  int64_t page_bytes_ = 0;
};

}  // namespace headrace
