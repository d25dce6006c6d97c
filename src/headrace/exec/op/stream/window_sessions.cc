// Sessions: per key those that are open, in order of time. A row extends the session it is near to,
// or opens one, or joins two. A queue by time says which are complete, and gone.
#include <algorithm>
#include <array>
#include <queue>

#include "arrow/record_batch.h"
#include "headrace/base/hash.h"
#include "headrace/base/limits.h"
#include "headrace/exec/op/aggregate/group_store.h"
#include "headrace/exec/op/stream/window_state.h"

namespace headrace {
namespace {

constexpr int kStepsAtATime = 1 << 15;  // of the queue

int64_t KeyBytesOf(const EncodedKeys& keys, uint32_t row) {
  return keys.is_fixed ? 0 : static_cast<int64_t>(keys.Bytes(row).size());
}

template <typename T>
int64_t CapacityBytes(const std::vector<T>& values) {
  return static_cast<int64_t>(values.capacity() * sizeof(T));
}

class WindowSessions final : public WindowState {
 public:
  WindowSessions(WindowTerms terms, WindowMemory memory)
      : terms_(std::move(terms)),
        memory_(std::move(memory)),
        contexts_(terms_.aggregates->ContextsOf(memory_.pool)),
        keys_(NewKeys()),
        rows_(NewRows()),
        reservation_(memory_.budget, Backing::kOwn) {}

  ~WindowSessions() override {
    for (const auto& [into, from] : merges_) terms_.aggregates->Destroy(rows_[from]);
    for (uint32_t key = 0; key < keys_.num_ids(); ++key) {
      if (!keys_.Exists(key)) continue;
      for (const uint32_t id : SessionsOf(key)) terms_.aggregates->Destroy(rows_[id]);
      std::destroy_at(&SessionsOf(key));
    }
  }

  Result<int64_t> Assign(const EncodedKeys& keys, const std::vector<int64_t>& times,
                         int64_t extra_bytes) override {
    Find(keys, times.size());
    if (const int64_t refused = ReserveFor(keys, times, extra_bytes)) return refused;
    ++batch_;
    session_of_row_.assign(times.size(), kNoSession);
    for (uint32_t row = 0; row < times.size(); ++row) {
      session_of_row_[row] = Place(keys, row, times[row]);
    }
    return 0;
  }

  Result<int64_t> Look(bool is_before, Image* image) override {
    WindowGroups groups(terms_);
    image->order.clear();
    if (is_before) {
      for (const Before& before : before_) {
        if (terms_.emit == EmitPolicy::kAtEnd && !before.was_given) continue;
        groups.Add(keys_, sessions_[before.id].key, rows_[before.id], before.window);
        image->order.push_back(Resolve(before.id));
      }
    } else {
      for (const uint32_t id : touched_) {
        Session& session = sessions_[id];
        if (!session.is_live) continue;
        if (terms_.emit == EmitPolicy::kAtEnd && !session.is_given) continue;
        groups.Add(keys_, session.key, rows_[id], WindowOf(session));
        image->order.push_back(id);
      }
    }
    ARROW_ASSIGN_OR_RAISE(image->rows, groups.Rows(memory_.pool, contexts_));
    return 0;
  }

  Status Merge() override {
    for (const auto& [into, from] : merges_) {
      ARROW_RETURN_NOT_OK(MergeStates(*terms_.aggregates, rows_[into], rows_[from], contexts_));
    }
    states_.resize(session_of_row_.size());
    for (size_t row = 0; row < states_.size(); ++row) {
      uint32_t& id = session_of_row_[row];
      if (id != kNoSession) id = Resolve(id);
      states_[row] = id == kNoSession ? nullptr : rows_[id];
    }
    for (const uint32_t id : touched_) {
      if (sessions_[id].is_live) Renew(id);
    }
    return Status::OK();
  }

  int64_t Settle() override {
    for (const uint32_t id : touched_) {
      if (sessions_[id].is_live) CountExtra(id);
    }
    const int64_t more = bytes() - reservation_.bytes();
    return reservation_.TryResize(bytes()) ? 0 : more;
  }

  void EndBatch() override {
    for (const auto& [into, from] : merges_) Free(from);
    merges_.clear();
    touched_.clear();
    before_.clear();
    reservation_.TryResize(std::min(bytes(), reservation_.bytes()));
  }

  Result<Closed> Close(int64_t watermark) override {
    watermark_ = watermark;
    Closed closed;
    WindowGroups groups(terms_);
    std::vector<uint32_t> gone;
    for (int step = 0; step < kStepsAtATime && groups.size() < memory_.batch_rows; ++step) {
      if (due_.empty() || due_.top().at > watermark) {
        closed.is_done = true;
        break;
      }
      const Due due = due_.top();
      due_.pop();
      Session& session = sessions_[due.id];
      if (!session.is_live || session.serial != due.serial) continue;
      const int64_t at = DueOf(session);
      if (at > watermark) {
        due_.push({at, due.id, due.serial});
        continue;
      }
      if (terms_.emit == EmitPolicy::kAtEnd && !session.is_given) {
        groups.Add(keys_, session.key, rows_[due.id], WindowOf(session));
        session.is_given = true;
      }
      if (terms_.times.GoneAt(EndOf(session)) <= watermark) {
        gone.push_back(due.id);
      } else {
        due_.push({DueOf(session), due.id, due.serial});
      }
    }
    if (groups.size() > 0) {
      ARROW_ASSIGN_OR_RAISE(closed.rows, groups.Rows(memory_.pool, contexts_));
    }
    for (const uint32_t id : gone) Drop(id);
    if (num_live_ == 0) Clear();
    reservation_.TryResize(std::min(bytes(), reservation_.bytes()));
    return closed;
  }

  int64_t LeastStart() override {
    if (num_live_ == 0) return WindowTimes::kNever;
    if (dropped_since_scan_ >= num_live_) {
      dropped_since_scan_ = 0;
      least_start_ = WindowTimes::kNever;
      for (const Session& session : sessions_) {
        if (session.is_live) least_start_ = std::min(least_start_, session.start);
      }
    }
    return least_start_;
  }

  Status Save(const SavedSink& sink) const override {
    std::array<std::vector<uint32_t>, kKeyGroups> by_key_group;
    for (uint32_t id = 0; id < sessions_.size(); ++id) {
      if (!sessions_[id].is_live) continue;
      const int key_group = KeyGroupOf(keys_.HashOf(sessions_[id].key));
      by_key_group[static_cast<size_t>(key_group)].push_back(id);
    }
    const int64_t mean_bytes = bytes() / std::max<int64_t>(num_live_, 1) + 1;
    const auto step =
        std::clamp(kSavedBytesMax / mean_bytes, int64_t{1}, static_cast<int64_t>(kGroupsAtATime));
    for (size_t key_group = 0; key_group < by_key_group.size(); ++key_group) {
      WindowGroups some(terms_);
      const std::vector<uint32_t>& ids = by_key_group[key_group];
      for (size_t i = 0; i < ids.size(); ++i) {
        const Session& session = sessions_[ids[i]];
        // The last time stands for the end.
        some.Add(keys_, session.key, rows_[ids[i]], {session.start, session.last});
        if (some.size() < step && i + 1 < ids.size()) continue;
        ARROW_ASSIGN_OR_RAISE(const auto batch, some.Saved(memory_.pool));
        ARROW_RETURN_NOT_OK(sink(static_cast<int>(key_group), *batch));
        some.Clear();
      }
    }
    return Status::OK();
  }

  Result<int64_t> Load(int key_group, const arrow::RecordBatch& batch) override {
    ARROW_ASSIGN_OR_RAISE(const SavedWindows saved,
                          SavedWindows::Make(*terms_.aggregates, key_group, batch, memory_.pool));
    Find(saved.keys, saved.starts.size());
    if (const int64_t refused = ReserveFor(saved.keys, saved.starts, saved.extra_bytes)) {
      return refused;
    }
    std::vector<std::byte*> states;
    std::vector<uint32_t> rows;
    for (uint32_t row = 0; row < saved.starts.size(); ++row) {
      const int64_t start = saved.starts[row];
      const int64_t last = saved.ends[row];
      if (start > last || !terms_.times.HasWindow(start) || !terms_.times.HasWindow(last)) {
        return Error(ErrorKind::kBadData, "a saved session is from {} to {}", start, last);
      }
      const uint32_t key = KeyOf(saved.keys, row);
      SessionIds& ids = SessionsOf(key);
      const uint32_t id = Open(key, start, FirstAfter(ids, start));
      sessions_[id].last = last;
      states.push_back(rows_[id]);
      rows.push_back(row);
      touched_.push_back(id);
    }
    ARROW_RETURN_NOT_OK(
        MergeSavedStates(*terms_.aggregates, *saved.groups, rows, states, contexts_));
    const int64_t refused = Settle();
    touched_.clear();
    return refused;
  }

  void SetWatermark(int64_t watermark) override {
    watermark_ = std::max(watermark_, watermark);
    for (Session& session : sessions_) session.is_given = IsGiven(session);
  }

 private:
  static constexpr uint32_t kNoSession = 0xffffffffU;
  static constexpr int64_t kListBytesMin = 32;  // of a list of one, with what the allocator adds

  // Of one key, by start. Sessions of a key are further apart than the gap.
  class SessionIds {
   public:
    size_t size() const { return ids_.size() - first_; }
    bool empty() const { return size() == 0; }
    uint32_t operator[](size_t place) const { return ids_[first_ + place]; }
    uint32_t back() const { return ids_.back(); }
    std::vector<uint32_t>::const_iterator begin() const {
      return ids_.begin() + static_cast<std::ptrdiff_t>(first_);
    }
    std::vector<uint32_t>::const_iterator end() const { return ids_.end(); }
    void Insert(size_t place, uint32_t id) {
      ids_.insert(begin() + static_cast<std::ptrdiff_t>(place), id);
    }
    // At the front, where sessions are dropped, at a cost that does not depend on their number.
    void Erase(size_t place) {
      if (place > 0) {
        ids_.erase(begin() + static_cast<std::ptrdiff_t>(place));
      } else if (++first_ > ids_.size() / 2) {
        ids_.erase(ids_.begin(), begin());
        first_ = 0;
      }
    }
    int64_t bytes() const {
      return ids_.capacity() == 0 ? 0 : std::max(kListBytesMin, CapacityBytes(ids_));
    }

   private:
    std::vector<uint32_t> ids_;
    size_t first_ = 0;
  };

  struct Session {
    int64_t start = 0;
    int64_t last = 0;     // the time of its last row
    uint64_t serial = 0;  // of its entry in the queue
    uint64_t batch = 0;   // that touched it last
    uint32_t key = 0;
    uint32_t merged_into = kNoSession;
    bool is_live = false;
    bool is_given = false;
  };
  struct Due {
    int64_t at = 0;  // no later than the session is due
    uint32_t id = 0;
    uint64_t serial = 0;
    bool operator>(const Due& other) const {
      return at != other.at ? at > other.at : serial > other.serial;
    }
  };
  // A session as it was before the batch.
  struct Before {
    uint32_t id = 0;
    WindowTimes::Window window;
    bool was_given = false;
  };
  struct DueQueue : std::priority_queue<Due, std::vector<Due>, std::greater<>> {
    int64_t bytes() const { return CapacityBytes(c); }
    int64_t BytesToGrow(int64_t more) const { return WindowSessions::BytesToGrow(c, more); }
  };

  SessionIds& SessionsOf(uint32_t key) const {
    return *reinterpret_cast<SessionIds*>(keys_.Payload(key));
  }
  int64_t gap() const { return terms_.times.size(); }
  int64_t EndOf(const Session& session) const { return session.last + gap(); }
  WindowTimes::Window WindowOf(const Session& session) const {
    return {session.start, EndOf(session)};
  }
  // Whether it is shown to those who see corrections.
  bool IsGiven(const Session& session) const {
    return terms_.corrects() && terms_.times.DeadlineOf(EndOf(session)) <= watermark_;
  }
  // When something is to be done with it.
  int64_t DueOf(const Session& session) const {
    const bool is_to_be_given = terms_.emit == EmitPolicy::kAtEnd && !session.is_given;
    const int64_t end = EndOf(session);
    return is_to_be_given ? terms_.times.DeadlineOf(end) + terms_.give_lateness()
                          : terms_.times.GoneAt(end);
  }
  bool IsNear(const Session& session, int64_t time) const {
    return time >= session.start - gap() && time <= session.last + gap();
  }

  // -- Memory --

  // Of the new memory of a vector while the old one is still there.
  template <typename T>
  static int64_t BytesToGrow(const std::vector<T>& values, int64_t more) {
    const size_t size = values.size() + static_cast<size_t>(more);
    if (size <= values.capacity()) return 0;
    return static_cast<int64_t>(std::max(size, 2 * values.capacity()) * sizeof(T));
  }

  int64_t bytes() const {
    return keys_.bytes() + rows_.bytes() + list_bytes_ + CapacityBytes(sessions_) +
           CapacityBytes(free_) + due_.bytes() + extra_bytes_;
  }

  // For rows that may all open sessions, but those that are in one for sure.
  int64_t ReserveFor(const EncodedKeys& keys, const std::vector<int64_t>& times,
                     int64_t extra_bytes) {
    int64_t fresh = 0;
    int64_t fresh_keys = 0;
    int64_t key_bytes = 0;
    for (uint32_t row = 0; row < times.size(); ++row) {
      if (found_[row] == GroupTable::kNoGroup) {
        ++fresh_keys;
        key_bytes += KeyBytesOf(keys, row);
      } else if (IsNear(sessions_[SessionsOf(found_[row]).back()], times[row])) {
        continue;
      }
      ++fresh;
    }
    if (fresh == 0 && extra_bytes == 0) return 0;
    const int64_t more_ids = std::max<int64_t>(fresh - static_cast<int64_t>(free_.size()), 0);
    const int64_t wanted =
        bytes() - keys_.bytes() - rows_.bytes() + keys_.BytesToAdd(fresh_keys, key_bytes) +
        rows_.BytesFor(static_cast<int64_t>(sessions_.size()) + more_ids) +
        BytesToGrow(sessions_, more_ids) + due_.BytesToGrow(static_cast<int64_t>(times.size())) +
        fresh * kListBytesMin + extra_bytes;
    const int64_t more = wanted - reservation_.bytes();
    return more <= 0 || reservation_.TryGrow(more) ? 0 : more;
  }

  void CountExtra(uint32_t id) {
    if (!terms_.aggregates->has_extra()) return;
    int64_t& counted = terms_.aggregates->CountedExtraOf(rows_[id]);
    const int64_t now = terms_.aggregates->ExtraBytesOf(rows_[id]);
    extra_bytes_ += now - counted;
    counted = now;
  }

  // -- Rows in --

  void Find(const EncodedKeys& keys, size_t count) {
    all_rows_.resize(count);
    for (size_t row = 0; row < count; ++row) all_rows_[row] = static_cast<uint32_t>(row);
    found_.resize(count);
    keys_.Find(keys, all_rows_.data(), static_cast<int64_t>(count), found_.data());
  }

  uint32_t KeyOf(const EncodedKeys& keys, uint32_t row) {
    if (found_[row] != GroupTable::kNoGroup) return found_[row];
    uint8_t is_new = 0;
    keys_.FindOrInsert(keys, &row, 1, &found_[row], &is_new);
    if (is_new != 0) new (keys_.Payload(found_[row])) SessionIds();
    return found_[row];
  }

  // The place of the first session of the key that starts after `time`.
  size_t FirstAfter(const SessionIds& ids, int64_t time) const {
    if (ids.empty() || sessions_[ids.back()].start <= time) return ids.size();
    const auto found =
        std::upper_bound(ids.begin(), ids.end(), time,
                         [&](int64_t value, uint32_t id) { return value < sessions_[id].start; });
    return static_cast<size_t>(found - ids.begin());
  }

  // The session that the row goes to, or kNoSession when it is late.
  uint32_t Place(const EncodedKeys& keys, uint32_t row, int64_t time) {
    uint32_t key = found_[row];
    if (key == GroupTable::kNoGroup) keys_.Find(keys, &row, 1, &key);
    if (key == GroupTable::kNoGroup) {
      if (IsLate(time)) return kNoSession;
      return Open(KeyOf(keys, row), time, 0);
    }
    SessionIds& ids = SessionsOf(key);
    const size_t after = FirstAfter(ids, time);
    const bool joins_before = after > 0 && IsNear(sessions_[ids[after - 1]], time);
    const bool joins_after = after < ids.size() && IsNear(sessions_[ids[after]], time);
    if (!joins_before && !joins_after) {
      return IsLate(time) ? kNoSession : Open(key, time, after);
    }
    const uint32_t id = ids[joins_before ? after - 1 : after];
    Touch(id);
    if (joins_before && joins_after) Join(id, ids[after], ids, after);
    Session& session = sessions_[id];
    session.start = std::min(session.start, time);
    session.last = std::max(session.last, time);
    least_start_ = std::min(least_start_, session.start);
    return id;
  }

  bool IsLate(int64_t time) const { return terms_.times.GoneAt(time + gap()) <= watermark_; }

  uint32_t Open(uint32_t key, int64_t time, size_t place) {
    uint32_t id = static_cast<uint32_t>(sessions_.size());
    if (free_.empty()) {
      sessions_.emplace_back();
      rows_.MakeRoomFor(id);
    } else {
      id = free_.back();
      free_.pop_back();
    }
    Session& session = sessions_[id];
    session = {.start = time, .last = time, .batch = batch_, .key = key, .is_live = true};
    terms_.aggregates->Init(rows_[id]);
    SessionIds& ids = SessionsOf(key);
    list_bytes_ -= ids.bytes();
    ids.Insert(place, id);
    list_bytes_ += ids.bytes();
    touched_.push_back(id);
    least_start_ = std::min(least_start_, time);
    ++num_live_;
    Queue(id);
    return id;
  }

  // Before the batch changes a session for the first time.
  void Touch(uint32_t id) {
    Session& session = sessions_[id];
    if (session.batch == batch_) return;
    session.batch = batch_;
    touched_.push_back(id);
    if (terms_.shows_changes()) before_.push_back({id, WindowOf(session), session.is_given});
  }

  // States are merged later: what they were is still to be seen.
  void Join(uint32_t into, uint32_t from, SessionIds& ids, size_t place_of_from) {
    Touch(from);
    sessions_[into].last = std::max(sessions_[into].last, sessions_[from].last);
    sessions_[from].merged_into = into;
    sessions_[from].is_live = false;
    ids.Erase(place_of_from);
    --num_live_;
    merges_.emplace_back(into, from);
  }

  uint32_t Resolve(uint32_t id) const {
    while (sessions_[id].merged_into != kNoSession) id = sessions_[id].merged_into;
    return id;
  }

  void Queue(uint32_t id) {
    Session& session = sessions_[id];
    session.serial = ++last_serial_;
    due_.push({DueOf(session), id, session.serial});
  }

  // After its bounds changed. The queue must hold no later a time than it is due.
  void Renew(uint32_t id) {
    Session& session = sessions_[id];
    if (!terms_.corrects()) return;
    const bool was_given = session.is_given;
    session.is_given = IsGiven(session);
    if (was_given != session.is_given) Queue(id);
  }

  // -- Sessions out --

  void Drop(uint32_t id) {
    const uint32_t key = sessions_[id].key;
    SessionIds& ids = SessionsOf(key);
    ids.Erase(static_cast<size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin()));
    if (ids.empty()) {
      list_bytes_ -= ids.bytes();
      std::destroy_at(&ids);
      keys_.Erase(key);
    }
    sessions_[id].is_live = false;
    --num_live_;
    ++dropped_since_scan_;
    Free(id);
  }

  // Nothing is open: gives back all that was ever needed.
  void Clear() {
    keys_ = NewKeys();
    rows_ = NewRows();
    sessions_ = std::vector<Session>();
    free_ = std::vector<uint32_t>();
    due_ = DueQueue();
    list_bytes_ = 0;
    least_start_ = WindowTimes::kNever;
    dropped_since_scan_ = 0;
  }

  GroupTable NewKeys() const {
    return GroupTable(terms_.aggregates->encoder().is_fixed(), sizeof(SessionIds),
                      alignof(SessionIds));
  }
  RowBlocks NewRows() const {
    return RowBlocks(terms_.aggregates->row_size(), terms_.aggregates->row_align());
  }

  void Free(uint32_t id) {
    if (terms_.aggregates->has_extra()) {
      extra_bytes_ -= terms_.aggregates->CountedExtraOf(rows_[id]);
    }
    terms_.aggregates->Destroy(rows_[id]);
    sessions_[id] = Session();
    free_.push_back(id);
  }

  const WindowTerms terms_;
  const WindowMemory memory_;
  std::vector<KernelContext> contexts_;
  GroupTable keys_;  // the payload of a key: its sessions
  RowBlocks rows_;   // states by session
  std::vector<Session> sessions_;
  std::vector<uint32_t> free_;
  DueQueue due_;
  Reservation reservation_;
  int64_t list_bytes_ = 0;
  int64_t extra_bytes_ = 0;
  int64_t num_live_ = 0;
  int64_t least_start_ = WindowTimes::kNever;  // or earlier
  int64_t dropped_since_scan_ = 0;
  uint64_t last_serial_ = 0;
  int64_t watermark_ = Watermark::kNone;

  // The batch that goes in.
  uint64_t batch_ = 0;
  std::vector<uint32_t> all_rows_;
  std::vector<uint32_t> found_;  // key by row
  std::vector<uint32_t> session_of_row_;
  std::vector<uint32_t> touched_;
  std::vector<Before> before_;
  std::vector<std::pair<uint32_t, uint32_t>> merges_;  // into, from
};

}  // namespace

std::unique_ptr<WindowState> MakeWindowSessions(WindowTerms terms, WindowMemory memory) {
  return std::make_unique<WindowSessions>(std::move(terms), std::move(memory));
}

}  // namespace headrace
