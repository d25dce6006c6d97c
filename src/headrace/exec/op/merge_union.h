// MergeUnion: merges inputs that come sorted into one that is, as they come.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/types/ordering.h"

namespace headrace {

/// REQUIRES: one lane; each port comes in the order `keys`. Of equal rows those of the first port
/// come first. Memory: a batch per port and its keys.
class MergeUnionSpec final : public OperatorSpec {
 public:
  MergeUnionSpec(SchemaPtr schema, Ordering keys, int ports)
      : schema(std::move(schema)), keys(std::move(keys)), ports(ports) {}
  std::string name() const override { return "merge_union"; }
  std::string Describe() const override;
  int num_ports() const override { return ports; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const Ordering keys;
  const int ports;
};

}  // namespace headrace
