"""Functions over the stream of a running application, against DuckDB over the same rows."""

import datetime
import json
import random
import subprocess
from decimal import Decimal

import pytest

duckdb = pytest.importorskip("duckdb")

STREAM = """
CREATE STREAM trades (id BIGINT, k STRING, x BIGINT, amount DECIMAL(18,2), s STRING, ts TIMESTAMP,
                      WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH (connector = 'file', path = 'trades.jsonl', format = 'json');
"""

WINDOWS = """
CREATE SINK windows WITH (connector = 'file', path = 'windows.jsonl', format = 'json') AS
SELECT k, _window_start AS w, count(*) AS n, count(x) AS nx, sum(x) AS sx, sum(amount) AS sa,
       min(amount) AS lo, max(s) AS hi, count_distinct(x) AS cd, first_value(id) AS f,
       last_value(id) AS l, listagg(s, '-') AS la, string_agg(x) AS sa2, collect(s, '+') AS co,
       median(x) AS med, delta(amount) AS d, stddev(x) AS sd, stddev_pop(x) AS sp,
       variance(x) AS vs, var_pop(x) AS vp,
       percentile_cont(0.25) WITHIN GROUP (ORDER BY x) AS pc,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY x) AS pd, corr(id, x) AS c,
       covar_pop(id, x) AS cp, covar_samp(id, x) AS cs, regr_slope(id, x) AS rs,
       regr_intercept(id, x) AS ri, regr_r2(id, x) AS r2, avg(x) AS ax
  FROM trades GROUP BY k WINDOW TUMBLING (ts, INTERVAL '1' MINUTE) EMIT FINAL;
"""

WINDOWS_IN_DUCKDB = """
SELECT k, strftime(time_bucket(INTERVAL '1 minute', ts), '%Y-%m-%d %H:%M:%S') AS w,
       count(*) AS n, count(x) AS nx, sum(x) AS sx, sum(amount) AS sa, min(amount) AS lo,
       max(s) AS hi, count(DISTINCT x) AS cd, first(id ORDER BY id) AS f, last(id ORDER BY id) AS l,
       string_agg(s, '-' ORDER BY id) AS la, string_agg(x, ',' ORDER BY id) AS sa2,
       string_agg(s, '+' ORDER BY id) AS co, median(x) AS med, max(amount) - min(amount) AS d,
       stddev(x) AS sd, stddev_pop(x) AS sp, variance(x) AS vs, var_pop(x) AS vp,
       quantile_cont(x, 0.25) AS pc, quantile_disc(x, 0.5) AS pd, corr(id, x) AS c,
       covar_pop(id, x) AS cp, covar_samp(id, x) AS cs, regr_slope(id, x) AS rs,
       regr_intercept(id, x) AS ri, regr_r2(id, x) AS r2, avg(x) AS ax
  FROM trades GROUP BY ALL ORDER BY k, w
"""

CHANGES = """
CREATE STREAM totals AS SELECT k, x, sum(amount) AS total, count(*) AS n, max(s) AS s
  FROM trades GROUP BY k, x EMIT CHANGES;
CREATE TABLE best WITH (connector = 'file', path = 'best.jsonl', format = 'json') AS
SELECT k PRIMARY KEY, min(total) AS lo, max(total) AS hi, delta(total) AS d, median(n) AS m,
       sum(total) AS s, min(s) AS first_text, max(s) AS last_text, count_distinct(n) AS u,
       percentile_cont(0.75) WITHIN GROUP (ORDER BY n) AS p,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY total) AS pd, stddev_pop(n) AS sd,
       list_sort(list(x)) AS xs, length(string_agg(n)) AS nl, last_value(k) AS lk
  FROM totals GROUP BY k EMIT CHANGES;
"""

CHANGES_IN_DUCKDB = """
WITH totals AS (SELECT k, x, sum(amount) AS total, count(*) AS n, max(s) AS s
                  FROM trades GROUP BY k, x)
SELECT k, min(total) AS lo, max(total) AS hi, max(total) - min(total) AS d, median(n) AS m,
       sum(total) AS s, min(s) AS first_text, max(s) AS last_text, count(DISTINCT n) AS u,
       quantile_cont(n, 0.75) AS p, quantile_disc(total, 0.5) AS pd, stddev_pop(n) AS sd,
       list_sort(list(x), 'ASC', 'NULLS LAST') AS xs, length(string_agg(n, ',')) AS nl, k AS lk
  FROM totals GROUP BY k ORDER BY k
"""

SCALARS = """
CREATE SINK scalars WITH (connector = 'file', path = 'scalars.jsonl', format = 'json') AS
SELECT id AS k, date_format(ts, '%H:%M') AS w, amount / 3 AS third, round_even(amount, 1) AS even,
       dateadd('minute', 5, ts) = ts + INTERVAL '5' MINUTE AS later, iif(x > 0, 'up', 'down') AS up,
       timestamp() = ts AS own, unix_timestamp(ts) AS u, join('/', k, s, x) AS j,
       json_value('{"a": [1, 2]}', '$.a.1') AS v, position('r', s) AS place, mod(x, 3) AS rest
  FROM trades WHERE mod(id, 50) = 0;
"""

SCALARS_IN_DUCKDB = """
SELECT id AS k, strftime(ts, '%H:%M') AS w,
       CAST(round(CAST(amount AS DECIMAL(28, 12)) / 3, 6) AS DECIMAL(38, 6)) AS third,
       round_even(amount, 1) AS even, true AS later,
       CASE WHEN x > 0 THEN 'up' ELSE 'down' END AS up, true AS own,
       CAST(floor(epoch(ts)) AS BIGINT) AS u, concat_ws('/', k, s, x) AS j, '2' AS v,
       strpos(s, 'r') AS place, x % 3 AS rest
  FROM trades WHERE id % 50 = 0 ORDER BY id
"""


def make_rows():
    numbers = random.Random(5)
    time = datetime.datetime(2024, 1, 1, 10)
    for number in range(2_000):
        time += datetime.timedelta(milliseconds=numbers.randint(0, 400))
        cents = numbers.randint(-500, 5_000)
        yield {
            "id": number,
            "k": numbers.choice("abc"),
            "x": None if numbers.random() < 0.1 else numbers.randint(-20, 20),
            "amount": None if numbers.random() < 0.05 else f"{cents / 100:.2f}",
            "s": numbers.choice(["p", "q", None, "rr"]),
            "ts": time.isoformat(timespec="milliseconds"),
        }


@pytest.fixture(scope="module")
def application(headrace_command, tmp_path_factory):
    """Runs statements over the stream; gives the lines of a file."""
    folder = tmp_path_factory.mktemp("application")
    with open(folder / "trades.jsonl", "w") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in make_rows())

    def run(statements, name):
        (folder / "app.sql").write_text(STREAM + statements)
        command = [headrace_command, "run", "app.sql"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        with open(folder / name) as lines:
            return [json.loads(line, parse_float=Decimal) for line in lines]

    run.folder = folder
    return run


def ask_duckdb(folder, query):
    with duckdb.connect() as connection:
        types = (
            "{id: 'BIGINT', k: 'VARCHAR', x: 'BIGINT', amount: 'DECIMAL(18, 2)', s: 'VARCHAR',"
            " ts: 'TIMESTAMP'}"
        )
        source = f"'{folder}/trades.jsonl', format = 'newline_delimited', columns = {types}"
        connection.execute(f"CREATE TABLE trades AS SELECT * FROM read_json({source})")
        result = connection.sql(query)
        return [dict(zip(result.columns, row)) for row in result.fetchall()]


def assert_same(got, want):
    got = sorted(got, key=lambda row: (row["k"], row.get("w", "")))
    assert len(got) == len(want)
    for left, right in zip(got, want):
        assert left.keys() == right.keys()
        for name, value in right.items():
            if isinstance(value, float):
                assert float(left[name]) == pytest.approx(value, rel=1e-9, abs=1e-9), (name, right)
            else:
                assert left[name] == value, (name, right)


def test_aggregates_in_windows(application):
    got = application(WINDOWS, "windows.jsonl")
    assert_same(got, ask_duckdb(application.folder, WINDOWS_IN_DUCKDB))


def test_aggregates_take_rows_back(application):
    latest = {row["k"]: row for row in application(CHANGES, "best.jsonl")}
    assert_same(list(latest.values()), ask_duckdb(application.folder, CHANGES_IN_DUCKDB))


def test_scalar_functions(application):
    got = application(SCALARS, "scalars.jsonl")
    assert_same(got, ask_duckdb(application.folder, SCALARS_IN_DUCKDB))
