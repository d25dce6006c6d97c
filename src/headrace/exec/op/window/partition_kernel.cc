// Ordered functions as they are.
#include "headrace/exec/op/window/partition_kernel.h"

#include "headrace/base/check.h"
#include "headrace/plan/node.h"

namespace headrace {
namespace {

class OrderedPartitionKernel final : public FunctionStatesKernel<OrderedKernel> {
 public:
  using FunctionStatesKernel::FunctionStatesKernel;

  Status Run(KernelContext& context, std::byte* state, std::span<const Argument> args,
             int64_t begin, int64_t end, arrow::ArrayBuilder* out) override {
    return kernel_.run(context, state, args, begin, end, out);
  }
};

}  // namespace

Status PartitionKernel::StartBatch(KernelContext&, std::span<const Argument>, int64_t,
                                   const uint32_t*) {
  return Status::OK();
}

Result<ArrayPtr> PartitionKernel::RunRows(KernelContext&, std::span<std::byte* const>,
                                          std::span<const Argument>) {
  HEADRACE_CHECK(false, "a kernel that goes by partitions is given rows as they come");
}

std::unique_ptr<PartitionKernel> MakePartitionKernel(const FunctionCall& call) {
  std::unique_ptr<PartitionKernel> by_row = MakeRowKernel(call);
  if (by_row != nullptr) return by_row;
  return std::make_unique<OrderedPartitionKernel>(*call.overload->ordered);
}

}  // namespace headrace
