// Rows around a row are gathered by reference; without PREV and NEXT the batch is read as it came.
#include "headrace/exec/op/match/match_predicates.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/builder_base.h"
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// How far terms look in front of rows, and behind.
void ExtendReach(int64_t shift, int64_t* before, int64_t* behind) {
  *before = std::max(*before, -shift);
  *behind = std::max(*behind, shift);
}

}  // namespace

Result<RowPredicates> RowPredicates::Make(const MatchTerms& terms) {
  RowPredicates made;
  made.cells_ = terms.cells;
  std::vector<ExpressionPtr> predicates;
  for (size_t i = 0; i < terms.definitions.size(); ++i) {
    if (terms.definitions[i].over_row == nullptr) continue;
    predicates.push_back(terms.definitions[i].over_row);
    made.variables_.push_back(uint64_t{1} << i);
    made.free_ &= ~made.variables_.back();
  }
  for (const ShiftedColumn& cell : terms.cells) {
    ExtendReach(cell.shift, &made.rows_before_, &made.rows_behind_);
  }
  ARROW_ASSIGN_OR_RAISE(made.evaluator_, Evaluator::Make(std::move(predicates)));
  return made;
}

Result<std::vector<ArrayPtr>> RowPredicates::Cells(std::span<const Target> targets,
                                                   const std::vector<MatchPartition>& partitions,
                                                   const Batch* batch, const RowStore& store,
                                                   arrow::MemoryPool* pool) const {
  std::vector<ArrayPtr> columns;
  std::vector<RowRef> refs(targets.size());
  for (const ShiftedColumn& cell : cells_) {
    if (cell.shift == 0 && batch != nullptr) {
      columns.push_back(batch->column(cell.column));
      continue;
    }
    for (size_t i = 0; i < targets.size(); ++i) {
      const MatchPartition& partition = partitions[targets[i].partition];
      const int64_t row = targets[i].row + cell.shift;
      refs[i] = partition.Has(row) ? partition.At(row).ref : RowRef();
    }
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                          store.Gather(static_cast<size_t>(cell.column), refs, pool));
  }
  return columns;
}

Status RowPredicates::Evaluate(std::span<const Target> targets,
                               std::vector<MatchPartition>& partitions, const Batch* batch,
                               const RowStore& store, arrow::MemoryPool* pool) const {
  if (targets.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> cells,
                        Cells(targets, partitions, batch, store, pool));
  const Batch rows(std::move(cells), static_cast<int64_t>(targets.size()));
  ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> answers, evaluator_->Evaluate(rows, pool));
  std::vector<uint64_t> variables(targets.size(), free_);
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto& answer = static_cast<const arrow::BooleanArray&>(*answers[i]);
    for (int64_t row = 0; row < answer.length(); ++row) {
      const bool is_true = answer.IsValid(row) && answer.Value(row);
      variables[static_cast<size_t>(row)] |= is_true ? variables_[i] : 0;
    }
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    partitions[targets[i].partition].At(targets[i].row).variables = variables[i];
  }
  return Status::OK();
}

Result<PathPredicates> PathPredicates::Make(const MatchTerms& terms, arrow::MemoryPool* pool) {
  PathPredicates made(terms);
  made.definitions_.resize(terms.definitions.size());
  for (size_t i = 0; i < terms.definitions.size(); ++i) {
    const MatchDefinition& definition = terms.definitions[i];
    if (definition.over_path == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(made.definitions_[i].evaluator, Evaluator::Make({definition.over_path}));
    for (const MatchTerm& term : definition.terms) {
      ExtendReach(term.shift, &made.rows_before_, &made.rows_behind_);
      Running& running = made.definitions_[i].running.emplace_back();
      if (term.kind != MatchTerm::Kind::kAggregate) continue;
      running.state = std::make_unique<StateQueue>(*term.call.overload->aggregate);
      for (const ExpressionPtr& arg : term.call.args) {
        ArrayPtr& constant = running.constants.emplace_back();
        if (arg->kind != Expression::Kind::kLiteral) continue;
        ARROW_ASSIGN_OR_RAISE(constant, arrow::MakeArrayFromScalar(*arg->literal, 1, pool));
        ARROW_ASSIGN_OR_RAISE(constant, Decode(constant, pool));
      }
    }
  }
  return made;
}

void PathPredicates::Forget() {
  for (Definition& definition : definitions_) {
    for (Running& running : definition.running) running.rows = -1;
  }
}

Result<bool> PathPredicates::IsTaken(MatchPartition& partition, int variable, const RowStore& store,
                                     arrow::MemoryPool* pool) {
  const int64_t shortest = partition.attempt->TakeShortest();
  for (Definition& definition : definitions_) {
    for (Running& running : definition.running) {
      if (running.rows > shortest) running.rows = -1;
    }
  }
  const auto place = static_cast<size_t>(variable);
  std::vector<ArrayPtr> values;
  for (size_t i = 0; i < terms_->definitions[place].terms.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(values.emplace_back(), ValueOf(partition, place, i, store, pool));
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> answers,
                        definitions_[place].evaluator->Evaluate(Batch(std::move(values), 1), pool));
  const auto& answer = static_cast<const arrow::BooleanArray&>(*answers[0]);
  return answer.IsValid(0) && answer.Value(0);
}

Result<ArrayPtr> PathPredicates::ValueOf(const MatchPartition& partition, size_t variable,
                                         size_t index, const RowStore& store,
                                         arrow::MemoryPool* pool) {
  const MatchTerm& term = terms_->definitions[variable].terms[index];
  const MatchPath& path = partition.attempt->path();
  if (term.kind == MatchTerm::Kind::kAggregate) {
    return Aggregate(partition, term, &definitions_[variable].running[index], store, pool);
  }
  if (term.kind == MatchTerm::Kind::kMatchNumber) {
    return arrow::MakeArrayFromScalar(arrow::Int64Scalar(partition.matches + 1), 1, pool);
  }
  const int64_t place =
      term.is_first ? path.First(term.variables, term.skip) : path.Last(term.variables, term.skip);
  if (term.kind == MatchTerm::Kind::kClassifier) {
    if (place < 0) return arrow::MakeArrayOfNull(arrow::utf8(), 1, pool);
    const std::string& name = terms_->variables[static_cast<size_t>(path.variable(place))];
    return arrow::MakeArrayFromScalar(arrow::StringScalar(name), 1, pool);
  }
  const int64_t row = partition.attempt->start() + place + term.shift;
  const RowRef ref = place < 0 ? RowRef() : partition.RefOf(row);
  return store.Gather(static_cast<size_t>(term.column), {&ref, 1}, pool);
}

/// Adds the rows [from, to) of the path that count.
Status PathPredicates::Add(const MatchPartition& partition, const MatchTerm& term,
                           const Running& running, int64_t from, int64_t to, const RowStore& store,
                           arrow::MemoryPool* pool, std::byte* state) {
  const MatchPath& path = partition.attempt->path();
  std::vector<RowRef> members;
  std::vector<RowPosition> positions;
  for (int64_t row = from; row < to; ++row) {
    if ((term.variables >> path.variable(row) & 1) == 0) continue;
    members.push_back(partition.RefOf(partition.attempt->start() + row));
    positions.push_back({0, row});
  }
  if (members.empty()) return Status::OK();
  const auto count = static_cast<int64_t>(members.size());
  std::vector<Argument> args;
  for (size_t i = 0; i < term.call.args.size(); ++i) {
    const bool is_constant = running.constants[i] != nullptr;
    ArrayPtr values = running.constants[i];
    if (!is_constant) {
      const auto column = static_cast<size_t>(term.call.args[i]->column);
      ARROW_ASSIGN_OR_RAISE(values, store.Gather(column, members, pool));
    }
    args.push_back({std::move(values), is_constant});
  }
  KernelContext context{pool, term.call.type};
  return term.call.overload->aggregate->add_all(context, state,
                                                {args, count, {}, positions.data()});
}

Result<ArrayPtr> PathPredicates::Aggregate(const MatchPartition& partition, const MatchTerm& term,
                                           Running* running, const RowStore& store,
                                           arrow::MemoryPool* pool) {
  const AggregateKernel& kernel = *term.call.overload->aggregate;
  const int64_t before = partition.attempt->path().size() - 1;
  if (running->rows < 0 || running->rows > before) {
    running->state->Reset(1);
    running->rows = 0;
  }
  std::byte* const whole = (*running->state)[0];
  ARROW_RETURN_NOT_OK(Add(partition, term, *running, running->rows, before, store, pool, whole));
  running->rows = before;
  StateQueue with_last(kernel);
  KernelContext context{pool, term.call.type};
  ARROW_RETURN_NOT_OK(kernel.merge(context, with_last.Push(), whole));
  ARROW_RETURN_NOT_OK(
      Add(partition, term, *running, before, before + 1, store, pool, with_last[0]));
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(pool, term.call.type, &builder));
  ARROW_RETURN_NOT_OK(kernel.finish(context, with_last.pointers(), 0, 1, builder.get()));
  return builder->Finish();
}

}  // namespace headrace
