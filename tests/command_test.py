"""The `headrace` command: what it prints where, its exit codes, Ctrl-C, readers that go away."""

import json
import os
import signal
import subprocess
import time

import pyarrow.ipc
import pytest
from caught_signal import wait_until_caught

STOP_SECONDS_MAX = 0.5
SANITIZED = "HEADRACE_COMMAND" in os.environ


@pytest.fixture
def run(headrace_command, tmp_path):
    """Runs the command in an empty folder."""

    def run(*arguments, text=""):
        command = [headrace_command, *arguments]
        return subprocess.run(
            command, input=text, capture_output=True, text=True, cwd=tmp_path, timeout=60
        )

    return run


@pytest.fixture
def endless(tmp_path):
    """A query over small files that takes very long: every row matches every row."""
    (tmp_path / "ones.csv").write_text("k,v\n" + "1,abc\n" * 60_000)
    return "SELECT a.v, b.k FROM 'ones.csv' a JOIN 'ones.csv' b ON a.k = b.k"


def test_version(run):
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("headrace 0.")


TABLES = """\
┌────────┬─────────┐
│      n │ s       │
│ BIGINT │ VARCHAR │
├────────┼─────────┤
│      1 │ ä\\nb    │
└────────┴─────────┘
1 row

┌─────────┐
│ nothing │
│ NULL    │
├─────────┤
└─────────┘
0 rows
"""


def test_table(run):
    query = "SELECT 1 AS n, 'ä\nb' AS s; SELECT NULL AS nothing LIMIT 0"
    done = run("sql", "-c", query)
    assert done.returncode == 0
    assert done.stdout == TABLES
    assert done.stderr == ""


def test_a_table_in_a_pipe_has_all_rows_unless_told(run, tmp_path):
    (tmp_path / "n.csv").write_text("n\n" + "".join(f"{i}\n" for i in range(5000)))
    whole = run("sql", "-c", "SELECT n FROM 'n.csv'")
    assert whole.stdout.count("\n") == 5000 + 6
    assert whole.stdout.endswith("\n5000 rows\n")
    few = run("sql", "--max-rows", "3", "-c", "SELECT n FROM 'n.csv'").stdout.splitlines()
    assert [line.strip("│ ") for line in few[4:7]] == ["0", "1", "2"]
    assert few[8] == "5000 rows, 3 shown"


def test_markdown(run):
    query = "SELECT 1 AS n, 'a|b' AS s"
    assert run("sql", "--format", "markdown", "-c", query).stdout == (
        "| n | s |\n|--:|---|\n| 1 | a\\|b |\n"
    )


def test_json(run, tmp_path):
    (tmp_path / "t.csv").write_text("x\n1\n2\n")
    done = run("sql", "--format", "json", "-c", "SELECT x FROM 't.csv'")
    assert json.loads(done.stdout) == [{"x": 1}, {"x": 2}]
    done = run("sql", "--format", "json", "-c", "SELECT 1 AS x LIMIT 0")
    assert json.loads(done.stdout) == []


def test_arrow(headrace_command, tmp_path):
    command = [headrace_command, "sql", "--format", "arrow", "-c", "SELECT 1 AS x, 'a' AS s"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=60)
    assert pyarrow.ipc.open_stream(done.stdout).read_all().to_pylist() == [{"x": 1, "s": "a"}]


def test_describe(run, tmp_path):
    (tmp_path / "in.csv").write_text("a;b\n1;x\n")
    done = run("describe", "in.csv", "--input-option", "delimiter=;", "--format", "csv")
    assert done.stdout == "column,type\na,BIGINT\nb,VARCHAR\n"
    assert done.stderr == "csv in.csv\n"
    run("convert", "in.csv", "in.parquet")
    assert run("describe", "in.parquet").stderr == "parquet in.parquet: 1 rows\n"


def test_csv(run):
    query = "SELECT 1 AS n, 'a,b' AS s, '' AS empty, CAST(NULL AS INTEGER) AS nothing"
    assert run("sql", "--format", "csv", "-c", query).stdout == 'n,s,empty,nothing\n1,"a,b","",\n'


def test_json_lines(run):
    query = """SELECT 1.50 AS d, 'a"\n' AS s, NULL AS n, TRUE AS t, 1e0 / 0 AS x"""
    done = run("sql", "--format", "jsonl", "-c", query)
    assert json.loads(done.stdout) == {"d": 1.5, "s": 'a"\n', "n": None, "t": True, "x": None}
    assert '"d":1.50' in done.stdout


def test_statements_from_a_file_and_from_standard_input(run, tmp_path):
    (tmp_path / "two.sql").write_text("SELECT 1 AS a;\n-- and\nSELECT 2 AS b;\n")
    from_file = run("sql", "-f", "two.sql", "--format", "csv")
    assert from_file.stdout == "a\n1\nb\n2\n"
    from_input = run("sql", "--format", "csv", text="SELECT 1 AS a; SELECT 2 AS b")
    assert from_input.stdout == from_file.stdout


def test_errors_name_the_line_of_the_script(run):
    done = run("sql", text="SELECT 1 AS one;\n\nSELECT\n  nope;\n")
    assert done.returncode == 1
    assert "one" in done.stdout
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("\n  line 4:   nope\n            ^\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sql", "--format", "nope", "-c", "SELECT 1"],
        ["sql", "--threads", "many", "-c", "SELECT 1"],
        ["sql", "-c", "SELECT 1", "-f", "x.sql"],
        ["convert", "x.csv"],
        ["convert", "x.csv", "y.csv", "--option", "delimiter"],
        ["nope"],
    ],
)
def test_wrong_usage(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr


def test_runtime_errors(run):
    for arguments in (["sql", "-c", "SELECT 1 // 0"], ["convert", "no.csv", "x.parquet"]):
        done = run(*arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


def test_errors_say_what_to_do(run, tmp_path):
    (tmp_path / "flights.csv").write_text("a\nx\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "planes.csv").write_text("a\n1\n")
    for arguments, hint in (
        (["describe", "fligths.csv"], "did you mean flights.csv?"),
        (["describe", f"{tmp_path}/sub/plnes.csv"], f"did you mean {tmp_path}/sub/planes.csv?"),
        (["convert", "flights.csv", "no/where.csv"], "its folder must exist"),
        (["sql", "-c", "SELECT * FROM flights"], "'flights.csv'"),
        (["sql", "-c", "SELECT a + 1 FROM 'flights.csv'"], "CAST(… AS BIGINT)"),
        (["sql", "SELECT 1"], "behind -c"),
        (["slq"], "sql, convert, describe, lint, run and checkpoint"),
    ):
        done = run(*arguments)
        assert done.returncode in (1, 2) and hint in done.stderr, done.stderr


def test_convert(run, tmp_path):
    (tmp_path / "in.csv").write_text("a;b\n1;x\nNA;y\n")
    done = run(
        *("convert", "in.csv", "out.parquet"),
        *("--input-option", "delimiter=;", "--input-option", "null=NA"),
    )
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr == "2 rows written to out.parquet\n"
    back = run("convert", "out.parquet", "out.csv", "--option", "header=false")
    assert back.returncode == 0
    assert (tmp_path / "out.csv").read_text() == "1,x\n,y\n"


def test_copy_talks_on_standard_error(run, tmp_path):
    done = run("sql", "-c", "COPY (SELECT 1 AS a) TO 'out.csv' (delimiter ';')")
    assert done.stdout == ""
    assert done.stderr == "1 row written to out.csv\n"
    assert (tmp_path / "out.csv").read_text() == "a\n1\n"


def interrupt(command, folder, number=signal.SIGINT):
    """(exit code, seconds from the signal to the end) of a command that got going."""
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    wait_until_caught(process, number)
    time.sleep(0.7)
    assert process.poll() is None, process.stderr.read()
    start = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert stderr == b""
    return process.returncode, time.monotonic() - start


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(headrace_command, endless, tmp_path, number, code):
    spill = tmp_path / "spill"
    spill.mkdir()
    query = f"COPY ({endless} ORDER BY b.k) TO 'out.csv'"
    options = ["--temp-dir", str(spill), "--memory-limit", "8MB"]
    before = set(tmp_path.iterdir())
    command = [headrace_command, "sql", *options, "-c", query]
    returned, seconds = interrupt(command, tmp_path, number)
    assert returned == code
    assert SANITIZED or seconds < STOP_SECONDS_MAX
    assert set(tmp_path.iterdir()) == before
    assert list(spill.iterdir()) == []


def test_interrupted_while_it_prints(headrace_command, endless, tmp_path):
    command = [headrace_command, "sql", "--format", "csv", "-c", endless]
    returned, seconds = interrupt(command, tmp_path)
    assert returned == 130
    assert SANITIZED or seconds < STOP_SECONDS_MAX


def test_a_reader_that_goes_away(headrace_command, endless, tmp_path):
    command = [headrace_command, "sql", "--format", "csv", "-c", endless]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"v,k\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    "arguments,says",
    [
        (["sql", "--formt", "csv", "-c", "SELECT 1"], "There is no option --formt;"),
        (["sql", "SELECT 1"], "SQL text goes behind -c"),
        (["frob"], "There is no subcommand frob; there are sql, convert, describe, lint, run and"),
    ],
)
def test_usage_says_one_thing(headrace_command: str, arguments: list[str], says: str) -> None:
    done = subprocess.run([headrace_command, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert says in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments,flag",
    [(["convert", "-", "x.parquet"], "--input-option"), (["describe", "-"], "--input-option")],
)
def test_a_pipe_needs_a_format(headrace_command: str, arguments: list[str], flag: str) -> None:
    done = subprocess.run(
        [headrace_command, *arguments], input="a\n1\n", capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"say {flag} format=csv" in done.stderr


def test_what_statements_say_is_no_data(run):
    script = """
        SET threads = 2; CREATE TABLE t AS SELECT 1 AS a; INSERT INTO t VALUES (2), (3);
        CREATE VIEW v AS SELECT a FROM t; SELECT sum(a) AS s FROM v; DROP VIEW v; DROP TABLE t"""
    done = run("sql", "--format", "csv", "-c", script)
    assert done.stdout == "s\n6\n"
    assert done.stderr.splitlines() == [
        "threads set",
        "1 row written to t",
        "2 rows written to t",
        "view v created",
        "v dropped",
        "t dropped",
    ]


@pytest.mark.parametrize(
    "arguments,says",
    [
        ([], "headrace sql"),
        (["-c", "SELECT 1"], "headrace sql -c"),
        (["x.csv"], "headrace describe x.csv"),
        (["sql", "--max-rows", "-1", "-c", "SELECT 1"], "a whole number from 0, got -1"),
        (["convert", "a.csv", "b.csv", "--format", "csv"], "--option format=csv"),
        (["describe", "a.csv", "--frmat", "csv"], "There is no option --frmat;"),
        (["sql", "--memory-limit", "3zb", "-c", "SELECT 1"], "memory_limit: expected a size"),
    ],
)
def test_usage_says_what_to_type(run, arguments, says):
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr) < 300, done.stderr


def test_settings_stand_before_the_subcommand_too(run):
    done = run("--memory-limit", "64MB", "sql", "--format", "csv", "-c", "SHOW memory_limit")
    assert done.stdout == "memory_limit\n64000000\n"


@pytest.mark.parametrize(
    "variable,says",
    [("HEADRACE_MEMORY_LIMIT", "expected a size"), ("HEADRACE_THREADS", "expects an integer")],
)
def test_bad_variables_of_the_environment(run, monkeypatch, variable, says):
    monkeypatch.setenv(variable, "many")
    done = run("sql", "-c", "SELECT 1")
    assert done.returncode == 1
    assert variable in done.stderr and says in done.stderr and "many" in done.stderr


def test_missing_folders(run, tmp_path):
    (tmp_path / "planes").mkdir()
    done = run("describe", "plnes/x.csv")
    assert "there is no folder plnes; did you mean planes?" in done.stderr
    assert "there is no folder nowhere\n" in run("describe", "nowhere/at/all.csv").stderr


def test_a_file_past_the_limit_of_the_shell(headrace_command, tmp_path):
    (tmp_path / "in.csv").write_text("a\n" + "1234567\n" * 100_000)
    command = f"ulimit -f 100; exec {headrace_command} convert in.csv out.csv"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "File too large" in done.stderr
    assert os.listdir(tmp_path) == ["in.csv"]
