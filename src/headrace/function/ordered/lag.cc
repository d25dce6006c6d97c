// lag: the value some rows before, of any type. The state keeps the last rows as cells.
#include "arrow/array/array_base.h"
#include "arrow/array/builder_base.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/function/cell.h"
#include "headrace/function/define.h"
#include "headrace/function/ordered/pick.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

struct Cell {
  bool is_valid = false;
  std::string bytes;
};

/// The last rows before the next one, at most `capacity` of them.
class RecentRows {
 public:
  int64_t size() const { return static_cast<int64_t>(cells_.size()); }
  /// The row that was pushed `distance` rows ago; 1 is the last. REQUIRES: distance <= size().
  const Cell& Ago(int64_t distance) const {
    return cells_[static_cast<size_t>((next_ + size() - distance) % size())];
  }
  void Push(Cell cell, int64_t capacity) {
    if (size() < capacity) {
      cells_.push_back(std::move(cell));
      return;  // next_ stays 0 while the ring grows
    }
    cells_[static_cast<size_t>(next_)] = std::move(cell);
    next_ = (next_ + 1) % capacity;
  }
  int64_t bytes() const {
    auto bytes = static_cast<int64_t>(cells_.capacity() * sizeof(Cell));
    for (const Cell& cell : cells_) bytes += HeapBytes(cell.bytes);
    return bytes;
  }

 private:
  std::vector<Cell> cells_;  // a ring
  int64_t next_ = 0;         // the oldest cell once the ring is full
};

Status AppendRow(const Argument& arg, int64_t row, int64_t count, arrow::ArrayBuilder* out) {
  if (!arg.is_constant) {
    return out->AppendArraySlice(arrow::ArraySpan(*arg.array->data()), row, count);
  }
  ARROW_ASSIGN_OR_RAISE(const ScalarPtr value, arg.array->GetScalar(0));
  return out->AppendScalar(*value, count);
}

Status AppendRecent(const RecentRows& recent, int64_t distance, const arrow::DataType& type,
                    arrow::ArrayBuilder* out) {
  if (distance > recent.size()) return out->AppendNull();
  const Cell& cell = recent.Ago(distance);
  return cell.is_valid ? AppendCell(cell.bytes, type, out) : out->AppendNull();
}

Status Remember(const Argument& arg, int64_t begin, int64_t end, int64_t capacity,
                RecentRows* recent) {
  const Validity valid(arg);
  for (int64_t row = std::max(begin, end - capacity); row < end; ++row) {
    Cell cell{valid[row], {}};
    if (cell.is_valid) {
      ARROW_RETURN_NOT_OK(EncodeCell(*arg.array, arg.is_constant ? 0 : row, &cell.bytes));
    }
    recent->Push(std::move(cell), capacity);
  }
  return Status::OK();
}

Status Run(KernelContext&, std::byte* state, std::span<const Argument> args, int64_t begin,
           int64_t end, arrow::ArrayBuilder* out) {
  auto& recent = StateAt<RecentRows>(state);
  const Argument& values = args[0];
  const int64_t rows_back = args.size() > 1 ? View<int64_t>(args[1])[0] : 1;
  if (rows_back == 0) return AppendRow(values, begin, end - begin, out);
  const int64_t from_before = std::min(rows_back, end - begin);
  for (int64_t i = 0; i < from_before; ++i) {
    ARROW_RETURN_NOT_OK(AppendRecent(recent, rows_back - i, *values.array->type(), out));
  }
  ARROW_RETURN_NOT_OK(AppendRow(values, begin, end - begin - from_before, out));
  return Remember(values, begin, end, rows_back, &recent);
}

Status Save(const std::byte* state, std::string* out) {
  const auto& recent = StateAt<RecentRows>(state);
  PutValue(recent.size(), out);
  for (int64_t distance = recent.size(); distance > 0; --distance) {
    const Cell& cell = recent.Ago(distance);
    PutValue<uint8_t>(cell.is_valid ? 1 : 0, out);
    if (cell.is_valid) PutText(cell.bytes, out);
  }
  return Status::OK();
}

Status Load(std::byte* state, std::string_view bytes) {
  StateBytesReader reader("lag", bytes);
  int64_t size = 0;
  ARROW_RETURN_NOT_OK(reader.ReadCount(&size));
  if (size > kBatchRowsMax) return reader.Damaged("too many rows");
  RecentRows loaded;
  for (int64_t i = 0; i < size; ++i) {
    Cell cell;
    ARROW_RETURN_NOT_OK(reader.ReadFlag(&cell.is_valid));
    if (cell.is_valid) ARROW_RETURN_NOT_OK(reader.ReadText(&cell.bytes));
    loaded.Push(std::move(cell), size);
  }
  ARROW_RETURN_NOT_OK(reader.Finish());
  StateAt<RecentRows>(state) = std::move(loaded);
  return Status::OK();
}

int64_t Bytes(const std::byte* state) { return StateAt<RecentRows>(state).bytes(); }

constexpr OrderedKernel kKernel = {
    .size = sizeof(RecentRows),
    .align = alignof(RecentRows),
    .init = InitState<RecentRows>,
    .destroy = DestroyState<RecentRows>,
    .run = Run,
    .save = Save,
    .load = Load,
    .bytes = Bytes,
};

Status PickLag(const WindowRows& rows, std::span<const Argument> args,
               std::vector<int64_t>* picked) {
  return PickAway(rows, args, -1, picked);
}

constexpr WindowKernel kWindow = {.reach = WindowReach::kBehind, .pick = PickLag};

constexpr ArgPattern kWithDefault[] = {ArgPattern::kCommon, ArgPattern::kConstantInt64,
                                       ArgPattern::kCommon};
constexpr ArgPattern kArgs[] = {ArgPattern::kAny, ArgPattern::kConstantInt64};
constexpr Overload kOverloads[] = {
    {.args = std::span<const ArgPattern>(kArgs, 1),
     .result = FirstType,
     .ordered = &kKernel,
     .window = &kWindow},
    {.args = kArgs, .result = FirstType, .ordered = &kKernel, .window = &kWindow},
    {.args = kWithDefault, .result = FirstType, .window = &kWindow},
};
constexpr Example kExamples[] = {
    {"lag(x)", "NULL, 1, NULL", "(1), (NULL), (3)"},
    {"lag(x, 2)", "NULL, NULL, a", "('a'), (NULL), ('c')"},
    {"lag(x, 1, 9)", "9, 1, NULL", "(1), (NULL), (3)"},
    {"lag(x, 0)", "1, NULL", "(1), (NULL)"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kLag) = {
    .id = "lag",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "lag", .ltseq = "shift"},
    .overloads = kOverloads,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kIgnoresNulls,
    .parallel = ParallelClass::kHalo,
    .lookback = kByArgument,
    .arguments = "x, n, default",
    .doc =
        "The value n rows before (1 unless given; a constant from 0 to 65536), the default (NULL "
        "unless given) where there is no such row. Any type.",
    .examples = kExamples,
};

}  // namespace headrace
