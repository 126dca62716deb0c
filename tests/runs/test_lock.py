"""One run at a time in an output folder, however the one before it ended."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import fsspec
import orjson
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from prox.errors import UsageError
from prox.runs import lock as lock_module
from prox.runs.lock import LOCK_FILE, is_held, locked

HOLDER = """
import sys, time
from prox.runs.lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return str(tmp_path / "out")


@pytest.fixture
def hold():
    """Another process that holds the lock of a folder."""
    started = []

    def start(out, seconds=60):
        process = subprocess.Popen([sys.executable, "-c", HOLDER, out, str(seconds)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_and_told_who_is_at_work(out, hold):
    process = hold(out)
    with (
        pytest.raises(UsageError, match=rf"a run is at work in {out} \(process {process.pid} on ") as refusal,
        locked(out),
    ):
        pass
    assert "prox status" in str(refusal.value)
    assert is_held(out)
    process.kill()
    process.wait()
    assert not is_held(out)


def test_the_lock_is_free_when_its_holder_was_killed(out, hold):
    """A lock that outlives a killed run has to be removed by hand, at three in the morning."""
    process = hold(out)
    process.kill()
    process.wait()
    assert Path(out, LOCK_FILE).exists()
    with locked(out) as lock:
        assert not lock.lost.is_set()
    assert os.listdir(out) == []  # noqa: PTH208


def test_the_lock_is_free_when_its_holder_has_ended(out, hold):
    assert hold(out, 0).wait(20) == 0
    assert not is_held(out)
    with locked(out):
        assert is_held(out)
    assert not is_held(out)


def test_a_lock_is_held_against_the_same_process_too(out):
    with locked(out):
        with pytest.raises(UsageError, match=f"process {os.getpid()} on"), locked(out):
            pass
        assert is_held(out)
    with locked(out):
        pass


def test_a_run_that_fails_lets_go(out):
    with pytest.raises(RuntimeError), locked(out):
        raise RuntimeError
    with locked(out):
        pass


@pytest.mark.parametrize("content", [b"", b"garbage", b"[1]", b'{"pid": 7}', b'{"pid": 7, "host": "gone"}'])
def test_a_lock_file_that_nobody_holds_is_taken_over_whatever_is_in_it(out, content):
    Path(out, LOCK_FILE).write_bytes(content)
    with locked(out):
        assert orjson.loads(Path(out, LOCK_FILE).read_bytes())["pid"] == os.getpid()


def test_a_lock_file_that_its_holder_removed_meanwhile_is_no_lock(out, monkeypatch):
    """Two runs held one lock: that of a file without a name, and that of the new file."""
    take, removed = lock_module._take, []

    def late(file):
        if not removed:
            removed.append(1)
            Path(out, LOCK_FILE).unlink()
        return take(file)

    monkeypatch.setattr(lock_module, "_take", late)
    with locked(out):
        assert is_held(out)
        with pytest.raises(UsageError), locked(out):
            pass


def test_of_many_that_come_at_once_one_at_a_time_holds_the_lock(out):
    inside, most, refused, errors = [], [], [], []

    def come():
        for _ in range(100):
            try:
                with locked(out):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except UsageError:
                refused.append(1)
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and set(most) == {1}
    assert len(most) + len(refused) == 400


def test_a_file_system_without_locks_does_not_stop_a_run(out, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(out):
        pass
    assert is_held(out) is False


def test_a_folder_that_cannot_be_written_is_told(out, monkeypatch):
    def refuse(self, *_):
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match=r"cannot write into the folder .*Read-only file system"), locked(out):
        pass


# On object stores


class Store(MemoryFileSystem):
    """An object store: it has no locks, and no renames that could serve as such."""

    protocol = "lockstore"
    store: dict = {}  # noqa: RUF012 - fsspec's own way
    pseudo_dirs = [""]  # noqa: RUF012
    failing = False

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + str(path).removeprefix("lockstore://").strip("/")

    def pipe_file(self, path, value, **options):
        if Store.failing:
            raise OSError("the storage does not answer")
        return super().pipe_file(path, value, **options)

    def cat_file(self, path, **options):
        if Store.failing:
            raise OSError("the storage does not answer")
        return super().cat_file(path, **options)


BUCKET = "lockstore://bucket/out"


@pytest.fixture
def store(monkeypatch):
    fsspec.register_implementation("lockstore", Store, clobber=True)
    monkeypatch.setattr(lock_module, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lock_module, "SILENCE_SECONDS", 5)
    Store.failing = False
    Store.store.clear()
    yield fsspec.filesystem("lockstore")
    Store.store.clear()


LOCK = f"/bucket/out/{LOCK_FILE}"


def test_a_lock_of_an_object_store_beats_while_it_is_held_and_is_gone_then(store):
    with locked(BUCKET) as lock:
        seen = set()
        for _ in range(10):
            seen.add(store.cat_file(LOCK))
            time.sleep(0.03)
        assert len(seen) > 2
        assert not lock.lost.is_set()
        assert is_held(BUCKET) is None
    assert not store.exists(LOCK)


def test_a_second_run_is_refused_as_soon_as_it_sees_a_beat(store):
    with locked(BUCKET):
        started = time.monotonic()
        with pytest.raises(UsageError, match=f"process {os.getpid()} on"), locked(BUCKET):
            pass
        assert time.monotonic() - started < 4
    with locked(BUCKET):
        pass


def test_a_lock_whose_holder_was_killed_is_taken_over_after_a_silence(store, monkeypatch):
    monkeypatch.setattr(lock_module, "SILENCE_SECONDS", 0.4)
    store.pipe_file(LOCK, b'{"host": "gone", "pid": 7, "run": "0", "beat": 3}')
    started = time.monotonic()
    with locked(BUCKET) as lock:
        assert time.monotonic() - started >= 0.4
        time.sleep(0.15)
        assert orjson.loads(store.cat_file(LOCK))["pid"] == os.getpid()
        assert not lock.lost.is_set()
    assert not store.exists(LOCK)


def test_a_lock_that_is_let_go_while_a_second_run_watches_is_taken_at_once(store):
    store.pipe_file(LOCK, b"{}")
    threading.Timer(0.1, lambda: store.rm_file(LOCK)).start()
    started = time.monotonic()
    with locked(BUCKET):
        assert time.monotonic() - started < 4


def test_a_run_whose_lock_was_taken_away_knows_it_and_leaves_that_of_the_other(store):
    """It had been silent for too long: its machine was suspended."""
    with locked(BUCKET) as lock:
        other = b'{"host": "other", "pid": 7, "run": "other", "beat": 0}'
        store.pipe_file(LOCK, other)
        assert lock.lost.wait(2)
    assert store.cat_file(LOCK) == other


def test_storage_that_does_not_answer_for_a_while_is_no_lost_lock(store):
    with locked(BUCKET) as lock:
        Store.failing = True
        time.sleep(0.2)
        Store.failing = False
        before = store.cat_file(LOCK)
        time.sleep(0.2)
        assert store.cat_file(LOCK) != before
        assert not lock.lost.is_set()


def test_a_lock_file_that_somebody_removed_comes_again(store):
    with locked(BUCKET) as lock:
        store.rm_file(LOCK)
        time.sleep(0.2)
        assert store.exists(LOCK) and not lock.lost.is_set()


def test_memory_needs_no_lock():
    with locked("memory://out-of-locks"):
        pass
    assert not fsspec.filesystem("memory").exists(f"/out-of-locks/{LOCK_FILE}")
