// One posted call at a time; its rows leave as a batch of their own, so a limit downstream stops
// the calls early.
#include "headrace/exec/op/callback.h"

#include <algorithm>
#include <optional>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/exec/callback.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

class Callback final : public Operator {
 public:
  explicit Callback(const CallbackSpec& spec)
      : callback_id_(spec.callback_id),
        args_(spec.args),
        type_(spec.type),
        output_name_(spec.output_name) {}

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (!batch_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(batch_, batch.Compact(context().pool));
      next_row_ = 0;
    }
    if (call_ == nullptr) {
      ARROW_RETURN_NOT_OK(PostNext());
    }
    if (!call_->done()) return Flow::Blocked();
    ARROW_ASSIGN_OR_RAISE(Batch result, TakeResult());
    out.Emit(std::move(result));
    if (next_row_ < batch_->num_rows()) return Flow::MoreOutput();
    batch_.reset();
    return Flow::NeedInput();
  }

 private:
  Status PostNext() {
    posted_ = batch_->Slice(next_row_, std::min(batch_->num_rows() - next_row_, kCallbackRowsMax));
    std::vector<ArrayPtr> args;
    for (int column : args_) {
      ARROW_ASSIGN_OR_RAISE(args.emplace_back(), Decode(posted_.column(column), context().pool));
    }
    call_ = context().callbacks->Post(callback_id_, std::move(args), posted_.num_rows(), type_,
                                      context().waker);
    return Status::OK();
  }

  Result<Batch> TakeResult() {
    Result<ArrayPtr> taken = std::exchange(call_, nullptr)->Take();
    ARROW_ASSIGN_OR_RAISE(ArrayPtr value, std::move(taken));
    ARROW_RETURN_NOT_OK(CheckValue(value));
    next_row_ += posted_.num_rows();
    std::vector<ArrayPtr> columns = posted_.columns();
    columns.push_back(std::move(value));
    return std::exchange(posted_, Batch()).WithColumns(std::move(columns));
  }

  Status CheckValue(const ArrayPtr& value) const {
    const int64_t expected = posted_.num_rows();
    if (value == nullptr) {
      return Error(ErrorKind::kTypeMismatch, "callback {}: expected {} cells of {}, got none",
                   output_name_, expected, type_->ToString());
    }
    if (value->length() == expected && SameLogicalType(*value->type(), *type_)) {
      return Status::OK();
    }
    return Error(ErrorKind::kTypeMismatch, "callback {}: expected {} cells of {}, got {} of {}",
                 output_name_, expected, type_->ToString(), value->length(),
                 value->type()->ToString());
  }

  const int64_t callback_id_;
  const std::vector<int> args_;
  const TypePtr type_;
  const std::string output_name_;
  std::optional<Batch> batch_;  // what Push was given, until all of it is out
  int64_t next_row_ = 0;
  Batch posted_;  // rows of call_
  std::unique_ptr<CallbackCall> call_;
};

}  // namespace

std::string CallbackSpec::Describe() const {
  return fmt::format("{} {}", output_name, type->ToString());
}

std::unique_ptr<Operator> CallbackSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<Callback>(*this);
}

Status LowerCallback(const PlanNode& node, Lowering& lowering) {
  const auto& callback = static_cast<const CallbackNode&>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Serialize();
  lowering.Append(std::make_shared<CallbackSpec>(callback.callback_id, callback.args, callback.type,
                                                 callback.output_name));
  return Status::OK();
}

}  // namespace headrace
