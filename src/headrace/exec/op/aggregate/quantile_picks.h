// Exact quantiles of more values than memory holds: rows are sorted by key and value, and of each
// group only the one or two values that its quantile is made of go on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// median, quantile_cont or quantile_disc over column `value`, at a fraction.
struct QuantilePick {
  enum class Kind : uint8_t { kMedian, kContinuous, kDiscrete };
  Kind kind = Kind::kMedian;
  double fraction = 0.5;
};

/// Appends a column per pick: `value` where its quantile over the group is made of it, else null;
/// of a continuous one also a column (DOUBLE) with how far between both values it stands. REQUIRES:
/// one lane; decoded rows, groups together, `value` ascending in each, nulls behind; column `count`
/// (BIGINT) says how many values that are not null the group of a row has.
class QuantilePicksSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's.
  QuantilePicksSpec(SchemaPtr schema, std::vector<int> keys, int value, int count,
                    std::vector<QuantilePick> picks)
      : schema(std::move(schema)),
        keys(std::move(keys)),
        value(value),
        count(count),
        picks(std::move(picks)) {}
  std::string name() const override { return "quantile_picks"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const int value;
  const int count;
  const std::vector<QuantilePick> picks;
};

/// Whether exact quantiles of `aggregate` may keep more values than a part of so much memory, and
/// its calls do not mind that rows are sorted.
bool QuantilesExceed(const AggregateNode& aggregate, int64_t memory_bytes);

/// What an aggregate reads: rows, and calls over their columns.
struct AggregateInput {
  SchemaPtr schema;
  std::vector<FunctionCall> calls;
};

class Lowering;
/// Sorts the rows of the open pipeline so that `keys` stand together, and replaces `rows` by what
/// gives the same results with two values a group in each state.
Status LowerToQuantilePicks(const std::vector<int>& keys, AggregateInput* rows, Lowering& lowering);

}  // namespace headrace
