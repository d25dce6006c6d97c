// Aggregates that keep all values in the order of the input: list and string_agg.
#include <algorithm>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_nested.h"
#include "arrow/type.h"
#include "headrace/function/aggregate/removing_kernel.h"
#include "headrace/function/aggregate/retained_rows.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/cell.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

using enum ArgPattern;

using Entry = RetainedRows::Entry;

/// Entries one behind the other: position, whether there is a value, the cell with its length.
struct Collected {
  static constexpr const char* kOwner = "list or string_agg";

  std::string bytes;
  std::string separator;

  void Add(const RowPosition& position, bool is_valid, std::string_view cell) {
    PutValue(position.split, &bytes);
    PutValue(position.row, &bytes);
    PutValue<uint8_t>(is_valid ? 1 : 0, &bytes);
    PutText(cell, &bytes);
  }
  void Merge(const Collected& other) {
    if (!other.bytes.empty()) separator = other.separator;
    bytes += other.bytes;
  }
  void Save(std::string* out) const {
    PutText(separator, out);
    PutText(bytes, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.ReadText(&separator));
    ARROW_RETURN_NOT_OK(reader.ReadText(&bytes));
    return Entries().status();
  }
  int64_t Bytes() const { return HeapBytes(bytes) + HeapBytes(separator); }

  /// In the order of the input.
  Result<std::vector<Entry>> Entries() const {
    std::vector<Entry> entries;
    std::string_view rest = bytes;
    const auto take = [&rest](auto* value) {
      if (rest.size() < sizeof(*value)) return false;
      std::memcpy(value, rest.data(), sizeof(*value));
      rest.remove_prefix(sizeof(*value));
      return true;
    };
    while (!rest.empty()) {
      Entry entry;
      uint8_t is_valid = 0;
      uint64_t size = 0;
      const bool whole = take(&entry.position.split) && take(&entry.position.row) &&
                         take(&is_valid) && take(&size) && is_valid <= 1 && size <= rest.size();
      if (!whole) return Error(ErrorKind::kBadData, "the saved state of {} is damaged", kOwner);
      entry.is_valid = is_valid == 1;
      entry.cell = rest.substr(0, size);
      rest.remove_prefix(size);
      entries.push_back(entry);
    }
    const auto before = [](const Entry& a, const Entry& b) { return a.position < b.position; };
    if (!std::is_sorted(entries.begin(), entries.end(), before)) {
      std::stable_sort(entries.begin(), entries.end(), before);
    }
    return entries;
  }
};

struct TextRows {
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    const BytesView text(rows.args[0]);
    ForEachComplete(rows, [&](int64_t row) {
      auto& state = into(row);
      state.separator = rows.args.size() > 1 ? BytesView(rows.args[1])[row] : ",";
      state.Add(PositionOfRow(rows, row), true, text[row]);
    });
    return Status::OK();
  }
  template <typename Into>
  static Status Remove(KernelContext&, const AggregateRows& rows, Into&& into) {
    const BytesView text(rows.args[0]);
    ForEachComplete(rows, [&](int64_t row) { into(row).Remove(true, text[row]); });
    return Status::OK();
  }
};

template <typename State>
Status FinishList(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                  arrow::ArrayBuilder* out) {
  auto& lists = static_cast<arrow::ListBuilder&>(*out);
  const arrow::DataType& type = *ctx.result_type->field(0)->type();
  for (int64_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto entries, StateAt<State>(groups[i], offset).Entries());
    ARROW_RETURN_NOT_OK(entries.empty() ? lists.AppendNull() : lists.Append());
    for (const Entry& entry : entries) {
      ARROW_RETURN_NOT_OK(entry.is_valid ? AppendCell(entry.cell, type, lists.value_builder())
                                         : lists.value_builder()->AppendNull());
    }
  }
  return Status::OK();
}

template <typename State>
Status FinishText(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                  arrow::ArrayBuilder* out) {
  std::string joined;
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<State>(groups[i], offset);
    ARROW_ASSIGN_OR_RAISE(const auto entries, state.Entries());
    joined.clear();
    for (const Entry& entry : entries) {
      if (&entry != &entries.front()) joined += state.separator;
      joined += entry.cell;
    }
    ARROW_RETURN_NOT_OK(entries.empty() ? out->AppendNull()
                                        : AppendCell(joined, *ctx.result_type, out));
  }
  return Status::OK();
}

constexpr AggregateKernel kListKernel = StateKernel<Collected, AllRows>(FinishList<Collected>);
constexpr AggregateKernel kTextKernel = StateKernel<Collected, TextRows>(FinishText<Collected>);
constexpr AggregateKernel kRetainedListKernel =
    StateKernel<RetainedRows, Retained<AllRows>>(FinishList<RetainedRows>);
constexpr AggregateKernel kRetainedTextKernel =
    StateKernel<RetainedRows, Retained<TextRows>>(FinishText<RetainedRows>);
constexpr Overload kListForm[] = {
    {.args = kArgs<kAny>, .result = ListOfFirstType, .aggregate = &kListKernel},
};
constexpr Overload kTextForm[] = {
    {.args = kArgs<kText>, .result = StringType, .aggregate = &kTextKernel},
    {.args = kArgs<kText, kString>, .result = StringType, .aggregate = &kTextKernel},
};

constexpr Example kListExamples[] = {{"list(x)", "[3, NULL, 1]", "(3), (NULL), (1)"},
                                     {"list(x)", "['a']", "('a')"}};
constexpr Example kStringAggExamples[] = {{"string_agg(x, '-')", "b-a", "('b'), (NULL), ('a')"},
                                          {"string_agg(x)", "NULL", "(CAST(NULL AS VARCHAR))"}};

}  // namespace

const AggregateKernel* RemovingCollection(const AggregateKernel& kernel) {
  if (&kernel == &kListKernel) return &kRetainedListKernel;
  return &kernel == &kTextKernel ? &kRetainedTextKernel : nullptr;
}

HEADRACE_DEFINE_FUNCTION(kList) = {
    .id = "list",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "list|array_agg"},
    .overloads = kListForm,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kOrderSensitive,
    .arguments = "x",
    .doc = "A list of all values, nulls too, in the order of the input; null of no row.",
    .examples = kListExamples,
};

HEADRACE_DEFINE_FUNCTION(kStringAgg) = {
    .id = "string_agg",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "string_agg|group_concat|listagg|collect"},
    .overloads = kTextForm,
    .nulls = NullRule::kSkip,
    .flags = function_flag::kOrderSensitive,
    .arguments = "x, separator",
    .doc =
        "The values that are not null as text, in the order of the input, with the separator (a "
        "comma) "
        "between them.",
    .examples = kStringAggExamples,
};

}  // namespace headrace
