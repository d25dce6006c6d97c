// Every breaker past its budget, with the k-th call to the disk, allocation or reservation failing:
// the query ends with an error that says so, or goes on and is right; memory and files are given
// back, and the session goes on. HEADRACE_TEST_ALL=1 tries every k.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/base/test_cases.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/io/vfs.h"
#include "headrace/sql/sql.h"
#include "headrace/types/format_value.h"

namespace headrace::sql {
namespace {

constexpr int64_t kBreakerRows = 60'000;
constexpr int64_t kBreakerBudget = int64_t{4} << 20;
constexpr int64_t kFewFaults = 8;  // of one kind, unless all are tried

struct SpillingBreaker {
  const char* name;
  const char* sql;
  const char* kept = nullptr;  // the query of a table `kept`, which is made first
};

const SpillingBreaker kSpillingBreakers[] = {
    {"sort", "SELECT id, name FROM t ORDER BY name"},
    {"aggregate", "SELECT name, count(*) AS n, sum(id) AS s FROM t GROUP BY name"},
    {"new_keys", "SELECT id, count(*) AS n, sum(k) AS s, max(name) AS m FROM t GROUP BY id"},
    {"modes", "SELECT k, mode(name) AS m, list(id ORDER BY id) AS l FROM t GROUP BY k"},
    {"texts", "SELECT k, string_agg(name, ',' ORDER BY id) AS names FROM t GROUP BY k"},
    {"median", "SELECT k % 3 AS g, median(id) AS m, count(DISTINCT name) AS n FROM t GROUP BY g"},
    {"distinct", "SELECT DISTINCT name, k FROM t"},
    {"join", "SELECT t.id, u.k FROM t JOIN u ON t.name = u.name"},
    {"full_join", "SELECT t.id, u.k FROM t FULL JOIN u ON t.name = u.name AND t.k <> u.k"},
    {"left_join", "SELECT t.id, t.name, u.id AS other FROM t LEFT JOIN u ON t.id = u.id + 99"},
    {"join_without_order", "SELECT count(*) AS n, sum(u.k) AS s FROM t JOIN u ON t.name = u.name"},
    {"right_join", "SELECT t.id, u.k, u.name FROM t RIGHT JOIN u ON t.name = u.name"},
    {"semi_join", "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.name = t.name)"},
    {"anti_join", "SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.name = t.name)"},
    {"mark_join", "SELECT id FROM t WHERE name NOT IN (SELECT name FROM u)"},
    {"one_key_join",
     "SELECT t.id, length(t.name || u.name) AS n FROM t JOIN u ON t.k // 5000 = u.k // 4000"
     " AND t.id = u.id"},
    {"asof_join", "SELECT t.id, o.k FROM t ASOF JOIN u AS o ON t.k = o.k AND t.id >= o.id"},
    {"window", "SELECT id, lag(name) OVER (PARTITION BY k ORDER BY id) AS before FROM t"},
    {"whole_partition", "SELECT id, max(name) OVER (PARTITION BY k % 40) AS last FROM t"},
    {"window_of_many", "SELECT id, lag(id) OVER (PARTITION BY name ORDER BY id) AS l FROM sorted"},
    {"partition_totals", "SELECT id, name, max(k) OVER () AS last FROM t"},
    {"partition_runs",
     "SELECT name, run, count(*) AS n FROM (SELECT name, count_if(opens) OVER (PARTITION BY name"
     " ORDER BY id ROWS UNBOUNDED PRECEDING) AS run FROM (SELECT *, coalesce(id - lag(id) OVER"
     " (PARTITION BY name ORDER BY id) > 9, true) AS opens FROM sorted)) GROUP BY name, run"},
    {"match_recognize",
     "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY id MEASURES first(a.name) AS name,"
     " count(*) AS n PATTERN (a b*) DEFINE b AS id > prev(id))"},
    {"quantile_picks",
     "SELECT k, median(id) AS m, quantile_disc(name, 0.9) AS n FROM t GROUP BY k"},
    {"except", "SELECT name FROM t EXCEPT ALL SELECT name FROM u"},
    {"temp_table", "SELECT name, id FROM kept", "SELECT id, name FROM t"},
    {"temp_table_of_groups", "SELECT name, n FROM kept",
     "SELECT name, count(*) AS n FROM t GROUP BY name"},
};

/// `rows` rows whose names all differ, in no order: (id, k, name).
SourcePtr NamedRows(int64_t rows, int64_t factor, Ordering ordering = {}) {
  arrow::Int64Builder id, k;
  arrow::StringBuilder name;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t at = row * factor % rows;
    EXPECT_OK(id.Append(at));
    EXPECT_OK(k.Append(at % (rows / 10)));
    EXPECT_OK(name.Append(fmt::format("{:0>70}", at)));
  }
  const SchemaPtr schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("k", arrow::int64()),
                     arrow::field("name", arrow::utf8())});
  const auto batch = arrow::RecordBatch::Make(
      schema, rows,
      {id.Finish().ValueOrDie(), k.Finish().ValueOrDie(), name.Finish().ValueOrDie()});
  MemoryTableOptions options;
  options.rows_per_split = 4000;
  options.ordering = std::move(ordering);
  return MemoryTable::Make(schema, {batch}, options).ValueOrDie();
}

/// Rows, and a sum of hashes of rows.
struct RowsSeen {
  int64_t rows = 0;
  uint64_t sum = 0;
  int64_t spilled_bytes = 0;
  bool operator==(const RowsSeen& other) const { return rows == other.rows && sum == other.sum; }
};

class SpillFaultTest : public testing::TestWithParam<SpillingBreaker> {
 protected:
  void SetUp() override {
    std::string folder = testing::TempDir() + "spill-fault-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    Settings settings;
    settings.deterministic = true;
    settings.threads = 2;
    settings.memory_limit = kBreakerBudget;
    settings.temp_dir = folder;
    session_ = Session::Make(settings, faulty_.get()).ValueOrDie();
    settings.memory_limit = int64_t{1} << 30;
    rich_session_ = Session::Make(settings).ValueOrDie();
    for (Session* session : {session_.get(), rich_session_.get()}) {
      ASSERT_OK(session->Register("t", NamedRows(kBreakerRows, 7919)));
      ASSERT_OK(session->Register("u", NamedRows(kBreakerRows * 3 / 4, 7907)));
      ASSERT_OK(session->Register("sorted", NamedRows(kBreakerRows, 1, {SortKey{0}})));
    }
  }
  void TearDown() override {
    fault::Disarm();
    session_.reset();
    std::filesystem::remove_all(folder_);
  }

  static Status AddRows(Session& session, std::string_view sql, RowsSeen* seen) {
    ARROW_ASSIGN_OR_RAISE(Cursor cursor, Execute(session, sql));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
      if (batch == nullptr) break;
      seen->rows += batch->num_rows();
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        std::string text;
        for (const ArrayPtr& column : batch->columns()) text += FormatValue(*column, row) + "|";
        seen->sum += HashBytes(text);
      }
    }
    seen->spilled_bytes += cursor.metrics().spilled_bytes + session.metrics().table_disk_bytes;
    return Status::OK();
  }

  static Result<RowsSeen> Ask(Session& session) {
    RowsSeen seen;
    const SpillingBreaker& breaker = GetParam();
    Status asked;
    if (breaker.kept != nullptr) {
      asked = AddRows(session, fmt::format("CREATE TEMP TABLE kept AS {}", breaker.kept), &seen);
    }
    if (asked.ok()) asked = AddRows(session, breaker.sql, &seen);
    if (const auto kept = session.FindTable("kept"); kept.ok()) {
      ARROW_RETURN_NOT_OK(session.Unregister("kept"));
    }
    ARROW_RETURN_NOT_OK(asked);
    return seen;
  }

  /// Files in the folder of spills, but those that say that a folder is in use.
  std::vector<std::string> FilesLeft() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      const std::filesystem::path& path = entry.path();
      if (entry.is_regular_file() && path.filename() != "lock") files.push_back(path);
    }
    return files;
  }

  void CheckNothingIsHeld() {
    EXPECT_EQ(session_->reserved_bytes(), 0);
    EXPECT_EQ(session_->pool()->bytes_allocated(), 0);
    EXPECT_EQ(FilesLeft(), std::vector<std::string>());
  }

  /// From 1 to `passages`: all, or the first ones and some of the others.
  static std::set<int64_t> Passages(int64_t passages) {
    std::set<int64_t> chosen;
    const bool all = std::getenv("HEADRACE_TEST_ALL") != nullptr;
    const auto count = all ? passages : static_cast<int64_t>(RandomCases(kFewFaults));
    for (int64_t i = 1; i <= std::min(count, passages); ++i) {
      chosen.insert(all || i <= count / 2 ? i : passages * (i - count / 2) / (count - count / 2));
    }
    return chosen;
  }

  /// Every passage of points with this prefix fails once. Gives how often a query failed by it.
  int64_t Sweep(const std::string& prefix, ErrorKind kind) {
    const RowsSeen expected = Ask(*rich_session_).ValueOrDie();
    fault::Count(prefix);
    const Result<RowsSeen> unharmed = Ask(*session_);
    int64_t passages = fault::Disarm();
    // The last call removes the file of a table; if that fails it goes with the session's folder.
    if (GetParam().kept != nullptr && prefix == "vfs.") --passages;
    EXPECT_OK(unharmed.status());
    if (!unharmed.ok()) return 0;
    EXPECT_EQ(*unharmed, expected);
    EXPECT_GT(unharmed->spilled_bytes, 0) << "nothing was spilled";
    EXPECT_GT(passages, 5);
    CheckNothingIsHeld();
    int64_t failures = 0;
    for (const int64_t k : Passages(passages)) {
      SCOPED_TRACE(fmt::format("{} {} of {}", prefix, k, passages));
      fault::Arm(prefix, k);
      const Result<RowsSeen> seen = Ask(*session_);
      fault::Disarm();
      if (seen.ok()) {
        EXPECT_EQ(*seen, expected);
      } else {
        ++failures;
        EXPECT_EQ(KindOf(seen.status()), kind) << seen.status().ToString();
      }
      CheckNothingIsHeld();
      RowsSeen after;
      EXPECT_OK(AddRows(*session_, "SELECT count(*) AS n FROM t", &after));
    }
    return failures;
  }

  const std::unique_ptr<Vfs> faulty_ = MakeFaultyVfs(LocalVfs());
  std::filesystem::path folder_;
  std::shared_ptr<Session> session_;
  std::shared_ptr<Session> rich_session_;
};

TEST_P(SpillFaultTest, CallsToTheDiskFail) { EXPECT_GT(Sweep("vfs.", ErrorKind::kIo), 0); }

TEST_P(SpillFaultTest, AllocationsFail) {
  EXPECT_GT(Sweep("memory.allocate", ErrorKind::kMemoryLimit), 0);
}

TEST_P(SpillFaultTest, ReservationsAreRefused) { Sweep("memory.reserve", ErrorKind::kMemoryLimit); }

INSTANTIATE_TEST_SUITE_P(Breakers, SpillFaultTest, testing::ValuesIn(kSpillingBreakers),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace headrace::sql
