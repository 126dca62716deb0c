"""The recipe: what a run reads, does and writes."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from prox.errors import UsageError
from prox.program import Policy
from prox.refiners import Level, load_refiner
from prox.refiners.stored import StoredRefiner
from prox.runs.stages import Stage

BOTH_LEVELS = (Level.DOCUMENT, Level.CHUNK)


class Recipe(BaseModel):
    """Everything that decides what a run gives; `run.json` stores it as resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: tuple[str, ...]
    output: str
    corpus: str | None = None
    text_field: str | None = None
    refiners: tuple[str, ...] = ("tagger",)
    level: Level | None = None
    keep_threshold: float | None = Field(default=None, ge=0, le=1)
    replay: bool = False
    format: Literal["parquet", "jsonl"] = "parquet"
    workers: int = Field(default=1, ge=1)

    @field_validator("refiners")
    @classmethod
    def _at_most_one_a_level(cls, refiners: tuple[str, ...]) -> tuple[str, ...]:
        if not 1 <= len(refiners) <= 2:
            raise ValueError("give one refiner for all levels, or one for documents and then one for chunks")
        return refiners

    def levels(self) -> list[tuple[str, Level]]:
        """Which refiner works at which level, in order: documents first (ProX, section 2)."""
        levels = [self.level] if self.level else list(BOTH_LEVELS)
        if len(self.refiners) > len(levels):
            raise UsageError(f"two refiners, but only the {levels[0]} level: leave out --level or one --refiner")
        specs = self.refiners if len(self.refiners) == len(levels) else self.refiners * len(levels)
        return list(zip(specs, levels, strict=True))


def make_recipe(**fields: Any) -> Recipe:
    """A recipe from what a person gave.

    Raises:
        UsageError: A field has a value that no recipe has; the text begins with the field's name.
    """
    try:
        return Recipe(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = first["loc"][0] if first["loc"] else "recipe"
        raise UsageError(f"{name}: {first['msg']}") from error


def load_stages(recipe: Recipe) -> list[Stage]:
    """The stages with their refiners loaded.

    Raises:
        UsageError: A refiner spec is wrong.
    """
    if recipe.replay:
        spec = recipe.refiners[0]
        refiner = StoredRefiner(spec.removeprefix("stored:"), Level.DOCUMENT, whole=True)
        return [Stage(spec, refiner, Policy.unlimited())]
    return [
        Stage(spec, load_refiner(spec, level, recipe.keep_threshold if level == Level.DOCUMENT else None))
        for spec, level in recipe.levels()
    ]
