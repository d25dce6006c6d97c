// Panes of aligned windows: a table of groups per pane, in order of time. A row goes into one pane;
// a window merges its panes when it is given, as far as another has not done it; a pane goes, with
// all its memory, after its last window.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <unordered_map>

#include "arrow/array.h"
#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/base/limits.h"
#include "headrace/exec/op/aggregate/group_store.h"
#include "headrace/exec/op/stream/pane_tree.h"
#include "headrace/exec/op/stream/window_state.h"

namespace headrace {
namespace {

// Windows of fewer panes merge them one by one.
constexpr size_t kTreePanesMin = 6;

int64_t SaturatingSubtract(int64_t a, int64_t b) {
  int64_t difference;
  return __builtin_sub_overflow(a, b, &difference) ? Watermark::kNone : difference;
}

int64_t KeyBytesOf(const EncodedKeys& keys, std::span<const uint32_t> rows) {
  if (keys.is_fixed) return 0;
  int64_t bytes = 0;
  for (const uint32_t row : rows) bytes += static_cast<int64_t>(keys.Bytes(row).size());
  return bytes;
}

// The rows of a batch by their panes.
class PaneParts {
 public:
  struct Part {
    int64_t pane = 0;
    size_t begin = 0;  // rows() [begin, end)
    size_t end = 0;
    GroupStore* store = nullptr;  // null: its rows are late
  };

  void Divide(const WindowTimes& times, const std::vector<int64_t>& row_times) {
    parts_.clear();
    numbers_.clear();
    recent_.fill({0, kNoPart});
    part_of_row_.resize(row_times.size());
    for (size_t row = 0; row < row_times.size(); ++row) {
      const uint32_t part = PartOf(times, row_times[row]);
      part_of_row_[row] = part;
      ++parts_[part].end;
    }
    size_t begin = 0;
    for (Part& part : parts_) {
      const size_t count = part.end;
      part.begin = part.end = begin;
      begin += count;
    }
    rows_.resize(row_times.size());
    for (size_t row = 0; row < row_times.size(); ++row) {
      rows_[parts_[part_of_row_[row]].end++] = static_cast<uint32_t>(row);
    }
  }

  std::vector<Part>& parts() { return parts_; }
  std::span<const uint32_t> RowsOf(const Part& part) const {
    return std::span(rows_).subspan(part.begin, part.end - part.begin);
  }

 private:
  static constexpr uint32_t kNoPart = 0xffffffffU;

  uint32_t PartOf(const WindowTimes& times, int64_t time) {
    const bool is_last = !parts_.empty() && time >= last_pane_ && time - last_pane_ < times.pane();
    if (is_last) return last_part_;
    last_pane_ = times.PaneOf(time);
    auto& [pane, part] = recent_[static_cast<size_t>(last_pane_ / times.pane()) % recent_.size()];
    if (part == kNoPart || pane != last_pane_) {
      pane = last_pane_;
      part = FindOrAdd(last_pane_);
    }
    last_part_ = part;
    return part;
  }

  uint32_t FindOrAdd(int64_t pane) {
    const auto [found, is_new] = numbers_.try_emplace(pane, static_cast<uint32_t>(parts_.size()));
    if (is_new) parts_.push_back({pane});
    return found->second;
  }

  std::vector<Part> parts_;
  std::vector<uint32_t> part_of_row_;
  std::vector<uint32_t> rows_;
  std::unordered_map<int64_t, uint32_t> numbers_;         // part by pane
  std::array<std::pair<int64_t, uint32_t>, 256> recent_;  // the same, for those met last
  int64_t last_pane_ = 0;
  uint32_t last_part_ = 0;
};

class WindowPanes final : public WindowState {
 public:
  WindowPanes(WindowTerms terms, WindowMemory memory)
      : terms_(std::move(terms)),
        memory_(std::move(memory)),
        contexts_(terms_.aggregates->ContextsOf(memory_.pool)),
        tree_(panes_, terms_.times.pane(), terms_.aggregates, memory_.budget),
        extra_(memory_.budget, Backing::kOwn) {}

  Result<int64_t> Assign(const EncodedKeys& keys, const std::vector<int64_t>& times,
                         int64_t extra_bytes) override {
    keys_ = &keys;
    parts_.Divide(terms_.times, times);
    found_.resize(times.size());
    int64_t wanted = extra_bytes;
    bool is_refused = !extra_.TryResize(extra_bytes);
    for (Part& part : parts_.parts()) wanted += FindAndReserve(part, &is_refused);
    if (is_refused) {
      GiveBack();
      return wanted;
    }
    states_.assign(times.size(), nullptr);
    for (const Part& part : parts_.parts()) {
      if (part.store != nullptr) InsertMissing(part);
    }
    touched_.clear();
    return 0;
  }

  Result<int64_t> Look(bool is_before, Image* image) override {
    if (is_before) FindTouched();
    std::vector<std::unique_ptr<GroupStore>> stores;
    WindowGroups groups(terms_);
    image->order.clear();
    for (size_t index = 0; index < touched_.size(); ++index) {
      stores.push_back(std::make_unique<GroupStore>(terms_.aggregates, memory_.budget));
      GroupStore& merged = *stores.back();
      ARROW_ASSIGN_OR_RAISE(const int64_t refused, MergeTouched(touched_[index], merged));
      if (refused > 0) return refused;
      for (uint32_t id = 0; id < merged.num_groups(); ++id) {
        if (terms_.aggregates->RowsOf(merged.Row(id)) <= 0) continue;
        groups.Add(merged.table(), id, merged.Row(id), touched_[index].window);
        image->order.push_back((static_cast<uint64_t>(index) << 32) | id);
      }
    }
    ARROW_ASSIGN_OR_RAISE(image->rows, groups.Rows(memory_.pool, contexts_));
    return 0;
  }

  int64_t Settle() override {
    extra_.Clear();
    int64_t refused = 0;
    for (const Part& part : parts_.parts()) {
      if (part.store == nullptr) continue;
      for (size_t i = part.begin; terms_.aggregates->has_extra() && i < part.end; ++i) {
        part.store->CountExtra(part.store->Row(found_[i]));
      }
      refused += part.store->Settle();
    }
    return refused;
  }

  void EndBatch() override {
    for (Part& part : parts_.parts()) {
      if (part.store == nullptr || !terms_.aggregates->fields().rows) continue;
      std::vector<uint32_t> empty;
      for (size_t i = part.begin; i < part.end; ++i) {
        if (terms_.aggregates->RowsOf(part.store->Row(found_[i])) == 0) empty.push_back(found_[i]);
      }
      std::sort(empty.begin(), empty.end());
      empty.erase(std::unique(empty.begin(), empty.end()), empty.end());
      for (const uint32_t group : empty) part.store->Erase(group);
      DropIfEmpty(part.pane);
    }
    parts_.parts().clear();
    touched_.clear();
  }

  Result<Closed> Close(int64_t watermark) override {
    watermark_ = watermark;
    if (terms_.emit == EmitPolicy::kAtEnd) {
      if (!giving_.has_value()) FindNextWindow();
      if (giving_.has_value()) return Give();
    }
    Closed closed;
    const auto first = panes_.begin();
    const bool is_gone = first != panes_.end() &&
                         terms_.times.GoneAt(terms_.times.LastEndOf(first->first)) <= watermark_;
    if (is_gone) {
      tree_.Change(first->first);
      panes_.erase(first);
    }
    closed.is_done = !is_gone;
    return closed;
  }

  int64_t FreeMerged() override {
    if (giving_.has_value()) return 0;
    const int64_t bytes = tree_.bytes();
    tree_.Clear();
    return bytes;
  }

  int64_t LeastStart() override { return WindowTimes::kNever; }

  Status Save(const SavedSink& sink) const override {
    std::array<std::vector<std::pair<int64_t, uint32_t>>, kKeyGroups> by_key_group;
    int64_t bytes = 0;
    int64_t count = 0;
    for (const auto& [pane, store] : panes_) {
      for (const uint32_t group : store->Groups()) {
        const int key_group = KeyGroupOf(store->table().HashOf(group));
        by_key_group[static_cast<size_t>(key_group)].emplace_back(pane, group);
      }
      bytes += store->bytes();
      count += store->num_groups();
    }
    const int64_t mean_bytes = bytes / std::max<int64_t>(count, 1) + 1;
    const auto step =
        std::clamp(kSavedBytesMax / mean_bytes, int64_t{1}, static_cast<int64_t>(kGroupsAtATime));
    for (size_t key_group = 0; key_group < by_key_group.size(); ++key_group) {
      ARROW_RETURN_NOT_OK(
          SaveKeyGroup(static_cast<int>(key_group), by_key_group[key_group], step, sink));
    }
    return Status::OK();
  }

  Result<int64_t> Load(int key_group, const arrow::RecordBatch& batch) override {
    ARROW_ASSIGN_OR_RAISE(const SavedWindows saved,
                          SavedWindows::Make(*terms_.aggregates, key_group, batch, memory_.pool));
    for (const int64_t start : saved.starts) {
      if (terms_.times.HasWindow(start) && terms_.times.PaneOf(start) == start) continue;
      return Error(ErrorKind::kBadData, "saved windows are of another size: no pane starts at {}",
                   start);
    }
    ARROW_ASSIGN_OR_RAISE(int64_t refused, Assign(saved.keys, saved.starts, saved.extra_bytes));
    if (refused > 0) return refused;
    std::vector<uint32_t> rows(states_.size());
    for (size_t row = 0; row < rows.size(); ++row) rows[row] = static_cast<uint32_t>(row);
    ARROW_RETURN_NOT_OK(
        MergeSavedStates(*terms_.aggregates, *saved.groups, rows, states_, contexts_));
    refused = Settle();
    parts_.parts().clear();
    return refused;
  }

  void SetWatermark(int64_t watermark) override {
    watermark_ = std::max(watermark_, watermark);
    given_ = std::max(given_, SaturatingSubtract(watermark_, terms_.give_lateness()));
  }

 private:
  using Part = PaneParts::Part;

  // A window that a batch changes, and a row of every key of the batch that it has.
  struct Touched {
    WindowTimes::Window window;
    std::vector<uint32_t> rows;
  };

  // A window on its way out.
  struct Giving {
    WindowTimes::Window window;
    std::vector<PaneTree::Merge> merges;  // to be done; then `from` is complete
    size_t next_merge = 0;
    size_t next_store = 0;  // of those that are merged
    std::unique_ptr<GroupStore> merged;
    GroupStore* from = nullptr;
    std::vector<uint32_t> groups;  // of the store that is merged, then of `from`
    size_t next_group = 0;
  };

  // -- Rows in --

  // Gives the bytes that the part wants more than it had.
  int64_t FindAndReserve(Part& part, bool* is_refused) {
    if (terms_.times.GoneAt(terms_.times.LastEndOf(part.pane)) <= watermark_) return 0;
    std::unique_ptr<GroupStore>& store = panes_[part.pane];
    if (store == nullptr) store = std::make_unique<GroupStore>(terms_.aggregates, memory_.budget);
    part.store = store.get();
    tree_.Change(part.pane);
    const std::span<const uint32_t> rows = parts_.RowsOf(part);
    const int64_t missing = store->table().Find(
        *keys_, rows.data(), static_cast<int64_t>(rows.size()), &found_[part.begin]);
    if (missing == 0) return 0;
    const int64_t before = store->reserved_bytes();
    const int64_t refused = store->TryReserve(missing, KeyBytesOf(*keys_, rows), 0);
    *is_refused = *is_refused || refused > 0;
    return store->reserved_bytes() - before + refused;
  }

  void InsertMissing(const Part& part) {
    const std::span<const uint32_t> rows = parts_.RowsOf(part);
    missing_.clear();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (found_[part.begin + i] == GroupTable::kNoGroup) missing_.push_back(rows[i]);
    }
    made_.resize(missing_.size());
    if (!missing_.empty()) {
      part.store->Insert(*keys_, missing_.data(), static_cast<int64_t>(missing_.size()),
                         made_.data());
    }
    for (size_t i = 0, next = 0; i < rows.size(); ++i) {
      uint32_t& group = found_[part.begin + i];
      if (group == GroupTable::kNoGroup) group = made_[next++];
      states_[rows[i]] = part.store->Row(group);
    }
  }

  void GiveBack() {
    extra_.Clear();
    for (const Part& part : parts_.parts()) {
      if (part.store != nullptr) part.store->Settle();
      DropIfEmpty(part.pane);
    }
    parts_.parts().clear();
  }

  void DropIfEmpty(int64_t pane) {
    const auto found = panes_.find(pane);
    if (found != panes_.end() && found->second->num_groups() == 0) panes_.erase(found);
  }

  // -- What changes --

  // A row per group of the part.
  std::vector<uint32_t> DistinctRows(const Part& part) const {
    const std::span<const uint32_t> rows = parts_.RowsOf(part);
    std::vector<std::pair<uint32_t, uint32_t>> by_group;
    by_group.reserve(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) by_group.emplace_back(found_[part.begin + i], rows[i]);
    std::sort(by_group.begin(), by_group.end());
    std::vector<uint32_t> distinct;
    for (size_t i = 0; i < by_group.size(); ++i) {
      if (i > 0 && by_group[i].first == by_group[i - 1].first) continue;
      distinct.push_back(by_group[i].second);
    }
    return distinct;
  }

  // Whether a change of the window is to be seen.
  bool IsShown(const WindowTimes::Window& window) const {
    const bool was_given = terms_.emit == EmitPolicy::kChanges || window.end <= watermark_;
    return was_given && terms_.times.GoneAt(window.end) > watermark_;
  }

  void FindTouched() {
    std::map<int64_t, Touched> by_end;
    for (const Part& part : parts_.parts()) {
      if (part.store == nullptr) continue;
      std::vector<uint32_t> rows;
      const int64_t last_end = terms_.times.LastEndOf(part.pane);
      for (auto window = terms_.times.FirstEndingAfter(part.pane); window.end <= last_end;
           window = terms_.times.After(window)) {
        if (terms_.emit == EmitPolicy::kAtEnd && window.end > watermark_) break;
        if (!IsShown(window)) continue;
        if (rows.empty()) rows = DistinctRows(part);
        Touched& touched = by_end[window.end];
        touched.window = window;
        touched.rows.insert(touched.rows.end(), rows.begin(), rows.end());
      }
    }
    touched_.clear();
    for (auto& [end, touched] : by_end) touched_.push_back(std::move(touched));
  }

  // The states of the window's panes, for the keys of the rows.
  Result<int64_t> MergeTouched(const Touched& touched, GroupStore& merged) {
    const auto count = static_cast<int64_t>(touched.rows.size());
    int64_t refused = merged.TryReserve(count, KeyBytesOf(*keys_, touched.rows), 0);
    if (refused > 0) return refused;
    std::vector<uint32_t> ids(touched.rows.size());
    merged.Insert(*keys_, touched.rows.data(), count, ids.data());
    std::vector<uint32_t> rows;  // by id
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == rows.size()) rows.push_back(touched.rows[i]);
    }
    std::vector<uint32_t> found(rows.size());
    const auto end = panes_.lower_bound(touched.window.end);
    for (auto pane = panes_.lower_bound(touched.window.start); pane != end; ++pane) {
      const GroupStore& store = *pane->second;
      store.table().Find(*keys_, rows.data(), static_cast<int64_t>(rows.size()), found.data());
      std::vector<std::byte*> from;
      std::vector<uint32_t> into;
      for (uint32_t id = 0; id < found.size(); ++id) {
        if (found[id] == GroupTable::kNoGroup) continue;
        from.push_back(store.Row(found[id]));
        into.push_back(id);
      }
      ARROW_RETURN_NOT_OK(merged.MergeRows(from, into, contexts_));
    }
    refused = merged.Settle();
    return refused;
  }

  // -- Windows out --

  void FindNextWindow() {
    const int64_t limit = watermark_ == Watermark::kEnd
                              ? WindowTimes::kNever
                              : SaturatingSubtract(watermark_, terms_.give_lateness());
    // Panes before these were in no window that ends later.
    const int64_t first = SaturatingSubtract(given_, terms_.times.size());
    for (auto pane = panes_.lower_bound(first); pane != panes_.end(); ++pane) {
      if (terms_.times.LastEndOf(pane->first) <= given_) continue;
      const auto window = terms_.times.FirstEndingAfter(std::max(given_, pane->first));
      if (window.end <= limit) Start(window);
      break;
    }
    if (!giving_.has_value()) given_ = std::max(given_, limit);
  }

  void Start(const WindowTimes::Window& window) {
    giving_.emplace();
    giving_->window = window;
    std::vector<GroupStore*> panes = PanesOf(window);
    if (panes.size() < kTreePanesMin) {
      giving_->merges.push_back({nullptr, std::move(panes)});
    } else {
      giving_->merges = tree_.Plan(window.start, window.end);
    }
    StartMerge();
  }

  std::vector<GroupStore*> PanesOf(const WindowTimes::Window& window) const {
    std::vector<GroupStore*> panes;
    const auto end = panes_.lower_bound(window.end);
    for (auto pane = panes_.lower_bound(window.start); pane != end; ++pane) {
      panes.push_back(pane->second.get());
    }
    return panes;
  }

  // A merge of one store is that store.
  void StartMerge() {
    const PaneTree::Merge& merge = giving_->merges[giving_->next_merge];
    giving_->next_store = 0;
    giving_->next_group = 0;
    if (merge.into == nullptr && merge.from.size() == 1) return Complete(merge.from.front());
    if (merge.into == nullptr) {
      giving_->merged = std::make_unique<GroupStore>(terms_.aggregates, memory_.budget);
    }
    giving_->groups = merge.from.front()->Groups();
  }

  void Complete(GroupStore* from) {
    giving_->from = from;
    giving_->groups = from->Groups();
    giving_->next_group = 0;
  }

  Result<Closed> Give() {
    Closed closed;
    if (giving_->from == nullptr) {
      ARROW_ASSIGN_OR_RAISE(closed.refused, MergeSome());
      return closed;
    }
    std::vector<uint32_t> some;
    while (giving_->next_group < giving_->groups.size() &&
           static_cast<int64_t>(some.size()) < memory_.batch_rows) {
      const uint32_t group = giving_->groups[giving_->next_group++];
      if (HasRows(giving_->from->Row(group))) some.push_back(group);
    }
    if (!some.empty()) {
      ARROW_ASSIGN_OR_RAISE(closed.rows, RowsOf(some));
    }
    if (giving_->next_group == giving_->groups.size()) {
      given_ = giving_->window.end;
      giving_.reset();
    }
    return closed;
  }

  bool HasRows(std::byte* row) const {
    return !terms_.aggregates->fields().rows || terms_.aggregates->RowsOf(row) > 0;
  }

  Result<Batch> RowsOf(std::span<const uint32_t> groups) {
    ARROW_ASSIGN_OR_RAISE(auto columns, giving_->from->Results(groups, memory_.pool, contexts_));
    auto place =
        columns.begin() + static_cast<std::ptrdiff_t>(terms_.aggregates->encoder().keys().size());
    const auto count = static_cast<int64_t>(groups.size());
    for (const int64_t ticks : {giving_->window.start, giving_->window.end}) {
      const arrow::TimestampScalar bound(ticks, terms_.time_type);
      ARROW_ASSIGN_OR_RAISE(ArrayPtr bounds,
                            arrow::MakeArrayFromScalar(bound, count, memory_.pool));
      place = columns.insert(place, std::move(bounds)) + 1;
    }
    return Batch(std::move(columns), count);
  }

  // Merges some groups; gives the bytes that were refused.
  Result<int64_t> MergeSome() {
    const PaneTree::Merge& merge = giving_->merges[giving_->next_merge];
    GroupStore& into = merge.into == nullptr ? *giving_->merged : *merge.into;
    ARROW_ASSIGN_OR_RAISE(const int64_t refused,
                          MergeGroups(*merge.from[giving_->next_store], into));
    if (refused > 0) return tree_.empty() ? refused : MergeWithoutTree();
    if (giving_->next_group < giving_->groups.size()) return 0;
    giving_->next_group = 0;
    if (++giving_->next_store < merge.from.size()) {
      giving_->groups = merge.from[giving_->next_store]->Groups();
      return 0;
    }
    if (merge.into == nullptr) {
      Complete(giving_->merged.get());
      return 0;
    }
    CountExtra(*merge.into);
    ++giving_->next_merge;
    StartMerge();
    return 0;
  }

  void CountExtra(GroupStore& store) const {
    if (terms_.aggregates->has_extra()) {
      for (const uint32_t group : store.Groups()) store.CountExtra(store.Row(group));
    }
    store.Settle();
  }

  // Starts anew, with the memory that the tree has held.
  int64_t MergeWithoutTree() {
    giving_->merges.clear();
    tree_.Clear();
    giving_->merges.push_back({nullptr, PanesOf(giving_->window)});
    giving_->next_merge = 0;
    StartMerge();
    return 0;
  }

  // The next groups of giving_ that stand in `store`; gives the bytes that were refused.
  Result<int64_t> MergeGroups(const GroupStore& store, GroupStore& into_store) {
    Giving& giving = *giving_;
    const size_t count = std::min(kGroupsAtATime, giving.groups.size() - giving.next_group);
    EncodedKeys keys = GroupTable::StartKeys(terms_.aggregates->encoder().is_fixed());
    std::vector<uint32_t> rows;
    std::vector<std::byte*> from;
    int64_t extra_bytes = 0;
    for (const uint32_t group : std::span(giving.groups).subspan(giving.next_group, count)) {
      store.table().AppendKeyOf(group, &keys);
      rows.push_back(static_cast<uint32_t>(rows.size()));
      from.push_back(store.Row(group));
      if (terms_.aggregates->has_extra()) {
        extra_bytes += terms_.aggregates->ExtraBytesOf(from.back());
      }
    }
    std::vector<uint32_t> into(count);
    const auto num_rows = static_cast<int64_t>(count);
    const int64_t missing = into_store.table().Find(keys, rows.data(), num_rows, into.data());
    const int64_t refused = into_store.TryReserve(missing, KeyBytesOf(keys, rows), extra_bytes);
    if (refused > 0) return refused;
    into_store.Insert(keys, rows.data(), num_rows, into.data());
    ARROW_RETURN_NOT_OK(into_store.MergeRows(from, into, contexts_));
    giving.next_group += count;
    return 0;
  }

  // -- State --

  Status SaveKeyGroup(int key_group, std::span<const std::pair<int64_t, uint32_t>> groups,
                      int64_t step, const SavedSink& sink) const {
    WindowGroups some(terms_);
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto& [pane, group] = groups[i];
      const GroupStore& store = *panes_.at(pane);
      some.Add(store.table(), group, store.Row(group), {pane, pane + terms_.times.pane()});
      if (some.size() < step && i + 1 < groups.size()) continue;
      ARROW_ASSIGN_OR_RAISE(const auto batch, some.Saved(memory_.pool));
      ARROW_RETURN_NOT_OK(sink(key_group, *batch));
      some.Clear();
    }
    return Status::OK();
  }

  const WindowTerms terms_;
  const WindowMemory memory_;
  std::vector<KernelContext> contexts_;
  PaneTree::Panes panes_;
  PaneTree tree_;
  int64_t watermark_ = Watermark::kNone;
  int64_t given_ = Watermark::kNone;  // windows that end here or before were given

  // The batch that goes in.
  const EncodedKeys* keys_ = nullptr;
  PaneParts parts_;
  std::vector<uint32_t> found_;  // group of the row at the same place of the parts' rows
  std::vector<uint32_t> missing_;
  std::vector<uint32_t> made_;
  std::vector<Touched> touched_;
  Reservation extra_;  // for what states may come to own

  std::optional<Giving> giving_;
};

}  // namespace

std::unique_ptr<WindowState> MakeWindowPanes(WindowTerms terms, WindowMemory memory) {
  return std::make_unique<WindowPanes>(std::move(terms), std::move(memory));
}

}  // namespace headrace
