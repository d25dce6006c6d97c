// Ordered functions as they are.
#include "headrace/exec/op/partition_kernel.h"

namespace headrace {
namespace {

class OrderedPartitionKernel final : public PartitionKernel {
 public:
  explicit OrderedPartitionKernel(const OrderedKernel& kernel)
      : PartitionKernel(kernel.size, kernel.align), kernel_(kernel) {}

  void Init(std::byte* state) override { kernel_.init(state); }
  void Destroy(std::byte* state) override {
    if (kernel_.destroy != nullptr) kernel_.destroy(state);
  }
  Status Run(KernelContext& context, std::byte* state, std::span<const Argument> args,
             int64_t begin, int64_t end, arrow::ArrayBuilder* out) override {
    return kernel_.run(context, state, args, begin, end, out);
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

 private:
  const OrderedKernel& kernel_;
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
