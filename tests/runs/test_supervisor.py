"""Records that end, stop or fill the worker: they go to quarantine alone, whatever they do."""

import base64
import errno
import gzip
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from prox.corpora import StorageError, corpus_file, get_preset
from prox.corpora.streams import storage_error
from prox.errors import RunError
from prox.runs import supervisor
from prox.runs.care import Care
from prox.runs.ledger import OutputError, make_aside
from prox.runs.plan import FilePlan
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus
from prox.runs.supervisor import Job, StoppedError, Supervisor, UnitFailedError, resident

PAGES = [json.loads(line) for line in Path("examples/pages.jsonl").read_text(encoding="utf-8").splitlines()]
TEXTS = [page["text"][:1500] for page in PAGES]
RECORDS = 150
"""More than two batches."""


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """Workers of these tests obey the marks of `poisoned_worker`."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import poisoned_worker

    monkeypatch.setattr(supervisor, "_serve", poisoned_worker.serve)


@pytest.fixture(autouse=True)
def nothing_left(tmp_path):
    """Every test leaves no worker process and no file aside."""
    yield
    until = time.monotonic() + 10
    while (left := workers()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left
    assert not list(tmp_path.rglob(".aside")) and not list(tmp_path.rglob("*.tmp"))


def workers() -> list[int]:
    """Processes that were forked from the server of this process, and are alive."""
    alive = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            alive[int(folder.name)] = state, int(parent), (folder / "cmdline").read_bytes()
        except OSError:
            continue
    servers = {pid for pid, (_, parent, line) in alive.items() if parent == os.getpid() and b"forkserver" in line}
    return [pid for pid, (state, parent, _) in alive.items() if parent in servers and state not in "ZX"]


def records(marks: dict[int, str] | None = None, count: int = RECORDS) -> list[dict]:
    """Pages, some with a mark."""
    return [
        {"id": f"r{number}", "text": f"{(marks or {}).get(number, '')}\n{TEXTS[number % len(TEXTS)]}", "n": number}
        for number in range(count)
    ]


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def run(tmp_path):
    """Refine records with workers; gives the folder of the run and its record."""

    def call(rows, name="pages.jsonl", output="out", **fields):
        source = tmp_path / name
        if not source.exists():  # the same rows, and a file with a new time would be another one
            write(source, rows)
        options = {"workers": 1, "format": "jsonl", **fields}
        result = refine_corpus(make_recipe(input=(str(source),), output=str(tmp_path / output), **options))
        return tmp_path / output, result.record

    return call


def json_rows(folder: Path) -> list[dict]:
    rows = []
    for path in sorted(folder.iterdir()):
        data = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read()
        rows += map(json.loads, data.decode().splitlines())
    return rows


def programs(out: Path) -> list[dict]:
    return [row for path in sorted((out / "programs").iterdir()) for row in pq.read_table(path).to_pylist()]


def check(out: Path, record: dict, rows: list[dict], poisoned: dict[int, str], sound: Path) -> None:
    """Poisoned records are in quarantine, each with its reason; all others are as in a run without poison."""
    held = {row["id"]: row for row in json_rows(out / "quarantine")}
    assert {id: row["reason"] for id, row in held.items()} == {f"r{n}": reason for n, reason in poisoned.items()}
    for number in poisoned:
        assert json.loads(held[f"r{number}"]["raw"]) == rows[number]
    ids = set(held)
    assert [row for row in programs(out) if row["id"] not in ids] == [
        row for row in programs(sound) if row["id"] not in ids
    ]
    assert [row["id"] for row in programs(out)] == [row["id"] for row in rows]
    assert json_rows(out / "text") == [row for row in json_rows(sound / "text") if row["id"] not in ids]
    assert record["decisions"] == Counter(row["decision"] for row in programs(out)) | {
        name: 0 for name in record["decisions"] if name not in {row["decision"] for row in programs(out)}
    }
    assert record["records"] == len(rows)
    assert record["decisions"]["quarantined"] == len(poisoned)


@pytest.fixture
def against_sound(run):
    """Refine records with marks, and the same without a poisoned worker, and compare."""

    def call(marks: dict[int, str], reasons: dict[int, str], name="pages.jsonl", **fields):
        rows = records(marks)
        out, record = run(rows, name, **fields)
        with pytest.MonkeyPatch.context() as patch:
            import poisoned_worker

            patch.setattr(supervisor, "_serve", poisoned_worker._serve)
            sound, _ = run(rows, name, "sound", **fields)
        check(out, record, rows, reasons, sound)
        return out, record

    return call


KILLED = "ended the worker: the worker process was ended by SIGKILL"
DEADLY = {
    "kill": KILLED,
    "segfault": "ended the worker: the worker process was ended by SIGSEGV",
    "exit": "ended the worker: the worker process ended with code 7",
}


@pytest.mark.parametrize("harm", DEADLY)
def test_a_record_that_ends_the_process_is_alone_in_quarantine(against_sound, harm):
    against_sound({70: f"POISON-{harm}"}, {70: DEADLY[harm]})


@pytest.mark.parametrize("harm", ["hang", "loop"])
def test_a_record_that_hangs_the_worker_is_alone_in_quarantine(against_sound, harm):
    reason = "ended the worker: the worker hung for more than 3 seconds"
    against_sound({70: f"POISON-{harm}"}, {70: reason}, time_limit=3)


def test_a_record_that_takes_too_much_memory_is_alone_in_quarantine(against_sound):
    reason = "ended the worker: the worker took more than 600 MB of memory (--memory gives more)"
    against_sound({70: "POISON-allocate"}, {70: reason}, memory="600MB")


@pytest.mark.parametrize(
    ("harm", "failure"),
    [("raise", "ValueError: no such page"), ("no-memory", "MemoryError: "), ("recursion", "RecursionError: ")],
)
def test_a_record_on_which_the_refiner_raises_is_alone_in_quarantine(run, harm, failure):
    out, record = run(records({70: f"POISON-{harm}"}))
    (held,) = json_rows(out / "quarantine")
    assert held["id"] == "r70" and held["reason"].startswith(f"the refiner failed: {failure}")
    assert record["decisions"]["quarantined"] == 1 and record["records"] == RECORDS


def test_two_in_one_batch_the_first_and_the_last_record_are_found_one_by_one(against_sound):
    marks = dict.fromkeys((0, 10, 12, RECORDS - 1), "POISON-kill")
    against_sound(marks, dict.fromkeys(marks, KILLED))


@pytest.mark.parametrize("name", ["pages.jsonl.gz", "pages.parquet"])
def test_poison_is_found_in_every_format(against_sound, name):
    marks = {3: "POISON-segfault", 80: "POISON-kill"}
    against_sound(marks, {3: DEADLY["segfault"], 80: KILLED}, name)


def test_poison_in_one_unit_is_none_of_the_others_business(against_sound):
    _, record = against_sound({70: "POISON-kill"}, {70: KILLED}, unit_bytes=40_000)
    assert record["units"]["all"] > 3


@pytest.mark.parametrize("name", ["pages.jsonl", "pages.jsonl.gz"])
@pytest.mark.parametrize("harm", ["kill", "raise"])
def test_a_record_that_ends_the_worker_while_it_is_decoded_is_alone_in_quarantine(run, name, harm):
    marks = {0: f"POISON-decode-{harm}", 70: f"POISON-decode-{harm}"}
    rows = records(marks)
    out, record = run(rows, name)
    held = json_rows(out / "quarantine")
    assert [row["record"] for row in held] == [0, 70]
    assert [json.loads(row["raw"]) for row in held] == [rows[0], rows[70]]
    assert {row["reason"] for row in held} == {
        KILLED if harm == "kill" else "ended the worker: ValueError: no such page"
    }
    assert [row["record"] for row in programs(out)] == list(range(RECORDS))
    assert record["records"] == RECORDS and record["decisions"]["quarantined"] == 2


def test_a_row_of_parquet_that_ends_the_worker_while_it_is_decoded_is_alone_in_quarantine(run):
    marks = dict.fromkeys((0, 70, 71, RECORDS - 1), "POISON-decode-kill")
    rows = records(marks)
    out, record = run(rows, "pages.parquet")
    held = json_rows(out / "quarantine")
    assert [row["record"] for row in held] == list(marks)
    assert {row["reason"] for row in held} == {KILLED}
    stored = [pa.ipc.open_stream(base64.b64decode(row["raw"])).read_all().to_pylist() for row in held]
    assert stored == [[rows[number]] for number in marks]
    assert [row["record"] for row in programs(out)] == list(range(RECORDS))
    assert {row["id"] for row in json_rows(out / "text")} <= {row["id"] for row in rows} - {f"r{n}" for n in marks}
    assert record["records"] == RECORDS and record["decisions"]["quarantined"] == len(marks)


def test_a_file_that_ends_the_worker_while_it_is_read_is_not_read_on_and_the_others_are(run, tmp_path):
    write(tmp_path / "sound.jsonl", records(count=20))
    write(tmp_path / "worse.jsonl", records({3: "POISON-read-segfault"}, count=20))
    inputs = (str(tmp_path / "sound.jsonl"), str(tmp_path / "worse.jsonl"))
    recipe = make_recipe(input=inputs, output=str(tmp_path / "out"), workers=1, format="jsonl")
    record = refine_corpus(recipe).record
    (held,) = json_rows(tmp_path / "out/quarantine")
    assert held["reason"] == f"broken file: reading on {DEADLY['segfault']}"
    assert held["file"].endswith("worse.jsonl")
    assert record["records"] == 21 and record["decisions"]["quarantined"] == 1
    assert any("worse.jsonl" in problem for problem in record["file_problems"])


def test_a_refiner_that_raises_on_every_record_ends_the_run(run, tmp_path):
    with pytest.raises(RunError, match="ValueError: no such page, and so it did for 64 documents, one after another"):
        run(records(dict.fromkeys(range(RECORDS), "POISON-raise")))
    assert not list((tmp_path / "out/quarantine").iterdir())


def test_a_refiner_that_raises_on_every_record_ends_a_run_of_tiny_units_too(run, tmp_path):
    rows = records(dict.fromkeys(range(RECORDS), "POISON-raise"))
    with pytest.raises(RunError, match="ValueError: no such page, and so it did for 64 documents"):
        run(rows, unit_bytes=4000)
    assert len(programs(tmp_path / "out")) < 64


@pytest.mark.parametrize("unit_bytes", [None, 4000])
def test_a_refiner_that_ends_the_worker_at_every_record_ends_the_run(run, tmp_path, unit_bytes):
    rows = records(dict.fromkeys(range(RECORDS), "POISON-kill"))
    with pytest.raises(RunError, match="20 records one after another ended the worker, so it is not the records"):
        run(rows, unit_bytes=unit_bytes)
    assert len(programs(tmp_path / "out")) < 20


def test_a_run_goes_on_after_its_poison_was_taken_out_of_the_refiner(run, tmp_path, monkeypatch):
    """Nothing of a run that ended has to be removed by hand."""
    rows = records(dict.fromkeys(range(RECORDS), "POISON-raise"))
    with pytest.raises(RunError):
        run(rows, unit_bytes=40_000)
    import poisoned_worker

    monkeypatch.setattr(supervisor, "_serve", poisoned_worker._serve)
    out, record = run(rows, unit_bytes=40_000)
    assert record["status"] == "complete" and record["decisions"]["quarantined"] == 0
    assert len(programs(out)) == RECORDS


@pytest.fixture
def by_hand(tmp_path):
    """A supervisor and a unit for it, without a run around them."""
    output = tmp_path / "out"
    output.mkdir()
    made = []

    def call(rows, **limits):
        file = corpus_file(str(write(tmp_path / "pages.jsonl", rows)))
        recipe = make_recipe(input=("pages.jsonl",), output=str(output), format="jsonl")
        job = Job(recipe, None, make_aside(str(output)), **{"memory": None, "time_limit": 60.0, **limits})
        made.append(Supervisor(job))
        return made[-1], FilePlan(0, file, get_preset("plain")).unit(0)

    yield call
    for own in made:
        own.close()
    if (aside := output / ".aside").exists():
        aside.rmdir()  # only if it is empty


def test_a_worker_is_used_again_and_told_documents_add_up(by_hand):
    own, unit = by_hand(records({70: "POISON-kill"}))
    told: list[int] = []
    report = own.refine(unit, told.append)
    assert report.decisions["quarantined"] == 1
    assert sum(told) == RECORDS - 1  # the one in quarantine was never refined
    pid = own._process.pid
    told.clear()
    own.refine(unit, told.append)
    assert sum(told) == RECORDS - 1
    assert own._process.pid != pid  # it met the poison again


def test_stopping_ends_a_hanging_worker_at_once(by_hand):
    own, unit = by_hand(records({70: "POISON-hang"}))
    raised: list[BaseException] = []

    def work() -> None:
        try:
            own.refine(unit)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until = time.monotonic() + 20
    while not (tmp := [pid for pid in workers() if resident(pid)]) and time.monotonic() < until:
        time.sleep(0.02)
    assert tmp
    time.sleep(0.5)
    begun = time.monotonic()
    own.stop()
    thread.join(10)
    assert not thread.is_alive() and time.monotonic() - begun < 3
    assert [type(error) for error in raised] == [StoppedError]


def test_a_worker_that_is_killed_while_it_starts_is_started_again(by_hand, monkeypatch):
    own, unit = by_hand(records(count=10))
    start, killed = own._start, []

    def start_and_die():
        pipe = start()
        if len(killed) < 2:
            os.kill(own._process.pid, signal.SIGKILL)
            killed.append(own._process.pid)
            own._process.join()
            raise EOFError
        return pipe

    monkeypatch.setattr(own, "_start", start_and_die)
    assert own.refine(unit).records == 10
    assert len(killed) == 2


def test_two_accidents_while_a_file_is_read_cost_no_record(by_hand, monkeypatch):
    """Whoever kills workers at random, two at one block, must not be taken for a fault of the file."""
    own, unit = by_hand(records(count=10))
    attempt, deaths = own._attempt, [3]

    def attempt_or_die(unit, care, advance):
        if deaths[0]:
            deaths[0] -= 1
            return supervisor._Death(supervisor.Place("read", 0), "killed", 0)
        return attempt(unit, care, advance)

    monkeypatch.setattr(own, "_attempt", attempt_or_die)
    assert own.refine(unit).decisions["quarantined"] == 0


@pytest.mark.parametrize("harm", ["changed", "vanished"])
def test_a_fault_of_storage_that_cannot_pass_is_not_waited_for(by_hand, monkeypatch, harm):
    own, unit = by_hand(records(count=3))
    monkeypatch.setattr(supervisor, "_WAITS_FOR_STORAGE", (20.0,))
    path = Path(unit.file.path)
    if harm == "changed":
        path.write_bytes(path.read_bytes() * 2)
    else:
        path.unlink()
    begun = time.monotonic()
    with pytest.raises(UnitFailedError, match="has changed" if harm == "changed" else "cannot be opened"):
        own.refine(unit)
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (storage_error("pages.jsonl", "cannot be opened", PermissionError("forbidden")), 1),
        (storage_error("pages.jsonl", "cannot be opened", TimeoutError("no answer")), 4),
        (OutputError("no space is left", errno.ENOSPC), 1),
        (OutputError("no answer", errno.EIO), 4),
    ],
    ids=["forbidden", "silent", "full", "broken"],
)
def test_only_what_may_pass_is_tried_again(error, attempts):
    tried: list[bool] = []

    def attempt(care):
        tried.append(care.again)
        raise error

    expected = UnitFailedError if isinstance(error, StorageError) else OutputError
    with pytest.raises(expected, match=re.escape(str(error))):
        supervisor.patiently(attempt, Care(), threading.Event())
    assert tried == [False, *[True] * (attempts - 1)]


def test_less_memory_than_an_idle_worker_takes_ends_the_run_at_once_with_advice(run, tmp_path):
    with pytest.raises(RunError, match=r"a worker takes \d+ MB before it reads anything: .*--memory"):
        run(records(), memory="1MB", unit_bytes=10_000)
    assert not list((tmp_path / "out/ledger").rglob("*.json"))


def test_a_message_that_breaks_off_is_a_death_and_no_more(by_hand, monkeypatch):
    """The worker is killed while it writes: the length of a message is there, and half of the message."""
    own, unit = by_hand(records(count=10))
    real = own._started
    cut = []

    def started():
        pipe = real()
        if not cut:
            cut.append(1)
            from multiprocessing import Pipe

            ours, its = Pipe()
            os.write(its.fileno(), (1000).to_bytes(4, "big") + b"half of it")
            its.close()
            ours.send = lambda message: None
            return ours
        return pipe

    monkeypatch.setattr(own, "_started", started)
    assert own.refine(unit).records == 10
    assert cut


def test_restarts_leak_no_file_descriptors(by_hand):
    own, unit = by_hand(records(count=2))
    own.refine(unit)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        os.kill(own._process.pid, signal.SIGKILL)
        own.refine(unit)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
