// Whole queries, bound and run over a small table by the deterministic executor: any text, any
// mix of functions, types and literals ends in rows or in an error.
#include "arrow/array.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "file_case.h"
#include "fuzz.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/function/registry.h"
#include "headrace/io/memory_vfs.h"
#include "headrace/sql/sql.h"

namespace headrace::fuzz {
namespace {

constexpr int64_t kRowsMax = 10'000;

/// The tables n (numbers), s (texts) and the file /t.csv.
std::shared_ptr<Session> MakeSession() {
  static const auto vfs = MakeMemoryVfs();
  const auto make = []() -> Result<std::shared_ptr<Session>> {
    Settings settings;
    settings.memory_limit = int64_t{64} << 20;
    settings.deterministic = true;
    settings.threads = 2;
    settings.batch_rows = 3;
    ARROW_ASSIGN_OR_RAISE(auto session, Session::Make(settings, vfs.get()));
    const auto tables = FlatTables();
    for (int i = 0; i < 2; ++i) {
      const auto& batches = tables[static_cast<size_t>(i)];
      ARROW_ASSIGN_OR_RAISE(auto table, MemoryTable::Make(batches.front()->schema(), batches));
      ARROW_RETURN_NOT_OK(session->Register(i == 0 ? "n" : "s", table));
    }
    return session;
  };
  const std::string csv = WriteBytes("/t.csv", FlatTables()[0]);
  auto file = vfs->OpenForWrite("/t.csv").ValueOrDie();
  Expect(file->Write(csv.data(), static_cast<int64_t>(csv.size())).ok(), "memory takes bytes");
  Expect(file->Close().ok(), "a file in memory can be closed");
  return make().ValueOrDie();
}

Status RunQuery(Session& session, const std::string& query) {
  ARROW_ASSIGN_OR_RAISE(const sql::BoundStatement bound, sql::Bind(session, query));
  if (bound.kind == sql::BoundStatement::Kind::kCopy) return Status::OK();
  ARROW_RETURN_NOT_OK(session.ExplainPlan(bound.plan, false).status());
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session.Run(bound.plan));
  for (int64_t rows = 0; rows < kRowsMax;) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
    if (batch == nullptr) break;
    Expect(batch->schema()->Equals(*cursor.schema()), "batches have the promised schema");
    const Status valid = batch->ValidateFull();
    Expect(valid.ok(), valid.message());
    rows += batch->num_rows();
  }
  cursor.Close();
  return Status::OK();
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {
      "SELECT * FROM n WHERE i > 1 OR x IS NULL ORDER BY i DESC, x LIMIT 3",
      "SELECT b, count(*), sum(x), avg(i), min(d), max(t), sum(m) FROM n GROUP BY b",
      "SELECT s || 'x', upper(s), length(s) + k, k / 2, k // 2, k % 3 FROM s WHERE k <> 4",
      "SELECT n.i, s.s FROM n JOIN s ON n.i = s.k ORDER BY 1, 2",
      "SELECT * FROM s LEFT JOIN n ON s.k = n.i AND n.x > 0 LIMIT 2 OFFSET 1",
      "SELECT k, lag(s) OVER (ORDER BY k), cumulative_sum(k) OVER (PARTITION BY s ORDER BY k) FROM "
      "s",
      "SELECT CASE WHEN i > 1 THEN x ELSE m END, coalesce(i, 0), CAST(x AS VARCHAR) FROM '/t.csv'",
      "SELECT TRY_CAST(s AS BIGINT), CAST(k AS DECIMAL(4, 2)), k BETWEEN 2 AND 5, k IN (1, 7) FROM "
      "s",
      "SELECT d < t, CAST(t AS DATE), m * m, m + i, -x, abs(x), i = m FROM n",
      "SELECT k + 1 AS k2, count(*) FROM s GROUP BY k + 1 HAVING count(*) >= 1 ORDER BY k2",
      "SELECT a.k FROM (SELECT k FROM s ORDER BY k) AS a ASOF JOIN n ON a.k >= n.i",
      "SELECT * FROM n MATCH_RECOGNIZE (ORDER BY i MEASURES count(*) AS c, LAST(a.x, 1) AS l "
      "PATTERN (a+? (b | c)*) WITHIN 4 ROWS DEFINE a AS x > PREV(x) OR i > 0, b AS sum(i) < 9)",
      "SELECT * FROM s MATCH_RECOGNIZE (PARTITION BY s ORDER BY k MEASURES CLASSIFIER() AS c ALL "
      "ROWS PER MATCH WITH UNMATCHED ROWS AFTER MATCH SKIP TO NEXT ROW PATTERN (PERMUTE(a, b?) $) "
      "DEFINE a AS k <= NEXT(k))",
      "SELECT 1 + 1, 'a' < 'b', NULL IS NULL, DATE '2013-01-01' < TIMESTAMP '2013-01-02 00:00:00'",
  };
  for (const FunctionDef* function : AllFunctions()) {
    for (const Example& example : function->examples) {
      if (std::string_view(example.input).empty()) {
        seeds.push_back(std::string("SELECT ") + example.expression);
      }
    }
  }
  return seeds;
}

std::vector<std::string> Tokens() {
  std::vector<std::string> tokens = {" FROM n ",
                                     " FROM s ",
                                     " FROM '/t.csv' ",
                                     " WHERE ",
                                     " GROUP BY ",
                                     " HAVING ",
                                     " ORDER BY ",
                                     " LIMIT 0",
                                     " JOIN s ON ",
                                     " AND ",
                                     " OR ",
                                     " NOT ",
                                     " IS NULL ",
                                     " BETWEEN ",
                                     " IN (",
                                     "CASE ",
                                     " WHEN ",
                                     " THEN ",
                                     " ELSE ",
                                     " END",
                                     "CAST(",
                                     " AS BIGINT)",
                                     " AS VARCHAR)",
                                     " AS TINYINT)",
                                     " AS DECIMAL(38, 10))",
                                     " AS TIMESTAMP)",
                                     " AS DATE)",
                                     " AS DOUBLE)",
                                     "TRY_CAST(",
                                     "::",
                                     "DISTINCT ",
                                     " MATCH_RECOGNIZE (",
                                     " PATTERN (",
                                     " DEFINE a AS ",
                                     "PREV(",
                                     "FIRST(",
                                     "FINAL ",
                                     "{2,}",
                                     "*?",
                                     "{- ",
                                     " -}",
                                     " OVER (ORDER BY k)",
                                     "count(*)",
                                     "DATE '2013-02-28'",
                                     "NULL",
                                     "TRUE",
                                     "''",
                                     "'1'",
                                     "9223372036854775807",
                                     "-9223372036854775808",
                                     "1e308",
                                     "0.1",
                                     "0",
                                     "i",
                                     "x",
                                     "b",
                                     "d",
                                     "t",
                                     "m",
                                     "s",
                                     "k",
                                     "*",
                                     "+",
                                     "-",
                                     "/",
                                     "//",
                                     "%",
                                     "||",
                                     "=",
                                     "<>",
                                     "<",
                                     ",",
                                     "(",
                                     ")",
                                     ";",
                                     "EXPLAIN "};
  for (const std::string& name : AllNames(Dialect::kSql)) tokens.push_back(name + "(");
  return tokens;
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  static const std::shared_ptr<Session> session = fuzz::MakeSession();
  const std::string query(reinterpret_cast<const char*>(data), size);
  const Status status = fuzz::RunQuery(*session, query);
  fuzz::Expect(status.ok() || !fuzz::IsSeed(query), "seeds are valid: " + status.message());
  if (!status.ok()) fuzz::ExpectPresentable(status);
  fuzz::Expect(session->pool()->bytes_allocated() < int64_t{1} << 20, "memory is given back");
  return 0;
}
