// Saved states of aggregates and ordered functions on any bytes: what loads has to work like a
// state that was never saved.
#include <memory>
#include <new>

#include "arrow/array.h"
#include "arrow/array/builder_base.h"
#include "arrow/json/from_string.h"
#include "arrow/memory_pool.h"
#include "arrow/type.h"
#include "file_case.h"
#include "fuzz.h"
#include "headrace/function/registry.h"

namespace headrace::fuzz {
namespace {

constexpr int64_t kRows = 3;

struct Column {
  TypePtr type;
  const char* json;
};

/// Values for an argument; `variant` chooses among the types that a pattern takes.
Column ColumnFor(ArgPattern pattern, int variant) {
  static const std::vector<Column> any = {
      {arrow::int64(), "[1, null, -5]"},
      {arrow::utf8(), R"(["a", null, "longer than a small string is"])"},
      {arrow::float64(), "[0.5, null, NaN]"},
      {arrow::decimal128(20, 3), R"(["1.500", null, "-2.000"])"},
      {arrow::boolean(), "[true, null, false]"},
      {arrow::timestamp(arrow::TimeUnit::MICRO), "[0, null, 1357016400000000]"},
      {arrow::list(arrow::int32()), "[[1, 2], null, []]"},
  };
  switch (pattern) {
    case ArgPattern::kBoolean:
      return any[4];
    case ArgPattern::kInt32:
      return {arrow::int32(), "[1, null, -5]"};
    case ArgPattern::kInt64:
      return any[0];
    case ArgPattern::kUInt64:
      return {arrow::uint64(), "[1, null, 5]"};
    case ArgPattern::kFloat32:
      return {arrow::float32(), "[0.5, null, 3]"};
    case ArgPattern::kFloat64:
      return any[2];
    case ArgPattern::kDecimal128:
      return any[3];
    case ArgPattern::kString:
    case ArgPattern::kText:
      return any[1];
    case ArgPattern::kBinary:
      return {arrow::binary(), R"(["a", null, ""])"};
    case ArgPattern::kDate32:
      return {arrow::date32(), "[0, null, 15706]"};
    case ArgPattern::kTimestamp:
      return any[5];
    case ArgPattern::kTime:
      return {arrow::time64(arrow::TimeUnit::MICRO), "[0, null, 5]"};
    case ArgPattern::kDuration:
      return {arrow::duration(arrow::TimeUnit::MICRO), "[0, null, -5]"};
    case ArgPattern::kInterval:
      return {arrow::month_day_nano_interval(), "[[1, 2, 3], null, [0, 0, 0]]"};
    case ArgPattern::kList:
      return any[6];
    case ArgPattern::kMap:
      return {arrow::map(arrow::utf8(), arrow::int64()), R"([[["a", 1]], null, []])"};
    case ArgPattern::kStruct:
      return {arrow::struct_({arrow::field("a", arrow::int64())}), R"([{"a": 1}, null, {}])"};
    case ArgPattern::kItem:
      return {arrow::int32(), "[1, null, 2]"};
    case ArgPattern::kConstantInt64:
      return {arrow::int64(), "[2]"};
    case ArgPattern::kCommonComparable:
      return any[static_cast<size_t>(variant % 6)];
    case ArgPattern::kAny:
    case ArgPattern::kCommon:
      return any[static_cast<size_t>(variant) % any.size()];
  }
  return any[0];
}

/// An overload with arguments of fitting types.
struct Call {
  const Overload* overload;
  std::vector<Argument> args;
  TypePtr result_type;
};

/// Every overload that keeps states, with some types each.
const std::vector<Call>& Calls() {
  static const std::vector<Call> calls = [] {
    std::vector<Call> made;
    for (const FunctionDef* function : AllFunctions()) {
      for (const Overload& overload : function->overloads) {
        if (overload.ordered == nullptr && overload.aggregate == nullptr) continue;
        for (int variant = 0; variant < 7; ++variant) {
          Call call{&overload, {}, nullptr};
          std::vector<TypePtr> types;
          for (const ArgPattern pattern : overload.args) {
            const Column column = ColumnFor(pattern, variant);
            const auto array = arrow::json::ArrayFromJSONString(column.type, column.json);
            call.args.push_back({array.ValueOrDie(), pattern == ArgPattern::kConstantInt64});
            types.push_back(column.type);
          }
          if (overload.result == nullptr) continue;
          const auto result = overload.result(types);
          if (!result.ok()) continue;
          call.result_type = *result;
          made.push_back(std::move(call));
        }
      }
    }
    return made;
  }();
  return calls;
}

/// A state in memory of its own.
template <typename Kernel>
class State {
 public:
  explicit State(const Kernel& kernel)
      : kernel_(kernel),
        block_(
            static_cast<std::byte*>(::operator new(kernel.size, std::align_val_t{kernel.align}))) {
    kernel_.init(block_);
  }
  ~State() {
    if (kernel_.destroy != nullptr) kernel_.destroy(block_);
    ::operator delete(block_, std::align_val_t{kernel_.align});
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::byte* block() const { return block_; }
  Status Load(std::string_view bytes) { return kernel_.load(block_, bytes); }
  std::string Save() const {
    std::string bytes;
    const Status saved = kernel_.save(block_, &bytes);
    Expect(saved.ok(), "a state can be saved: " + saved.message());
    return bytes;
  }
  int64_t bytes() const { return kernel_.bytes == nullptr ? 0 : kernel_.bytes(block_); }

 private:
  const Kernel& kernel_;
  std::byte* const block_;
};

std::unique_ptr<arrow::ArrayBuilder> BuilderOf(const TypePtr& type) {
  return arrow::MakeBuilder(type).ValueOrDie();
}

void CheckError(const Status& status) {
  if (!status.ok()) ExpectPresentable(status);
}

/// The function may refuse what was loaded, but what it gives is valid.
void CheckResult(const Status& status, arrow::ArrayBuilder* builder, int64_t rows) {
  CheckError(status);
  if (!status.ok()) return;
  const ArrayPtr array = builder->Finish().ValueOrDie();
  Expect(array->length() == rows, "a value for every row");
  const Status valid = array->ValidateFull();
  Expect(valid.ok(), valid.message());
}

/// Whether the bytes load; then what is saved of them loads too, and is the same when saved again.
template <typename Kernel>
bool CheckLoad(const Kernel& kernel, State<Kernel>& state, std::string_view bytes, bool is_seed) {
  const Status loaded = state.Load(bytes);
  CheckError(loaded);
  Expect(loaded.ok() || !is_seed, "seeds are valid: " + loaded.message());
  if (!loaded.ok()) return false;
  Expect(state.bytes() <= 4096 + 64 * static_cast<int64_t>(bytes.size()),
         "memory in proportion to what was saved");
  State<Kernel> again(kernel);
  const std::string saved = state.Save();
  const Status reloaded = again.Load(saved);
  Expect(reloaded.ok(), "what was saved loads: " + reloaded.message());
  Expect(again.Save() == saved, "loading and saving again changes nothing");
  return true;
}

KernelContext ContextOf(const Call& call) {
  return {arrow::default_memory_pool(), call.result_type};
}

void CheckAggregate(const Call& call, std::string_view bytes, bool is_seed) {
  const AggregateKernel& kernel = *call.overload->aggregate;
  KernelContext context = ContextOf(call);
  State state(kernel);
  if (!CheckLoad(kernel, state, bytes, is_seed)) return;
  std::byte* groups[] = {state.block()};
  auto builder = BuilderOf(call.result_type);
  CheckResult(kernel.finish(context, groups, 0, 1, builder.get()), builder.get(), 1);
  State fresh(kernel);
  CheckError(kernel.merge(context, fresh.block(), state.block()));
  CheckError(kernel.add_all(context, state.block(), {call.args, kRows, {1, 0}}));
  CheckError(kernel.merge(context, state.block(), fresh.block()));
  builder = BuilderOf(call.result_type);
  CheckResult(kernel.finish(context, groups, 0, 1, builder.get()), builder.get(), 1);
}

void CheckOrdered(const Call& call, std::string_view bytes, bool is_seed) {
  const OrderedKernel& kernel = *call.overload->ordered;
  KernelContext context = ContextOf(call);
  State state(kernel);
  if (!CheckLoad(kernel, state, bytes, is_seed)) return;
  for (int times = 0; times < 2; ++times) {
    auto builder = BuilderOf(call.result_type);
    const Status run = kernel.run(context, state.block(), call.args, 0, kRows, builder.get());
    CheckResult(run, builder.get(), kRows);
  }
  static_cast<void>(state.Save());
}

std::string SavedAfterRows(const Call& call) {
  KernelContext context = ContextOf(call);
  if (call.overload->aggregate != nullptr) {
    State state(*call.overload->aggregate);
    CheckError(call.overload->aggregate->add_all(context, state.block(), {call.args, kRows, {}}));
    return state.Save();
  }
  State state(*call.overload->ordered);
  auto builder = BuilderOf(call.result_type);
  CheckError(
      call.overload->ordered->run(context, state.block(), call.args, 0, kRows, builder.get()));
  return state.Save();
}

}  // namespace

std::vector<std::string> Seeds() {
  Expect(Calls().size() < 256 * 256, "two bytes choose the call");
  std::vector<std::string> seeds;
  for (size_t i = 0; i < Calls().size(); ++i) {
    const std::string chosen = {static_cast<char>(i / 256), static_cast<char>(i % 256)};
    seeds.push_back(chosen + SavedAfterRows(Calls()[i]));
  }
  return seeds;
}

std::vector<std::string> Tokens() {
  return {std::string(1, '\0'),
          "\x01",
          std::string(8, '\0'),
          std::string(8, '\xff'),
          std::string("\x01\0\0\0\0\0\0\0", 8),
          std::string("\0\0\0\0\0\0\0\x80", 8)};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::fuzz;
  const bool is_seed = IsSeed({reinterpret_cast<const char*>(data), size});
  Input input(data, size);
  const auto& calls = Calls();
  const int high = input.Choose(256);
  const int number = high * 256 + input.Choose(256);
  const Call& call = calls[static_cast<size_t>(number) % calls.size()];
  if (call.overload->aggregate != nullptr) {
    CheckAggregate(call, input.rest(), is_seed);
  } else {
    CheckOrdered(call, input.rest(), is_seed);
  }
  return 0;
}
