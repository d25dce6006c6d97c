"""What to say where a name is not known: the names of other libraries, and the nearest one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

# Names of other libraries for what a cursor does.
OF_CURSORS = {
    **dict.fromkeys(("where", "query"), "filter"),
    **dict.fromkeys(("project",), "select"),
    **dict.fromkeys(("drop", "exclude"), 'select("* EXCLUDE (…)")'),
    **dict.fromkeys(("group_by", "groupby", "agg"), "aggregate(keys, name=…)"),
    **dict.fromkeys(("order_by", "order", "sort_values", "sort_by"), "sort"),
    **dict.fromkeys(("with_columns", "with_column", "assign", "mutate"), "derive(name=…)"),
    **dict.fromkeys(("drop_duplicates", "unique"), "distinct"),
    **dict.fromkeys(("merge",), "join"),
    **dict.fromkeys(("concat", "union_all", "append", "vstack"), "union"),
    **dict.fromkeys(
        ("collect", "arrow", "execute", "read_all", "to_arrow_table", "fetch_arrow_table"),
        "to_arrow",
    ),
    **dict.fromkeys(("df", "fetchdf", "fetch_df", "to_df"), "to_pandas"),
    **dict.fromkeys(("pl",), "to_polars"),
    **dict.fromkeys(("fetchall", "rows", "to_dicts", "iter_rows"), "to_pylist"),
    **dict.fromkeys(("fetchone",), "fetch(1)"),
    **dict.fromkeys(("fetchmany",), "fetch(count)"),
    **dict.fromkeys(
        ("fetch_record_batch", "to_arrow_reader", "to_batches", "iter_batches", "iter_slices"),
        "for batch in cursor",
    ),
    **dict.fromkeys(("show", "display", "glimpse"), "print(cursor)"),
    **dict.fromkeys(("count", "height", "shape"), 'aggregate(n="count(*)")'),
    **dict.fromkeys(("to_parquet", "sink_parquet"), "write_parquet"),
    **dict.fromkeys(("to_csv", "sink_csv"), "write_csv"),
    **dict.fromkeys(("to_json", "write_ndjson", "sink_ndjson"), "write_json"),
    **dict.fromkeys(("sink_ipc", "write_ipc"), "write_arrow"),
    **dict.fromkeys(("dtypes", "types", "describe"), "schema"),
    **dict.fromkeys(("create", "create_view", "to_table", "to_view"), "hr.register(name, cursor)"),
}

# … for what an expression does.
OF_EXPRESSIONS = {
    **dict.fromkeys(("alias", "name_as"), "select(name=expression)"),
    **dict.fromkeys(("isin",), "is_in"),
    **dict.fromkeys(("is_between",), "between"),
    **dict.fromkeys(("is_nan",), "isnan"),
    **dict.fromkeys(("notnull", "is_not_nan"), "is_not_null"),
    **dict.fromkeys(("isna", "isnull"), "is_null"),
    **dict.fromkeys(("fill_null", "fillna"), "coalesce"),
    **dict.fromkeys(("n_unique", "nunique"), "count_distinct"),
    **dict.fromkeys(("std",), "stddev"),
    **dict.fromkeys(("ffill", "fill_forward"), "forward_fill"),
    **dict.fromkeys(("bfill", "fill_backward"), "backward_fill"),
    **dict.fromkeys(("cumprod",), "cum_prod"),
    **dict.fromkeys(("cummax",), "cum_max"),
    **dict.fromkeys(("cummin",), "cum_min"),
    **dict.fromkeys(("cumcount",), "cum_count"),
    **dict.fromkeys(("map_elements", "apply", "map_batches"), "cursor.apply(args, type, name=f)"),
    **dict.fromkeys(("astype",), "cast"),
    **dict.fromkeys(("str", "dt"), "a method of the expression itself, as col.upper(), col.year()"),
}

# … for what the module does.
OF_THE_MODULE = {
    **dict.fromkeys(("read_csv", "read_csv_auto"), "hr.scan_csv"),
    **dict.fromkeys(("read_parquet", "from_parquet"), "hr.scan_parquet"),
    **dict.fromkeys(("read_json", "read_ndjson", "scan_ndjson"), "hr.scan_json"),
    **dict.fromkeys(("read_ipc", "read_feather", "read_ipc_stream"), "hr.scan_ipc"),
    **dict.fromkeys(("connect", "SQLContext"), "hr.Session"),
    **dict.fromkeys(("execute", "query"), "hr.sql"),
    **dict.fromkeys(
        ("from_pandas", "from_polars", "from_df", "from_dict", "DataFrame", "LazyFrame"),
        "hr.from_arrow",
    ),
    **dict.fromkeys(("concat",), "cursor.union"),
    **dict.fromkeys(("column", "ColumnExpression"), "hr.col"),
    **dict.fromkeys(("ConstantExpression",), "hr.lit"),
}


def advice(name: str, elsewhere: Mapping[str, str], names: Iterable[str]) -> str:
    """What follows "there is no `name`": "; it is called … here", "; did you mean …?", or ""."""
    if name in elsewhere:
        return f"; it is called {elsewhere[name]} here"
    public = [known for known in names if not known.startswith("_")]
    near = difflib.get_close_matches(name, public, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""
