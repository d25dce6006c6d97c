// What a driver tells its operator and its output of ports that fall silent.
#include "headrace/exec/driver.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>

#include "arrow/array/builder_primitive.h"
#include "fmt/format.h"
#include "headrace/base/test_status.h"

namespace headrace {
namespace {

using Log = std::vector<std::string>;

class ScriptedInput final : public PipelineInput {
 public:
  Result<InputItem> Next() override {
    if (items.empty()) return InputItem(Pending{});
    InputItem item = std::move(items.front());
    items.pop_front();
    return item;
  }
  std::optional<int64_t> Close() override { return std::nullopt; }
  std::deque<InputItem> items;
};

class LoggingOperator final : public Operator {
 public:
  explicit LoggingOperator(Log* log) : log_(*log) {}
  Result<Flow> Push(int port, Batch&, Out&) override {
    log_.push_back(fmt::format("rows of {}", port));
    return Flow::NeedInput();
  }
  Result<Flow> Advance(int port, Watermark watermark, Out&) override {
    log_.push_back(fmt::format("{} at {}", port, watermark.micros));
    return Flow::NeedInput();
  }
  Result<Flow> Finish(int port, Out&) override {
    log_.push_back(fmt::format("{} ended", port));
    return Flow::NeedInput();
  }
  Result<int64_t> Reclaim(int64_t bytes) override {
    log_.push_back(fmt::format("spill {}", bytes));
    return std::exchange(spillable_, 0);
  }
  int Wants() const override { return RatherPort(0); }

 private:
  Log& log_;
  int64_t spillable_ = 700;
};

class LoggingOutput final : public PipelineOutput {
 public:
  explicit LoggingOutput(Log* log) : log_(*log) {}
  Result<Flow> Push(Batch&) override { return Flow::NeedInput(); }
  void EndSplit(int64_t) override {}
  void Advance(Watermark) override {}
  void SetIdle(bool is_idle) override { log_.emplace_back(is_idle ? "idle" : "active"); }
  void Finish() override { log_.emplace_back("finished"); }

 private:
  Log& log_;
};

class IdlePortsTest : public testing::Test {
 protected:
  void Make(size_t ports) {
    Driver::Parts parts;
    for (size_t port = 0; port < ports; ++port) {
      auto input = std::make_unique<ScriptedInput>();
      inputs_.push_back(input.get());
      parts.inputs.push_back(std::move(input));
    }
    parts.operators.push_back(std::make_unique<LoggingOperator>(&log_));
    parts.metrics = {&metrics_};
    parts.budgets = {MemoryBudget::MakeRoot("test", 1 << 20)};
    parts.output = std::make_unique<LoggingOutput>(&log_);
    driver_ = std::make_unique<Driver>(std::move(parts));
  }
  /// What happens when `port` gives `item` and everything is run.
  Log After(size_t port, InputItem item) {
    log_.clear();
    inputs_[port]->items.push_back(std::move(item));
    while (driver_->RunStep().ValueOrDie() == Driver::Step::kProgress) {
    }
    return log_;
  }
  static Batch Row() {
    arrow::Int64Builder builder;
    EXPECT_OK(builder.Append(1));
    return Batch({builder.Finish().ValueOrDie()}, 1);
  }

  Log log_;
  OperatorMetrics metrics_;
  std::vector<ScriptedInput*> inputs_;
  std::unique_ptr<Driver> driver_;
};

TEST_F(IdlePortsTest, AnIdlePortFollowsTheOthers) {
  Make(3);
  EXPECT_EQ(After(0, Watermark{50}), Log({"0 at 50"}));
  EXPECT_EQ(After(1, Watermark{70}), Log({"1 at 70"}));
  EXPECT_EQ(After(2, Idleness{true}), Log({"2 at 50"}));
  EXPECT_EQ(After(0, Watermark{60}), Log({"0 at 60", "2 at 60"}));
  EXPECT_EQ(After(0, Idleness{true}), Log({"0 at 70", "2 at 70"}));
  EXPECT_EQ(After(1, Watermark{75}), Log({"1 at 75", "0 at 75", "2 at 75"}));
  EXPECT_EQ(After(2, Row()), Log({"rows of 2"}));
  EXPECT_EQ(After(1, Watermark{90}), Log({"1 at 90"})) << "port 2 is at 75 and awake";
  EXPECT_EQ(After(2, Watermark{80}), Log({"2 at 80", "0 at 80"}));
  EXPECT_EQ(After(0, Idleness{false}), Log());
}

TEST_F(IdlePortsTest, TheOutputIsIdleWhileAllPortsAreThatHaveNotEnded) {
  Make(2);
  EXPECT_EQ(After(0, Idleness{true}), Log()) << "the other one has no watermark yet";
  EXPECT_EQ(After(1, Idleness{true}), Log({"idle"}));
  EXPECT_EQ(After(0, Row()), Log({"active", "rows of 0"}));
  EXPECT_EQ(After(0, EndOfInput{}), Log({"idle", "0 ended"}));
  EXPECT_EQ(After(1, Idleness{false}), Log({"active"}));
  EXPECT_EQ(After(1, EndOfInput{}), Log({"1 ended", "finished"}));
}

TEST_F(IdlePortsTest, WhereAllAreIdleTheyFollowTheFirst) {
  Make(2);
  EXPECT_EQ(After(0, Watermark{50}), Log({"0 at 50"}));
  EXPECT_EQ(After(0, Idleness{true}), Log());
  EXPECT_EQ(After(1, Idleness{true}), Log({"idle", "1 at 50"}));
  EXPECT_EQ(After(0, Watermark{60}), Log({"0 at 60", "1 at 60"}));
}

TEST_F(IdlePortsTest, TheOnlyPortTellsTheOutput) {
  Make(1);
  EXPECT_EQ(After(0, Watermark{50}), Log({"0 at 50"}));
  EXPECT_EQ(After(0, Idleness{true}), Log({"idle"}));
  EXPECT_EQ(After(0, Row()), Log({"active", "rows of 0"}));
}

TEST_F(IdlePortsTest, AnInputThatWantsMemoryGoesOnWithoutIt) {
  Make(1);
  inputs_[0]->items = {MemoryWanted{500}, Row(), MemoryWanted{900}, Row()};
  EXPECT_EQ(driver_->RunStep().ValueOrDie(), Driver::Step::kProgress);
  EXPECT_EQ(log_, Log({"spill 500"}));
  for (int step = 0; step < 2; ++step) {
    EXPECT_EQ(driver_->RunStep().ValueOrDie(), Driver::Step::kProgress);
  }
  EXPECT_EQ(driver_->RunStep().ValueOrDie(), Driver::Step::kNeedMemory);
  EXPECT_EQ(driver_->bytes_wanted(), 900);
  for (int step = 0; step < 2; ++step) {
    EXPECT_EQ(driver_->RunStep().ValueOrDie(), Driver::Step::kProgress);
  }
  EXPECT_EQ(log_, Log({"spill 500", "rows of 0", "spill 900", "rows of 0"}));
}

/// Gives the rows of a split at its end.
class EndOfSplitOperator final : public Operator {
 public:
  explicit EndOfSplitOperator(Log* log) : log_(*log) { log_.emplace_back("made"); }
  Result<Flow> Push(int, Batch& batch, Out&) override {
    held_.push_back(std::move(batch));
    return Flow::NeedInput();
  }
  Result<Flow> Finish(int, Out& out) override {
    if (held_.empty()) return Flow::NeedInput();
    out.Emit(std::move(held_.front()));
    held_.pop_front();
    return Flow::MoreOutput();
  }

 private:
  Log& log_;
  std::deque<Batch> held_;
};

class SplitsOutput final : public PipelineOutput {
 public:
  explicit SplitsOutput(Log* log) : log_(*log) {}
  Result<Flow> Push(Batch& batch) override {
    log_.push_back(fmt::format("rows {}.{}", batch.ordinal().split, batch.ordinal().seq));
    return Flow::NeedInput();
  }
  void EndSplit(int64_t split) override { log_.push_back(fmt::format("end of {}", split)); }
  void Advance(Watermark) override {}
  void SetIdle(bool) override {}
  void Finish() override { log_.emplace_back("finished"); }

 private:
  Log& log_;
};

// What an operator holds of a split comes before its end; one that saw no rows of it stays.
TEST_F(IdlePortsTest, OperatorsAreMadeAnewForEachSplit) {
  Driver::Parts parts;
  parts.inputs.push_back(std::make_unique<ScriptedInput>());
  inputs_ = {static_cast<ScriptedInput*>(parts.inputs.front().get())};
  parts.operators.push_back(std::make_unique<EndOfSplitOperator>(&log_));
  parts.operators.push_back(std::make_unique<EndOfSplitOperator>(&log_));
  parts.metrics = {&metrics_, &metrics_};
  const auto budget = MemoryBudget::MakeRoot("test", 1 << 20);
  parts.budgets = {budget, budget};
  parts.output = std::make_unique<SplitsOutput>(&log_);
  const auto renew = [this]() -> Result<std::unique_ptr<Operator>> {
    return std::make_unique<EndOfSplitOperator>(&log_);
  };
  parts.renewals = {renew, renew};
  parts.split_base = 100;
  driver_ = std::make_unique<Driver>(std::move(parts));
  const auto row_of = [](int64_t split, int64_t seq) {
    Batch row = Row();
    row.set_ordinal({split, seq});
    return row;
  };
  EXPECT_EQ(After(0, row_of(3, 0)), Log());
  EXPECT_EQ(After(0, row_of(3, 1)), Log());
  EXPECT_EQ(After(0, SplitEnded{3}),
            Log({"made", "rows 103.0", "rows 103.1", "made", "end of 103"}));
  EXPECT_EQ(After(0, SplitEnded{5}), Log({"end of 105"}));
  EXPECT_EQ(After(0, row_of(7, 0)), Log());
  EXPECT_EQ(After(0, SplitEnded{7}), Log({"made", "rows 107.0", "made", "end of 107"}));
  EXPECT_EQ(After(0, EndOfInput{}), Log({"finished"}));
}

}  // namespace
}  // namespace headrace
