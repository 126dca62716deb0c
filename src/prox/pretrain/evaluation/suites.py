"""Tasks by name: the suites of the published comparisons, and tasks that users bring.

A task is one of lm-eval's, or one of the files in `tasks/`, which are in lm-eval's own format. They stand for tasks
that lm-eval has not, or asks otherwise than the paper (arXiv 2409.17115), which follows FineWeb: each answer is scored
as the continuation of the question, and never as a letter, which models of this size cannot read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from prox.errors import UsageError

OWN_TASKS = Path(__file__).parent / "tasks"

ACCURACY = ("acc_norm", "acc", "exact_match")
"""Of a task's metrics, the first that it has counts: accuracy normalised by the characters of the answers where the
task has it, as in the paper and in MATES."""

FILTERS = ("flexible-extract",)
"""Of a task's ways to find the answer in what was written, this one counts if it is there, and otherwise the first."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What to ask, and which figure counts.

    Attributes:
        name: As shown; one name once in a suite.
        sources: Names in lm-eval's registry, whose items are pooled; or one file of a task.
        folders: Where lm-eval keeps them, below its `tasks`; none means that all its tasks have to be looked through.
        suite: The suite that it is of, or "".
        shots: Solved examples before each item; None leaves it to the task.
        strata: The field of an item by whose values the figure is a mean of means.
        unavailable: Why it cannot be had at all, or "".
    """

    name: str
    sources: tuple[str, ...]
    folders: tuple[str, ...] = ()
    suite: str = ""
    shots: int | None = None
    strata: str | None = None
    unavailable: str = ""

    @property
    def file(self) -> Path | None:
        """The task's file, where it is not one of a registry."""
        return Path(self.sources[0]) if self.sources and self.sources[0].endswith((".yaml", ".yml")) else None


def _spec(name: str, source: str, *folders: str, strata: str | None = None) -> TaskSpec:
    return TaskSpec(name, (source,), folders, strata=strata)


_ARC_C = _spec("ARC-C", "arc_challenge", "arc")
_ARC_E = _spec("ARC-E", "arc_easy", "arc")
_HELLASWAG = _spec("HellaSwag", "hellaswag", "hellaswag")
_OPENBOOKQA = _spec("OpenBookQA", "openbookqa", "openbookqa")
_PIQA = _spec("PIQA", "piqa", "piqa")
_SCIQ = _spec("SciQ", "sciq", "sciq")

_PROX = (
    _ARC_C,
    _ARC_E,
    _spec("CommonsenseQA", "prox_commonsense_qa"),
    _HELLASWAG,
    _spec("MMLU", "prox_mmlu", strata="subject"),
    _OPENBOOKQA,
    _PIQA,
    _spec("SocialIQA", "prox_social_iqa"),
    _spec("WinoGrande", "prox_winogrande"),
    _SCIQ,
)

_DATA_SELECTION = (
    _ARC_C,
    _ARC_E,
    _HELLASWAG,
    _spec("LogiQA", "logiqa", "logiqa"),
    _OPENBOOKQA,
    _PIQA,
    _spec("WinoGrande", "winogrande", "winogrande"),
    _SCIQ,
)

_SUBJECTS_OF_MATH = ("algebra", "counting_and_prob", "geometry", "intermediate_algebra", "num_theory", "prealgebra")

_MATH = (
    _spec("GSM8K", "gsm8k_cot", "gsm8k"),
    TaskSpec("MATH", tuple(f"minerva_math_{each}" for each in (*_SUBJECTS_OF_MATH, "precalc")), ("minerva_math",)),
    _spec("SVAMP", "prox_svamp", "gsm8k"),
    _spec("ASDiv", "prox_asdiv", "gsm8k"),
    _spec("MAWPS", "prox_mawps", "gsm8k"),
    TaskSpec(
        "TabMWP",
        (),
        unavailable="lm-eval does not have it, and no copy on the hub is known to be the published data; "
        "bring a task file of your own with --task",
    ),
    _spec("MathQA", "prox_mathqa", "mmlu/flan_cot_fewshot"),
    _spec("MMLU-STEM", "mmlu_flan_cot_fewshot_stem", "mmlu/flan_cot_fewshot"),
    _spec("SAT-Math", "prox_sat_math", "mmlu/flan_cot_fewshot"),
)


def _with_shots(suite: str, tasks: Sequence[TaskSpec], shots: int | None) -> tuple[TaskSpec, ...]:
    return tuple(replace(task, suite=suite, shots=shots) for task in tasks)


SUITES: Mapping[str, tuple[TaskSpec, ...]] = MappingProxyType(
    {
        "prox": _with_shots("prox", _PROX, 0),
        "data-selection-0": _with_shots("data-selection-0", _DATA_SELECTION, 0),
        "data-selection-2": _with_shots("data-selection-2", _DATA_SELECTION, 2),
        "math": _with_shots("math", _MATH, None),
    }
)
"""Suites, each with a mean of its own."""

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"prox": ("prox",), "data-selection": ("data-selection-0", "data-selection-2"), "math": ("math",)}
)
"""What can be asked for, and the suites that it means."""


def suite_tasks(names: Sequence[str]) -> list[TaskSpec]:
    """The tasks of suites.

    Raises:
        UsageError: There is no such suite.
    """
    tasks: list[TaskSpec] = []
    for name in dict.fromkeys(names):
        if name not in NAMES:
            raise UsageError(f'there is no suite "{name}"; there are {", ".join(NAMES)}')
        tasks += [task for suite in NAMES[name] for task in SUITES[suite]]
    return tasks


def own_tasks(given: Sequence[str]) -> list[TaskSpec]:
    """Tasks that a user names: task files, folders of them, or names that lm-eval knows.

    In folders, files whose names begin with `_` are parts of others and no tasks.

    Raises:
        UsageError: A path is not there, or a folder holds no task file.
    """
    tasks: list[TaskSpec] = []
    for each in given:
        path = Path(each)
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*.yaml")) if not file.name.startswith("_")]
            if not files:
                raise UsageError(f"the folder {each} holds no task file (.yaml)")
            tasks += [TaskSpec(file.stem, (str(file),)) for file in files]
        elif each.endswith((".yaml", ".yml")):
            if not path.is_file():
                raise UsageError(f"there is no task file {each}")
            tasks.append(TaskSpec(path.stem, (each,)))
        elif "/" in each:
            raise UsageError(f"there is no task file or folder {each}")
        else:
            tasks.append(TaskSpec(each, (each,)))
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'two tasks are named "{name}". Rename one of the files')
    return tasks
