"""From task specs to tasks of lm-eval with their data, or the reason why there are none."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prox.pretrain.evaluation.hub import hub_answers
from prox.pretrain.evaluation.suites import OWN_TASKS, TaskSpec
from prox.refiners.language_model.model_files import essence


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """A task with its data.

    Attributes:
        tasks: The tasks of lm-eval that it is made of, by name.
        fingerprint: Changes whenever the same model could get other figures.
    """

    spec: TaskSpec
    tasks: Mapping[str, Any]
    fingerprint: str


def known_fingerprint(spec: TaskSpec, limit: int | None) -> str | None:
    """The fingerprint where it follows from the name alone, without loading data; None for a user's files."""
    if spec.file is not None or spec.unavailable:
        return None
    own = [(OWN_TASKS / f"{source}.yaml") for source in spec.sources]
    texts = [path.read_text() for path in own if path.is_file()]
    return _fingerprint(spec.sources, spec.shots, spec.strata, limit, texts)


def load_task(spec: TaskSpec, limit: int | None) -> LoadedTask | str:
    """The task with its data, or why it cannot be had: no network, no such data, a package that is missing, a fault.

    Code that a user's task file names (`!function`) is run, as lm-eval does it; code of data sets is not.
    """
    if spec.unavailable:
        return spec.unavailable
    try:
        tasks = _load(spec)
        for task in tasks.values():
            if spec.shots is not None:
                task.set_config(key="num_fewshot", value=spec.shots)
            elif task.get_config("num_fewshot") is None:
                task.set_config(key="num_fewshot", value=0)
        if not tasks:
            return "it has no tasks"
        known = known_fingerprint(spec, limit)
        return LoadedTask(spec, tasks, known or _fingerprint(spec.shots, limit, *map(_identity, tasks.values())))
    except Exception as error:  # task files and data sets raise anything, and one of them must not end the others
        return _reason(error)


def _load(spec: TaskSpec) -> dict[str, Any]:
    if (file := spec.file) is not None:
        return _load_file(file)
    tasks: dict[str, Any] = {}
    for source in spec.sources:
        manager = _manager(spec.folders, source)
        hub_answers()  # before the first data set is asked for, so that nothing is tried in vain
        tasks |= manager.load([source])["tasks"]
    return tasks


def _load_file(file: Path) -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    hub_answers()
    manager = TaskManager(include_defaults=False)
    path = file.resolve()
    with _quiet():
        try:
            return dict(manager.load([str(path)])["tasks"])
        except FileNotFoundError:
            # Paths of data count from where the command is given, as in lm-eval, or else from the task file.
            with contextlib.chdir(path.parent):
                return dict(manager.load([str(path)])["tasks"])


@cache
def _manager(folders: tuple[str, ...], source: str) -> Any:
    """lm-eval's registry, as much of it as is needed: reading all of its 14,000 tasks takes ten seconds and more."""
    import lm_eval.tasks

    package = Path(lm_eval.tasks.__file__).parent
    places = [package / folder for folder in folders]
    if (OWN_TASKS / f"{source}.yaml").is_file():
        places.append(OWN_TASKS)
    if places and all(place.is_dir() for place in places):
        manager = lm_eval.tasks.TaskManager(include_path=[str(place) for place in places], include_defaults=False)
        if source in manager.all_tasks:
            return manager
    return _whole_registry()


@cache
def _whole_registry() -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(OWN_TASKS))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars of data sets."""
    import datasets

    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _identity(task: Any) -> str:
    """What a user's task asks: its fields, its items, and the examples that may stand before them."""
    digest = hashlib.sha256(json.dumps(task.dump_config(), sort_keys=True, default=str).encode())
    for documents in (task.eval_docs, getattr(getattr(task, "sampler", None), "df", None) or ()):
        for document in documents:
            digest.update(json.dumps(document, sort_keys=True, default=str).encode() + b"\n")
    return digest.hexdigest()


def _fingerprint(*parts: object) -> str:
    text = json.dumps([version("lm-eval"), *parts], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _reason(error: Exception) -> str:
    """Why, in one line, with what can be done about it."""
    text = essence(error)
    if isinstance(error, ConnectionError):
        name = re.search(r"'([^']+)' on the Hub", text)
        return f"no data: {name[1] if name else text} is not in the local cache, and the hub cannot be reached"
    if isinstance(error, ImportError | AssertionError) and "math_verify" in str(error):
        return f"{text} (pip install 'lm-eval[math]')"
    if isinstance(error, ImportError):
        return f"a package is missing: {text}"
    return text
