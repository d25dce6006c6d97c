// For tests: drives breakers – a build on some lanes, then an output over the parts of its state –
// as the scheduler does, under a budget, with memory wanted at random moments.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "headrace/exec/op/pipe_drive.h"
#include "headrace/io/vfs.h"
#include "headrace/memory/spill_space.h"
#include "headrace/plan/node.h"

namespace headrace::breaker_test {

using namespace pipe_test;  // NOLINT: names of tests

struct DriveOptions {
  int lanes = 1;
  int64_t batch_rows = kBatchRowsDefault;
  int64_t budget_bytes = int64_t{1} << 30;
  uint64_t seed = 1;
  /// Of 1000 calls, so many are preceded by a reclaim that nobody asked for.
  uint64_t reclaims_permille = 0;
  Vfs* vfs = &LocalVfs();
};

/// A budget, a spill space and metrics; checks at its end that nothing is left of them.
class World {
 public:
  explicit World(DriveOptions options)
      : options(options),
        rng(options.seed),
        budget(MemoryBudget::MakeRoot("query", options.budget_bytes)),
        spill(SpillSpace::Make("", int64_t{1} << 40).ValueOrDie()) {}
  ~World() {
    EXPECT_EQ(budget->used_bytes(), 0) << "reserved bytes are left";
    EXPECT_EQ(spill->used_bytes(), 0) << "spilled bytes are left";
    if (spill->directory().empty()) return;
    for (const FileInfo& file : LocalVfs().List(spill->directory()).ValueOrDie()) {
      EXPECT_TRUE(file.path.ends_with("lock")) << "a file is left: " << file.path;
    }
  }

  OperatorContext ContextOf(int lane, const std::shared_ptr<MemoryBudget>& operator_budget) {
    OperatorContext context;
    context.lane = lane;
    context.lanes = options.lanes;
    context.batch_rows = options.batch_rows;
    context.budget = operator_budget;
    context.pool = Pool();
    context.spill = spill.get();
    context.vfs = options.vfs;
    context.metrics = &metrics;
    context.aside = aside;
    return context;
  }

  const DriveOptions options;
  Rng rng;
  std::shared_ptr<MemoryBudget> budget;
  std::unique_ptr<SpillSpace> spill;
  OperatorMetrics metrics;
  RowsAside* aside = nullptr;
};

/// The lanes of one operator. Calls that want memory are answered as the scheduler does: first the
/// lane itself, then all others, then the shared state.
class Lanes {
 public:
  Lanes(World& world, const OperatorSpec& spec, std::shared_ptr<GlobalState> global)
      : world_(world), global_(std::move(global)), budget_(world.budget->MakeChild(spec.name())) {
    for (int lane = 0; lane < world.options.lanes; ++lane) {
      operators_.push_back(spec.Make(global_));
    }
  }

  Status Open() {
    for (size_t lane = 0; lane < operators_.size(); ++lane) {
      ARROW_RETURN_NOT_OK(
          operators_[lane]->Open(world_.ContextOf(static_cast<int>(lane), budget_)));
    }
    return Status::OK();
  }
  /// One call; false: the input is done. A blocked one is called again: other lanes run meanwhile.
  template <typename Call>
  Result<bool> Step(size_t lane, Call call, std::vector<Batch>* outputs) {
    if (world_.rng.Below(1000) < world_.options.reclaims_permille) {
      const auto bytes = static_cast<int64_t>(world_.rng.Below(100'000));
      ARROW_RETURN_NOT_OK(Reclaim(world_.rng.Below(operators_.size()), bytes).status());
    }
    for (int refusals = 0;; ++refusals) {
      Out out;
      ARROW_ASSIGN_OR_RAISE(const Flow flow, call(*operators_[lane], out));
      if (flow.kind == Flow::Kind::kNeedMemory) {
        EXPECT_TRUE(out.empty());
        EXPECT_GT(flow.bytes, 0);
        ARROW_ASSIGN_OR_RAISE(const int64_t freed, FindMemory(lane, flow.bytes));
        if (freed == 0) return budget_->OverLimit(flow.bytes);
        if (refusals > 10'000) return Error(ErrorKind::kInternal, "no end of wanting memory");
        continue;
      }
      if (auto batch = out.TakeBatch()) {
        EXPECT_GT(batch->num_rows(), 0);
        EXPECT_LE(batch->num_rows(), world_.options.batch_rows);
        outputs->push_back(*std::move(batch));
      }
      if (auto watermark = out.TakeWatermark()) watermarks_.push_back(*watermark);
      return flow.kind == Flow::Kind::kMoreOutput || flow.kind == Flow::Kind::kBlocked;
    }
  }
  template <typename Call>
  Status Repeat(size_t lane, Call call, std::vector<Batch>* outputs) {
    bool more = true;
    while (more) {
      ARROW_ASSIGN_OR_RAISE(more, Step(lane, call, outputs));
    }
    return Status::OK();
  }

  Result<int64_t> Reclaim(size_t lane, int64_t bytes) {
    const int64_t before = world_.budget->used_bytes();
    ARROW_ASSIGN_OR_RAISE(const int64_t freed, operators_[lane]->Reclaim(bytes));
    EXPECT_LE(world_.budget->used_bytes(), before);
    return freed;
  }
  std::vector<std::unique_ptr<Operator>>& operators() { return operators_; }
  const std::vector<Watermark>& watermarks() const { return watermarks_; }
  const std::shared_ptr<GlobalState>& global() const { return global_; }

 private:
  Result<int64_t> FindMemory(size_t lane, int64_t bytes) {
    ARROW_ASSIGN_OR_RAISE(int64_t freed, Reclaim(lane, bytes));
    if (freed > 0) return freed;
    for (size_t other = 0; other < operators_.size() && freed < bytes; ++other) {
      ARROW_ASSIGN_OR_RAISE(const int64_t more, Reclaim(other, bytes - freed));
      freed += more;
    }
    if (freed < bytes && global_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const int64_t more, global_->Reclaim(bytes - freed));
      freed += more;
    }
    return freed;
  }

  World& world_;
  const std::shared_ptr<GlobalState> global_;
  const std::shared_ptr<MemoryBudget> budget_;
  std::vector<std::unique_ptr<Operator>> operators_;
  std::vector<Watermark> watermarks_;
};

/// Runs the build: batches go to lanes at random, each lane sees its batches in order.
inline Status RunBuild(World& world, Lanes& lanes, const std::vector<Batch>& batches) {
  ARROW_RETURN_NOT_OK(lanes.Open());
  std::vector<Batch> none;
  for (const Batch& batch : batches) {
    const size_t lane = world.rng.Below(lanes.operators().size());
    Batch pushed = batch;
    ARROW_RETURN_NOT_OK(
        lanes.Repeat(lane, [&](Operator& op, Out& out) { return op.Push(0, pushed, out); }, &none));
  }
  for (size_t lane = 0; lane < lanes.operators().size(); ++lane) {
    ARROW_RETURN_NOT_OK(
        lanes.Repeat(lane, [](Operator& op, Out& out) { return op.Finish(0, out); }, &none));
  }
  EXPECT_TRUE(none.empty());
  // Lanes are combined in any order.
  std::vector<size_t> order;
  for (size_t lane = 0; lane < lanes.operators().size(); ++lane) {
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(world.rng.Below(lane + 1)), lane);
  }
  for (size_t lane : order) {
    ARROW_RETURN_NOT_OK(lanes.operators()[lane]->Combine(*lanes.global()));
    // Other lanes may ask for memory before the driver of this one has ended.
    ARROW_ASSIGN_OR_RAISE(const int64_t freed, lanes.operators()[lane]->Reclaim(1 << 20));
    EXPECT_EQ(freed, 0);
  }
  return lanes.global()->Seal(world.ContextOf(0, world.budget));
}

/// Reads all parts, lanes taking turns at random; the result is in the order of the parts.
inline Result<std::vector<Batch>> RunOutput(World& world, Lanes& lanes) {
  ARROW_RETURN_NOT_OK(lanes.Open());
  std::vector<std::vector<Batch>> parts(static_cast<size_t>(lanes.global()->num_parts()));
  size_t next_part = 0;
  std::vector<std::optional<size_t>> running(lanes.operators().size());
  for (size_t done = 0; done < parts.size();) {
    const size_t lane = world.rng.Below(running.size());
    if (!running[lane].has_value()) {
      if (next_part == parts.size()) continue;
      running[lane] = next_part++;
    }
    const size_t part = *running[lane];
    Batch input({}, 1);
    input.set_ordinal({static_cast<int64_t>(part), 0});
    ARROW_ASSIGN_OR_RAISE(
        const bool more,
        lanes.Step(
            lane, [&](Operator& op, Out& out) { return op.Push(0, input, out); }, &parts[part]));
    if (!parts[part].empty()) parts[part].back().set_ordinal({static_cast<int64_t>(part), 0});
    if (more) continue;
    running[lane].reset();
    ++done;
  }
  std::vector<Batch> all;
  for (std::vector<Batch>& part : parts)
    std::move(part.begin(), part.end(), std::back_inserter(all));
  return all;
}

/// Both, one after the other.
inline Result<std::vector<Batch>> RunBreaker(World& world, const OperatorSpec& build,
                                             const OperatorSpec& output,
                                             const std::vector<Batch>& batches) {
  const std::shared_ptr<GlobalState> global = build.MakeGlobal();
  {
    Lanes lanes(world, build, global);
    ARROW_RETURN_NOT_OK(RunBuild(world, lanes, batches));
  }
  Lanes lanes(world, output, global);
  return RunOutput(world, lanes);
}

/// A call of an aggregate over columns of `schema`, or over all rows.
inline FunctionCall MakeCall(const arrow::Schema& schema, const std::string& function,
                             const std::vector<std::string>& columns, std::string name) {
  std::vector<UnboundPtr> args;
  for (const std::string& column : columns) args.push_back(Col(column));
  const ExpressionPtr bound = BindTo(Scope(schema), Call(function, std::move(args)));
  return {bound->function, bound->overload, bound->args, bound->type, std::move(name), false};
}

}  // namespace headrace::breaker_test
