// Lookup join: rows of a stream with the rows of a table that they find by key.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// What LookupJoinNode says, one lane or many. Batches of the stream are probed in pieces; every
/// match is given, in stream order, then table order; where each row has one match the columns of
/// the stream are passed on as they are. A row all of whose candidates fail the residual has no
/// match. Changes of the stream keep their signs: a row is taken back together with the rows that
/// it finds then, so a table that changed meanwhile takes back other rows than it gave.
///
/// Right and full joins keep the keys that were matched, with what the residual reads of the table,
/// and when the last lane has ended read the table once more: rows whose key (and what the residual
/// reads) was never matched, or is null, are given then. So a row that was replaced by one with the
/// same key counts as matched, one that was removed is not given, and one added at the end is
/// judged by what the stream asked before. Lanes must be those of one pipeline. The keys are saved
/// by key group; over the budget they are kMemoryLimit.
class LookupJoinSpec final : public OperatorSpec {
 public:
  LookupJoinSpec(SchemaPtr stream, SourcePtr table, JoinKind kind, LookupTerms terms);
  std::string name() const override { return "lookup_join"; }
  std::string Describe() const override;
  bool only_leaves_out() const override;
  std::shared_ptr<GlobalState> MakeGlobal() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  bool keeps_stream() const { return kind == JoinKind::kLeft || kind == JoinKind::kFull; }
  bool keeps_table() const { return kind == JoinKind::kRight || kind == JoinKind::kFull; }
  bool gives_pairs() const { return HasRightColumns(kind); }

  const SchemaPtr stream;
  const SourcePtr table;
  const JoinKind kind;
  const LookupTerms terms;
  /// The filter and the residual: over the stream's columns, then terms.columns; null: none.
  const ExpressionPtr condition;
};

}  // namespace headrace
