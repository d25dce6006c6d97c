// lead, first_value, last_value, nth_value: the value of another row of the partition or frame.
#include "headrace/function/define.h"
#include "headrace/function/ordered/pick.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

using Args = std::span<const Argument>;

Status PickLead(const WindowRows& rows, Args args, std::vector<int64_t>* picked) {
  return PickAway(rows, args, +1, picked);
}

/// The n-th row (from 1) of the frame that counts; by −1 the last.
Status PickInFrame(const WindowRows& rows, const Argument& values, int64_t n,
                   std::vector<int64_t>* picked) {
  const Validity valid(values);
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    const int64_t begin = rows.frame_begin[i];
    const int64_t end = rows.frame_end[i];
    int64_t row = n < 0 ? end - 1 : begin + n - 1;
    if (rows.ignore_nulls && n < 0) {
      while (row >= begin && !valid[row]) --row;
    } else if (rows.ignore_nulls) {
      int64_t left = n;
      for (row = begin; row < end; ++row) {
        if (valid[row] && --left == 0) break;
      }
    }
    picked->push_back(row >= begin && row < end ? row : -1);
  }
  return Status::OK();
}

Status PickFirst(const WindowRows& rows, Args args, std::vector<int64_t>* picked) {
  return PickInFrame(rows, args[0], 1, picked);
}

Status PickLast(const WindowRows& rows, Args args, std::vector<int64_t>* picked) {
  return PickInFrame(rows, args[0], -1, picked);
}

Status PickNth(const WindowRows& rows, Args args, std::vector<int64_t>* picked) {
  const int64_t n = View<int64_t>(args[1])[0];
  if (n < 1) {
    return Error(ErrorKind::kInvalidArgument, "nth_value counts rows from 1, got {}", n);
  }
  return PickInFrame(rows, args[0], n, picked);
}

constexpr WindowKernel kLeadKernel = {.reach = WindowReach::kAhead, .pick = PickLead};
constexpr WindowKernel kFirstKernel = {
    .reach = WindowReach::kFrame, .needs_frame = true, .pick = PickFirst};
constexpr WindowKernel kLastKernel = {
    .reach = WindowReach::kFrameEnd, .needs_frame = true, .pick = PickLast};
constexpr WindowKernel kNthKernel = {
    .reach = WindowReach::kFrame, .needs_frame = true, .pick = PickNth};

constexpr ArgPattern kAny[] = {ArgPattern::kAny, ArgPattern::kConstantInt64};
constexpr ArgPattern kWithDefault[] = {ArgPattern::kCommon, ArgPattern::kConstantInt64,
                                       ArgPattern::kCommon};
constexpr std::span<const ArgPattern> kValue(kAny, 1);
constexpr Overload kLeadOverloads[] = {
    {.args = kValue, .result = FirstType, .window = &kLeadKernel},
    {.args = kAny, .result = FirstType, .window = &kLeadKernel},
    {.args = kWithDefault, .result = FirstType, .window = &kLeadKernel},
};
constexpr Overload kFirstOverloads[] = {
    {.args = kValue, .result = FirstType, .window = &kFirstKernel}};
constexpr Overload kLastOverloads[] = {
    {.args = kValue, .result = FirstType, .window = &kLastKernel}};
constexpr Overload kNthOverloads[] = {{.args = kAny, .result = FirstType, .window = &kNthKernel}};

constexpr Example kLeadExamples[] = {{"lead(x)", "NULL, 3, NULL", "(1), (NULL), (3)"},
                                     {"lead(x, 2, 0)", "3, 0, 0", "(1), (NULL), (3)"}};
constexpr Example kFirstExamples[] = {{"first_value(x)", "1, 1", "(1), (NULL)"},
                                      {"first_value(x)", "NULL, NULL", "(NULL), ('a')"}};
constexpr Example kLastExamples[] = {{"last_value(x)", "NULL, NULL", "(1), (NULL)"},
                                     {"last_value(x)", "a, a", "(NULL), ('a')"}};
constexpr Example kNthExamples[] = {{"nth_value(x, 2)", "NULL, NULL", "(1), (NULL)"},
                                    {"nth_value(x, 2)", "a, a", "(NULL), ('a')"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kLead) = {
    .id = "lead",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "lead"},
    .overloads = kLeadOverloads,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kIgnoresNulls,
    .parallel = ParallelClass::kHalo,
    .lookahead = kByArgument,
    .arguments = "x, n, default",
    .doc =
        "The value n rows after (1 unless given; a constant), the default (NULL unless given) "
        "where "
        "there is no such row. Any type.",
    .examples = kLeadExamples,
};

HEADRACE_DEFINE_FUNCTION(kFirstValue) = {
    .id = "first_value",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "first_value"},
    .overloads = kFirstOverloads,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kIgnoresNulls,
    .parallel = ParallelClass::kSerial,
    .arguments = "x",
    .doc = "The value of the first row of the frame; with IGNORE NULLS of the first that has one.",
    .examples = kFirstExamples,
};

HEADRACE_DEFINE_FUNCTION(kLastValue) = {
    .id = "last_value",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "last_value"},
    .overloads = kLastOverloads,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kIgnoresNulls,
    .parallel = ParallelClass::kSerial,
    .arguments = "x",
    .doc = "The value of the last row of the frame; with IGNORE NULLS of the last that has one.",
    .examples = kLastExamples,
};

HEADRACE_DEFINE_FUNCTION(kNthValue) = {
    .id = "nth_value",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "nth_value"},
    .overloads = kNthOverloads,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kIgnoresNulls,
    .parallel = ParallelClass::kSerial,
    .arguments = "x, n",
    .doc =
        "The value of the n-th row of the frame, from 1 (a constant); NULL where the frame is "
        "shorter. With IGNORE NULLS rows without a value do not count.",
    .examples = kNthExamples,
};

}  // namespace headrace
