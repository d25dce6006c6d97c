// As-of join: each left row with the nearest right row by time, both sides sorted by time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// How rows match; the fields of AsofJoinNode.
struct AsofTerms {
  int left_time = 0;
  int right_time = 0;
  std::vector<int> left_by;
  std::vector<int> right_by;
  AsofDirection direction = AsofDirection::kBackward;
  bool strict = false;
  std::optional<int64_t> tolerance;
};

/// Port 0 is the left side, port 1 the right. REQUIRES: one lane; times ascending on both sides,
/// nulls last (checked: kBadData names side, column, values and row). Every left row comes once, in
/// order; of right rows with equal times the last one counts going backward, the first going
/// forward. Null keys in `by` match each other. Wants() asks for the side that is behind. Columns
/// of the right side that are not read are given as nulls.
class AsofJoinSpec final : public OperatorSpec {
 public:
  /// Without `right_read`, columns of the right side, ascending, all of them are read.
  AsofJoinSpec(SchemaPtr left_schema, SchemaPtr right_schema, AsofTerms terms,
               std::optional<std::vector<int>> right_read = std::nullopt)
      : left_schema(std::move(left_schema)),
        right_schema(std::move(right_schema)),
        terms(std::move(terms)),
        right_read(std::move(right_read)) {}
  std::string name() const override { return "asof_join"; }
  std::string Describe() const override;
  int num_ports() const override { return 2; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr left_schema;
  const SchemaPtr right_schema;
  const AsofTerms terms;
  const std::optional<std::vector<int>> right_read;
};

}  // namespace headrace
