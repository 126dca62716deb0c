"""Runs on an object store: a real S3 API on this machine, which fails as real ones do."""

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("moto", reason="needs the S3 server of moto: pip install 'prox-refine[dev]'")
pytest.importorskip("s3fs", reason="needs s3fs: pip install 'prox-refine[s3]'")

from faulty_s3 import KEYS, FaultyS3, faulty_s3

from prox.corpora import open_file_system, storage
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus

# As `prox`, but with waits that suit a test.
PROX = """
import prox.corpora.storage as storage, prox.runs.lock as lock, prox.runs.supervisor as supervisor
storage._ANSWER_SECONDS = 5.0
lock.BEAT_SECONDS, lock.SILENCE_SECONDS = 0.2, 1.5
supervisor._WAITS_FOR_STORAGE = (0.1, 0.2, 0.3)
from prox.cli import main
main()
"""

OPTIONS = ("--unit-bytes", "60KB", "--workers", "2", "--time-limit", "6")


def impatient(seconds: float) -> dict:
    return {"config_kwargs": {"read_timeout": seconds, "retries": {"mode": "standard", "total_max_attempts": 1}}}


QUICK = {"FSSPEC_S3": json.dumps({"config_kwargs": {"read_timeout": 1.5}})}


@pytest.fixture(scope="module")
def server():
    with faulty_s3() as server:
        yield server


@pytest.fixture
def s3(server, monkeypatch) -> FaultyS3:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": server.url, "AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)
    server.renew()
    return server


def start(*args: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROX, "refine", *args],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str]:
    """Exit code and standard error; a run that hangs fails the test."""
    try:
        _, errors = run.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.kill()
        raise
    return run.returncode, errors


def refine(*args: str, **environment: str) -> tuple[int, str]:
    return finish(start(*args, *OPTIONS, **environment))


def records(count: int, seed: int = 1) -> list[dict]:
    rng = random.Random(seed)
    words = "the river runs to a mountain read history | click here for more cookies and policy".split()  # noqa: SIM905
    return [
        {"id": f"{seed}-{n}", "text": "\n".join(" ".join(rng.choices(words, k=12)) for _ in range(8))}
        for n in range(count)
    ]


def lines(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def corpus() -> dict[str, bytes]:
    """Three files of several units each."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records(300, 3)), sink, row_group_size=50)
    return {
        "a.jsonl": lines(records(400, 1)),
        "b.jsonl.gz": gzip.compress(lines(records(900, 2)), 1, mtime=0),
        "c.parquet": sink.getvalue(),
    }


def filled(s3: FaultyS3) -> str:
    for name, data in corpus().items():
        s3.put(f"in/{name}", data)
    return f"s3://{s3.bucket}/in"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def parts(files: dict[str, bytes], bucket: str = "") -> dict[str, object]:
    """All but times and the name of the input folder: what must be the same whatever happened on the way."""
    kept: dict[str, object] = {name: data for name, data in files.items() if name.startswith(("text/", "quarantine/"))}
    for name, data in files.items():
        if name.startswith("programs/"):
            kept[name] = pq.read_table(io.BytesIO(data)).drop_columns("file").to_pylist()
        elif name.startswith("ledger/"):
            kept[name] = json.loads(data)["parts"].keys()
        elif name != "report.html":  # the command writes it, `refine_corpus` does not
            kept.setdefault(name.partition("/")[0], None)
    return kept


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, object]:
    """What a run on this machine gives."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "in").mkdir()
    for name, data in corpus().items():
        (folder / "in" / name).write_bytes(data)
    refine_corpus(
        make_recipe(input=str(folder / "in"), output=str(folder / "out"), unit_bytes="60KB", workers=0),
    )
    found = parts(files_of(folder / "out"))
    assert len([name for name in found if str(name).startswith("ledger/")]) > 9
    return found


def test_a_run_from_bucket_to_bucket_gives_what_a_local_one_gives(s3, expected):
    given = filled(s3)
    s3.put("in/", b"")  # consoles make "folders" so
    s3.put("out/", b"")
    assert refine(given, f"s3://{s3.bucket}/out") == (0, "")
    found = s3.objects("out/")
    found.pop("", None)
    assert parts(found) == expected
    assert json.loads(found["run.json"])["status"] == "complete"


def test_from_a_bucket_to_this_machine_and_back(s3, expected, tmp_path):
    given = filled(s3)
    assert refine(given, str(tmp_path / "out")) == (0, "")
    assert parts(files_of(tmp_path / "out")) == expected
    (tmp_path / "in").mkdir()
    for name, data in corpus().items():
        (tmp_path / "in" / name).write_bytes(data)
    assert refine(str(tmp_path / "in"), f"s3://{s3.bucket}/back") == (0, "")
    assert parts(s3.objects("back/")) == expected


@pytest.mark.parametrize("seed", [1, 2])
def test_a_store_that_fails_now_and_then_changes_nothing(s3, expected, seed):
    given = filled(s3)
    s3.seed = seed
    s3.faults = {"slow_down": 0.04, "internal": 0.03, "reset": 0.02, "cut": 0.03, "hang": 0.02}
    code, errors = refine(given, f"s3://{s3.bucket}/out", **QUICK)
    assert code == 0, errors
    assert s3.failed.total() > 5
    assert parts(s3.objects("out/")) == expected


def test_a_store_that_goes_down_ends_the_run_with_one_line_and_it_can_go_on(s3, expected):
    given = filled(s3)

    def watch(method, path):
        if method == "PUT" and "000001-00001" in path:
            s3.down = True

    s3.watch = watch
    code, errors = refine(given, f"s3://{s3.bucket}/out", **QUICK | {"AWS_MAX_ATTEMPTS": "1"})
    assert code == 1
    assert errors.strip().splitlines()[-1].startswith("prox refine: ")
    assert "the same command again" in errors and "Traceback" not in errors
    s3.down, s3.watch = False, lambda method, path: None
    done = {name for name in parts(s3.objects("out/")) if str(name).startswith("ledger/")}
    assert 0 < len(done) < len([name for name in expected if str(name).startswith("ledger/")])
    code, errors = refine(given, f"s3://{s3.bucket}/out")
    assert code == 0, errors
    assert parts(s3.objects("out/")) == expected


def test_a_run_that_was_killed_goes_on_and_leaves_no_orphans(s3, expected):
    given = filled(s3)
    reached = []
    s3.watch = lambda method, path: reached.append(path) if method == "PUT" and "/ledger/" in path else None
    run = start(given, f"s3://{s3.bucket}/out", *OPTIONS)
    while len(reached) < 3 and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    finish(run)
    s3.watch = lambda method, path: None
    s3.put("out/text/part-000000-00077.parquet", b"left behind")
    code, errors = refine(given, f"s3://{s3.bucket}/out")
    assert code == 0, errors
    found = s3.objects("out/")
    assert json.loads(found["run.json"])["sessions"] == 2
    assert parts(found) == expected


def test_of_two_runs_at_once_the_second_is_refused(s3):
    given = filled(s3)
    first = start(given, f"s3://{s3.bucket}/out", *OPTIONS)
    while ".lock" not in s3.objects("out/") and first.poll() is None:
        time.sleep(0.05)
    code, errors = refine(given, f"s3://{s3.bucket}/out")
    assert code == 2
    assert "a run is at work in" in errors
    assert finish(first) == (0, "")
    assert ".lock" not in s3.objects("out/")


def test_a_file_whose_bytes_never_come_is_no_broken_file(s3):
    """Story: a worker that waited for storage was taken for one that hangs, and the file for a broken one."""
    given = s3.put("in/a.jsonl", lines(records(50)))
    begun = []

    def silent_once_the_run_has_begun(method, path):
        if method == "PUT" and path.endswith("run.json"):
            begun.append(path)
        if begun and method == "GET" and path.endswith("a.jsonl"):
            time.sleep(4)

    s3.watch = silent_once_the_run_has_begun
    code, errors = finish(
        start(
            given, f"s3://{s3.bucket}/out", "--workers", "1", "--time-limit", "2", **QUICK | {"AWS_MAX_ATTEMPTS": "1"}
        )
    )
    assert "cannot be read on" in errors
    assert code == 1, errors
    assert not [name for name in s3.objects("out/") if name.startswith(("quarantine/", "ledger/", "text/"))]


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_request_that_is_never_answered_ends(s3, monkeypatch, method):
    """Story: no time was counted for small puts, so a store that fell silent at one hung the worker that made it."""
    monkeypatch.setitem(fsspec.config.conf, "s3", impatient(0.2))
    fs, path = open_file_system(s3.put("a", b"1"))
    s3.faults = {"hang": 1.0}
    began = time.monotonic()
    with pytest.raises(OSError, match="Read timeout"):
        fs.pipe_file(path, b"2") if method == "PUT" else fs.cat_file(path)
    assert time.monotonic() - began < 20


def test_a_write_that_was_given_up_is_not_made_later(s3, monkeypatch):
    """Story: its client went on, and an old state of the run or of its lock came back over a newer one."""
    monkeypatch.setattr(storage, "_ANSWER_SECONDS", 1.0)
    monkeypatch.setitem(fsspec.config.conf, "s3", impatient(3.0))
    fs, path = open_file_system(s3.put("a", b"0"))
    s3.faults = {"hang": 1.0}
    with pytest.raises(OSError, match="no answer, asked 3 times"):
        fs.pipe_file(path, b"old")
    s3.faults = {}
    fs.pipe_file(path, b"new")
    written = []
    s3.watch = lambda method, path: written.append(method)
    time.sleep(4)
    assert not written
    assert s3.objects() == {"a": b"new"}


def test_what_a_person_must_mend_is_one_line_that_says_so(s3, tmp_path):
    given = s3.put("in/a.jsonl", lines(records(5)))
    out = f"s3://{s3.bucket}/out"
    local = tmp_path / "a.jsonl"
    local.write_bytes(lines(records(5)))

    def told(*args: str, **environment: str) -> str:
        code, errors = refine(*args, **environment)
        assert code == 2, errors
        (line,) = errors.strip().splitlines()
        return line

    assert "does not exist" in told("s3://no-such-bucket/a.jsonl", str(tmp_path / "out"))
    assert "bucket does not exist: make it" in told(str(local), "s3://no-such-bucket/out")
    names = [bucket["Name"] for bucket in s3.client().list_buckets()["Buckets"]]
    assert "no-such-bucket" not in names  # s3fs makes it when it is asked for a folder in it
    assert "check the credentials" in told(given, out, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    s3.refuse = lambda method, path: method == "PUT"
    assert "Access Denied: check the credentials" in told(given, out)
    s3.refuse = lambda method, path: True
    assert "Forbidden: check the credentials" in told(given, out)
    assert set(s3.objects()) == {"in/a.jsonl"}


def test_a_store_that_is_not_there_is_told_after_seconds(s3):
    began = time.monotonic()
    code, errors = refine(f"s3://{s3.bucket}/in", f"s3://{s3.bucket}/out", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert code == 1
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9' in errors
    assert time.monotonic() - began < 30


def test_an_object_that_has_changed_is_noticed_when_a_run_goes_on(s3):
    given = filled(s3)
    assert refine(given, f"s3://{s3.bucket}/out") == (0, "")
    old = s3.objects("in/")["a.jsonl"]
    s3.put("in/a.jsonl", old[:-3] + b"?" + old[-2:])  # of the same size
    code, errors = refine(given, f"s3://{s3.bucket}/out")
    assert code == 2
    assert "changed file" in errors and "a.jsonl" in errors


def test_starting_over_leaves_only_the_new_run(s3):
    given = filled(s3)
    assert refine(given, f"s3://{s3.bucket}/out") == (0, "")
    assert refine(given, f"s3://{s3.bucket}/out", "--format", "jsonl", "--start-over")[0] == 0
    found = s3.objects("out/")
    assert {name.partition(".")[2] for name in found if name.startswith("text/")} == {"jsonl.zst"}


def test_a_work_unit_takes_few_requests(s3):
    """What docs/object-stores.md says about costs."""
    given = s3.put("in/a.jsonl", lines(records(1200)))
    signs = []
    s3.watch = lambda method, path: signs.append(method) if path.endswith((".lock", "run.json")) else None
    assert refine(given, f"s3://{s3.bucket}/out")[0] == 0
    units = len([name for name in s3.objects("out/") if name.startswith("ledger/")])
    assert units > 8
    in_the_report = 9 * min(units, 32) + 20  # it reads a sample of so many units again
    assert s3.requests.total() - len(signs) < 8.5 * units + 30 + in_the_report
    assert s3.requests["PUT object"] - signs.count("PUT") <= 3 * units + 2
