// Kernels and overloads of functions over floats that follow IEEE 754: outside its domain one
// gives NaN or an infinity, never an error. `kFunction` takes and gives T, doubles in overloads.
#pragma once

#include "headrace/function/define.h"
#include "headrace/function/loop.h"

namespace headrace {

template <auto kFunction, typename T>
Result<ArrayPtr> FloatUnary(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  struct Op {
    bool operator()(T x, T* out) const {
      *out = kFunction(x);
      return false;
    }
    Status Fail(T) const { return Status::OK(); }
  };
  return RunUnary<T, T>(ctx, args, rows, Op{});
}

template <auto kFunction>
Result<ArrayPtr> Float64Binary(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  struct Op {
    bool operator()(double x, double y, double* out) const {
      *out = kFunction(x, y);
      return false;
    }
    Status Fail(double, double) const { return Status::OK(); }
  };
  return RunBinary<double, double>(ctx, args, rows, Op{});
}

template <auto kFunction>
constexpr Overload kFloat64UnaryForm[] = {
    {.args = kArgs<ArgPattern::kFloat64>,
     .result = Float64Type,
     .scalar = FloatUnary<kFunction, double>},
};
template <auto kFunction>
constexpr Overload kFloat64BinaryForm[] = {
    {.args = kArgs<ArgPattern::kFloat64, ArgPattern::kFloat64>,
     .result = Float64Type,
     .scalar = Float64Binary<kFunction>},
};

}  // namespace headrace
