"""Models through tasks and texts: what is done already is taken from the output folder, what fails is named."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prox.errors import ProxError
from prox.pretrain.evaluation.asking import ask, harness_model
from prox.pretrain.evaluation.models import fingerprint, load_model
from prox.pretrain.evaluation.results import Result, Store
from prox.pretrain.evaluation.suites import TaskSpec
from prox.pretrain.evaluation.task_loading import LoadedTask, known_fingerprint, load_task
from prox.pretrain.evaluation.texts import HeldOut


@dataclass(frozen=True, slots=True)
class Measured:
    """What all models did on one task or text.

    Attributes:
        suite: The suite that the task is of, or "".
        results: One for each model in their order, or the reason why there is none.
        earlier: The places of those that were taken from the output folder.
    """

    name: str
    suite: str
    results: tuple[Result | str, ...]
    earlier: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Pending:
    """A row of the table that comes into being."""

    name: str
    suite: str
    fingerprint: str
    results: list[Result | str | None]
    earlier: set[int]
    task: LoadedTask | None = None
    text: HeldOut | None = None


def measure(
    models: Sequence[str],
    tasks: Sequence[TaskSpec],
    texts: Sequence[HeldOut],
    context: int,
    limit: int | None,
    batch_size: int,
    store: Store,
    on_step: Callable[[str], None] = lambda step: None,
) -> list[Measured]:
    """Measure each model on each task and text, one model in memory at a time.

    Args:
        limit: Items of each task (of each part of it), from its beginning; None for all.
        on_step: Told what is done next.

    Raises:
        UsageError, RunError: A model is not there, or the only one cannot be loaded.
    """
    prints = [fingerprint(model) for model in models]

    def pending(name: str, suite: str, task_print: str) -> _Pending:
        key = f"{suite}-{name}" if suite else name
        found = [store.find(model, own, key, task_print) for model, own in zip(models, prints, strict=True)]
        earlier = {place for place, each in enumerate(found) if each is not None}
        return _Pending(name, suite, task_print, list(found), earlier)

    rows: list[_Pending] = []
    for spec in tasks:
        known = known_fingerprint(spec, limit)
        row = pending(spec.name, spec.suite, known) if known else None
        if row is None or None in row.results:
            on_step(f"data of {spec.name}")
            loaded = load_task(spec, limit)
            if isinstance(loaded, str):
                row = row or _Pending(spec.name, spec.suite, "", [None] * len(models), set())
                row.results = [loaded if each is None else each for each in row.results]
            else:
                row = row or pending(spec.name, spec.suite, loaded.fingerprint)
                row.task = loaded
        rows.append(row)
    for text in texts:
        row = pending(text.name, "", text.fingerprint(context))
        row.text = text
        rows.append(row)
    for place, model in enumerate(models):
        waiting = [row for row in rows if row.results[place] is None]
        if not waiting:
            continue
        on_step(f"{model}: loading")
        try:
            in_memory = load_model(model)
        except ProxError as error:
            if len(models) == 1:
                raise
            for row in waiting:  # what the other models did is not lost
                row.results[place] = str(error)
            continue
        harness: Any = None
        for row in waiting:
            on_step(f"{model}: {row.name}")
            if row.text is not None:
                result = row.text.score(in_memory, context)
            else:
                assert row.task is not None
                harness = harness or harness_model(in_memory, batch_size)
                result = ask(harness, row.task, limit)
            row.results[place] = result
            if isinstance(result, Result):
                key = f"{row.suite}-{row.name}" if row.suite else row.name
                store.keep(model, prints[place], key, row.fingerprint, result)
        del in_memory, harness
    return [
        Measured(row.name, row.suite, tuple(each for each in row.results if each is not None), frozenset(row.earlier))
        for row in rows
    ]
