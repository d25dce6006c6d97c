// PartitionKernel: what a window operator runs over the rows of its partitions – an ordered
// function, or an aggregate over a frame that looks back.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "headrace/function/function.h"

namespace headrace {

struct FunctionCall;
struct RollingCall;

/// A state machine, one state per partition. States do not move. One thread: of one lane.
class PartitionKernel {
 public:
  PartitionKernel(size_t size, size_t align) : size(size), align(align) {}
  virtual ~PartitionKernel() = default;

  virtual void Init(std::byte* state) = 0;
  virtual void Destroy(std::byte* state) = 0;
  /// Told of a batch before its rows are run: all rows, partition by partition. `order[i]` is where
  /// row i stands among the rows of the batch in stream order; null: at i.
  virtual Status StartBatch(KernelContext& context, std::span<const Argument> args,
                            int64_t num_rows, const uint32_t* order);
  /// Appends a value for each of the rows [begin, end), which are of one partition.
  virtual Status Run(KernelContext& context, std::byte* state, std::span<const Argument> args,
                     int64_t begin, int64_t end, arrow::ArrayBuilder* out) = 0;
  /// Whether RunRows may stand for StartBatch and Run. States then own no memory.
  virtual bool runs_rows() const { return false; }
  /// The values of the rows of a batch as they come; states[i] is that of the partition of row i.
  /// REQUIRES: runs_rows().
  virtual Result<ArrayPtr> RunRows(KernelContext& context, std::span<std::byte* const> states,
                                   std::span<const Argument> args);
  virtual Status Save(const std::byte* state, std::string* out) = 0;
  virtual Status Load(std::byte* state, std::string_view bytes) = 0;
  /// Memory that a state owns beyond `size`.
  virtual int64_t Bytes(const std::byte* state) = 0;
  /// At most so much more of it per row, beside the bytes of its arguments.
  virtual int64_t BytesPerRow() const { return 0; }

  const size_t size;
  const size_t align;
};

/// States that are those of a function's kernel.
template <typename Kernel>
class FunctionStatesKernel : public PartitionKernel {
 public:
  explicit FunctionStatesKernel(const Kernel& kernel)
      : PartitionKernel(kernel.size, kernel.align), kernel_(kernel) {}

  void Init(std::byte* state) override { kernel_.init(state); }
  void Destroy(std::byte* state) override {
    if (kernel_.destroy != nullptr) kernel_.destroy(state);
  }
  Status Save(const std::byte* state, std::string* out) override {
    return kernel_.save(state, out);
  }
  Status Load(std::byte* state, std::string_view bytes) override {
    return kernel_.load(state, bytes);
  }
  int64_t Bytes(const std::byte* state) override {
    return kernel_.bytes == nullptr ? 0 : kernel_.bytes(state);
  }

 protected:
  const Kernel& kernel_;
};

/// Of an ordered function.
std::unique_ptr<PartitionKernel> MakePartitionKernel(const FunctionCall& call);

/// A kernel that runs_rows for an ordered function; for an aggregate over all rows so far. Null:
/// there is none.
std::unique_ptr<PartitionKernel> MakeRowKernel(const FunctionCall& call);
std::unique_ptr<PartitionKernel> MakeRunningRowKernel(const FunctionCall& call);

/// Of last_value, its nulls ignored, over rows.
std::unique_ptr<PartitionKernel> MakeFillKernel(const RollingCall& rolling);

/// Of min or max, see IsRollingExtreme.
std::unique_ptr<PartitionKernel> MakeExtremeKernel(const RollingCall& rolling);

/// Of a median or a quantile, see IsRollingQuantile.
std::unique_ptr<PartitionKernel> MakeQuantileKernel(const RollingCall& rolling);

/// Of an aggregate: its arguments, then the key and the bound where the frame has them.
std::unique_ptr<PartitionKernel> MakeRollingKernel(const RollingCall& rolling,
                                                   arrow::MemoryPool* pool);

}  // namespace headrace
