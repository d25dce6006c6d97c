// Joins of every kind through whole sessions, against nested loops: nulls, duplicates, residuals,
// empty sides, either side built, any lanes and batches, and budgets that make them spill.
#include <gtest/gtest.h>

#include <optional>

#include "arrow/api.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/generator/generator.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/session.h"
#include "headrace/engine/test_profile.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"

namespace headrace {
namespace {

using Cell = std::optional<int64_t>;
using Row = std::vector<Cell>;
using Rows = std::vector<Row>;

/// Columns <prefix>k, <prefix>j (keys) and <prefix>v (the row number).
struct TestTable {
  std::string prefix;
  Rows rows;

  static TestTable Random(Rng& rng, std::string prefix, int64_t count, uint64_t distinct) {
    TestTable table{std::move(prefix), {}};
    const auto key = [&]() -> Cell {
      if (rng.Below(10) == 0) return std::nullopt;
      return static_cast<int64_t>(rng.Below(distinct));
    };
    for (int64_t row = 0; row < count; ++row) table.rows.push_back({key(), key(), row});
    return table;
  }

  /// Several chunks, so that several lanes read them.
  PlanPtr Scan() const {
    arrow::FieldVector fields;
    for (const char* name : {"k", "j", "v"}) {
      fields.push_back(arrow::field(prefix + name, arrow::int64()));
    }
    const SchemaPtr schema = arrow::schema(fields);
    arrow::RecordBatchVector batches;
    const size_t chunk = std::max<size_t>(1, rows.size() / 5);
    for (size_t begin = 0; begin < rows.size(); begin += chunk) {
      batches.push_back(Chunk(schema, begin, std::min(rows.size(), begin + chunk)));
    }
    MemoryTableOptions options;
    if (is_endless) options.boundedness = Boundedness::kUnbounded;
    return PlanScan(MemoryTable::Make(schema, batches, options).ValueOrDie()).ValueOrDie();
  }

  bool is_endless = false;

 private:
  std::shared_ptr<arrow::RecordBatch> Chunk(const SchemaPtr& schema, size_t begin,
                                            size_t end) const {
    arrow::ArrayVector columns;
    for (size_t column = 0; column < 3; ++column) {
      arrow::Int64Builder builder;
      for (size_t row = begin; row < end; ++row) {
        const Cell cell = rows[row][column];
        EXPECT_OK(cell.has_value() ? builder.Append(*cell) : builder.AppendNull());
      }
      columns.push_back(builder.Finish().ValueOrDie());
    }
    return arrow::RecordBatch::Make(schema, static_cast<int64_t>(end - begin), columns);
  }
};

enum class Truth { kFalse, kUnknown, kTrue };

struct JoinCase {
  TestTable left;
  TestTable right;
  JoinKind kind = JoinKind::kInner;
  bool by_k = true;
  bool by_j = false;
  bool residual = false;  // (lv + rv) % 3 = 0
  bool less = false;      // lj < rj: null where one is
  NullMatching nulls = NullMatching::kNeverMatch;
  std::optional<JoinSide> build;

  Truth Equal(const Cell& a, const Cell& b) const {
    if (!a.has_value() || !b.has_value()) {
      if (nulls == NullMatching::kMatch) return a == b ? Truth::kTrue : Truth::kFalse;
      return Truth::kUnknown;
    }
    return *a == *b ? Truth::kTrue : Truth::kFalse;
  }

  Truth Condition(const Row& l, const Row& r) const {
    Truth truth = Truth::kTrue;
    if (by_k) truth = std::min(truth, Equal(l[0], r[0]));
    if (by_j) truth = std::min(truth, Equal(l[1], r[1]));
    if (residual && (*l[2] + *r[2]) % 3 != 0) truth = Truth::kFalse;
    if (less) {
      const bool known = l[1].has_value() && r[1].has_value();
      truth = std::min(truth, !known          ? Truth::kUnknown
                              : *l[1] < *r[1] ? Truth::kTrue
                                              : Truth::kFalse);
    }
    return truth;
  }

  ExpressionPtr Bound() const {
    Scope scope;
    for (const char* name : {"lk", "lj", "lv", "rk", "rj", "rv"}) {
      scope.Add("", name, arrow::int64());
    }
    const auto column = [](const char* name) { return Unbound::Column({name}); };
    const auto number = [](int64_t value) { return Unbound::Literal(arrow::MakeScalar(value)); };
    std::vector<UnboundPtr> terms;
    if (by_k) terms.push_back(Unbound::Call("=", {column("lk"), column("rk")}));
    if (by_j) terms.push_back(Unbound::Call("=", {column("lj"), column("rj")}));
    if (less) terms.push_back(Unbound::Call("<", {column("lj"), column("rj")}));
    if (residual) {
      const auto sum = Unbound::Call("+", {column("lv"), column("rv")});
      terms.push_back(Unbound::Call("=", {Unbound::Call("%", {sum, number(3)}), number(0)}));
    }
    if (terms.empty()) return nullptr;
    const UnboundPtr all = terms.size() == 1 ? terms[0] : Unbound::Call("and", terms);
    return Bind(*all, scope, Dialect::kSql).ValueOrDie();
  }

  PlanPtr Plan() const {
    if (kind == JoinKind::kMark) {
      return PlanMarkJoin(left.Scan(), right.Scan(), nullptr, Bound(), "mark").ValueOrDie();
    }
    return PlanJoin(left.Scan(), right.Scan(), kind, Bound(), {nulls, build}).ValueOrDie();
  }
};

Row Joined(const Row* left, const Row* right) {
  Row row(6);
  if (left != nullptr) std::copy(left->begin(), left->end(), row.begin());
  if (right != nullptr) std::copy(right->begin(), right->end(), row.begin() + 3);
  return row;
}

/// Pairs in the order of the streamed side, then rows of the built side without a match.
Rows PairsOf(const JoinCase& join) {
  const JoinSide build =
      join.build.value_or(join.kind == JoinKind::kRight ? JoinSide::kLeft : JoinSide::kRight);
  const bool streams_left = build == JoinSide::kRight;
  const Rows& streamed = streams_left ? join.left.rows : join.right.rows;
  const Rows& built = streams_left ? join.right.rows : join.left.rows;
  const bool keeps_left = join.kind == JoinKind::kLeft || join.kind == JoinKind::kFull;
  const bool keeps_right = join.kind == JoinKind::kRight || join.kind == JoinKind::kFull;
  Rows result;
  std::vector<bool> matched(built.size());
  for (const Row& s : streamed) {
    bool any = false;
    for (size_t i = 0; i < built.size(); ++i) {
      const Row& l = streams_left ? s : built[i];
      const Row& r = streams_left ? built[i] : s;
      if (join.Condition(l, r) != Truth::kTrue) continue;
      any = matched[i] = true;
      result.push_back(Joined(&l, &r));
    }
    if (any || !(streams_left ? keeps_left : keeps_right)) continue;
    result.push_back(streams_left ? Joined(&s, nullptr) : Joined(nullptr, &s));
  }
  for (size_t i = 0; i < built.size() && (streams_left ? keeps_right : keeps_left); ++i) {
    if (matched[i]) continue;
    result.push_back(streams_left ? Joined(nullptr, &built[i]) : Joined(&built[i], nullptr));
  }
  return result;
}

Rows Expected(const JoinCase& join) {
  if (HasRightColumns(join.kind)) return PairsOf(join);
  Rows result;
  for (const Row& l : join.left.rows) {
    Truth truth = Truth::kFalse;
    for (const Row& r : join.right.rows) truth = std::max(truth, join.Condition(l, r));
    if (join.kind == JoinKind::kMark) {
      result.push_back(l);
      result.back().push_back(truth == Truth::kUnknown ? Cell() : Cell(truth == Truth::kTrue));
    } else if ((truth == Truth::kTrue) == (join.kind == JoinKind::kSemi)) {
      result.push_back(l);
    }
  }
  return result;
}

Result<Rows> RowsOf(const PlanPtr& plan, const Settings& settings, std::string* profile = nullptr) {
  ARROW_ASSIGN_OR_RAISE(auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session->Run(plan));
  Rows rows;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, cursor.Next());
    if (batch == nullptr) break;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      Row cells;
      for (const auto& column : batch->columns()) {
        ARROW_ASSIGN_OR_RAISE(const auto cell, column->GetScalar(row));
        if (!cell->is_valid) {
          cells.emplace_back();
        } else if (cell->type->id() == arrow::Type::BOOL) {
          cells.emplace_back(static_cast<const arrow::BooleanScalar&>(*cell).value ? 1 : 0);
        } else {
          cells.emplace_back(static_cast<const arrow::Int64Scalar&>(*cell).value);
        }
      }
      rows.push_back(std::move(cells));
    }
  }
  if (profile != nullptr) *profile = cursor.Profile();
  return rows;
}

Settings RandomSettings(Rng& rng) {
  Settings settings;
  settings.threads = 1 + static_cast<int>(rng.Below(4));
  settings.batch_rows = std::vector<int64_t>{1, 3, 64, 4096}[rng.Below(4)];
  settings.deterministic = rng.Below(2) == 0;
  settings.seed = rng.Below(100);
  settings.memory_limit = int64_t{1} << 30;
  return settings;
}

TEST(JoinTest, EveryKindAgreesWithNestedLoops) {
  constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                                 JoinKind::kFull,  JoinKind::kSemi, JoinKind::kAnti,
                                 JoinKind::kMark};
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Rng rng(seed);
    JoinCase join;
    const uint64_t distinct = 1 + rng.Below(20);
    const auto count = [&] { return rng.Below(6) == 0 ? 0 : static_cast<int64_t>(rng.Below(60)); };
    join.left = TestTable::Random(rng, "l", count(), distinct);
    join.right = TestTable::Random(rng, "r", count(), distinct);
    join.kind = kKinds[rng.Below(std::size(kKinds))];
    join.by_k = rng.Below(4) != 0;
    join.by_j = rng.Below(3) == 0;
    join.residual = rng.Below(3) == 0;
    join.less = rng.Below(4) == 0;
    if (join.kind == JoinKind::kMark) join.by_k = true;
    if (join.kind != JoinKind::kMark && rng.Below(3) == 0) join.nulls = NullMatching::kMatch;
    if (join.kind <= JoinKind::kFull && rng.Below(3) != 0) {
      join.build = rng.Below(2) == 0 ? JoinSide::kLeft : JoinSide::kRight;
    }
    const PlanPtr plan = join.Plan();
    const Settings settings = RandomSettings(rng);
    SCOPED_TRACE(fmt::format("seed {} threads {} batch {}\n{}", seed, settings.threads,
                             settings.batch_rows, Explain(*plan)));
    ASSERT_OK_AND_ASSIGN(const Rows rows, RowsOf(plan, settings));
    ASSERT_EQ(rows, Expected(join));
  }
}

TEST(JoinTest, SpillsAndKeepsItsOrder) {
  constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kFull,
                                 JoinKind::kSemi,  JoinKind::kAnti, JoinKind::kMark};
  for (const JoinKind kind : kKinds) {
    Rng rng(static_cast<uint64_t>(kind) + 7);
    JoinCase join;
    join.left = TestTable::Random(rng, "l", 30'000, 40'000);
    join.right = TestTable::Random(rng, "r", 60'000, 40'000);
    join.kind = kind;
    const PlanPtr plan = join.Plan();
    Settings settings;
    settings.threads = 3;
    settings.memory_limit = int64_t{1} << 30;
    ASSERT_OK_AND_ASSIGN(const Rows in_memory, RowsOf(plan, settings));
    settings.memory_limit = int64_t{4} << 20;
    std::string profile;
    ASSERT_OK_AND_ASSIGN(const Rows spilled, RowsOf(plan, settings, &profile));
    const size_t build = profile.find("hash_join_build");
    ASSERT_NE(build, std::string::npos);
    EXPECT_GT(FigureOf(profile, "hash_join_build", "runs"), 0) << profile;
    EXPECT_GT(FigureOf(profile, "hash_join_rest", "partitions"), 0) << profile;
    ASSERT_EQ(spilled.size(), in_memory.size()) << profile;
    ASSERT_TRUE(spilled == in_memory) << profile;
  }
}

/// A small budget sends the built side to disk, where it does not fit again; the rows are those of
/// nested loops.
void ExpectSpilled(const JoinCase& join) {
  const PlanPtr plan = join.Plan();
  SCOPED_TRACE(Explain(*plan));
  Settings settings;
  settings.threads = 3;
  settings.memory_limit = int64_t{4} << 20;
  std::string profile;
  ASSERT_OK_AND_ASSIGN(const Rows spilled, RowsOf(plan, settings, &profile));
  EXPECT_GT(FigureOf(profile, "hash_join_build", "runs"), 0) << profile;
  EXPECT_GT(FigureOf(profile, "hash_join_rest", "passes"), 0) << profile;
  ASSERT_TRUE(spilled == Expected(join)) << profile;
}

// More rows of a key than fit: its key group is read in several passes, and what a row gives that
// matched nothing is known after the last of them only.
TEST(JoinTest, SkewedKeysSpillAndKeepTheirOrder) {
  constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                                 JoinKind::kFull,  JoinKind::kSemi, JoinKind::kAnti,
                                 JoinKind::kMark};
  for (const JoinKind kind : kKinds) {
    for (const bool residual : {false, true}) {
      if (residual && kind == JoinKind::kMark) continue;  // it has no key
      Rng rng(static_cast<uint64_t>(kind) + 70);
      JoinCase join;
      join.left = TestTable::Random(rng, "l", 20, 5);
      join.right = TestTable::Random(rng, "r", 130'000, 3);
      join.kind = kind;
      join.residual = residual;
      if (kind <= JoinKind::kFull) join.build = JoinSide::kRight;
      ASSERT_NO_FATAL_FAILURE(ExpectSpilled(join));
    }
  }
}

TEST(JoinTest, WithoutKeysSpillsAndKeepsItsOrder) {
  constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                                 JoinKind::kFull,  JoinKind::kSemi, JoinKind::kAnti};
  for (const JoinKind kind : kKinds) {
    Rng rng(static_cast<uint64_t>(kind) + 700);
    JoinCase join;
    join.left = TestTable::Random(rng, "l", 12, 40);
    join.right = TestTable::Random(rng, "r", 130'000, 40);
    join.kind = kind;
    join.by_k = false;
    join.less = true;
    join.residual = true;
    if (kind <= JoinKind::kFull) join.build = JoinSide::kRight;
    ASSERT_NO_FATAL_FAILURE(ExpectSpilled(join));
  }
}

/// A side of the join as a stream without an end: rows find those of the other side by key.
TEST(LookupJoinTest, StreamsAgreeWithNestedLoops) {
  constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                                 JoinKind::kFull,  JoinKind::kSemi, JoinKind::kAnti};
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Rng rng(seed);
    JoinCase join;
    join.kind = kKinds[seed % std::size(kKinds)];
    const bool right_streams = join.kind <= JoinKind::kFull && rng.Below(2) == 0;
    join.left = TestTable::Random(rng, "l", static_cast<int64_t>(rng.Below(80)), 9);
    join.right = TestTable::Random(rng, "r", static_cast<int64_t>(rng.Below(80)), 9);
    (right_streams ? join.right : join.left).is_endless = true;
    join.build = right_streams ? JoinSide::kLeft : JoinSide::kRight;
    join.by_j = rng.Below(3) == 0;
    join.residual = rng.Below(3) == 0;
    join.less = rng.Below(3) == 0;
    const Settings settings = RandomSettings(rng);
    SCOPED_TRACE(fmt::format("seed {} threads {}", seed, settings.threads));
    ASSERT_OK_AND_ASSIGN(const PlanPtr plan, Optimize(join.Plan()));
    ASSERT_NE(Explain(*plan).find("lookup_join"), std::string::npos) << Explain(*plan);
    ASSERT_OK_AND_ASSIGN(const Rows rows, RowsOf(plan, settings));
    ASSERT_EQ(rows, Expected(join)) << Explain(*plan);
  }
}

// Nothing is joined behind a stream, so what would go to disk would be lost.
TEST(JoinTest, TheBuiltSideOfAStreamStaysInMemory) {
  Rng rng(17);
  const auto joined = [&](int64_t rows) {
    GeneratorSpec spec;
    spec.columns = {{.name = "lk", .kind = GeneratorColumn::Kind::kSequence}};
    spec.rows = 500;
    spec.unbounded = true;
    TestTable right{"r", {}};
    for (int64_t row = 0; row < rows; ++row) right.rows.push_back({row, 0, row});
    Scope scope;
    for (const char* name : {"lk", "rk", "rj", "rv"}) scope.Add("", name, arrow::int64());
    const auto condition = Unbound::Call("=", {Unbound::Column({"lk"}), Unbound::Column({"rk"})});
    // Behind a limit it is no table to be looked up in.
    const PlanPtr built = PlanLimit(right.Scan(), rows).ValueOrDie();
    return PlanJoin(PlanScan(MakeGenerator(spec).ValueOrDie()).ValueOrDie(), built,
                    JoinKind::kInner, Bind(*condition, scope, Dialect::kSql).ValueOrDie(), {})
        .ValueOrDie();
  };
  Settings settings;
  settings.threads = 2;
  settings.memory_limit = int64_t{4} << 20;
  ASSERT_OK_AND_ASSIGN(const Rows rows, RowsOf(joined(1000), settings));
  EXPECT_EQ(rows.size(), 500U);
  EXPECT_ERROR(RowsOf(joined(200'000), settings), kMemoryLimit, "hash_join_build");
}

TEST(JoinTest, AScalarSubqueryGivesOneRowAtMost) {
  Rng rng(3);
  JoinCase join;
  join.kind = JoinKind::kSingle;
  join.left = {"l", {{1, 1, 0}, {2, 2, 1}, {std::nullopt, 3, 2}}};
  join.right = {"r", {{1, 5, 0}, {3, 6, 1}}};
  ASSERT_OK_AND_ASSIGN(const Rows rows, RowsOf(join.Plan(), RandomSettings(rng)));
  EXPECT_EQ(rows, (Rows{{1, 1, 0, 1, 5, 0}, {2, 2, 1, {}, {}, {}}, {{}, 3, 2, {}, {}, {}}}));
  join.right.rows.push_back({1, 7, 2});
  EXPECT_ERROR(RowsOf(join.Plan(), RandomSettings(rng)), kInvalidArgument, "more than one row");
}

TEST(UnionTest, KeepsTheOrderOfInputsUnderSortsAndLimits) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed);
    std::vector<PlanPtr> inputs;
    Rows expected;
    for (int i = 0; i < 3; ++i) {
      const TestTable table = TestTable::Random(rng, "t", static_cast<int64_t>(rng.Below(50)), 5);
      PlanPtr input = table.Scan();
      Rows rows = table.rows;
      if (rng.Below(3) == 0) {  // a part that comes from one lane
        input = PlanLimit(input, 20).ValueOrDie();
        rows.resize(std::min<size_t>(rows.size(), 20));
      }
      inputs.push_back(std::move(input));
      expected.insert(expected.end(), rows.begin(), rows.end());
    }
    ASSERT_OK_AND_ASSIGN(PlanPtr plan, PlanUnion(inputs));
    const Settings settings = RandomSettings(rng);
    SCOPED_TRACE(fmt::format("seed {} threads {}", seed, settings.threads));
    ASSERT_OK_AND_ASSIGN(const Rows rows, RowsOf(plan, settings));
    ASSERT_EQ(rows, expected);
    const auto& field = plan->schema()->field(0);
    ASSERT_OK_AND_ASSIGN(plan, PlanSort(plan, {{Expression::Column(0, field->name(), field->type()),
                                                false, NullPlacement::kLast}}));
    std::stable_sort(expected.begin(), expected.end(), [](const Row& a, const Row& b) {
      if (!a[0].has_value() || !b[0].has_value()) return a[0].has_value() && !b[0].has_value();
      return *a[0] < *b[0];
    });
    ASSERT_OK_AND_ASSIGN(const Rows sorted, RowsOf(plan, settings));
    ASSERT_EQ(sorted, expected);
  }
}

TEST(SampleTest, TheSameRowsAtAnyNumberOfLanes) {
  Rng rng(5);
  const TestTable table = TestTable::Random(rng, "t", 2000, 50);
  ASSERT_OK_AND_ASSIGN(const PlanPtr some, PlanSample(table.Scan(), 0.25, 42));
  ASSERT_OK_AND_ASSIGN(const PlanPtr hundred, PlanSampleRows(table.Scan(), 100, 42));
  Rows first;
  Rows first_hundred;
  for (int i = 0; i < 8; ++i) {
    const Settings settings = RandomSettings(rng);
    ASSERT_OK_AND_ASSIGN(const Rows rows, RowsOf(some, settings));
    ASSERT_OK_AND_ASSIGN(const Rows drawn, RowsOf(hundred, settings));
    if (i == 0) first = rows;
    if (i == 0) first_hundred = drawn;
    EXPECT_EQ(rows, first);
    EXPECT_EQ(drawn, first_hundred);
  }
  EXPECT_EQ(first_hundred.size(), 100U);
  EXPECT_NEAR(static_cast<double>(first.size()), 500.0, 100.0);
  EXPECT_ERROR(PlanSample(table.Scan(), 1.5, 1), kInvalidArgument, "0 to 1");
}

}  // namespace
}  // namespace headrace
