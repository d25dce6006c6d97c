"""The process that measures: one workload, one engine. The suite starts it, limited and watched.

Prints one JSON object: the seconds from opening the files to the last row, anonymous memory before
that, and what the answer was.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from outofcore import limits, watch


def run(facts: dict[str, Any]) -> dict[str, Any]:
    # Arrow's default pool reserves a gigabyte at once, which RLIMIT_DATA counts.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from harness import engines
    from outofcore import answers, questions

    question = questions.QUESTIONS[facts["workload"]]
    budget = engines.Budget(facts["told_bytes"], facts["temp_bytes"], Path(facts["folder"]))
    engine = engines.CLASSES[facts["engine"]](facts["threads"], budget)
    answer = answers.Answer(question.sorted_by)
    start_mib = watch.resident_bytes(os.getpid())[0] >> 20
    start = time.perf_counter()
    for name in question.tables:
        engine.open_file(name, Path(facts["files"][name]), "parquet")
    for batch in engine.batches(question.query(facts["engine"])):
        answer.add(batch)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "start_mib": start_mib, "answer": answer.facts()}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    limits.enter(given["limit_bytes"], given["group"])
    print(json.dumps(run(given)), flush=True)
