"""The matrix: what sorts, groups, joins or looks over rows, by keys of every type, narrow and wide.

One text for headrace and for DuckDB. Sums of `amount` are of integers and `price` has quarters, so
answers are equal to the last digit.
"""

from __future__ import annotations

import dataclasses
import re

TABLES = re.compile(r"\b(?:FROM|JOIN) (facts|others|wide|long)\b")


@dataclasses.dataclass(frozen=True)
class Question:
    """`sorted_by`: columns of the answer, the first ones of its order; `quick`: in every test run.
    """

    name: str
    sql: str
    sorted_by: tuple[str, ...] = ()
    descending: bool = False
    quick: bool = False

    @property
    def tables(self) -> list[str]:
        return sorted(set(TABLES.findall(self.sql)))


def sort(name: str, columns: str, order: str, *sorted_by: str, **more: bool) -> Question:
    sql = f"SELECT {columns} FROM facts ORDER BY {order}"
    return Question(f"sort-{name}", sql, sorted_by, **more)


def group(name: str, select: str, keys: str, table: str = "facts", **more: bool) -> Question:
    return Question(f"group-{name}", f"SELECT {select} FROM {table} GROUP BY {keys}", **more)


def join(name: str, select: str, how: str, **more: bool) -> Question:
    return Question(f"join-{name}", f"SELECT {select} FROM facts AS f {how}", **more)


def window(name: str, call: str, over: str, **more: bool) -> Question:
    sql = f"SELECT id, k, {call} OVER ({over}) AS result FROM facts"
    return Question(f"window-{name}", sql, **more)


SUMS = "count(*) AS n, sum(amount)::BIGINT AS total, max(price) AS highest"
WIDE_SUMS = ", ".join(f"sum(w{at})::BIGINT AS s{at}" for at in range(1, 40, 2))
PAYLOAD = "f.id, f.amount, o.weight"
BY_KEY = "PARTITION BY k ORDER BY id"

QUESTIONS = [
    sort("integer", "id, amount", "id", "id", quick=True),
    sort("descending", "id, amount", "id DESC", "id", descending=True),
    sort("text", "name, id", "name, id", "name", "id"),
    sort("text-alone", "text", "text", "text"),
    sort("float", "number, id", "number NULLS FIRST, id"),
    sort("decimal", "money, id, text", "money, id", "money", "id"),
    sort("skewed", "skewed, id", "skewed, id", "skewed", "id"),
    sort("nulls", "nothing, id, text", "nothing"),
    sort("three-keys", "small, name, id", "small, name, id", "small", "name", "id"),
    sort("all-columns", "*", "k, id", "k", "id"),
    sort("sorted-already", "made, id, text", "made", "made"),
    sort("tenth", "id, text", "id LIMIT 1000000", "id"),
    Question("sort-wide", "SELECT * FROM wide ORDER BY id", ("id",), quick=True),
    Question("sort-long", "SELECT * FROM long ORDER BY id", ("id",)),
    group("integer", f"k, {SUMS}", "k", quick=True),
    group("unique", f"id, {SUMS}", "id", quick=True),
    group("text", f"name, {SUMS}", "name"),
    group("unique-text", "text, count(*) AS n", "text"),
    group("float", f"number, {SUMS}", "number"),
    group("decimal", f"money, {SUMS}", "money"),
    group("time", f"made, {SUMS}", "made"),
    group("two-keys", f"small, k, {SUMS}", "small, k"),
    group("skewed", f"skewed, {SUMS}", "skewed"),
    group("nulls", f"nothing, {SUMS}", "nothing"),
    group("texts", "k, min(text) AS least, max(name) AS last", "k"),
    group("wide", f"k, {WIDE_SUMS}", "k", "wide"),
    group("long", "body, count(*) AS n, max(id) AS last", "body", "long"),
    group("median", "k, median(amount) AS middle", "k"),
    group("median-few", "small, median(price) AS middle, quantile_disc(id, 0.9) AS high", "small"),
    group("list", "k, list(amount ORDER BY id) AS amounts", "k", quick=True),
    group("list-few", "small, len(list(id)) AS n", "small"),
    group("string", "k, string_agg(text, ',' ORDER BY id) AS texts", "k"),
    group("string-few", "small, length(string_agg(text, ',')) AS n", "small", quick=True),
    group("mode", "small, mode(CASE WHEN amount < 6000 THEN 7 ELSE id END) AS most", "small",
          quick=True),
    group("distinct", "small, count(DISTINCT name) AS n", "small"),
    group("first", "k, arg_min(text, id) AS first, arg_max(amount, id) AS last", "k"),
    Question("distinct-count", "SELECT count(DISTINCT id) AS n, count(DISTINCT k) AS m FROM facts"),
    Question("distinct-text", "SELECT DISTINCT name FROM facts", quick=True),
    Question("distinct-rows", "SELECT DISTINCT k, small, skewed FROM facts"),
    Question("distinct-long", "SELECT DISTINCT body FROM long"),
    join("integer", PAYLOAD, "JOIN others AS o ON f.id = o.id", quick=True),
    join("left", PAYLOAD, "LEFT JOIN others AS o ON f.id = o.id"),
    join("right", PAYLOAD + ", o.id AS oid", "RIGHT JOIN others AS o ON f.id = o.id"),
    join("full", PAYLOAD + ", o.id AS oid", "FULL JOIN others AS o ON f.id = o.id"),
    join("semi", "f.id", "WHERE EXISTS (SELECT 1 FROM others AS o WHERE o.k = f.k)"),
    join("anti", "f.id", "WHERE NOT EXISTS (SELECT 1 FROM others AS o WHERE o.k = f.k)"),
    join("not-in", "f.id", "WHERE f.k NOT IN (SELECT o.k FROM others AS o)"),
    join("text", "f.id, o.weight", "JOIN others AS o ON f.name = o.name AND o.small < 100"),
    join("two-keys", PAYLOAD, "JOIN others AS o ON f.id = o.id AND f.small <> o.small"),
    join("decimal", "count(*) AS n, sum(f.amount * o.weight)::BIGINT AS total",
         "JOIN others AS o ON f.money = o.money"),
    join("residual", PAYLOAD, "JOIN others AS o ON f.k = o.k AND f.amount < o.weight"),
    join("skewed", "f.id, f.text, o.weight", "JOIN others AS o ON f.skewed = o.id"),
    join("nulls", PAYLOAD, "LEFT JOIN others AS o ON f.nothing = o.nothing"),
    join("texts-along", "f.id, f.text, f.name, o.name AS other", "JOIN others AS o ON f.id = o.id"),
    window("number", "row_number()", BY_KEY, quick=True),
    window("running", "sum(amount)", BY_KEY),
    window("lag", "lag(text)", BY_KEY),
    window("sliding", "sum(amount)", BY_KEY + " ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING"),
    window("partition", "max(price)", "PARTITION BY k"),
    window("all-rows", "sum(amount)", "ORDER BY id"),
    window("all-rows-sliding", "max(amount)", "ORDER BY id ROWS 100 PRECEDING"),
    window("skewed", "rank()", "PARTITION BY skewed ORDER BY amount"),
    Question("union", "SELECT id, small FROM facts UNION SELECT id, small FROM others"),
    Question("intersect", "SELECT k, small FROM facts INTERSECT SELECT k, small FROM others"),
    Question("except", "SELECT k, small FROM facts EXCEPT ALL SELECT k, small FROM others"),
    Question("asof", "SELECT f.id, o.weight FROM facts AS f ASOF JOIN others AS o"
             " ON f.small = o.small AND f.made >= o.made"),
]
