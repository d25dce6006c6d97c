// For tests: drives one operator as a lane does, and disguises rows as other batches, encodings and
// selections.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/compute/initialize.h"
#include "arrow/memory_pool.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/exec/operator.h"
#include "headrace/expression/bind.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"
#include "headrace/types/test_arrays.h"

namespace headrace::pipe_test {

inline const bool kComputeIsReady = arrow::compute::Initialize().ok();

inline arrow::MemoryPool* Pool() { return arrow::default_memory_pool(); }

/// A table: one batch and its schema.
struct TestTable {
  SchemaPtr schema;
  Batch batch;
  int64_t count() const { return batch.num_rows(); }
};

inline TestTable MakeRows(arrow::FieldVector fields, const std::vector<std::string>& json_columns) {
  std::vector<ArrayPtr> columns;
  for (size_t i = 0; i < fields.size(); ++i) {
    columns.push_back(FromJson(fields[i]->type(), json_columns[i]));
  }
  const int64_t count = columns[0]->length();
  return {arrow::schema(std::move(fields)), Batch(std::move(columns), count)};
}

/// `value` null: a null cell.
inline ArrayPtr Int64s(int64_t count, const std::function<std::optional<int64_t>(int64_t)>& value) {
  arrow::Int64Builder builder;
  for (int64_t row = 0; row < count; ++row) {
    const std::optional<int64_t> cell = value(row);
    EXPECT_OK(cell.has_value() ? builder.Append(*cell) : builder.AppendNull());
  }
  return builder.Finish().ValueOrDie();
}

inline ArrayPtr Texts(int64_t count,
                      const std::function<std::optional<std::string>(int64_t)>& value) {
  arrow::StringBuilder builder;
  for (int64_t row = 0; row < count; ++row) {
    const std::optional<std::string> cell = value(row);
    EXPECT_OK(cell.has_value() ? builder.Append(*cell) : builder.AppendNull());
  }
  return builder.Finish().ValueOrDie();
}

/// Rows of text cells, as FormatValue gives them; null is "NULL".
using Cells = std::vector<std::vector<std::string>>;

inline Cells CellsOf(const Batch& batch) {
  const Batch rows = batch.Compact(Pool()).ValueOrDie();
  Cells cells(static_cast<size_t>(rows.num_rows()));
  for (const ArrayPtr& column : rows.columns()) {
    EXPECT_OK(column->ValidateFull());
    EXPECT_EQ(column->length(), rows.num_rows());
    for (size_t row = 0; row < cells.size(); ++row) {
      cells[row].push_back(FormatValue(*column, static_cast<int64_t>(row)));
    }
  }
  return cells;
}

inline Cells CellsOf(const std::vector<Batch>& batches) {
  Cells all;
  for (const Batch& batch : batches) {
    Cells cells = CellsOf(batch);
    all.insert(all.end(), cells.begin(), cells.end());
  }
  return all;
}

/// The same values in another encoding and perhaps as a slice.
inline ArrayPtr DisguiseColumn(const ArrayPtr& column, Rng& rng) {
  ArrayPtr result = column;
  if (column->type_id() == arrow::Type::STRING) {
    const uint64_t choice = rng.Below(4);
    if (choice == 1) result = Encode(column, arrow::large_utf8(), Pool()).ValueOrDie();
    if (choice == 2) {
      const TypePtr type = arrow::dictionary(arrow::int32(), arrow::utf8());
      result = Encode(column, type, Pool()).ValueOrDie();
    }
  }
  if (rng.Below(3) == 0) {
    const int64_t before = static_cast<int64_t>(rng.Below(9)) + 1;
    const ArrayPtr padding = arrow::MakeArrayOfNull(column->type(), before).ValueOrDie();
    const ArrayPtr joined = arrow::Concatenate({padding, column}, Pool()).ValueOrDie();
    if (result == column) result = joined->Slice(before);
  }
  return result;
}

/// The same rows, perhaps among others that are not selected.
inline Batch Disguise(const Batch& batch, Rng& rng) {
  Batch result = batch;
  if (rng.Below(2) == 0 && batch.num_rows() > 0) {
    arrow::UInt32Builder indices;
    auto selected = std::make_shared<std::vector<uint32_t>>();
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      while (rng.Below(3) == 0) {
        EXPECT_OK(indices.Append(static_cast<uint32_t>(rng.Below(batch.num_rows()))));
      }
      selected->push_back(static_cast<uint32_t>(indices.length()));
      EXPECT_OK(indices.Append(static_cast<uint32_t>(row)));
    }
    result = batch.Take(*indices.Finish().ValueOrDie(), Pool()).ValueOrDie();
    result = result.WithSelection(selected);
  }
  std::vector<ArrayPtr> columns = result.columns();
  for (ArrayPtr& column : columns) column = DisguiseColumn(column, rng);
  return result.WithColumns(std::move(columns));
}

/// The rows in batches of random lengths, disguised, numbered in split 0.
inline std::vector<Batch> SplitRows(const TestTable& rows, Rng& rng, int64_t rows_max) {
  std::vector<Batch> batches;
  for (int64_t begin = 0; begin < rows.count();) {
    const int64_t wanted = 1 + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(rows_max)));
    const int64_t length = std::min(rows.count() - begin, wanted);
    batches.push_back(Disguise(rows.batch.Slice(begin, length), rng));
    batches.back().set_ordinal({0, static_cast<int64_t>(batches.size()) - 1});
    begin += length;
  }
  return batches;
}

inline ExpressionPtr BindTo(const Scope& scope, const UnboundPtr& expression) {
  return Bind(*expression, scope, Dialect::kSql).ValueOrDie();
}
inline UnboundPtr Col(const std::string& name) { return Unbound::Column({name}); }
inline UnboundPtr Int(int64_t value) {
  return Unbound::Literal(std::make_shared<arrow::Int64Scalar>(value));
}
inline UnboundPtr Call(const std::string& name, std::vector<UnboundPtr> args) {
  return Unbound::Call(name, std::move(args));
}

struct PipeSettings {
  int64_t batch_rows = kBatchRowsDefault;
  int64_t batch_bytes = kBatchBytesMax;
  int64_t budget_bytes = int64_t{1} << 40;
  /// Not 0: now and then nothing can be reserved until the operator has asked for memory.
  uint64_t refuse_seed = 0;
  int lane = 0;
  int lanes = 1;
  CallbackEvaluator* callbacks = nullptr;
  SpillSpace* spill = nullptr;
  /// What happens while the operator is blocked.
  std::function<void()> while_blocked;
};

/// One operator on one lane.
class Pipe {
 public:
  explicit Pipe(const OperatorSpec& spec, PipeSettings options = {},
                std::shared_ptr<GlobalState> global = nullptr)
      : options_(std::move(options)),
        refusals_(options_.refuse_seed),
        budget_(MemoryBudget::MakeRoot(spec.name(), options_.budget_bytes)),
        op_(spec.Make(std::move(global))) {}

  Status Open() { return op_->Open(context()); }
  Status Push(Batch batch, int port = 0) {
    return Repeat([&](Out& out) { return op_->Push(port, batch, out); });
  }
  Status Advance(Watermark watermark, int port = 0) {
    return Repeat([&](Out& out) { return op_->Advance(port, watermark, out); });
  }
  Status Finish(int port = 0) {
    return Repeat([&](Out& out) { return op_->Finish(port, out); });
  }
  /// Pushes all while they are wanted, and finishes.
  Status Run(const std::vector<Batch>& batches) {
    ARROW_RETURN_NOT_OK(Open());
    for (const Batch& batch : batches) {
      if (finished_) return Status::OK();
      ARROW_RETURN_NOT_OK(Push(batch));
    }
    return finished_ ? Status::OK() : Finish();
  }

  OperatorContext context() const {
    OperatorContext context;
    context.lane = options_.lane;
    context.lanes = options_.lanes;
    context.batch_rows = options_.batch_rows;
    context.batch_bytes = options_.batch_bytes;
    context.budget = budget_;
    context.pool = Pool();
    context.callbacks = options_.callbacks;
    context.spill = options_.spill;
    return context;
  }

  Operator& op() { return *op_; }
  MemoryBudget& budget() { return *budget_; }
  bool finished() const { return finished_; }
  int64_t calls() const { return calls_; }
  int64_t refused() const { return refused_; }
  const std::vector<Batch>& outputs() const { return outputs_; }
  const std::vector<Watermark>& watermarks() const { return watermarks_; }
  std::vector<Batch> TakeOutputs() { return std::exchange(outputs_, {}); }
  Cells cells() const { return CellsOf(outputs_); }

 private:
  template <typename Step>
  Status Repeat(Step step) {
    while (true) {
      Reservation others(budget_);
      const bool refuses = options_.refuse_seed != 0 && refusals_.Below(3) == 0;
      if (refuses) {
        EXPECT_TRUE(others.TryResize(options_.budget_bytes - budget_->used_bytes()));
      }
      Out out;
      ++calls_;
      ARROW_ASSIGN_OR_RAISE(Flow flow, step(out));
      if (flow.kind == Flow::Kind::kNeedMemory) {
        EXPECT_TRUE(out.empty());
        EXPECT_GT(flow.bytes, 0);
        if (!refuses) return budget_->OverLimit(flow.bytes);
        ++refused_;
        others.Clear();
        ARROW_ASSIGN_OR_RAISE(flow, step(out));
        EXPECT_NE(flow.kind, Flow::Kind::kNeedMemory);
      }
      Keep(out);
      finished_ = flow.kind == Flow::Kind::kFinished;
      if (flow.kind == Flow::Kind::kNeedInput || finished_) return Status::OK();
      if (flow.kind == Flow::Kind::kBlocked) options_.while_blocked();
    }
  }

  void Keep(Out& out) {
    if (std::optional<Batch> batch = out.TakeBatch()) {
      EXPECT_GT(batch->num_rows(), 0);
      EXPECT_LE(batch->num_rows(), kBatchRowsMax);
      outputs_.push_back(*std::move(batch));
    }
    if (std::optional<Watermark> watermark = out.TakeWatermark()) watermarks_.push_back(*watermark);
  }

  const PipeSettings options_;
  Rng refusals_;
  std::shared_ptr<MemoryBudget> budget_;
  std::unique_ptr<Operator> op_;
  std::vector<Batch> outputs_;
  std::vector<Watermark> watermarks_;
  bool finished_ = false;
  int64_t calls_ = 0;
  int64_t refused_ = 0;
};

}  // namespace headrace::pipe_test
