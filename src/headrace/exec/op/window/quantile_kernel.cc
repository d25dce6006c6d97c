// Rolling quantiles: the values of the frame in their order, as integers of the same order.
#include <cmath>
#include <optional>

#include "arrow/array/builder_primitive.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/exec/op/window/number_rank.h"
#include "headrace/exec/op/window/ordered_bag.h"
#include "headrace/exec/op/window/partition_kernel.h"
#include "headrace/exec/op/window/rolling_frame.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

struct QuantileState {
  OrderedBag values;
  RowQueue<std::optional<int64_t>> rows;  // their values; oldest first
  RowQueue<int64_t> keys;
};

class QuantileKernel final : public PartitionKernel {
 public:
  explicit QuantileKernel(const RollingCall& rolling)
      : PartitionKernel(sizeof(QuantileState), alignof(QuantileState)),
        frame_(rolling),
        type_(PlainType(rolling.call.args[0]->type)->id()),
        is_middle_(rolling.call.args.size() == 1) {
    if (is_middle_) return;
    const arrow::Scalar& fraction = *rolling.call.args[1]->literal;
    fraction_ = static_cast<const arrow::DoubleScalar&>(fraction).value;
  }

  void Init(std::byte* state) override { InitState<QuantileState>(state); }
  void Destroy(std::byte* state) override { DestroyState<QuantileState>(state); }

  Status Run(KernelContext&, std::byte* state, std::span<const Argument> args, int64_t begin,
             int64_t end, arrow::ArrayBuilder* out) override {
    auto& quantile = StateAt<QuantileState>(state);
    Window window{*this, quantile, args[0], *out};
    return frame_.Run(window, quantile.keys, args, begin, end);
  }

  Status Save(const std::byte* state, std::string* out) override {
    const auto& quantile = StateAt<QuantileState>(state);
    PutValue(quantile.rows.size(), out);
    for (const auto& value : quantile.rows) {
      PutValue<uint8_t>(value.has_value() ? 1 : 0, out);
      PutValue(value.value_or(0), out);
    }
    frame_.SaveKeys(quantile.keys, out);
    return Status::OK();
  }

  Status Load(std::byte* state, std::string_view bytes) override {
    auto& quantile = StateAt<QuantileState>(state);
    StateBytesReader reader("a rolling quantile", bytes);
    int64_t rows = 0;
    ARROW_RETURN_NOT_OK(reader.ReadCount(&rows));
    for (int64_t i = 0; i < rows; ++i) {
      bool has_value = false;
      int64_t value = 0;
      ARROW_RETURN_NOT_OK(reader.ReadFlag(&has_value));
      ARROW_RETURN_NOT_OK(reader.Read(&value));
      Enter(quantile, has_value ? std::optional(value) : std::nullopt);
    }
    ARROW_RETURN_NOT_OK(frame_.LoadKeys(reader, rows, &quantile.keys));
    return reader.Finish();
  }

  int64_t Bytes(const std::byte* state) override {
    const auto& quantile = StateAt<QuantileState>(state);
    return quantile.values.bytes() + quantile.rows.bytes() + quantile.keys.bytes();
  }
  int64_t BytesPerRow() const override { return sizeof(Value) + 4 * sizeof(int64_t); }

 private:
  using Value = std::optional<int64_t>;

  /// A frame on its way over rows.
  struct Window {
    const QuantileKernel& kernel;
    QuantileState& state;
    const Argument& values;
    arrow::ArrayBuilder& out;
    const Validity valid{values};

    int64_t rows() const { return state.rows.size(); }
    Status Leave() {
      if (state.rows.front().has_value()) state.values.Remove(*state.rows.front());
      state.rows.pop_front();
      return Status::OK();
    }
    Status Enter(int64_t row) {
      QuantileKernel::Enter(state, ValueAt(row));
      return Status::OK();
    }
    Status Give() { return kernel.Append(state.values, out); }
    Status GiveAlone(int64_t row) {
      OrderedBag alone;
      if (const Value value = ValueAt(row)) alone.Add(*value);
      return kernel.Append(alone, out);
    }
    Value ValueAt(int64_t row) const {
      if (!valid[row]) return std::nullopt;
      if (kernel.type_ == arrow::Type::DOUBLE) return RankOf(View<double>(values)[row]);
      return View<int64_t>(values)[row];
    }
  };

  static void Enter(QuantileState& state, Value value) {
    state.rows.push_back(value);
    if (value.has_value()) state.values.Add(*value);
  }

  Status Append(const OrderedBag& values, arrow::ArrayBuilder& out) const {
    if (values.size() == 0) return out.AppendNull();
    const double place = static_cast<double>(values.size() - 1) * fraction_;
    const auto below = static_cast<int64_t>(std::floor(place));
    const double share = place - std::floor(place);
    const int64_t low = values.At(below);
    const int64_t high = share > 0 ? values.At(below + 1) : low;
    if (type_ == arrow::Type::TIMESTAMP) {
      const auto width = static_cast<long double>(high) - static_cast<long double>(low);
      return static_cast<arrow::TimestampBuilder&>(out).Append(
          low + static_cast<int64_t>(std::round(width * share)));
    }
    auto& numbers = static_cast<arrow::DoubleBuilder&>(out);
    if (type_ == arrow::Type::INT64) {
      return numbers.Append(static_cast<double>(static_cast<Int128>(low) + high) / 2);
    }
    if (low == high) return numbers.Append(NumberOf(low));
    return numbers.Append(NumberOf(low) + (NumberOf(high) - NumberOf(low)) * share);
  }

  const RollingFrame frame_;
  const arrow::Type::type type_;
  const bool is_middle_;
  double fraction_ = 0.5;
};

}  // namespace

std::unique_ptr<PartitionKernel> MakeQuantileKernel(const RollingCall& rolling) {
  return std::make_unique<QuantileKernel>(rolling);
}

}  // namespace headrace
