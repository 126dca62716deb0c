"""How long, in what batches and at what learning rates a model is trained."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from prox.errors import UsageError

Form = Literal["cosine", "warm-up–stable–decay"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The published training of a model, or one of another length in the same proportions.

    Steps are those of the optimizer and count from 1.

    Attributes:
        context: Tokens of a sequence.
        batch: Sequences between two steps, over all devices.
        steps: Over which the learning rate is planned.
        stop: The step after which training ends; some published trainings do not go to the end of their cosine.
        learning_rate, last_learning_rate: The highest one, and that of the last planned step.
        warm_up: Steps in which the learning rate rises in a line from 0.
        form: What comes after that: a cosine, or a constant with an exponential decay at the end.
        decay: Steps of that decay.
    """

    context: int
    batch: int
    steps: int
    learning_rate: float
    last_learning_rate: float
    warm_up: int = 0
    form: Form = "cosine"
    decay: int = 0
    stop: int | None = None

    @property
    def last_step(self) -> int:
        """After which training ends."""
        return self.steps if self.stop is None else self.stop

    @property
    def tokens(self) -> int:
        """That are trained on, those of repeated texts each time."""
        return self.last_step * self.batch * self.context

    def rate(self, step: int) -> float:
        """The learning rate of a step.

        The decay of the second form is that of ProX, appendix: 0.5 to the power of 4·(t−S)/D, D steps after step S,
        where the last rate is a sixteenth of the highest one; for another last rate the base follows from it.
        """
        if step <= self.warm_up:
            return self.learning_rate * step / self.warm_up
        if self.form == "cosine":
            share = (step - self.warm_up) / max(1, self.steps - self.warm_up)
            span = self.learning_rate - self.last_learning_rate
            return self.last_learning_rate + span * (1 + math.cos(math.pi * share)) / 2
        stable = self.steps - self.decay
        if step <= stable:
            return self.learning_rate
        return self.learning_rate * (self.last_learning_rate / self.learning_rate) ** ((step - stable) / self.decay)

    def for_tokens(self, tokens: int) -> "Schedule":
        """The same training for another number of tokens: warm-up and decay keep their shares of it."""
        last = max(1, round(tokens / (self.batch * self.context)))
        factor = last / self.last_step
        return replace(
            self,
            steps=max(last, round(self.steps * factor)),
            stop=None if self.stop is None else last,
            warm_up=round(self.warm_up * factor),
            decay=max(1, round(self.decay * factor)) if self.decay else 0,
        )

    def check(self) -> None:
        """
        Raises:
            UsageError: A figure makes no sense.
        """
        for name in ("context", "batch", "steps"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise UsageError(f"the learning rate is {self.learning_rate}; it must be above 0")
        least = "above 0" if self.form != "cosine" else "0 or more"
        if not 0 <= self.last_learning_rate <= self.learning_rate or (self.decay and not self.last_learning_rate):
            raise UsageError(
                f"the last learning rate is {self.last_learning_rate}; it must be {least}, and no more than the "
                f"first, {self.learning_rate}"
            )
        if not 0 <= self.warm_up <= self.steps:
            raise UsageError(f"warm-up takes {self.warm_up:,} of {self.steps:,} steps; it must be 0 or more, and fewer")
