"""headrace lint: what it prints, and its exit codes."""

import json
import subprocess

import pytest

CLEAN = """\
CREATE STREAM s WITH (connector = 'generator', columns = 'n sequence, at event_time(0, 1000)',
                      event.time.field = at);
SELECT n % 3 AS k, count(*) AS n FROM s GROUP BY k WINDOW TUMBLING (1m) EMIT FINAL;
"""
WARNED = CLEAN + "SELECT n FROM s WHERE CAST(n AS STRING) LIKE '%1';\n"
BROKEN = WARNED + "SELECT m FROM s;\n"


@pytest.fixture
def lint(headrace_command, tmp_path):
    """Checks a text as app.sql in an empty folder."""

    def lint(text, *arguments):
        (tmp_path / "app.sql").write_text(text)
        return subprocess.run(
            [headrace_command, "lint", "app.sql", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
        )

    return lint


def test_a_clean_file(lint):
    done = lint(CLEAN)
    assert (done.returncode, done.stdout) == (0, "app.sql: 0 errors, 0 warnings\n")


def test_warnings_are_no_errors(lint):
    done = lint(WARNED)
    assert done.returncode == 0
    assert done.stdout.startswith("app.sql:4:46: warning: a pattern that begins with %")
    assert "[leading-wildcard]\n  line 4: SELECT n FROM s WHERE" in done.stdout
    assert done.stdout.endswith("app.sql: 0 errors, 1 warning\n")
    assert lint(WARNED, "--strict").returncode == 3


def test_errors(lint):
    done = lint(BROKEN)
    assert done.returncode == 3
    assert "app.sql:5:8: error: " in done.stdout
    assert "  line 5: SELECT m FROM s;\n                 ^\n" in done.stdout


def test_json(lint):
    done = lint(BROKEN, "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert (found["path"], found["errors"], found["warnings"]) == ("app.sql", 1, 1)
    places = [(one["code"], one["line"], one["column"]) for one in found["diagnostics"]]
    assert places == [("leading-wildcard", 4, 46), ("unknown-name", 5, 8)]


def test_config_files_stand_beside_the_application(lint, tmp_path):
    (tmp_path / "gen.yaml").write_text("type: generator\ncolumns: ${COLUMNS_OF_GEN:-n sequence}\n")
    text = "CREATE STREAM s WITH (config_file = 'gen.yaml');\nSELECT n FROM s;\n"
    assert lint(text).returncode == 0
    (tmp_path / "gen.yaml").write_text("type: generator\ncolums: n sequence\n")
    done = lint(text)
    assert done.returncode == 3
    assert "columns" in done.stdout


def test_a_missing_file(headrace_command, tmp_path):
    command = [headrace_command, "lint", "none.sql"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 1
    assert "none.sql" in done.stderr


def test_wrong_usage(headrace_command):
    done = subprocess.run([headrace_command, "lint"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2


def test_options_of_a_table_are_checked(lint):
    table = """CREATE TABLE t (k STRING PRIMARY KEY, v BIGINT) WITH (connector = 'generator',
      columns = 'k key(5), v sequence', rows = 5, on_not_ready = {});
      CREATE SINK o WITH (connector = 'stdout') AS SELECT k, v FROM t;"""
    done = lint(table.format("'skipp'"))
    assert done.returncode == 3
    assert "expected fail_fast, use_defaults, skip, emit_nulls or wait_and_retry" in done.stdout
    done = lint(table.format("'use_defaults', 'on_not_ready.defaults' = 'w = 1'"))
    assert done.returncode == 3
    assert "expected column = value" in done.stdout
