// The last page takes rows until it is full, then it is sealed: cut to size, not written again.
// Pages with many dead rows are written anew, so at least two thirds of the rows held live.
#include "headrace/connect/memory/row_pages.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "arrow/array.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/datum.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "arrow/util/bit_util.h"
#include "arrow/util/bitmap_ops.h"
#include "headrace/base/check.h"
#include "headrace/connect/memory/row_ids.h"
#include "headrace/memory/block_filler.h"

namespace headrace {
namespace {

constexpr int64_t kPageTextBytes = int64_t{1} << 20;  // a page with more takes no more rows
constexpr int64_t kPagesMax = (int64_t{1} << (32 - RowPages::kPageBits)) - 1;
constexpr size_t kArraysMax = 16;  // of one column of a page before they are made one
constexpr int64_t kFirstRows = 64;
// From this length on, the bytes of dead texts decide with the rows about compaction.
constexpr int64_t kLongTextBytes = 256;

int64_t CapacityOf(const std::shared_ptr<arrow::ResizableBuffer>& buffer) {
  return buffer == nullptr ? 0 : buffer->capacity();
}

// Makes `buffer` at least `bytes` large, doubling up to `bytes_max`.
Status Grow(std::shared_ptr<arrow::ResizableBuffer>* buffer, int64_t bytes, int64_t bytes_max,
            arrow::MemoryPool* pool) {
  if (*buffer != nullptr && (*buffer)->size() >= bytes) return Status::OK();
  const int64_t doubled = *buffer == nullptr ? 0 : (*buffer)->size() * 2;
  const int64_t wanted = std::max(bytes, std::min(doubled, bytes_max));
  if (*buffer != nullptr) return (*buffer)->Resize(wanted, /*shrink_to_fit=*/false);
  ARROW_ASSIGN_OR_RAISE(*buffer, arrow::AllocateResizableBuffer(wanted, pool));
  return Status::OK();
}

int64_t BytesOfArrays(const arrow::ArrayVector& arrays) {
  int64_t bytes = 0;
  for (const ArrayPtr& array : arrays) bytes += Batch({array}, array->length()).num_bytes();
  return bytes;
}

}  // namespace

struct RowPages::PageColumn {
  std::shared_ptr<arrow::ResizableBuffer> valid;
  std::shared_ptr<arrow::ResizableBuffer> values;
  std::shared_ptr<arrow::ResizableBuffer> text;
  int64_t text_bytes = 0;
  arrow::ArrayVector arrays;  // of kArrays

  int64_t bytes() const {
    return CapacityOf(valid) + CapacityOf(values) + CapacityOf(text) + BytesOfArrays(arrays);
  }
};

struct RowPages::Page {
  struct WriteTime {
    uint32_t first_row;
    int64_t micros;
  };

  int64_t text_bytes() const {
    int64_t all = 0;
    for (const PageColumn& column : columns) all += column.text_bytes;
    return all;
  }
  bool IsLive(uint32_t row) const { return (live[row / 64] >> (row % 64) & 1) != 0; }
  bool HasManyDead() const {
    return 3 * live_rows < 2 * rows ||
           (has_long_texts && 3 * dead_text_bytes > std::max(text_bytes(), kPageTextBytes / 16));
  }
  int64_t CountBytes() const {
    int64_t all = static_cast<int64_t>(sizeof(Page) + times.capacity() * sizeof(WriteTime) +
                                       columns.size() * (sizeof(PageColumn) + sizeof(PageCells)));
    for (const PageColumn& column : columns) all += block == nullptr ? column.bytes() : 0;
    return all;
  }

  uint64_t sequence = 0;  // rises in table order
  uint64_t born = 0;      // the epoch of its first row
  uint32_t rows = 0;
  uint32_t live_rows = 0;
  bool is_sealed = false;
  bool has_long_texts = false;
  int64_t dead_text_bytes = 0;  // counted when it is sealed and has long texts
  bool is_sparse = false;       // it waits for its compaction
  int64_t bytes = 0;            // as counted in page_bytes_
  uint8_t* block = nullptr;     // on disk, with all cells; null: they are in memory
  int64_t block_bytes = 0;
  std::array<uint64_t, kLiveWords> live{};
  std::vector<WriteTime> times;  // ascending; each holds until the next
  std::vector<PageColumn> columns;
};

RowPages::RowPages(SchemaPtr schema, arrow::MemoryPool* pool)
    : schema_(std::move(schema)), pool_(pool) {
  for (const auto& field : schema_->fields()) {
    Column column{.type = field->type(), .kind = Kind::kArrays};
    const arrow::Type::type id = column.type->id();
    if (id == arrow::Type::BOOL) {
      column.kind = Kind::kBits;
    } else if (id == arrow::Type::STRING || id == arrow::Type::BINARY) {
      column.kind = Kind::kText;
    } else if (arrow::is_fixed_width(id) && id != arrow::Type::DICTIONARY) {
      column.width = static_cast<const arrow::FixedWidthType&>(*column.type).bit_width() / 8;
      if (column.width > 0) column.kind = Kind::kFixed;
    }
    columns_.push_back(std::move(column));
  }
}

RowPages::~RowPages() {
  for (uint32_t number = 0; number < pages_.size(); ++number) {
    if (pages_[number] != nullptr) Drop(number);
  }
}

Result<uint32_t> RowPages::NewPage(uint64_t sequence, uint64_t epoch) {
  if (free_.empty()) {
    if (static_cast<int64_t>(pages_.size()) >= kPagesMax) {
      return Error(ErrorKind::kMemoryLimit, "expected at most {} pages of rows", kPagesMax);
    }
    free_.push_back(static_cast<uint32_t>(pages_.size()));
    pages_.emplace_back();
    for (Column& column : columns_) column.pages.emplace_back();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  pages_[number] = std::make_unique<Page>();
  pages_[number]->sequence = sequence;
  pages_[number]->born = epoch;
  pages_[number]->columns.resize(columns_.size());
  return number;
}

// Tells readers where the cells stand, and counts them.
void RowPages::Publish(uint32_t number) {
  Page& page = *pages_[number];
  for (size_t i = 0; i < columns_.size(); ++i) {
    const PageColumn& cells = page.columns[i];
    PageCells& out = columns_[i].pages[number];
    if (cells.valid != nullptr && out.valid == nullptr) ++columns_[i].pages_with_nulls;
    out.values = cells.values == nullptr ? nullptr : cells.values->data();
    out.valid = cells.valid == nullptr ? nullptr : cells.valid->data();
    out.text = cells.text == nullptr ? nullptr : cells.text->data();
  }
  const int64_t bytes = page.CountBytes();
  page_bytes_ += bytes - page.bytes;
  page.bytes = bytes;
}

int64_t RowPages::TextBytes(const std::vector<ArrayPtr>& columns, int64_t begin,
                            int64_t count) const {
  int64_t bytes = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].kind != Kind::kText) continue;
    const auto& text = static_cast<const arrow::BinaryArray&>(*columns[i]);
    if (count > 0) bytes += text.value_offset(begin + count) - text.value_offset(begin);
  }
  return bytes;
}

int64_t RowPages::RowsThatFit(const Page& page, const std::vector<ArrayPtr>& columns, int64_t begin,
                              int64_t count) const {
  const int64_t room = kPageTextBytes - page.text_bytes();
  int64_t rows = std::min<int64_t>(count, kPageRows - page.rows);
  while (rows > 0 && TextBytes(columns, begin, rows) > room) rows /= 2;
  return rows == 0 && page.rows == 0 ? 1 : rows;
}

Status RowPages::Append(const std::vector<ArrayPtr>& columns, int64_t begin, int64_t count,
                        uint64_t epoch, int64_t micros, std::vector<RowId>* ids) {
  while (count > 0) {
    if (order_.empty() || pages_[order_.back()]->is_sealed) {
      ARROW_ASSIGN_OR_RAISE(const uint32_t fresh, NewPage(next_sequence_++, epoch));
      order_.push_back(fresh);
    }
    const uint32_t number = order_.back();
    Page& page = *pages_[number];
    const int64_t fitting = RowsThatFit(page, columns, begin, count);
    if (fitting == 0) {
      ARROW_RETURN_NOT_OK(Seal(number));
      continue;
    }
    const uint32_t first = page.rows;
    if (page.times.empty() || page.times.back().micros != micros) {
      page.times.push_back({first, micros});
    }
    ARROW_RETURN_NOT_OK(AppendTo(number, columns, begin, fitting));
    for (uint32_t row = first; row < page.rows; ++row) ids->push_back(number << kPageBits | row);
    begin += fitting;
    count -= fitting;
    if (page.rows == kPageRows) ARROW_RETURN_NOT_OK(Seal(number));
  }
  return Status::OK();
}

Status RowPages::AppendTo(uint32_t number, const std::vector<ArrayPtr>& columns, int64_t begin,
                          int64_t count) {
  Page& page = *pages_[number];
  for (size_t i = 0; i < columns_.size(); ++i) {
    ARROW_RETURN_NOT_OK(
        AppendCells(columns_[i], page.columns[i], page.rows, columns[i], begin, count));
  }
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t row = page.rows++;
    page.live[row / 64] |= uint64_t{1} << (row % 64);
  }
  page.live_rows += static_cast<uint32_t>(count);
  num_live_ += count;
  Publish(number);
  return Status::OK();
}

Status RowPages::AppendCells(Column& column, PageColumn& cells, uint32_t rows,
                             const ArrayPtr& array, int64_t begin, int64_t count) {
  if (column.kind == Kind::kArrays) return AppendArray(cells, array, begin, count);
  ARROW_RETURN_NOT_OK(AppendValid(cells, rows, *array, begin, count));
  if (column.kind == Kind::kText) return AppendText(cells, rows, *array, begin, count);
  const arrow::ArrayData& data = *array->data();
  const uint8_t* source = data.buffers[1] == nullptr ? nullptr : data.buffers[1]->data();
  if (column.kind == Kind::kBits) {
    ARROW_RETURN_NOT_OK(Grow(&cells.values, kPageRows / 8, kPageRows / 8, pool_));
    if (rows == 0) std::memset(cells.values->mutable_data(), 0, kPageRows / 8);
    arrow::internal::CopyBitmap(source, data.offset + begin, count, cells.values->mutable_data(),
                                rows);
    return Status::OK();
  }
  const int64_t width = column.width;
  const int64_t wanted = std::max((rows + count), kFirstRows) * width;
  ARROW_RETURN_NOT_OK(Grow(&cells.values, wanted, kPageRows * width, pool_));
  std::memcpy(cells.values->mutable_data() + rows * width, source + (data.offset + begin) * width,
              static_cast<size_t>(count * width));
  return Status::OK();
}

Status RowPages::AppendValid(PageColumn& cells, uint32_t rows, const arrow::Array& array,
                             int64_t begin, int64_t count) {
  if (array.null_count() == 0) return Status::OK();
  for (int64_t i = 0; i < count; ++i) {
    if (array.IsValid(begin + i)) continue;
    if (cells.valid == nullptr) {
      ARROW_RETURN_NOT_OK(Grow(&cells.valid, kPageRows / 8, kPageRows / 8, pool_));
      std::memset(cells.valid->mutable_data(), 0xff, kPageRows / 8);
    }
    arrow::bit_util::ClearBit(cells.valid->mutable_data(), rows + i);
  }
  return Status::OK();
}

Status RowPages::AppendText(PageColumn& cells, uint32_t rows, const arrow::Array& array,
                            int64_t begin, int64_t count) {
  const auto& source = static_cast<const arrow::BinaryArray&>(array);
  const int32_t first = source.value_offset(begin);
  const int64_t bytes = source.value_offset(begin + count) - first;
  const int64_t wanted = (std::max(rows + count, kFirstRows) + 1) * 4;
  ARROW_RETURN_NOT_OK(Grow(&cells.values, wanted, (kPageRows + 1) * 4, pool_));
  ARROW_RETURN_NOT_OK(Grow(&cells.text, cells.text_bytes + bytes, kPageTextBytes, pool_));
  if (bytes > 0) {
    std::memcpy(cells.text->mutable_data() + cells.text_bytes, source.value_data()->data() + first,
                static_cast<size_t>(bytes));
  }
  auto* offsets = cells.values->mutable_data_as<int32_t>();
  if (rows == 0) offsets[0] = 0;
  const int32_t shift = static_cast<int32_t>(cells.text_bytes) - first;
  for (int64_t i = 1; i <= count; ++i) {
    offsets[rows + i] = source.value_offset(begin + i) + shift;
  }
  cells.text_bytes += bytes;
  return Status::OK();
}

Status RowPages::AppendArray(PageColumn& cells, const ArrayPtr& array, int64_t begin,
                             int64_t count) {
  // Taken, not sliced: a slice keeps the whole.
  std::vector<int64_t> rows(static_cast<size_t>(count));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = begin + static_cast<int64_t>(i);
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr ids, RowIdsOf(rows, pool_));
  arrow::compute::ExecContext context(pool_);
  ARROW_ASSIGN_OR_RAISE(
      const arrow::Datum taken,
      arrow::compute::Take(array, ids, arrow::compute::TakeOptions::NoBoundsCheck(), &context));
  cells.arrays.push_back(taken.make_array());
  if (cells.arrays.size() <= kArraysMax) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(ArrayPtr all, arrow::Concatenate(cells.arrays, pool_));
  cells.arrays = {std::move(all)};
  return Status::OK();
}

Status RowPages::Seal(uint32_t number) {
  Page& page = *pages_[number];
  page.is_sealed = true;
  for (size_t i = 0; i < columns_.size(); ++i) {
    PageColumn& cells = page.columns[i];
    const bool is_text = columns_[i].kind == Kind::kText;
    const int64_t width = is_text ? 4 : columns_[i].width;
    if (width > 0 && cells.values != nullptr) {
      ARROW_RETURN_NOT_OK(cells.values->Resize((page.rows + (is_text ? 1 : 0)) * width, true));
    }
    if (cells.text != nullptr) ARROW_RETURN_NOT_OK(cells.text->Resize(cells.text_bytes, true));
    if (cells.arrays.size() > 1) {
      ARROW_ASSIGN_OR_RAISE(ArrayPtr all, arrow::Concatenate(cells.arrays, pool_));
      cells.arrays = {std::move(all)};
    }
  }
  Publish(number);
  page.has_long_texts = page.text_bytes() >= kLongTextBytes * page.rows;
  for (uint32_t row = 0; page.has_long_texts && row < page.rows; ++row) {
    if (!page.IsLive(row)) page.dead_text_bytes += TextBytesOf(number << kPageBits | row);
  }
  full_.push_back(number);
  NoteIfSparse(number);
  return Status::OK();
}

void RowPages::NoteIfSparse(uint32_t number) {
  Page& page = *pages_[number];
  if (!page.is_sealed || page.is_sparse || !page.HasManyDead()) return;
  page.is_sparse = true;
  sparse_.push_back(number);
}

int64_t RowPages::TextBytesOf(RowId row) const {
  int64_t all = 0;
  for (const Column& column : columns_) {
    const PageCells& cells = column.pages[row >> kPageBits];
    if (cells.text == nullptr) continue;
    const auto* ends = reinterpret_cast<const int32_t*>(cells.values) + (row & (kPageRows - 1));
    all += ends[1] - ends[0];
  }
  return all;
}

bool RowPages::IsLive(RowId row) const { return PageOf(row).IsLive(row & (kPageRows - 1)); }

uint64_t RowPages::PlaceOfRow(RowId row) const {
  return PageOf(row).sequence << kPageBits | (row & (kPageRows - 1));
}

void RowPages::Kill(RowId row) {
  Page& page = PageOf(row);
  const uint32_t at = row & (kPageRows - 1);
  HEADRACE_DCHECK(IsLive(row), "a dead row dies");
  page.live[at / 64] &= ~(uint64_t{1} << (at % 64));
  --page.live_rows;
  --num_live_;
  if (page.is_sealed && page.has_long_texts) page.dead_text_bytes += TextBytesOf(row);
  NoteIfSparse(row >> kPageBits);
}

uint32_t RowPages::LivePage::AppendRows(uint32_t begin, int64_t count,
                                        std::vector<int64_t>* rows) const {
  for (uint32_t at = begin; at < kPageRows;) {
    const uint64_t word = live[at / 64] >> (at % 64);
    if (word == 0) {
      at = (at / 64 + 1) * 64;
      continue;
    }
    if (count-- <= 0) return at;
    at += static_cast<uint32_t>(std::countr_zero(word));
    rows->push_back(page << kPageBits | at);
    ++at;
  }
  return kPageRows;
}

void RowPages::LivePage::KeepFrom(uint32_t begin) {
  for (uint32_t word = 0; word < begin / 64; ++word) live[word] = 0;
  live[begin / 64] &= ~uint64_t{0} << (begin % 64);
  live_rows = 0;
  for (const uint64_t word : live) live_rows += std::popcount(word);
}

std::vector<RowPages::LivePage> RowPages::LivePagesFrom(uint64_t place) const {
  const uint64_t sequence = place >> kPageBits;
  std::vector<LivePage> live;
  for (size_t at = FirstPlaceFrom(sequence); at < order_.size(); ++at) {
    const Page& page = *pages_[order_[at]];
    if (page.live_rows == 0) continue;
    const int64_t row_bytes = (page.bytes + page.block_bytes) / page.rows + 1;
    live.push_back({order_[at], page.live_rows, row_bytes, page.live});
    if (page.sequence > sequence) continue;
    live.back().KeepFrom(place & (kPageRows - 1));
    if (live.back().live_rows == 0) live.pop_back();
  }
  return live;
}

void RowPages::SetMark() {
  const Page* const last = order_.empty() ? nullptr : pages_[order_.back()].get();
  const bool is_open = last != nullptr && !last->is_sealed;
  mark_ = is_open ? last->sequence << kPageBits | last->rows : next_sequence_ << kPageBits;
}

// The mark goes where the first row behind it has gone. `old` are the pages moved from, in order.
void RowPages::MoveMark(const Move& move, std::span<const uint32_t> old) {
  const uint64_t first = pages_[old.front()]->sequence;
  const uint64_t sequence = mark_ >> kPageBits;
  if (sequence < first || sequence > pages_[old.back()]->sequence) return;
  const auto rows_before = std::count_if(move.from.begin(), move.from.end(), [this](int64_t row) {
    return PlaceOfRow(static_cast<RowId>(row)) < mark_;
  });
  mark_ = (first << kPageBits) + static_cast<uint64_t>(rows_before);
}

uint32_t RowPages::TakeSparsePage() {
  while (!sparse_.empty()) {
    const uint32_t number = sparse_.front();
    sparse_.pop_front();
    if (pages_[number] == nullptr || !pages_[number]->is_sparse) continue;
    pages_[number]->is_sparse = false;
    return number;
  }
  return kNoPage;
}

size_t RowPages::PlaceOf(uint32_t number) const { return FirstPlaceFrom(pages_[number]->sequence); }

size_t RowPages::FirstPlaceFrom(uint64_t sequence) const {
  const auto place = std::lower_bound(
      order_.begin(), order_.end(), sequence,
      [&](uint32_t page, uint64_t wanted) { return pages_[page]->sequence < wanted; });
  return static_cast<size_t>(place - order_.begin());
}

// The page behind or before whose rows fit beside those of the page at `place`.
uint32_t RowPages::NeighbourOf(size_t place) const {
  const Page& page = *pages_[order_[place]];
  for (const size_t beside : {place + 1, place - 1}) {
    if (beside >= order_.size()) continue;
    const Page& other = *pages_[order_[beside]];
    if (!other.is_sealed || other.live_rows + page.live_rows > kPageRows) continue;
    if (other.text_bytes() + page.text_bytes() > kPageTextBytes) continue;
    return order_[beside];
  }
  return kNoPage;
}

Result<RowPages::Move> RowPages::Compact(uint32_t number, uint64_t epoch) {
  size_t place = PlaceOf(number);
  HEADRACE_CHECK(place < order_.size() && order_[place] == number, "a page that is in no order");
  std::vector<uint32_t> old = {number};
  if (const uint32_t beside = NeighbourOf(place); beside != kNoPage) {
    old.push_back(beside);
    if (pages_[beside]->sequence < pages_[number]->sequence) {
      std::swap(old[0], old[1]);
      --place;
    }
  }
  Move move;
  ARROW_ASSIGN_OR_RAISE(const uint32_t fresh, NewPage(pages_[old[0]]->sequence, epoch));
  Page& page = *pages_[fresh];
  for (const uint32_t from : old) {
    const Page& source = *pages_[from];
    for (size_t i = 0; i < source.times.size(); ++i) {
      const uint32_t end =
          i + 1 < source.times.size() ? source.times[i + 1].first_row : source.rows;
      const auto first = static_cast<uint32_t>(move.from.size());
      for (uint32_t row = source.times[i].first_row; row < end; ++row) {
        const RowId id = from << kPageBits | row;
        if (IsLive(id)) move.from.push_back(id);
      }
      const bool any = move.from.size() > first;
      const bool is_new = page.times.empty() || page.times.back().micros < source.times[i].micros;
      if (any && is_new) page.times.push_back({first, source.times[i].micros});
    }
  }
  std::vector<int> columns(columns_.size());
  for (size_t i = 0; i < columns.size(); ++i) columns[i] = static_cast<int>(i);
  const auto count = static_cast<int64_t>(move.from.size());
  ARROW_ASSIGN_OR_RAISE(move.columns, Gather(move.from, columns, pool_));
  if (count > 0) ARROW_RETURN_NOT_OK(AppendTo(fresh, move.columns, 0, count));
  num_live_ -= count;  // they live in both until now
  MoveMark(move, old);
  ARROW_RETURN_NOT_OK(Seal(fresh));
  for (uint32_t row = 0; row < page.rows; ++row) move.to.push_back(fresh << kPageBits | row);
  const auto at = order_.begin() + static_cast<std::ptrdiff_t>(place);
  order_.erase(at, at + static_cast<std::ptrdiff_t>(old.size()));
  for (const uint32_t from : old) Retire(from, epoch);
  move.retired = std::move(old);
  if (count > 0) {
    order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(place), fresh);
  } else {
    Retire(fresh, epoch);
  }
  return move;
}

void RowPages::Retire(uint32_t number, uint64_t epoch) {
  pages_[number]->is_sparse = false;
  retired_.push_back({number, epoch});
}

void RowPages::Release(std::span<const uint64_t> pins) {
  std::erase_if(retired_, [&](const Retired& retired) {
    const uint64_t born = pages_[retired.page]->born;
    const auto sees = [&](uint64_t pin) { return born <= pin && pin < retired.epoch; };
    if (std::any_of(pins.begin(), pins.end(), sees)) return false;
    Drop(retired.page);
    for (Column& column : columns_) {
      PageCells& cells = column.pages[retired.page];
      if (cells.valid != nullptr) --column.pages_with_nulls;
      cells = {};
    }
    free_.push_back(retired.page);
    return true;
  });
}

void RowPages::Drop(uint32_t number) {
  Page& page = *pages_[number];
  page_bytes_ -= page.bytes;
  if (page.block != nullptr) disk_->Free(page.block, page.block_bytes);
  pages_[number].reset();
}

// ---- On disk ----

Status RowPages::MovePage(uint32_t number) {
  Page& page = *pages_[number];
  const auto fill = [&page](BlockFiller* filler, std::vector<PageCells>* cells,
                            std::vector<arrow::ArrayVector>* arrays) {
    const auto take = [&](const auto& buffer, int64_t bytes) {
      return buffer == nullptr ? nullptr : filler->Take(buffer->data(), bytes);
    };
    for (size_t i = 0; i < page.columns.size(); ++i) {
      const PageColumn& column = page.columns[i];
      const auto size = [](const auto& buffer) { return buffer == nullptr ? 0 : buffer->size(); };
      (*cells)[i].values = take(column.values, size(column.values));
      (*cells)[i].valid = take(column.valid, size(column.valid));
      (*cells)[i].text = take(column.text, size(column.text));
      (*arrays)[i].clear();
      for (const ArrayPtr& array : column.arrays) {
        (*arrays)[i].push_back(arrow::MakeArray(filler->Take(*array->data())));
      }
    }
  };
  std::vector<PageCells> cells(columns_.size());
  std::vector<arrow::ArrayVector> arrays(columns_.size());
  BlockFiller counted(nullptr);
  fill(&counted, &cells, &arrays);
  ARROW_ASSIGN_OR_RAISE(page.block, disk_->Allocate(counted.filled()));
  page.block_bytes = counted.filled();
  BlockFiller filler(page.block);
  fill(&filler, &cells, &arrays);
  for (size_t i = 0; i < columns_.size(); ++i) {
    columns_[i].pages[number] = cells[i];
    PageColumn& column = page.columns[i];
    column.values.reset();
    column.valid.reset();
    column.text.reset();
    column.arrays = std::move(arrays[i]);
  }
  const int64_t bytes = page.CountBytes();
  page_bytes_ += bytes - page.bytes;
  page.bytes = bytes;
  return Status::OK();
}

Result<int64_t> RowPages::MoveToDisk(SpillMap* disk, int64_t bytes) {
  disk_ = disk;
  const int64_t before = page_bytes_;
  while (!full_.empty() && before - page_bytes_ < bytes) {
    const uint32_t number = full_.front();
    full_.pop_front();
    const Page* const page = pages_[number].get();
    const bool is_movable = page != nullptr && page->is_sealed && page->block == nullptr;
    if (is_movable && page->rows > 0) ARROW_RETURN_NOT_OK(MovePage(number));
  }
  return before - page_bytes_;
}

std::vector<int64_t> RowPages::RowsBefore(int64_t micros, int64_t count_max) const {
  std::vector<int64_t> rows;
  for (const uint32_t number : order_) {
    const Page& page = *pages_[number];
    for (size_t i = 0; i < page.times.size(); ++i) {
      if (page.times[i].micros >= micros) return rows;
      const uint32_t end = i + 1 < page.times.size() ? page.times[i + 1].first_row : page.rows;
      for (uint32_t row = page.times[i].first_row; row < end; ++row) {
        const RowId id = number << kPageBits | row;
        if (!IsLive(id)) continue;
        if (static_cast<int64_t>(rows.size()) == count_max) return rows;
        rows.push_back(id);
      }
    }
  }
  return rows;
}

int64_t RowPages::bytes() const {
  size_t lists = pages_.capacity() * sizeof(pages_[0]) + retired_.capacity() * sizeof(Retired);
  lists +=
      (free_.capacity() + order_.capacity() + sparse_.size() + full_.size()) * sizeof(uint32_t);
  return page_bytes_ + static_cast<int64_t>(lists);
}

int64_t RowPages::BytesToAppend(int64_t rows, int64_t row_bytes) const {
  // The last page may double what it has, and a page may be written anew.
  const int64_t last = order_.empty() ? 0 : pages_[order_.back()]->bytes;
  const int64_t pages = rows / kPageRows + 2;
  const int64_t page_bytes = static_cast<int64_t>(
      sizeof(Page) + columns_.size() * (sizeof(PageColumn) + sizeof(PageCells) + kPageRows / 8));
  return last + rows * row_bytes + kFirstRows * row_bytes + pages * page_bytes;
}

// ---- Reading ----

namespace {

template <int kWidth>
void CopyFixed(std::span<const int64_t> rows, const PageCells* pages, int width, uint8_t* out) {
  const size_t bytes = kWidth > 0 ? kWidth : static_cast<size_t>(width);
  for (const int64_t row : rows) {
    if (row >= 0) [[likely]] {
      const PageCells& page = pages[row >> RowPages::kPageBits];
      const auto at = static_cast<size_t>(row & (RowPages::kPageRows - 1));
      std::memcpy(out, page.values + at * bytes, bytes);
    } else {
      std::memset(out, 0, bytes);
    }
    out += bytes;
  }
}

void CopyCells(std::span<const int64_t> rows, const PageCells* pages, int width, uint8_t* out) {
  switch (width) {
    case 1:
      return CopyFixed<1>(rows, pages, width, out);
    case 2:
      return CopyFixed<2>(rows, pages, width, out);
    case 4:
      return CopyFixed<4>(rows, pages, width, out);
    case 8:
      return CopyFixed<8>(rows, pages, width, out);
    case 16:
      return CopyFixed<16>(rows, pages, width, out);
    default:
      return CopyFixed<0>(rows, pages, width, out);
  }
}

template <typename BitOf>
Result<std::shared_ptr<arrow::Buffer>> MakeBits(std::span<const int64_t> rows, const BitOf& bit_of,
                                                arrow::MemoryPool* pool) {
  const auto length = static_cast<int64_t>(rows.size());
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(length, pool));
  uint8_t* out = bits->mutable_data();
  for (size_t i = 0; i < rows.size(); ++i) {
    out[i / 8] |= static_cast<uint8_t>(bit_of(rows[i]) ? 1U << (i % 8) : 0U);
  }
  return bits;
}

bool BitAt(const uint8_t* bits, int64_t row) {
  return arrow::bit_util::GetBit(bits, row & (RowPages::kPageRows - 1));
}

}  // namespace

Result<std::vector<ArrayPtr>> RowPages::Gather(std::span<const int64_t> rows,
                                               std::span<const int> columns,
                                               arrow::MemoryPool* pool) const {
  bool any_missing = false;
  for (const int64_t row : rows) any_missing |= row < 0;
  std::vector<ArrayPtr> gathered;
  gathered.reserve(columns.size());
  for (const int index : columns) {
    const auto i = static_cast<size_t>(index);
    ARROW_ASSIGN_OR_RAISE(gathered.emplace_back(),
                          GatherColumn(columns_[i], i, rows, any_missing, pool));
  }
  return gathered;
}

Result<ArrayPtr> RowPages::GatherColumn(const Column& column, size_t index,
                                        std::span<const int64_t> rows, bool any_missing,
                                        arrow::MemoryPool* pool) const {
  if (column.kind == Kind::kArrays) return GatherArrays(column, index, rows, pool);
  const PageCells* pages = column.pages.data();
  std::shared_ptr<arrow::Buffer> valid;
  if (any_missing || column.pages_with_nulls > 0) {
    const auto is_valid = [&](int64_t row) {
      if (row < 0) return false;
      const uint8_t* bits = pages[row >> kPageBits].valid;
      return bits == nullptr || BitAt(bits, row);
    };
    ARROW_ASSIGN_OR_RAISE(valid, MakeBits(rows, is_valid, pool));
  }
  if (column.kind == Kind::kText) return GatherText(column, rows, std::move(valid), pool);
  const auto length = static_cast<int64_t>(rows.size());
  std::shared_ptr<arrow::Buffer> values;
  if (column.kind == Kind::kBits) {
    const auto is_set = [&](int64_t row) {
      return row >= 0 && BitAt(pages[row >> kPageBits].values, row);
    };
    ARROW_ASSIGN_OR_RAISE(values, MakeBits(rows, is_set, pool));
  } else {
    ARROW_ASSIGN_OR_RAISE(auto cells, arrow::AllocateBuffer(length * column.width, pool));
    CopyCells(rows, pages, column.width, cells->mutable_data());
    values = std::move(cells);
  }
  const int64_t nulls = valid == nullptr ? 0 : arrow::kUnknownNullCount;
  return arrow::MakeArray(
      arrow::ArrayData::Make(column.type, length, {std::move(valid), std::move(values)}, nulls));
}

Result<ArrayPtr> RowPages::GatherText(const Column& column, std::span<const int64_t> rows,
                                      std::shared_ptr<arrow::Buffer> valid,
                                      arrow::MemoryPool* pool) const {
  const auto length = static_cast<int64_t>(rows.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> ends,
                        arrow::AllocateBuffer((length + 1) * 4, pool));
  auto* offsets = ends->mutable_data_as<int32_t>();
  std::vector<const uint8_t*> texts(rows.size());
  int64_t bytes = 0;
  offsets[0] = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= 0) {
      const PageCells& page = column.pages[static_cast<size_t>(rows[i] >> kPageBits)];
      const auto at = static_cast<size_t>(rows[i] & (kPageRows - 1));
      const auto* cell = reinterpret_cast<const int32_t*>(page.values) + at;
      texts[i] = page.text + cell[0];
      __builtin_prefetch(texts[i]);
      bytes += cell[1] - cell[0];
    }
    if (bytes > INT32_MAX) {
      return Error(ErrorKind::kMemoryLimit, "{} rows of text have more than {} bytes", length,
                   INT32_MAX);
    }
    offsets[i + 1] = static_cast<int32_t>(bytes);
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> text, arrow::AllocateBuffer(bytes, pool));
  uint8_t* out = text->mutable_data();
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto size = static_cast<size_t>(offsets[i + 1] - offsets[i]);
    if (size > 0) std::memcpy(out + offsets[i], texts[i], size);
  }
  const int64_t nulls = valid == nullptr ? 0 : arrow::kUnknownNullCount;
  return arrow::MakeArray(arrow::ArrayData::Make(
      column.type, length, {std::move(valid), std::move(ends), std::move(text)}, nulls));
}

Result<ArrayPtr> RowPages::GatherArrays(const Column& column, size_t index,
                                        std::span<const int64_t> rows,
                                        arrow::MemoryPool* pool) const {
  constexpr int64_t kUnseen = -1;
  std::vector<int64_t> first_of(pages_.size(), kUnseen);  // the page's first row among `parts`
  arrow::ArrayVector parts;
  int64_t total = 0;
  std::vector<int64_t> wanted;
  wanted.reserve(rows.size());
  for (const int64_t row : rows) {
    if (row < 0) {
      wanted.push_back(-1);
      continue;
    }
    const auto number = static_cast<size_t>(row >> kPageBits);
    if (first_of[number] == kUnseen) {
      first_of[number] = total;
      const arrow::ArrayVector& arrays = pages_[number]->columns[index].arrays;
      for (const ArrayPtr& array : arrays) total += array->length();
      parts.insert(parts.end(), arrays.begin(), arrays.end());
    }
    wanted.push_back(first_of[number] + (row & (kPageRows - 1)));
  }
  if (parts.empty()) return arrow::MakeArrayOfNull(column.type, std::ssize(rows), pool);
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr all,
                        parts.size() == 1 ? parts[0] : arrow::Concatenate(parts, pool));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr ids, RowIdsOf(wanted, pool));
  arrow::compute::ExecContext context(pool);
  ARROW_ASSIGN_OR_RAISE(
      const arrow::Datum taken,
      arrow::compute::Take(all, ids, arrow::compute::TakeOptions::NoBoundsCheck(), &context));
  return taken.make_array();
}

}  // namespace headrace
