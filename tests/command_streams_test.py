"""Pipes as files: standard input and output, named pipes, links, a reader that goes away."""

import os
import signal
import stat
import subprocess
import threading

import headrace as hr
import pyarrow.parquet
import pytest

ROWS = "".join(f"{i},name {i % 7}\n" for i in range(20_000))
CSV = "id,name\n" + ROWS


@pytest.fixture
def start(headrace_command, tmp_path):
    def start(*arguments):
        pipe = subprocess.PIPE
        command = [headrace_command, *map(str, arguments)]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=tmp_path)

    return start


def finish(process, data=b""):
    stdout, stderr = process.communicate(data, timeout=60)
    return process.returncode, stdout, stderr.decode()


def feed(path, text):
    """A thread that writes `text` into the named pipe."""

    def write():
        with open(path, "w") as pipe:
            pipe.write(text)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_convert_standard_input(start, tmp_path):
    process = start("convert", "-", "out.parquet", "--input-option", "format=csv")
    code, stdout, stderr = finish(process, CSV.encode())
    assert (code, stdout) == (0, b"")
    assert "20000 rows" in stderr
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist() == list(range(20_000))


def test_convert_to_standard_output(start, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    code, stdout, stderr = finish(start("convert", "in.csv", "-", "--option", "format=csv"))
    assert (code, stdout.decode()) == (0, CSV)
    assert stderr.endswith("20000 rows written to /dev/stdout\n")


def test_convert_a_parquet_file_through_pipes(start, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    assert finish(start("convert", "in.csv", "in.parquet"))[0] == 0
    formats = ["--input-option", "format=parquet", "--option", "format=arrow"]
    to_arrow = start("convert", "-", "-", *formats)
    code, arrow, stderr = finish(to_arrow, (tmp_path / "in.parquet").read_bytes())
    assert code == 0, stderr
    table = pyarrow.ipc.open_file(arrow).read_all()
    assert table.num_rows == 20_000


def test_a_pipe_is_read_as_often_as_the_query_names_it(start):
    pipe = "read_csv('/dev/stdin')"
    query = f"SELECT count(*) AS n FROM {pipe} a JOIN {pipe} b USING (id)"
    code, stdout, stderr = finish(start("sql", "--format", "csv", "-c", query), CSV.encode())
    assert (code, stdout) == (0, b"n\n20000\n"), stderr


def test_describe_standard_input(start):
    process = start("describe", "-", "--format", "csv", "--input-option", "format=csv")
    code, stdout, _ = finish(process, CSV.encode())
    assert code == 0
    assert b"id,BIGINT" in stdout


def test_an_empty_pipe(start):
    code, stdout, stderr = finish(start("convert", "-", "x.csv", "--input-option", "format=csv"))
    assert (code, stdout) == (1, b"")
    assert stderr.startswith("error: /dev/stdin")


def test_named_pipes(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    os.mkfifo(source)
    os.mkfifo(target)
    session = hr.Session()
    writer = feed(source, CSV)
    got = []
    reader = threading.Thread(target=lambda: got.append(target.read_text()))
    reader.start()
    query = f"COPY (SELECT * FROM read_csv('{source}') WHERE id < 3) TO '{target}' (FORMAT csv)"
    session.sql(query).to_arrow()
    writer.join(10)
    reader.join(10)
    assert got == ["id,name\n0,name 0\n1,name 1\n2,name 2\n"]
    assert stat.S_ISFIFO(os.stat(target).st_mode)
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real.csv").write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to("folder/real.csv")
    hr.sql(f"COPY (SELECT 1 AS a) TO '{link}'").to_arrow()
    assert link.is_symlink()
    assert (tmp_path / "folder" / "real.csv").read_text() == "a\n1\n"
    assert os.listdir(tmp_path / "folder") == ["real.csv"]


def test_a_reader_that_goes_away(start, tmp_path):
    (tmp_path / "in.csv").write_text(CSV * 1)
    process = start("convert", "in.csv", "-", "--option", "format=csv")
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(20) in (0, 128 + signal.SIGPIPE)
    assert process.stderr.read().decode().count("error") == 0


def test_ctrl_c_while_a_pipe_is_silent(start, tmp_path):
    process = start("convert", "-", "out.csv", "--input-option", "format=csv")
    process.stdin.write(b"id\n1\n")
    process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 128 + signal.SIGINT
    assert os.listdir(tmp_path) == []


def test_python_hears_ctrl_c_while_a_named_pipe_has_no_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        hr.sql(f"FROM read_csv('{tmp_path}/pipe')").to_arrow()
    assert hr.sql("SELECT 1 AS a").to_pylist() == [{"a": 1}]
