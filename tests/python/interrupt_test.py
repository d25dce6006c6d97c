"""Ctrl-C in every call that may run long: it is heard soon, and the session lives on."""

from __future__ import annotations

import os

import pytest
from fresh_python import run_fresh

STOP_SECONDS_MAX = 0.5
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")

PROGRAM = """
import os, signal, threading, time
import headrace as hr
import pyarrow as pa
signal.signal(signal.SIGINT, signal.default_int_handler)
session = hr.Session(threads=2, temp_dir={folder!r})
session.register("t", {{"k": [1] * 60_000, "v": ["abc"] * 60_000}})
# Compares 3.6e9 pairs of rows.
long = session.sql("SELECT a.v || b.v AS s FROM t a JOIN t b ON a.k = b.k AND a.v || b.v = 'x'")
much = session.sql("SELECT a.v || b.v AS s FROM t a JOIN t b ON a.k = b.k")
pressed = []
def press():
    pressed.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.7, press).start()
try:
    {call}
    outcome = "no interrupt"
except KeyboardInterrupt:
    outcome = "interrupted"
late = time.monotonic() - pressed[0]
alive = session.sql("SELECT 1 AS one").to_pylist()[0]["one"]
tell(outcome=outcome, late=late, alive=alive, files=sorted(os.listdir({folder!r})))
"""

# Another library's reading call fails with an error of its own; the interrupt comes right behind.
PYARROW = """
    try:
        pa.table(long)
    except pa.ArrowInvalid:
        sum(1 for _ in range(10))
"""

CALLS = {
    "to_arrow": "long.to_arrow()",
    "to_arrow_of_much": "much.to_arrow()",
    "to_pandas": "long.to_pandas()",
    "fetch": "long.fetch(1)",
    "loop": "for batch in much: pass",
    "repr": "repr(long)",
    "html": "long._repr_html_()",
    "sort": "much.sort('s').to_arrow()",
    "explain": "long.explain(analyze=True)",
    "copy": "session.sql('COPY (SELECT * FROM l) TO \\'{folder}/out.csv\\'', l=long)",
    "write_parquet": "much.write_parquet('{folder}/out')",
    "write_csv": "much.write_csv('{folder}/out')",
    "write_arrow": "much.write_arrow('{folder}/out')",
    "register": "session.register('u', long)",
    "pyarrow": PYARROW,
    "slow_stream": (
        "session.from_arrow(pa.RecordBatchReader.from_batches(pa.schema([]), "
        "(time.sleep(20) for _ in range(1)))).to_arrow()"
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c(name: str, tmp_path: object) -> None:
    folder = str(tmp_path)
    told = run_fresh(PROGRAM.format(folder=folder, call=CALLS[name].format(folder=folder)), 60)
    assert told["outcome"] == "interrupted"
    assert SANITIZED or told["late"] < STOP_SECONDS_MAX
    assert told["alive"] == 1
    assert told["files"] == []
