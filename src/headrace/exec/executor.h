// Executor: the lanes. Tasks are drivers; a lane runs a task for a short slice and goes on with the
// next, so queries share the lanes round robin. The deterministic twin has no threads: the consumer
// steps one task at a time, in an order drawn from a seed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "headrace/exec/driver.h"

namespace headrace {

class Executor;

/// What owns tasks: told of their end, asked for memory. Calls come from lanes.
class TaskOwner {
 public:
  virtual ~TaskOwner() = default;
  /// The task is done, failed or stopped; called exactly once a task.
  virtual void TaskEnded(int task, Status status) = 0;
  /// Spills operators of all tasks; called while no lane runs any task. After an error the owner
  /// has stopped with it: what was on its way to disk is gone.
  virtual Result<int64_t> ReclaimAll(int64_t bytes) = 0;
  /// Whether the tasks end by themselves, and let go of their memory then.
  virtual bool is_bounded() const = 0;

 private:
  friend class Executor;
  /// Slices in which one of its tasks got further.
  std::atomic<int64_t> slices_{0};
};

/// A driver with its place in the run queues. Made by shared_ptr; wakers hold it weakly.
class Task : public std::enable_shared_from_this<Task> {
 public:
  Task(Executor* executor, TaskOwner* owner, int id, StopToken stop)
      : executor_(executor), owner_(owner), id_(id), stop_(std::move(stop)) {}

  void set_driver(std::unique_ptr<Driver> driver) { driver_ = std::move(driver); }
  /// The driver is set (or the query has stopped): from here on the task may run.
  void MarkReady();
  Driver* driver() const { return driver_.get(); }
  /// Puts the task in the run queue unless it is there; safe from any thread at any time.
  void Wake();
  Waker MakeWaker();
  bool parked() const { return state_.load() == State::kParked; }
  bool ended() const { return state_.load() == State::kEnded; }

 private:
  friend class Executor;
  enum class State : uint8_t { kMade, kParked, kQueued, kRunning, kRunningWoken, kEnded };

  Executor* const executor_;
  TaskOwner* const owner_;
  const int id_;
  const StopToken stop_;  // once it is set the owner may be gone as soon as the task has ended
  std::unique_ptr<Driver> driver_;
  std::atomic<State> state_{State::kMade};
  int memory_refusals_ = 0;     // in a row; of a bounded owner, while none of its tasks got further
  int64_t slices_refused_ = 0;  // of the owner, at the last refusal
};

class Executor {
 public:
  /// `lanes` threads; they start at the first task.
  static std::unique_ptr<Executor> MakeThreaded(int lanes);
  /// No threads; at each Drive one runnable task, drawn from `seed`, takes one step.
  static std::unique_ptr<Executor> MakeDeterministic(uint64_t seed);
  virtual ~Executor() = default;

  virtual void Enqueue(std::shared_ptr<Task> task) = 0;
  /// Deterministic: runs one step, false when no task is runnable. Threaded: false.
  virtual bool Drive() = 0;
  virtual bool deterministic() const = 0;

  /// Runs `body` while no lane is inside a step. Not from within a step.
  void Exclusively(const std::function<void()>& body);
  void AddOwner(TaskOwner* owner);
  void RemoveOwner(TaskOwner* owner);

 protected:
  /// Runs `task` for at most `slice_micros` (0: one step) and decides what becomes of it.
  void RunSlice(const std::shared_ptr<Task>& task, int64_t slice_micros);

 private:
  enum class Outcome : uint8_t { kYield, kPark, kNeedMemory, kEnd };
  Outcome StepFor(Task& task, int64_t slice_micros, Status* status);
  /// Whether the task may try again; else `status` says why not.
  bool FindMemory(Task& task, Status* status);
  /// Whether a task that was refused is to wait for the others of its owner.
  static bool MayWait(Task& task);
  void Settle(const std::shared_ptr<Task>& task, Outcome outcome, Status status);

  /// Lanes inside a step, or one outside party alone. Lanes that wait for one who is alone go
  /// before the next.
  class World {
   public:
    void Enter();
    void Leave();
    void EnterAlone();
    void LeaveAlone();

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int inside_ = 0;
    int waiting_ = 0;  // to come inside
    int let_in_ = 0;   // of these; nobody is alone before they are inside
    int waiting_alone_ = 0;
    bool alone_ = false;
    int64_t times_alone_ = 0;
  };
  World world_;
  std::mutex owners_mutex_;
  std::vector<TaskOwner*> owners_;
};

}  // namespace headrace
