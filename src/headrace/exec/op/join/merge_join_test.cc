// Merge join: against nested loops over any kind, keys, orders and batches, with memory wanted at
// any moment; a key whose rows do not fit in memory.
#include "headrace/exec/op/join/merge_join.h"

#include <compare>

#include "headrace/exec/op/test_drive.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT: names of tests

/// The place of a key cell among all of its column, in the order of the join.
struct KeyRank {
  int64_t rank;
  bool is_null;
  auto operator<=>(const KeyRank&) const = default;
};
using RankedRow = std::vector<KeyRank>;

struct RankedTable {
  TestTable table;
  std::vector<RankedRow> ranks;  // sorted
};

constexpr int64_t kRanks = 6;

/// Columns k0 (text), k1 (number), v (row number), sorted by the first `keys` of them.
RankedTable RandomSorted(Rng& rng, int64_t count, const Ordering& order, uint64_t nulls_permille) {
  RankedTable rows;
  for (int64_t row = 0; row < count; ++row) {
    RankedRow ranked;
    for (const SortKey& key : order) {
      const bool is_null = rng.Below(1000) < nulls_permille;
      const int64_t end = key.nulls == NullPlacement::kFirst ? -1 : kRanks;
      ranked.push_back({is_null ? end : static_cast<int64_t>(rng.Below(kRanks)), is_null});
    }
    rows.ranks.push_back(std::move(ranked));
  }
  std::sort(rows.ranks.begin(), rows.ranks.end());
  const auto number = [&](int64_t row, size_t key) -> std::optional<int64_t> {
    if (key >= order.size()) return row % 3;
    const KeyRank& ranked = rows.ranks[static_cast<size_t>(row)][key];
    if (ranked.is_null) return std::nullopt;
    return order[key].descending ? -ranked.rank : ranked.rank;
  };
  const ArrayPtr k0 = Texts(count, [&](int64_t row) -> std::optional<std::string> {
    const auto value = number(row, 0);
    if (!value.has_value()) return std::nullopt;
    return std::string("key ") + static_cast<char>('n' + *value);
  });
  const ArrayPtr k1 = Int64s(count, [&](int64_t row) { return number(row, 1); });
  rows.table = {
      arrow::schema({arrow::field("k0", arrow::utf8()), arrow::field("k1", arrow::int64()),
                     arrow::field("v", arrow::int64())}),
      Batch({k0, k1, Int64s(count, [](int64_t row) { return row; })}, count)};
  return rows;
}

struct MergeCase {
  RankedTable major;
  RankedTable minor;
  std::shared_ptr<MergeJoinTerms> terms = std::make_shared<MergeJoinTerms>();

  bool Matches(size_t major_row, size_t minor_row) const {
    const RankedRow& key = major.ranks[major_row];
    if (key != minor.ranks[minor_row]) return false;
    for (size_t i = 0; i < key.size(); ++i) {
      if (key[i].is_null && !terms->nulls_match[i]) return false;
    }
    return terms->residual == nullptr || major_row < minor_row;
  }
};

/// Rows of the minor side without a match stand behind the rows of the major side up to their key.
Cells ByNestedLoops(const MergeCase& join) {
  const Cells major_cells = CellsOf(join.major.table.batch);
  const Cells minor_cells = CellsOf(join.minor.table.batch);
  const std::vector<std::string> nothing(3, "NULL");
  std::vector<uint8_t> matched(minor_cells.size(), 0);
  const auto pair_of = [&](const std::vector<std::string>& of_major,
                           const std::vector<std::string>& of_minor) {
    std::vector<std::string> row = join.terms->major_is_left ? of_major : of_minor;
    const auto& right = join.terms->major_is_left ? of_minor : of_major;
    row.insert(row.end(), right.begin(), right.end());
    return row;
  };
  std::vector<std::pair<RankedRow, Cells>> groups;  // per major row
  for (size_t i = 0; i < major_cells.size(); ++i) {
    Cells given;
    bool any = false;
    for (size_t j = 0; j < minor_cells.size(); ++j) {
      if (!join.Matches(i, j)) continue;
      any = true;
      matched[j] = 1;
      if (join.terms->gives_pairs()) given.push_back(pair_of(major_cells[i], minor_cells[j]));
    }
    const JoinKind kind = join.terms->kind;
    if (kind == JoinKind::kSemi && any) given.push_back(major_cells[i]);
    if (kind == JoinKind::kAnti && !any) given.push_back(major_cells[i]);
    if (join.terms->keeps_major() && !any) given.push_back(pair_of(major_cells[i], nothing));
    groups.emplace_back(join.major.ranks[i], std::move(given));
  }
  Cells result;
  size_t next = 0;
  for (size_t j = 0; j <= minor_cells.size(); ++j) {
    const bool is_end = j == minor_cells.size();
    while (next < groups.size() && (is_end || groups[next].first <= join.minor.ranks[j])) {
      const Cells& given = groups[next++].second;
      result.insert(result.end(), given.begin(), given.end());
    }
    if (is_end || !join.terms->keeps_minor() || matched[j] != 0) continue;
    result.push_back(pair_of(nothing, minor_cells[j]));
  }
  return result;
}

/// The left side with the lesser v: `major_row < minor_row` in MergeCase.
ExpressionPtr VBefore(const TestTable& table) {
  arrow::FieldVector fields = table.schema->fields();
  for (const auto& field : table.schema->fields())
    fields.push_back(field->WithName("o" + field->name()));
  return BindTo(Scope(*arrow::schema(fields)), Call("<", {Col("v"), Col("ov")}));
}

MergeCase RandomMergeCase(Rng& rng) {
  constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                                 JoinKind::kFull,  JoinKind::kSemi, JoinKind::kAnti};
  MergeCase join;
  MergeJoinTerms& terms = *join.terms;
  terms.kind = kKinds[rng.Below(6)];
  terms.major_is_left = !HasRightColumns(terms.kind) || rng.Below(2) == 0;
  const int keys = 1 + static_cast<int>(rng.Below(2));
  for (int key = 0; key < keys; ++key) {
    terms.major_order.push_back(
        {key, rng.Below(2) == 0, rng.Below(2) == 0 ? NullPlacement::kFirst : NullPlacement::kLast});
    terms.nulls_match.push_back(rng.Below(3) == 0);
  }
  terms.minor_order = terms.major_order;
  const uint64_t nulls = rng.Below(2) == 0 ? 0 : 200;
  join.major = RandomSorted(rng, static_cast<int64_t>(rng.Below(60)), terms.major_order, nulls);
  join.minor = RandomSorted(rng, static_cast<int64_t>(rng.Below(60)), terms.minor_order, nulls);
  terms.major = join.major.table.schema;
  terms.minor = join.minor.table.schema;
  terms.reads.assign(6, true);
  if (rng.Below(2) == 0) terms.residual = VBefore(join.major.table);
  return join;
}

/// Feeds the ports in the order the operator asks for.
Result<std::vector<Batch>> RunMerge(World& world, const MergeCase& join, int64_t rows_max) {
  const MergeJoinSpec spec(join.terms);
  Lanes lanes(world, spec, nullptr);
  ARROW_RETURN_NOT_OK(lanes.Open());
  const std::vector<Batch> sides[] = {SplitRows(join.major.table, world.rng, rows_max),
                                      SplitRows(join.minor.table, world.rng, rows_max)};
  size_t next[] = {0, 0};
  bool ended[] = {false, false};
  std::vector<Batch> outputs;
  bool is_finished = false;
  const auto call = [&](auto step) {
    return lanes.Repeat(
        0,
        [&](Operator& op, Out& out) -> Result<Flow> {
          ARROW_ASSIGN_OR_RAISE(const Flow flow, step(op, out));
          is_finished = flow.kind == Flow::Kind::kFinished;
          return flow;
        },
        &outputs);
  };
  while (!is_finished) {
    const int port = lanes.operators()[0]->Wants();
    EXPECT_FALSE(ended[port]) << "a port is wanted that has ended";
    if (ended[port]) break;
    if (next[port] < sides[port].size()) {
      Batch batch = sides[port][next[port]++];
      ARROW_RETURN_NOT_OK(call([&](Operator& op, Out& out) { return op.Push(port, batch, out); }));
    } else {
      ended[port] = true;
      ARROW_RETURN_NOT_OK(call([&](Operator& op, Out& out) { return op.Finish(port, out); }));
    }
  }
  return outputs;
}

TEST(MergeJoinTest, AgreesWithNestedLoops) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const MergeCase join = RandomMergeCase(rng);
    DriveOptions options;
    options.seed = seed;
    options.batch_rows = rng.Below(2) == 0 ? 3 : 4096;
    options.reclaims_permille = rng.Below(2) == 0 ? 0 : 300;
    World world(options);
    ASSERT_OK_AND_ASSIGN(const std::vector<Batch> outputs,
                         RunMerge(world, join, static_cast<int64_t>(1 + rng.Below(20))));
    ASSERT_EQ(CellsOf(outputs), ByNestedLoops(join))
        << "kind " << static_cast<int>(join.terms->kind) << (join.terms->residual ? " where" : "");
  }
}

/// `rows` rows of one key.
RankedTable RowsOfOneKey(int64_t rows) {
  RankedTable table;
  table.ranks.assign(static_cast<size_t>(rows), {{1, false}});
  const ArrayPtr k0 = Texts(rows, [](int64_t) { return "key"; });
  const ArrayPtr v = Int64s(rows, [](int64_t row) { return row; });
  table.table = {
      arrow::schema({arrow::field("k0", arrow::utf8()), arrow::field("k1", arrow::int64()),
                     arrow::field("v", arrow::int64())}),
      Batch({k0, v, v}, rows)};
  return table;
}

TEST(MergeJoinTest, RowsOfOneKeyLargerThanMemoryAreWritten) {
  constexpr int64_t kRowsOfKey = 200'000;  // of 27 bytes
  MergeCase join;
  join.major = RowsOfOneKey(3);
  join.minor = RowsOfOneKey(kRowsOfKey);
  MergeJoinTerms& terms = *join.terms;
  terms.major_order = terms.minor_order = {{0, false, NullPlacement::kLast}};
  terms.nulls_match = {false};
  terms.major = join.major.table.schema;
  terms.minor = join.minor.table.schema;
  terms.reads.assign(6, true);
  DriveOptions options;
  options.budget_bytes = 1 << 20;
  World world(options);
  ASSERT_OK_AND_ASSIGN(const std::vector<Batch> outputs, RunMerge(world, join, 4096));
  EXPECT_GT(world.metrics.spilled_bytes, 0);
  int64_t row = 0;
  for (const Batch& batch : outputs) {
    const auto& of_major = static_cast<const arrow::Int64Array&>(*batch.column(2));
    const auto& of_minor = static_cast<const arrow::Int64Array&>(*batch.column(5));
    for (int64_t i = 0; i < batch.num_rows(); ++i, ++row) {
      ASSERT_EQ(of_major.Value(i), row / kRowsOfKey);
      ASSERT_EQ(of_minor.Value(i), row % kRowsOfKey);
    }
  }
  EXPECT_EQ(row, 3 * kRowsOfKey);
}

}  // namespace
}  // namespace headrace
