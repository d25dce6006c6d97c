// Text and numbers as codes: code points, hexadecimal, base64, digests and hashes.
#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/base/hash_each.h"
#include "headrace/base/hex.h"
#include "headrace/function/cell.h"
#include "headrace/function/code_points.h"
#include "headrace/function/define.h"
#include "headrace/function/digest.h"
#include "headrace/function/loop.h"
#include "headrace/function/order.h"
#include "headrace/function/text_column.h"
#include "utf8proc.h"

namespace headrace {
namespace {

using enum ArgPattern;

template <typename T, auto kFunction>
Result<ArrayPtr> NumberOf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<T>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) out.data()[row] = kFunction(text[row]);
  return out.Finish(ctx.result_type);
}

/// `kFunction(bytes)` gives the text of a row.
template <auto kFunction>
Result<ArrayPtr> TextOf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView bytes(args[0]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const auto text = kFunction(bytes[row]);
    return out.Append(std::string_view(text.data(), text.size()));
  });
}

Result<ArrayPtr> Chr(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> point(args[0]);
  std::string text;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const bool is_point = point[row] >= 0 && point[row] <= 0x10FFFF &&
                          utf8proc_codepoint_valid(static_cast<utf8proc_int32_t>(point[row]));
    if (!is_point) {
      return Error(ErrorKind::kInvalidArgument, "chr expected a Unicode code point, got {}",
                   point[row]);
    }
    text.clear();
    AppendPoint(static_cast<int32_t>(point[row]), &text);
    return out.Append(text);
  });
}

template <typename T>
Result<ArrayPtr> HexOfNumber(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<T> number(args[0]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    char digits[16];
    char* const end = digits + sizeof(digits);
    char* begin = end;
    auto rest = static_cast<uint64_t>(number[row]);
    do {
      *--begin = "0123456789ABCDEF"[rest % 16];
      rest /= 16;
    } while (rest > 0);
    return out.Append(std::string_view(begin, static_cast<size_t>(end - begin)));
  });
}

/// An odd number of digits has a zero before it.
Result<ArrayPtr> Unhex(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    int byte = 0;
    size_t left = text[row].size();
    for (const char letter : text[row]) {
      const int digit = HexDigit(letter);
      if (digit < 0) {
        return Error(ErrorKind::kInvalidArgument, "unhex expected hexadecimal digits, got '{}'",
                     text[row]);
      }
      byte = byte * 16 + digit;
      if (--left % 2 != 0) continue;
      ARROW_RETURN_NOT_OK(out.Append(static_cast<char>(byte)));
      byte = 0;
    }
    return Status::OK();
  });
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string ToBase64(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t count = std::min<size_t>(bytes.size(), 3);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < count ? static_cast<uint8_t>(bytes[i]) : 0U);
    }
    for (size_t i = 0; i < 4; ++i) text += i <= count ? kBase64[bits >> (18 - 6 * i) & 63] : '=';
    bytes.remove_prefix(count);
  }
  return text;
}

Status BadBase64(std::string_view text) {
  return Error(ErrorKind::kInvalidArgument, "from_base64 expected groups of four letters, got '{}'",
               text);
}

Status AppendFromBase64(std::string_view text, TextColumn& out) {
  if (text.size() % 4 != 0) return BadBase64(text);
  for (size_t place = 0; place < text.size(); place += 4) {
    uint32_t bits = 0;
    int padding = 0;
    for (size_t i = 0; i < 4; ++i) {
      const char letter = text[place + i];
      const size_t digit = kBase64.find(letter);
      const bool is_padding = letter == '=' && place + 4 == text.size() && i >= 2;
      const bool is_digit = digit != std::string_view::npos && padding == 0;
      if (!is_padding && !is_digit) return BadBase64(text);
      padding += is_padding ? 1 : 0;
      bits = bits << 6 | static_cast<uint32_t>(is_padding ? 0 : digit);
    }
    for (int i = 0; i < 3 - padding; ++i) {
      ARROW_RETURN_NOT_OK(out.Append(static_cast<char>(bits >> (16 - 8 * i))));
    }
  }
  return Status::OK();
}

Result<ArrayPtr> FromBase64(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  return BuildText(ctx, rows,
                   [&](int64_t row, TextColumn& out) { return AppendFromBase64(text[row], out); });
}

/// Equal values have equal hashes: -0 is 0, every NaN the same.
template <typename T>
T SameOf(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return value != value ? std::numeric_limits<T>::quiet_NaN() : value + T{0};
  } else {
    return value;
  }
}

/// Folds `hash(row)` into `hashes`, where a row is null that of nulls.
template <typename HashOf>
void FoldHashes(const Argument& arg, int64_t begin, int64_t end, uint64_t* hashes,
                const HashOf& hash_of) {
  const Validity valid(arg);
  for (int64_t row = begin; row < end; ++row) {
    hashes[row] = CombineHash(hashes[row], valid[row] ? hash_of(row) : kNullHash);
  }
}

template <typename Tag>
void HashFixed(const Argument& arg, int64_t rows, uint64_t* hashes) {
  constexpr int64_t kBlock = 512;
  using T = typename Tag::Value;
  const typename Tag::Column values(arg);
  T block[kBlock];
  uint64_t block_hashes[kBlock];
  for (int64_t begin = 0; begin < rows; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, rows);
    for (int64_t row = begin; row < end; ++row) block[row - begin] = SameOf<T>(values[row]);
    HashEachOf<sizeof(T)>(reinterpret_cast<const uint8_t*>(block), end - begin, block_hashes);
    FoldHashes(arg, begin, end, hashes, [&](int64_t row) { return block_hashes[row - begin]; });
  }
}

Status HashColumn(const Argument& arg, int64_t rows, uint64_t* hashes) {
  const bool known = VisitOrdered(arg.array->type_id(), [&](auto tag) {
    using Tag = decltype(tag);
    if constexpr (std::is_same_v<Tag, representation::Bytes>) {
      const BytesView bytes(arg);
      FoldHashes(arg, 0, rows, hashes, [&](int64_t row) { return HashBytes(bytes[row]); });
    } else {
      HashFixed<Tag>(arg, rows, hashes);
    }
  });
  if (known) return Status::OK();
  const Validity valid(arg);
  std::string cell;
  for (int64_t row = 0; row < rows; ++row) {
    cell.clear();
    if (valid[row]) ARROW_RETURN_NOT_OK(EncodeCell(*arg.array, arg.is_constant ? 0 : row, &cell));
    hashes[row] = CombineHash(hashes[row], valid[row] ? HashBytes(cell) : kNullHash);
  }
  return Status::OK();
}

Result<ArrayPtr> Hash(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(auto out, Output<uint64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  for (const Argument& arg : args) {
    ARROW_RETURN_NOT_OK(HashColumn(arg, rows.length, out.data()));
  }
  return out.Finish(ctx.result_type);
}

int64_t BytesOf(std::string_view text) { return static_cast<int64_t>(text.size()); }

constexpr auto kBitsOf = [](std::string_view text) { return BytesOf(text) * 8; };
constexpr auto kUpperHex = [](std::string_view bytes) { return HexText(bytes, true); };

constexpr Overload kAsciiOverloads[] = {
    {.args = kArgs<kString>, .result = Int32Type, .scalar = NumberOf<int32_t, FirstPoint>},
};
constexpr auto kPointOrNone = [](std::string_view text) -> int32_t {
  return text.empty() ? -1 : FirstPoint(text);
};
constexpr Overload kUnicodeOverloads[] = {
    {.args = kArgs<kString>, .result = Int32Type, .scalar = NumberOf<int32_t, kPointOrNone>},
};
constexpr Overload kOctetOverloads[] = {
    {.args = kArgs<kString>, .result = Int64Type, .scalar = NumberOf<int64_t, BytesOf>},
    {.args = kArgs<kBinary>, .result = Int64Type, .scalar = NumberOf<int64_t, BytesOf>},
};
constexpr Overload kBitOverloads[] = {
    {.args = kArgs<kString>, .result = Int64Type, .scalar = NumberOf<int64_t, kBitsOf>},
    {.args = kArgs<kBinary>, .result = Int64Type, .scalar = NumberOf<int64_t, kBitsOf>},
};
constexpr Overload kChrOverloads[] = {{.args = kArgs<kInt64>, .result = StringType, .scalar = Chr}};
constexpr Overload kHexOverloads[] = {
    {.args = kArgs<kInt64>, .result = StringType, .scalar = HexOfNumber<int64_t>},
    {.args = kArgs<kUInt64>, .result = StringType, .scalar = HexOfNumber<uint64_t>},
    {.args = kArgs<kString>, .result = StringType, .scalar = TextOf<kUpperHex>},
    {.args = kArgs<kBinary>, .result = StringType, .scalar = TextOf<kUpperHex>},
};
constexpr Overload kUnhexOverloads[] = {
    {.args = kArgs<kString>, .result = BinaryType, .scalar = Unhex},
};
constexpr Overload kToBase64Overloads[] = {
    {.args = kArgs<kBinary>, .result = StringType, .scalar = TextOf<ToBase64>},
    {.args = kArgs<kString>, .result = StringType, .scalar = TextOf<ToBase64>},
};
constexpr Overload kFromBase64Overloads[] = {
    {.args = kArgs<kString>, .result = BinaryType, .scalar = FromBase64},
};
template <auto kDigest>
constexpr Overload kDigestForm[] = {
    {.args = kArgs<kString>, .result = StringType, .scalar = TextOf<kDigest>},
    {.args = kArgs<kBinary>, .result = StringType, .scalar = TextOf<kDigest>},
};
constexpr Overload kHashOverloads[] = {
    {.args = kArgs<kAny>, .result = UInt64Type, .scalar = Hash, .variadic = true},
};

constexpr Example kAsciiExamples[] = {
    {"ascii('A')", "65"}, {"ascii('é')", "233"}, {"ascii('')", "0"}, {"ascii(NULL)", "NULL"}};
constexpr Example kUnicodeExamples[] = {
    {"unicode('日本')", "26085"}, {"unicode('')", "-1"}, {"unicode(NULL)", "NULL"}};
constexpr Example kOctetExamples[] = {{"octet_length('aé')", "3"}, {"octet_length(NULL)", "NULL"}};
constexpr Example kBitExamples[] = {{"bit_length('aé')", "24"}, {"bit_length(NULL)", "NULL"}};
constexpr Example kChrExamples[] = {{"chr(233)", "é"}, {"chr(NULL)", "NULL"}};
constexpr Example kHexExamples[] = {
    {"hex('abc')", "616263"}, {"hex(255)", "FF"}, {"hex(NULL)", "NULL"}};
constexpr Example kUnhexExamples[] = {{"unhex('616263')", "\\x616263"}, {"unhex(NULL)", "NULL"}};
constexpr Example kToBase64Examples[] = {{"to_base64('head')", "aGVhZA=="},
                                         {"to_base64(NULL)", "NULL"}};
constexpr Example kFromBase64Examples[] = {{"from_base64('aGVhZA==')", "\\x68656164"},
                                           {"from_base64(NULL)", "NULL"}};
constexpr Example kMd5Examples[] = {{"md5('a')", "0cc175b9c0f1b6a831c399e269772661"},
                                    {"md5(NULL)", "NULL"}};
constexpr Example kSha256Examples[] = {
    {"sha256('a')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
    {"sha256(NULL)", "NULL"}};
constexpr Example kHashExamples[] = {{"hash('a') = hash('a')", "true"},
                                     {"hash(1, NULL) = hash(NULL, 1)", "false"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kAscii) = {
    .id = "ascii",
    .names = {.sql = "ascii"},
    .overloads = kAsciiOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The number of the first code point; 0 of empty text.",
    .examples = kAsciiExamples,
};

HEADRACE_DEFINE_FUNCTION(kUnicode) = {
    .id = "unicode",
    .names = {.sql = "unicode|ord"},
    .overloads = kUnicodeOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The number of the first code point; -1 of empty text.",
    .examples = kUnicodeExamples,
};

HEADRACE_DEFINE_FUNCTION(kOctetLength) = {
    .id = "octet_length",
    .names = {.sql = "octet_length|strlen"},
    .overloads = kOctetOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The number of bytes of a text in UTF-8, or of binary data.",
    .examples = kOctetExamples,
};

HEADRACE_DEFINE_FUNCTION(kBitLength) = {
    .id = "bit_length",
    .names = {.sql = "bit_length"},
    .overloads = kBitOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "Eight times the number of bytes.",
    .examples = kBitExamples,
};

HEADRACE_DEFINE_FUNCTION(kChr) = {
    .id = "chr",
    .names = {.sql = "chr"},
    .overloads = kChrOverloads,
    .arguments = "x",
    .doc = "The text of one code point. A number that is none is an error.",
    .examples = kChrExamples,
};

HEADRACE_DEFINE_FUNCTION(kHex) = {
    .id = "hex",
    .names = {.sql = "hex|to_hex"},
    .overloads = kHexOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc =
        "Hexadecimal digits in upper case: of the bytes of a text, or of a number, below zero in "
        "two's complement of 64 bits.",
    .examples = kHexExamples,
};

HEADRACE_DEFINE_FUNCTION(kUnhex) = {
    .id = "unhex",
    .names = {.sql = "unhex|from_hex"},
    .overloads = kUnhexOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The bytes that hexadecimal digits stand for. Anything else is an error.",
    .examples = kUnhexExamples,
};

HEADRACE_DEFINE_FUNCTION(kToBase64) = {
    .id = "to_base64",
    .names = {.sql = "to_base64|base64"},
    .overloads = kToBase64Overloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The bytes in base64 with padding.",
    .examples = kToBase64Examples,
};

HEADRACE_DEFINE_FUNCTION(kFromBase64) = {
    .id = "from_base64",
    .names = {.sql = "from_base64"},
    .overloads = kFromBase64Overloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The bytes that base64 with padding stands for. Anything else is an error.",
    .examples = kFromBase64Examples,
};

HEADRACE_DEFINE_FUNCTION(kMd5) = {
    .id = "md5",
    .names = {.sql = "md5"},
    .overloads = kDigestForm<Md5Hex>,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The MD5 digest of the bytes, in hexadecimal digits of lower case.",
    .examples = kMd5Examples,
};

HEADRACE_DEFINE_FUNCTION(kSha256) = {
    .id = "sha256",
    .names = {.sql = "sha256"},
    .overloads = kDigestForm<Sha256Hex>,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The SHA-256 digest of the bytes, in hexadecimal digits of lower case.",
    .examples = kSha256Examples,
};

HEADRACE_DEFINE_FUNCTION(kHash) = {
    .id = "hash",
    .names = {.sql = "hash"},
    .overloads = kHashOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, ...",
    .doc =
        "A 64-bit hash of the arguments, nulls too; equal values of one type have equal hashes on "
        "every machine. Never null.",
    .examples = kHashExamples,
};

}  // namespace headrace
