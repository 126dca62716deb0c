"""The Ray engine: the same units over a cluster (extra `ray`).

Each actor holds one slot, a CPU or GPUs, and does what a thread of the local engine does: it has a worker process of
its own, or a language model, and takes unit after unit. Ray's actor pool hands out the units, and Ray itself starts
actors anew, on whatever node has room, and repeats what they were at when they died. OUTPUT and the input must be
reachable from every node under the same path.
"""

import contextlib
import functools
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from prox.corpora import open_file_system
from prox.errors import RunError, UsageError
from prox.runs.local import Advance, InProcess, Sink, threads_for
from prox.runs.plan import PLAN_FILE, Unit
from prox.runs.stages import Stage
from prox.runs.supervisor import Job, Supervisor, UnitFailedError
from prox.runs.unit_report import UnitReport
from prox.runs.worker import Worker

_TICK_SECONDS = 1.0
"""How often the cluster is looked at for nodes that have come."""

_PATIENCE = 30.0

_Answer = tuple[Unit, UnitReport | None, str]
"""A unit with its report, or with why it could not be done."""


def check_installed() -> None:
    """Raises UsageError where there is no Ray: before a run is begun with it."""
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise UsageError("--engine ray needs the package ray: pip install 'prox-refine[ray]'") from error


def work(job: Job, units: Iterator[Unit], sink: Sink, stages: Sequence[Stage], advance: Advance) -> list[str]:
    """Do all units on the Ray cluster that `RAY_ADDRESS` or this machine names, or on this machine alone.

    Args, returns and raises as `prox.runs.local.work`; `recipe.workers` is the most actors, all slots if not given.
    """
    import ray

    own = not ray.is_initialized()
    if own:
        with _same_signals():
            ray.init(log_to_driver=False, logging_level="ERROR")
    try:
        return _Cluster(ray, job, sink).work(units)
    finally:
        if own:
            ray.shutdown()


@contextlib.contextmanager
def _same_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself; the run wants to end in order."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread() and before is not None:
        signal.signal(signal.SIGTERM, before)


class _Cluster:
    """Actors on a cluster that may grow and shrink while they work."""

    def __init__(self, ray: Any, job: Job, sink: Sink) -> None:
        from ray.util import ActorPool

        self._ray = ray
        self._recipe = recipe = job.recipe
        self._sink = sink
        self._resource, self._need = ("GPU", recipe.gpus) if recipe.gpus else ("CPU", 1.0)
        slot = {"num_gpus": recipe.gpus} if recipe.gpus else {"num_cpus": 1}
        self._actor = ray.remote(max_restarts=-1, max_task_retries=-1, **slot)(_Hands)
        self._job = job  # by value: an argument in the object store could be lost before a restart
        self._at_once = threads_for(recipe.specs()) or 1
        self._pool = ActorPool([])
        self._actors: list[Any] = []
        self._warnings: set[str] = set()
        self._looked = -_TICK_SECONDS

    def work(self, units: Iterator[Unit]) -> list[str]:
        pool, ray = self._pool, self._ray
        more = True
        try:
            while True:
                self._use_new_slots(wanted=more)
                while more and pool.has_free():
                    batch = list(islice(units, self._at_once))
                    more = bool(batch)
                    if batch:
                        pool.submit(lambda actor, units: actor.refine.remote(units), batch)
                if not pool.has_next():
                    if more and not self._actors:
                        time.sleep(_TICK_SECONDS)
                        continue
                    self._leave_slots()
                    break
                if not more:
                    self._leave_slots()
                try:
                    answers: list[_Answer] = pool.get_next_unordered(timeout=_TICK_SECONDS)
                except TimeoutError:
                    continue
                self._tell(answers)
        except ray.exceptions.RayError as error:
            raise RunError(f"Ray could not go on: {_first_line(error)}") from error
        finally:
            for actor in self._actors:
                with contextlib.suppress(Exception):
                    ray.kill(actor)
        return sorted(self._warnings)

    def _use_new_slots(self, wanted: bool) -> None:
        """One actor for each slot of the cluster as it is now."""
        if not wanted or time.monotonic() - self._looked < _TICK_SECONDS:
            return
        self._looked = time.monotonic()
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        slots = sum(_slots(resources.get(self._resource, 0), self._need) for resources in alive)
        most = self._recipe.workers or slots
        if not slots:
            raise RunError(f"the Ray cluster has no {self._resource}; {self._need:g} are needed for a worker")
        for _ in range(min(slots, most) - len(self._actors)):
            actor = self._actor.remote(self._job)
            self._actors.append(actor)
            self._pool.push(actor)

    def _leave_slots(self) -> None:
        """Nothing is left to hand out: actors without work make room for those that lost their node."""
        while (actor := self._pool.pop_idle()) is not None:
            self._actors.remove(actor)
            self._warnings |= self._warnings_of([actor])
            self._ray.kill(actor)

    def _tell(self, answers: Sequence[_Answer]) -> None:
        for unit, report, reason in answers:
            if report is not None:
                self._sink.done(unit, report)
            elif reason.startswith(_ENDS_THE_RUN):
                raise RunError(reason.removeprefix(_ENDS_THE_RUN))
            else:
                self._sink.failed(unit, reason)

    def _warnings_of(self, actors: Sequence[Any]) -> set[str]:
        if not self._recipe.has_language_model:
            return set()
        with contextlib.suppress(Exception):
            told = self._ray.get([actor.warnings.remote() for actor in actors], timeout=_PATIENCE)
            return {warning for warnings in told for warning in warnings}
        return set()


def _slots(there: float, need: float) -> int:
    """How many workers a node holds; parts of a GPU are parts of one."""
    return int(there / need) if need >= 1 else int(there) * int(1 / need)


_ENDS_THE_RUN = "\0"
"""Begins the reason of a unit that no other would do better than."""


class _Hands:
    """What runs in an actor."""

    def __init__(self, job: Job) -> None:
        fs, path = open_file_system(f"{job.recipe.output}/{PLAN_FILE}")
        self._shared = fs.exists(path)
        if not Path(job.aside).is_dir():
            job = replace(job, aside=tempfile.mkdtemp(prefix="prox-"))
        self._job = replace(job, tried_before=True)
        self._worker: Worker | None = None

    @functools.cached_property
    def _own(self) -> Supervisor | InProcess:
        if self._job.recipe.has_language_model:
            self._worker = Worker(self._job.recipe, self._job.schema, self._job.aside)
            return InProcess(self._worker, tried_before=True)
        return Supervisor(self._job)

    def refine(self, units: Sequence[Unit]) -> list[_Answer]:
        """Do units, several at once where a language model wants to be kept busy."""
        if not self._shared:
            where = f"{os.uname().nodename} does not see {self._job.recipe.output}"
            return [(units[0], None, f"{_ENDS_THE_RUN}{where}: name a folder that all nodes of the cluster share")]
        if len(units) == 1:
            return [self._refine(units[0])]
        with ThreadPoolExecutor(len(units)) as pool:
            return list(pool.map(self._refine, units))

    def _refine(self, unit: Unit) -> _Answer:
        try:
            return unit, self._own.refine(unit, _nobody_listens), ""
        except UnitFailedError as error:
            return unit, None, str(error)
        except Exception as error:  # a traceback of an actor tells a person nothing
            return unit, None, f"{_ENDS_THE_RUN}{error}"

    def warnings(self) -> list[str]:
        return self._worker.watch.warnings() if self._worker is not None else []


def _nobody_listens(documents: int) -> None:
    pass


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
