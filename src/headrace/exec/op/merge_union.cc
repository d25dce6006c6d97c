// A heap of the ports by the keys of their next rows; rows are gathered from the batches of all
// ports once one of these has ended.
#include "headrace/exec/op/merge_union.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/exec/key/sort_key_encoder.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/exec/physical.h"
#include "headrace/plan/merge_union.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

class MergeUnion final : public Operator {
 public:
  explicit MergeUnion(const MergeUnionSpec& spec)
      : spec_(spec), rows_(*spec.schema), ports_(static_cast<size_t>(spec.ports)) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    ARROW_ASSIGN_OR_RAISE(const SortKeyEncoder encoder,
                          SortKeyEncoder::Make(*spec_.schema, spec_.keys));
    encoder_.emplace(encoder);
    return Status::OK();
  }

  /// The first port that has no row while it may get one.
  int Wants() const override {
    for (size_t i = 0; i < ports_.size(); ++i) {
      if (!ports_[i].has_ended && ports_[i].chunk < 0) return static_cast<int>(i);
    }
    return 0;
  }

  Result<Flow> Push(int number, Batch& batch, Out& out) override {
    Port& port = ports_[static_cast<size_t>(number)];
    if (!in_call_) {
      ARROW_ASSIGN_OR_RAISE(batch, batch.Compact(context().pool));
      const int64_t more = 2 * batch.num_bytes();
      if (!reservation_.TryGrow(more)) return Flow::NeedMemory(more);
      port.reserved_bytes = more;
      ARROW_ASSIGN_OR_RAISE(const Batch rows, DecodeBatch(batch, context().pool));
      ARROW_RETURN_NOT_OK(encoder_->Encode(rows, nullptr, context().pool, &port.keys));
      port.chunk = rows_.Add(rows);
      port.next = 0;
      ordinal_ = batch.ordinal();
      heap_.push_back(number);
      std::push_heap(heap_.begin(), heap_.end(), Later());
    }
    return Merge(out);
  }

  Result<Flow> Finish(int number, Out& out) override {
    ports_[static_cast<size_t>(number)].has_ended = true;
    return Merge(out);
  }

 private:
  struct Port {
    bool has_ended = false;
    int32_t chunk = -1;  // of the batch it is in; −1: none
    int64_t next = 0;    // row
    SortKeys keys;
    int64_t reserved_bytes = 0;
  };

  /// A heap has the greatest on top.
  struct IsLater {
    const std::vector<Port>& ports;

    bool operator()(int left, int right) const {
      const Port& a = ports[static_cast<size_t>(left)];
      const Port& b = ports[static_cast<size_t>(right)];
      const int order = a.keys[a.next].compare(b.keys[b.next]);
      return order != 0 ? order > 0 : left > right;
    }
  };
  IsLater Later() const { return {ports_}; }

  bool IsAnyMissing() const {
    return std::any_of(ports_.begin(), ports_.end(),
                       [](const Port& port) { return !port.has_ended && port.chunk < 0; });
  }

  Result<Flow> Merge(Out& out) {
    in_call_ = false;
    if (heap_.empty() || IsAnyMissing()) return Flow::NeedInput();
    refs_.clear();
    const auto rows_max = static_cast<size_t>(std::min(context().batch_rows, kBatchRowsMax));
    std::optional<size_t> emptied;
    while (refs_.size() < rows_max && !emptied.has_value()) {
      std::pop_heap(heap_.begin(), heap_.end(), Later());
      const auto top = static_cast<size_t>(heap_.back());
      heap_.pop_back();
      emptied = TakeRows(top, rows_max);
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, rows_.Gather(refs_, context().pool));
    Batch merged(std::move(columns), static_cast<int64_t>(refs_.size()));
    merged.set_ordinal(ordinal_);
    out.Emit(std::move(merged));
    if (emptied.has_value()) Release(ports_[*emptied]);
    if (heap_.empty() || IsAnyMissing()) return Flow::NeedInput();
    in_call_ = true;
    return Flow::MoreOutput();
  }

  /// The rows of the port on top that come before those of all others; its number when it has no
  /// more.
  std::optional<size_t> TakeRows(size_t number, size_t rows_max) {
    Port& port = ports_[number];
    const auto place = static_cast<int>(number);
    do {
      refs_.push_back({port.chunk, static_cast<int32_t>(port.next++)});
      if (port.next == port.keys.num_rows) return number;
    } while (refs_.size() < rows_max && (heap_.empty() || !Later()(place, heap_.front())));
    heap_.push_back(place);
    std::push_heap(heap_.begin(), heap_.end(), Later());
    return std::nullopt;
  }

  void Release(Port& port) {
    rows_.Remove(port.chunk);
    port.chunk = -1;
    reservation_.TryResize(reservation_.bytes() - port.reserved_bytes);
    port.reserved_bytes = 0;
  }

  const MergeUnionSpec& spec_;
  std::optional<SortKeyEncoder> encoder_;
  RowStore rows_;
  std::vector<Port> ports_;
  std::vector<int> heap_;  // ports that have a row
  Ordinal ordinal_;
  Reservation reservation_;
  bool in_call_ = false;  // that is repeated while it has output
  std::vector<RowRef> refs_;
};

}  // namespace

std::string MergeUnionSpec::Describe() const { return ToString(keys, schema->field_names()); }

std::unique_ptr<Operator> MergeUnionSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<MergeUnion>(*this);
}

Status LowerMergeUnion(const PlanNode& node, Lowering& lowering) {
  std::vector<int> channels;
  for (const PlanPtr& input : node.inputs()) {
    ARROW_RETURN_NOT_OK(lowering.Lower(*input));
    channels.push_back(lowering.EndInChannel());
  }
  const auto& merge = static_cast<const MergeUnionNode&>(node);
  lowering.StartPorts(channels, std::make_shared<MergeUnionSpec>(
                                    node.schema(), merge.keys, static_cast<int>(channels.size())));
  return Status::OK();
}

}  // namespace headrace
