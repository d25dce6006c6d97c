// sort_key: lists, structs, maps and intervals of months as bytes that have their order, so that
// they can be compared, grouped, joined and sorted.
//   value: 0, then its bytes; null inside: 1 (above all values)
//   number: big-endian with its sign flipped; text: 0 as 0 FF, and 0 0 at its end
//   list and map: 1 before each item, 0 at the end; struct: its fields
#include <bit>
#include <memory>
#include <string>

#include "arrow/array/array_nested.h"
#include "arrow/array/util.h"
#include "arrow/type.h"
#include "headrace/function/define.h"
#include "headrace/function/order.h"
#include "headrace/function/sort_key.h"
#include "headrace/function/text_column.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

template <typename Bits>
void AppendBits(Bits bits, std::string* out) {
  for (int shift = static_cast<int>(sizeof(Bits)) * 8 - 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(static_cast<uint8_t>(bits >> shift)));
  }
}

template <typename T>
void AppendNumber(T value, std::string* out) {
  if constexpr (std::is_floating_point_v<T>) {
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    constexpr Bits kSign = Bits{1} << (sizeof(Bits) * 8 - 1);
    if (value == 0) value = 0;                             // one zero
    if (value != value) return AppendBits(~Bits{0}, out);  // one NaN, above all
    const auto bits = std::bit_cast<Bits>(value);
    AppendBits((bits & kSign) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | kSign),
               out);
  } else if constexpr (sizeof(T) == 16) {
    const auto high = static_cast<uint64_t>(static_cast<unsigned __int128>(value) >> 64);
    AppendBits(high ^ uint64_t{1} << 63, out);
    AppendBits(static_cast<uint64_t>(value), out);
  } else {
    using Bits = std::make_unsigned_t<T>;
    auto bits = static_cast<Bits>(value);
    if (std::is_signed_v<T>) bits ^= static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
    AppendBits(bits, out);
  }
}

void AppendText(std::string_view text, std::string* out) {
  for (const char c : text) {
    out->push_back(c);
    if (c == '\0') out->push_back('\xff');
  }
  out->append(2, '\0');
}

/// Writes values of one array.
class KeyWriter {
 public:
  explicit KeyWriter(const arrow::Array& array) : valid_(array) {}
  virtual ~KeyWriter() = default;
  static std::unique_ptr<KeyWriter> Make(const arrow::Array& array);

  void WriteWithNull(int64_t row, std::string* out) const {
    const bool is_valid = valid_[row];
    out->push_back(is_valid ? '\0' : '\1');
    if (is_valid) Write(row, out);
  }
  virtual void Write(int64_t row, std::string* out) const = 0;

 private:
  const Validity valid_;
};

template <typename Representation>
class FlatWriter final : public KeyWriter {
 public:
  explicit FlatWriter(const arrow::Array& array)
      : KeyWriter(array), column_(Argument{arrow::MakeArray(array.data()), false}) {}
  void Write(int64_t row, std::string* out) const override {
    const auto value = column_[row];
    using Value = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, std::string_view>) {
      AppendText(value, out);
    } else if constexpr (std::is_same_v<Value, bool>) {
      out->push_back(value ? '\1' : '\0');
    } else if constexpr (std::is_class_v<Value>) {
      const auto bytes = value.ToBytes();
      out->append(bytes.rbegin(), bytes.rend());
      (*out)[out->size() - bytes.size()] ^= '\x80';
    } else {
      AppendNumber(value, out);
    }
  }

 private:
  const typename Representation::Column column_;
};

/// Months of 30 days, days of 24 hours.
class IntervalWriter final : public KeyWriter {
 public:
  explicit IntervalWriter(const arrow::Array& array) : KeyWriter(array), column_(array) {}
  void Write(int64_t row, std::string* out) const override {
    constexpr __int128 kNanosPerDay = __int128{86'400} * 1'000'000'000;
    const auto interval = column_[row];
    const int64_t days = int64_t{interval.months} * 30 + interval.days;
    AppendNumber(days * kNanosPerDay + interval.nanoseconds, out);
  }

 private:
  const View<arrow::MonthDayNanoIntervalType::MonthDayNanos> column_;
};

class NullWriter final : public KeyWriter {
 public:
  using KeyWriter::KeyWriter;
  void Write(int64_t, std::string*) const override {}
};

class ListWriter final : public KeyWriter {
 public:
  explicit ListWriter(const arrow::ListArray& lists)
      : KeyWriter(lists), lists_(lists), items_(Make(*lists.values())) {}
  void Write(int64_t row, std::string* out) const override {
    for (int64_t place = lists_.value_offset(row); place < lists_.value_offset(row + 1); ++place) {
      out->push_back('\1');
      items_->WriteWithNull(place, out);
    }
    out->push_back('\0');
  }

 private:
  const arrow::ListArray& lists_;
  const std::unique_ptr<KeyWriter> items_;
};

class StructWriter final : public KeyWriter {
 public:
  explicit StructWriter(const arrow::StructArray& structs) : KeyWriter(structs) {
    for (int i = 0; i < structs.num_fields(); ++i) {
      columns_.push_back(structs.field(i));  // sliced as the struct is
      fields_.push_back(Make(*columns_.back()));
    }
  }
  void Write(int64_t row, std::string* out) const override {
    for (const auto& field : fields_) field->WriteWithNull(row, out);
  }

 private:
  std::vector<ArrayPtr> columns_;
  std::vector<std::unique_ptr<KeyWriter>> fields_;
};

std::unique_ptr<KeyWriter> KeyWriter::Make(const arrow::Array& array) {
  switch (array.type_id()) {
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return std::make_unique<ListWriter>(static_cast<const arrow::ListArray&>(array));
    case arrow::Type::STRUCT:
      return std::make_unique<StructWriter>(static_cast<const arrow::StructArray&>(array));
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
      return std::make_unique<IntervalWriter>(array);
    default:
      break;
  }
  std::unique_ptr<KeyWriter> writer = std::make_unique<NullWriter>(array);
  VisitOrdered(array.type_id(), [&](auto representation) {
    writer = std::make_unique<FlatWriter<decltype(representation)>>(array);
  });
  return writer;
}

Result<ArrayPtr> SortKey(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const std::unique_ptr<KeyWriter> writer = KeyWriter::Make(*args[0].array);
  const Validity valid(args[0]);
  std::string key;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    key.clear();
    if (valid[row]) writer->Write(args[0].is_constant ? 0 : row, &key);
    return out.Append(key);
  });
}

Result<TypePtr> KeyType(std::span<const TypePtr> args) {
  if (IsComparedByKey(*args[0])) return arrow::binary();
  return Error(ErrorKind::kTypeMismatch,
               "sort_key takes lists, structs, maps and intervals, got {}", SqlNameOf(*args[0]));
}

constexpr Overload kSortKeyForm[] = {
    {.args = kArgs<ArgPattern::kAny>, .result = KeyType, .scalar = SortKey}};
constexpr Example kSortKeyExamples[] = {
    {"sort_key(list_value(1, 2)) < sort_key(list_value(1, 3))", "true"},
    {"sort_key(list_value('a')) = sort_key(list_value('a'))", "true"},
    {"sort_key(CAST(NULL AS BIGINT[]))", "NULL"}};

bool IsKeyPart(const arrow::DataType& type) { return IsComparable(type) || IsComparedByKey(type); }

}  // namespace

bool IsComparedByKey(const arrow::DataType& type) {
  const arrow::Type::type id = type.id();
  if (id == arrow::Type::INTERVAL_MONTH_DAY_NANO) return true;
  const bool is_nested =
      id == arrow::Type::LIST || id == arrow::Type::STRUCT || id == arrow::Type::MAP;
  if (!is_nested) return false;
  for (const auto& field : type.fields()) {
    if (!IsKeyPart(*field->type())) return false;
  }
  return true;
}

HEADRACE_DEFINE_FUNCTION(kSortKey) = {
    .id = "sort_key",
    .names = {.sql = "sort_key"},
    .overloads = kSortKeyForm,
    .arguments = "x",
    .doc =
        "Bytes in the order of the list, struct, map or interval x: items are compared one after "
        "the "
        "other, nulls inside are above all values; a month has 30 days. Comparisons, groups, joins "
        "and ORDER BY use it.",
    .examples = kSortKeyExamples,
};

}  // namespace headrace
