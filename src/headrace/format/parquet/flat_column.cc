// Decoding of flat columns: pages, the dictionary, validity, values. Values are decoded without
// nulls and then moved to their rows.
#include "headrace/format/parquet/flat_column.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "arrow/array.h"
#include "arrow/array/array_dict.h"
#include "arrow/array/data.h"
#include "arrow/buffer.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "headrace/base/check.h"
#include "headrace/format/parquet/bit_unpack.h"
#include "headrace/format/parquet/spread.h"

namespace headrace::parquet_format {
namespace {

/// A dictionary goes along with batches when it is at most this large and has at most one value for
/// so many rows: every batch is taken to be as large as its dictionary too.
constexpr int64_t kDictionaryBytesMax = int64_t{32} << 10;
constexpr int64_t kRowsPerDictionaryValue = 4;
constexpr int kCodeWidthMax = 32;

int64_t SizeOf(std::span<const uint8_t> bytes) { return static_cast<int64_t>(bytes.size()); }

}  // namespace

FlatColumn::FlatColumn(const FlatChunk& chunk, PageReader pages, PageMap* map,
                       arrow::MemoryPool* pool)
    : chunk_(chunk), pool_(pool), map_(map), pages_(std::move(pages)), texts_(pool) {}

Result<std::unique_ptr<FlatColumn>> FlatColumn::Make(const FlatChunk& chunk, int64_t begin,
                                                     std::shared_ptr<BoundFile> file,
                                                     const PageMemory& memory, PageMap* map,
                                                     arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(PageReader pages,
                        PageReader::Make(std::move(file), chunk.place, memory, pool));
  std::unique_ptr<FlatColumn> column(new FlatColumn(chunk, std::move(pages), map, pool));
  if (begin > 0) ARROW_RETURN_NOT_OK(column->GoTo(begin));
  return column;
}

Status FlatColumn::GoTo(int64_t begin) {
  if (const auto place = map_->Before(begin); place.has_value()) {
    ARROW_RETURN_NOT_OK(pages_.Seek(place->offset));
    row_ = place->row;
  }
  return Skip(begin - row_);
}

// ---- Pages ----

Status FlatColumn::NextPage() {
  while (page_rows_left_ == 0) {
    ARROW_ASSIGN_OR_RAISE(const bool has_page, pages_.Next());
    if (!has_page) return Status::Invalid("expected ", chunk_.rows, " values, got ", row_);
    const PageHeader& header = pages_.header();
    const bool is_data =
        header.kind == PageHeader::Kind::kData || header.kind == PageHeader::Kind::kDataV2;
    if (!is_data) continue;
    if (header.num_values > chunk_.rows - row_) {
      return Status::Invalid("expected ", chunk_.rows, " values, got ", row_ + header.num_values);
    }
    map_->Add({row_, pages_.offset()});
    page_rows_left_ = header.num_values;
    is_loaded_ = false;
  }
  return Status::OK();
}

bool FlatColumn::IsCoded() const {
  const Encoding encoding = pages_.header().encoding;
  return encoding == Encoding::kPlainDictionary || encoding == Encoding::kRleDictionary;
}

bool FlatColumn::IsTaken() const {
  const PageHeader& header = pages_.header();
  if (header.kind == PageHeader::Kind::kData && chunk_.is_optional &&
      header.level_encoding != Encoding::kRle) {
    return false;
  }
  return IsCoded() || HasDecoder(header.encoding, chunk_.type);
}

/// Levels come first: behind their length in version 1, of a length that the header has in version
/// 2.
Status FlatColumn::LoadPage() {
  if (IsCoded() && !has_dictionary_) ARROW_RETURN_NOT_OK(FindDictionary());
  if (IsStreamed()) return LoadStream();
  stream_ = nullptr;
  const PageHeader& header = pages_.header();
  ARROW_ASSIGN_OR_RAISE(std::span<const uint8_t> page, pages_.Read());
  int64_t before = 0, levels = 0;
  if (header.kind == PageHeader::Kind::kDataV2) {
    before = header.repetition_bytes;
    levels = header.definition_bytes;
  } else if (chunk_.is_optional) {
    uint32_t length = 0;
    before = sizeof length;
    if (SizeOf(page) < before) return Status::Invalid("a page without levels");
    std::memcpy(&length, page.data(), sizeof length);
    levels = length;
  }
  if (before + levels > SizeOf(page)) {
    return Status::Invalid("levels of ", levels, " bytes in a page of ", page.size());
  }
  levels_ = HybridDecoder(page.data() + before, levels, 1);
  is_loaded_ = true;
  return LoadValues(page.subspan(static_cast<size_t>(before + levels)));
}

bool FlatColumn::IsStreamed() const {
  return pages_.CanStream() && pages_.header().encoding == Encoding::kPlain &&
         chunk_.type.physical != parquet::Type::BOOLEAN;
}

/// As LoadPage; levels, which are few bytes, are taken along.
Status FlatColumn::LoadStream() {
  fixed_ = nullptr;
  text_ = nullptr;
  const PageHeader& header = pages_.header();
  if (header.kind == PageHeader::Kind::kDataV2) {
    ARROW_ASSIGN_OR_RAISE(const auto levels, pages_.ReadLevels());
    ARROW_RETURN_NOT_OK(LoadLevels(levels.subspan(static_cast<size_t>(header.repetition_bytes))));
  }
  ARROW_ASSIGN_OR_RAISE(stream_, pages_.Stream());
  if (header.kind == PageHeader::Kind::kData && chunk_.is_optional) {
    uint32_t length = 0;
    ARROW_RETURN_NOT_OK(stream_->Need(sizeof length));
    std::memcpy(&length, stream_->ready().data(), sizeof length);
    stream_->Consume(sizeof length);
    ARROW_RETURN_NOT_OK(stream_->Need(length));
    ARROW_RETURN_NOT_OK(LoadLevels(stream_->ready().first(length)));
    stream_->Consume(length);
  }
  is_loaded_ = true;
  if (chunk_.type.is_text()) {
    text_ = MakeTextDecoder(*stream_, text_bytes());
  } else {
    fixed_ = MakeFixedDecoder(*stream_, chunk_.type.stored_width);
  }
  return Status::OK();
}

Status FlatColumn::LoadLevels(std::span<const uint8_t> levels) {
  level_bytes_.assign(levels.begin(), levels.end());
  level_bytes_.resize(levels.size() + kPagePadding);
  levels_ = HybridDecoder(level_bytes_.data(), SizeOf(levels), 1);
  return Status::OK();
}

/// Of a text of the page, with its length: of a dictionary the longest, else the mean.
int64_t FlatColumn::text_bytes() const {
  if (IsCoded()) return text_length_max_;
  const PageHeader& header = pages_.header();
  return header.plain_bytes / std::max<int64_t>(1, header.num_values) + 1;
}

int64_t FlatColumn::bytes() const {
  int64_t bytes = pages_.bytes() + (stream_ == nullptr ? 0 : stream_->bytes());
  if (fixed_dictionary_ != nullptr) return bytes + fixed_dictionary_->size();
  if (dictionary_ == nullptr) return bytes;
  for (const auto& buffer : dictionary_->data()->buffers) {
    if (buffer != nullptr) bytes += buffer->size();
  }
  return bytes;
}

Status FlatColumn::LoadValues(std::span<const uint8_t> values) {
  const Encoding encoding = pages_.header().encoding;
  if (IsCoded()) {
    const int width = values.empty() ? 0 : values[0];
    if (width > kCodeWidthMax) return Status::Invalid("codes of ", width, " bits");
    codes_ = values.empty() ? HybridDecoder()
                            : HybridDecoder(values.data() + 1, SizeOf(values) - 1, width);
    return Status::OK();
  }
  if (chunk_.type.is_text()) {
    ARROW_ASSIGN_OR_RAISE(text_, MakeTextDecoder(encoding, values));
  } else {
    ARROW_ASSIGN_OR_RAISE(fixed_, MakeFixedDecoder(encoding, chunk_.type, values));
  }
  return Status::OK();
}

/// The dictionary is the first page of a chunk; it is not read before codes are.
Status FlatColumn::FindDictionary() {
  const int64_t offset = pages_.offset();
  ARROW_RETURN_NOT_OK(pages_.Seek(chunk_.place.offset));
  ARROW_RETURN_NOT_OK(pages_.Next().status());
  if (pages_.header().kind != PageHeader::Kind::kDictionary) {
    return Status::Invalid("a page of codes, but no dictionary");
  }
  ARROW_RETURN_NOT_OK(LoadDictionary());
  ARROW_RETURN_NOT_OK(pages_.Seek(offset));
  return pages_.Next().status();
}

Status FlatColumn::LoadDictionary() {
  const int64_t count = pages_.header().num_values;
  const Encoding encoding = pages_.header().encoding;
  if (encoding != Encoding::kPlain && encoding != Encoding::kPlainDictionary) {
    return Status::Invalid("a dictionary of encoding ", static_cast<int>(encoding));
  }
  ARROW_ASSIGN_OR_RAISE(const std::span<const uint8_t> page, pages_.Read());
  const int64_t width =
      chunk_.type.is_text() ? int64_t{sizeof(uint32_t)} : int64_t{chunk_.type.stored_width};
  if (count * width > SizeOf(page) * (chunk_.type.physical == parquet::Type::BOOLEAN ? 8 : 1)) {
    return Status::Invalid("a dictionary of ", page.size(), " bytes for ", count, " values");
  }
  has_dictionary_ = true;
  dictionary_count_ = count;
  return chunk_.type.is_text() ? LoadTextDictionary(page, count) : LoadFixedDictionary(page, count);
}

Status FlatColumn::LoadFixedDictionary(std::span<const uint8_t> page, int64_t count) {
  const FlatType& type = chunk_.type;
  ARROW_ASSIGN_OR_RAISE(const auto decoder, MakeFixedDecoder(Encoding::kPlain, type, page));
  ARROW_ASSIGN_OR_RAISE(fixed_dictionary_, arrow::AllocateBuffer(count * type.width, pool_));
  uint8_t* out = fixed_dictionary_->mutable_data();
  if (type.convert == nullptr) {
    dictionary_ =
        arrow::MakeArray(arrow::ArrayData::Make(type.type, count, {nullptr, fixed_dictionary_}, 0));
    return decoder->Read(count, out);
  }
  std::vector<uint8_t> stored(static_cast<size_t>(count * type.stored_width));
  ARROW_RETURN_NOT_OK(decoder->Read(count, stored.data()));
  type.convert(stored.data(), count, type.stored_width, out);
  return Status::OK();
}

Status FlatColumn::LoadTextDictionary(std::span<const uint8_t> page, int64_t count) {
  ARROW_ASSIGN_OR_RAISE(const auto decoder, MakeTextDecoder(Encoding::kPlain, page));
  TextAssembly values(pool_);
  ARROW_RETURN_NOT_OK(values.Begin(count));
  std::string_view views[kPieceRows];
  for (int64_t done = 0; done < count;) {
    const int64_t part = std::min(count - done, kPieceRows);
    ARROW_RETURN_NOT_OK(decoder->Read(part, views));
    ARROW_RETURN_NOT_OK(values.Append(views, part, nullptr, 0, part));
    for (int64_t i = 0; i < part; ++i) {
      text_length_max_ = std::max(text_length_max_, static_cast<int64_t>(views[i].size()));
    }
    done += part;
  }
  ARROW_ASSIGN_OR_RAISE(dictionary_, values.Finish(chunk_.type.type, nullptr, 0));
  if (chunk_.type.type->id() != arrow::Type::STRING) return Status::OK();
  const auto& texts = static_cast<const arrow::BinaryArray&>(*dictionary_);
  return CheckUtf8(texts.raw_value_offsets(), count, texts.raw_data());
}

// ---- Rows ----

Status FlatColumn::Skip(int64_t rows) {
  while (rows > 0) {
    ARROW_RETURN_NOT_OK(NextPage());
    const int64_t part = std::min(rows, page_rows_left_);
    ARROW_RETURN_NOT_OK(SkipInPage(part));
    rows -= part;
  }
  return Status::OK();
}

/// A page that is skipped whole is not loaded.
Status FlatColumn::SkipInPage(int64_t rows) {
  if (rows < page_rows_left_) {
    if (!IsTaken()) return Status::NotImplemented("an encoding that is not decoded here");
    if (!is_loaded_) ARROW_RETURN_NOT_OK(LoadPage());
    int64_t values = rows;
    if (chunk_.is_optional) {
      ARROW_ASSIGN_OR_RAISE(values, levels_.SkipBits(rows));
    }
    ARROW_RETURN_NOT_OK(IsCoded()               ? codes_.Skip(values)
                        : chunk_.type.is_text() ? text_->Skip(values)
                                                : fixed_->Skip(values));
  }
  PassRows(rows);
  return Status::OK();
}

void FlatColumn::PassRows(int64_t rows) {
  row_ += rows;
  page_rows_left_ -= rows;
}

/// Whether the page is of a small dictionary that is worth going along with `rows` rows.
bool FlatColumn::IsReadAsCodes(int64_t rows, bool any_codes) const {
  const bool can_be = chunk_.type.is_text() || (any_codes && chunk_.type.convert == nullptr &&
                                                chunk_.type.type->id() != arrow::Type::BOOL);
  const int64_t value_bytes = chunk_.type.is_text() ? text_length_max_ : chunk_.type.width;
  return can_be && IsCoded() && dictionary_count_ * kRowsPerDictionaryValue <= rows &&
         dictionary_count_ * value_bytes <= kDictionaryBytesMax;
}

Result<ArrayPtr> FlatColumn::Read(int64_t rows_max, int64_t bytes_max, bool any_codes) {
  rows_max = std::min(rows_max, chunk_.rows - row_);
  HEADRACE_CHECK(rows_max > 0, "no rows are left");
  if (!chunk_.type.is_text()) {
    rows_max = std::clamp<int64_t>(bytes_max / chunk_.type.width, 1, rows_max);
  }
  ARROW_RETURN_NOT_OK(BeginRead(rows_max));
  bool as_codes = false;
  while (filled_ < rows_max && (as_codes || texts_.bytes() < bytes_max)) {
    if (page_rows_left_ == 0) ARROW_RETURN_NOT_OK(NextPage());
    if (!IsTaken()) {
      if (filled_ > 0) break;
      return Status::NotImplemented("an encoding that is not decoded here");
    }
    if (!is_loaded_) ARROW_RETURN_NOT_OK(LoadPage());
    const bool is_coded = IsReadAsCodes(rows_max, any_codes);
    if (filled_ > 0 && as_codes != is_coded) break;
    as_codes = is_coded;
    ARROW_RETURN_NOT_OK(
        ReadPart(std::min(rows_max - filled_, page_rows_left_), bytes_max, as_codes));
  }
  return Finish(as_codes);
}

Status FlatColumn::BeginRead(int64_t rows_max) {
  filled_ = null_count_ = 0;
  has_unchecked_text_ = false;
  if (chunk_.is_optional && validity_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(validity_, arrow::AllocateResizableBuffer(0, pool_));
  }
  if (chunk_.is_optional) {
    const int64_t bytes = arrow::bit_util::BytesForBits(rows_max);
    ARROW_RETURN_NOT_OK(validity_->Resize(bytes, false));
    std::memset(validity_->mutable_data(), 0, static_cast<size_t>(bytes));
  }
  const int64_t width = std::max<int64_t>(chunk_.type.width, sizeof(uint32_t));  // of codes, too
  if (values_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(values_, arrow::AllocateResizableBuffer(rows_max * width, pool_));
  } else {
    ARROW_RETURN_NOT_OK(values_->Resize(rows_max * width, false));
  }
  return chunk_.type.is_text() ? texts_.Begin(rows_max) : Status::OK();
}

/// Rows of one page; fewer when their texts are many bytes.
Status FlatColumn::ReadPart(int64_t rows, int64_t bytes_max, bool as_codes) {
  for (const int64_t end = filled_ + rows;
       filled_ < end && (as_codes || texts_.bytes() < bytes_max);) {
    int64_t part = std::min(end - filled_, kPieceRows);
    if (as_codes) {
      ARROW_RETURN_NOT_OK(ReadCodesPart(part));
    } else if (!chunk_.type.is_text()) {
      ARROW_RETURN_NOT_OK(ReadFixedPart(part));
    } else {
      // A value may be large, and any number of rows may have one of a dictionary.
      part = std::clamp<int64_t>(bytes_max / text_bytes(), 1, part);
      ARROW_RETURN_NOT_OK(ReadTextPart(part, bytes_max));
    }
    filled_ += part;
    PassRows(part);
  }
  return Status::OK();
}

/// The bits of the next rows; how many of them are valid.
Result<int64_t> FlatColumn::ReadValidity(int64_t rows) {
  if (!chunk_.is_optional) return rows;
  ARROW_ASSIGN_OR_RAISE(const int64_t valid,
                        levels_.ReadBits(rows, validity_->mutable_data(), filled_));
  null_count_ += rows - valid;
  return valid;
}

/// Codes that are in the dictionary.
Result<const uint32_t*> FlatColumn::ReadCodes(int64_t count) {
  code_piece_.resize(kPieceRows);
  ARROW_RETURN_NOT_OK(codes_.Read(count, code_piece_.data()));
  return CheckCodes(count);
}

/// The first `count` of code_piece_, all in the dictionary.
Result<const uint32_t*> FlatColumn::CheckCodes(int64_t count) const {
  const uint32_t max = MaxCode(code_piece_.data(), count);
  if (count > 0 && max >= dictionary_count_) {
    return Status::Invalid("the code ", max, " in a dictionary of ", dictionary_count_, " values");
  }
  return code_piece_.data();
}

Status FlatColumn::ReadCodesPart(int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(const int64_t valid, ReadValidity(rows));
  ARROW_ASSIGN_OR_RAISE(const uint32_t* codes, ReadCodes(valid));
  constexpr int kWidth = sizeof *codes;
  uint8_t* out = values_->mutable_data() + filled_ * kWidth;
  std::memcpy(out, codes, static_cast<size_t>(valid * kWidth));
  if (valid < rows) Spread(out, kWidth, rows, valid, validity_->data(), filled_);
  return Status::OK();
}

Status FlatColumn::ReadFixedPart(int64_t rows) {
  const FlatType& type = chunk_.type;
  ARROW_ASSIGN_OR_RAISE(const int64_t valid, ReadValidity(rows));
  uint8_t* out = values_->mutable_data() + filled_ * type.width;
  if (IsCoded()) {
    ARROW_ASSIGN_OR_RAISE(const uint32_t* codes, ReadCodes(valid));
    GatherValues(fixed_dictionary_->data(), type.width, codes, valid, out);
  } else if (type.convert == nullptr) {
    ARROW_RETURN_NOT_OK(fixed_->Read(valid, out));
  } else {
    stored_piece_.resize(static_cast<size_t>(kPieceRows * type.stored_width));
    ARROW_RETURN_NOT_OK(fixed_->Read(valid, stored_piece_.data()));
    type.convert(stored_piece_.data(), valid, type.stored_width, out);
  }
  if (valid < rows) Spread(out, type.width, rows, valid, validity_->data(), filled_);
  return Status::OK();
}

Result<const std::string_view*> FlatColumn::ReadViews(int64_t count) {
  view_piece_.resize(kPieceRows);
  if (!IsCoded()) {
    has_unchecked_text_ = true;
    ARROW_RETURN_NOT_OK(text_->Read(count, view_piece_.data()));
    return view_piece_.data();
  }
  ARROW_ASSIGN_OR_RAISE(const uint32_t* codes, ReadCodes(count));
  ViewCodes(codes, count);
  return view_piece_.data();
}

/// Into view_piece_.
void FlatColumn::ViewCodes(const uint32_t* codes, int64_t count) {
  const auto& texts = static_cast<const arrow::BinaryArray&>(*dictionary_);
  const int32_t* offsets = texts.raw_value_offsets();
  const auto* data = reinterpret_cast<const char*>(texts.raw_data());
  for (int64_t i = 0; i < count; ++i) {
    const int32_t* offset = offsets + codes[i];
    view_piece_[static_cast<size_t>(i)] = {data + offset[0],
                                           static_cast<size_t>(offset[1] - offset[0])};
  }
}

Status FlatColumn::ReadTextPart(int64_t rows, int64_t bytes_max) {
  ARROW_ASSIGN_OR_RAISE(const int64_t valid, ReadValidity(rows));
  ARROW_ASSIGN_OR_RAISE(const std::string_view* views, ReadViews(valid));
  const uint8_t* bits = validity_ == nullptr ? nullptr : validity_->data();
  return texts_.Append(views, valid, bits, filled_, rows);
}

// ---- Arrays ----

Result<ArrayPtr> FlatColumn::Finish(bool as_codes) {
  const FlatType& type = chunk_.type;
  std::shared_ptr<arrow::Buffer> validity;
  if (null_count_ > 0) {
    ARROW_RETURN_NOT_OK(validity_->Resize(arrow::bit_util::BytesForBits(filled_), false));
    validity = std::exchange(validity_, nullptr);
  }
  if (type.is_text() && !as_codes) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr array,
                          texts_.Finish(type.type, std::move(validity), null_count_));
    if (!has_unchecked_text_ || type.type->id() != arrow::Type::STRING) return array;
    const auto& texts = static_cast<const arrow::BinaryArray&>(*array);
    ARROW_RETURN_NOT_OK(CheckUtf8(texts.raw_value_offsets(), filled_, texts.raw_data()));
    return array;
  }
  std::shared_ptr<arrow::Buffer> values = std::move(values_);
  if (type.type->id() == arrow::Type::BOOL) {
    const std::shared_ptr<arrow::Buffer> bytes = std::move(values);
    ARROW_ASSIGN_OR_RAISE(values,
                          arrow::AllocateBuffer(arrow::bit_util::BytesForBits(filled_), pool_));
    PackBooleans(bytes->data(), filled_, values->mutable_data());
  }
  const TypePtr to = as_codes ? arrow::dictionary(arrow::int32(), type.type) : type.type;
  auto data =
      arrow::ArrayData::Make(to, filled_, {std::move(validity), std::move(values)}, null_count_);
  if (as_codes) data->dictionary = dictionary_->data();
  return arrow::MakeArray(std::move(data));
}

}  // namespace headrace::parquet_format
