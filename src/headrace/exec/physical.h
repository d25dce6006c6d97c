// Physical plan: pipelines of operator specs with what joins them – channels and shared states.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/exec/channel.h"
#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

struct PhysicalOperator {
  OperatorSpecPtr spec;
  std::shared_ptr<GlobalState> global;  // null: lanes share nothing
  int id = 0;                           // the same at every lane count: names its saved state
  bool per_split = false;               // ends with each split, and is made anew for the next one
};

/// One port of a pipeline: a scan, the parts of a sealed state, or a channel.
struct PhysicalInput {
  enum class Kind : uint8_t { kScan, kParts, kChannel };
  Kind kind = Kind::kScan;
  const ScanNode* scan = nullptr;  // owned by PhysicalPlan::logical
  ScanRequest request;             // of the scan
  int scan_id = 0;                 // the same at every lane count
  std::vector<Split> splits;       // of the scan
  std::shared_ptr<GlobalState> parts;
  int channel = -1;
};

struct PhysicalPipeline {
  std::vector<PhysicalInput> inputs;
  std::vector<PhysicalOperator> operators;
  int lanes = 1;
  int output_channel = -1;      // −1: the last operator is a breaker
  std::vector<int> hash_keys;   // columns that divide the output among the readers
  bool after_previous = false;  // waits for the pipeline before it in the plan
  std::vector<int> marks;       // by which others wait for it
  std::vector<int> waits_for_marks;
  std::vector<int> waits_for;  // pipelines that must have ended, and their breakers be sealed
  // Of pipelines that write to one channel or breaker, one after the other (see Lowering):
  int first_writer = 0;    // of the channel: that of lane 0
  int64_t split_base = 0;  // added to the numbers of splits, so that rows keep their order
  bool one_split = false;  // all rows are of the split `split_base`
};

struct PhysicalPlan {
  PlanPtr logical;
  std::vector<PhysicalPipeline> pipelines;
  std::vector<ChannelSpec> channels;
  int result_channel = -1;
};

/// What lowering is told of the session.
struct LoweringOptions {
  int lanes = 1;
  int64_t batch_rows = kBatchRowsDefault;
  int64_t batch_bytes = kBatchBytesMax;
  int64_t queue_bytes = kQueueBytesMax;
  int64_t memory_bytes = MemoryBudget::kUnlimited;
  /// What one operator keeps in memory at most, over all lanes, before it writes some to disk:
  int64_t groupby_rows = MemoryBudget::kUnlimited;  // groups of an aggregate by hash
  int64_t join_cells = MemoryBudget::kUnlimited;    // cells of the built side of a join by hash
};

/// Lowers `plan` to pipelines that end in one channel with one reader.
Result<PhysicalPlan> LowerPlan(PlanPtr plan, const LoweringOptions& options);

/// What is read of the rows that a node gives.
struct RowsRead {
  std::optional<std::vector<int>> columns;  // none: all
  bool order = true;
  /// Rows that are equal in these columns had better come in one split, see Lowering::whole. Empty:
  /// nobody asks.
  std::vector<int> whole = {};
};

/// What the lowering functions of exec/op/list.inc build with. At any time one pipeline is open,
/// that which gives the rows of the node lowered last – or several, of a union: each gives a part
/// of the rows, and over bounded inputs it starts when the one before it has ended.
class Lowering {
 public:
  explicit Lowering(const LoweringOptions& options) : options_(options) {}

  /// Lowers the tree below `node` and `node` itself.
  Status Lower(const PlanNode& node) { return Lower(node, RowsRead()); }
  /// The same where the caller reads only this of its rows: other columns may hold anything of
  /// their type, and rows that need no order may come in any.
  Status Lower(const PlanNode& node, RowsRead read);
  /// The same for a node that adds columns behind those of `node`, and takes the rows that are
  /// equal in `columns` in their order (see AppendByPartition). REQUIRES: a node is in work.
  Status LowerWhole(const PlanNode& node, const std::vector<int>& columns);
  /// What is read of the node in work, asked before it lowers its inputs.
  const RowsRead& rows_read() const { return rows_read_; }

  Status StartScan(const ScanNode& scan);
  /// Adds a row-wise operator to the open pipelines.
  void Append(OperatorSpecPtr spec, std::shared_ptr<GlobalState> global = nullptr);
  /// The same where columns stay in their places, with others behind them.
  void AppendInPlace(OperatorSpecPtr spec);
  /// Adds an operator that REQUIRES the rows that are equal in `columns` in their order, and holds
  /// nothing over to others: one per split, on all lanes, where splits are whole in some of
  /// `columns`; else on one lane. Columns stay in their places, or SetWhole says where they are.
  void AppendByPartition(const std::vector<int>& columns, OperatorSpecPtr spec);
  /// Columns of which splits of the open pipelines have all rows that are equal in them; empty: not
  /// known. A sort answers RowsRead::whole by them.
  const std::vector<int>& whole() const { return whole_; }
  void SetWhole(std::vector<int> columns) { whole_ = std::move(columns); }
  /// Goes on with one lane; row order is kept.
  void Serialize();
  /// Goes on with one pipeline, of one lane where several are open.
  void JoinOpen() {
    if (open_.size() > 1) Serialize();
  }
  /// Goes on with every lane owning its key groups of `keys`; row order is lost.
  void ExchangeByHash(std::vector<int> keys);
  /// Ends the open pipeline in a breaker; gives its state and sets `pipeline` to its number.
  std::shared_ptr<GlobalState> EndInBreaker(OperatorSpecPtr build, int* pipeline);
  /// The same into a state that was made before.
  void EndInBreaker(OperatorSpecPtr build, std::shared_ptr<GlobalState> state, int* pipeline);
  /// Opens a pipeline over the parts of a breaker's state, on at most `lanes` lanes. Without
  /// `output` the operator appended next reads the parts.
  void StartParts(std::shared_ptr<GlobalState> state, int breaker_pipeline, OperatorSpecPtr output,
                  int lanes);
  /// The open pipeline starts only when `pipeline` has ended.
  void WaitFor(int pipeline);
  /// Lowers `inputs` so that their pipelines are open together, in this order.
  Status LowerUnion(const std::vector<PlanPtr>& inputs);
  /// Takes the open pipelines away, for OpenAlso to give them back in front of those open then. By
  /// `in_turn` each of these starts when the one before it has ended.
  struct OpenSet {
    std::vector<PhysicalPipeline> pipelines;
    bool ordered = true;
  };
  OpenSet TakeOpen();
  void OpenAlso(OpenSet before, bool in_turn);
  /// Marks the open pipelines: those open then wait, by WaitForMark, until they have ended.
  int MarkOpen();
  void WaitForMark(int mark);
  /// The rows of all open pipelines come one after the other from one lane.
  bool is_serial() const { return open_.size() == 1 && open_.front().lanes == 1; }
  /// Has the open pipeline read its splits from the last to the first, on one lane, where it is one
  /// over a scan that ends. Otherwise false, and nothing changes.
  bool ReadBackwards();
  /// Ends the open pipelines in a channel read by one lane; gives the channel.
  int EndInChannel();
  /// Opens a one-lane pipeline with one port per channel. Without `spec` it passes rows on as they
  /// come.
  void StartPorts(const std::vector<int>& channels, OperatorSpecPtr spec);

  /// Ends the open pipelines in a channel that divides rows by the hash of `keys`, and opens a
  /// pipeline with a port per such channel, every lane owning its key groups.
  int EndInExchange(std::vector<int> keys);
  void StartExchangedPorts(const std::vector<int>& channels, OperatorSpecPtr spec);

  int lanes() const { return options_.lanes; }
  int64_t memory_bytes() const { return options_.memory_bytes; }
  const LoweringOptions& options() const { return options_; }
  /// So many lanes of them that each can have `bytes` of memory; one at least.
  int LanesOf(int64_t bytes) const;
  Result<PhysicalPlan> Finish(PlanPtr plan);

 private:
  int EndInChannel(int readers, std::vector<int> hash_keys);
  /// Where rows end, goes on with a pipeline beside the open one, so that both may be busy.
  void StartBeside();
  PhysicalPipeline& OpenOne();
  int AddOpenPipelines();
  void ResolveMarks();

  const LoweringOptions options_;
  PhysicalPlan plan_;
  std::vector<PhysicalPipeline> open_;
  int next_operator_ = 0;
  int next_scan_ = 0;
  int next_mark_ = 0;
  RowsRead rows_read_;
  bool ordered_ = true;          // splits of the open pipelines are in row order
  std::vector<int> whole_;       // of the open pipelines
  bool has_partitions_ = false;  // the open pipeline has an operator of AppendByPartition
};

}  // namespace headrace
