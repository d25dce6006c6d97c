// Pieces are merged in the order of their rows.
#include "headrace/exec/op/window/cut_aggregate.h"

#include "arrow/array.h"
#include "arrow/array/builder_base.h"
#include "headrace/exec/op/aggregate/aggregate_terms.h"

namespace headrace {

CutAggregate::CutAggregate(const FunctionCall& call, std::vector<Argument> args, int64_t num_rows,
                           arrow::MemoryPool* pool)
    : kernel_(*call.overload->aggregate),
      type_(call.type),
      context_{pool, call.type},
      before_(call, args, num_rows, pool),
      behind_(call, args, num_rows, pool),
      args_(std::move(args)),
      results_(kernel_),
      rest_(kernel_) {}

void CutAggregate::Renew(std::vector<Argument> args, int64_t num_rows, int64_t rows_gone) {
  before_.Renew(args, num_rows, rows_gone);
  behind_.Renew(args, num_rows, rows_gone);
  args_ = std::move(args);
  rows_gone_ += rows_gone;
  rest_of_ = {};
}

Status CutAggregate::LoadRest(std::string_view rest) {
  const bool is_loaded = rest.data() == rest_of_.data() && rest.size() == rest_of_.size();
  rest_of_ = rest;
  if (is_loaded) return Status::OK();
  rest_.Reset(1);
  return kernel_.load(rest_[0], rest);
}

Status CutAggregate::AddKept(int64_t row, std::byte* state) {
  const std::vector<Argument> slice = SliceArguments(args_, row, row + 1);
  return kernel_.add_all(context_, state, {slice, 1, {0, rows_gone_ + row}});
}

Result<ArrayPtr> CutAggregate::Next(const CutFrames& frames) {
  const auto count = static_cast<int64_t>(frames.behind.begins.size());
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(context_.pool, type_, &builder));
  const bool owns_memory = kernel_.destroy != nullptr;
  if (!owns_memory) results_.Reset(count);
  for (int64_t frame = 0; frame < count; ++frame) {
    const auto i = static_cast<size_t>(frame);
    if (owns_memory) results_.Reset(1);
    std::byte* const state = results_[owns_memory ? 0 : frame];
    ARROW_RETURN_NOT_OK(before_.MergeNext(frames.before.begins[i], frames.before.ends[i], state));
    if (frames.kept[i] >= 0) ARROW_RETURN_NOT_OK(AddKept(frames.kept[i], state));
    ARROW_RETURN_NOT_OK(behind_.MergeNext(frames.behind.begins[i], frames.behind.ends[i], state));
    if (!frames.rest[i].empty()) {
      ARROW_RETURN_NOT_OK(LoadRest(frames.rest[i]));
      ARROW_RETURN_NOT_OK(kernel_.merge(context_, state, rest_[0]));
    }
    if (!owns_memory) continue;
    ARROW_RETURN_NOT_OK(kernel_.finish(context_, results_.pointers(), 0, 1, builder.get()));
  }
  if (!owns_memory) {
    ARROW_RETURN_NOT_OK(kernel_.finish(context_, results_.pointers(), 0, count, builder.get()));
  }
  return builder->Finish();
}

}  // namespace headrace
