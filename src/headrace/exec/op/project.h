// Project: computes columns from columns, row by row.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/expression/expression.h"

namespace headrace {

/// One output column per expression. The selection is kept; column references pass through without
/// copying, encoding included. Holds no state.
class ProjectSpec final : public OperatorSpec {
 public:
  explicit ProjectSpec(std::vector<ExpressionPtr> expressions)
      : expressions(std::move(expressions)) {}
  std::string name() const override { return "project"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const std::vector<ExpressionPtr> expressions;
};

}  // namespace headrace
