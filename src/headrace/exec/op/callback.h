// Callback: appends the column that a user's callback computes from argument columns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"

namespace headrace {

/// Posts calls of at most kCallbackRowsMax rows, one at a time and in row order, and parks until
/// each is done. Errors of the callback pass unchanged; a value of another length or type is
/// kTypeMismatch. REQUIRES: one lane.
class CallbackSpec final : public OperatorSpec {
 public:
  /// `args` are columns of the input; `output_name` is for messages.
  CallbackSpec(int64_t callback_id, std::vector<int> args, TypePtr type, std::string output_name)
      : callback_id(callback_id),
        args(std::move(args)),
        type(std::move(type)),
        output_name(std::move(output_name)) {}
  std::string name() const override { return "callback"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const int64_t callback_id;
  const std::vector<int> args;
  const TypePtr type;
  const std::string output_name;
};

}  // namespace headrace
