// Terms of a match are found from the variables of its rows; cells are gathered and aggregates
// computed for many matches at once.
#include "headrace/exec/op/match/match_output.h"

#include <algorithm>

#include "arrow/array/builder_base.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/exec/op/state_queue.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

int64_t BytesOfVector(const auto& vector) {
  return static_cast<int64_t>(vector.capacity() * sizeof(vector[0]));
}

/// The arguments of an aggregate over rows of a store.
Result<std::vector<Argument>> MemberArguments(const FunctionCall& call,
                                              const std::vector<ArrayPtr>& constants,
                                              const RowStore& store,
                                              std::span<const RowRef> members,
                                              arrow::MemoryPool* pool) {
  std::vector<Argument> args;
  for (size_t i = 0; i < call.args.size(); ++i) {
    if (constants[i] != nullptr) {
      args.push_back({constants[i], true});
      continue;
    }
    const auto column = static_cast<size_t>(call.args[i]->column);
    ARROW_ASSIGN_OR_RAISE(ArrayPtr values, store.Gather(column, members, pool));
    args.push_back({std::move(values), false});
  }
  return args;
}

}  // namespace

Result<MatchOutput> MatchOutput::Make(const MatchTerms& terms, arrow::MemoryPool* pool) {
  MatchOutput output(terms);
  ARROW_ASSIGN_OR_RAISE(output.measures_, Evaluator::Make(terms.measures));
  for (size_t i = 0; i < terms.terms.size(); ++i) {
    for (const ExpressionPtr& arg : terms.terms[i].call.args) {
      ArrayPtr& constant = output.columns_[i].constants.emplace_back();
      if (arg->kind != Expression::Kind::kLiteral) continue;
      ARROW_ASSIGN_OR_RAISE(constant, arrow::MakeArrayFromScalar(*arg->literal, 1, pool));
      ARROW_ASSIGN_OR_RAISE(constant, Decode(constant, pool));
    }
  }
  return output;
}

int64_t MatchOutput::bytes() const {
  int64_t bytes = BytesOfVector(given_) + BytesOfVector(unmatched_);
  for (const Column& column : columns_) {
    bytes += BytesOfVector(column.cells) + BytesOfVector(column.variables) +
             BytesOfVector(column.numbers) + BytesOfVector(column.members) +
             BytesOfVector(column.begin) + BytesOfVector(column.end);
  }
  return bytes;
}

void MatchOutput::FindTermRows(const MatchPartition& partition, int64_t start,
                               const MatchPath& path) {
  term_rows_.resize(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    const MatchTerm& term = terms_->terms[i];
    TermRows& rows = term_rows_[i];
    rows.places.clear();
    rows.so_far = 0;
    for (int64_t row = 0; row < path.size(); ++row) {
      if ((term.variables >> path.variable(row) & 1) == 0) continue;
      rows.places.push_back(row);
      if (term.kind != MatchTerm::Kind::kAggregate) continue;
      columns_[i].members.push_back(partition.RefOf(start + row));
    }
  }
}

void MatchOutput::AddMatch(const MatchPartition& partition, int64_t start, const MatchPath& path,
                           int64_t match_number) {
  const bool gives_one = terms_->rows == MatchRows::kOne;
  if (path.size() == 0 && terms_->rows == MatchRows::kAllOmitEmpty) return;
  FindTermRows(partition, start, path);
  if (gives_one || path.size() == 0) {
    for (TermRows& rows : term_rows_) rows.so_far = static_cast<int64_t>(rows.places.size());
    AddRow(partition, start, path, start, match_number);
    return;
  }
  for (int64_t row = 0; row < path.size(); ++row) {
    for (TermRows& rows : term_rows_) {
      const auto next = static_cast<size_t>(rows.so_far);
      if (next < rows.places.size() && rows.places[next] == row) ++rows.so_far;
    }
    const bool is_excluded = terms_->steps[static_cast<size_t>(path.step(row))].is_excluded;
    if (!is_excluded) AddRow(partition, start, path, start + row, match_number);
  }
}

void MatchOutput::AddRow(const MatchPartition& partition, int64_t start, const MatchPath& path,
                         int64_t row, int64_t match_number) {
  given_.push_back(partition.RefOf(row));
  for (size_t i = 0; i < columns_.size(); ++i) AddTerm(partition, start, path, match_number, i);
}

void MatchOutput::AddTerm(const MatchPartition& partition, int64_t start, const MatchPath& path,
                          int64_t match_number, size_t index) {
  const MatchTerm& term = terms_->terms[index];
  const TermRows& rows = term_rows_[index];
  Column& column = columns_[index];
  const auto whole = static_cast<int64_t>(rows.places.size());
  const int64_t count = term.is_final ? whole : rows.so_far;
  const int64_t number = term.is_first ? term.skip : count - 1 - term.skip;
  const bool is_there = number >= 0 && number < count;
  const int64_t place = is_there ? rows.places[static_cast<size_t>(number)] : -1;
  switch (term.kind) {
    case MatchTerm::Kind::kCell:
      column.cells.push_back(is_there ? partition.RefOf(start + place + term.shift) : RowRef());
      break;
    case MatchTerm::Kind::kClassifier:
      column.variables.push_back(static_cast<int16_t>(is_there ? path.variable(place) : -1));
      break;
    case MatchTerm::Kind::kMatchNumber:
      column.numbers.push_back(match_number);
      break;
    case MatchTerm::Kind::kAggregate: {
      const int64_t begin = static_cast<int64_t>(column.members.size()) - whole;
      column.begin.push_back(begin);
      column.end.push_back(begin + count);
      break;
    }
  }
}

void MatchOutput::AddNothing(size_t index) {
  Column& column = columns_[index];
  switch (terms_->terms[index].kind) {
    case MatchTerm::Kind::kCell:
      column.cells.emplace_back();
      break;
    case MatchTerm::Kind::kClassifier:
      column.variables.push_back(-1);
      break;
    case MatchTerm::Kind::kMatchNumber:
      column.numbers.push_back(0);
      break;
    case MatchTerm::Kind::kAggregate:
      column.begin.push_back(static_cast<int64_t>(column.members.size()));
      column.end.push_back(static_cast<int64_t>(column.members.size()));
      break;
  }
}

void MatchOutput::AddUnmatched(const MatchPartition& partition, int64_t row) {
  unmatched_.push_back(num_rows());
  given_.push_back(partition.RefOf(row));
  for (size_t i = 0; i < columns_.size(); ++i) AddNothing(i);
}

Result<Batch> MatchOutput::Take(const RowStore& store, arrow::MemoryPool* pool) {
  const int64_t rows = num_rows();
  std::vector<ArrayPtr> columns;
  for (const int output : terms_->outputs) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                          store.Gather(static_cast<size_t>(output), given_, pool));
  }
  std::vector<ArrayPtr> terms;
  for (size_t i = 0; i < columns_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(terms.emplace_back(), ColumnOf(i, store, pool));
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> measures,
                        measures_->Evaluate(Batch(std::move(terms), rows), pool));
  for (const ArrayPtr& measure : measures) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), WithoutUnmatched(measure, pool));
  }
  given_.clear();
  unmatched_.clear();
  for (Column& column : columns_) {
    column.cells.clear();
    column.variables.clear();
    column.numbers.clear();
    column.members.clear();
    column.begin.clear();
    column.end.clear();
  }
  return Batch(std::move(columns), rows);
}

Result<ArrayPtr> MatchOutput::WithoutUnmatched(const ArrayPtr& measure,
                                               arrow::MemoryPool* pool) const {
  if (unmatched_.empty()) return measure;
  arrow::Int64Builder builder(pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(measure->length()));
  size_t next = 0;
  for (int64_t row = 0; row < measure->length(); ++row) {
    const bool is_unmatched = next < unmatched_.size() && unmatched_[next] == row;
    if (is_unmatched) ++next;
    is_unmatched ? builder.UnsafeAppendNull() : builder.UnsafeAppend(row);
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr indices, builder.Finish());
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  return arrow::compute::Take(*measure, *indices, arrow::compute::TakeOptions::NoBoundsCheck(),
                              &context);
}

Result<ArrayPtr> MatchOutput::ColumnOf(size_t index, const RowStore& store,
                                       arrow::MemoryPool* pool) const {
  const MatchTerm& term = terms_->terms[index];
  const Column& column = columns_[index];
  switch (term.kind) {
    case MatchTerm::Kind::kCell:
      return store.Gather(static_cast<size_t>(term.column), column.cells, pool);
    case MatchTerm::Kind::kClassifier:
      return Classifiers(column, pool);
    case MatchTerm::Kind::kAggregate:
      return Aggregates(index, store, pool);
    case MatchTerm::Kind::kMatchNumber:
      break;
  }
  arrow::Int64Builder builder(pool);
  for (const int64_t number : column.numbers) ARROW_RETURN_NOT_OK(builder.Append(number));
  return builder.Finish();
}

Result<ArrayPtr> MatchOutput::Classifiers(const Column& column, arrow::MemoryPool* pool) const {
  arrow::StringBuilder builder(pool);
  for (const int16_t variable : column.variables) {
    ARROW_RETURN_NOT_OK(variable < 0
                            ? builder.AppendNull()
                            : builder.Append(terms_->variables[static_cast<size_t>(variable)]));
  }
  return builder.Finish();
}

/// One state per member, merged in front of each row; rows of a match extend one another.
Result<ArrayPtr> MatchOutput::Aggregates(size_t index, const RowStore& store,
                                         arrow::MemoryPool* pool) const {
  const FunctionCall& call = terms_->terms[index].call;
  const Column& column = columns_[index];
  const AggregateKernel& kernel = *call.overload->aggregate;
  const auto members = static_cast<int64_t>(column.members.size());
  ARROW_ASSIGN_OR_RAISE(const std::vector<Argument> args,
                        MemberArguments(call, column.constants, store, column.members, pool));
  KernelContext context{pool, call.type};
  StateQueue leaves(kernel);
  leaves.Reset(members);
  std::vector<RowPosition> positions(column.members.size());
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = {0, static_cast<int64_t>(i)};
  if (members > 0) {
    ARROW_RETURN_NOT_OK(
        kernel.add(context, leaves.pointers(), 0, {args, members, {}, positions.data()}));
  }
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(pool, call.type, &builder));
  StateQueue sum(kernel);
  int64_t begin = -1;
  int64_t end = 0;
  for (size_t row = 0; row < column.begin.size(); ++row) {
    if (column.begin[row] != begin || column.end[row] < end) {
      sum.Reset(1);
      begin = end = column.begin[row];
    }
    for (; end < column.end[row]; ++end) {
      ARROW_RETURN_NOT_OK(kernel.merge(context, sum[0], leaves[end]));
    }
    ARROW_RETURN_NOT_OK(kernel.finish(context, sum.pointers(), 0, 1, builder.get()));
  }
  return builder->Finish();
}

}  // namespace headrace
