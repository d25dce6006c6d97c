// Lowering of joins. The built side, its table, and the probe side, which goes on to what comes
// next; after it what was written to disk is joined. Where somebody reads the order of rows these
// come in the order of the probe side.
//
//   build → pieces → evict → residents → table;   probe → …;   rest → (order of places) → …
#include "headrace/exec/op/join/hash_join.h"

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/join/hash_join_state.h"
#include "headrace/exec/op/join/place_order.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"

namespace headrace {
namespace {

// With less memory than this for each, lanes would have to read what was written over and over.
constexpr int64_t kRestBytesPerLane = int64_t{16} << 20;

/// Columns of the probe side, then of the built side, that are read of the join's output.
std::vector<bool> ReadsOf(const HashJoinTerms& terms, const JoinNode& join,
                          const std::optional<std::vector<int>>& columns) {
  const int probe_width = terms.probe->num_fields();
  const int build_width = terms.build->num_fields();
  std::vector<bool> reads(static_cast<size_t>(probe_width + build_width), !columns.has_value());
  if (!columns.has_value() || !HasRightColumns(join.kind)) return reads;
  for (int column : *columns) {
    if (!terms.probe_is_left) column += column < build_width ? probe_width : -build_width;
    reads[static_cast<size_t>(column)] = true;
  }
  return reads;
}

HashJoinTermsPtr TermsOf(const JoinNode& join, const RowsRead& read, int64_t build_cells_max) {
  auto terms = std::make_shared<HashJoinTerms>();
  terms->probe_is_left = join.terms.build == JoinSide::kRight;
  const PlanNode& left = *join.inputs()[0];
  const PlanNode& right = *join.inputs()[1];
  terms->probe = terms->probe_is_left ? left.schema() : right.schema();
  terms->build = terms->probe_is_left ? right.schema() : left.schema();
  terms->probe_keys = terms->probe_is_left ? join.terms.left_keys : join.terms.right_keys;
  terms->build_keys = terms->probe_is_left ? join.terms.right_keys : join.terms.left_keys;
  terms->nulls = join.terms.nulls;
  terms->kind = join.kind;
  terms->null_aware = join.terms.null_aware;
  const PlanNode& probe = terms->probe_is_left ? left : right;
  terms->may_spill = probe.properties().boundedness == Boundedness::kBounded;
  terms->residual = join.terms.residual;
  terms->reads = ReadsOf(*terms, join, read.columns);
  terms->order_read = read.order;
  terms->build_cells_max = build_cells_max;
  if (terms->probe_is_left || terms->residual == nullptr) return terms;
  const int left_width = left.schema()->num_fields();
  const int right_width = right.schema()->num_fields();
  terms->residual = ReplaceColumns(terms->residual, [&](const Expression& column) -> ExpressionPtr {
    auto moved = std::make_shared<Expression>(column);
    moved->column += column.column < left_width ? right_width : -left_width;
    return moved;
  });
  return terms;
}

/// Opens the pipeline of what the probe left, behind those of the probe.
void AppendRest(const JoinNode& join, const HashJoinTermsPtr& terms,
                std::shared_ptr<HashJoinRest> rest, int table, Lowering& lowering) {
  const int probe_mark = lowering.MarkOpen();
  Lowering::OpenSet probe = lowering.TakeOpen();
  lowering.StartParts(rest, table, std::make_shared<HashJoinRestSpec>(terms),
                      lowering.LanesOf(kRestBytesPerLane));
  lowering.WaitForMark(probe_mark);
  if (terms->order_read) LowerToPlaceOrder(join.schema(), std::move(rest), lowering);
  lowering.OpenAlso(std::move(probe), /*in_turn=*/true);
}

/// Ends the open pipeline, of the built side, in a table; gives the pipeline that completes it.
int BuildTable(const HashJoinTermsPtr& terms, const std::shared_ptr<HashJoinPieces>& pieces,
               Lowering& lowering) {
  int build = 0;
  lowering.EndInBreaker(std::make_shared<HashJoinBuildSpec>(terms, pieces), pieces, &build);
  lowering.StartParts(pieces, build, nullptr, lowering.lanes());
  auto residents = std::make_shared<HashJoinResidents>(pieces);
  int evict = 0;
  lowering.EndInBreaker(std::make_shared<HashJoinEvictSpec>(terms, pieces), residents, &evict);
  lowering.StartParts(residents, evict, nullptr, lowering.lanes());
  int table = 0;
  lowering.EndInBreaker(std::make_shared<HashJoinTableSpec>(pieces->table()), pieces->table(),
                        &table);
  return table;
}

/// What only a lookup join can do; the rule LookUpTables leaves none of it behind.
void CheckProbe(const HashJoinTerms& terms, const PlanProperties& probe) {
  const bool ends = probe.boundedness == Boundedness::kBounded;
  HEADRACE_CHECK(ends || !terms.keeps_build(), "a join keeps what an endless input did not match");
  HEADRACE_CHECK(probe.change_mode == ChangeMode::kAppend, "a join by hash of changes");
}

}  // namespace

Status LowerJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = static_cast<const JoinNode&>(node);
  const HashJoinTermsPtr terms = TermsOf(join, lowering.rows_read(), lowering.options().join_cells);
  const size_t probe_side = terms->probe_is_left ? 0 : 1;
  const PlanPtr& probe = join.inputs()[probe_side];
  CheckProbe(*terms, probe->properties());
  const RowsRead of_inputs{.order = terms->order_read};
  ARROW_RETURN_NOT_OK(lowering.Lower(*join.inputs()[1 - probe_side], of_inputs));
  auto pieces = std::make_shared<HashJoinPieces>(terms);
  const int table = BuildTable(terms, pieces, lowering);
  ARROW_RETURN_NOT_OK(lowering.Lower(*probe, of_inputs));
  lowering.WaitFor(table);
  auto rest = std::make_shared<HashJoinRest>(terms, pieces);
  lowering.Append(std::make_shared<HashJoinProbeSpec>(terms), rest);
  const bool ends = probe->properties().boundedness == Boundedness::kBounded;
  if (ends) AppendRest(join, terms, std::move(rest), table, lowering);
  return Status::OK();
}

}  // namespace headrace
