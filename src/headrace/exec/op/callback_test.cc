// Callback: calls are cut and ordered, values are checked, errors pass.
#include "headrace/exec/op/callback.h"

#include "headrace/base/limits.h"
#include "headrace/exec/callback.h"
#include "headrace/exec/op/pipe_drive.h"

namespace headrace {
namespace {

using namespace pipe_test;

/// Computes at once or when told; keeps what it was asked.
class Evaluator final : public CallbackEvaluator {
 public:
  using Body = std::function<Result<ArrayPtr>(const std::vector<ArrayPtr>& args, int64_t num_rows)>;
  explicit Evaluator(Body body) : body(std::move(body)) {}

  std::unique_ptr<CallbackCall> Post(int64_t callback_id, std::vector<ArrayPtr> args,
                                     int64_t num_rows, TypePtr, Waker) override {
    EXPECT_EQ(callback_id, 42);
    EXPECT_EQ(open, 0) << "calls are posted one at a time";
    ++open;
    rows_of_calls.push_back(num_rows);
    class Posted final : public CallbackCall {
     public:
      Posted(Evaluator* owner, std::vector<ArrayPtr> args, int64_t num_rows)
          : owner_(owner), args_(std::move(args)), num_rows_(num_rows) {}
      ~Posted() override { --owner_->open; }
      bool done() const override { return owner_->serving; }
      Result<ArrayPtr> Take() override { return owner_->body(args_, num_rows_); }

     private:
      Evaluator* const owner_;
      const std::vector<ArrayPtr> args_;
      const int64_t num_rows_;
    };
    return std::make_unique<Posted>(this, std::move(args), num_rows);
  }

  Body body;
  bool serving = true;
  int open = 0;
  std::vector<int64_t> rows_of_calls;
};

Result<ArrayPtr> Lengths(const std::vector<ArrayPtr>& args, int64_t num_rows) {
  EXPECT_EQ(args[0]->type_id(), arrow::Type::STRING) << "arguments come in their plain type";
  const auto& texts = static_cast<const arrow::StringArray&>(*args[0]);
  return Int64s(num_rows, [&](int64_t row) -> std::optional<int64_t> {
    if (texts.IsNull(row)) return std::nullopt;
    return texts.value_length(row);
  });
}

TestTable RandomTexts(Rng& rng, int64_t count) {
  return {arrow::schema({arrow::field("s", arrow::utf8())}),
          Batch({Texts(count, [&](int64_t) { return std::string(rng.Below(20), 'x'); })}, count)};
}

CallbackSpec LengthSpec() { return CallbackSpec(42, {0}, arrow::int64(), "length"); }

TEST(CallbackTest, AppendsItsColumnInOrder) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const TestTable rows = RandomTexts(rng, 5000);
    Evaluator evaluator(Lengths);
    PipeSettings options;
    options.callbacks = &evaluator;
    options.while_blocked = [&] { evaluator.serving = true; };
    evaluator.serving = rng.Below(2) == 0;
    Pipe pipe(LengthSpec(), options);
    ASSERT_OK(pipe.Run(SplitRows(rows, rng, 4000)));
    Cells expected = CellsOf(rows.batch);
    for (auto& row : expected) row.push_back(std::to_string(row[0].size()));
    EXPECT_EQ(pipe.cells(), expected);
    for (int64_t count : evaluator.rows_of_calls) EXPECT_LE(count, kCallbackRowsMax);
  }
}

TEST(CallbackTest, BlocksUntilTheCallIsDone) {
  Rng rng(1);
  const TestTable rows = RandomTexts(rng, 2500);
  Evaluator evaluator(Lengths);
  evaluator.serving = false;
  int blocked = 0;
  PipeSettings options;
  options.callbacks = &evaluator;
  options.while_blocked = [&] { evaluator.serving = ++blocked % 3 == 0; };
  Pipe pipe(LengthSpec(), options);
  ASSERT_OK(pipe.Run({rows.batch}));
  EXPECT_EQ(blocked, 3);
  EXPECT_EQ(evaluator.rows_of_calls, (std::vector<int64_t>{1024, 1024, 452}));
  EXPECT_EQ(pipe.outputs().size(), 3U);
}

Status RunWith(Evaluator::Body body) {
  Rng rng(1);
  Evaluator evaluator(std::move(body));
  PipeSettings options;
  options.callbacks = &evaluator;
  Pipe pipe(LengthSpec(), options);
  return pipe.Run({RandomTexts(rng, 10).batch});
}

TEST(CallbackTest, ErrorsPassUnchanged) {
  const Status raised = Error(ErrorKind::kCallback, "ValueError: 7");
  const Status status = RunWith([&](const auto&, int64_t) { return raised; });
  EXPECT_EQ(status.detail(), raised.detail());
  EXPECT_EQ(status.message(), raised.message());
}

TEST(CallbackTest, ValuesAreChecked) {
  EXPECT_ERROR(RunWith([](const auto&, int64_t) { return Int64s(7, [](int64_t) { return 1; }); }),
               kTypeMismatch, "callback length: expected 10 cells of int64, got 7 of int64");
  EXPECT_ERROR(
      RunWith([](const auto&, int64_t n) { return Texts(n, [](int64_t) { return "a"; }); }),
      kTypeMismatch, "expected 10 cells of int64, got 10 of string");
  EXPECT_ERROR(RunWith([](const auto&, int64_t) { return ArrayPtr(); }), kTypeMismatch, "got none");
}

}  // namespace
}  // namespace headrace
