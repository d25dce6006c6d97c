// Tasks that want memory while another task holds all of it and gives none away.
#include "headrace/exec/executor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "arrow/array/builder_primitive.h"
#include "headrace/base/test_status.h"

namespace headrace {
namespace {

constexpr int64_t kAllBytes = 1 << 20;
// More than a task may be refused while nobody gets further.
constexpr int kHeldSteps = 500;

class OneRowInput final : public PipelineInput {
 public:
  Result<InputItem> Next() override {
    if (given_) return InputItem(EndOfInput{});
    given_ = true;
    arrow::Int64Builder builder;
    ARROW_RETURN_NOT_OK(builder.Append(1));
    ARROW_ASSIGN_OR_RAISE(ArrayPtr column, builder.Finish());
    return InputItem(Batch({column}, 1));
  }
  std::optional<int64_t> Close() override { return std::nullopt; }

 private:
  bool given_ = false;
};

/// Holds all memory for so many steps, or for ever at a step that makes no progress.
class HoldingOperator final : public Operator {
 public:
  HoldingOperator(std::shared_ptr<MemoryBudget> budget, int steps, std::chrono::microseconds pause)
      : held_(std::move(budget)), steps_left_(steps), pause_(pause) {
    EXPECT_TRUE(held_.TryResize(kAllBytes));
  }
  Result<Flow> Push(int, Batch&, Out&) override {
    std::this_thread::sleep_for(pause_);
    if (steps_left_ == 0) return Flow::Blocked();
    if (--steps_left_ > 0) return Flow::MoreOutput();
    held_.Clear();
    return Flow::NeedInput();
  }

 private:
  Reservation held_;
  int steps_left_;
  const std::chrono::microseconds pause_;
};

class WantingOperator final : public Operator {
 public:
  explicit WantingOperator(std::shared_ptr<MemoryBudget> budget) : wanted_(std::move(budget)) {}
  Result<Flow> Push(int, Batch&, Out&) override {
    return wanted_.TryResize(kAllBytes) ? Flow::NeedInput() : Flow::NeedMemory(kAllBytes);
  }

 private:
  Reservation wanted_;
};

/// Two tasks over one budget: 0 holds, 1 wants.
class TwoTasks final : public TaskOwner {
 public:
  TwoTasks(Executor* executor, int held_steps, std::chrono::microseconds pause)
      : executor_(executor), budget_(MemoryBudget::MakeRoot("test", kAllBytes)) {
    executor_->AddOwner(this);
    Add(std::make_unique<HoldingOperator>(budget_, held_steps, pause));
    Add(std::make_unique<WantingOperator>(budget_));
  }
  ~TwoTasks() override {
    stop_.RequestStop();
    for (const auto& task : tasks_) task->Wake();
    Join();
    executor_->RemoveOwner(this);
    for (const auto& task : tasks_) task->set_driver(nullptr);
  }

  void Start() {
    for (const auto& task : tasks_) task->MarkReady();
  }
  void Join() { WaitFor(2); }
  /// Of the task that wants memory; waits for its end alone.
  Status Wanted() {
    WaitFor(1);
    std::lock_guard lock(mutex_);
    return statuses_[1];
  }

  void TaskEnded(int task, Status status) override {
    std::lock_guard lock(mutex_);
    statuses_[static_cast<size_t>(task)] = std::move(status);
    ++ended_;
    changed_.notify_all();
  }
  Result<int64_t> ReclaimAll(int64_t) override { return 0; }
  bool is_bounded() const override { return true; }

 private:
  void Add(std::unique_ptr<Operator> op) {
    Driver::Parts parts;
    parts.inputs.push_back(std::make_unique<OneRowInput>());
    parts.operators.push_back(std::move(op));
    parts.metrics = {&metrics_[tasks_.size()]};
    parts.budgets = {budget_};
    auto task = std::make_shared<Task>(executor_, this, static_cast<int>(tasks_.size()), stop_);
    task->set_driver(std::make_unique<Driver>(std::move(parts)));
    tasks_.push_back(std::move(task));
  }
  void WaitFor(int ended) {
    while (executor_->Drive()) {
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ >= ended; });
  }

  Executor* const executor_;
  StopToken stop_;
  const std::shared_ptr<MemoryBudget> budget_;
  OperatorMetrics metrics_[2];
  std::vector<std::shared_ptr<Task>> tasks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int ended_ = 0;
  Status statuses_[2];
};

/// One task after the other, a step each.
class TakingTurns final : public Executor {
 public:
  void Enqueue(std::shared_ptr<Task> task) override { runnable_.push_back(std::move(task)); }
  bool Drive() override {
    if (runnable_.empty()) return false;
    const std::shared_ptr<Task> task = std::move(runnable_.front());
    runnable_.pop_front();
    RunSlice(task, 0);
    return true;
  }
  bool deterministic() const override { return true; }

 private:
  std::deque<std::shared_ptr<Task>> runnable_;
};

TEST(ExecutorTest, MemoryIsWaitedForWhileAnotherTaskGetsFurther) {
  TakingTurns executor;
  TwoTasks tasks(&executor, kHeldSteps, {});
  tasks.Start();
  EXPECT_OK(tasks.Wanted());
}

TEST(ExecutorTest, LanesThatWantMemoryLetTheOthersGetFurther) {
  const auto executor = Executor::MakeThreaded(2);
  TwoTasks tasks(executor.get(), kHeldSteps, std::chrono::microseconds(100));
  tasks.Start();
  EXPECT_OK(tasks.Wanted());
}

TEST(ExecutorTest, WhereNobodyGetsFurtherAWishForMemoryFails) {
  const auto executor = Executor::MakeThreaded(2);
  TwoTasks tasks(executor.get(), 0, {});
  tasks.Start();
  const Status status = tasks.Wanted();
  EXPECT_TRUE(status.ToString().find("raise memory_limit") != std::string::npos)
      << status.ToString();
}

}  // namespace
}  // namespace headrace
