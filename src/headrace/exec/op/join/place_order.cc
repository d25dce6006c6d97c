// Ranges of places, and the lanes that write rows by them.
#include "headrace/exec/op/join/place_order.h"

#include <algorithm>
#include <utility>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/exec/op/join/hash_join_state.h"
#include "headrace/exec/op/join/hash_join_writer.h"
#include "headrace/exec/op/join/join_matcher.h"
#include "headrace/exec/physical.h"

namespace headrace {
namespace {

// With less memory than this for each, lanes would have to divide ranges that together fit.
constexpr int64_t kOrderBytesPerLane = int64_t{8} << 20;

class PlaceOrderBuild final : public Operator {
 public:
  PlaceOrderBuild(const SchemaPtr& schema, std::shared_ptr<PlaceOrderGlobal> state)
      : state_(std::move(state)),
        writer_(*WithPlaceColumns(*schema), /*with_places=*/false, "join-order") {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    writer_.Open(this->context());
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out&) override {
    ARROW_ASSIGN_OR_RAISE(batch, batch.Compact(context().pool));
    if (!state_->has_order()) {
      state_->ranges(context()).RangesOf(batch, &ranges_);
      ARROW_RETURN_NOT_OK(writer_.AddTo(std::move(batch), ranges_));
      return Flow::NeedInput();
    }
    spools_ = true;
    const int64_t wanted = state_->spool(context()).TryPush(batch);
    return wanted == 0 ? Flow::NeedInput() : Flow::NeedMemory(wanted);
  }

  Result<Flow> Finish(int, Out&) override {
    ARROW_RETURN_NOT_OK(writer_.Flush());
    return Flow::NeedInput();
  }

  Status Combine(GlobalState&) override {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, writer_.Take());
    if (file != nullptr) state_->AddFile(std::move(file));
    return Status::OK();
  }

  Result<int64_t> Reclaim(int64_t) override {
    if (spools_) return state_->spool(context()).Spill();
    const int64_t freed = writer_.held_bytes();
    ARROW_RETURN_NOT_OK(writer_.Flush());
    return freed;
  }

 private:
  const std::shared_ptr<PlaceOrderGlobal> state_;
  JoinRowWriter writer_;
  std::vector<uint8_t> ranges_;  // of the rows of a batch
  bool spools_ = false;
};

}  // namespace

PlaceRanges PlaceRanges::Of(std::vector<JoinPlace> samples, size_t count) {
  std::sort(samples.begin(), samples.end());
  PlaceRanges ranges;
  const auto cut = [&](const JoinPlace& bound) {
    if (ranges.bounds_.empty() || ranges.bounds_.back() < bound) ranges.bounds_.push_back(bound);
  };
  // A place that comes again has a range of its own.
  const size_t cuts = std::min(samples.size(), count - 2);
  for (size_t i = 1; i <= cuts; ++i) {
    const JoinPlace& place = samples[i * samples.size() / (cuts + 1)];
    if (!ranges.bounds_.empty() && ranges.bounds_.back() == place) {
      cut({place.first, place.second + 1});
    } else {
      cut(place);
    }
  }
  // No range has rows of both sides: their splits are far from each other.
  const JoinPlace unmatched = {kUnmatchedSplit, 0};
  const auto at = std::lower_bound(ranges.bounds_.begin(), ranges.bounds_.end(), unmatched);
  if (at == ranges.bounds_.end() || *at != unmatched) ranges.bounds_.insert(at, unmatched);
  return ranges;
}

size_t PlaceRanges::RangeOf(const JoinPlace& place) const {
  return static_cast<size_t>(std::upper_bound(bounds_.begin(), bounds_.end(), place) -
                             bounds_.begin());
}

// Rows in order are mostly of the range of the row before.
void PlaceRanges::RangesOf(const Batch& rows, std::vector<uint8_t>* ranges) const {
  const size_t width = rows.columns().size() - 2;
  const auto& splits = static_cast<const arrow::Int64Array&>(*rows.columns()[width]);
  const auto& numbers = static_cast<const arrow::Int64Array&>(*rows.columns()[width + 1]);
  ranges->resize(static_cast<size_t>(rows.num_rows()));
  size_t range = 0;
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    const JoinPlace place = {splits.Value(row), numbers.Value(row)};
    const bool is_same = (range == 0 || !(place < bounds_[range - 1])) &&
                         (range == bounds_.size() || place < bounds_[range]);
    if (!is_same) range = RangeOf(place);
    (*ranges)[static_cast<size_t>(row)] = static_cast<uint8_t>(range);
  }
}

bool PlaceRanges::IsOnePlace(size_t range) const {
  if (range == 0 || range == bounds_.size()) return false;
  const JoinPlace& first = bounds_[range - 1];
  return bounds_[range] == JoinPlace{first.first, first.second + 1};
}

bool PlaceOrderGlobal::has_order() const { return !rest_->pieces().is_spilled(); }

const PlaceRanges& PlaceOrderGlobal::ranges(const OperatorContext& context) {
  std::call_once(ranges_once_, [&] {
    const size_t count = size_t{1} << BitsWorthWriting(schema_->num_fields(), context);
    ranges_ = PlaceRanges::Of(rest_->OutputPlaces(), count);
  });
  return *ranges_;
}

RowSpool& PlaceOrderGlobal::spool(const OperatorContext& context) {
  if (spool_ == nullptr) {
    context_ = context;
    spool_ = std::make_unique<RowSpool>(*context_, WithPlaceColumns(*schema_), "join-order");
  }
  return *spool_;
}

int64_t PlaceOrderGlobal::num_parts() const {
  if (has_order()) return has_spool() ? 1 : 0;
  return ranges_.has_value() ? static_cast<int64_t>(ranges_->size()) : 0;
}

std::unique_ptr<Operator> PlaceOrderBuildSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<PlaceOrderBuild>(schema, state);
}

void LowerToPlaceOrder(const SchemaPtr& schema, std::shared_ptr<HashJoinRest> rest,
                       Lowering& lowering) {
  auto state = std::make_shared<PlaceOrderGlobal>(schema, std::move(rest));
  int breaker = 0;
  lowering.EndInBreaker(std::make_shared<PlaceOrderBuildSpec>(schema, state), state, &breaker);
  lowering.StartParts(state, breaker, std::make_shared<PlaceOrderSpec>(schema, state),
                      lowering.LanesOf(kOrderBytesPerLane));
}

}  // namespace headrace
