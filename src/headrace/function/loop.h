// Loops of fixed-width kernels: all rows are computed, failures are only noted; when there was one,
// a second pass over the active rows finds whether it counts and says which values it was.
#pragma once

#include <algorithm>
#include <concepts>

#include "headrace/function/view.h"

namespace headrace {

/// Whether an operation failed: it gave true, or an integer below zero, which loops in SIMD
/// registers gather as they do the results.
inline bool HasFailed(bool failed) { return failed; }
template <std::signed_integral T>
bool HasFailed(T failed) {
  return failed < 0;
}

/// `op(a, b, &out)` gives whether it failed (HasFailed); it must leave something in out all the
/// same. All of these ORed.
template <typename In, typename Out, typename Op>
auto BinaryLoop(const View<In>& a, const View<In>& b, int64_t length, Out* out, const Op& op) {
  decltype(op(a.Raw(0), b.Raw(0), out)) failed{};
  if (a.is_constant()) {
    const In left = a.Raw(0);
    for (int64_t row = 0; row < length; ++row) failed |= op(left, b[row], out + row);
  } else if (b.is_constant()) {
    const In right = b.Raw(0);
    for (int64_t row = 0; row < length; ++row) failed |= op(a.Raw(row), right, out + row);
  } else {
    for (int64_t row = 0; row < length; ++row) failed |= op(a.Raw(row), b.Raw(row), out + row);
  }
  return failed;
}

/// A kernel of two arguments of the same physical type. `op.Fail(a, b)` is the error.
template <typename In, typename Out, typename Op>
Result<ArrayPtr> RunBinary(KernelContext& ctx, std::span<const Argument> args, const Rows& rows,
                           const Op& op) {
  const View<In> a(args[0]);
  const View<In> b(args[1]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<Out>::Make(rows.length, ctx.pool));
  if (HasFailed(BinaryLoop(a, b, rows.length, out.data(), op))) [[unlikely]] {
    Out ignored;
    ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
      const bool failed = HasFailed(op(a[row], b[row], &ignored));
      return failed ? op.Fail(a[row], b[row]) : Status::OK();
    }));
  }
  return out.Finish(ctx.result_type);
}

/// A kernel of one argument. `op(a, &out)` gives whether it failed (HasFailed); `op.Fail(a)` is the
/// error.
template <typename In, typename Out, typename Op>
Result<ArrayPtr> RunUnary(KernelContext& ctx, std::span<const Argument> args, const Rows& rows,
                          const Op& op) {
  const View<In> a(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<Out>::Make(rows.length, ctx.pool));
  Out* const values = out.data();
  decltype(op(a.Raw(0), values)) failed{};
  for (int64_t row = 0; row < rows.length; ++row) failed |= op(a[row], values + row);
  if (HasFailed(failed)) [[unlikely]] {
    Out ignored;
    ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
      return HasFailed(op(a[row], &ignored)) ? op.Fail(a[row]) : Status::OK();
    }));
  }
  return out.Finish(ctx.result_type);
}

/// A kernel that gives booleans and never fails: `test(row)`.
template <typename Test>
Result<ArrayPtr> RunRowTest(KernelContext& ctx, const Rows& rows, const Test& test) {
  constexpr int64_t kBlock = 1024;  // rows whose answers are bytes before they are bits
  ARROW_ASSIGN_OR_RAISE(auto bits, Output<uint8_t>::Make((rows.length + 7) / 8, ctx.pool));
  uint8_t bytes[kBlock];
  for (int64_t begin = 0; begin < rows.length; begin += kBlock) {
    const int64_t count = std::min(kBlock, rows.length - begin);
    for (int64_t i = 0; i < count; ++i) bytes[i] = test(begin + i) ? 1 : 0;
    PackBits(bytes, count, bits.data() + begin / 8);
  }
  return bits.FinishBits(ctx.result_type, rows.length);
}

/// A kernel of two arguments that gives booleans and never fails: `test(a, b)`. A constant is read
/// once.
template <typename In, typename Test>
Result<ArrayPtr> RunTest(KernelContext& ctx, const In& a, const In& b, const Rows& rows,
                         const Test& test) {
  if (a.is_constant()) {
    const auto left = a[0];
    return RunRowTest(ctx, rows, [&](int64_t row) { return test(left, b[row]); });
  }
  if (b.is_constant()) {
    const auto right = b[0];
    return RunRowTest(ctx, rows, [&](int64_t row) { return test(a.Raw(row), right); });
  }
  return RunRowTest(ctx, rows, [&](int64_t row) { return test(a.Raw(row), b.Raw(row)); });
}

}  // namespace headrace
