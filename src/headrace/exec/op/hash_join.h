// Hash join: a pipeline of the right side ends in a build; the left side streams past its table.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Ends the pipeline of the right side: any number of lanes keep their rows, Seal makes one table
/// of all of them in RowPosition order. Rows and table are reserved; past the budget kMemoryLimit.
class HashJoinBuildSpec final : public OperatorSpec {
 public:
  /// `schema` is the right side's; `keys` index it and have plain types equal to those of the
  /// probe.
  HashJoinBuildSpec(SchemaPtr schema, std::vector<int> keys, NullMatching nulls)
      : schema(std::move(schema)), keys(std::move(keys)), nulls(nulls) {}
  std::string name() const override { return "hash_join_build"; }
  std::string Describe() const override;
  std::shared_ptr<GlobalState> MakeGlobal() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const NullMatching nulls;
};

/// Probes with the left side, on any number of lanes. Left rows keep their order; matches of one
/// row come in right order; output is left columns, then right columns. A row with many matches
/// comes in several batches (kMoreOutput) and needs no memory for them.
class HashJoinProbeSpec final : public OperatorSpec {
 public:
  /// `schema` is the left side's. `residual` is boolean over the output columns; null: none.
  HashJoinProbeSpec(SchemaPtr schema, std::vector<int> keys, JoinKind kind, NullMatching nulls,
                    ExpressionPtr residual)
      : schema(std::move(schema)),
        keys(std::move(keys)),
        kind(kind),
        nulls(nulls),
        residual(std::move(residual)) {}
  std::string name() const override { return "hash_join"; }
  std::string Describe() const override;
  /// `global` is that of the build, sealed before the first Push. MakeGlobal gives null.
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const JoinKind kind;
  const NullMatching nulls;
  const ExpressionPtr residual;
};

}  // namespace headrace
