// FunctionDef: the one definition of a function. Binder, bindings, stubs, reference pages and tests
// all read this row; the row lives beside its kernels in one file per family, list.inc names it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/types/batch.h"

namespace arrow {
class ArrayBuilder;
}

namespace headrace {

enum class FunctionKind : uint8_t { kScalar, kOrdered, kAggregate };
enum class Dialect : uint8_t { kSql, kQ, kSFrame, kLtseq };

/// Names of a function per dialect; several are separated by '|', the first is the one shown; ""
/// where the dialect lacks it. SQL names are lower case; operators go by their symbol ("+").
struct DialectNames {
  const char* sql = "";
  const char* q = "";
  const char* sframe = "";
  const char* ltseq = "";
};

/// What an argument must be. The binder picks the overload whose patterns cost least to reach and
/// writes the casts; kernels never coerce. Encodings are removed before a kernel is called.
enum class ArgPattern : uint8_t {
  kAny,
  kBoolean,
  kInt32,
  kInt64,
  kUInt64,
  kFloat32,
  kFloat64,
  kDecimal128,
  kString,
  kText,  // a string, or a value of any flat type that is cast to one
  kBinary,
  kDate32,
  kTimestamp,  // any unit and zone
  kTime,       // of the day, in microseconds or nanoseconds
  kDuration,
  kInterval,  // months, days and nanoseconds
  kList,      // of any items
  kMap,
  kStruct,
  kItem,              // the type of the items of the first argument: of a list, or of a map's keys
  kCommon,            // all kCommon arguments get their least common type
  kCommonComparable,  // the same, of a type with an order
  kConstantInt64,     // a literal, known at bind time
};

/// One argument of a call: an array of the batch's length, or of length 1 to stand for every row.
/// Plain encoding, any offset.
struct Argument {
  ArrayPtr array;
  bool is_constant = false;
};

/// Rows of a call: [0, length). Only active rows may raise; the others may hold anything.
struct Rows {
  int64_t length = 0;
  const std::vector<uint32_t>* active = nullptr;  // null: all of them
};

struct KernelContext {
  arrow::MemoryPool* pool = nullptr;
  TypePtr result_type;
};

/// Gives an array of rows.length rows of ctx.result_type. Thread safe, stateless.
using ScalarKernel = Result<ArrayPtr> (*)(KernelContext& ctx, std::span<const Argument> args,
                                          const Rows& rows);
/// An argument that is evaluated only for the rows asked for; the result is full length.
using LazyArgument = std::function<Result<Argument>(const Rows&)>;
/// For AND, OR, CASE, COALESCE: evaluates its arguments itself, under narrowed rows.
using LazyKernel = Result<ArrayPtr> (*)(KernelContext& ctx, std::span<const LazyArgument> args,
                                        const Rows& rows);

/// An ordered function: a state machine that runs over the rows of one partition in order.
/// `run` appends end − begin values to `out` for rows [begin, end) and leaves in the state what the
/// next rows need. States may own memory; `bytes` counts it.
struct OrderedKernel {
  size_t size = 0;
  size_t align = 1;
  void (*init)(std::byte* state) = nullptr;
  void (*destroy)(std::byte* state) = nullptr;
  Status (*run)(KernelContext& ctx, std::byte* state, std::span<const Argument> args, int64_t begin,
                int64_t end, arrow::ArrayBuilder* out) = nullptr;
  Status (*save)(const std::byte* state, std::string* out) = nullptr;
  Status (*load)(std::byte* state, std::string_view bytes) = nullptr;
  int64_t (*bytes)(const std::byte* state) = nullptr;
};

/// Rows given to an aggregate: arguments, how many, and where they stand in the whole input.
struct AggregateRows {
  std::span<const Argument> args;
  int64_t length = 0;
  RowPosition first;  // of row 0; row i stands at first.row + i (or at positions[i] when given)
  const RowPosition* positions = nullptr;
};

/// An aggregate: a small state machine. `groups[i] + offset` is the state of row i. Results do not
/// depend on how rows are divided among states that are merged later, whatever the merge order;
/// order-sensitive ones keep the RowPosition. `remove` (optional) undoes `add`.
struct AggregateKernel {
  size_t size = 0;
  size_t align = 1;
  void (*init)(std::byte* state) = nullptr;
  void (*destroy)(std::byte* state) = nullptr;  // null: nothing to free
  Status (*add)(KernelContext& ctx, std::byte* const* groups, size_t offset,
                const AggregateRows& rows) = nullptr;
  /// All rows into one state.
  Status (*add_all)(KernelContext& ctx, std::byte* state, const AggregateRows& rows) = nullptr;
  Status (*remove)(KernelContext& ctx, std::byte* const* groups, size_t offset,
                   const AggregateRows& rows) = nullptr;
  Status (*merge)(KernelContext& ctx, std::byte* into, const std::byte* from) = nullptr;
  /// Appends the result of `count` states to `out`; states stay valid.
  Status (*finish)(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                   arrow::ArrayBuilder* out) = nullptr;
  Status (*save)(const std::byte* state, std::string* out) = nullptr;
  /// Into a state that was initialised. Bytes come from outside: they are checked.
  Status (*load)(std::byte* state, std::string_view bytes) = nullptr;
  int64_t (*bytes)(const std::byte* state) = nullptr;  // memory beyond `size`; null: none
};

/// What a window function sees: rows of whole partitions, sorted, as arrays. Rows are indexes of
/// those arrays.
struct WindowRows {
  /// Of the rows to compute; null when the function does not need it.
  struct PerRow {
    const int64_t* values = nullptr;
    int64_t first = 0;  // the row of the first value
    int64_t operator[](int64_t row) const { return values[row - first]; }
  };

  int64_t begin = 0;  // rows to compute: [begin, end)
  int64_t end = 0;
  PerRow partition_begin{};
  PerRow partition_end{};
  PerRow peer_begin{};
  PerRow peer_end{};
  PerRow peer_group{};  // its number in the partition, from 0
  PerRow frame_begin{};
  PerRow frame_end{};
  bool ignore_nulls = false;
};

/// Which rows of its partition a window function looks at from a row, so that the others need not
/// be there.
enum class WindowReach : uint8_t {
  kPartition,  // any, or how many there are
  kRow,        // the row; and where its partition and its peers begin
  kBehind,     // the row so far before it as the second argument says, or 1
  kAhead,      // the same behind it
  kFrame,      // those of its frame
  kFrameEnd,   // the last one of its frame
};

/// A function over the sorted rows of a partition, by its frame or as a whole. Exactly one of
/// `compute` and `pick` is set.
struct WindowKernel {
  WindowReach reach = WindowReach::kPartition;
  bool needs_frame = false;
  /// Appends end − begin values to `out`.
  Status (*compute)(KernelContext& ctx, const WindowRows& rows, std::span<const Argument> args,
                    arrow::ArrayBuilder* out) = nullptr;
  /// picked[i] = the row whose first argument is the value of row begin + i; −1: null, or the
  /// current row's third argument where there is one.
  Status (*pick)(const WindowRows& rows, std::span<const Argument> args,
                 std::vector<int64_t>* picked) = nullptr;
};

/// The result type from the (plain, coerced) argument types.
using ResultRule = Result<TypePtr> (*)(std::span<const TypePtr> args);
/// The same where it depends on values: `literals[i]` is null when argument i is not constant.
using LiteralResultRule = Result<TypePtr> (*)(std::span<const TypePtr> args,
                                              std::span<const ScalarPtr> literals);

/// One implementation: exactly the kernel pointer of the definition's kind and one result rule are
/// set; an ordered function has `ordered`, `window` or both.
struct Overload {
  std::span<const ArgPattern> args;
  ResultRule result = nullptr;
  ScalarKernel scalar = nullptr;
  LazyKernel lazy = nullptr;
  const OrderedKernel* ordered = nullptr;
  const WindowKernel* window = nullptr;
  const AggregateKernel* aggregate = nullptr;
  /// The last pattern repeats, zero or more times beyond those listed.
  bool variadic = false;
  /// The first this many patterns repeat as a group, one or more times, before the others: CASE.
  int leading_group = 0;
  LiteralResultRule result_of_literals = nullptr;
};

enum class NullRule : uint8_t {
  kPropagate,  // a null argument makes the row null; the kernel's value there is ignored
  kKernel,     // the kernel sees the nulls and decides
  kSkip,       // aggregates: rows with a null argument are not added
};

/// How an ordered function may run in parallel within one partition.
enum class ParallelClass : uint8_t {
  kNone,    // scalar and aggregate
  kCarry,   // a prefix scan: states of pieces combine (cumulative sum)
  kHalo,    // needs lookback/lookahead rows only (lag, rolling)
  kSerial,  // row after row
};

namespace function_flag {
inline constexpr uint32_t kCommutative = 1;
/// One value per distinct string: run once per used dictionary value.
inline constexpr uint32_t kElementwise = 2;
/// Not folded, not shared.
inline constexpr uint32_t kVolatile = 4;
/// An aggregate whose result depends on row order.
inline constexpr uint32_t kOrderSensitive = 8;
/// An aggregate that can be computed over no argument: count(*).
inline constexpr uint32_t kStar = 16;
/// An ordered function that takes IGNORE NULLS.
inline constexpr uint32_t kIgnoresNulls = 32;
}  // namespace function_flag

/// Extent of an ordered function in rows.
inline constexpr int64_t kByArgument = -1;  // the value of the second argument, a constant

/// "upper('aé')" → "AÉ": a SQL expression and its value in the text form of types/format_value.h.
/// For ordered and aggregate functions the expression runs over `input`, a VALUES list of column x
/// (and y), and the result lists the values of all rows, or the one value: "1, 3, NULL".
struct Example {
  const char* expression;
  const char* result;
  const char* input = "";
};

struct FunctionDef {
  const char* id;  // stable and unique: "add_checked"
  FunctionKind kind = FunctionKind::kScalar;
  DialectNames names;
  std::span<const Overload> overloads;
  NullRule nulls = NullRule::kPropagate;
  uint32_t flags = 0;
  ParallelClass parallel = ParallelClass::kNone;
  int64_t lookback = 0;
  int64_t lookahead = 0;
  const char* arguments = "";  // names for signatures: "x, n"
  const char* doc = "";        // one sentence: what it gives, units, errors
  std::span<const Example> examples;

  bool Has(uint32_t flag) const { return (flags & flag) != 0; }
};

}  // namespace headrace
