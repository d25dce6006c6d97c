// Random numbers and identifiers: every row of every call has its own.
#include <array>
#include <bit>
#include <random>

#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/text_column.h"

namespace headrace {
namespace {

/// xoshiro256++ of Blackman and Vigna, one per thread, begun from the machine's entropy.
class Generator {
 public:
  static Generator& OfThread() {
    static thread_local Generator generator;
    return generator;
  }

  uint64_t Next() {
    const uint64_t drawn = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return drawn;
  }

 private:
  Generator() {
    std::random_device entropy;
    for (uint64_t& word : state_) word = uint64_t{entropy()} << 32 | entropy();
    state_[0] |= 1;  // all zeros would stay zeros
  }

  std::array<uint64_t, 4> state_;
};

Result<ArrayPtr> Random(KernelContext& ctx, std::span<const Argument>, const Rows& rows) {
  constexpr double kScale = 0x1p-53;
  Generator& generator = Generator::OfThread();
  ARROW_ASSIGN_OR_RAISE(auto out, Output<double>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    out.data()[row] = static_cast<double>(generator.Next() >> 11) * kScale;
  }
  return out.Finish(ctx.result_type);
}

/// Version 4 of RFC 9562: 122 random bits.
std::array<char, 36> WriteUuid(uint64_t high, uint64_t low) {
  constexpr char kDigits[] = "0123456789abcdef";
  high = (high & ~uint64_t{0xf000}) | 0x4000;
  low = (low & ~(uint64_t{3} << 62)) | uint64_t{1} << 63;
  std::array<char, 36> text;
  char* out = text.data();
  for (int digit = 0; digit < 32; ++digit) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) *out++ = '-';
    const uint64_t word = digit < 16 ? high : low;
    *out++ = kDigits[word >> (60 - 4 * (digit % 16)) & 15];
  }
  return text;
}

Result<ArrayPtr> Uuid(KernelContext& ctx, std::span<const Argument>, const Rows& rows) {
  Generator& generator = Generator::OfThread();
  return BuildText(ctx, rows, [&](int64_t, TextColumn& out) {
    const uint64_t high = generator.Next();
    const auto text = WriteUuid(high, generator.Next());
    return out.Append(std::string_view(text.data(), text.size()));
  });
}

constexpr Overload kRandomForm[] = {{.args = {}, .result = Float64Type, .scalar = Random}};
constexpr Overload kUuidForm[] = {{.args = {}, .result = StringType, .scalar = Uuid}};
constexpr Example kRandomExamples[] = {{"random() >= 0 AND random() < 1", "true"},
                                       {"random() = random()", "false"},
                                       {"nullif(random() < 2, true)", "NULL"}};
constexpr Example kUuidExamples[] = {{"length(uuid())", "36"},
                                     {"substring(uuid(), 15, 1)", "4"},
                                     {"uuid() = uuid()", "false"},
                                     {"nullif(length(uuid()), 36)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kRandom) = {
    .id = "random",
    .names = {.sql = "random"},
    .overloads = kRandomForm,
    .flags = function_flag::kVolatile,
    .doc = "A random number from 0, below 1; another one in every row. It takes no seed.",
    .examples = kRandomExamples,
};

HEADRACE_DEFINE_FUNCTION(kUuid) = {
    .id = "uuid",
    .names = {.sql = "uuid|gen_random_uuid|uuidv4"},
    .overloads = kUuidForm,
    .flags = function_flag::kVolatile,
    .doc = "A random UUID (version 4) as text; another one in every row.",
    .examples = kUuidExamples,
};

}  // namespace headrace
