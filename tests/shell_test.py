"""The interactive shell of `headrace sql`, on a real pseudo terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminal import Terminal

PROMPT = "headrace> "
STOP_SECONDS_MAX = 0.5
SANITIZED = "HEADRACE_COMMAND" in os.environ


@pytest.fixture
def shell(headrace_command: str, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts the shell in an empty folder and waits for its prompt."""
    started: list[Terminal] = []

    def start(columns: int = 80, **environment: str) -> Terminal:
        given = {"HEADRACE_HISTORY": str(tmp_path / "history"), **environment}
        terminal = Terminal(
            [headrace_command, "sql"], cwd=tmp_path, environment=given, columns=columns
        )
        started.append(terminal)
        terminal.wait_for(PROMPT)
        return terminal

    yield start
    for terminal in started:
        terminal.__exit__(None, None, None)


def test_a_statement_and_the_end(shell: Callable[..., Terminal]) -> None:
    terminal = shell()
    terminal.type("SELECT 41 + 1 AS answer;\n")
    assert "│     42 │" in terminal.wait_for("1 row\n" + PROMPT)
    terminal.type("\x04")
    assert terminal.wait_for_end() == 0


def test_a_statement_over_several_lines(shell: Callable[..., Terminal]) -> None:
    terminal = shell()
    terminal.type("SELECT 'a;\n")
    terminal.wait_for("...> ")
    terminal.type("b' AS s -- not yet;\n")
    terminal.wait_for("...> ")
    terminal.type(";\n")
    assert "a;\\nb" in terminal.wait_for("1 row")


def test_an_error_leaves_the_shell_alive(shell: Callable[..., Terminal]) -> None:
    terminal = shell()
    terminal.type("SELEC 1;\n")
    shown = terminal.wait_for(PROMPT)
    terminal.type("SELECT nope;\nSELECT 7 AS seven;\n")
    shown += terminal.wait_for("1 row")
    assert "error:" in shown and "│      7 │" in shown


def test_ctrl_c_stops_the_query_and_not_the_shell(
    shell: Callable[..., Terminal], tmp_path: Path
) -> None:
    (tmp_path / "ones.csv").write_text("k,v\n" + "1,abc\n" * 60_000)
    terminal = shell()
    terminal.type(
        "SELECT count(*) FROM 'ones.csv' a JOIN 'ones.csv' b ON a.k = b.k AND a.v || b.v = 'x';\n"
    )
    time.sleep(0.5)
    start = time.monotonic()
    terminal.interrupt()
    terminal.wait_for("stopped")
    assert SANITIZED or time.monotonic() - start < STOP_SECONDS_MAX
    terminal.wait_for(PROMPT)
    terminal.type("SELECT 5 AS five;\n")
    terminal.wait_for("1 row")


def test_ctrl_c_at_the_prompt_drops_what_was_typed(shell: Callable[..., Terminal]) -> None:
    terminal = shell()
    terminal.type("SELECT 'open\n")
    terminal.wait_for("...> ")
    terminal.type("garbage")
    terminal.interrupt()
    terminal.wait_for(PROMPT)
    terminal.interrupt()
    terminal.wait_for(PROMPT)
    terminal.type("SELECT 5 AS five;\n")
    assert "five" in terminal.wait_for("1 row")
    terminal.type(".quit\n")
    assert terminal.wait_for_end() == 0


def test_history_outlives_the_shell(shell: Callable[..., Terminal], tmp_path: Path) -> None:
    first = shell()
    first.type("SELECT\n 11 AS eleven;\n")
    first.wait_for("1 row")
    first.type(".quit\n")
    assert first.wait_for_end() == 0
    assert (tmp_path / "history").stat().st_mode & 0o077 == 0
    second = shell()
    second.type("\x10\x10\n")  # Ctrl-P: .quit, then the statement
    assert "│     11 │" in second.wait_for("1 row")


def test_completion(shell: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "flights.csv").write_text("carrier,distance\nUA,1400\n")
    terminal = shell()
    terminal.type("SEL\t1 AS one;\n")
    assert "SELECT 1 AS one" in terminal.wait_for("1 row")
    terminal.type("SELECT * FROM 'fli\t;\n")
    assert "UA" in terminal.wait_for("1 row")
    terminal.type("COPY (SELECT carrier FROM 'flights.csv' WHERE dist\t> 0) TO 'o\n")
    assert "distance" in terminal.wait_for("...> ")
    terminal.interrupt()
    terminal.wait_for(PROMPT)
    terminal.type(".ti\ton\n")
    terminal.wait_for("timer is on")
    terminal.type("SELECT cou\t\t")
    terminal.wait_for("count")


def test_dot_commands(shell: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,x\n")
    terminal = shell()
    terminal.type(".help\n")
    assert ".schema" in terminal.wait_for("Tab completes")
    terminal.type(".tables\n")
    terminal.wait_for("no tables")
    terminal.type(".schema t.csv\n")
    terminal.wait_for("a BIGINT\n  b VARCHAR")
    terminal.type(".timer on\nSELECT 1 AS one;\n")
    terminal.wait_for(" s\n" + PROMPT)
    terminal.type(".format csv\nSELECT 2 AS two;\n")
    terminal.wait_for("two\n2\n")
    terminal.type(".nope\n")
    terminal.wait_for(".help lists them")


def test_a_table_fits_the_terminal_and_says_what_it_left_out(
    shell: Callable[..., Terminal], tmp_path: Path
) -> None:
    columns = [f"column_{i}" for i in range(30)]
    row = ",".join(["some words that are longer"] * 29 + ["7"])
    (tmp_path / "wide.csv").write_text(",".join(columns) + "\n" + f"{row}\n" * 100)
    terminal = shell(columns=60)
    terminal.type("SELECT * FROM 'wide.csv';\n")
    shown = terminal.wait_for(" shown\n")
    lines = [line for line in shown.splitlines() if line.startswith(("│", "┌"))]
    assert {len(line) for line in lines} <= set(range(40, 61))
    assert len([line for line in lines if "some words" in line]) == 40
    assert "100 rows, 40 shown, 30 columns, " in shown
    assert "column_0" in shown and "column_29" in shown and "…" in shown


def test_colors(shell: Callable[..., Terminal]) -> None:
    plain, colored = shell(), shell(NO_COLOR="")
    for terminal in (plain, colored):
        terminal.type("SELECT 1 AS one;\n")
        terminal.wait_for("1 row")
    assert "\x1b[1mone" not in plain.raw
    assert "\x1b[1mone" in colored.raw


def test_progress_on_the_terminal(shell: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "ones.csv").write_text("k,v\n" + "1,abc\n" * 30_000)
    terminal = shell()
    terminal.type(
        "SELECT count(*) FROM 'ones.csv' a JOIN 'ones.csv' b ON a.k = b.k AND a.v || b.v = 'x';\n"
    )
    terminal.wait_for("MB read")
    terminal.interrupt()
    terminal.wait_for("stopped")


def test_commands_of_other_shells(shell: Callable[..., Terminal]) -> None:
    terminal = shell()
    for word in ("\\help", "help", "?"):
        terminal.type(f"{word}\n")
        assert "Statements end with ';'" in terminal.wait_for(".quit")
        terminal.wait_for(PROMPT)
    terminal.type("\\nope\n")
    assert "there is no command \\nope; .help lists them" in terminal.wait_for(PROMPT)
    terminal.type("\\q\n")
    assert terminal.wait_for_end() == 0


def test_commands_of_duckdb_and_psql(shell: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "script.sql").write_text("SELECT 40 + 2 AS answer;\nSELECT nope;\n")
    terminal = shell(columns=100)
    terminal.type("\\d t.csv\n")
    terminal.wait_for("a BIGINT\n  b VARCHAR")
    terminal.type(".read script.sql\n")
    assert "42" in terminal.wait_for("line 2: SELECT nope")
    terminal.type(".maxrows 1\nSELECT * FROM 't.csv';\n")
    terminal.wait_for("2 rows, 1 shown")
    terminal.type(".maxrows many\n")
    terminal.wait_for("expects an integer")
    terminal.type(".mode json\nSELECT 2 AS two;\n")
    terminal.wait_for('[{"two":2}]')
    terminal.type(".open my.db\n")
    terminal.wait_for("files are tables by their names")
    terminal.type(".tmier\n")
    terminal.wait_for("did you mean .timer?")
    terminal.type(".read\n")
    terminal.wait_for("expected .read FILE")
    terminal.type(".exit\n")
    assert terminal.wait_for_end() == 0


def test_a_text_may_take_the_whole_terminal(shell: Callable[..., Terminal]) -> None:
    terminal = shell(columns=130)
    terminal.type("SELECT repeat('x', 120) AS long;\n")
    terminal.wait_for("│ " + 120 * "x" + " │")
    terminal.type("SELECT repeat('y', 300) AS longer;\n")
    terminal.wait_for("│ " + 125 * "y" + "… │")


def test_counting_rows_ends(shell: Callable[..., Terminal]) -> None:
    terminal = shell()
    terminal.type("SELECT * FROM range(1000000000000);\n")
    terminal.wait_for("more than ")
    terminal.wait_for("rows, 40 shown")
    terminal.wait_for(PROMPT)


def test_an_escaped_text_over_two_lines(shell: Callable[..., Terminal]) -> None:
    terminal = shell()
    terminal.type("SELECT E'a\\';\n")
    terminal.wait_for("...> ")
    terminal.type("b' AS s;\n")
    assert "a';\\nb" in terminal.wait_for("1 row")
