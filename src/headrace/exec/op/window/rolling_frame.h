// RollingFrame: which rows enter and leave a frame that looks back, row after row.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "headrace/function/state_bytes.h"
#include "headrace/function/view.h"
#include "headrace/plan/rolling_window.h"

namespace headrace {

/// What is kept of each row in a frame, oldest first. Takes little where there are few.
template <typename Item>
class RowQueue {
 public:
  bool empty() const { return first_ == items_.size(); }
  int64_t size() const { return static_cast<int64_t>(items_.size() - first_); }
  int64_t bytes() const { return static_cast<int64_t>(items_.capacity() * sizeof(Item)); }
  const Item& front() const { return items_[first_]; }
  const Item& back() const { return items_.back(); }
  void push_back(Item item) {
    if (items_.size() == items_.capacity() && first_ > items_.size() / 2) {
      items_.erase(items_.begin(), items_.begin() + static_cast<int64_t>(first_));
      first_ = 0;
    }
    items_.push_back(std::move(item));
  }
  void pop_front() { ++first_; }
  void pop_back() { items_.pop_back(); }
  auto begin() const { return items_.begin() + static_cast<int64_t>(first_); }
  auto end() const { return items_.end(); }

 private:
  std::vector<Item> items_;
  size_t first_ = 0;
};

/// By rows, by keys, or all so far (see RollingCall).
class RollingFrame {
 public:
  explicit RollingFrame(const RollingCall& rolling)
      : num_args_(rolling.call.args.size()), rows_max_(rolling.rows), by_key_(rolling.key >= 0) {}

  /// Rows never leave.
  bool is_all() const { return !by_key_ && rows_max_ == 0; }
  size_t num_args() const { return num_args_; }

  /// Moves over the rows [begin, end) of a partition. `args` end with the key and the bound where
  /// there are any; `keys` are those of the rows in the frame, oldest first. For each row, in this
  /// order: `window.Leave()` for rows that leave, `window.Enter(row)`, `window.Give()` its value –
  /// or only `window.GiveAlone(row)` for one that sees itself alone. `window.rows()` are those in
  /// the frame.
  template <typename Window>
  Status Run(Window& window, RowQueue<int64_t>& keys, std::span<const Argument> args, int64_t begin,
             int64_t end) const {
    if (by_key_) return RunByKey(window, keys, args, begin, end);
    for (int64_t row = begin; row < end; ++row) {
      if (rows_max_ > 0 && window.rows() == rows_max_) ARROW_RETURN_NOT_OK(window.Leave());
      ARROW_RETURN_NOT_OK(window.Enter(row));
      ARROW_RETURN_NOT_OK(window.Give());
    }
    return Status::OK();
  }

  /// The keys of the rows in a frame, of which there are `rows`; none where it does not go by them.
  void SaveKeys(const RowQueue<int64_t>& keys, std::string* out) const {
    for (const int64_t key : keys) PutValue(key, out);
  }
  Status LoadKeys(StateBytesReader& reader, int64_t rows, RowQueue<int64_t>* keys) const {
    for (int64_t i = 0; by_key_ && i < rows; ++i) {
      int64_t key = 0;
      ARROW_RETURN_NOT_OK(reader.Read(&key));
      keys->push_back(key);
    }
    return Status::OK();
  }

 private:
  template <typename Window>
  Status RunByKey(Window& window, RowQueue<int64_t>& keys, std::span<const Argument> args,
                  int64_t begin, int64_t end) const {
    const Argument& key = args[num_args_];
    const Argument& bound = args[num_args_ + 1];
    const View<int64_t> key_at(key);
    const View<int64_t> bound_at(bound);
    const Validity key_valid(key);
    const Validity bound_valid(bound);
    for (int64_t row = begin; row < end; ++row) {
      if (!key_valid[row]) {
        ARROW_RETURN_NOT_OK(window.GiveAlone(row));
        continue;
      }
      while (bound_valid[row] && !keys.empty() && keys.front() <= bound_at[row]) {
        ARROW_RETURN_NOT_OK(window.Leave());
        keys.pop_front();
      }
      ARROW_RETURN_NOT_OK(window.Enter(row));
      keys.push_back(key_at[row]);
      ARROW_RETURN_NOT_OK(window.Give());
    }
    return Status::OK();
  }

  const size_t num_args_;
  const int64_t rows_max_;
  const bool by_key_;
};

}  // namespace headrace
