// Evaluates all expressions of a batch in one go; a sparse batch is compacted before anything is
// computed.
#include "headrace/exec/op/project.h"

#include <algorithm>
#include <optional>

#include "headrace/exec/op/filter.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"
#include "headrace/expression/evaluate.h"

namespace headrace {
namespace {

class Project final : public Operator {
 public:
  explicit Project(const std::vector<ExpressionPtr>& expressions)
      : expressions_(expressions),
        computes_(std::any_of(expressions.begin(), expressions.end(), [](const auto& expression) {
          return expression->kind != Expression::Kind::kColumn;
        })) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    return Evaluator::Make(expressions_).Value(&evaluator_);
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (computes_ && IsSparse(batch)) {
      ARROW_ASSIGN_OR_RAISE(batch, batch.Compact(context().pool));
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns,
                          evaluator_->Evaluate(batch, context().pool));
    out.Emit(batch.WithColumns(std::move(columns)));
    return Flow::NeedInput();
  }

 private:
  const std::vector<ExpressionPtr> expressions_;
  const bool computes_;
  std::optional<Evaluator> evaluator_;
};

}  // namespace

std::string ProjectSpec::Describe() const {
  std::string text;
  for (const ExpressionPtr& expression : expressions) {
    if (!text.empty()) text += ", ";
    text += ToString(*expression);
  }
  return text;
}

std::unique_ptr<Operator> ProjectSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<Project>(expressions);
}

namespace {

/// The column of the input that is given as `column`; -1: it is computed.
int ColumnBelow(const ProjectNode& project, int column) {
  const Expression& expression = *project.expressions[static_cast<size_t>(column)];
  return expression.kind == Expression::Kind::kColumn ? expression.column : -1;
}

/// Where columns of the input are given; none unless all of them are.
std::vector<int> ColumnsAbove(const ProjectNode& project, const std::vector<int>& columns) {
  std::vector<int> above;
  for (const int column : columns) {
    const auto width = static_cast<int>(project.expressions.size());
    int at = 0;
    while (at < width && ColumnBelow(project, at) != column) ++at;
    if (at == width) return {};
    above.push_back(at);
  }
  return above;
}

}  // namespace

Status LowerProject(const PlanNode& node, Lowering& lowering) {
  const auto& project = static_cast<const ProjectNode&>(node);
  std::vector<int> read;
  for (const ExpressionPtr& expression : project.expressions) {
    for (int column : ColumnsOf(*expression)) read.push_back(column);
  }
  RowsRead below{std::move(read), lowering.rows_read().order};
  for (const int column : lowering.rows_read().whole) {
    const int from = ColumnBelow(project, column);
    if (from >= 0) below.whole.push_back(from);
  }
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input(), std::move(below)));
  std::vector<int> whole = ColumnsAbove(project, lowering.whole());
  lowering.Append(std::make_shared<ProjectSpec>(project.expressions));
  lowering.SetWhole(std::move(whole));
  return Status::OK();
}

}  // namespace headrace
