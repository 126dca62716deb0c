"""All trainings of a comparison, several at once, each continued where it was interrupted."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prox.errors import ProxError, RunError
from prox.pretrain.comparison.corpora import Corpus
from prox.pretrain.settings import Settings
from prox.runs.supervisor import end_with_parent

Done = Callable[["Training", dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Training:
    """A model: one corpus, one seed."""

    corpus: Corpus
    seed: int
    settings: Settings

    @property
    def model(self) -> Path:
        return Path(self.settings.output) / "model"


def train_all(trainings: Sequence[Training], workers: int, done: Done) -> list[dict[str, Any]]:
    """The records (`pretrain.json`) of all trainings, in their order.

    `workers` of them share the cores. Whatever ends this early, a failure or an interrupt, ends at once those that run
    beside: each goes on from its last checkpoint when it is begun again.

    Args:
        done: Told of each as it ends.

    Raises:
        UsageError, RunError: Of the first training that failed.
    """
    records: dict[int, dict[str, Any]] = {}
    threads = max(1, (os.cpu_count() or 1) // workers)
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(threads,)) as pool:
        try:
            with _no_interrupts():
                running: dict[Future[dict[str, Any]], int] = {
                    pool.submit(_train, training.settings): place for place, training in enumerate(trainings)
                }
            while running:
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    place = running.pop(future)
                    records[place] = _result(future, trainings[place])
                    done(trainings[place], records[place])
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                child.kill()
            pool.shutdown(cancel_futures=True)
            raise
    return [records[place] for place in range(len(trainings))]


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes begun here never hear of Ctrl-C: who began them ends them, and says so once."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _result(future: "Future[dict[str, Any]]", training: Training) -> dict[str, Any]:
    try:
        return future.result()
    except ProxError as error:
        raise type(error)(f"{training.corpus.name}, seed {training.seed}: {error}") from error
    except RuntimeError as error:  # BrokenProcessPool among them: killed, or out of memory
        raise RunError(
            f"{training.corpus.name}, seed {training.seed}: the process ended ({error}). Perhaps the memory is too "
            "small for so many at once: lower --workers. The same command goes on"
        ) from error


def _begin(threads: int) -> None:
    import torch

    end_with_parent()
    torch.set_num_threads(min(threads, torch.get_num_threads()))  # OMP_NUM_THREADS may allow fewer


def _train(settings: Settings) -> dict[str, Any]:
    from prox.pretrain.training import pretrain

    return pretrain(settings).record
