// Column builders: a template per way of parsing.
#include "headrace/format/csv/column_builder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/util.h"
#include "arrow/buffer_builder.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "arrow/util/bit_util.h"
#include "arrow/util/decimal.h"
#include "arrow/util/float16.h"
#include "headrace/format/csv/cell.h"
#include "headrace/format/csv/null_rows.h"

namespace headrace::csv {
namespace {

/// A place for a value of so many bytes.
template <size_t size>
struct Bytes {
  uint8_t bytes[size];
};

/// Values of fixed width; `Parse` is bool(std::string_view, Value*), which may read kTextPadding
/// bytes behind the text.
template <typename Value, typename Parse>
class ValueColumn final : public ColumnBuilder {
 public:
  ValueColumn(const TypePtr& type, std::string expected, const FieldRules& rules,
              arrow::MemoryPool* pool, Parse parse)
      : type_(type),
        expected_(std::move(expected)),
        rules_(rules),
        pool_(pool),
        values_(pool),
        parse_(std::move(parse)) {}

  Status Append(const RowBlock& block, int column, std::vector<int64_t>* misfits) override {
    ARROW_RETURN_NOT_OK(values_.Reserve(block.num_rows));
    Value* out = reinterpret_cast<Value*>(values_.mutable_data()) + length_;
    for (int64_t row = 0; row < block.num_rows; ++row, ++out) {
      std::string_view text = block.field(row, column);
      bool fits = true;
      if (rules_.text.IsQuoted(text)) [[unlikely]] {
        fits = rules_.text.Unquote(text, &scratch_, &text);
      } else if (rules_.nulls.Contains(text)) {
        AddNull(row, out);
        continue;
      }
      if (fits && (parse_(text, out) || parse_(Trim(text), out))) [[likely]]
        continue;
      misfits->push_back(row);
      AddNull(row, out);
    }
    values_.UnsafeAdvance(block.num_rows);
    length_ += block.num_rows;
    return Status::OK();
  }
  std::string expected() const override { return expected_; }

  Result<ArrayPtr> Finish() override {
    const int64_t length = std::exchange(length_, 0);
    const int64_t null_count = nulls_.count();
    ARROW_ASSIGN_OR_RAISE(auto validity, nulls_.Finish(length, pool_));
    ARROW_ASSIGN_OR_RAISE(auto values, values_.Finish(false));
    if constexpr (std::is_same_v<Value, bool>) {
      ARROW_ASSIGN_OR_RAISE(values, PackBits(*values, length));
    }
    return arrow::MakeArray(arrow::ArrayData::Make(
        type_, length, {std::move(validity), std::move(values)}, null_count));
  }

 private:
  void AddNull(int64_t row, Value* out) {
    nulls_.Add(length_ + row);
    *out = Value{};
  }
  Result<std::shared_ptr<arrow::Buffer>> PackBits(const arrow::Buffer& bytes, int64_t length) {
    ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(length, pool_));
    for (int64_t i = 0; i < length; ++i) {
      if (bytes.data()[i] != 0) arrow::bit_util::SetBit(bits->mutable_data(), i);
    }
    return std::shared_ptr<arrow::Buffer>(std::move(bits));
  }

  const TypePtr type_;
  const std::string expected_;
  const FieldRules& rules_;
  arrow::MemoryPool* const pool_;
  arrow::TypedBufferBuilder<Bytes<sizeof(Value)>> values_;
  NullRows nulls_;
  int64_t length_ = 0;
  Parse parse_;
  std::string scratch_;
};

/// Binary, of fixed or any length (`width` < 0).
template <typename Builder>
class BinaryColumn final : public ColumnBuilder {
 public:
  BinaryColumn(const TypePtr& type, int width, const FieldRules& rules, arrow::MemoryPool* pool)
      : width_(width), rules_(rules), builder_(type, pool) {}

  Status Append(const RowBlock& block, int column, std::vector<int64_t>* misfits) override {
    for (int64_t row = 0; row < block.num_rows; ++row) {
      std::string_view text = block.field(row, column);
      bool fits = true;
      if (rules_.text.IsQuoted(text)) {
        fits = rules_.text.Unquote(text, &scratch_, &text);
      } else if (rules_.nulls.Contains(text)) {
        ARROW_RETURN_NOT_OK(builder_.AppendNull());
        continue;
      }
      fits = fits && ParseHex(text, &bytes_) &&
             (width_ < 0 || static_cast<int>(bytes_.size()) == width_);
      if (!fits) misfits->push_back(row);
      ARROW_RETURN_NOT_OK(fits ? builder_.Append(bytes_) : builder_.AppendNull());
    }
    return Status::OK();
  }
  std::string expected() const override {
    return width_ < 0 ? "binary as \\x and hexadecimal digits"
                      : fmt::format("{} bytes as \\x and hexadecimal digits", width_);
  }
  Result<ArrayPtr> Finish() override { return builder_.Finish(); }

 private:
  const int width_;
  const FieldRules& rules_;
  Builder builder_;
  std::string scratch_;
  std::string bytes_;
};

/// Nothing but nulls.
class NullColumn final : public ColumnBuilder {
 public:
  explicit NullColumn(const FieldRules& rules) : rules_(rules) {}
  Status Append(const RowBlock& block, int column, std::vector<int64_t>* misfits) override {
    for (int64_t row = 0; row < block.num_rows; ++row) {
      const std::string_view text = block.field(row, column);
      if (rules_.text.IsQuoted(text) || !rules_.nulls.Contains(text)) misfits->push_back(row);
    }
    length_ += block.num_rows;
    return Status::OK();
  }
  std::string expected() const override { return "null"; }
  Result<ArrayPtr> Finish() override {
    return std::make_shared<arrow::NullArray>(std::exchange(length_, 0));
  }

 private:
  const FieldRules& rules_;
  int64_t length_ = 0;
};

using Made = Result<std::unique_ptr<ColumnBuilder>>;

struct Maker {
  const TypePtr& type;
  const FieldRules& rules;
  arrow::MemoryPool* pool;
  const TimeForm* times;  // may be null

  template <typename Value, typename Parse>
  Made Make(Parse parse) const {
    return Make<Value>(type->ToString(), std::move(parse));
  }
  template <typename Value, typename Parse>
  Made Make(std::string expected, Parse parse) const {
    return std::make_unique<ValueColumn<Value, Parse>>(type, std::move(expected), rules, pool,
                                                       std::move(parse));
  }

  template <typename ArrowType>
  Made Integer() const {
    using Value = typename ArrowType::c_type;
    return Make<Value>([](std::string_view text, Value* out) {
      using Wide = std::conditional_t<std::is_signed_v<Value>, int64_t, uint64_t>;
      Wide wide = 0;
      bool fits;
      if constexpr (std::is_signed_v<Value>) {
        fits = ParseInteger(text, &wide);
      } else {
        fits = ParseDigits(text, &wide);
      }
      *out = static_cast<Value>(wide);
      return fits && std::in_range<Value>(wide);
    });
  }

  template <typename ArrowType>
  Made Real() const {
    using Value = typename ArrowType::c_type;
    return Make<Value>([](std::string_view text, Value* out) { return ParseReal(text, out); });
  }

  template <typename Value>
  Made Decimal() const {
    const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
    return Make<Value>([precision = decimal.precision(), scale = decimal.scale()](
                           std::string_view text, Value* out) {
      return ParseDecimal(text, precision, scale, out);
    });
  }

  template <typename ArrowType>
  Made Time() const {
    using Value = typename ArrowType::c_type;
    const arrow::TimeUnit::type unit = static_cast<const ArrowType&>(*type).unit();
    return Make<Value>([unit](std::string_view text, Value* out) {
      int64_t wide = 0;
      const bool fits = ParseTime(text, unit, &wide);
      *out = static_cast<Value>(wide);
      return fits;
    });
  }

  Made SpelledTimestamp() const {
    TimestampText reader(*times, *type);
    std::string expected = reader.expected();
    return Make<int64_t>(std::move(expected),
                         [reader = std::move(reader)](std::string_view text, int64_t* out) {
                           return reader.Read(text, out);
                         });
  }

  Made Timestamp() const {
    if (times != nullptr) return SpelledTimestamp();
    const auto& timestamp = static_cast<const arrow::TimestampType&>(*type);
    return Make<int64_t>([unit = timestamp.unit(), zoned = !timestamp.timezone().empty()](
                             std::string_view text, int64_t* out) {
      return ParseTimestamp(text, unit, zoned, out);
    });
  }

  Made Duration() const {
    const arrow::TimeUnit::type unit = static_cast<const arrow::DurationType&>(*type).unit();
    return Make<int64_t>(
        [unit](std::string_view text, int64_t* out) { return ParseDuration(text, unit, out); });
  }

  Made Half() const {
    return Make<uint16_t>([](std::string_view text, uint16_t* out) {
      float value = 0;
      if (!ParseReal(text, &value)) return false;
      const arrow::util::Float16 half = arrow::util::Float16::FromFloat(value);
      *out = half.bits();
      return half.is_infinity() == std::isinf(value);
    });
  }

  Made FixedBinary() const {
    const int width = static_cast<const arrow::FixedSizeBinaryType&>(*type).byte_width();
    return std::make_unique<BinaryColumn<arrow::FixedSizeBinaryBuilder>>(type, width, rules, pool);
  }

  Made Boolean() const {
    return Make<bool>([](std::string_view text, bool* out) { return ParseBoolean(text, out); });
  }

  Made Date() const {
    return Make<int32_t>([](std::string_view text, int32_t* out) { return ParseDate(text, out); });
  }

  Made DateInMillis() const {
    return Make<int64_t>([](std::string_view text, int64_t* out) {
      int32_t days = 0;
      const bool fits = ParseDate(text, &days);
      *out = int64_t{days} * 86'400'000;
      return fits;
    });
  }
};

}  // namespace

NullSpellings::NullSpellings(const std::vector<std::string>& spellings) {
  for (const std::string& spelling : spellings) {
    has_empty_ |= spelling.empty();
    if (!spelling.empty()) spellings_.push_back(spelling);
    longest_ = std::max(longest_, spelling.size());
  }
}

bool NullSpellings::ContainsSlow(std::string_view text) const {
  return std::find(spellings_.begin(), spellings_.end(), text) != spellings_.end();
}

Result<std::unique_ptr<ColumnBuilder>> MakeColumnBuilder(const TypePtr& type,
                                                         const FieldRules& rules,
                                                         arrow::MemoryPool* pool,
                                                         const TimeForm* times) {
  const Maker maker{type, rules, pool, times};
  switch (type->id()) {
    case arrow::Type::INT8:
      return maker.Integer<arrow::Int8Type>();
    case arrow::Type::INT16:
      return maker.Integer<arrow::Int16Type>();
    case arrow::Type::INT32:
      return maker.Integer<arrow::Int32Type>();
    case arrow::Type::INT64:
      return maker.Integer<arrow::Int64Type>();
    case arrow::Type::UINT8:
      return maker.Integer<arrow::UInt8Type>();
    case arrow::Type::UINT16:
      return maker.Integer<arrow::UInt16Type>();
    case arrow::Type::UINT32:
      return maker.Integer<arrow::UInt32Type>();
    case arrow::Type::UINT64:
      return maker.Integer<arrow::UInt64Type>();
    case arrow::Type::FLOAT:
      return maker.Real<arrow::FloatType>();
    case arrow::Type::DOUBLE:
      return maker.Real<arrow::DoubleType>();
    case arrow::Type::NA:
      return std::make_unique<NullColumn>(rules);
    case arrow::Type::BOOL:
      return maker.Boolean();
    case arrow::Type::HALF_FLOAT:
      return maker.Half();
    case arrow::Type::DECIMAL32:
      return maker.Decimal<arrow::Decimal32>();
    case arrow::Type::DECIMAL64:
      return maker.Decimal<arrow::Decimal64>();
    case arrow::Type::DECIMAL128:
      return maker.Decimal<arrow::Decimal128>();
    case arrow::Type::DECIMAL256:
      return maker.Decimal<arrow::Decimal256>();
    case arrow::Type::DATE32:
      return maker.Date();
    case arrow::Type::DATE64:
      return maker.DateInMillis();
    case arrow::Type::TIME32:
      return maker.Time<arrow::Time32Type>();
    case arrow::Type::TIME64:
      return maker.Time<arrow::Time64Type>();
    case arrow::Type::TIMESTAMP:
      return maker.Timestamp();
    case arrow::Type::DURATION:
      return maker.Duration();
    case arrow::Type::STRING:
      return MakeTextBuilder(rules, pool);
    case arrow::Type::BINARY:
      return std::make_unique<BinaryColumn<arrow::BinaryBuilder>>(type, -1, rules, pool);
    case arrow::Type::FIXED_SIZE_BINARY:
      return maker.FixedBinary();
    default:
      return Error(ErrorKind::kUnsupported, "csv cannot read columns of type {}", type->ToString());
  }
}

bool HoldsText(const arrow::DataType& type) { return arrow::is_base_binary_like(type.id()); }

int64_t BitsPerValue(const arrow::DataType& type) {
  if (type.id() == arrow::Type::NA) return 0;
  return HoldsText(type) ? 32 : static_cast<const arrow::FixedWidthType&>(type).bit_width();
}

}  // namespace headrace::csv
