"""The refiners that `prox score` compares, from the options."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prox.cli.running import recipe_from_options
from prox.errors import UsageError
from prox.refiners.draft import Level
from prox.refiners.specs import KNOWN, has_scores, is_language_model, shown_spec
from prox.runs.recipe import Recipe, check_recipe

_KINDS = "|".join(re.escape(known.partition(":")[0]) for known in KNOWN)
_BETWEEN = re.compile(rf",(?=(?:{_KINDS})(?:[:,]|$))")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the refiners, or one per level; `letter` stands for it in tables, `file` is its recipe if it has one."""

    letter: str
    recipe: Recipe
    file: str | None = None

    @property
    def name(self) -> str:
        """Its specs, without secrets, and where its other options stand."""
        specs = (" | " if self.recipe.uncertain else " + ").join(map(shown_spec, self.recipe.specs()))
        return specs if self.file is None else f"{specs} ({self.file})"

    def of_level(self, level: Level) -> str:
        specs = list(map(shown_spec, self.recipe.specs()))
        return " | ".join(specs) if self.recipe.uncertain else specs[0 if level == Level.DOCUMENT else -1]


def candidates_from_options(
    recipe: str | None,
    refiners: Sequence[str] | None,
    against: Sequence[str],
    model_options: Mapping[str, Any],
    thresholds: Mapping[str, float | None],
    uncertain: str | None,
) -> list[Candidate]:
    """The first one, and those against it.

    With several, options of language models are for those that are one, and thresholds are for those that take them.

    Raises:
        UsageError: One of them cannot be.
    """
    options = {**thresholds, **model_options}
    first_options = {"stages": refiners, "uncertain": uncertain}
    first = _recipe(recipe, **first_options, **options)
    others = [_against(each, thresholds, model_options) for each in against]
    if any(other.has_language_model for other in others) and not first.has_language_model:
        first = _recipe(recipe, **first_options, **thresholds)
    recipes = [(first, recipe), *[(other, _file(each)) for other, each in zip(others, against, strict=True)]]
    for each, _ in recipes if others else ():
        check_recipe(each)
    return [Candidate(_letter(place), each, file) for place, (each, file) in enumerate(recipes)]


def split_specs(given: str) -> list[str]:
    """One spec, or two with a comma in between; a comma within a name is none.

    >>> split_specs("tagger,stored:a,b/programs")
    ['tagger', 'stored:a,b/programs']
    """
    return _BETWEEN.split(given)


def _against(given: str, thresholds: Mapping[str, float | None], model_options: Mapping[str, Any]) -> Recipe:
    if file := _file(given):
        return _recipe(file)
    specs = split_specs(given)
    own = {**thresholds, **model_options} if any(map(is_language_model, specs)) else dict(thresholds)
    if all(map(is_language_model, specs)):
        del own["noise_threshold"]
    if not any(map(has_scores, specs)):
        own = {}
    try:
        return _recipe(None, stages=specs, **own)
    except UsageError as error:
        raise UsageError(f"--against {shown_spec(given)}: {str(error).removeprefix('--refiner: ')}") from error


def _file(given: str) -> str | None:
    return given if given.endswith((".yaml", ".yml")) else None


def _recipe(file: str | None, **options: Any) -> Recipe:
    return recipe_from_options(file, input=(), output="", workers=1, **options)


def _letter(place: int) -> str:
    """A to Z, then AA, AB …

    >>> _letter(0), _letter(25), _letter(26)
    ('A', 'Z', 'AA')
    """
    return (_letter(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)
