// The states behind sum and mean: exact integers, exact decimals, and double-double floats whose
// result does not depend on the order of the rows (to 1e-12).
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "headrace/function/aggregate/accumulate.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/state_bytes.h"

namespace headrace {

/// Sum of 64-bit integers: 128 bits hold 2^64 rows of them. In two words, which are aligned to 8.
struct IntegerSum {
  uint64_t low = 0;
  uint64_t high = 0;
  int64_t count = 0;

  bool is_empty() const { return count == 0; }
  Int128 sum() const { return static_cast<Int128>(UInt128{high} << 64 | low); }
  template <typename T>
  void Add(T value) {
    Put(sum() + value);
    ++count;
  }
  template <typename T>
  void Remove(T value) {
    Put(sum() - value);
    --count;
  }
  void Merge(const IntegerSum& other);
  void Save(std::string* out) const;
  Status Load(StateBytesReader& reader);

 private:
  void Put(Int128 sum) {
    low = static_cast<uint64_t>(sum);
    high = static_cast<uint64_t>(static_cast<UInt128>(sum) >> 64);
  }
};

/// The same in two words, of values that are never taken back: whether there was one is a bit.
struct IntegerTotal {
  uint64_t low = 0;
  uint64_t high = kBias;  // of sum + kBias · 2^64, which is never negative; and the mark

  bool is_empty() const { return (high & kMark) == 0; }
  Int128 sum() const { return static_cast<Int128>(UInt128{(high & ~kMark) - kBias} << 64 | low); }
  template <typename T>
  void Add(T value) {
    Accumulate(static_cast<UInt128>(static_cast<Int128>(value)));
  }
  void Merge(const IntegerTotal& other) {
    if (!other.is_empty()) Accumulate(static_cast<UInt128>(other.sum()));
  }
  void Save(std::string* out) const;
  Status Load(StateBytesReader& reader);

 private:
  static constexpr uint64_t kBias = uint64_t{1} << 60;
  static constexpr uint64_t kMark = uint64_t{1} << 62;

  void Accumulate(UInt128 value) {
    const UInt128 bits = (UInt128{high} << 64 | low) + value;
    low = static_cast<uint64_t>(bits);
    high = static_cast<uint64_t>(bits >> 64) | kMark;
  }
};

struct ScaledDecimal {
  Int128 value;
  int32_t scale;
};

/// Sum of decimals: 192 bits, so that only the result, not the way to it, can overflow.
struct DecimalSum192 {
  UInt128 low = 0;   // of the two's complement sum
  int64_t high = 0;  // its upper 64 bits
  int64_t count = 0;
  int32_t scale = 0;

  bool is_empty() const { return count == 0; }
  void Add(ScaledDecimal decimal) {
    AddWide(static_cast<UInt128>(decimal.value), decimal.value < 0 ? -1 : 0);
    ++count;
    scale = decimal.scale;
  }
  void Remove(ScaledDecimal decimal) {
    // −x is ~x + 1 in two's complement, over all 192 bits.
    AddWide(~static_cast<UInt128>(decimal.value), decimal.value < 0 ? 0 : -1);
    AddWide(1, 0);
    --count;
  }
  void Merge(const DecimalSum192& other);
  /// Into `out`; true when the sum does not fit 128 bits.
  bool Narrow(Int128* out) const;
  double ToDouble() const;
  void Save(std::string* out) const;
  Status Load(StateBytesReader& reader);

 private:
  void AddWide(UInt128 bits, int64_t upper) {
    low += bits;
    high = static_cast<int64_t>(static_cast<uint64_t>(high) + static_cast<uint64_t>(upper) +
                                (low < bits ? 1 : 0));
  }
};

/// Sum of floats as an unevaluated sum high + low (Knuth's two-sum). Infinities and NaN are counted
/// apart, so they can be removed again.
struct FloatSum {
  double high = 0;
  double low = 0;
  int64_t count = 0;
  int64_t nans = 0;
  int64_t infinities = 0;
  int64_t negative_infinities = 0;

  bool is_empty() const { return count == 0; }
  void Add(double value) {
    ++count;
    if (value - value != 0) [[unlikely]] {
      Note(value, 1);
    } else {
      Accumulate(value);
    }
  }
  void Remove(double value) {
    --count;
    if (value - value != 0) [[unlikely]] {
      Note(value, -1);
    } else {
      Accumulate(-value);
    }
  }
  /// Adds `length` values that lie side by side, at any address.
  void AddMany(const uint8_t* values, int64_t length);
  void Merge(const FloatSum& other);
  double Value() const;
  void Save(std::string* out) const;
  Status Load(StateBytesReader& reader);

 private:
  void Accumulate(double value) {
    const double sum = high + value;
    const double part = sum - high;
    low += (high - (sum - part)) + (value - part);
    high = sum;
  }
  void Note(double value, int64_t change);
};

/// The same in two words, of values that are never taken back: infinities and NaN stay.
struct FloatTotal {
  double high = 0;    // where low is the mark: the sum of the values that are not finite
  double low = -0.0;  // no sum of errors is −0: there was no value

  bool is_empty() const { return low == 0 && std::signbit(low); }
  void Add(double value) { Accumulate(value); }
  void AddMany(const uint8_t* values, int64_t length);
  void Merge(const FloatTotal& other);
  double Value() const;
  void Save(std::string* out) const;
  Status Load(StateBytesReader& reader);

 private:
  static constexpr double kMark = std::numeric_limits<double>::infinity();

  void Accumulate(double value) {
    const double sum = high + value;
    if (sum - sum != 0) [[unlikely]] {
      AccumulateOdd(value);
      return;
    }
    const double part = sum - high;
    low += (high - (sum - part)) + (value - part);
    high = sum;
  }
  void AccumulateOdd(double value);
};

/// Calls `visit(row, value)` for the rows that are not null. Decimals are told their scale.
template <typename T, typename Visit>
void ForEachValue(const AggregateRows& rows, Visit&& visit) {
  const View<T> values(rows.args[0]);
  if constexpr (std::is_same_v<T, Int128>) {
    const int32_t scale = ScaleOf(*rows.args[0].array->type());
    ForEachValid(rows, [&](int64_t row) { visit(row, ScaledDecimal{values[row], scale}); });
  } else {
    ForEachValid(rows, [&](int64_t row) { visit(row, values[row]); });
  }
}

template <typename State, typename T>
Status AddGroups(KernelContext&, std::byte* const* groups, size_t offset,
                 const AggregateRows& rows) {
  ForEachValue<T>(rows,
                  [&](int64_t row, auto value) { StateAt<State>(groups[row], offset).Add(value); });
  return Status::OK();
}

template <typename State, typename T>
Status RemoveGroups(KernelContext&, std::byte* const* groups, size_t offset,
                    const AggregateRows& rows) {
  ForEachValue<T>(
      rows, [&](int64_t row, auto value) { StateAt<State>(groups[row], offset).Remove(value); });
  return Status::OK();
}

template <typename State, typename T>
Status AddAllRows(KernelContext&, std::byte* state, const AggregateRows& rows) {
  if constexpr (std::is_same_v<T, double>) {
    const arrow::Array& array = *rows.args[0].array;
    if (!rows.args[0].is_constant && array.null_count() == 0) {
      const auto* values = reinterpret_cast<const uint8_t*>(array.data()->GetValues<double>(1));
      StateAt<State>(state).AddMany(values, rows.length);
      return Status::OK();
    }
  }
  State sum = StateAt<State>(state);  // a copy on the stack: no store per row
  ForEachValue<T>(rows, [&](int64_t, auto value) { sum.Add(value); });
  StateAt<State>(state) = sum;
  return Status::OK();
}

template <typename State>
Status MergeState(KernelContext&, std::byte* into, const std::byte* from) {
  StateAt<State>(into).Merge(StateAt<State>(from));
  return Status::OK();
}

template <typename State>
Status SaveState(const std::byte* state, std::string* out) {
  StateAt<State>(state).Save(out);
  return Status::OK();
}

template <typename State>
Status LoadState(std::byte* state, std::string_view bytes) {
  StateBytesReader reader("sum", bytes);
  State loaded;
  ARROW_RETURN_NOT_OK(loaded.Load(reader));
  ARROW_RETURN_NOT_OK(reader.Finish());
  StateAt<State>(state) = loaded;
  return Status::OK();
}

/// The kernel over values of T.
template <typename State, typename T>
constexpr AggregateKernel SumKernel(decltype(AggregateKernel::finish) finish) {
  AggregateKernel kernel = {
      .size = sizeof(State),
      .align = alignof(State),
      .init = InitState<State>,
      .add = AddGroups<State, T>,
      .add_all = AddAllRows<State, T>,
      .merge = MergeState<State>,
      .finish = finish,
      .save = SaveState<State>,
      .load = LoadState<State>,
  };
  if constexpr (requires(State& state, T value) { state.Remove(value); } ||
                std::is_same_v<State, DecimalSum192>) {
    kernel.remove = RemoveGroups<State, T>;
  }
  return kernel;
}

}  // namespace headrace
