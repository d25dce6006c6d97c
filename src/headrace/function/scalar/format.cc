// Values put into text by a pattern: format ({} with fmt's specifications and grouped digits),
// printf, and numbers in other bases.
#include <fmt/args.h>
#include <fmt/printf.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/text_column.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace {

using enum ArgPattern;

/// Calls `give` with the value of a row as a type that fmt knows: an integer, a double (decimals
/// too), a boolean or text, which stands in `text`.
template <typename Give>
void GiveValue(const Argument& arg, int64_t row, std::string* text, const Give& give) {
  using arrow::Type;
  switch (arg.array->type_id()) {
    case Type::BOOL:
      return give(BooleanView(arg)[row]);
    case Type::INT8:
      return give(static_cast<int64_t>(View<int8_t>(arg)[row]));
    case Type::INT16:
      return give(static_cast<int64_t>(View<int16_t>(arg)[row]));
    case Type::INT32:
      return give(static_cast<int64_t>(View<int32_t>(arg)[row]));
    case Type::INT64:
      return give(View<int64_t>(arg)[row]);
    case Type::UINT8:
      return give(static_cast<uint64_t>(View<uint8_t>(arg)[row]));
    case Type::UINT16:
      return give(static_cast<uint64_t>(View<uint16_t>(arg)[row]));
    case Type::UINT32:
      return give(static_cast<uint64_t>(View<uint32_t>(arg)[row]));
    case Type::UINT64:
      return give(View<uint64_t>(arg)[row]);
    case Type::FLOAT:
      return give(static_cast<double>(View<float>(arg)[row]));
    case Type::DOUBLE:
      return give(View<double>(arg)[row]);
    case Type::DECIMAL128: {
      const auto& type = static_cast<const arrow::Decimal128Type&>(*arg.array->type());
      return give(arrow::Decimal128(View<arrow::BasicDecimal128>(arg)[row]).ToDouble(type.scale()));
    }
    case Type::STRING:
      return give(BytesView(arg)[row]);
    default:
      text->clear();
      AppendValue(*arg.array, arg.is_constant ? 0 : row, text);
      return give(std::string_view(*text));
  }
}

Status BadPattern(std::string_view pattern, const char* what) {
  return Error(ErrorKind::kInvalidArgument, "bad pattern ({}): '{}'", what, pattern);
}

/// `digits` with `separator` between groups of three before the point.
std::string Grouped(std::string_view number, char separator) {
  const size_t begin = number.find_first_of("0123456789");
  if (begin == std::string_view::npos) return std::string(number);
  const size_t end = std::min(number.find_first_not_of("0123456789", begin), number.size());
  std::string grouped(number.substr(0, begin));
  for (size_t i = begin; i < end; ++i) {
    if (i > begin && (end - i) % 3 == 0) grouped += separator;
    grouped += number[i];
  }
  return grouped.append(number.substr(end));
}

/// Writes one pattern with the values of one row.
class Formatter {
 public:
  explicit Formatter(std::span<const Argument> args) : args_(args), texts_(args.size()) {}

  Status Format(std::string_view pattern, int64_t row, std::string* out) {
    next_ = 0;
    while (!pattern.empty()) {
      const size_t end = std::min(pattern.find_first_of("{}"), pattern.size());
      out->append(pattern.substr(0, end));
      pattern.remove_prefix(end);
      if (pattern.empty()) break;
      if (pattern.size() > 1 && pattern[1] == pattern[0]) {
        *out += pattern[0];
        pattern.remove_prefix(2);
        continue;
      }
      const size_t close = pattern.find('}');
      if (pattern[0] == '}' || close == std::string_view::npos) {
        return BadPattern(pattern, "a brace without its other");
      }
      ARROW_RETURN_NOT_OK(FormatField(pattern.substr(1, close - 1), row, out));
      pattern.remove_prefix(close + 1);
    }
    return Status::OK();
  }

 private:
  /// number[:specification]
  Status FormatField(std::string_view field, int64_t row, std::string* out) {
    const size_t colon = std::min(field.find(':'), field.size());
    const std::string_view name = field.substr(0, colon);
    size_t place = next_;
    if (name.empty()) {
      ++next_;
    } else {
      if (name.size() > 3 || name.find_first_not_of("0123456789") != std::string_view::npos) {
        return BadPattern(field, "arguments go by their number from 0");
      }
      place = static_cast<size_t>(std::stoi(std::string(name)));
    }
    if (place >= args_.size()) {
      return Error(ErrorKind::kInvalidArgument, "the pattern asks for argument {}, there are {}",
                   place, args_.size());
    }
    const std::string_view spec = colon < field.size() ? field.substr(colon + 1) : "";
    return FormatValue(args_[place], row, &texts_[place], spec, out);
  }

  static Status FormatValue(const Argument& arg, int64_t row, std::string* text,
                            std::string_view spec, std::string* out) {
    if (spec.empty() && arg.array->type_id() == arrow::Type::DECIMAL128) {
      AppendValue(*arg.array, arg.is_constant ? 0 : row, out);
      return Status::OK();
    }
    const size_t mark = spec.find_first_of(",_'");
    std::string plain(spec);
    // ",": digits by threes; then the width is that of the grouped text.
    std::string width;
    if (mark != std::string_view::npos) {
      const size_t begin = plain.find_first_of("123456789");
      if (begin < mark) {
        width = plain.substr(begin, mark - begin);
        plain.erase(begin, mark - begin);
      }
      plain.erase(plain.find_first_of(",_'"), 1);
    }
    const char separator = mark == std::string_view::npos ? '\0' : spec[mark];
    const std::string pattern = "{:" + plain + "}";
    Status status;
    GiveValue(arg, row, text, [&](const auto& value) {
      try {
        std::string made = fmt::vformat(pattern, fmt::make_format_args(value));
        if (separator != '\0') made = Grouped(made, separator);
        if (!width.empty()) made = fmt::format("{:>{}}", made, std::stoi(width));
        out->append(made);
      } catch (const std::exception& error) {
        status = BadPattern(spec, error.what());
      }
    });
    return status;
  }

  std::span<const Argument> args_;
  std::vector<std::string> texts_;
  size_t next_ = 0;
};

bool AllValid(std::span<const Argument> args, int64_t row) {
  return std::all_of(args.begin(), args.end(), [row](const Argument& arg) {
    return arg.array->IsValid(arg.is_constant ? 0 : row);
  });
}

Result<ArrayPtr> Format(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView patterns(args[0]);
  Formatter formatter(args.subspan(1));
  std::string text;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) -> Status {
    if (!AllValid(args, row)) return Status::OK();
    text.clear();
    ARROW_RETURN_NOT_OK(formatter.Format(patterns[row], row, &text));
    return out.Append(text);
  });
}

Result<ArrayPtr> Printf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView patterns(args[0]);
  std::vector<std::string> texts(args.size());
  fmt::dynamic_format_arg_store<fmt::printf_context> values;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) -> Status {
    if (!AllValid(args, row)) return Status::OK();
    values.clear();
    for (size_t i = 1; i < args.size(); ++i) {
      GiveValue(args[i], row, &texts[i], [&](const auto& value) { values.push_back(value); });
    }
    try {
      return out.Append(fmt::vsprintf(fmt::string_view(patterns[row]), {values}));
    } catch (const std::exception& error) {
      return BadPattern(patterns[row], error.what());
    }
  });
}

constexpr int64_t kLeastDigitsMax = 64;

/// The digits of a number that is not negative, at least `least` of them.
std::string Digits(uint64_t number, uint64_t base, int64_t least) {
  std::string text;
  do {
    text += "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % base];
    number /= base;
  } while (number > 0);
  if (static_cast<int64_t>(text.size()) < least) text.resize(static_cast<size_t>(least), '0');
  std::reverse(text.begin(), text.end());
  return text;
}

Result<ArrayPtr> ToBase(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> numbers(args[0]);
  const View<int64_t> bases(args[1]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) -> Status {
    if (!AllValid(args, row)) return Status::OK();
    const int64_t least = args.size() > 2 ? View<int64_t>(args[2])[row] : 1;
    if (numbers[row] < 0) {
      return Error(ErrorKind::kInvalidArgument, "to_base takes numbers from 0, got {}",
                   numbers[row]);
    }
    if (bases[row] < 2 || bases[row] > 36) {
      return Error(ErrorKind::kInvalidArgument, "a base is 2 to 36, got {}", bases[row]);
    }
    if (least < 0 || least > kLeastDigitsMax) {
      return Error(ErrorKind::kInvalidArgument, "the least number of digits is 0 to {}, got {}",
                   kLeastDigitsMax, least);
    }
    return out.Append(
        Digits(static_cast<uint64_t>(numbers[row]), static_cast<uint64_t>(bases[row]), least));
  });
}

/// The eight binary digits of a byte, the highest first, as bytes in memory order: byte k of the
/// product begins with bit 7 − k.
uint64_t BinaryDigits(uint8_t byte) {
  return ((byte * uint64_t{0x8040201008040201}) >> 7 & 0x0101010101010101) + 0x3030303030303030;
}

Result<ArrayPtr> BinaryOfNumber(KernelContext& ctx, std::span<const Argument> args,
                                const Rows& rows) {
  const View<int64_t> numbers(args[0]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const auto number = static_cast<uint64_t>(numbers[row]);
    char digits[64];
    for (int i = 0; i < 8; ++i) {
      const uint64_t eight = BinaryDigits(static_cast<uint8_t>(number >> (56 - 8 * i)));
      std::memcpy(digits + 8 * i, &eight, 8);
    }
    const int zeros = std::min(std::countl_zero(number), 63);
    return out.Append(std::string_view(digits + zeros, static_cast<size_t>(64 - zeros)));
  });
}

Result<ArrayPtr> BinaryOfBytes(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  const BytesView bytes(args[0]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) -> Status {
    for (const char byte : bytes[row]) {
      const uint64_t eight = BinaryDigits(static_cast<uint8_t>(byte));
      char digits[8];
      std::memcpy(digits, &eight, 8);
      ARROW_RETURN_NOT_OK(out.Append(std::string_view(digits, 8)));
    }
    return Status::OK();
  });
}

template <ScalarKernel kKernel>
constexpr Overload kPatternForm[] = {
    {.args = kArgs<kString>, .result = StringType, .scalar = kKernel},
    {.args = kArgs<kString, kAny>, .result = StringType, .scalar = kKernel, .variadic = true},
};
constexpr Overload kToBaseForm[] = {
    {.args = kArgs<kInt64, kInt64>, .result = StringType, .scalar = ToBase},
    {.args = kArgs<kInt64, kInt64, kInt64>, .result = StringType, .scalar = ToBase},
};
constexpr Overload kBinForm[] = {
    {.args = kArgs<kInt64>, .result = StringType, .scalar = BinaryOfNumber},
    {.args = kArgs<kString>, .result = StringType, .scalar = BinaryOfBytes},
    {.args = kArgs<kBinary>, .result = StringType, .scalar = BinaryOfBytes},
};

constexpr Example kFormatExamples[] = {
    {"format('{} has {:.2f} m', 'pond', 1.5)", "pond has 1.50 m"},
    {"format('{1}-{0:>4}', 7, 'a')", "a-   7"},
    {"format('{:,}', 1234567)", "1,234,567"},
    {"format('{}', NULL)", "NULL"}};
constexpr Example kPrintfExamples[] = {{"printf('%s: %05.1f', 'a', 2.25)", "a: 002.2"},
                                       {"printf('%d', NULL)", "NULL"}};
constexpr Example kToBaseExamples[] = {
    {"to_base(255, 16)", "FF"}, {"to_base(5, 2, 8)", "00000101"}, {"to_base(NULL, 2)", "NULL"}};
constexpr Example kBinExamples[] = {
    {"bin(5)", "101"}, {"bin('a')", "01100001"}, {"bin(NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kFormat) = {
    .id = "format",
    .names = {.sql = "format"},
    .overloads = kPatternForm<Format>,
    .arguments = "pattern, x, ...",
    .doc =
        "A pattern with each {} replaced by the next argument, {2} by the third; what follows a "
        "colon is a specification of the library fmt: {:>10}, {:.2f}, {:x}. {:,}, {:_} and {:'} "
        "put the sign between groups of three digits.",
    .examples = kFormatExamples,
};

HEADRACE_DEFINE_FUNCTION(kPrintf) = {
    .id = "printf",
    .names = {.sql = "printf"},
    .overloads = kPatternForm<Printf>,
    .arguments = "pattern, x, ...",
    .doc = "A pattern with the arguments at %d, %s, %.2f and so on, as in C.",
    .examples = kPrintfExamples,
};

HEADRACE_DEFINE_FUNCTION(kToBase) = {
    .id = "to_base",
    .names = {.sql = "to_base"},
    .overloads = kToBaseForm,
    .arguments = "x, base, digits",
    .doc =
        "A number from 0 in a base of 2 to 36, with zeros in front up to a least number of digits.",
    .examples = kToBaseExamples,
};

HEADRACE_DEFINE_FUNCTION(kBin) = {
    .id = "bin",
    .names = {.sql = "bin|to_binary"},
    .overloads = kBinForm,
    .arguments = "x",
    .doc = "The binary digits of an integer, or of every byte of text or binary, eight each.",
    .examples = kBinExamples,
};

}  // namespace headrace
