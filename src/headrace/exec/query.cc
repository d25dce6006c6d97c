// Building drivers from a physical plan, and following them to their end.
#include "headrace/exec/query.h"

#include <chrono>

#include "headrace/base/check.h"
#include "headrace/exec/checkpoint/checkpoint.h"
#include "headrace/exec/op/sort/sort.h"
#include "headrace/table/dead_letters.h"

namespace headrace {
namespace {

/// What lanes share is the state of a breaker. Of the limit this part is left to other operators:
/// those behind it, which it could not make room for.
constexpr int64_t kShareBehindBreakers = 8;

}  // namespace

/// What pipelines that end in one breaker share.
struct Query::Breaker {
  std::mutex mutex;
  int lanes_left = 0;  // guarded by `mutex`
};

struct Query::Pipeline {
  const PhysicalPipeline* spec = nullptr;
  std::vector<std::unique_ptr<OperatorMetrics>> metrics;
  std::vector<std::unique_ptr<OperatorMetrics>> input_metrics;  // rows and time of scans
  std::vector<std::shared_ptr<MemoryBudget>> budgets;
  std::vector<std::shared_ptr<SplitDispatcher>> dispatchers;  // one per input; null for channels
  std::vector<std::shared_ptr<ScanWatermark>> watermarks;     // one per input; null: it makes none
  std::vector<Driver*> drivers;                               // by lane; owned by the tasks
  Breaker* breaker = nullptr;                                 // owned by the query
  int tasks_left = 0;                                         // guarded by the query's mutex
  bool started = false;
  bool ended = false;
};

Query::Query(PhysicalPlan plan, QueryContext context)
    : plan_(std::move(plan)),
      context_(std::move(context)),
      consumer_(context_.notify),
      paused_(std::make_shared<std::atomic<bool>>(false)) {
  catch_up_.paused = paused_;
}

Result<std::unique_ptr<Query>> Query::Make(PhysicalPlan plan, QueryContext context) {
  std::unique_ptr<Query> query(new Query(std::move(plan), std::move(context)));
  ARROW_RETURN_NOT_OK(query->MakeStates());
  query->context_.executor->AddOwner(query.get());
  query->started_ = true;
  return query;
}

Query::~Query() {
  Stop();
  Join();
  if (started_) context_.executor->RemoveOwner(this);
  // A lane may hold an ended task for a moment longer than the query, its folder and its pool live.
  for (const auto& task : tasks_) task->set_driver(nullptr);
}

Status Query::MakeStates() {
  auto channel_budget = context_.budget->MakeChild("the queues of the query");
  auto breaker_budget = context_.budget->MakeChildLeaving(
      "breakers", context_.budget->limit_bytes() / kShareBehindBreakers);
  for (const ChannelSpec& spec : plan_.channels) {
    channels_.push_back(std::make_shared<Channel>(spec, channel_budget));
  }
  for (const PhysicalPipeline& spec : plan_.pipelines) {
    auto pipeline = std::make_unique<Pipeline>();
    pipeline->spec = &spec;
    pipeline->tasks_left = spec.lanes;
    if (spec.output_channel < 0) {
      std::unique_ptr<Breaker>& breaker = breakers_[spec.operators.back().global.get()];
      if (breaker == nullptr) breaker = std::make_unique<Breaker>();
      breaker->lanes_left += spec.lanes;
      pipeline->breaker = breaker.get();
    }
    pipeline->drivers.resize(static_cast<size_t>(spec.lanes));
    for (const PhysicalOperator& op : spec.operators) {
      pipeline->metrics.push_back(std::make_unique<OperatorMetrics>());
      MemoryBudget& budget = op.global == nullptr ? *context_.budget : *breaker_budget;
      pipeline->budgets.push_back(BudgetOf(*op.spec, budget));
    }
    for (const PhysicalInput& input : spec.inputs) {
      progress_.splits += static_cast<int64_t>(input.splits.size());
      if (input.kind == PhysicalInput::Kind::kScan) {
        catch_up_.behind += spec.lanes;
        is_bounded_ &= input.scan->properties().boundedness == Boundedness::kBounded;
      }
      pipeline->input_metrics.push_back(std::make_unique<OperatorMetrics>());
    }
    pipelines_.push_back(std::move(pipeline));
  }
  return Status::OK();
}

std::shared_ptr<MemoryBudget> Query::BudgetOf(const OperatorSpec& spec,
                                              MemoryBudget& parent) const {
  const bool sorts = dynamic_cast<const SortBuildSpec*>(&spec) != nullptr ||
                     dynamic_cast<const SortOutputSpec*>(&spec) != nullptr;
  if (!sorts || context_.sort_bytes >= context_.budget->limit_bytes()) {
    return parent.MakeChild(spec.name());
  }
  return parent.MakeChild(spec.name(), context_.sort_bytes, "sort_memory_budget");
}

OperatorContext Query::ContextOf(const Pipeline& pipeline, size_t op, int lane,
                                 const Waker& waker) {
  OperatorContext context;
  context.lane = lane;
  context.lanes = pipeline.spec->lanes;
  context.batch_rows = context_.batch_rows;
  context.batch_bytes = context_.batch_bytes;
  context.budget = pipeline.budgets[op];
  context.pool = context_.pool;
  context.spill = context_.spill;
  context.vfs = context_.vfs;
  context.clock = context_.clock;
  context.stop = stop_;
  context.waker = waker;
  context.metrics = pipeline.metrics[op].get();
  context.callbacks = context_.callbacks;
  context.aside = context_.aside;
  return context;
}

void Query::MakeDispatchers(Pipeline& pipeline) {
  for (const PhysicalInput& input : pipeline.spec->inputs) {
    pipeline.watermarks.push_back(WatermarkOf(input));
    std::vector<Split> splits = input.splits;
    if (input.kind == PhysicalInput::Kind::kParts) {
      for (int64_t part = 0; part < input.parts->num_parts(); ++part) {
        splits.push_back(Split{part, part, part + 1, "part"});
      }
    }
    if (input.kind == PhysicalInput::Kind::kChannel) {
      pipeline.dispatchers.push_back(nullptr);
      continue;
    }
    auto dispatcher = std::make_shared<SplitDispatcher>(std::move(splits), pipeline.spec->lanes);
    if (pipeline.spec->output_channel >= 0 && !pipeline.spec->one_split) {
      auto channel = channels_[static_cast<size_t>(pipeline.spec->output_channel)];
      const int64_t base = pipeline.spec->split_base;
      dispatcher->set_on_begin(
          [channel, base](int64_t split) { channel->BeginSplit(base + split); });
    }
    pipeline.dispatchers.push_back(std::move(dispatcher));
  }
}

std::shared_ptr<ScanWatermark> Query::WatermarkOf(const PhysicalInput& input) const {
  const bool makes_one = input.kind == PhysicalInput::Kind::kScan &&
                         input.scan->event_time.has_value() &&
                         input.scan->properties().boundedness == Boundedness::kUnbounded;
  if (!makes_one) return nullptr;
  auto watermark = std::make_shared<ScanWatermark>(*input.scan->event_time, *context_.clock);
  for (const Split& split : input.splits) watermark->Add(split.index);
  return watermark;
}

Result<std::unique_ptr<PipelineInput>> Query::MakeInput(Pipeline& pipeline, size_t port, int lane,
                                                        const Waker& waker) {
  const PhysicalInput& input = pipeline.spec->inputs[port];
  if (input.kind == PhysicalInput::Kind::kChannel) {
    return MakeChannelInput(channels_[static_cast<size_t>(input.channel)], lane, waker);
  }
  if (input.kind == PhysicalInput::Kind::kParts) {
    return MakePartsInput(pipeline.dispatchers[port], waker);
  }
  ReadContext context{context_.pool, stop_, waker, "", rejected_rows_, context_.dead_letters};
  if (input.scan->properties().boundedness == Boundedness::kBounded) {
    const ScanMemory memory{context_.budget->MakeChild("the scan of " + input.scan->source->name()),
                            pipeline.spec->lanes};
    return MakeScanInput(*input.scan, input.request, pipeline.dispatchers[port], &progress_,
                         context, memory);
  }
  std::vector<Split> own;
  for (const Split& split : input.splits) {
    if (split.index % pipeline.spec->lanes == lane) own.push_back(split);
  }
  std::vector<std::pair<int64_t, std::string>> positions;
  if (restore_ != nullptr) positions = restore_->Positions(input.scan_id);
  if (context.dead_letters != nullptr) {
    context.dead_letters = context.dead_letters->OfScan(input.scan_id);
  }
  return MakeStreamInput(*input.scan, input.request, own, positions, paused_,
                         pipeline.watermarks[port], lane, context);
}

std::unique_ptr<PipelineOutput> Query::MakeOutput(const Pipeline& pipeline, int lane,
                                                  const Waker& waker) {
  const PhysicalPipeline& spec = *pipeline.spec;
  if (spec.output_channel < 0) return nullptr;
  auto channel = channels_[static_cast<size_t>(spec.output_channel)];
  if (spec.hash_keys.empty()) {
    return MakeChannelOutput(channel, spec.first_writer + lane, context_.pool, waker);
  }
  const int writer = spec.first_writer + lane;
  const int readers = plan_.channels[static_cast<size_t>(spec.output_channel)].readers;
  return MakeHashOutput(channel, writer, spec.hash_keys, readers, context_.pool, waker);
}

/// None where every operator goes on from split to split.
std::vector<Driver::Renewal> Query::RenewalsOf(const Pipeline& pipeline, int lane,
                                               const Waker& waker) {
  std::vector<Driver::Renewal> renewals(pipeline.spec->operators.size());
  bool any = false;
  for (size_t op = 0; op < renewals.size(); ++op) {
    if (!pipeline.spec->operators[op].per_split) continue;
    any = true;
    renewals[op] = [this, &pipeline, op, lane, waker]() -> Result<std::unique_ptr<Operator>> {
      const PhysicalOperator& physical = pipeline.spec->operators[op];
      std::unique_ptr<Operator> made = physical.spec->Make(physical.global);
      ARROW_RETURN_NOT_OK(made->Open(ContextOf(pipeline, op, lane, waker)));
      return made;
    };
  }
  if (!any) renewals.clear();
  return renewals;
}

Result<std::unique_ptr<Driver>> Query::MakeDriver(Pipeline& pipeline, int lane,
                                                  const Waker& waker) {
  Driver::Parts parts;
  for (size_t op = 0; op < pipeline.spec->operators.size(); ++op) {
    const PhysicalOperator& physical = pipeline.spec->operators[op];
    parts.operators.push_back(physical.spec->Make(physical.global));
    parts.metrics.push_back(pipeline.metrics[op].get());
    parts.budgets.push_back(pipeline.budgets[op]);
    Operator& made = *parts.operators.back();
    ARROW_RETURN_NOT_OK(made.Open(ContextOf(pipeline, op, lane, waker)));
    if (restore_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(auto state,
                            restore_->OpenPart(OperatorPart(physical.id), context_.pool));
      ARROW_RETURN_NOT_OK(made.Load(*state));
    }
  }
  parts.renewals = RenewalsOf(pipeline, lane, waker);
  for (size_t port = 0; port < pipeline.spec->inputs.size(); ++port) {
    ARROW_ASSIGN_OR_RAISE(auto input, MakeInput(pipeline, port, lane, waker));
    if (pipeline.spec->inputs[port].kind == PhysicalInput::Kind::kScan) {
      input = MakeMeasuredInput(std::move(input), pipeline.input_metrics[port].get(), &catch_up_);
    }
    parts.inputs.push_back(std::move(input));
  }
  parts.output = MakeOutput(pipeline, lane, waker);
  parts.split_base = pipeline.spec->split_base;
  parts.one_split = pipeline.spec->one_split;
  parts.reads_parts = pipeline.spec->inputs.front().kind == PhysicalInput::Kind::kParts;
  parts.on_done = [this, &pipeline, lane] { return CombineLane(pipeline, lane); };
  return std::make_unique<Driver>(std::move(parts));
}

Status Query::CombineLane(Pipeline& pipeline, int lane) {
  if (pipeline.spec->output_channel >= 0) return Status::OK();
  const size_t last = pipeline.spec->operators.size() - 1;
  GlobalState& global = *pipeline.spec->operators[last].global;
  std::lock_guard lock(pipeline.breaker->mutex);
  Driver* driver = pipeline.drivers[static_cast<size_t>(lane)];
  ARROW_RETURN_NOT_OK(driver->operators()[last]->Combine(global));
  if (--pipeline.breaker->lanes_left > 0) return Status::OK();
  return global.Seal(ContextOf(pipeline, last, lane, Waker()));
}

Status Query::StartPipeline(size_t index) {
  Pipeline& pipeline = *pipelines_[index];
  MakeDispatchers(pipeline);
  if (pipeline.spec->one_split && pipeline.spec->output_channel >= 0) {
    channels_[static_cast<size_t>(pipeline.spec->output_channel)]->BeginSplit(
        pipeline.spec->split_base);
  }
  std::vector<std::shared_ptr<Task>> made;
  for (int lane = 0; lane < pipeline.spec->lanes; ++lane) {
    std::lock_guard lock(mutex_);
    auto task = std::make_shared<Task>(context_.executor, this, static_cast<int>(index), stop_);
    made.push_back(task);
    tasks_.push_back(task);
    tasks_left_.fetch_add(1);
  }
  Status status;
  for (int lane = 0; lane < pipeline.spec->lanes && status.ok(); ++lane) {
    Task& task = *made[static_cast<size_t>(lane)];
    Result<std::unique_ptr<Driver>> driver = MakeDriver(pipeline, lane, task.MakeWaker());
    status = driver.status();
    if (!status.ok()) break;
    std::lock_guard lock(mutex_);
    pipeline.drivers[static_cast<size_t>(lane)] = driver->get();
    task.set_driver(driver.MoveValueUnsafe());
  }
  if (!status.ok()) Stop(status);  // tasks without a driver end at once: they see the stop first
  for (const auto& task : made) task->MarkReady();
  return status;
}

Status Query::Start(const QueryCheckpoint* restore) {
  restore_ = restore;
  return StartReady();
}

Status Query::StartReady() {
  std::vector<size_t> ready;
  {
    std::lock_guard lock(mutex_);
    for (size_t next = 0; next < pipelines_.size(); ++next) {
      if (pipelines_[next]->started) continue;
      bool waits = false;
      for (int before : plan_.pipelines[next].waits_for) {
        waits |= !pipelines_[static_cast<size_t>(before)]->ended;
      }
      if (waits) continue;
      pipelines_[next]->started = true;
      ready.push_back(next);
    }
  }
  for (size_t next : ready) ARROW_RETURN_NOT_OK(StartPipeline(next));
  return Status::OK();
}

void Query::TaskEnded(int task, Status status) {
  if (!status.ok()) {
    Stop(status);
  } else if (!stop_.stop_requested()) {
    Pipeline& pipeline = *pipelines_[static_cast<size_t>(task)];
    bool last = false;
    {
      std::lock_guard lock(mutex_);
      last = --pipeline.tasks_left == 0;
      pipeline.ended = last;
    }
    if (last) (void)StartReady();  // a failure has stopped the query
  }
  std::lock_guard lock(mutex_);
  if (context_.notify) context_.notify();
  tasks_left_.fetch_sub(1);
  ended_.notify_all();
}

Result<int64_t> Query::ReclaimAll(int64_t bytes) {
  if (stop_.stop_requested()) return 0;
  Result<int64_t> freed = ReclaimHere(bytes);
  if (!freed.ok()) Stop(freed.status());
  return freed;
}

Result<int64_t> Query::ReclaimHere(int64_t bytes) {
  std::lock_guard lock(mutex_);
  int64_t freed = 0;
  try {
    for (const auto& task : tasks_) {
      if (freed >= bytes) return freed;
      if (task->driver() == nullptr || task->ended()) continue;
      ARROW_ASSIGN_OR_RAISE(int64_t more, task->driver()->Reclaim(bytes - freed));
      freed += more;
    }
    for (const PhysicalPipeline& pipeline : plan_.pipelines) {
      for (const PhysicalOperator& op : pipeline.operators) {
        if (freed >= bytes || op.global == nullptr) continue;
        ARROW_ASSIGN_OR_RAISE(int64_t more, op.global->Reclaim(bytes - freed));
        freed += more;
      }
    }
  } catch (const std::exception& error) {
    return Error(ErrorKind::kInternal, "{}", error.what());
  }
  return freed;
}

Result<Channel::Item> Query::Read() {
  {
    std::lock_guard lock(mutex_);
    ARROW_RETURN_NOT_OK(status_);
  }
  if (stop_.stop_requested()) return Error(ErrorKind::kCancelled, "the query was cancelled");
  return channels_[static_cast<size_t>(plan_.result_channel)]->Read(0, consumer_);
}

void Query::Stop(Status reason) {
  std::vector<std::shared_ptr<Task>> tasks;
  {
    std::lock_guard lock(mutex_);
    if (status_.ok() && !reason.ok() && !stop_.stop_requested()) status_ = std::move(reason);
    stop_.RequestStop();
    tasks = tasks_;
  }
  for (const auto& task : tasks) task->Wake();
  if (context_.notify) context_.notify();
}

void Query::Join() {
  while (tasks_left_.load() > 0) {
    if (context_.executor->Drive()) continue;
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, std::chrono::milliseconds(50),
                    [this] { return tasks_left_.load() == 0; });
  }
  std::lock_guard lock(mutex_);  // the last TaskEnded has let go
}

Status Query::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

void Query::Pause(bool paused) {
  paused_->store(paused);
  std::vector<std::shared_ptr<Task>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks = tasks_;
  }
  for (const auto& task : tasks) task->Wake();
}

bool Query::quiescent() const {
  bool quiescent = true;
  context_.executor->Exclusively([&] {
    std::lock_guard lock(mutex_);
    for (const auto& task : tasks_) {
      quiescent &= task->ended() || (task->parked() && task->driver()->idle());
    }
    for (const auto& channel : channels_) quiescent &= channel->empty();
  });
  return quiescent;
}

Status Query::Save(CheckpointWriter& writer) {
  Status status;
  context_.executor->Exclusively([&] {
    status = [&]() -> Status {
      for (const auto& pipeline : pipelines_) {
        for (size_t op = 0; op < pipeline->spec->operators.size(); ++op) {
          ARROW_ASSIGN_OR_RAISE(StateWriter * state,
                                writer.BeginPart(OperatorPart(pipeline->spec->operators[op].id)));
          for (Driver* driver : pipeline->drivers) {
            if (driver != nullptr) ARROW_RETURN_NOT_OK(driver->operators()[op]->Save(*state));
          }
          writer.EndPart();
        }
        for (size_t port = 0; port < pipeline->spec->inputs.size(); ++port) {
          for (Driver* driver : pipeline->drivers) {
            if (driver == nullptr) continue;
            ARROW_ASSIGN_OR_RAISE(auto positions, driver->inputs()[port]->Positions());
            writer.AddPositions(pipeline->spec->inputs[port].scan_id, positions);
          }
        }
      }
      return Status::OK();
    }();
  });
  return status;
}

int64_t Query::rows_scanned() const {
  int64_t rows = 0;
  for (const auto& pipeline : pipelines_) {
    for (size_t port = 0; port < pipeline->spec->inputs.size(); ++port) {
      if (pipeline->spec->inputs[port].kind != PhysicalInput::Kind::kScan) continue;
      rows += pipeline->input_metrics[port]->rows_out.load();
    }
  }
  return rows;
}

int64_t Query::filtered_rows() const {
  int64_t rows = 0;
  for (const auto& pipeline : pipelines_) {
    const auto& operators = pipeline->spec->operators;
    for (size_t i = 0; i < operators.size(); ++i) {
      if (!operators[i].spec->only_leaves_out()) continue;
      rows += pipeline->metrics[i]->rows_in.load() - pipeline->metrics[i]->rows_out.load();
    }
  }
  return rows;
}

int64_t Query::Sum(std::atomic<int64_t> OperatorMetrics::* counter) const {
  int64_t sum = 0;
  for (const auto& pipeline : pipelines_) {
    for (const auto& metrics : pipeline->metrics) sum += ((*metrics).*counter).load();
  }
  return sum;
}

namespace {

// What a line of EXPLAIN ANALYZE tells besides rows and time, where it is not zero.
constexpr std::pair<std::string_view, std::atomic<int64_t> OperatorMetrics::*> kProfileFigures[] = {
    {"spilled", &OperatorMetrics::spilled_bytes}, {"runs", &OperatorMetrics::spilled_runs},
    {"partitions", &OperatorMetrics::partitions}, {"passes", &OperatorMetrics::passes},
    {"late", &OperatorMetrics::late_rows},        {"no_time", &OperatorMetrics::null_time_rows},
};

void AppendFigure(std::string_view name, int64_t figure, std::string* text) {
  if (figure != 0) *text += fmt::format(" {}={}", name, figure);
}

}  // namespace

std::string Query::Profile() const {
  std::string text;
  for (size_t index = 0; index < pipelines_.size(); ++index) {
    const Pipeline& pipeline = *pipelines_[index];
    text += fmt::format("pipeline {} on {} lane{}\n", index, pipeline.spec->lanes,
                        pipeline.spec->lanes == 1 ? "" : "s");
    for (size_t port = 0; port < pipeline.spec->inputs.size(); ++port) {
      const PhysicalInput& input = pipeline.spec->inputs[port];
      if (input.kind != PhysicalInput::Kind::kScan) continue;
      const OperatorMetrics& metrics = *pipeline.input_metrics[port];
      text += fmt::format("  scan {}  rows_out={} time={:.3f}s\n", input.scan->source->name(),
                          metrics.rows_out.load(),
                          static_cast<double>(metrics.busy_micros.load()) / 1e6);
    }
    for (size_t op = 0; op < pipeline.spec->operators.size(); ++op) {
      const OperatorSpec& spec = *pipeline.spec->operators[op].spec;
      const OperatorMetrics& metrics = *pipeline.metrics[op];
      text += fmt::format("  {} {}  rows_out={} time={:.3f}s", spec.name(), spec.Describe(),
                          metrics.rows_out.load(),
                          static_cast<double>(metrics.busy_micros.load()) / 1e6);
      AppendFigure("peak_memory", pipeline.budgets[op]->peak_bytes(), &text);
      for (const auto& [name, figure] : kProfileFigures) {
        AppendFigure(name, (metrics.*figure).load(), &text);
      }
      text += '\n';
    }
  }
  return text;
}

}  // namespace headrace
