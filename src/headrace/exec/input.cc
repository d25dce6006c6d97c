// Scan, stream, parts and channel inputs.
#include "headrace/exec/input.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

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

/// Of the fixed floors half is for decoders; the rest for batches on their way.
constexpr int64_t kDecoderFloorBytes = kFloorBytes / 2;
/// Scans claim at most this much of a limit: past it decoders are nobody's claim.
constexpr int64_t kScanLimitFraction = 2;

/// What one lane holds of the memory of a scan.
class ScanClaim {
 public:
  explicit ScanClaim(const ScanMemory& memory)
      : floor_bytes_(kDecoderFloorBytes / memory.lanes),
        bytes_max_(memory.budget->limit_bytes() / kScanLimitFraction / memory.lanes),
        reservation_(memory.budget) {}

  /// Grows the claim to what a reader of `bytes` needs. Gives what is missing when it is refused.
  int64_t Grow(int64_t bytes) {
    const int64_t wanted = std::clamp<int64_t>(bytes - floor_bytes_, 0, bytes_max_);
    split_bytes_ = std::max(split_bytes_, wanted);
    const int64_t missing = wanted - reservation_.bytes();
    return missing <= 0 || reservation_.TryResize(wanted) ? 0 : missing;
  }
  /// Keeps what the split took: the next one will take about as much.
  void EndSplit() {
    if (split_bytes_ < reservation_.bytes()) reservation_.TryResize(split_bytes_);
    split_bytes_ = 0;
  }
  void Clear() { reservation_.Clear(); }

 private:
  const int64_t floor_bytes_;
  const int64_t bytes_max_;
  int64_t split_bytes_ = 0;  // that the split took
  Reservation reservation_;
};

class ScanInput final : public PipelineInput {
 public:
  ScanInput(SourcePtr source, ScanRequest request, std::shared_ptr<SplitDispatcher> dispatcher,
            ReadProgress* progress, ReadContext context, const ScanMemory& memory)
      : source_(std::move(source)),
        request_(std::move(request)),
        dispatcher_(std::move(dispatcher)),
        progress_(*progress),
        context_(std::move(context)),
        claim_(memory) {}

  Result<InputItem> Next() override {
    if (reader_ == nullptr) {
      switch (dispatcher_->Take(&split_, context_.waker)) {
        case SplitDispatcher::State::kNone:
          claim_.Clear();
          return EndOfInput{};
        case SplitDispatcher::State::kWait:
          return Pending{};
        case SplitDispatcher::State::kTaken:
          break;
      }
      ARROW_ASSIGN_OR_RAISE(reader_, source_->Open(split_, request_, context_));
      seq_ = 0;
      has_asked_ = false;
    }
    const int64_t missing = claim_.Grow(reader_->bytes());
    if (missing > 0 && !std::exchange(has_asked_, true)) return MemoryWanted{missing};
    ARROW_ASSIGN_OR_RAISE(ReadResult result, reader_->Next());
    if (std::holds_alternative<Pending>(result)) return Pending{};
    if (auto* batch = std::get_if<Batch>(&result)) {
      batch->set_ordinal({split_.index, seq_++});
      progress_.rows += batch->num_rows();
      progress_.bytes += batch->num_bytes();
      return std::move(*batch);
    }
    reader_.reset();
    claim_.EndSplit();
    dispatcher_->Finished(split_.index);
    ++progress_.splits_done;
    return SplitEnded{split_.index};
  }

  std::optional<int64_t> Close() override {
    dispatcher_->Close();
    claim_.Clear();
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
  ScanClaim claim_;
  std::unique_ptr<SplitReader> reader_;
  int64_t seq_ = 0;
  bool has_asked_ = false;  // for memory, in this split
};

class StreamInput final : public PipelineInput {
 public:
  struct Lane {
    Split split;
    std::unique_ptr<SplitReader> reader;
    int64_t seq = 0;
    bool ended = false;
  };
  /// Columns of the batches read.
  struct TimeColumns {
    int time = 0;
    std::optional<int> marks;
  };

  StreamInput(std::vector<Lane> lanes, std::shared_ptr<const std::atomic<bool>> paused,
              std::shared_ptr<ScanWatermark> watermark, TimeColumns columns, int lane, Waker waker)
      : lanes_(std::move(lanes)),
        paused_(std::move(paused)),
        watermark_(std::move(watermark)),
        columns_(columns),
        lane_(lane),
        waker_(std::move(waker)) {}

  Result<InputItem> Next() override {
    if (auto news = DueNews()) return *std::move(news);
    if (paused_->load()) return Pending{};
    bool any_open = false;
    for (size_t tried = 0; tried < lanes_.size(); ++tried) {
      Lane& lane = lanes_[next_++ % lanes_.size()];
      if (lane.ended) continue;
      ARROW_ASSIGN_OR_RAISE(ReadResult result, lane.reader->Next());
      if (auto* batch = std::get_if<Batch>(&result)) return Stamp(lane, std::move(*batch));
      if (std::holds_alternative<EndOfSplit>(result)) {
        lane.ended = true;
        if (watermark_ != nullptr) watermark_->Ended(lane.split.index, lane_);
        return SplitEnded{lane.split.index};
      }
      any_open = true;
      if (watermark_ != nullptr) watermark_->Waits(lane.split.index);
    }
    if (!any_open) return EndOfInput{};
    if (watermark_ == nullptr) return Pending{};
    if (auto news = DueNews()) return *std::move(news);
    watermark_->WakeLater(lane_, waker_);
    return Pending{};
  }

  std::optional<int64_t> Close() override {
    for (const Lane& lane : lanes_) {
      if (watermark_ != nullptr && !lane.ended) watermark_->Ended(lane.split.index, lane_);
    }
    lanes_.clear();
    return std::nullopt;
  }

  Result<std::vector<std::pair<int64_t, std::string>>> Positions() const override {
    std::vector<std::pair<int64_t, std::string>> positions;
    for (const Lane& lane : lanes_) {
      ARROW_ASSIGN_OR_RAISE(std::string position, lane.reader->Position());
      positions.emplace_back(lane.split.index,
                             fmt::format("{}{}:{}", lane.seq, LatestText(lane), position));
    }
    return positions;
  }

 private:
  std::string LatestText(const Lane& lane) const {
    const int64_t latest =
        watermark_ == nullptr ? Watermark::kNone : watermark_->Latest(lane.split.index);
    return latest == Watermark::kNone ? "" : fmt::format("@{}", latest);
  }
  Batch Stamp(Lane& lane, Batch batch) {
    is_idle_ = false;
    batch.set_ordinal({lane.split.index, lane.seq++});
    if (watermark_ == nullptr) return batch;
    const arrow::Array* marks = columns_.marks ? batch.column(*columns_.marks).get() : nullptr;
    watermark_->Saw(lane.split.index, lane_, *batch.column(columns_.time), marks);
    return batch;
  }

  std::optional<InputItem> DueNews() {
    if (watermark_ == nullptr || lanes_.empty()) return std::nullopt;
    const Watermark watermark = watermark_->Now(paused_->load());
    if (watermark.micros != Watermark::kEnd && watermark > given_) {
      given_ = watermark;
      return watermark;
    }
    const bool is_idle = watermark_->IsIdle();
    if (is_idle == is_idle_) return std::nullopt;
    is_idle_ = is_idle;
    return Idleness{is_idle};
  }

  std::vector<Lane> lanes_;
  const std::shared_ptr<const std::atomic<bool>> paused_;
  const std::shared_ptr<ScanWatermark> watermark_;  // null: there is no event time
  const TimeColumns columns_;
  const int lane_;
  const Waker waker_;
  size_t next_ = 0;
  Watermark given_;
  bool is_idle_ = false;  // as told
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
    if (auto* idleness = std::get_if<Idleness>(&item)) return *idleness;
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
                                             ReadProgress* progress, const ReadContext& context,
                                             const ScanMemory& memory) {
  return std::make_unique<ScanInput>(scan.source, request, std::move(dispatcher), progress, context,
                                     memory);
}

Result<std::unique_ptr<PipelineInput>> MakeStreamInput(
    const ScanNode& scan, const ScanRequest& request, const std::vector<Split>& splits,
    const std::vector<std::pair<int64_t, std::string>>& positions,
    std::shared_ptr<const std::atomic<bool>> paused, std::shared_ptr<ScanWatermark> watermark,
    int lane, const ReadContext& context) {
  std::vector<StreamInput::Lane> lanes;
  for (const Split& split : splits) {
    ReadContext of_split = context;
    StreamInput::Lane of_lane;
    of_lane.split = split;
    for (const auto& [index, position] : positions) {
      if (index != split.index) continue;
      const size_t colon = position.find(':');
      HEADRACE_CHECK(colon != std::string::npos, "a saved position has no sequence number");
      char* end = nullptr;
      of_lane.seq = std::strtoll(position.c_str(), &end, 10);
      if (*end == '@' && watermark != nullptr) {
        watermark->Resume(split.index, std::strtoll(end + 1, nullptr, 10));
      }
      of_split.position = position.substr(colon + 1);
    }
    ARROW_ASSIGN_OR_RAISE(of_lane.reader, scan.source->Open(split, request, of_split));
    lanes.push_back(std::move(of_lane));
  }
  const auto place_of = [&](int column) {
    const auto& projection = request.projection;
    const auto found = std::find(projection.begin(), projection.end(), column);
    HEADRACE_CHECK(found != projection.end(), "a column of the event time is not read");
    return static_cast<int>(found - projection.begin());
  };
  StreamInput::TimeColumns columns;
  if (watermark != nullptr) {
    columns.time = place_of(scan.event_time->column);
    if (scan.event_time->punctuation) columns.marks = place_of(*scan.event_time->punctuation);
  }
  return std::make_unique<StreamInput>(std::move(lanes), std::move(paused), std::move(watermark),
                                       columns, lane, context.waker);
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
