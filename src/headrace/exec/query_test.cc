// Query: what outlives it, and what must not.
#include "headrace/exec/query.h"

#include <gtest/gtest.h>

#include "arrow/memory_pool.h"
#include "headrace/base/test_status.h"

namespace headrace {
namespace {

/// A lane that is slow to let go of its tasks: it holds them as long as it lives.
class HoldingExecutor final : public Executor {
 public:
  void Enqueue(std::shared_ptr<Task> task) override {
    held.push_back(task);
    runnable_.push_back(std::move(task));
  }
  bool Drive() override {
    if (runnable_.empty()) return false;
    const std::shared_ptr<Task> task = std::move(runnable_.back());
    runnable_.pop_back();
    RunSlice(task, 0);
    return true;
  }
  bool deterministic() const override { return true; }

  std::vector<std::shared_ptr<Task>> held;

 private:
  std::vector<std::shared_ptr<Task>> runnable_;
};

/// Counts how many of its operators live: each may hold files, reservations and buffers.
class CountedSpec final : public OperatorSpec {
 public:
  explicit CountedSpec(int* living) : living_(living) {}
  std::string name() const override { return "counted"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState>) const override {
    class Counted final : public Operator {
     public:
      explicit Counted(int* living) : living_(living) { ++*living_; }
      ~Counted() override { --*living_; }
      Result<Flow> Push(int, Batch&, Out&) override { return Flow::NeedInput(); }

     private:
      int* const living_;
    };
    return std::make_unique<Counted>(living_);
  }

 private:
  int* const living_;
};

TEST(QueryTest, NoOperatorOutlivesItsQuery) {
  int living = 0;
  PhysicalPlan plan;
  PhysicalPipeline pipeline;
  PhysicalInput input;
  input.kind = PhysicalInput::Kind::kParts;
  input.parts = std::make_shared<GlobalState>();
  pipeline.inputs.push_back(std::move(input));
  pipeline.operators.push_back({std::make_shared<CountedSpec>(&living), nullptr, 0});
  pipeline.output_channel = 0;
  plan.pipelines.push_back(std::move(pipeline));
  plan.channels.emplace_back();
  plan.result_channel = 0;

  HoldingExecutor executor;
  QueryContext context;
  context.executor = &executor;
  context.budget = MemoryBudget::MakeRoot("test", MemoryBudget::kUnlimited);
  context.pool = arrow::default_memory_pool();
  context.clock = &SystemClock();
  {
    ASSERT_OK_AND_ASSIGN(auto query, Query::Make(std::move(plan), std::move(context)));
    ASSERT_OK(query->Start());
    query->Join();
    EXPECT_EQ(living, 1) << "the state of an ended lane may still be saved";
  }
  EXPECT_FALSE(executor.held.empty());
  EXPECT_EQ(living, 0);
}

}  // namespace
}  // namespace headrace
