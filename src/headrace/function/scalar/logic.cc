// Three-valued logic: and, or (lazy: later arguments see only undecided rows), not, is_null.
#include <algorithm>
#include <cstring>

#include "arrow/array/array_primitive.h"
#include "arrow/type.h"
#include "headrace/function/choice.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

/// A bit per row, from bit 0, in whole words; bits past the rows mean nothing.
class RowBits {
 public:
  static Result<RowBits> Make(int64_t rows, bool set, arrow::MemoryPool* pool) {
    const int64_t words = (rows + 63) / 64;
    ARROW_ASSIGN_OR_RAISE(auto out, Output<uint64_t>::Make(words, pool));
    std::fill_n(out.data(), words, set ? ~uint64_t{0} : 0);
    return RowBits(out.FinishBuffer(), words);
  }
  uint64_t* words() { return words_; }
  int64_t num_words() const { return num_words_; }
  const std::shared_ptr<arrow::Buffer>& buffer() const { return buffer_; }

 private:
  RowBits(std::shared_ptr<arrow::Buffer> buffer, int64_t words)
      : buffer_(std::move(buffer)),
        words_(reinterpret_cast<uint64_t*>(buffer_->mutable_data())),
        num_words_(words) {}
  std::shared_ptr<arrow::Buffer> buffer_;
  uint64_t* words_;
  int64_t num_words_;
};

/// What is known of an AND (kDecides = false) or OR (true) so far: the rows where an argument has
/// decided, and those where every argument was !kDecides.
template <bool kDecides>
struct Connection {
  RowBits decided;
  RowBits passed;

  void Add(const Argument& argument, int64_t rows) {
    const Validity valid(argument);
    const BooleanView holds(argument);
    int64_t whole = 0;  // words that are read as they lie
    if (valid.all_valid() && !argument.is_constant && argument.array->offset() % 8 == 0) {
      whole = rows / 64;
      AddKnown(argument.array->data()->buffers[1]->data() + argument.array->offset() / 8, whole);
    }
    for (int64_t i = whole; i < decided.num_words(); ++i) {
      const uint64_t known = valid.Word(i, rows);
      const uint64_t value = holds.Word(i, rows);
      const uint64_t decides = kDecides ? value : ~value;
      decided.words()[i] |= decides & known;
      passed.words()[i] &= ~decides & known;
    }
  }

  /// Words of an argument without nulls.
  void AddKnown(const uint8_t* bits, int64_t num_words) {
    uint64_t* const decided_words = decided.words();
    uint64_t* const passed_words = passed.words();
    for (int64_t i = 0; i < num_words; ++i) {
      uint64_t value;
      std::memcpy(&value, bits + i * int64_t{sizeof value}, sizeof value);
      const uint64_t decides = kDecides ? value : ~value;
      decided_words[i] |= decides;
      passed_words[i] &= ~decides;
    }
  }

  /// Of `rows`, those that no argument has decided.
  std::vector<uint32_t> Open(const Rows& rows) {
    std::vector<uint32_t> open = ActiveRows(rows);
    std::erase_if(open, [&](uint32_t row) { return decided.words()[row / 64] >> row % 64 & 1; });
    return open;
  }

  bool AllDecided(int64_t rows) {
    for (int64_t i = 0; i < rows / 64; ++i) {
      if (decided.words()[i] != ~uint64_t{0}) return false;
    }
    const uint64_t rest = (uint64_t{1} << rows % 64) - 1;
    return rest == 0 || (decided.words()[rows / 64] & rest) == rest;
  }

  Result<ArrayPtr> Finish(int64_t rows) {
    int64_t unknown = 0;
    for (int64_t i = 0; i < decided.num_words(); ++i) {
      unknown += (decided.words()[i] | passed.words()[i]) != ~uint64_t{0};
      // Now `passed` is where the result is known, and `decided` where it is kDecides.
      passed.words()[i] |= decided.words()[i];
      if (!kDecides) decided.words()[i] = passed.words()[i] & ~decided.words()[i];
    }
    return std::make_shared<arrow::BooleanArray>(rows, decided.buffer(),
                                                 unknown == 0 ? nullptr : passed.buffer(),
                                                 unknown == 0 ? 0 : arrow::kUnknownNullCount);
  }
};

/// A row is decided by the first argument that is kDecides; the other rows go on to the next. All
/// rows are tried first, which costs a kernel nothing; only where one raises, which may be for a
/// row that is decided, it is asked again for the open rows alone.
template <bool kDecides>
Result<ArrayPtr> Connect(KernelContext& ctx, std::span<const LazyArgument> args, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(RowBits decided, RowBits::Make(rows.length, false, ctx.pool));
  ARROW_ASSIGN_OR_RAISE(RowBits passed, RowBits::Make(rows.length, true, ctx.pool));
  Connection<kDecides> connection{std::move(decided), std::move(passed)};
  for (const LazyArgument& arg : args) {
    if (connection.AllDecided(rows.length)) break;
    Result<Argument> value = arg(rows);
    if (!value.ok()) {
      const std::vector<uint32_t> open = connection.Open(rows);
      value = arg(Rows{rows.length, &open});
    }
    ARROW_RETURN_NOT_OK(value.status());
    connection.Add(*value, rows.length);
  }
  return connection.Finish(rows.length);
}

Result<ArrayPtr> Not(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const int64_t num_words = (rows.length + 63) / 64;
  ARROW_ASSIGN_OR_RAISE(auto bits, Output<uint64_t>::Make(num_words, ctx.pool));
  const BooleanView value(args[0]);
  for (int64_t i = 0; i < num_words; ++i) bits.data()[i] = ~value.Word(i, rows.length);
  return WrapValues(ctx.result_type, rows.length, bits.FinishBuffer());
}

template <bool kNull>
Result<ArrayPtr> IsNull(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(auto bits, Output<uint64_t>::Make((rows.length + 63) / 64, ctx.pool));
  const Validity valid(args[0]);
  for (int64_t i = 0; i < (rows.length + 63) / 64; ++i) {
    const uint64_t known = valid.Word(i, rows.length);
    bits.data()[i] = kNull ? ~known : known;
  }
  return WrapValues(ctx.result_type, rows.length, bits.FinishBuffer());
}

constexpr ArgPattern kBooleans[] = {ArgPattern::kBoolean, ArgPattern::kBoolean};
constexpr ArgPattern kOneBoolean[] = {ArgPattern::kBoolean};
constexpr ArgPattern kAnything[] = {ArgPattern::kAny};

constexpr Overload kAndOverloads[] = {
    {.args = kBooleans, .result = BooleanType, .lazy = Connect<false>, .variadic = true},
};
constexpr Overload kOrOverloads[] = {
    {.args = kBooleans, .result = BooleanType, .lazy = Connect<true>, .variadic = true},
};
constexpr Overload kNotOverloads[] = {
    {.args = kOneBoolean, .result = BooleanType, .scalar = Not},
};
constexpr Overload kIsNullOverloads[] = {
    {.args = kAnything, .result = BooleanType, .scalar = IsNull<true>},
};
constexpr Overload kIsNotNullOverloads[] = {
    {.args = kAnything, .result = BooleanType, .scalar = IsNull<false>},
};

constexpr Example kAndExamples[] = {
    {"true AND false", "false"},
    {"false AND NULL", "false"},
    {"true AND NULL", "NULL"},
    {"0 <> 0 AND 1 // 0 > 2", "false"},
};
constexpr Example kOrExamples[] = {
    {"true OR false", "true"},
    {"true OR NULL", "true"},
    {"false OR NULL", "NULL"},
};
constexpr Example kNotExamples[] = {
    {"NOT true", "false"},
    {"NOT NULL", "NULL"},
};
constexpr Example kIsNullExamples[] = {
    {"is_null(NULL)", "true"},
    {"is_null(1)", "false"},
};
constexpr Example kIsNotNullExamples[] = {
    {"is_not_null(NULL)", "false"},
    {"is_not_null(1)", "true"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kAnd) = {
    .id = "and",
    .names = {.sql = "and"},
    .overloads = kAndOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, y, ...",
    .doc =
        "False when an argument is false, else null when one is null, else true. Arguments are "
        "evaluated from the left, only for the rows that are not false yet.",
    .examples = kAndExamples,
};

HEADRACE_DEFINE_FUNCTION(kOr) = {
    .id = "or",
    .names = {.sql = "or"},
    .overloads = kOrOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, y, ...",
    .doc =
        "True when an argument is true, else null when one is null, else false. Arguments are "
        "evaluated from the left, only for the rows that are not true yet.",
    .examples = kOrExamples,
};

HEADRACE_DEFINE_FUNCTION(kNot) = {
    .id = "not",
    .names = {.sql = "not"},
    .overloads = kNotOverloads,
    .arguments = "x",
    .doc = "True for false, false for true, null for null.",
    .examples = kNotExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsNull) = {
    .id = "is_null",
    .names = {.sql = "is_null", .ltseq = "is_null"},
    .overloads = kIsNullOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x",
    .doc = "Whether the value is null; never null itself. NaN is not null.",
    .examples = kIsNullExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsNotNull) = {
    .id = "is_not_null",
    .names = {.sql = "is_not_null", .ltseq = "is_not_null"},
    .overloads = kIsNotNullOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x",
    .doc = "Whether the value is not null; never null itself.",
    .examples = kIsNotNullExamples,
};

}  // namespace headrace
