// Backward: right rows pass in time order and overwrite the last row of their key.
//
//   right rows:   … passed …  | next right batch |        latest_[key] → last passed row
//                             ^ next_                     rows passed over are dead weight in their
//   left rows:  … matched …  ^ row in work                chunk until Trim frees them
#include <algorithm>

#include "headrace/base/check.h"
#include "headrace/base/limits.h"
#include "headrace/exec/op/join/asof_match.h"

namespace headrace {
namespace {

class BackwardMatcher final : public AsofMatcher {
 public:
  BackwardMatcher(const arrow::Schema& right_schema, AsofRule rule)
      : AsofMatcher(right_schema, rule) {}

  void Add(const Batch& batch, AsofRows rows, int64_t num_keys) override {
    HEADRACE_CHECK(next_ == right_.times.size(), "a right batch comes before it is needed");
    latest_.resize(std::max(latest_.size(), static_cast<size_t>(num_keys)));
    if (rows.times.empty()) return;
    right_ = std::move(rows);
    next_ = 0;
    chunk_ = Keep(batch);
    rows_held_ += batch.num_rows();
    chunks_.push_back({chunk_, batch.num_rows()});
  }

  int64_t Match(const AsofRows& left, int64_t row, std::vector<RowRef>* matches) override {
    const auto num_times = static_cast<int64_t>(left.times.size());
    for (; row < num_times; ++row) {
      const int64_t time = left.times[static_cast<size_t>(row)];
      Pass(time);
      if (next_ == right_.times.size() && !right_ended_) return row;
      const uint32_t key = left.keys[static_cast<size_t>(row)];
      const Latest latest = key < latest_.size() ? latest_[key] : Latest();
      const bool matched = !latest.row.none() && rule_.Allows(latest.time, time);
      matches->push_back(matched ? latest.row : RowRef());
    }
    matches->resize(matches->size() + static_cast<size_t>(left.num_rows() - row));
    return left.num_rows();
  }

  Status Trim(const ChunkLimits* limits, arrow::MemoryPool* pool) override {
    DropDeadChunks();
    int64_t live = 0;
    for (const Latest& latest : latest_) live += latest.row.none() ? 0 : 1;
    if (limits == nullptr || rows_held_ <= 2 * live + limits->rows) return Status::OK();
    return CopyLiveRows(*limits, pool);
  }

  int64_t BytesToAdd(const Batch& batch, int64_t num_keys) const override {
    const auto keys = std::max(static_cast<int64_t>(latest_.size()), num_keys);
    return row_bytes_ + batch.num_bytes() + store_.bytes_per_chunk() +
           batch.num_rows() * kBytesPerRow + keys * static_cast<int64_t>(sizeof(Latest));
  }

 private:
  static constexpr int64_t kBytesPerRow = sizeof(int64_t) + sizeof(uint32_t);

  struct Latest {
    RowRef row;
    int64_t time = 0;
  };
  struct Chunk {
    int32_t number;
    int64_t num_rows;
  };

  int64_t IndexBytes() const override {
    return static_cast<int64_t>(latest_.size() * sizeof(Latest)) + right_.num_rows() * kBytesPerRow;
  }

  // Lets the right rows pass that a left row at `time` may match, as far as they are here.
  void Pass(int64_t time) {
    const size_t count = right_.times.size();
    for (; next_ < count; ++next_) {
      const int64_t right_time = right_.times[next_];
      if (rule_.strict ? right_time >= time : right_time > time) return;
      latest_[right_.keys[next_]] = {{chunk_, static_cast<int32_t>(next_)}, right_time};
    }
  }

  bool InWork(int32_t chunk) const { return chunk == chunk_ && next_ < right_.times.size(); }

  void DropDeadChunks() {
    std::vector<uint8_t> is_live(bytes_of_chunk_.size(), 0);
    for (const Latest& latest : latest_) {
      if (!latest.row.none()) is_live[static_cast<size_t>(latest.row.chunk)] = 1;
    }
    std::erase_if(chunks_, [&](const Chunk& chunk) {
      const bool dead = is_live[static_cast<size_t>(chunk.number)] == 0 && !InWork(chunk.number);
      if (dead) {
        Drop(chunk.number);
        rows_held_ -= chunk.num_rows;
      }
      return dead;
    });
  }

  // Copies the last rows of all keys to chunks of their own and drops the others.
  Status CopyLiveRows(const ChunkLimits& limits, arrow::MemoryPool* pool) {
    std::vector<Chunk> old;
    std::swap(old, chunks_);
    std::vector<Latest*> live;
    int64_t bytes = 0;
    for (Latest& latest : latest_) {
      if (latest.row.none()) continue;
      live.push_back(&latest);
      bytes += store_.BytesOf(latest.row);
      if (static_cast<int64_t>(live.size()) < limits.rows && bytes < limits.bytes) continue;
      ARROW_RETURN_NOT_OK(CopyRows(&live, pool));
      bytes = 0;
    }
    ARROW_RETURN_NOT_OK(CopyRows(&live, pool));
    for (const Chunk& chunk : old) {
      if (InWork(chunk.number)) {
        chunks_.push_back(chunk);
      } else {
        Drop(chunk.number);
        rows_held_ -= chunk.num_rows;
      }
    }
    return Status::OK();
  }

  // Copies the rows of `*live` to a new chunk, and empties it.
  Status CopyRows(std::vector<Latest*>* live, arrow::MemoryPool* pool) {
    if (live->empty()) return Status::OK();
    std::vector<RowRef> rows;
    for (const Latest* latest : *live) rows.push_back(latest->row);
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, store_.Gather(rows, pool));
    const auto count = static_cast<int64_t>(rows.size());
    const int32_t chunk = Keep(Batch(std::move(columns), count));
    chunks_.push_back({chunk, count});
    rows_held_ += count;
    for (size_t i = 0; i < live->size(); ++i) (*live)[i]->row = {chunk, static_cast<int32_t>(i)};
    live->clear();
    return Status::OK();
  }

  std::vector<Latest> latest_;  // per key
  AsofRows right_;              // the last batch added
  size_t next_ = 0;             // its first row that has not passed
  int32_t chunk_ = -1;          // where it is
  std::vector<Chunk> chunks_;
  int64_t rows_held_ = 0;
};

}  // namespace

std::unique_ptr<AsofMatcher> MakeBackwardMatcher(const arrow::Schema& right_schema, AsofRule rule) {
  return std::make_unique<BackwardMatcher>(right_schema, rule);
}

}  // namespace headrace
