// Forward: a window of right rows, from the time of the left row in work to the last row read, with
// the rows of each key linked in order. Rows leave at the front as left times pass them, so the
// first row of a key in the window is the match.
//
//   window_:   [ a b a c a b ]        first_[a] → ┐     ┌→ ┐  ┌→ …
//              ^ begin_                           a     a──┘  a
#include <algorithm>
#include <deque>

#include "headrace/exec/op/join/asof_match.h"

namespace headrace {
namespace {

class ForwardMatcher final : public AsofMatcher {
 public:
  ForwardMatcher(const arrow::Schema& right_schema, AsofRule rule)
      : AsofMatcher(right_schema, rule) {}

  void Add(const Batch& batch, AsofRows rows, int64_t num_keys) override {
    keys_.resize(std::max(keys_.size(), static_cast<size_t>(num_keys)));
    if (rows.times.empty()) return;
    const int32_t chunk = Keep(batch);
    for (size_t row = 0; row < rows.times.size(); ++row) {
      const uint32_t key = rows.keys[row];
      const int64_t place = end();
      Key& of_key = keys_[key];
      if (of_key.first == kNone) {
        of_key.first = place;
      } else {
        At(of_key.last).next = place;
      }
      of_key.last = place;
      window_.push_back({rows.times[row], kNone, {chunk, static_cast<int32_t>(row)}, key});
    }
    last_time_ = rows.times.back();
    chunks_.push_back({chunk, end()});
  }

  int64_t Match(const AsofRows& left, int64_t row, std::vector<RowRef>* matches) override {
    const auto num_times = static_cast<int64_t>(left.times.size());
    for (; row < num_times; ++row) {
      const int64_t time = left.times[static_cast<size_t>(row)];
      PopBefore(time);
      const uint32_t key = left.keys[static_cast<size_t>(row)];
      const int64_t first = key < keys_.size() ? keys_[key].first : kNone;
      if (first == kNone && !IsPast(time)) return row;
      const bool matched = first != kNone && rule_.Allows(time, At(first).time);
      matches->push_back(matched ? At(first).row : RowRef());
    }
    matches->resize(matches->size() + static_cast<size_t>(left.num_rows() - row));
    return left.num_rows();
  }

  Status Trim(const ChunkLimits*, arrow::MemoryPool*) override {
    while (!chunks_.empty() && chunks_.front().end <= begin_) {
      Drop(chunks_.front().number);
      chunks_.pop_front();
    }
    return Status::OK();
  }

  int64_t BytesToAdd(const Batch& batch, int64_t num_keys) const override {
    const auto keys = std::max(static_cast<int64_t>(keys_.size()), num_keys);
    const int64_t rows = static_cast<int64_t>(window_.size()) + batch.num_rows();
    return row_bytes_ + batch.num_bytes() + store_.bytes_per_chunk() + BytesOfIndex(rows, keys);
  }

 private:
  static constexpr int64_t kNone = -1;

  /// Places count right rows from the start of the stream.
  struct Row {
    int64_t time;
    int64_t next;  // place of the next row of the key
    RowRef row;
    uint32_t key;
  };
  struct Key {
    int64_t first = kNone;
    int64_t last = kNone;
  };
  struct Chunk {
    int32_t number;
    int64_t end;  // place after its last row
  };

  static int64_t BytesOfIndex(int64_t rows, int64_t keys) {
    return rows * static_cast<int64_t>(sizeof(Row)) + keys * static_cast<int64_t>(sizeof(Key));
  }
  int64_t IndexBytes() const override {
    return BytesOfIndex(static_cast<int64_t>(window_.size()), static_cast<int64_t>(keys_.size()));
  }

  int64_t end() const { return begin_ + static_cast<int64_t>(window_.size()); }
  Row& At(int64_t place) { return window_[static_cast<size_t>(place - begin_)]; }

  // Whether a right row that matches a left row at `time` can no longer come.
  bool IsPast(int64_t time) const {
    return right_ended_ ||
           (last_time_.has_value() && *last_time_ >= time && !rule_.Allows(time, *last_time_));
  }

  void PopBefore(int64_t time) {
    while (!window_.empty()) {
      const Row& row = window_.front();
      if (rule_.strict ? row.time > time : row.time >= time) return;
      keys_[row.key].first = row.next;
      window_.pop_front();
      ++begin_;
    }
  }

  std::deque<Row> window_;
  int64_t begin_ = 0;  // place of its front
  std::vector<Key> keys_;
  std::deque<Chunk> chunks_;
  std::optional<int64_t> last_time_;
};

}  // namespace

std::unique_ptr<AsofMatcher> MakeForwardMatcher(const arrow::Schema& right_schema, AsofRule rule) {
  return std::make_unique<ForwardMatcher>(right_schema, rule);
}

}  // namespace headrace
