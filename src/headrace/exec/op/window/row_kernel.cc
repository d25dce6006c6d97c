// Kernels over states of a few bytes, which take the rows of a batch as they come: the row before,
// counts of the rows so far, and lengths of runs.
#include <array>
#include <string_view>

#include "arrow/array/builder_base.h"
#include "arrow/array/util.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/window/partition_kernel.h"
#include "headrace/exec/op/window/rolling_frame.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/function/view.h"
#include "headrace/plan/call_reach.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// Of states that are plain bytes.
template <typename State>
class PlainRowKernel : public PartitionKernel {
 public:
  PlainRowKernel() : PartitionKernel(sizeof(State), alignof(State)) {}

  void Init(std::byte* state) final { new (state) State(); }
  void Destroy(std::byte*) final {}
  bool runs_rows() const final { return true; }
  Status Run(KernelContext&, std::byte*, std::span<const Argument>, int64_t, int64_t,
             arrow::ArrayBuilder*) final {
    HEADRACE_CHECK(false, "a kernel that takes rows as they come is given those of a partition");
  }
  Status Save(const std::byte* state, std::string* out) final {
    PutValue(StateAt<State>(state), out);
    return Status::OK();
  }
  Status Load(std::byte* state, std::string_view bytes) final {
    StateBytesReader reader("a window", bytes);
    State loaded;
    ARROW_RETURN_NOT_OK(reader.Read(&loaded));
    ARROW_RETURN_NOT_OK(reader.Finish());
    if (!loaded.IsSound()) return reader.Damaged("a value is out of range");
    StateAt<State>(state) = loaded;
    return Status::OK();
  }
  int64_t Bytes(const std::byte*) final { return 0; }
};

template <typename Word>
struct LagState {
  Word value{};
  uint8_t is_valid = 0;
  std::array<uint8_t, sizeof(Word) - 1> padding{};  // so that no byte that is saved is undefined

  bool IsSound() const { return is_valid <= 1; }
};

/// lag(x) of values of some bytes.
template <typename Word>
class LagKernel final : public PlainRowKernel<LagState<Word>> {
 public:
  Result<ArrayPtr> RunRows(KernelContext& context, std::span<std::byte* const> states,
                           std::span<const Argument> args) override {
    const auto rows = static_cast<int64_t>(states.size());
    ARROW_ASSIGN_OR_RAISE(Output<Word> out, Output<Word>::Make(rows, context.pool));
    const View<Word> values(args[0]);
    const Validity valid(args[0]);
    std::vector<uint8_t> is_valid(states.size());
    Word* const given = out.data();
    for (int64_t row = 0; row < rows; ++row) {
      auto& last = StateAt<LagState<Word>>(states[static_cast<size_t>(row)]);
      given[row] = last.value;
      is_valid[static_cast<size_t>(row)] = last.is_valid;
      last.value = values[row];
      last.is_valid = valid[row] ? 1 : 0;
    }
    return WithValidity(out.Finish(context.result_type), is_valid, context.pool);
  }

 private:
  static Result<ArrayPtr> WithValidity(const ArrayPtr& values, const std::vector<uint8_t>& is_valid,
                                       arrow::MemoryPool* pool) {
    const auto rows = static_cast<int64_t>(is_valid.size());
    ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateBitmap(rows, pool));
    PackBits(is_valid.data(), rows, bits->mutable_data());
    std::shared_ptr<arrow::ArrayData> data = values->data()->Copy();
    data->buffers[0] = std::move(bits);
    data->null_count = arrow::kUnknownNullCount;
    return arrow::MakeArray(std::move(data));
  }
};

struct RowCount {
  int64_t rows = 0;

  bool IsSound() const { return rows >= 0 && rows <= int64_t{1} << 56; }
};

/// A BIGINT that `step(count, row)` moves over each row.
template <typename Step>
Result<ArrayPtr> GiveCounts(KernelContext& context, std::span<std::byte* const> states,
                            Step&& step) {
  const auto rows = static_cast<int64_t>(states.size());
  ARROW_ASSIGN_OR_RAISE(Output<int64_t> out, Output<int64_t>::Make(rows, context.pool));
  int64_t* const given = out.data();
  for (int64_t row = 0; row < rows; ++row) {
    int64_t& count = StateAt<RowCount>(states[static_cast<size_t>(row)]).rows;
    count = step(count, row);
    given[row] = count;
  }
  return out.Finish(context.result_type);
}

/// count over all rows so far.
class CountKernel final : public PlainRowKernel<RowCount> {
 public:
  Result<ArrayPtr> RunRows(KernelContext& context, std::span<std::byte* const> states,
                           std::span<const Argument> args) override {
    if (args.empty() || Validity(args[0]).all_valid()) {
      return GiveCounts(context, states, [](int64_t count, int64_t) { return count + 1; });
    }
    const Validity valid(args[0]);
    return GiveCounts(context, states,
                      [&](int64_t count, int64_t row) { return count + (valid[row] ? 1 : 0); });
  }
};

/// count_if over all rows so far; or, of a run, since the last row where it was not true.
template <bool kOfRun>
class TrueRowsKernel final : public PlainRowKernel<RowCount> {
 public:
  Result<ArrayPtr> RunRows(KernelContext& context, std::span<std::byte* const> states,
                           std::span<const Argument> args) override {
    const BooleanView values(args[0]);
    const Validity valid(args[0]);
    return GiveCounts(context, states, [&](int64_t count, int64_t row) {
      const int64_t is_true = valid[row] && values[row] ? 1 : 0;
      return kOfRun ? (count + 1) * is_true : count + is_true;
    });
  }
};

std::unique_ptr<PartitionKernel> MakeLagKernel(const FunctionCall& call) {
  const TypePtr type = PlainType(call.args[0]->type);
  if (call.args.size() > 2 || RowsAway(call.args) != 1 || !arrow::is_fixed_width(type->id()) ||
      type->id() == arrow::Type::BOOL) {
    return nullptr;
  }
  switch (type->bit_width()) {
    case 8:
      return std::make_unique<LagKernel<uint8_t>>();
    case 16:
      return std::make_unique<LagKernel<uint16_t>>();
    case 32:
      return std::make_unique<LagKernel<uint32_t>>();
    case 64:
      return std::make_unique<LagKernel<uint64_t>>();
    default:
      return nullptr;
  }
}

}  // namespace

std::unique_ptr<PartitionKernel> MakeRowKernel(const FunctionCall& call) {
  const std::string_view id = call.function->id;
  if (id == "lag") return MakeLagKernel(call);
  if (id == "run_length") return std::make_unique<TrueRowsKernel<true>>();
  return nullptr;
}

std::unique_ptr<PartitionKernel> MakeRunningRowKernel(const FunctionCall& call) {
  const std::string_view id = call.function->id;
  if (id == "count") return std::make_unique<CountKernel>();
  if (id == "count_if") return std::make_unique<TrueRowsKernel<false>>();
  return nullptr;
}

}  // namespace headrace
