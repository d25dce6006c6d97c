// Sorted aggregate: groups whose rows stand together, in one pass that holds one group at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Output: the key columns in plain encoding, one column per call; groups in the order in which
/// they come. REQUIRES: one lane; rows of equal keys stand together; there are keys. Memory: the
/// states of one group, and of those that end in one batch.
class SortedAggregateSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's; `keys` index it; arguments of calls are columns of it or literals.
  SortedAggregateSpec(SchemaPtr schema, std::vector<int> keys, std::vector<FunctionCall> calls)
      : schema(std::move(schema)), keys(std::move(keys)), calls(std::move(calls)) {}
  std::string name() const override { return "sorted_aggregate"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const std::vector<FunctionCall> calls;
};

}  // namespace headrace
