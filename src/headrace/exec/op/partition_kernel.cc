// Ordered functions as they are.
#include "headrace/exec/op/partition_kernel.h"

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

std::unique_ptr<PartitionKernel> MakePartitionKernel(const OrderedKernel& kernel) {
  return std::make_unique<OrderedPartitionKernel>(kernel);
}

}  // namespace headrace
