// Bit masks of 64 bytes by Highway; quotes by prefix xor where every quote stands where RFC 4180
// has it, else byte by byte through the phases.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "headrace/format/csv/structure.cc"
#include "headrace/format/csv/structure.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <hwy/foreach_target.h>  // includes this file once per target

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace headrace::csv::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<uint8_t, 64>;
using Vector = hn::Vec<Tag>;
constexpr size_t kBlock = 64;

struct Block {
  static constexpr size_t kLanes = HWY_MIN(64, HWY_LANES(uint8_t));
  Vector parts[kBlock / kLanes];

  HWY_INLINE explicit Block(const char* data) {
    const Tag tag;
    for (size_t i = 0; i < kBlock / kLanes; ++i) {
      parts[i] = hn::LoadU(tag, reinterpret_cast<const uint8_t*>(data) + i * kLanes);
    }
  }
  /// Bit i: byte i is `byte`.
  HWY_INLINE uint64_t Find(Vector byte) const {
    const Tag tag;
    uint64_t bits = 0;
    for (size_t i = 0; i < kBlock / kLanes; ++i) {
      uint64_t part = 0;
      hn::StoreMaskBits(tag, hn::Eq(parts[i], byte), reinterpret_cast<uint8_t*>(&part));
      bits |= part << (i * kLanes);
    }
    return bits;
  }
};

HWY_INLINE Vector Repeat(int byte) { return hn::Set(Tag(), static_cast<uint8_t>(byte)); }
HWY_INLINE uint64_t LowBits(size_t count) { return count == 64 ? ~0ULL : (1ULL << count) - 1; }

/// Line ends of a block: LF, and CR without an LF behind it.
HWY_INLINE uint64_t FindLineEnds(const Block& block, Vector lf, Vector cr, const char* data) {
  const uint64_t feeds = block.Find(lf);
  const uint64_t returns = block.Find(cr);
  if (returns == 0) return feeds;
  const uint64_t before_feed = feeds >> 1 | static_cast<uint64_t>(data[kBlock] == '\n') << 63;
  return feeds | (returns & ~before_feed);
}

struct Marks {
  uint64_t delimiter;
  uint64_t line_end;
  uint64_t quote;
  uint64_t escape;  // when it is not the quote
  uint64_t comment;
};

struct Ends {
  uint64_t fields;  // those of rows too
  uint64_t rows;
};

class Scan {
 public:
  HWY_INLINE explicit Scan(const Dialect& dialect)
      : dialect_(dialect),
        delimiter_(Repeat(dialect.delimiter)),
        lf_(Repeat('\n')),
        cr_(Repeat('\r')),
        quote_(Repeat(dialect.quote)),
        escape_(Repeat(dialect.escape)),
        comment_(Repeat(dialect.comment)),
        has_quote_(dialect.quote != Dialect::kNone),
        doubled_(dialect.escape == dialect.quote),
        has_escape_(has_quote_ && !doubled_ && dialect.escape != Dialect::kNone),
        has_comment_(dialect.comment != Dialect::kNone) {}

  /// The ends among the first `size` bytes of the block at `data`.
  HWY_INLINE Ends Next(const char* data, size_t size, Phase* phase) const {
    return Next(Mark(data, size), data, size, phase);
  }

  /// Quotes are escaped by quotes, and nothing else is special.
  bool is_simple() const { return doubled_ && !has_comment_; }

  /// The marks of a whole block where is_simple().
  HWY_INLINE Marks MarkBlock(const char* data) const {
    const Block block(data);
    return {.delimiter = block.Find(delimiter_),
            .line_end = FindLineEnds(block, lf_, cr_, data),
            .quote = has_quote_ ? block.Find(quote_) : 0,
            .escape = 0,
            .comment = 0};
  }

  HWY_INLINE Marks Mark(const char* data, size_t size) const {
    const Block block(data);
    const uint64_t valid = LowBits(size);
    Marks marks;
    marks.delimiter = block.Find(delimiter_) & valid;
    marks.line_end = FindLineEnds(block, lf_, cr_, data) & valid;
    marks.quote = has_quote_ ? block.Find(quote_) & valid : 0;
    marks.escape = has_escape_ ? block.Find(escape_) & valid : 0;
    marks.comment = has_comment_ ? block.Find(comment_) & valid : 0;
    return marks;
  }

  HWY_INLINE Ends Next(const Marks& marks, const char* data, size_t size, Phase* phase) const {
    const bool simple = (marks.escape | marks.comment) == 0 && *phase <= Phase::kClosing;
    Ends ends;
    if (simple && marks.quote == 0) return WithoutQuotes(marks, size, phase);
    if (simple && doubled_ && ByParity(marks, size, phase, &ends)) return ends;
    return ByPhases(marks, data, size, phase);
  }

  static HWY_INLINE uint64_t PrefixXor(uint64_t bits) {
    const hn::Full128<uint64_t> tag;
    return hn::GetLane(hn::CLMulLower(hn::Set(tag, bits), hn::Set(tag, ~0ULL)));
  }

  /// The phase behind a block of `size` bytes, `inside` of quotes.
  static HWY_INLINE Phase PhaseBehind(const Marks& marks, uint64_t inside, size_t size) {
    const uint64_t last = 1ULL << (size - 1);
    if ((inside & last) != 0) return Phase::kQuoted;
    if ((marks.quote & last) != 0) return Phase::kClosing;
    if ((marks.line_end & last) != 0) return Phase::kRowStart;
    return (marks.delimiter & last) != 0 ? Phase::kFieldStart : Phase::kUnquoted;
  }

 private:
  static HWY_INLINE Ends WithoutQuotes(const Marks& marks, size_t size, Phase* phase) {
    if (*phase == Phase::kQuoted) return {0, 0};
    *phase = PhaseBehind(marks, 0, size);
    return {marks.delimiter | marks.line_end, marks.line_end};
  }

  /// False when a quote opens elsewhere than behind an end or a closing quote.
  static HWY_INLINE bool ByParity(const Marks& marks, size_t size, Phase* phase, Ends* ends) {
    const bool was_quoted = *phase == Phase::kQuoted;
    const uint64_t inside = PrefixXor(marks.quote) ^ (was_quoted ? ~0ULL : 0);
    const bool may_open = *phase != Phase::kUnquoted;
    const uint64_t all_ends = marks.delimiter | marks.line_end;
    const uint64_t may_open_at = (all_ends | marks.quote) << 1 | static_cast<uint64_t>(may_open);
    if ((marks.quote & inside & ~may_open_at) != 0) return false;
    *ends = {all_ends & ~inside, marks.line_end & ~inside};
    *phase = PhaseBehind(marks, inside, size);
    return true;
  }

  static Phase BehindOrdinary(Phase phase) {
    if (phase == Phase::kEscape) return Phase::kQuoted;
    return phase == Phase::kQuoted || phase == Phase::kComment ? phase : Phase::kUnquoted;
  }
  Phase BehindQuote(Phase phase) const {
    switch (phase) {
      case Phase::kRowStart:
      case Phase::kFieldStart:
      case Phase::kEscape:
        return Phase::kQuoted;
      case Phase::kQuoted:
        return Phase::kClosing;
      case Phase::kClosing:
        return doubled_ ? Phase::kQuoted : Phase::kUnquoted;
      default:
        return phase;
    }
  }
  Phase BehindMark(Phase phase, int byte) const {
    if (has_comment_ && byte == dialect_.comment && phase == Phase::kRowStart) {
      return Phase::kComment;
    }
    if (has_escape_ && byte == dialect_.escape && phase == Phase::kQuoted) return Phase::kEscape;
    if (has_quote_ && byte == dialect_.quote) return BehindQuote(phase);
    return BehindOrdinary(phase);
  }

  HWY_NOINLINE Ends ByPhases(const Marks& marks, const char* data, size_t size,
                             Phase* phase) const {
    Ends ends{0, 0};
    Phase now = *phase;
    const uint64_t all_ends = marks.delimiter | marks.line_end;
    size_t at = 0;
    for (uint64_t left = all_ends | marks.quote | marks.escape | marks.comment; left != 0;
         left &= left - 1) {
      const auto next = static_cast<size_t>(std::countr_zero(left));
      const uint64_t bit = 1ULL << next;
      if (next > at) now = BehindOrdinary(now);
      at = next + 1;
      const bool outside = now != Phase::kQuoted && now != Phase::kEscape;
      if ((marks.line_end & bit) != 0 && outside) {
        ends.fields |= bit;
        ends.rows |= bit;
        now = Phase::kRowStart;
      } else if ((marks.delimiter & bit) != 0 && outside && now != Phase::kComment) {
        ends.fields |= bit;
        now = Phase::kFieldStart;
      } else {
        now = BehindMark(now, static_cast<unsigned char>(data[next]));
      }
    }
    if (at < size) now = BehindOrdinary(now);
    *phase = now;
    return ends;
  }

  const Dialect& dialect_;
  const Vector delimiter_, lf_, cr_, quote_, escape_, comment_;
  const bool has_quote_, doubled_, has_escape_, has_comment_;
};

/// Writes the positions of `bits`, eight at a time: up to seven entries behind them are spoilt.
HWY_INLINE uint32_t* WritePositions(uint64_t bits, uint32_t base, uint32_t* out) {
  uint32_t* const end = out + std::popcount(bits);
  while (bits != 0) {
    for (int i = 0; i < 8; ++i) {
      *out++ = base + static_cast<uint32_t>(std::countr_zero(bits));
      bits &= bits - 1;
    }
  }
  return end;
}

void FindStructure(const Dialect& dialect, const char* data, size_t begin, size_t end, Phase* phase,
                   Structure* structure) {
  const Scan scan(dialect);
  uint32_t* const first_field = structure->field_ends.get();
  uint32_t* field = first_field + structure->num_fields;
  uint32_t* row = structure->row_ends.get() + structure->num_rows;
  Phase now = *phase;
  for (size_t at = begin; at < end; at += kBlock) {
    const Ends ends = scan.Next(data + at, std::min(kBlock, end - at), &now);
    const auto behind = static_cast<uint32_t>(field - first_field) + 1;
    for (uint64_t rows = ends.rows; rows != 0; rows &= rows - 1) {
      *row++ =
          behind + static_cast<uint32_t>(std::popcount(ends.fields & (rows ^ (rows - 1)) >> 1));
    }
    field = WritePositions(ends.fields, static_cast<uint32_t>(at), field);
  }
  *phase = now;
  structure->num_fields = static_cast<size_t>(field - first_field);
  structure->num_rows = static_cast<size_t>(row - structure->row_ends.get());
}

/// Whether every row has so many fields.
class FieldCounter {
 public:
  HWY_INLINE FieldCounter(int num_columns, const Survey& survey)
      : num_columns_(static_cast<uint64_t>(num_columns)),
        open_fields_(static_cast<uint64_t>(survey.fields_of_open_row)),
        odd_(survey.regular ? 0 : 1) {
    for (uint64_t i = 0; i < 64; i += num_columns_) every_ |= 1ULL << i;
  }

#if HWY_TARGET <= HWY_AVX3
  /// `rows`: how many of the ends are those of rows.
  HWY_INLINE void Add(Ends ends, uint64_t rows) {
    const auto count = static_cast<uint64_t>(std::popcount(ends.fields));
    // Fields before the one that ends the open row; past any count when there are too many.
    const uint64_t missing = num_columns_ - 1 - open_fields_;
    const uint64_t expected = missing < count ? every_ << missing : 0;
    const uint64_t found = _pext_u64(ends.rows, ends.fields);
    odd_ |= found ^ _bzhi_u64(expected, static_cast<unsigned>(count));
    // Of no meaning behind a row that was not regular.
    open_fields_ += count - rows * num_columns_;
  }
#else
  HWY_INLINE void Add(Ends ends, uint64_t) {
    for (; ends.rows != 0; ends.rows &= ends.rows - 1) {
      const uint64_t of_row = ends.fields & (ends.rows ^ (ends.rows - 1));
      const auto count = static_cast<uint64_t>(std::popcount(of_row));
      odd_ |= (open_fields_ + count) ^ num_columns_;
      open_fields_ = 0;
      ends.fields ^= of_row;
    }
    open_fields_ += static_cast<uint64_t>(std::popcount(ends.fields));
  }
#endif

  int64_t open_fields() const { return static_cast<int64_t>(open_fields_); }
  bool regular() const { return odd_ == 0; }

 private:
  const uint64_t num_columns_;
  uint64_t every_ = 0;  // bits 0, num_columns …
  uint64_t open_fields_;
  uint64_t odd_;  // not 0 when a row was not regular
};

/// As SurveyText, over whole blocks while every quote stands where it opens, closes or escapes a
/// field; returns where it stopped. REQUIRES: no escapes but doubled quotes, no comments.
HWY_INLINE size_t SurveyByParity(const Scan& scan, const char* data, size_t at, size_t end,
                                 int num_columns, Phase* phase, Survey* survey) {
  FieldCounter fields(num_columns, *survey);
  int64_t lines = 0, rows = 0;
  uint64_t quotes = 0;
  uint64_t carried = *phase == Phase::kQuoted ? ~0ULL : 0;
  uint64_t may_open = *phase != Phase::kUnquoted ? 1 : 0;
  const size_t begin = at;
  for (; at + kBlock <= end; at += kBlock) {
    const Marks marks = scan.MarkBlock(data + at);
    const uint64_t inside = Scan::PrefixXor(marks.quote) ^ carried;
    const uint64_t opening = (marks.delimiter | marks.line_end | marks.quote) << 1 | may_open;
    if ((marks.quote & inside & ~opening) != 0) [[unlikely]]
      break;
    lines += std::popcount(marks.line_end);
    const Ends ends{(marks.delimiter | marks.line_end) & ~inside, marks.line_end & ~inside};
    const int row_ends = std::popcount(ends.rows);
    rows += row_ends;
    fields.Add(ends, static_cast<uint64_t>(row_ends));
    quotes |= marks.quote;
    carried = static_cast<uint64_t>(static_cast<int64_t>(inside) >> 63);
    may_open = (marks.delimiter | marks.line_end | marks.quote) >> 63;
  }
  if (at > begin) *phase = Scan::PhaseBehind(scan.MarkBlock(data + at - kBlock), carried, kBlock);
  *survey = {survey->lines + lines, survey->rows + rows, fields.open_fields(),
             survey->has_quote || quotes != 0, fields.regular()};
  return at;
}

void SurveyBlock(const Scan& scan, const char* data, size_t size, int num_columns, Phase* phase,
                 Survey* survey) {
  FieldCounter fields(num_columns, *survey);
  const Marks marks = scan.Mark(data, size);
  const Ends ends = scan.Next(marks, data, size, phase);
  const int row_ends = std::popcount(ends.rows);
  fields.Add(ends, static_cast<uint64_t>(row_ends));
  *survey = {survey->lines + std::popcount(marks.line_end), survey->rows + row_ends,
             fields.open_fields(), survey->has_quote || marks.quote != 0, fields.regular()};
}

void SurveyText(const Dialect& dialect, const char* data, size_t begin, size_t end, int num_columns,
                Phase* phase, Survey* survey) {
  const Scan scan(dialect);
  for (size_t at = begin; at < end;) {
    if (scan.is_simple() && *phase <= Phase::kClosing) {
      at = SurveyByParity(scan, data, at, end, num_columns, phase, survey);
    }
    if (at == end) break;
    const size_t size = std::min(kBlock, end - at);
    SurveyBlock(scan, data + at, size, num_columns, phase, survey);
    at += size;
  }
}

int64_t CountLineEnds(const char* data, size_t begin, size_t end) {
  const Vector lf = Repeat('\n'), cr = Repeat('\r');
  int64_t count = 0;
  for (size_t at = begin; at < end; at += kBlock) {
    const Block block(data + at);
    const uint64_t valid = LowBits(std::min(kBlock, end - at));
    count += std::popcount(FindLineEnds(block, lf, cr, data + at) & valid);
  }
  return count;
}

TextTraits TraitsOf(const char* data, size_t size) {
  const Tag tag;
  const size_t lanes = hn::Lanes(tag);
  const auto* const bytes = reinterpret_cast<const uint8_t*>(data);
  Vector all = hn::Zero(tag), least = hn::Set(tag, uint8_t{255});
  size_t at = 0;
  for (; at + lanes <= size; at += lanes) {
    const Vector part = hn::LoadU(tag, bytes + at);
    all = hn::Or(all, part);
    least = hn::Min(least, part);
  }
  bool has_nul = !hn::AllFalse(tag, hn::Eq(least, hn::Zero(tag)));
  bool has_high = !hn::AllFalse(tag, hn::Ne(hn::ShiftRight<7>(all), hn::Zero(tag)));
  for (; at < size; ++at) {
    has_nul |= bytes[at] == 0;
    has_high |= bytes[at] > 127;
  }
  return {has_nul, !has_high};
}

bool HoldsAny(std::string_view bytes, const char* data, size_t size) {
  const Tag tag;
  const size_t lanes = hn::Lanes(tag);
  size_t at = 0;
  for (; at + lanes <= size; at += lanes) {
    const Vector part = hn::LoadU(tag, reinterpret_cast<const uint8_t*>(data) + at);
    Vector found = hn::Zero(tag);
    for (const char byte : bytes) {
      const Vector wanted = Repeat(static_cast<unsigned char>(byte));
      found = hn::Or(found, hn::VecFromMask(tag, hn::Eq(part, wanted)));
    }
    if (!hn::AllFalse(tag, hn::Ne(found, hn::Zero(tag)))) return true;
  }
  return std::string_view(data + at, size - at).find_first_of(bytes) != std::string_view::npos;
}

}  // namespace headrace::csv::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headrace::csv {

namespace {

/// Entries that WritePositions may spoil behind the last one.
constexpr size_t kSpoiltMax = 8;

void Grow(std::unique_ptr<uint32_t[]>* entries, size_t used, size_t wanted, size_t* capacity) {
  if (wanted <= *capacity) return;
  *capacity = std::bit_ceil(wanted);
  auto grown = std::make_unique_for_overwrite<uint32_t[]>(*capacity);
  if (used > 0) std::memcpy(grown.get(), entries->get(), used * sizeof(uint32_t));
  *entries = std::move(grown);
}

}  // namespace

void Structure::Reserve(size_t more_fields, size_t more_rows) {
  Grow(&field_ends, num_fields, num_fields + more_fields + kSpoiltMax, &fields_capacity_);
  Grow(&row_ends, num_rows, num_rows + more_rows, &rows_capacity_);
}

void Structure::DropRows(size_t row_begin, size_t shift) {
  const size_t first = FirstField(num_rows);
  Reserve(1, 0);
  const size_t left = num_fields > first ? num_fields - first : 0;
  for (size_t i = 0; i < left; ++i) {
    field_ends[1 + i] = field_ends[first + i] - static_cast<uint32_t>(shift);
  }
  field_ends[0] = static_cast<uint32_t>(row_begin - shift - 1);
  num_fields = left + 1;
  num_rows = 0;
}

HWY_EXPORT(FindStructure);
HWY_EXPORT(SurveyText);
HWY_EXPORT(CountLineEnds);
HWY_EXPORT(TraitsOf);
HWY_EXPORT(HoldsAny);

void FindStructure(const Dialect& dialect, const char* data, size_t begin, size_t end, Phase* phase,
                   Structure* structure) {
  structure->Reserve(end - begin, end - begin);  // one end per byte at most
  HWY_DYNAMIC_DISPATCH(FindStructure)(dialect, data, begin, end, phase, structure);
}

void SurveyText(const Dialect& dialect, const char* data, size_t begin, size_t end, int num_columns,
                Phase* phase, Survey* survey) {
  HWY_DYNAMIC_DISPATCH(SurveyText)(dialect, data, begin, end, num_columns, phase, survey);
}

int64_t CountLineEnds(const char* data, size_t begin, size_t end) {
  return HWY_DYNAMIC_DISPATCH(CountLineEnds)(data, begin, end);
}

TextTraits TraitsOf(const char* data, size_t size) {
  return HWY_DYNAMIC_DISPATCH(TraitsOf)(data, size);
}

bool HoldsAny(std::string_view bytes, const char* data, size_t size) {
  return HWY_DYNAMIC_DISPATCH(HoldsAny)(bytes, data, size);
}

}  // namespace headrace::csv
#endif
