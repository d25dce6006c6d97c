// Rolling aggregates by two stacks of states: the front has, for each row that is about to leave,
// the state of it and all rows behind it up to the middle; the back has the rows behind the middle
// one by one, and their state together. A row leaves without being taken out of a state, so sums do
// not drift. About three merges a row; memory: a state per row of the frame.
#include "headrace/exec/op/state_queue.h"
#include "headrace/exec/op/window/partition_kernel.h"
#include "headrace/exec/op/window/rolling_frame.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/plan/rolling_window.h"

namespace headrace {
namespace {

constexpr int64_t kBytesPerKey = sizeof(int64_t);
// A pointer, and half of a block that is not full.
constexpr int64_t kBytesBesideState = 2 * sizeof(std::byte*);

/// A state per row of a batch, and the values of frames on their way out.
class BatchStates {
 public:
  BatchStates(const RollingCall& rolling, arrow::MemoryPool* pool)
      : kernel_(*rolling.call.overload->aggregate),
        num_args_(rolling.call.args.size()),
        owns_memory_(kernel_.destroy != nullptr),
        context_{pool, rolling.call.type},
        leaves_(kernel_),
        results_(kernel_) {}

  Status Start(std::span<const Argument> args, int64_t num_rows, const uint32_t* order) {
    leaves_.Reset(num_rows);
    std::vector<RowPosition> positions(static_cast<size_t>(num_rows));
    for (size_t i = 0; i < positions.size(); ++i) {
      positions[i] = {0, rows_seen_ + (order == nullptr ? static_cast<int64_t>(i) : order[i])};
    }
    rows_seen_ += num_rows;
    const AggregateRows rows{args.first(num_args_), num_rows, {}, positions.data()};
    return kernel_.add(context_, leaves_.pointers(), 0, rows);
  }
  /// The state of one row.
  std::byte* operator[](int64_t row) const { return leaves_[row]; }

  Status Merge(std::byte* into, const std::byte* from) {
    return kernel_.merge(context_, into, from);
  }
  /// Gives the value of `front` and `back` together; null: there is none.
  Status Give(const std::byte* front, const std::byte* back, arrow::ArrayBuilder* out) {
    std::byte* const result = results_.Push();
    if (front != nullptr) ARROW_RETURN_NOT_OK(Merge(result, front));
    ARROW_RETURN_NOT_OK(Merge(result, back));
    return owns_memory_ ? Flush(out) : Status::OK();
  }
  /// Gives the value of `state` as it is now.
  Status Give(std::byte* state, arrow::ArrayBuilder* out) {
    if (owns_memory_) return kernel_.finish(context_, &state, 0, 1, out);
    return Give(nullptr, state, out);
  }
  /// Appends what was given.
  Status Flush(arrow::ArrayBuilder* out) {
    ARROW_RETURN_NOT_OK(kernel_.finish(context_, results_.pointers(), 0, results_.size(), out));
    results_.Clear();
    return Status::OK();
  }

 private:
  const AggregateKernel& kernel_;
  const size_t num_args_;
  const bool owns_memory_;
  KernelContext context_;
  StateQueue leaves_;
  StateQueue results_;
  int64_t rows_seen_ = 0;
};

/// All rows so far: their state.
class RunningKernel final : public FunctionStatesKernel<AggregateKernel> {
 public:
  RunningKernel(const RollingCall& rolling, arrow::MemoryPool* pool)
      : FunctionStatesKernel(*rolling.call.overload->aggregate), batch_(rolling, pool) {}

  Status StartBatch(KernelContext&, std::span<const Argument> args, int64_t num_rows,
                    const uint32_t* order) override {
    return batch_.Start(args, num_rows, order);
  }
  Status Run(KernelContext&, std::byte* state, std::span<const Argument>, int64_t begin,
             int64_t end, arrow::ArrayBuilder* out) override {
    for (int64_t row = begin; row < end; ++row) {
      ARROW_RETURN_NOT_OK(batch_.Merge(state, batch_[row]));
      ARROW_RETURN_NOT_OK(batch_.Give(state, out));
    }
    return batch_.Flush(out);
  }

 private:
  BatchStates batch_;
};

/// The frame of the last row of a partition.
struct RollingState {
  explicit RollingState(const AggregateKernel& kernel) : front(kernel), back(kernel), all(kernel) {
    all.Push();
  }

  StateQueue front;  // front[i]: rows i … of the front together
  int64_t left = 0;  // rows of the front that have left the frame
  StateQueue back;
  StateQueue all;           // one state: the rows of the back together
  RowQueue<int64_t> keys;   // of the rows in the frame, where it goes by them
  int64_t owned_bytes = 0;  // what states own, as it was when they were made

  int64_t rows() const { return front.size() - left + back.size(); }
};

class RollingKernel final : public PartitionKernel {
 public:
  RollingKernel(const RollingCall& rolling, arrow::MemoryPool* pool)
      : PartitionKernel(sizeof(RollingState), alignof(RollingState)),
        kernel_(*rolling.call.overload->aggregate),
        frame_(rolling),
        batch_(rolling, pool) {}

  void Init(std::byte* state) override { new (state) RollingState(kernel_); }
  void Destroy(std::byte* state) override { DestroyState<RollingState>(state); }

  Status StartBatch(KernelContext&, std::span<const Argument> args, int64_t num_rows,
                    const uint32_t* order) override {
    return batch_.Start(args, num_rows, order);
  }

  Status Run(KernelContext&, std::byte* state, std::span<const Argument> args, int64_t begin,
             int64_t end, arrow::ArrayBuilder* out) override {
    auto& rolling = StateAt<RollingState>(state);
    Window window{*this, rolling, out};
    ARROW_RETURN_NOT_OK(frame_.Run(window, rolling.keys, args, begin, end));
    return batch_.Flush(out);
  }

  Status Save(const std::byte* state, std::string* out) override {
    const auto& rolling = StateAt<RollingState>(state);
    PutValue(rolling.front.size() - rolling.left, out);
    PutValue(rolling.back.size(), out);
    for (int64_t i = rolling.left; i < rolling.front.size(); ++i) {
      ARROW_RETURN_NOT_OK(SaveState(rolling.front[i], out));
    }
    for (int64_t i = 0; i < rolling.back.size(); ++i) {
      ARROW_RETURN_NOT_OK(SaveState(rolling.back[i], out));
    }
    ARROW_RETURN_NOT_OK(SaveState(rolling.all[0], out));
    frame_.SaveKeys(rolling.keys, out);
    return Status::OK();
  }

  Status Load(std::byte* state, std::string_view bytes) override {
    auto& rolling = StateAt<RollingState>(state);
    StateBytesReader reader("a rolling aggregate", bytes);
    int64_t front = 0;
    int64_t back = 0;
    ARROW_RETURN_NOT_OK(reader.ReadCount(&front));
    ARROW_RETURN_NOT_OK(reader.ReadCount(&back));
    for (int64_t i = 0; i < front; ++i)
      ARROW_RETURN_NOT_OK(LoadState(reader, rolling.front.Push()));
    for (int64_t i = 0; i < back; ++i) ARROW_RETURN_NOT_OK(LoadState(reader, rolling.back.Push()));
    ARROW_RETURN_NOT_OK(LoadState(reader, rolling.all[0]));
    ARROW_RETURN_NOT_OK(frame_.LoadKeys(reader, front + back, &rolling.keys));
    return reader.Finish();
  }

  int64_t Bytes(const std::byte* state) override {
    const auto& rolling = StateAt<RollingState>(state);
    return rolling.front.bytes() + rolling.back.bytes() + rolling.all.bytes() +
           rolling.keys.bytes() + rolling.owned_bytes;
  }

  int64_t BytesPerRow() const override {
    return 2 * (static_cast<int64_t>(kernel_.size) + kBytesBesideState) + kBytesPerKey;
  }

 private:
  /// A frame on its way over rows.
  struct Window {
    RollingKernel& kernel;
    RollingState& state;
    arrow::ArrayBuilder* out;

    int64_t rows() const { return state.rows(); }
    Status Leave() { return kernel.Leave(state); }
    Status Enter(int64_t row) { return kernel.Enter(state, row); }
    Status Give() { return kernel.Give(state, out); }
    Status GiveAlone(int64_t row) { return kernel.batch_.Give(kernel.batch_[row], out); }
  };

  static Status SaveText(Status (*save)(const std::byte*, std::string*), const std::byte* state,
                         std::string* out) {
    std::string text;
    ARROW_RETURN_NOT_OK(save(state, &text));
    PutText(text, out);
    return Status::OK();
  }
  Status SaveState(const std::byte* state, std::string* out) const {
    return SaveText(kernel_.save, state, out);
  }
  Status LoadState(StateBytesReader& reader, std::byte* state) const {
    std::string text;
    ARROW_RETURN_NOT_OK(reader.ReadText(&text));
    return kernel_.load(state, text);
  }

  Status Enter(RollingState& rolling, int64_t row) {
    std::byte* const state = rolling.back.Push();
    ARROW_RETURN_NOT_OK(batch_.Merge(state, batch_[row]));
    if (kernel_.bytes != nullptr) rolling.owned_bytes += kernel_.bytes(state);
    return batch_.Merge(rolling.all[0], state);
  }

  /// The oldest row leaves.
  Status Leave(RollingState& rolling) {
    if (rolling.left < rolling.front.size()) {
      ++rolling.left;
    } else {
      ARROW_RETURN_NOT_OK(Flip(rolling));
    }
    return Status::OK();
  }

  /// The back becomes the front, without its oldest row.
  Status Flip(RollingState& rolling) {
    rolling.front.Clear();
    rolling.front.Swap(rolling.back);
    rolling.all.Reset(1);
    rolling.left = 1;
    rolling.owned_bytes = 0;
    StateQueue& front = rolling.front;
    for (int64_t i = front.size() - 1; i > 0; --i) {
      if (i > 1) ARROW_RETURN_NOT_OK(batch_.Merge(front[i - 1], front[i]));
      if (kernel_.bytes != nullptr) rolling.owned_bytes += kernel_.bytes(front[i]);
    }
    return Status::OK();
  }

  /// The value of the frame.
  Status Give(const RollingState& rolling, arrow::ArrayBuilder* out) {
    if (rolling.left == rolling.front.size()) return batch_.Give(rolling.all[0], out);
    return batch_.Give(rolling.front[rolling.left], rolling.all[0], out);
  }

  const AggregateKernel& kernel_;
  const RollingFrame frame_;
  BatchStates batch_;
};

}  // namespace

std::unique_ptr<PartitionKernel> MakeRollingKernel(const RollingCall& rolling,
                                                   arrow::MemoryPool* pool) {
  if (IsRollingQuantile(rolling.call)) return MakeQuantileKernel(rolling);
  if (IsRollingExtreme(rolling.call)) return MakeExtremeKernel(rolling);
  if (RollingFrame(rolling).is_all()) {
    std::unique_ptr<PartitionKernel> by_row = MakeRunningRowKernel(rolling.call);
    if (by_row != nullptr) return by_row;
  }
  if (RollingFrame(rolling).is_all()) return std::make_unique<RunningKernel>(rolling, pool);
  return std::make_unique<RollingKernel>(rolling, pool);
}

}  // namespace headrace
