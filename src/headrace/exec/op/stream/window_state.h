// WindowState: what one lane of a window aggregate keeps between batches. Two kinds: panes of
// aligned windows (window_panes.h) and sessions (window_sessions.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "headrace/exec/key/group_table.h"
#include "headrace/exec/op/aggregate/aggregate_terms.h"
#include "headrace/exec/op/stream/window_times.h"
#include "headrace/memory/budget.h"

namespace headrace {

/// Groups merged at a call, and groups of a saved batch.
inline constexpr size_t kGroupsAtATime = 4096;

/// What a state is made with.
struct WindowTerms {
  AggregateTermsPtr aggregates;
  WindowTimes times;
  TypePtr time_type;
  EmitPolicy emit = EmitPolicy::kAtEnd;
  LatePolicy late = LatePolicy::kDrop;

  /// Windows are given at their deadline and given again as late rows come.
  bool corrects() const { return late == LatePolicy::kUpdate || late == LatePolicy::kRepeat; }
  /// Rows may change what was given.
  bool shows_changes() const { return emit == EmitPolicy::kChanges || corrects(); }
  /// Windows are given when they can take no row any more.
  int64_t give_lateness() const { return corrects() ? 0 : times.lateness(); }
};

/// Groups of windows on their way out: their keys and states, which are borrowed, and the window's
/// bounds in ticks.
class WindowGroups {
 public:
  explicit WindowGroups(const WindowTerms& terms);
  void Add(const GroupTable& table, uint32_t group, std::byte* state, WindowTimes::Window window);
  int64_t size() const { return static_cast<int64_t>(states_.size()); }
  void Clear();

  /// Rows of the output: keys, start, end, results.
  Result<Batch> Rows(arrow::MemoryPool* pool, std::span<KernelContext> contexts) const;
  /// As saved: AggregateTerms::saved_schema and the two bounds.
  Result<std::shared_ptr<arrow::RecordBatch>> Saved(arrow::MemoryPool* pool) const;
  static SchemaPtr SavedSchema(const AggregateTerms& terms);

 private:
  const WindowTerms& terms_;
  EncodedKeys keys_;
  std::vector<std::byte*> states_;
  std::vector<int64_t> starts_;
  std::vector<int64_t> ends_;
};

/// One batch goes in by Assign, (Look, before), Merge, adding of rows to states(), Settle, (Look,
/// after), EndBatch. Calls that give bytes were refused so many, have changed nothing and are to be
/// repeated. One thread.
class WindowState {
 public:
  virtual ~WindowState() = default;

  /// Finds or makes the states of rows, whose windows are known to exist. `extra_bytes` is what
  /// states may come to own.
  virtual Result<int64_t> Assign(const EncodedKeys& keys, const std::vector<int64_t>& times,
                                 int64_t extra_bytes) = 0;
  /// Of the rows assigned last; null where the row is late. Valid after Merge.
  const std::vector<std::byte*>& states() const { return states_; }

  /// What the windows that the rows touch show now. `order` numbers them: the same number is the
  /// same group and window before and after.
  struct Image {
    Batch rows;
    std::vector<uint64_t> order;
  };
  virtual Result<int64_t> Look(bool is_before, Image* image) = 0;
  virtual Status Merge() { return Status::OK(); }
  /// Counts what states came to own and makes reservations what is held.
  virtual int64_t Settle() = 0;
  /// Drops groups that rows were taken back from until none was left.
  virtual void EndBatch() {}

  /// Gives and drops windows that are complete, and gone, at `watermark`, some at a call; kEnd:
  /// all.
  struct Closed {
    int64_t refused = 0;
    bool is_done = false;
    Batch rows;  // may be empty
  };
  virtual Result<Closed> Close(int64_t watermark) = 0;
  /// Frees what was merged for windows to come; gives the bytes.
  virtual int64_t FreeMerged() { return 0; }
  /// A time before which no window that is open starts; kNever: none is open.
  virtual int64_t LeastStart() = 0;

  using SavedSink = std::function<Status(int key_group, const arrow::RecordBatch& batch)>;
  virtual Status Save(const SavedSink& sink) const = 0;
  /// Rows of a batch given to that sink, in any number of calls, into a state without rows.
  virtual Result<int64_t> Load(int key_group, const arrow::RecordBatch& batch) = 0;
  /// After Load: up to here windows were given.
  virtual void SetWatermark(int64_t watermark) = 0;

 protected:
  std::vector<std::byte*> states_;
};

/// What states are made with beside the terms.
struct WindowMemory {
  std::shared_ptr<MemoryBudget> budget;
  arrow::MemoryPool* pool = nullptr;
  int64_t batch_rows = 0;
};
std::unique_ptr<WindowState> MakeWindowPanes(WindowTerms terms, WindowMemory memory);
std::unique_ptr<WindowState> MakeWindowSessions(WindowTerms terms, WindowMemory memory);

/// A saved batch taken apart: its groups as saved_schema has them, their keys, and the bounds.
struct SavedWindows {
  static Result<SavedWindows> Make(const AggregateTerms& terms, int key_group,
                                   const arrow::RecordBatch& batch, arrow::MemoryPool* pool);
  std::shared_ptr<arrow::RecordBatch> groups;
  EncodedKeys keys;
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
  int64_t extra_bytes = 0;
};

}  // namespace headrace
