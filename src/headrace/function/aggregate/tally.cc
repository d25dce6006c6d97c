// Aggregates over the different values of a group: count_distinct, mode, entropy, histogram, and
// approx_count_distinct, which keeps a sketch of 4 KiB instead.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "arrow/array/builder_nested.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "boost/unordered/unordered_flat_map.hpp"
#include "headrace/base/hash.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/cell.h"
#include "headrace/function/define.h"
#include "headrace/function/order.h"

namespace headrace {
namespace {

using enum ArgPattern;

struct CellHash {
  using is_avalanching = void;
  size_t operator()(std::string_view cell) const { return HashBytes(cell); }
};

/// Calls `visit(row, cell)` for every value; equal values have equal cells.
template <typename Visit>
Status ForEachCell(const AggregateRows& rows, Visit&& visit) {
  const Argument& arg = rows.args[0];
  if (arg.array->type_id() == arrow::Type::NA) return Status::OK();
  std::string cell;
  const bool known = VisitOrdered(arg.array->type_id(), [&](auto tag) {
    using Tag = decltype(tag);
    const typename Tag::Column column(arg);
    ForEachValid(rows, [&](int64_t row) {
      typename Tag::Value value(column[row]);
      if constexpr (std::is_same_v<decltype(value), std::string_view>) {
        visit(row, value);
      } else {
        if constexpr (std::is_floating_point_v<decltype(value)>) {
          using Float = decltype(value);
          value = value != value ? std::numeric_limits<Float>::quiet_NaN() : value + Float{0};
        }
        visit(row, std::string_view(reinterpret_cast<const char*>(&value), sizeof(value)));
      }
    });
  });
  if (known) return Status::OK();
  Status status;
  ForEachValid(rows, [&](int64_t row) {
    cell.clear();
    if (status.ok()) status = EncodeCell(*arg.array, arg.is_constant ? 0 : row, &cell);
    if (status.ok()) visit(row, std::string_view(cell));
  });
  return status;
}

struct Tally {
  int64_t count = 0;
  RowPosition first;
};

struct TallyState {
  static constexpr const char* kOwner = "the counts of values";

  boost::unordered_flat_map<std::string, Tally, CellHash, std::equal_to<>> tallies;
  int64_t heap_bytes = 0;

  void Add(std::string_view cell, const Tally& added) {
    const auto found = tallies.find(std::string(cell));
    if (found != tallies.end()) {
      found->second.count += added.count;
      found->second.first = std::min(found->second.first, added.first);
      return;
    }
    const auto made = tallies.emplace(std::string(cell), added).first;
    heap_bytes += HeapBytes(made->first);
  }
  void Remove(std::string_view cell) {
    const auto found = tallies.find(std::string(cell));
    if (found == tallies.end() || --found->second.count > 0) return;
    heap_bytes -= HeapBytes(found->first);
    tallies.erase(found);
  }
  void Merge(const TallyState& other) {
    for (const auto& [cell, tally] : other.tallies) Add(cell, tally);
  }
  /// By cell, so that the same state is always the same bytes.
  std::vector<std::pair<std::string_view, Tally>> Sorted() const {
    std::vector<std::pair<std::string_view, Tally>> sorted(tallies.begin(), tallies.end());
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return sorted;
  }
  void Save(std::string* out) const {
    PutValue<uint64_t>(tallies.size(), out);
    for (const auto& [cell, tally] : Sorted()) {
      PutText(cell, out);
      PutValue(tally.count, out);
      PutValue(tally.first.split, out);
      PutValue(tally.first.row, out);
    }
  }
  Status Load(StateBytesReader& reader) {
    uint64_t size = 0;
    ARROW_RETURN_NOT_OK(reader.Read(&size));
    if (size > reader.left() / 32) return reader.Damaged("more values than bytes");
    for (uint64_t i = 0; i < size; ++i) {
      std::string cell;
      Tally tally;
      ARROW_RETURN_NOT_OK(reader.ReadText(&cell));
      ARROW_RETURN_NOT_OK(reader.ReadCount(&tally.count));
      ARROW_RETURN_NOT_OK(reader.Read(&tally.first.split));
      ARROW_RETURN_NOT_OK(reader.Read(&tally.first.row));
      if (tally.count == 0) return reader.Damaged("a value that does not occur");
      Add(cell, tally);
    }
    return Status::OK();
  }
  int64_t Bytes() const {
    constexpr int64_t kSlotBytes = sizeof(std::pair<std::string, Tally>) + 1;
    return static_cast<int64_t>(tallies.bucket_count()) * kSlotBytes + heap_bytes;
  }
};

struct CountedRows {
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    return ForEachCell(rows, [&](int64_t row, std::string_view cell) {
      into(row).Add(cell, {1, PositionOfRow(rows, row)});
    });
  }
};

/// What does not need to know where the values stood can take rows back.
struct RemovableRows : CountedRows {
  static constexpr bool kRemoves = true;

  template <typename Into>
  static Status Remove(KernelContext&, const AggregateRows& rows, Into&& into) {
    return ForEachCell(rows, [&](int64_t row, std::string_view cell) { into(row).Remove(cell); });
  }
};

Status FinishDistinct(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                      arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::Int64Builder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    builder.UnsafeAppend(
        static_cast<int64_t>(StateAt<TallyState>(groups[i], offset).tallies.size()));
  }
  return Status::OK();
}

Status FinishMode(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                  arrow::ArrayBuilder* out) {
  for (int64_t i = 0; i < count; ++i) {
    const auto& tallies = StateAt<TallyState>(groups[i], offset).tallies;
    const auto best =
        std::max_element(tallies.begin(), tallies.end(), [](const auto& a, const auto& b) {
          if (a.second.count != b.second.count) return a.second.count < b.second.count;
          return b.second.first < a.second.first;
        });
    const bool is_there = best != tallies.end() && ctx.result_type->id() != arrow::Type::NA;
    ARROW_RETURN_NOT_OK(is_there ? AppendCell(best->first, *ctx.result_type, out)
                                 : out->AppendNull());
  }
  return Status::OK();
}

/// Summed in the order of the cells, so that it does not depend on the table.
double EntropyOf(const TallyState& state) {
  double total = 0;
  for (const auto& [cell, tally] : state.tallies) total += static_cast<double>(tally.count);
  double entropy = 0;
  for (const auto& [cell, tally] : state.Sorted()) {
    const double share = static_cast<double>(tally.count) / total;
    entropy -= share * std::log2(share);
  }
  return entropy;
}

Status FinishEntropy(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                     arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::DoubleBuilder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    builder.UnsafeAppend(std::fabs(EntropyOf(StateAt<TallyState>(groups[i], offset))));
  }
  return Status::OK();
}

/// Keys in their order.
template <typename T>
std::vector<std::pair<std::string_view, Tally>> InOrder(const TallyState& state) {
  auto sorted = state.Sorted();
  if constexpr (!std::is_same_v<T, std::string_view>) {
    std::erase_if(sorted, [](const auto& entry) { return entry.first.size() != sizeof(T); });
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      T left;
      T right;
      std::memcpy(static_cast<void*>(&left), a.first.data(), sizeof(T));
      std::memcpy(static_cast<void*>(&right), b.first.data(), sizeof(T));
      return ValueLess(left, right);
    });
  }
  return sorted;
}

Status AppendHistogram(const TallyState& state, const arrow::MapType& type,
                       arrow::MapBuilder& maps) {
  if (state.tallies.empty()) return maps.AppendNull();
  ARROW_RETURN_NOT_OK(maps.Append());
  std::vector<std::pair<std::string_view, Tally>> entries;
  VisitOrdered(type.key_type()->id(),
               [&](auto tag) { entries = InOrder<typename decltype(tag)::Value>(state); });
  for (const auto& [cell, tally] : entries) {
    ARROW_RETURN_NOT_OK(AppendCell(cell, *type.key_type(), maps.key_builder()));
    auto& counts = static_cast<arrow::Int64Builder&>(*maps.item_builder());
    ARROW_RETURN_NOT_OK(counts.Append(tally.count));
  }
  return Status::OK();
}

Status FinishHistogram(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                       arrow::ArrayBuilder* out) {
  const auto& type = static_cast<const arrow::MapType&>(*ctx.result_type);
  for (int64_t i = 0; i < count; ++i) {
    ARROW_RETURN_NOT_OK(AppendHistogram(StateAt<TallyState>(groups[i], offset), type,
                                        static_cast<arrow::MapBuilder&>(*out)));
  }
  return Status::OK();
}

Result<TypePtr> HistogramType(std::span<const TypePtr> args) {
  if (args[0]->id() != arrow::Type::NA) return arrow::map(args[0], arrow::int64());
  return Error(ErrorKind::kTypeMismatch, "histogram needs values of a type, not only nulls");
}

// ---- approximate ----

/// HyperLogLog with 2^12 registers (Flajolet et al. 2007; estimator: Ertl 2017). Up to kSparseMax
/// hashes are kept as they are, and counted exactly.
struct HyperLogLog {
  static constexpr const char* kOwner = "approx_count_distinct";
  static constexpr int kBits = 12;
  static constexpr size_t kRegisters = size_t{1} << kBits;
  static constexpr int kRankMax = 64 - kBits + 1;
  static constexpr size_t kSparseMax = 256;

  std::vector<uint64_t> hashes;  // sorted; empty once there are registers
  std::vector<uint8_t> registers;

  void Add(uint64_t hash) {
    if (!registers.empty()) return AddDense(hash);
    const auto place = std::lower_bound(hashes.begin(), hashes.end(), hash);
    if (place != hashes.end() && *place == hash) return;
    hashes.insert(place, hash);
    if (hashes.size() > kSparseMax) MakeDense();
  }
  void Merge(const HyperLogLog& other) {
    if (!other.registers.empty()) {
      if (registers.empty()) MakeDense();
      for (size_t i = 0; i < kRegisters; ++i) {
        registers[i] = std::max(registers[i], other.registers[i]);
      }
    }
    for (const uint64_t hash : other.hashes) Add(hash);
  }
  int64_t Estimate() const {
    if (registers.empty()) return static_cast<int64_t>(hashes.size());
    std::array<double, kRankMax + 1> counts{};
    for (const uint8_t rank : registers) counts[rank] += 1;
    constexpr double kCount = kRegisters;
    double sum = kCount * Tau(1 - counts[kRankMax] / kCount);
    for (int rank = kRankMax - 1; rank >= 1; --rank) {
      sum = 0.5 * (sum + counts[static_cast<size_t>(rank)]);
    }
    sum += kCount * Sigma(counts[0] / kCount);
    return static_cast<int64_t>(std::llround(kCount * kCount / (2 * std::log(2.0) * sum)));
  }
  void Save(std::string* out) const {
    PutValue<uint8_t>(registers.empty() ? 0 : 1, out);
    PutValue<uint64_t>(hashes.size(), out);
    for (const uint64_t hash : hashes) PutValue(hash, out);
    out->append(reinterpret_cast<const char*>(registers.data()), registers.size());
  }
  Status Load(StateBytesReader& reader) {
    bool is_dense = false;
    uint64_t size = 0;
    ARROW_RETURN_NOT_OK(reader.ReadFlag(&is_dense));
    ARROW_RETURN_NOT_OK(reader.Read(&size));
    if (size > (is_dense ? 0 : kSparseMax)) return reader.Damaged("too many hashes");
    for (uint64_t i = 0; i < size; ++i) {
      uint64_t hash = 0;
      ARROW_RETURN_NOT_OK(reader.Read(&hash));
      if (!hashes.empty() && hash <= hashes.back()) return reader.Damaged("hashes out of order");
      hashes.push_back(hash);
    }
    if (!is_dense) return Status::OK();
    registers.resize(kRegisters);
    for (uint8_t& rank : registers) {
      ARROW_RETURN_NOT_OK(reader.Read(&rank));
      if (rank > kRankMax) return reader.Damaged("a register is out of range");
    }
    return Status::OK();
  }
  int64_t Bytes() const {
    return static_cast<int64_t>(hashes.capacity() * sizeof(uint64_t) + registers.capacity());
  }

 private:
  void AddDense(uint64_t hash) {
    const size_t index = hash >> (64 - kBits);
    const uint64_t rest = (hash << kBits) | (uint64_t{1} << (kBits - 1));
    const auto rank = static_cast<uint8_t>(std::countl_zero(rest) + 1);
    registers[index] = std::max(registers[index], rank);
  }
  void MakeDense() {
    registers.assign(kRegisters, 0);
    for (const uint64_t hash : hashes) AddDense(hash);
    std::vector<uint64_t>().swap(hashes);
  }
  static double Sigma(double x) {
    if (x == 1) return std::numeric_limits<double>::infinity();
    double power = 1;
    double sum = x;
    for (double before = -1; before != sum; power += power) {
      x *= x;
      before = sum;
      sum += x * power;
    }
    return sum;
  }
  static double Tau(double x) {
    if (x == 0 || x == 1) return 0;
    double power = 1;
    double sum = 1 - x;
    for (double before = -1; before != sum;) {
      x = std::sqrt(x);
      before = sum;
      power *= 0.5;
      sum -= (1 - x) * (1 - x) * power;
    }
    return sum / 3;
  }
};

struct HashedRows {
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    return ForEachCell(rows,
                       [&](int64_t row, std::string_view cell) { into(row).Add(HashBytes(cell)); });
  }
};

Status FinishEstimate(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                      arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::Int64Builder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    builder.UnsafeAppend(StateAt<HyperLogLog>(groups[i], offset).Estimate());
  }
  return Status::OK();
}

constexpr AggregateKernel kDistinctKernel = StateKernel<TallyState, RemovableRows>(FinishDistinct);
constexpr AggregateKernel kModeKernel = StateKernel<TallyState, CountedRows>(FinishMode);
constexpr AggregateKernel kEntropyKernel = StateKernel<TallyState, RemovableRows>(FinishEntropy);
constexpr AggregateKernel kHistogramKernel =
    StateKernel<TallyState, RemovableRows>(FinishHistogram);
constexpr AggregateKernel kEstimateKernel = StateKernel<HyperLogLog, HashedRows>(FinishEstimate);

constexpr Overload kDistinctForm[] = {
    {.args = kArgs<kAny>, .result = Int64Type, .aggregate = &kDistinctKernel},
};
constexpr Overload kModeForm[] = {
    {.args = kArgs<kCommonComparable>, .result = FirstType, .aggregate = &kModeKernel},
};
constexpr Overload kEntropyForm[] = {
    {.args = kArgs<kAny>, .result = Float64Type, .aggregate = &kEntropyKernel},
};
constexpr Overload kHistogramForm[] = {
    {.args = kArgs<kCommonComparable>, .result = HistogramType, .aggregate = &kHistogramKernel},
};
constexpr Overload kEstimateForm[] = {
    {.args = kArgs<kAny>, .result = Int64Type, .aggregate = &kEstimateKernel},
};

constexpr Example kCountDistinctExamples[] = {{"count_distinct(x)", "2", "(1), (NULL), (3), (1)"},
                                              {"count_distinct(x)", "0", "(CAST(NULL AS BIGINT))"}};
constexpr Example kModeExamples[] = {{"mode(x)", "b", "('a'), (NULL), ('b'), ('b')"},
                                     {"mode(x)", "NULL", "(CAST(NULL AS VARCHAR))"}};
constexpr Example kEntropyExamples[] = {{"entropy(x)", "1.0", "(1), (NULL), (2), (1), (2)"},
                                        {"entropy(x)", "0.0", "(CAST(NULL AS BIGINT))"}};
constexpr Example kHistogramExamples[] = {{"histogram(x)", "{1: 1, 3: 2}", "(3), (NULL), (1), (3)"},
                                          {"histogram(x)", "NULL", "(CAST(NULL AS BIGINT))"}};
constexpr Example kApproxCountDistinctExamples[] = {
    {"approx_count_distinct(x)", "2", "(1), (NULL), (3), (1)"},
    {"approx_count_distinct(x)", "0", "(CAST(NULL AS BIGINT))"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kCountDistinct) = {
    .id = "count_distinct",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "count_distinct", .ltseq = "n_unique"},
    .overloads = kDistinctForm,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "How many different values there are, nulls left out; NaN is one, and -0 is 0. Never null.",
    .examples = kCountDistinctExamples,
};

HEADRACE_DEFINE_FUNCTION(kMode) = {
    .id = "mode",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "mode"},
    .overloads = kModeForm,
    .nulls = NullRule::kSkip,
    .flags = function_flag::kOrderSensitive,
    .arguments = "x",
    .doc = "The most frequent value, of several the one met first.",
    .examples = kModeExamples,
};

HEADRACE_DEFINE_FUNCTION(kEntropy) = {
    .id = "entropy",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "entropy"},
    .overloads = kEntropyForm,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The entropy of the values in bits; 0 of no value.",
    .examples = kEntropyExamples,
};

HEADRACE_DEFINE_FUNCTION(kHistogram) = {
    .id = "histogram",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "histogram"},
    .overloads = kHistogramForm,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "A map from each value, in order, to how often it occurs.",
    .examples = kHistogramExamples,
};

HEADRACE_DEFINE_FUNCTION(kApproxCountDistinct) = {
    .id = "approx_count_distinct",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "approx_count_distinct"},
    .overloads = kEstimateForm,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "About how many different values there are: exact up to 256, then within some 1.6 % (one "
        "standard error) by a HyperLogLog of 4 KiB. Never null.",
    .examples = kApproxCountDistinctExamples,
};

}  // namespace headrace
