"""A worker in a process of its own, and what to do when that process dies, hangs or takes too much memory.

One record in a million ends the process that reads it. The worker says what it is about to do before it does it, so
when it is gone, its last word tells where: in which batch of which block. A second death at the same place is no
accident, and the place is made smaller: the batch is refined record by record, the block is decoded record by record.
A record at which the worker dies twice alone goes to quarantine; everything else of its unit is refined.
"""

import contextlib
import ctypes
import gc
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import pyarrow as pa

from prox.corpora import StorageError
from prox.errors import ProxError, RunError
from prox.runs.care import Care, Place
from prox.runs.ledger import OutputError
from prox.runs.plan import Unit
from prox.runs.recipe import Recipe
from prox.runs.unit_report import UnitReport
from prox.runs.worker import Worker
from prox.runs.worker_server import worker_context

_DEATHS_AT_ONE_PLACE = 2
"""Before a place is made smaller, or a record avoided."""

_DEATHS_WHILE_READING = 4
"""Before a file is not read on: that costs all that follows, so two accidents must not be taken for its fault."""

_DEATHS_IN_VAIN = 12
"""Deaths of one unit, after the last that taught something, until it is given up for this time."""

_AVOIDED_IN_ONE_UNIT = 50
"""More records than this that end a worker are no accident of records."""

_REFUSED_IN_A_ROW = 20
"""The same, for records with none between them that could be refined, in however many units."""

_POLL_SECONDS = 0.1
_START_SECONDS = 300.0
_START_ATTEMPTS = 10
_START_WAIT = 0.1
"""Seconds before the second attempt, twice as many before the third, and so on: 4.5 in all."""

_PATIENCE = 5.0
_WAITS_FOR_STORAGE = (1.0, 5.0, 20.0)
"""Seconds between attempts at a unit whose storage does not answer."""


class UnitFailedError(RunError):
    """A unit cannot be done now; the others can. Running again tries it again."""


class StoppedError(RunError):
    """The run was stopped while a unit was at work; nothing of it is there."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a run needs to know.

    Attributes:
        aside: A folder on this machine for parts that are not whole yet.
        memory: Bytes that a worker process may take; no limit if None.
        time_limit: Seconds without a sign of life after which a worker hangs.
        tried_before: Another machine may have tried a unit in this session, unknown to this one.
    """

    recipe: Recipe
    schema: pa.Schema | None
    aside: str
    memory: int | None
    time_limit: float
    tried_before: bool = False


@dataclass(frozen=True, slots=True)
class _Death:
    """How an attempt ended, after which word, and of how many documents `advance` had been told."""

    place: Place | None
    how: str
    told: int
    hung: bool = False


_Result = TypeVar("_Result")


def patiently(attempt: Callable[[Care], _Result], care: Care, stopped: threading.Event) -> _Result:
    """What an attempt at a unit gives, made again where storage did not answer.

    Raises:
        UnitFailedError: The input cannot be read, also after a while.
        OutputError: Nor can the output be written.
        StoppedError: The run was stopped meanwhile.
    """
    for wait in (*_WAITS_FOR_STORAGE, None):
        try:
            return attempt(care)
        except (StorageError, OutputError) as error:
            if wait is None or not error.may_pass:
                raise UnitFailedError(str(error)) if isinstance(error, StorageError) else error from error
        if stopped.wait(wait):
            break
        care = replace(care, again=True)
    raise StoppedError("the run was stopped")


class Supervisor:
    """Does units, one at a time, in a worker process that is started anew as often as it takes."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._stopped = threading.Event()
        self._refused_in_a_row = 0

    def refine(self, unit: Unit, advance: Callable[[int], None] = lambda documents: None) -> UnitReport:
        """Do a unit, whatever its records do to the worker.

        Args:
            unit: What to do.
            advance: Told how many documents have come so far that the worker goes on behind them.

        Raises:
            UnitFailedError: Not now: the input cannot be read, or the worker dies without a record to blame.
            StoppedError: `stop` was called.
            RunError: The run cannot go on.
        """
        care = Care(again=self._job.tried_before)
        deaths: Counter[Place | None] = Counter()
        in_vain = 0
        while True:
            result = patiently(lambda care: self._attempt(unit, care, advance), care, self._stopped)
            if isinstance(result, UnitReport):
                return result
            advance(-result.told)
            if self._stopped.is_set():
                raise StoppedError("the run was stopped")
            care = replace(care, again=True)
            deaths[result.place] += 1
            in_vain += 1
            if result.hung and result.place is not None and result.place.step == "read" and "://" in unit.file.path:
                if deaths[result.place] >= _DEATHS_AT_ONE_PLACE:  # the file may be sound, and the storage silent
                    raise UnitFailedError(f"{unit.file.shown} cannot be read on: {result.how}")
                continue
            if deaths[result.place] >= _enough(result.place) and (learnt := _learnt(care, result)):
                self._refused_in_a_row += len(learnt.refused) - len(care.refused)
                care, in_vain = learnt, 0
                deaths.clear()
            if self._refused_in_a_row >= _REFUSED_IN_A_ROW:
                raise RunError(
                    f"{self._refused_in_a_row} records one after another ended the worker, so it is not the records: "
                    f"{result.how}"
                )
            if in_vain >= _DEATHS_IN_VAIN:
                raise UnitFailedError(f"the worker died {in_vain} times, at no place in particular: {result.how}")
            if len(care.refused) + len(care.avoided) + len(care.skipped) > _AVOIDED_IN_ONE_UNIT:
                raise UnitFailedError(
                    f"more than {_AVOIDED_IN_ONE_UNIT} records of one unit ended the worker, so it is not the records: "
                    f"{result.how}"
                )

    def stop(self) -> None:
        """End the worker; `refine` raises in the thread that waits for it, which also closes the pipe it waits at."""
        self._stopped.set()
        if (process := self._process) is not None:
            with contextlib.suppress(OSError, ValueError):
                process.kill()

    def close(self) -> None:
        """Let the worker go when it has nothing to do any more."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
        if process is not None:
            process.join(_PATIENCE)
            _end(process)

    def _attempt(self, unit: Unit, care: Care, advance: Callable[[int], None]) -> UnitReport | _Death:
        place: Place | None = None
        told = 0
        try:
            pipe = self._started()
            pipe.send((unit, care))
            heard = time.monotonic()
            while True:
                if self._stopped.is_set():
                    return self._died(unit, place, told, "stopped")
                if self._takes_too_much():  # also while it talks
                    limit = f"{(self._job.memory or 0) / 1e6:,.0f} MB"
                    how = f"the worker took more than {limit} of memory (--memory gives more)"
                    return self._died(unit, place, told, how)
                if pipe.poll(_POLL_SECONDS):
                    heard = time.monotonic()
                    match pipe.recv():
                        case Place() as said:
                            if place is not None and place.step == "refine":
                                advance(place.records)
                                told += place.records
                                self._refused_in_a_row = 0
                            place = said
                        case UnitReport() as report:
                            return report
                        case str() as exception:
                            return self._died(unit, place, told, exception)
                        case ProxError() as error:
                            advance(-told)
                            raise error
                    continue
                silence = time.monotonic() - heard
                if silence > self._job.time_limit:
                    how = f"the worker hung for more than {self._job.time_limit:g} seconds"
                    return self._died(unit, place, told, how, hung=True)
        except (EOFError, OSError):
            if self._process is not None:
                self._process.join(_PATIENCE)
            return self._died(unit, place, told, _how_it_ended(self._process))

    def _started(self) -> Connection:
        if self._pipe is not None and self._process is not None and self._process.is_alive():
            return self._pipe
        for attempt in range(_START_ATTEMPTS):
            self._kill()
            if self._stopped.wait(attempt * _START_WAIT):
                raise EOFError
            try:
                return self._start()
            except (EOFError, OSError) as error:
                if self._process is not None:
                    self._process.join(_PATIENCE)
                if self._stopped.is_set():
                    raise
                if attempt == _START_ATTEMPTS - 1:
                    raise RunError(f"a worker process could not start: {_how_it_ended(self._process)}") from error
        raise AssertionError("unreachable")

    def _start(self) -> Connection:
        context = worker_context()
        own, its = context.Pipe()
        self._pipe = own
        process = context.Process(target=_serve, args=(its, self._job, _settings()), name="prox-worker", daemon=True)
        try:
            process.start()
        finally:
            its.close()
        self._process = process
        if not own.poll(_START_SECONDS):
            raise RunError(f"a worker process did not start within {_START_SECONDS:.0f} seconds")
        answer = own.recv()
        if isinstance(answer, ProxError):
            raise answer
        if self._takes_too_much():
            taken = (resident(process.pid or 0) or 0) / 1e6
            raise RunError(f"a worker takes {taken:,.0f} MB before it reads anything: allow it more with --memory")
        return own

    def _takes_too_much(self) -> bool:
        if self._job.memory is None or self._process is None or self._process.pid is None:
            return False
        return (resident(self._process.pid) or 0) > self._job.memory

    def _died(self, unit: Unit, place: Place | None, told: int, how: str, hung: bool = False) -> _Death:
        self._kill()
        for left in Path(self._job.aside).glob(f"{unit.name}-*"):
            shutil.rmtree(left, ignore_errors=True)
        return _Death(place, how, told, hung)

    def _kill(self) -> None:
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if process is not None:
            _end(process)
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _enough(place: Place | None) -> int:
    """Deaths at a place that are no accident."""
    return _DEATHS_WHILE_READING if place is not None and place.step == "read" else _DEATHS_AT_ONE_PLACE


def _learnt(care: Care, death: _Death) -> Care | None:
    """What a second death at one place teaches; None if it teaches nothing."""
    place = death.place
    if place is None or place.step == "commit":
        return None
    reason = f"ended the worker: {death.how}"
    if place.step == "read":
        return replace(care, end=(place.block, f"broken file: reading on {reason}"))
    if place.step == "refine":
        if place.records > 1:
            return replace(care, alone=care.alone | {place.record})
        return replace(care, refused=(*care.refused, (place.record, reason)))
    if place.records == 1:
        return replace(care, avoided=(*care.avoided, (place.record, reason)))
    if place.block not in care.apart:
        return replace(care, apart=care.apart | {place.block})
    return replace(care, skipped=(*care.skipped, (place.block, reason)))


def resident(pid: int) -> int | None:
    """Resident bytes of a process; None where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _how_it_ended(process: BaseProcess | None) -> str:
    code = process.exitcode if process is not None else None
    if code is None:
        return "the worker process went away"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the worker process was ended by {signal.Signals(-code).name}"
    return f"the worker process ended with code {code}"


def _end(process: BaseProcess) -> None:
    with contextlib.suppress(OSError, ValueError):
        if process.is_alive():
            process.kill()  # it may be deaf to anything else; what it leaves aside is removed
        process.join(_PATIENCE)


def _settings() -> tuple[dict[str, str], dict[str, Any]]:
    """What tells storage libraries where to go and who asks, as it is now: the forkserver knows it as it was."""
    return dict(os.environ), fsspec.config.conf


def _serve(pipe: Connection, job: Job, settings: tuple[dict[str, str], dict[str, Any]]) -> None:
    """The worker process: units in, reports out, a word before every step."""
    os.environ.update(settings[0])
    fsspec.config.conf.update(settings[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    pa.set_cpu_count(1)
    try:
        worker = Worker(job.recipe, job.schema, job.aside)
    except ProxError as error:
        pipe.send(_picklable(error))
        return
    gc.freeze()  # what is loaded stays: no need to look through it again and again
    pipe.send(None)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            unit, care = pipe.recv()
            try:
                pipe.send(worker.refine(unit, pipe.send, care))
            except ProxError as error:
                pipe.send(_picklable(error))
            except Exception as error:  # as good as a death: what was at work when it happened is known
                pipe.send(f"{type(error).__name__}: {error}")


def _picklable(error: ProxError) -> ProxError:
    """The error without its causes, which may hold what cannot be sent."""
    copy = type(error)(str(error))
    copy.__dict__.update(error.__dict__)
    return copy


def end_with_parent() -> None:
    """A main process that is killed cannot end its workers, and one that hangs in foreign code hears nothing else."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    if main := multiprocessing.parent_process():
        main.join()
        os._exit(1)


def default_memory(workers: int) -> int | None:
    """Nine tenths of the machine's memory, or of what its control group may take, in equal shares."""
    amounts: list[Any] = []
    with contextlib.suppress(OSError, ValueError):
        amounts.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            amounts.append(int(Path(path).read_text()))
    return int(min(amounts) * 0.9) // max(1, workers) if amounts else None
