// Hash aggregate: groups of a bounded append-only input, in two pipelines. The first ends in the
// build, which groups by key and spills key groups when memory is wanted; the second emits groups.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Ends a pipeline, on any number of lanes. Without keys there is exactly one group, also when no
/// row comes.
class HashAggregateBuildSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's; `keys` index it; arguments of calls are columns of it or literals.
  /// `order` is that of the output. Past `groups_max` groups over all lanes some are written away,
  /// also while there is memory.
  HashAggregateBuildSpec(SchemaPtr schema, std::vector<int> keys, std::vector<FunctionCall> calls,
                         GroupOrder order, int64_t groups_max = MemoryBudget::kUnlimited)
      : schema(std::move(schema)),
        keys(std::move(keys)),
        calls(std::move(calls)),
        order(order),
        groups_max(groups_max) {}
  std::string name() const override { return "hash_aggregate"; }
  std::string Describe() const override;
  /// kUnsupported for key types that cannot be grouped and for DISTINCT calls. Open checks it too.
  Status Check() const;
  std::shared_ptr<GlobalState> MakeGlobal() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
  const GroupOrder order;
  const int64_t groups_max;
};

/// Starts the next pipeline: its input is the parts of the build's global state (batches without
/// columns, ordinal.split = part). Output: the key columns in plain encoding, one column per call,
/// and for kFirstAppearance two int64 columns more, the RowPosition (split, row) of each group's
/// first row: sorting by them and dropping them gives that order. Other orders are not made here.
class HashAggregateOutputSpec final : public OperatorSpec {
 public:
  HashAggregateOutputSpec(SchemaPtr schema, std::vector<int> keys, std::vector<FunctionCall> calls,
                          GroupOrder order)
      : schema(std::move(schema)), keys(std::move(keys)), calls(std::move(calls)), order(order) {}
  std::string name() const override { return "hash_aggregate_output"; }
  std::string Describe() const override;
  /// `global` is that of the build, sealed before the first Push. MakeGlobal gives null.
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
  const GroupOrder order;
};

}  // namespace headrace
