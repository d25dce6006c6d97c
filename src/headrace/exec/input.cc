// Scan, stream, parts and channel inputs.
#include "headrace/exec/input.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/operator.h"
#include "headrace/exec/stopwatch.h"

namespace headrace {

SplitDispatcher::SplitDispatcher(std::vector<Split> splits, int lanes)
    : waiting_(splits.begin(), splits.end()), ahead_max_(kSplitsAheadPerLane * lanes) {}

SplitDispatcher::State SplitDispatcher::Take(Split* split, const Waker& waker) {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return State::kNone;
  if (!running_.empty() && taken_since_oldest_ >= ahead_max_) {
    wakers_.push_back(waker);
    return State::kWait;
  }
  *split = std::move(waiting_.front());
  waiting_.pop_front();
  running_.insert(split->index);
  ++taken_since_oldest_;
  if (on_begin_) on_begin_(split->index);
  return State::kTaken;
}

void SplitDispatcher::Finished(int64_t index) {
  std::lock_guard lock(mutex_);
  const bool oldest = !running_.empty() && *running_.begin() == index;
  running_.erase(index);
  if (!oldest) return;
  taken_since_oldest_ = static_cast<int64_t>(running_.size());
  for (Waker& waker : wakers_) waker.Wake();
  wakers_.clear();
}

void SplitDispatcher::Close() {
  std::lock_guard lock(mutex_);
  waiting_.clear();
  for (Waker& waker : wakers_) waker.Wake();
  wakers_.clear();
}

namespace {

class ScanInput final : public PipelineInput {
 public:
  ScanInput(SourcePtr source, ScanRequest request, std::shared_ptr<SplitDispatcher> dispatcher,
            ReadProgress* progress, ReadContext context)
      : source_(std::move(source)),
        request_(std::move(request)),
        dispatcher_(std::move(dispatcher)),
        progress_(*progress),
        context_(std::move(context)) {}

  Result<InputItem> Next() override {
    if (reader_ == nullptr) {
      switch (dispatcher_->Take(&split_, context_.waker)) {
        case SplitDispatcher::State::kNone:
          return EndOfInput{};
        case SplitDispatcher::State::kWait:
          return Pending{};
        case SplitDispatcher::State::kTaken:
          break;
      }
      ARROW_ASSIGN_OR_RAISE(reader_, source_->Open(split_, request_, context_));
      seq_ = 0;
    }
    ARROW_ASSIGN_OR_RAISE(ReadResult result, reader_->Next());
    if (std::holds_alternative<Pending>(result)) return Pending{};
    if (auto* batch = std::get_if<Batch>(&result)) {
      batch->set_ordinal({split_.index, seq_++});
      progress_.rows += batch->num_rows();
      progress_.bytes += batch->num_bytes();
      return std::move(*batch);
    }
    reader_.reset();
    dispatcher_->Finished(split_.index);
    ++progress_.splits_done;
    return SplitEnded{split_.index};
  }

  std::optional<int64_t> Close() override {
    dispatcher_->Close();
    if (reader_ == nullptr) return std::nullopt;
    reader_.reset();
    dispatcher_->Finished(split_.index);
    return split_.index;
  }

 private:
  const SourcePtr source_;
  const ScanRequest request_;
  const std::shared_ptr<SplitDispatcher> dispatcher_;
  ReadProgress& progress_;
  const ReadContext context_;
  Split split_;
  std::unique_ptr<SplitReader> reader_;
  int64_t seq_ = 0;
};

int64_t MicrosPerUnit(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1'000'000;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    default:
      return 1;
  }
}

/// The greatest event time of a batch in microseconds; kNone when it has none.
int64_t MaxEventTime(const arrow::Array& times) {
  const auto& stamps = static_cast<const arrow::TimestampArray&>(times);
  const auto unit = static_cast<const arrow::TimestampType&>(*times.type()).unit();
  int64_t max = Watermark::kNone;
  for (int64_t row = 0; row < stamps.length(); ++row) {
    if (stamps.IsValid(row)) max = std::max(max, stamps.Value(row));
  }
  if (max == Watermark::kNone) return max;
  return unit == arrow::TimeUnit::NANO ? max / 1000 : max * MicrosPerUnit(unit);
}

class StreamInput final : public PipelineInput {
 public:
  struct Lane {
    Split split;
    std::unique_ptr<SplitReader> reader;
    int64_t seq = 0;
    int64_t max_time = Watermark::kNone;
    bool ended = false;
  };

  StreamInput(std::optional<EventTime> event_time, std::vector<Lane> lanes,
              std::shared_ptr<const std::atomic<bool>> paused)
      : event_time_(event_time), lanes_(std::move(lanes)), paused_(std::move(paused)) {}

  Result<InputItem> Next() override {
    if (auto watermark = DueWatermark()) return *watermark;
    if (paused_->load()) return Pending{};
    bool any_open = false;
    for (size_t tried = 0; tried < lanes_.size(); ++tried) {
      Lane& lane = lanes_[next_++ % lanes_.size()];
      if (lane.ended) continue;
      ARROW_ASSIGN_OR_RAISE(ReadResult result, lane.reader->Next());
      if (auto* batch = std::get_if<Batch>(&result)) return Stamp(lane, std::move(*batch));
      if (std::holds_alternative<EndOfSplit>(result)) {
        lane.ended = true;
        return SplitEnded{lane.split.index};
      }
      any_open = true;
    }
    if (any_open) return Pending{};
    return EndOfInput{};
  }

  std::optional<int64_t> Close() override {
    lanes_.clear();
    return std::nullopt;
  }

  Result<std::vector<std::pair<int64_t, std::string>>> Positions() const override {
    std::vector<std::pair<int64_t, std::string>> positions;
    for (const Lane& lane : lanes_) {
      ARROW_ASSIGN_OR_RAISE(std::string position, lane.reader->Position());
      positions.emplace_back(lane.split.index, fmt::format("{}:{}", lane.seq, position));
    }
    return positions;
  }

 private:
  InputItem Stamp(Lane& lane, Batch batch) {
    batch.set_ordinal({lane.split.index, lane.seq++});
    if (event_time_.has_value()) {
      lane.max_time = std::max(lane.max_time, MaxEventTime(*batch.column(event_time_->column)));
    }
    return batch;
  }

  std::optional<Watermark> DueWatermark() {
    if (!event_time_.has_value()) return std::nullopt;
    int64_t least = Watermark::kEnd;
    for (const Lane& lane : lanes_) {
      if (!lane.ended) least = std::min(least, lane.max_time);
    }
    if (least == Watermark::kEnd || least == Watermark::kNone) return std::nullopt;
    const Watermark watermark{least - event_time_->delay_micros};
    if (watermark <= given_) return std::nullopt;
    given_ = watermark;
    return watermark;
  }

  const std::optional<EventTime> event_time_;  // column: of the batches read
  std::vector<Lane> lanes_;
  const std::shared_ptr<const std::atomic<bool>> paused_;
  size_t next_ = 0;
  Watermark given_;
};

class MeasuredInput final : public PipelineInput {
 public:
  MeasuredInput(std::unique_ptr<PipelineInput> input, OperatorMetrics* metrics, CatchUp* catch_up)
      : input_(std::move(input)), metrics_(*metrics), catch_up_(catch_up) {}

  Result<InputItem> Next() override {
    const Stopwatch stopwatch(metrics_.busy_micros);
    ARROW_ASSIGN_OR_RAISE(InputItem item, input_->Next());
    if (const auto* batch = std::get_if<Batch>(&item)) metrics_.rows_out += batch->num_rows();
    if (catch_up_ != nullptr && HasCaughtUp(item)) {
      catch_up_->behind.fetch_sub(1);
      catch_up_ = nullptr;
    }
    return item;
  }
  std::optional<int64_t> Close() override { return input_->Close(); }
  Result<std::vector<std::pair<int64_t, std::string>>> Positions() const override {
    return input_->Positions();
  }

 private:
  bool HasCaughtUp(const InputItem& item) const {
    if (std::holds_alternative<EndOfInput>(item)) return true;
    return std::holds_alternative<Pending>(item) && !catch_up_->paused->load();
  }

  const std::unique_ptr<PipelineInput> input_;
  OperatorMetrics& metrics_;
  CatchUp* catch_up_;  // null once this input has counted itself out
};

class PartsInput final : public PipelineInput {
 public:
  PartsInput(std::shared_ptr<SplitDispatcher> dispatcher, Waker waker)
      : dispatcher_(std::move(dispatcher)), waker_(std::move(waker)) {}

  Result<InputItem> Next() override {
    if (given_) {
      given_ = false;
      dispatcher_->Finished(part_.index);
      return SplitEnded{part_.index};
    }
    switch (dispatcher_->Take(&part_, waker_)) {
      case SplitDispatcher::State::kNone:
        return EndOfInput{};
      case SplitDispatcher::State::kWait:
        return Pending{};
      case SplitDispatcher::State::kTaken:
        break;
    }
    given_ = true;
    Batch batch({}, 1);
    batch.set_ordinal({part_.index, 0});
    return batch;
  }

  std::optional<int64_t> Close() override {
    dispatcher_->Close();
    if (!given_) return std::nullopt;
    given_ = false;
    dispatcher_->Finished(part_.index);
    return part_.index;
  }

 private:
  const std::shared_ptr<SplitDispatcher> dispatcher_;
  const Waker waker_;
  Split part_;
  bool given_ = false;
};

class ChannelInput final : public PipelineInput {
 public:
  ChannelInput(std::shared_ptr<Channel> channel, int reader, Waker waker)
      : channel_(std::move(channel)), reader_(reader), waker_(std::move(waker)) {}

  Result<InputItem> Next() override {
    Channel::Item item = channel_->Read(reader_, waker_);
    if (auto* batch = std::get_if<Batch>(&item)) return std::move(*batch);
    if (auto* watermark = std::get_if<Watermark>(&item)) return *watermark;
    if (std::holds_alternative<Pending>(item)) return Pending{};
    return EndOfInput{};
  }

  std::optional<int64_t> Close() override {
    channel_->Close(reader_);
    return std::nullopt;
  }

 private:
  const std::shared_ptr<Channel> channel_;
  const int reader_;
  const Waker waker_;
};

}  // namespace

std::unique_ptr<PipelineInput> MakeScanInput(const ScanNode& scan, const ScanRequest& request,
                                             std::shared_ptr<SplitDispatcher> dispatcher,
                                             ReadProgress* progress, const ReadContext& context) {
  return std::make_unique<ScanInput>(scan.source, request, std::move(dispatcher), progress,
                                     context);
}

Result<std::unique_ptr<PipelineInput>> MakeStreamInput(
    const ScanNode& scan, const ScanRequest& request, const std::vector<Split>& splits,
    const std::vector<std::pair<int64_t, std::string>>& positions,
    std::shared_ptr<const std::atomic<bool>> paused, const ReadContext& context) {
  std::vector<StreamInput::Lane> lanes;
  for (const Split& split : splits) {
    ReadContext of_split = context;
    StreamInput::Lane lane;
    lane.split = split;
    for (const auto& [index, position] : positions) {
      if (index != split.index) continue;
      const size_t colon = position.find(':');
      HEADRACE_CHECK(colon != std::string::npos, "a saved position has no sequence number");
      lane.seq = std::strtoll(position.c_str(), nullptr, 10);
      of_split.position = position.substr(colon + 1);
    }
    ARROW_ASSIGN_OR_RAISE(lane.reader, scan.source->Open(split, request, of_split));
    lanes.push_back(std::move(lane));
  }
  std::optional<EventTime> event_time = scan.event_time;
  if (event_time.has_value()) {
    const auto& projection = request.projection;
    const auto found = std::find(projection.begin(), projection.end(), event_time->column);
    HEADRACE_CHECK(found != projection.end(), "the event time column is not read");
    event_time->column = static_cast<int>(found - projection.begin());
  }
  return std::make_unique<StreamInput>(event_time, std::move(lanes), std::move(paused));
}

std::unique_ptr<PipelineInput> MakeMeasuredInput(std::unique_ptr<PipelineInput> input,
                                                 OperatorMetrics* metrics, CatchUp* catch_up) {
  return std::make_unique<MeasuredInput>(std::move(input), metrics, catch_up);
}

std::unique_ptr<PipelineInput> MakePartsInput(std::shared_ptr<SplitDispatcher> dispatcher,
                                              Waker waker) {
  return std::make_unique<PartsInput>(std::move(dispatcher), std::move(waker));
}

std::unique_ptr<PipelineInput> MakeChannelInput(std::shared_ptr<Channel> channel, int reader,
                                                Waker waker) {
  return std::make_unique<ChannelInput>(std::move(channel), reader, std::move(waker));
}

}  // namespace headrace
