"""The local engine: a run on this machine.

A few threads take units one by one, as they become free. Each has a worker process of its own, which reads, refines
and commits a unit alone; only names and counts travel between them. Where a language model is among the refiners, the
threads do the work themselves: its engine is the one that works in parallel, and they keep it fed.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

from prox.corpora import is_in_memory, open_file_system
from prox.refiners.language_model.loading import close_engines
from prox.runs.care import Care, Place
from prox.runs.plan import Unit
from prox.runs.recipe import Recipe
from prox.runs.stages import Stage
from prox.runs.supervisor import Job, Supervisor, UnitFailedError, patiently
from prox.runs.unit_report import UnitReport
from prox.runs.worker import Worker
from prox.runs.worker_server import start_server

_PATIENCE = 10.0
"""Seconds that a thread has to end in."""

_THREADS = {"vllm": 4, "openai": 4, "transformers": 2}
"""Units at once beside a language model: enough that it never waits for the next one."""

Advance: TypeAlias = Callable[[int], None]


class Sink(Protocol):
    """Who is told what became of units; always from the thread that called the engine."""

    def done(self, unit: Unit, report: UnitReport) -> None: ...
    def failed(self, unit: Unit, reason: str) -> None: ...


def threads_for(specs: Sequence[str]) -> int:
    """How many units at once keep a language model busy; 0 if there is none."""
    return max(_THREADS.get(spec.partition(":")[0], 0) for spec in specs)


def has_worker_processes(recipe: Recipe) -> bool:
    """Whether the work is done by processes of their own."""
    here = recipe.has_language_model or recipe.workers == 0 or is_in_memory(open_file_system(recipe.output)[0])
    return not here and recipe.engine == "local"


def work(job: Job, units: Iterator[Unit], sink: Sink, stages: Sequence[Stage], advance: Advance) -> list[str]:
    """Do all units on this machine; any order, each once.

    Args:
        job: With how many workers, and within which limits.
        units: Taken as workers become free.
        sink: Told of every unit.
        stages: As they were loaded in this process, for language models.
        advance: Told by any thread how many documents have come through the stages.

    Returns:
        Warnings.

    Raises:
        RunError: The run cannot go on.
    """
    recipe = job.recipe
    if not has_worker_processes(recipe):
        worker = Worker(recipe, job.schema, job.aside, stages)
        here = [InProcess(worker) for _ in range(max(1, recipe.workers or 0))]
        _in_threads(here, units, sink, advance)
        return worker.watch.warnings()
    start_server()
    _in_threads([Supervisor(job) for _ in range(recipe.workers or os.cpu_count() or 1)], units, sink, advance)
    return []


class InProcess:
    """Does units in the thread that asks for it, beside others that share the worker and its engine."""

    def __init__(self, worker: Worker, tried_before: bool = False) -> None:
        self._worker = worker
        self._care = Care(again=tried_before)

    def refine(self, unit: Unit, advance: Advance) -> UnitReport:
        """As `Supervisor.refine`, but a record that ends the process ends the run."""
        before: list[Place] = []

        def say(place: Place) -> None:
            if before and before[-1].step == "refine":
                advance(before[-1].records)
            before[:] = [place]

        return patiently(lambda care: self._worker.refine(unit, say, care), self._care, self._worker.stopped)

    def stop(self) -> None:
        self._worker.stopped.set()
        close_engines()  # so that the threads come back from them

    def close(self) -> None:
        pass


def _in_threads(
    hands: Sequence[Supervisor] | Sequence[InProcess], units: Iterator[Unit], sink: Sink, advance: Advance
) -> None:
    """One thread for each pair of hands; this one listens to them."""
    lock, stopped = threading.Lock(), threading.Event()
    told: queue.Queue[tuple[Unit | None, UnitReport | BaseException | None]] = queue.Queue()

    def serve(own: Supervisor | InProcess) -> None:
        try:
            while not stopped.is_set():
                with lock:
                    unit = next(units, None)
                if unit is None:
                    return
                try:
                    told.put((unit, own.refine(unit, advance)))
                except UnitFailedError as error:
                    told.put((unit, error))
        except BaseException as error:
            told.put((None, error))
        finally:
            own.close()
            told.put((None, None))

    threads = [threading.Thread(target=serve, args=(own,), name="prox-unit", daemon=True) for own in hands]
    try:
        for thread in threads:
            thread.start()
        working = len(threads)
        while working:
            unit, news = told.get()
            if isinstance(news, UnitReport) and unit is not None:
                sink.done(unit, news)
            elif isinstance(news, UnitFailedError) and unit is not None:
                sink.failed(unit, str(news))
            elif isinstance(news, BaseException):
                raise news
            else:
                working -= 1
    except BaseException:
        stopped.set()
        for own in hands:
            own.stop()
        for thread in threads:
            if thread.ident is not None:  # an interrupt may come while they are started
                thread.join(_PATIENCE)
        _pass_on_what_was_done(told, sink)
        raise


def _pass_on_what_was_done(
    told: "queue.Queue[tuple[Unit | None, UnitReport | BaseException | None]]", sink: Sink
) -> None:
    """A unit that was committed while the run was stopped is done all the same."""
    while not told.empty():
        unit, news = told.get()
        if unit is not None and isinstance(news, UnitReport):
            sink.done(unit, news)
