// Rolling min and max of numbers by a monotonic queue: a row is dropped once a later one is at
// least as good, so the best of the frame is the oldest that is kept. About two comparisons a row.
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "headrace/exec/op/window/number_rank.h"
#include "headrace/exec/op/window/partition_kernel.h"
#include "headrace/exec/op/window/rolling_frame.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

struct ExtremeState {
  struct Row {
    int64_t rank;
    int64_t number;  // in the partition
  };
  RowQueue<Row> best;  // each better than those behind it
  RowQueue<int64_t> keys;
  int64_t first = 0;  // number of the oldest row in the frame
  int64_t next = 0;   // of the next row
};

class ExtremeKernel final : public PartitionKernel {
 public:
  explicit ExtremeKernel(const RollingCall& rolling)
      : PartitionKernel(sizeof(ExtremeState), alignof(ExtremeState)),
        frame_(rolling),
        type_(PlainType(rolling.call.args[0]->type)->id()),
        is_max_(rolling.call.function->id == std::string_view("max")) {}

  void Init(std::byte* state) override { InitState<ExtremeState>(state); }
  void Destroy(std::byte* state) override { DestroyState<ExtremeState>(state); }

  Status Run(KernelContext&, std::byte* state, std::span<const Argument> args, int64_t begin,
             int64_t end, arrow::ArrayBuilder* out) override {
    auto& extreme = StateAt<ExtremeState>(state);
    Window window{*this, extreme, args[0], *out};
    ARROW_RETURN_NOT_OK(out->Reserve(end - begin));
    return frame_.Run(window, extreme.keys, args, begin, end);
  }

  Status Save(const std::byte* state, std::string* out) override {
    const auto& extreme = StateAt<ExtremeState>(state);
    PutValue(extreme.first, out);
    PutValue(extreme.next, out);
    PutValue(extreme.best.size(), out);
    for (const auto& row : extreme.best) PutValue(row, out);
    frame_.SaveKeys(extreme.keys, out);
    return Status::OK();
  }

  Status Load(std::byte* state, std::string_view bytes) override {
    auto& extreme = StateAt<ExtremeState>(state);
    StateBytesReader reader("a rolling extreme", bytes);
    ARROW_RETURN_NOT_OK(reader.ReadCount(&extreme.first));
    ARROW_RETURN_NOT_OK(reader.ReadCount(&extreme.next));
    int64_t best = 0;
    ARROW_RETURN_NOT_OK(reader.ReadCount(&best));
    for (int64_t i = 0; i < best; ++i) {
      Row row{};
      ARROW_RETURN_NOT_OK(reader.Read(&row));
      extreme.best.push_back(row);
    }
    ARROW_RETURN_NOT_OK(frame_.LoadKeys(reader, extreme.next - extreme.first, &extreme.keys));
    return reader.Finish();
  }

  int64_t Bytes(const std::byte* state) override {
    const auto& extreme = StateAt<ExtremeState>(state);
    return extreme.best.bytes() + extreme.keys.bytes();
  }
  int64_t BytesPerRow() const override {
    return frame_.is_all() ? 0 : 2 * sizeof(ExtremeState::Row) + 2 * sizeof(int64_t);
  }

 private:
  using Row = ExtremeState::Row;

  /// A frame on its way over rows.
  struct Window {
    const ExtremeKernel& kernel;
    ExtremeState& state;
    const Argument& values;
    arrow::ArrayBuilder& out;
    const Validity valid{values};

    int64_t rows() const { return state.next - state.first; }
    Status Leave() {
      if (!state.best.empty() && state.best.front().number == state.first) state.best.pop_front();
      ++state.first;
      return Status::OK();
    }
    Status Enter(int64_t row) {
      const int64_t number = state.next++;
      if (!valid[row]) return Status::OK();
      const int64_t rank = kernel.RankAt(values, row);
      // Rows that never leave are kept only when they are the best.
      const bool is_kept = !kernel.frame_.is_all() || state.best.empty() ||
                           kernel.IsAsGood(rank, state.best.front().rank);
      if (!is_kept) return Status::OK();
      while (!state.best.empty() && kernel.IsAsGood(rank, state.best.back().rank)) {
        state.best.pop_back();
      }
      state.best.push_back({rank, number});
      return Status::OK();
    }
    Status Give() {
      if (state.best.empty()) return out.AppendNull();
      return kernel.Append(state.best.front().rank, out);
    }
    Status GiveAlone(int64_t row) {
      return valid[row] ? kernel.Append(kernel.RankAt(values, row), out) : out.AppendNull();
    }
  };

  bool IsAsGood(int64_t rank, int64_t other) const {
    return is_max_ ? rank >= other : rank <= other;
  }
  int64_t RankAt(const Argument& values, int64_t row) const {
    if (type_ == arrow::Type::DOUBLE) return RankOf(View<double>(values)[row]);
    return View<int64_t>(values)[row];
  }
  Status Append(int64_t rank, arrow::ArrayBuilder& out) const {
    switch (type_) {
      case arrow::Type::DOUBLE:
        return static_cast<arrow::DoubleBuilder&>(out).Append(NumberOf(rank));
      case arrow::Type::TIMESTAMP:
        return static_cast<arrow::TimestampBuilder&>(out).Append(rank);
      default:
        return static_cast<arrow::Int64Builder&>(out).Append(rank);
    }
  }

  const RollingFrame frame_;
  const arrow::Type::type type_;
  const bool is_max_;
};

}  // namespace

std::unique_ptr<PartitionKernel> MakeExtremeKernel(const RollingCall& rolling) {
  return std::make_unique<ExtremeKernel>(rolling);
}

}  // namespace headrace
