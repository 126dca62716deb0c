"""A run looks at its first programs: a wrong prompt must not cost a night, and not pass for a clean corpus."""

import shlex
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from prox.errors import RunError
from prox.refiners.language_model.causes import likely_cause
from prox.runs.stages import Refined, Stage, StageResult

FIRST_DOCUMENTS = 32
"""Documents that are refined at once until so many programs of every stage have been seen, and judged."""

FEWEST_PROGRAMS = 10
"""With fewer programs than this, only a stage of which none at all can be used is stopped."""

FAILED_IN_A_ROW = 256
"""So many programs, one after another, that cannot be used, end a run that had begun well: a server is gone."""


@dataclass(slots=True)
class _Watched:
    """What was seen of one stage."""

    programs: int = 0
    unusable: int = 0
    acting: int = 0
    failed_in_a_row: int = 0
    satisfied: bool = False
    reasons: Counter[str] = field(default_factory=Counter)


class Watch:
    """Sees every batch of a run and judges what language models wrote; several threads may show it theirs."""

    def __init__(self, stages: Sequence[Stage], most_unusable: float) -> None:
        """`most_unusable`: the share of the first programs of a stage that may be of no use."""
        self._stages = stages
        self._most = most_unusable
        self._watched = [_Watched(satisfied=not stage.language_model) for stage in stages]
        self._lock = threading.Lock()

    def note(self, refined: Sequence[Refined]) -> None:
        """Look at what a batch came to.

        Raises:
            RunError: Too many of the first programs of a stage cannot be used, or none has been for a long time.
        """
        with self._lock:
            for entry in refined:
                for stage, watched, result in zip(self._stages, self._watched, entry.stages, strict=False):
                    if stage.language_model:
                        _count(watched, result)
            for stage, watched in zip(self._stages, self._watched, strict=True):
                if not watched.satisfied and self._is_of_no_use(watched):
                    raise RunError(self._complaint(stage, watched))
                watched.satisfied = watched.satisfied or watched.programs >= FIRST_DOCUMENTS
                if watched.failed_in_a_row >= FAILED_IN_A_ROW and self._most < 1:
                    reason = watched.reasons.most_common(1)[0][0]
                    raise RunError(
                        f"the last {watched.failed_in_a_row} programs of {stage.name} could not be used: {reason}"
                    )

    @property
    def satisfied(self) -> bool:
        """Whether enough programs of every language model have been seen."""
        return all(watched.satisfied for watched in self._watched)

    def _is_of_no_use(self, watched: _Watched) -> bool:
        if watched.programs < FEWEST_PROGRAMS:
            return self._most < 1 and watched.programs > 2 and watched.unusable == watched.programs
        return watched.unusable > self._most * watched.programs

    def warnings(self) -> list[str]:
        """Stages of which many programs were of no use, or none does anything, as with a wrong prompt."""
        told = [
            f"{watched.unusable} of {watched.programs} programs of {stage.name} at {stage.refiner.level} level could "
            f"not be used. {_advice(stage)}"
            for stage, watched in zip(self._stages, self._watched, strict=True)
            if self._most < 1 and watched.unusable > self._most * watched.programs
        ]
        return told + [
            f"not one of {watched.programs} programs of {stage.name} at {stage.refiner.level} level changes or drops "
            f"anything. On a corpus with noise that is a sign of a wrong prompt. {_advice(stage)}"
            for stage, watched in zip(self._stages, self._watched, strict=True)
            if stage.language_model and watched.programs >= FIRST_DOCUMENTS and not watched.acting
        ]

    def _complaint(self, stage: Stage, watched: _Watched) -> str:
        (reason, count), *_ = watched.reasons.most_common(1)
        return (
            f"{watched.unusable} of the first {watched.programs} programs of {stage.name} at {stage.refiner.level} "
            f"level cannot be used (allowed are {self._most:.0%}). Most often, {count} times: {reason}. "
            f"{likely_cause(watched.reasons)} {_advice(stage)}. "
            "To run all the same, into a new folder: --most-unusable 1"
        )


def _advice(stage: Stage) -> str:
    model = stage.name.rpartition(" | ")[2]  # of a cascade, the one that was asked
    look = f"prox doctor --refiner {shlex.quote(model)} --level {stage.refiner.level}"
    return f"Look with: {look}, and the same --family and options"


def _count(watched: _Watched, result: StageResult) -> None:
    watched.programs += result.programs
    watched.unusable += result.unusable
    watched.acting += result.acts
    if result.unusable and result.unusable == result.programs:
        watched.failed_in_a_row += result.programs
    elif result.programs:
        watched.failed_in_a_row = 0
    watched.reasons.update(result.failures)
    if result.unusable > len(result.failures):
        watched.reasons["too many erroneous operations"] += 1
