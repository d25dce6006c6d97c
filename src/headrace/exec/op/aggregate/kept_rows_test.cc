// Kept rows by key group: none is lost, in memory or on disk, and keys that come again are seen.
#include "headrace/exec/op/aggregate/kept_rows.h"

#include <gtest/gtest.h>

#include "arrow/record_batch.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/aggregate/aggregate_reference.h"
#include "headrace/exec/op/test_drive.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

struct Keeping {
  Keeping(World& world, const TestTable& table)
      : context(world.ContextOf(0, world.budget)),
        form(RowForm::Make(table.schema, {0}, {MakeCall(*table.schema, "sum", {"v"}, "total")}, {})
                 .ValueOrDie()),
        rows(form, context) {}

  Result<int64_t> Add(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(const Batch compacted, batch.Compact(Pool()));
    ARROW_ASSIGN_OR_RAISE(const Batch read, form.Read(compacted, Pool()));
    EncodedKeys keys;
    ARROW_RETURN_NOT_OK(form.terms->encoder().Encode(read, Pool(), &keys));
    return rows.Add(read, keys.hashes);
  }

  OperatorContext context;
  RowForm form;
  KeptRows rows;
};

void AppendRows(const Batch& batch, Cells* cells) {
  const Cells more = CellsOf(batch);
  cells->insert(cells->end(), more.begin(), more.end());
}

TEST(KeptRowsTest, HaveEveryRowInItsKeyGroup) {
  Rng rng(3);
  const TestTable table = RandomKeyedTable(20'000, 15'000, rng);
  World world({.budget_bytes = 8 << 20, .seed = 4});
  Keeping keeping(world, table);
  EXPECT_EQ(keeping.form.columns, (std::vector<int>{0, 2}));
  for (const Batch& batch : SplitRows(table, world.rng, 3000)) {
    ASSERT_OK_AND_ASSIGN(const int64_t refused, keeping.Add(batch));
    ASSERT_EQ(refused, 0);
  }
  ASSERT_OK_AND_ASSIGN(auto file, SpillFile::Make(keeping.context, "rows"));
  ASSERT_OK_AND_ASSIGN(const int64_t freed, keeping.rows.Spill(100'000, *file));
  EXPECT_GE(freed, 100'000);
  ASSERT_OK(file->Seal());
  ASSERT_OK(keeping.rows.Divide());
  const std::vector<DividedRows> held = keeping.rows.Take();
  ASSERT_FALSE(held.empty());
  Cells found;
  const auto check = [&](const Batch& batch, int key_group) {
    EncodedKeys keys;
    ASSERT_OK(keeping.form.terms->encoder().Encode(batch, Pool(), &keys));
    for (const uint64_t hash : keys.hashes) EXPECT_EQ(KeyGroupOf(hash), key_group);
    AppendRows(batch, &found);
  };
  for (const DividedRows& divided : held) {
    for (int group = 0; group < kKeyGroups; ++group) {
      if (divided.RowsOf(group) > 0) check(divided.Of(group), group);
    }
  }
  for (const StateSection& section : file->sections()) {
    ASSERT_OK_AND_ASSIGN(const auto batch, file->Read(section));
    check(Batch::FromRecordBatch(*batch), section.key_group);
  }
  Cells expected;
  ASSERT_OK_AND_ASSIGN(const Batch all, keeping.form.Read(table.batch, Pool()));
  AppendRows(all, &expected);
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(found, expected);
}

TEST(KeptRowsTest, SeeKeysThatComeAgain) {
  Rng rng(5);
  for (const uint64_t distinct : {uint64_t{20'000}, uint64_t{1} << 40}) {
    const TestTable table = RandomKeyedTable(140'000, distinct, rng);
    World world({.seed = 6});
    Keeping keeping(world, table);
    ASSERT_OK(keeping.Add(table.batch).status());
    EXPECT_EQ(keeping.rows.HasRepeats(), distinct == 20'000);
  }
}

TEST(KeptRowsTest, TakeNothingWithoutItsMemory) {
  Rng rng(5);
  const TestTable table = RandomKeyedTable(1000, 1000, rng);
  World world({.budget_bytes = 10'000});
  Keeping keeping(world, table);
  ASSERT_OK_AND_ASSIGN(const int64_t refused, keeping.Add(table.batch));
  EXPECT_GT(refused, 10'000);
  EXPECT_EQ(keeping.rows.reserved_bytes(), 0);
}

}  // namespace
}  // namespace headrace
