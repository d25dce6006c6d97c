// CheckOrder: passes rows on that come in a declared order, and fails at the first that does not.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/types/ordering.h"

namespace headrace {

/// Each lane compares every row with the one before it in its split. The ends of splits are held
/// against each other in the shared state as they become known, so lanes may read splits side by
/// side. Memory: two keys a split. kBadData names the keys, both rows and their values.
class CheckOrderSpec final : public OperatorSpec {
 public:
  /// `keys` are columns of `schema`, the input's.
  CheckOrderSpec(SchemaPtr schema, Ordering keys)
      : schema(std::move(schema)), keys(std::move(keys)) {}
  std::string name() const override { return "check_order"; }
  std::string Describe() const override;
  bool only_leaves_out() const override { return true; }
  std::shared_ptr<GlobalState> MakeGlobal() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const Ordering keys;
};

}  // namespace headrace
