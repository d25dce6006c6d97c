// Row buffer: calls over the last rows of each partition, row by row.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/row_buffer.h"

namespace headrace {

/// See RowBufferTerms. Appends one column per call; without calls it only puts rows in the order
/// of their time. REQUIRES: all rows of a partition come to one lane. metrics.late_rows and
/// null_time_rows count what is dropped. Keeps the rows that later ones can see, and those that
/// wait for the watermark; saves them by key group. State over the budget is kMemoryLimit.
class RowBufferSpec final : public OperatorSpec {
 public:
  RowBufferSpec(SchemaPtr schema, RowBufferTerms terms, std::vector<FramedCall> calls)
      : schema(std::move(schema)), terms(std::move(terms)), calls(std::move(calls)) {}
  std::string name() const override { return "row_buffer"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const RowBufferTerms terms;
  const std::vector<FramedCall> calls;
};

}  // namespace headrace
