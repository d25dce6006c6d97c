// Run queues, slices and the world lock.
#include "headrace/exec/executor.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <new>
#include <thread>

#include "headrace/base/check.h"
#include "headrace/base/rng.h"

namespace headrace {
namespace {

/// A task that was refused memory tries again this often; of an owner that comes to an end, while
/// none of its tasks gets further.
constexpr int kMemoryRefusalsMax = 50;
/// Its lane pauses a millisecond longer after each refusal, up to so many.
constexpr int kRefusedPauseMillisMax = 2;

/// One step; what our own bugs and the allocator throw becomes a Status here, at the task boundary.
Result<Driver::Step> GuardedStep(Driver& driver) {
  try {
    return driver.RunStep();
  } catch (const std::bad_alloc&) {
    return Error(ErrorKind::kMemoryLimit, "the machine is out of memory");
  } catch (const std::exception& error) {
    return Error(ErrorKind::kInternal, "{}", error.what());
  }
}

}  // namespace

void Task::Wake() {
  State state = state_.load();
  while (true) {
    if (state == State::kParked) {
      if (!state_.compare_exchange_weak(state, State::kQueued)) continue;
      executor_->Enqueue(shared_from_this());
      return;
    }
    if (state != State::kRunning) return;
    if (state_.compare_exchange_weak(state, State::kRunningWoken)) return;
  }
}

void Task::MarkReady() {
  state_.store(State::kParked);
  Wake();
}

Waker Task::MakeWaker() {
  return Waker([weak = weak_from_this()] {
    if (auto task = weak.lock()) task->Wake();
  });
}

void Executor::World::Enter() {
  std::unique_lock lock(mutex_);
  const int64_t arrival = times_alone_;
  ++waiting_;
  changed_.wait(lock, [&] { return !alone_ && (waiting_alone_ == 0 || times_alone_ != arrival); });
  --waiting_;
  if (times_alone_ != arrival) --let_in_;
  ++inside_;
}

void Executor::World::Leave() {
  std::lock_guard lock(mutex_);
  --inside_;
  if (waiting_alone_ > 0) changed_.notify_all();
}

void Executor::World::EnterAlone() {
  std::unique_lock lock(mutex_);
  ++waiting_alone_;
  changed_.wait(lock, [this] { return !alone_ && inside_ == 0 && let_in_ == 0; });
  --waiting_alone_;
  alone_ = true;
}

void Executor::World::LeaveAlone() {
  std::lock_guard lock(mutex_);
  alone_ = false;
  ++times_alone_;
  let_in_ = waiting_;
  changed_.notify_all();
}

void Executor::Exclusively(const std::function<void()>& body) {
  world_.EnterAlone();
  body();
  world_.LeaveAlone();
}

void Executor::AddOwner(TaskOwner* owner) {
  std::lock_guard lock(owners_mutex_);
  owners_.push_back(owner);
}

void Executor::RemoveOwner(TaskOwner* owner) {
  std::lock_guard lock(owners_mutex_);
  std::erase(owners_, owner);
}

Executor::Outcome Executor::StepFor(Task& task, int64_t slice_micros, Status* status) {
  const int64_t start = SystemClock().MonotonicMicros();
  bool counted = false;
  do {
    if (task.stop_.stop_requested()) return Outcome::kEnd;
    Result<Driver::Step> step = GuardedStep(*task.driver_);
    if (!step.ok()) {
      *status = step.status();
      return Outcome::kEnd;
    }
    switch (*step) {
      case Driver::Step::kDone:
        return Outcome::kEnd;
      case Driver::Step::kBlocked:
        return Outcome::kPark;
      case Driver::Step::kNeedMemory:
        return Outcome::kNeedMemory;
      case Driver::Step::kProgress:
        task.memory_refusals_ = 0;
        if (!counted) task.owner_->slices_.fetch_add(1);
        counted = true;
        break;
    }
  } while (SystemClock().MonotonicMicros() - start < slice_micros);
  return Outcome::kYield;
}

bool Executor::FindMemory(Task& task, Status* status) {
  const int64_t wanted = task.driver_->bytes_wanted();
  int64_t freed = 0;
  bool other_has_failed = false;  // and lets go of its memory soon
  Exclusively([&] {
    std::lock_guard lock(owners_mutex_);
    for (TaskOwner* owner : owners_) {
      if (freed >= wanted) break;
      Result<int64_t> more = owner->ReclaimAll(wanted - freed);
      if (more.ok()) {
        freed += *more;
      } else if (owner == task.owner_) {
        *status = more.status();
        return;
      } else {
        other_has_failed = true;
      }
    }
  });
  if (!status->ok()) return false;
  if (freed > 0 || other_has_failed) return true;
  if (MayWait(task)) {
    const int pause_millis = std::min(task.memory_refusals_, kRefusedPauseMillisMax);
    if (!deterministic()) std::this_thread::sleep_for(std::chrono::milliseconds(pause_millis));
    return true;
  }
  *status = task.driver_->OverLimit();
  return false;
}

bool Executor::MayWait(Task& task) {
  const int64_t slices = task.owner_->slices_.load();
  if (task.owner_->is_bounded() && slices != task.slices_refused_) {
    task.slices_refused_ = slices;
    task.memory_refusals_ = 0;
  }
  return ++task.memory_refusals_ < kMemoryRefusalsMax;
}

void Executor::RunSlice(const std::shared_ptr<Task>& task, int64_t slice_micros) {
  task->state_.store(Task::State::kRunning);
  Status status;
  world_.Enter();
  Outcome outcome = StepFor(*task, slice_micros, &status);
  world_.Leave();
  if (outcome == Outcome::kNeedMemory) {
    outcome = FindMemory(*task, &status) ? Outcome::kYield : Outcome::kEnd;
  }
  Settle(task, outcome, std::move(status));
}

void Executor::Settle(const std::shared_ptr<Task>& task, Outcome outcome, Status status) {
  if (outcome == Outcome::kEnd) {
    task->state_.store(Task::State::kEnded);
    task->owner_->TaskEnded(task->id_, std::move(status));
    return;
  }
  if (outcome == Outcome::kPark) {
    Task::State running = Task::State::kRunning;
    if (task->state_.compare_exchange_strong(running, Task::State::kParked)) {
      // A stop that came between the last check and the parking has found it running.
      if (task->stop_.stop_requested()) task->Wake();
      return;
    }
  }
  task->state_.store(Task::State::kQueued);
  Enqueue(task);
}

namespace {

class ThreadedExecutor final : public Executor {
 public:
  explicit ThreadedExecutor(int lanes) : num_lanes_(lanes) {}

  ~ThreadedExecutor() override {
    {
      std::lock_guard lock(mutex_);
      shutting_down_ = true;
    }
    changed_.notify_all();
    for (std::thread& lane : lanes_) lane.join();
  }

  void Enqueue(std::shared_ptr<Task> task) override {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(task));
      while (lanes_.size() < static_cast<size_t>(num_lanes_)) {
        lanes_.emplace_back([this] { RunLane(); });
      }
    }
    changed_.notify_one();
  }

  bool Drive() override { return false; }
  bool deterministic() const override { return false; }

 private:
  void RunLane() {
    while (true) {
      std::shared_ptr<Task> task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return shutting_down_ || !queue_.empty(); });
        if (queue_.empty()) return;
        task = std::move(queue_.front());
        queue_.pop_front();
      }
      RunSlice(task, kDriverSliceMicros);
    }
  }

  const int num_lanes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Task>> queue_;
  std::vector<std::thread> lanes_;
  bool shutting_down_ = false;
};

class DeterministicExecutor final : public Executor {
 public:
  explicit DeterministicExecutor(uint64_t seed) : rng_(seed) {}

  void Enqueue(std::shared_ptr<Task> task) override {
    std::lock_guard lock(mutex_);
    runnable_.push_back(std::move(task));
  }

  bool Drive() override {
    std::shared_ptr<Task> task;
    {
      std::lock_guard lock(mutex_);
      if (runnable_.empty()) return false;
      const size_t pick = static_cast<size_t>(rng_.Below(runnable_.size()));
      task = std::move(runnable_[pick]);
      runnable_.erase(runnable_.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    RunSlice(task, 0);
    return true;
  }
  bool deterministic() const override { return true; }

 private:
  std::mutex mutex_;
  Rng rng_;
  std::vector<std::shared_ptr<Task>> runnable_;
};

}  // namespace

std::unique_ptr<Executor> Executor::MakeThreaded(int lanes) {
  return std::make_unique<ThreadedExecutor>(lanes);
}

std::unique_ptr<Executor> Executor::MakeDeterministic(uint64_t seed) {
  return std::make_unique<DeterministicExecutor>(seed);
}

}  // namespace headrace
