// Layout of group rows and arguments of calls.
#include "headrace/exec/op/aggregate/aggregate_terms.h"

#include <algorithm>
#include <limits>

#include "arrow/array.h"
#include "arrow/array/util.h"
#include "arrow/builder.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/expression/expression.h"
#include "headrace/function/aggregate/narrow_kernel.h"
#include "headrace/function/aggregate/removing_kernel.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

template <typename T>
T& FieldAt(std::byte* row, size_t offset) {
  return *reinterpret_cast<T*>(row + offset);
}

/// The kernel that a call runs with; null when it cannot take rows back and must.
const AggregateKernel* KernelFor(const FunctionCall& call, bool removes) {
  const AggregateKernel& kernel = *call.overload->aggregate;
  if (removes) {
    return call.args.empty() ? (kernel.remove == nullptr ? nullptr : &kernel)
                             : RemovingKernel(kernel, *PlainType(call.args[0]->type));
  }
  return call.args.size() == 1 ? &NarrowKernel(kernel, *PlainType(call.args[0]->type)) : &kernel;
}

Status CheckCall(const FunctionCall& call, bool removes) {
  HEADRACE_CHECK(call.overload != nullptr && call.overload->aggregate != nullptr,
                 "a call that is no aggregate");
  if (call.distinct) {
    return Error(ErrorKind::kUnsupported, "{}(DISTINCT ...) is not supported", call.function->id);
  }
  if (KernelFor(call, removes) == nullptr) {
    return Error(ErrorKind::kUnsupported,
                 "{} cannot take rows back, which an aggregate over changes needs",
                 call.function->id);
  }
  return Status::OK();
}

// The scalar as an array of length 1 in plain encoding.
Result<Argument> Constant(const Expression& literal) {
  HEADRACE_CHECK(literal.kind == Expression::Kind::kLiteral, "an argument that is no column");
  ARROW_ASSIGN_OR_RAISE(ArrayPtr array, arrow::MakeArrayFromScalar(*literal.literal, 1));
  ARROW_ASSIGN_OR_RAISE(array, Decode(array, arrow::default_memory_pool()));
  return Argument{std::move(array), true};
}

}  // namespace

Result<AggregateTermsPtr> AggregateTerms::Make(const SchemaPtr& schema,
                                               const std::vector<int>& keys,
                                               const std::vector<FunctionCall>& calls,
                                               GroupFields fields, bool removes) {
  ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder, KeyEncoder::Make(KeyColumnsOf(*schema, keys)));
  std::shared_ptr<AggregateTerms> terms(new AggregateTerms(std::move(encoder)));
  terms->fields_ = fields;
  for (const FunctionCall& call : calls) ARROW_RETURN_NOT_OK(terms->AddCall(call, removes));
  terms->LayOut();
  terms->MakeSavedSchema();
  terms->MakeSpilledSchema();
  return terms;
}

Status AggregateTerms::AddCall(const FunctionCall& call, bool removes) {
  ARROW_RETURN_NOT_OK(CheckCall(call, removes));
  AggregateCall added;
  added.kernel = KernelFor(call, removes);
  added.type = call.type;
  added.name = call.name;
  for (const ExpressionPtr& arg : call.args) {
    const bool is_column = arg->kind == Expression::Kind::kColumn;
    added.columns.push_back(is_column ? arg->column : -1);
    added.arguments.emplace_back();
    if (!is_column) {
      ARROW_ASSIGN_OR_RAISE(added.arguments.back(), Constant(*arg));
    }
  }
  has_extra_ = has_extra_ || added.kernel->bytes != nullptr;
  has_destroy_ = has_destroy_ || added.kernel->destroy != nullptr;
  calls_.push_back(std::move(added));
  return Status::OK();
}

size_t AggregateTerms::Place(size_t size, size_t align) {
  const size_t offset = (row_size_ + align - 1) / align * align;
  row_size_ = offset + size;
  row_align_ = std::max(row_align_, align);
  return offset;
}

void AggregateTerms::LayOut() {
  if (fields_.first) first_offset_ = Place(sizeof(RowPosition), alignof(RowPosition));
  if (fields_.rows) rows_offset_ = Place(sizeof(int64_t), alignof(int64_t));
  if (has_extra_) extra_offset_ = Place(sizeof(int64_t), alignof(int64_t));
  for (AggregateCall& call : calls_) {
    call.offset = Place(call.kernel->size, call.kernel->align);
  }
  row_size_ = (row_size_ + row_align_ - 1) / row_align_ * row_align_;
}

void AggregateTerms::MakeSavedSchema() {
  arrow::FieldVector fields;
  for (const KeyColumn& key : encoder_.keys()) fields.push_back(arrow::field(key.name, key.type));
  for (const AggregateCall& call : calls_) {
    fields.push_back(arrow::field(call.name, arrow::binary(), /*nullable=*/false));
  }
  const auto add_field = [&fields](const char* name) {
    fields.push_back(arrow::field(name, arrow::int64(), /*nullable=*/false));
  };
  if (fields_.first) add_field("first_split");
  if (fields_.first) add_field("first_row");
  if (fields_.rows) add_field("rows");
  saved_schema_ = arrow::schema(std::move(fields));
}

void AggregateTerms::MakeSpilledSchema() {
  spilled_schema_ = saved_schema_;
  if (!is_plain()) return;
  arrow::FieldVector fields;
  for (const KeyColumn& key : encoder_.keys()) fields.push_back(arrow::field(key.name, key.type));
  const auto row = arrow::fixed_size_binary(static_cast<int32_t>(row_size_));
  fields.push_back(arrow::field("states", row, /*nullable=*/false));
  spilled_schema_ = arrow::schema(std::move(fields));
}

void AggregateTerms::Init(std::byte* row) const {
  if (fields_.first) {
    constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
    FirstOf(row) = {kLast, kLast};
  }
  if (fields_.rows) RowsOf(row) = 0;
  if (has_extra_) CountedExtraOf(row) = 0;
  for (const AggregateCall& call : calls_) call.kernel->init(row + call.offset);
}

void AggregateTerms::Destroy(std::byte* row) const {
  for (const AggregateCall& call : calls_) {
    if (call.kernel->destroy != nullptr) call.kernel->destroy(row + call.offset);
  }
}

int64_t AggregateTerms::ExtraBytesOf(const std::byte* row) const {
  int64_t bytes = 0;
  for (const AggregateCall& call : calls_) {
    if (call.kernel->bytes != nullptr) bytes += call.kernel->bytes(row + call.offset);
  }
  return bytes;
}

RowPosition& AggregateTerms::FirstOf(std::byte* row) const {
  return FieldAt<RowPosition>(row, first_offset_);
}

int64_t& AggregateTerms::RowsOf(std::byte* row) const {
  return FieldAt<int64_t>(row, rows_offset_);
}

int64_t& AggregateTerms::CountedExtraOf(std::byte* row) const {
  return FieldAt<int64_t>(row, extra_offset_);
}

Result<std::vector<std::vector<Argument>>> AggregateTerms::ArgumentsOf(
    const Batch& batch, arrow::MemoryPool* pool) const {
  std::vector<std::vector<Argument>> all;
  for (const AggregateCall& call : calls_) {
    all.push_back(call.arguments);
    for (size_t i = 0; i < call.columns.size(); ++i) {
      if (call.columns[i] < 0) continue;
      ARROW_ASSIGN_OR_RAISE(all.back()[i].array, Decode(batch.column(call.columns[i]), pool));
    }
  }
  return all;
}

std::vector<KernelContext> AggregateTerms::ContextsOf(arrow::MemoryPool* pool) const {
  std::vector<KernelContext> contexts;
  for (const AggregateCall& call : calls_) contexts.push_back({pool, call.type});
  return contexts;
}

StateRow::StateRow(const AggregateTerms& terms)
    : terms_(terms), bytes_(terms.row_size() + terms.row_align()) {
  const auto address = reinterpret_cast<uintptr_t>(bytes_.data());
  const uintptr_t aligned = (address + terms.row_align() - 1) & ~(terms.row_align() - 1);
  row_ = bytes_.data() + (aligned - address);
  terms_.Init(row_);
}

void StateRow::Reset() {
  terms_.Destroy(row_);
  terms_.Init(row_);
}

Status MergeStates(const AggregateTerms& terms, std::byte* into, std::byte* from,
                   std::span<KernelContext> contexts) {
  for (size_t i = 0; i < contexts.size(); ++i) {
    const AggregateCall& call = terms.calls()[i];
    ARROW_RETURN_NOT_OK(call.kernel->merge(contexts[i], into + call.offset, from + call.offset));
  }
  if (terms.fields().first) {
    terms.FirstOf(into) = std::min(terms.FirstOf(into), terms.FirstOf(from));
  }
  if (terms.fields().rows) terms.RowsOf(into) += terms.RowsOf(from);
  return Status::OK();
}

Result<std::vector<ArrayPtr>> FinishStates(const AggregateTerms& terms,
                                           std::span<std::byte* const> states,
                                           std::span<KernelContext> contexts) {
  std::vector<ArrayPtr> columns;
  for (size_t i = 0; i < contexts.size(); ++i) {
    const AggregateCall& call = terms.calls()[i];
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(call.type, contexts[i].pool));
    ARROW_RETURN_NOT_OK(call.kernel->finish(contexts[i], states.data(), call.offset,
                                            static_cast<int64_t>(states.size()), builder.get()));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder->Finish());
  }
  return columns;
}

Status AppendFirst(const AggregateTerms& terms, std::span<std::byte* const> states,
                   arrow::MemoryPool* pool, std::vector<ArrayPtr>* columns) {
  if (!terms.fields().first) return Status::OK();
  arrow::Int64Builder splits(pool);
  arrow::Int64Builder rows(pool);
  for (std::byte* state : states) {
    ARROW_RETURN_NOT_OK(splits.Append(terms.FirstOf(state).split));
    ARROW_RETURN_NOT_OK(rows.Append(terms.FirstOf(state).row));
  }
  ARROW_ASSIGN_OR_RAISE(columns->emplace_back(), splits.Finish());
  return rows.Finish().Value(&columns->emplace_back());
}

std::vector<Argument> SliceArguments(const std::vector<Argument>& arguments, int64_t begin,
                                     int64_t end) {
  std::vector<Argument> slices = arguments;
  for (Argument& slice : slices) {
    if (!slice.is_constant) slice.array = slice.array->Slice(begin, end - begin);
  }
  return slices;
}

std::string DescribeAggregate(const arrow::Schema& schema, const std::vector<int>& keys,
                              const std::vector<FunctionCall>& calls) {
  std::string text;
  for (int key : keys) {
    text += (text.empty() ? "" : ", ") + schema.field(key)->name();
  }
  text = keys.empty() ? "calls=[" : "keys=[" + text + "], calls=[";
  for (size_t i = 0; i < calls.size(); ++i) {
    text += std::string(i == 0 ? "" : ", ") + calls[i].function->id + "(";
    for (size_t j = 0; j < calls[i].args.size(); ++j) {
      text += (j == 0 ? "" : ", ") + ToString(*calls[i].args[j]);
    }
    text += ")";
  }
  return text + "]";
}

}  // namespace headrace
