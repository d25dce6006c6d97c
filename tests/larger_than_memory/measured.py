"""One question in a process of its own: says its anonymous memory once the session is open, then
writes the answer to its standard output as an Arrow stream, and last its metrics to the errors."""

from __future__ import annotations

import json
import sys
from typing import Any


def anonymous_bytes() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon"))


def run(facts: dict[str, Any]) -> None:
    import headrace as hr
    import pyarrow as pa

    out = sys.stdout.buffer
    with hr.Session(**facts["session"]) as session:
        for name, path in facts["files"].items():
            session.register(name, session.scan(path))
        cursor = session.sql(facts["sql"])
        print(anonymous_bytes(), file=sys.stderr, flush=True)
        with pa.ipc.new_stream(out, cursor.schema) as writer:
            for batch in cursor:
                writer.write_batch(batch)
        print(json.dumps(cursor.metrics()), file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
