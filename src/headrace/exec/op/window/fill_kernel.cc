// last_value(x IGNORE NULLS) over the last rows: the last value, as long as it is in the frame. The
// state is that value and how far back it stands.
#include "arrow/array/array_base.h"
#include "arrow/array/builder_base.h"
#include "headrace/exec/op/window/partition_kernel.h"
#include "headrace/function/cell.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/function/view.h"
#include "headrace/plan/rolling_window.h"

namespace headrace {
namespace {

struct FillState {
  std::string value;
  bool has_value = false;
  int64_t age = 0;  // rows of the partition behind that of the value
};

class FillKernel final : public PartitionKernel {
 public:
  explicit FillKernel(int64_t rows_max)
      : PartitionKernel(sizeof(FillState), alignof(FillState)), rows_max_(rows_max) {}

  void Init(std::byte* state) override { InitState<FillState>(state); }
  void Destroy(std::byte* state) override { DestroyState<FillState>(state); }

  Status Run(KernelContext&, std::byte* state, std::span<const Argument> args, int64_t begin,
             int64_t end, arrow::ArrayBuilder* out) override {
    auto& fill = StateAt<FillState>(state);
    const Argument& values = args[0];
    const Validity valid(values);
    int64_t last = -1;
    for (int64_t row = begin; row < end; ++row) {
      if (valid[row]) last = row;
      const int64_t distance = last >= 0 ? row - last : fill.age + row - begin + 1;
      if (!(last >= 0 || fill.has_value) || (rows_max_ > 0 && distance >= rows_max_)) {
        ARROW_RETURN_NOT_OK(out->AppendNull());
      } else if (last >= 0) {
        ARROW_RETURN_NOT_OK(out->AppendArraySlice(*values.array->data(), PlaceOf(values, last), 1));
      } else {
        ARROW_RETURN_NOT_OK(AppendCell(fill.value, *values.array->type(), out));
      }
    }
    return Remember(values, last, begin, end, &fill);
  }

  Status Save(const std::byte* state, std::string* out) override {
    const auto& fill = StateAt<FillState>(state);
    PutValue<uint8_t>(fill.has_value ? 1 : 0, out);
    PutValue(fill.age, out);
    PutText(fill.value, out);
    return Status::OK();
  }

  Status Load(std::byte* state, std::string_view bytes) override {
    StateBytesReader reader("last_value", bytes);
    FillState loaded;
    ARROW_RETURN_NOT_OK(reader.ReadFlag(&loaded.has_value));
    ARROW_RETURN_NOT_OK(reader.ReadCount(&loaded.age));
    ARROW_RETURN_NOT_OK(reader.ReadText(&loaded.value));
    ARROW_RETURN_NOT_OK(reader.Finish());
    StateAt<FillState>(state) = std::move(loaded);
    return Status::OK();
  }

  int64_t Bytes(const std::byte* state) override {
    return HeapBytes(StateAt<FillState>(state).value);
  }

 private:
  static int64_t PlaceOf(const Argument& values, int64_t row) {
    return values.is_constant ? 0 : row;
  }

  static Status Remember(const Argument& values, int64_t last, int64_t begin, int64_t end,
                         FillState* fill) {
    if (last < 0) {
      fill->age += end - begin;
      return Status::OK();
    }
    fill->has_value = true;
    fill->age = end - 1 - last;
    fill->value.clear();
    return EncodeCell(*values.array, PlaceOf(values, last), &fill->value);
  }

  const int64_t rows_max_;  // of the frame; 0: all
};

}  // namespace

std::unique_ptr<PartitionKernel> MakeFillKernel(const RollingCall& rolling) {
  return std::make_unique<FillKernel>(rolling.rows);
}

}  // namespace headrace
