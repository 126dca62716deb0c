"""The local engine: a run on this machine, in this process or in a few worker processes.

Where a language model is among the refiners, everything happens in this process: the model's engine is the one that
works in parallel, and a few threads with a unit each keep it fed.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa

from prox.corpora import Block, Preset, Quarantined, is_local, open_file_system
from prox.errors import RunError
from prox.refiners.language_model.loading import close_engines
from prox.runs.recipe import Recipe
from prox.runs.stages import Stage
from prox.runs.threads import limit_threads
from prox.runs.worker import UnitReport, Worker

_PATIENCE = 5.0
"""Seconds that a worker, or a thread, has to end in."""

Unit = tuple[int, Block | Quarantined, Preset]

WAITING_PER_WORKER = 2
"""Units cut from the input ahead of each worker: enough to keep it busy, few enough to keep memory flat."""


def work(
    recipe: Recipe,
    schema: pa.Schema | None,
    units: Iterator[Unit],
    done: Callable[[Unit, UnitReport], None],
    stages: Sequence[Stage],
    advance: Callable[[int], None] = lambda documents: None,
) -> list[str]:
    """Refine all units; `done` is called in this process after each, in any order.

    Args:
        recipe, schema: As for `Worker`.
        units: Taken as they are needed.
        done: Told the unit, without its records, and its report.
        stages: As they were loaded in this process.
        advance: Told how many documents have come through the stages; by threads that share a language model only.

    Returns:
        Warnings.

    Raises:
        RunError: A worker process died, or the programs of a stage cannot be used.
    """
    if recipe.has_language_model:
        return _work_in_threads(recipe, Worker(recipe, schema, stages), units, done, advance)
    _work_in_processes(recipe, schema, units, done)
    return []


def _work_in_threads(
    recipe: Recipe,
    worker: Worker,
    units: Iterator[Unit],
    done: Callable[[Unit, UnitReport], None],
    advance: Callable[[int], None],
) -> list[str]:
    pool = ThreadPoolExecutor(recipe.workers, "prox-unit")
    pending: dict[Future[UnitReport], Unit] = {}
    try:
        for unit in units:
            pending[pool.submit(worker.refine, *unit, advance)] = _without_payload(unit)
            if len(pending) > recipe.workers:
                _collect(pending, done)
        while pending:
            _collect(pending, done)
    except BaseException:
        worker.stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
        close_engines()  # so that the threads come back from them
        wait(pending, _PATIENCE)  # no part may appear behind the last word of the run
        raise
    pool.shutdown()
    return worker.watch.warnings()


def _work_in_processes(
    recipe: Recipe, schema: pa.Schema | None, units: Iterator[Unit], done: Callable[[Unit, UnitReport], None]
) -> None:
    if recipe.workers == 1:
        worker = Worker(recipe, schema)
        for unit in units:
            done(unit, worker.refine(*unit))
        return
    limit_threads()
    pool = ProcessPoolExecutor(recipe.workers, get_context("spawn"), _start, (recipe, schema))
    pending: dict[Future[UnitReport], Unit] = {}
    try:
        for unit in units:
            with _deaf_to_interrupts(not pending):  # the first unit starts all workers
                pending[pool.submit(_refine, *unit)] = _without_payload(unit)
            if len(pending) >= recipe.workers * (1 + WAITING_PER_WORKER):
                _collect(pending, done)
        while pending:
            _collect(pending, done)
    except BrokenProcessPool as error:
        _leave_in_order(pool, recipe.output)
        raise RunError(
            "a worker process died (out of memory, or killed); what is finished is whole, the run is not. "
            "Run again with fewer --workers into a new folder"
        ) from error
    except BaseException:
        _leave_in_order(pool, recipe.output)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _leave_in_order(pool: ProcessPoolExecutor, output: str) -> None:
    """Whatever breaks a run: no worker may go on writing into a folder that nobody watches, and no half file stays."""
    processes = list((pool._processes or {}).values())
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE)
    fs, path = open_file_system(output)
    if is_local(fs):
        for temporary in Path(path).glob("*/.part-*.tmp"):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _deaf_to_interrupts(wanted: bool) -> Iterator[None]:
    """Processes that are started now are born deaf to Ctrl-C: else it would kill them while they still import."""
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _collect(pending: dict[Future[UnitReport], Unit], done: Callable[[Unit, UnitReport], None]) -> None:
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        done(pending.pop(future), future.result())


def _without_payload(unit: Unit) -> Unit:
    number, block, preset = unit
    if isinstance(block, Block):
        block = Block(block.file, block.first_record, block.records, block.layout, b"")
    return number, block, preset


_worker: dict[str, Worker] = {}


def _start(recipe: Recipe, schema: pa.Schema | None) -> None:
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's business
    threading.Thread(target=_end_with_main_process, daemon=True).start()
    pa.set_cpu_count(1)
    _worker["own"] = Worker(recipe, schema)


def _end_with_main_process() -> None:
    """A main process that is killed cannot end its workers, and they would wait for it forever."""
    if main := multiprocessing.parent_process():
        main.join()
        os._exit(1)


def _refine(*unit: Any) -> UnitReport:
    return _worker["own"].refine(*unit)
