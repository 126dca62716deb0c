"""The recipe: what a run reads, does and writes."""

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from prox.corpora import shown_path
from prox.errors import UsageError
from prox.program import Policy
from prox.refiners import Level, Refiner, load_refiner
from prox.refiners.cascade import CascadeRefiner, Uncertain
from prox.refiners.language_model.loading import ModelOptions
from prox.refiners.language_model.refiner import LanguageModelRefiner
from prox.refiners.rules import RulesRefiner
from prox.refiners.specs import check_spec, has_scores, is_language_model, levels_of_spec, shown_spec
from prox.refiners.stored import StoredRefiner
from prox.runs.stages import Stage

BOTH_LEVELS = (Level.DOCUMENT, Level.CHUNK)

Value = str | int | float | bool | None


def _as_bytes(given: Any) -> Any:
    """A number of bytes, also written as 64MB or 1.5 GiB.

    >>> _as_bytes("64MB"), _as_bytes("1.5 GiB")
    (64000000, 1610612736)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", str(given).lower())
    if isinstance(given, bool) or not found:
        raise ValueError(f"{given!r} is no size; write for example 64MB or 4GiB")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** " kmgt".index(found[2] or " "))


Size = Annotated[int, BeforeValidator(_as_bytes), Field(ge=1)]


class _Fields(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFields(_Fields):
    """What can be said about a language model: for all of a recipe, or for one of its refiners."""

    family: str | None = None
    system_prompt: str | None = None
    constrain: bool = False
    engine_options: dict[str, Value] = Field(default_factory=dict)


class PolicyFields(_Fields):
    """The limits of a stage where they are others than its refiner brings; see `Policy`."""

    errors_allowed: int | None = Field(default=None, ge=0)
    least_share: float | None = Field(default=None, ge=0, lt=1)
    least_words: int | None = Field(default=None, ge=0)
    deletions_only: bool = True
    short_unedited_kept: bool = True

    @model_serializer(mode="wrap")
    def _what_is_set(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in fields(self).items() if name in self.model_fields_set}

    def applied_to(self, policy: Policy) -> Policy:
        return replace(policy, **{name: getattr(self, name) for name in self.model_fields_set})


class StageRecipe(ModelFields):
    """A refiner with what is said about it alone; what it leaves out is as the recipe says."""

    refiner: str
    level: Level | None = None
    keep_threshold: float | None = Field(default=None, ge=0, le=1)
    noise_threshold: float | None = Field(default=None, ge=0, le=1)
    policy: PolicyFields | None = None


class Recipe(ModelFields):
    """Everything that decides what a run gives; `run.json` stores it as resolved."""

    input: tuple[str, ...]
    output: str
    corpus: str | None = None
    text_field: str | None = None
    html_to_text: Literal["resiliparse", "trafilatura"] = "resiliparse"
    stages: tuple[str | StageRecipe, ...] = ("tagger",)
    level: Level | None = None
    keep_threshold: float | None = Field(default=None, ge=0, le=1)
    noise_threshold: float | None = Field(default=None, ge=0, le=1)
    uncertain: str | None = None
    on_failure: Literal["keep", "quarantine"] = "keep"
    most_unusable: float = Field(default=0.3, ge=0, le=1)
    replay: bool = False
    format: Literal["parquet", "jsonl"] = "parquet"
    unit_bytes: Size | None = None
    unit_documents: int | None = Field(default=None, ge=1, strict=True)
    engine: Literal["local", "ray"] = "local"
    workers: int | None = Field(default=None, ge=0, strict=True)
    memory: Size | None = None
    time_limit: float = Field(default=300.0, gt=0)
    gpus: float = Field(default=0, ge=0)

    @field_validator("stages", "input", mode="before")
    @classmethod
    def _one_alone(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @field_validator("stages")
    @classmethod
    def _at_most_one_a_level(cls, stages: tuple[str | StageRecipe, ...]) -> tuple[str | StageRecipe, ...]:
        if not 1 <= len(stages) <= 2:
            raise ValueError("give one refiner for all levels, or one for documents and then one for chunks")
        return stages

    @model_validator(mode="after")
    def _uncertain_between_two(self) -> "Recipe":
        if self.uncertain is not None:
            parse_range(self.uncertain)
            if len(self.stages) != 2:
                raise ValueError("uncertain needs two refiners: one that is cheap and scores, then one for the rest")
        return self

    def specs(self) -> list[str]:
        """The specs of all refiners, in order."""
        return [each if isinstance(each, str) else each.refiner for each in self.stages]

    @property
    def has_language_model(self) -> bool:
        return any(is_language_model(spec) for spec in self.specs())

    def levels(self) -> list[tuple[StageRecipe, Level]]:
        """Which refiner works at which level, in order: documents first (ProX, section 2).

        One refiner alone works at all the levels that it knows.

        Raises:
            UsageError: A refiner cannot work at its level.
        """
        levels = self._wanted_levels()
        stages = [self.completed(each) for each in self.stages]
        if len(stages) > len(levels):
            raise UsageError(f"two refiners, but only the {levels[0]} level: leave out --level or one --refiner")
        if len(stages) == 1:
            able = _levels_of(stages[0])
            wanted = [level for level in levels if level in able]
            if not wanted:
                raise UsageError(
                    f"{shown_spec(stages[0].refiner)} works at {able[0]} level; leave out --level {levels[0]}"
                )
            return [(stages[0], level) for level in wanted]
        for each, level in zip(stages, levels, strict=True):
            if level not in _levels_of(each):
                raise UsageError(
                    f"{shown_spec(each.refiner)} stands in the place of the {level} level, but does not work there; "
                    "the refiner for documents comes first, then the one for chunks"
                )
        return list(zip(stages, levels, strict=True))

    def cascade(self) -> list[tuple[list[StageRecipe], Level]]:
        """Who works at which level of a cascade: both refiners, or the one that can.

        Raises:
            UsageError: They have no level in common.
        """
        refiners = [self.completed(each) for each in self.stages]
        first = shown_spec(refiners[0].refiner)
        if not has_scores(first):
            what = "stored programs" if first.startswith("stored:") else "rules"
            raise UsageError(f"{what} have no scores, so nothing is uncertain about them: put the tagger first")
        plan = [([each for each in refiners if level in _levels_of(each)], level) for level in self._wanted_levels()]
        both = [level for able, level in plan if len(able) == len(refiners)]
        if not both:
            names = " and ".join(map(shown_spec, self.specs()))
            raise UsageError(f"{names} have no level in common; a cascade needs two of one level")
        if Level.CHUNK in both and is_language_model(first):
            raise UsageError(f"{first} gives no scores for lines: put the tagger first, or add --level document")
        return [(able, level) for able, level in plan if able]

    def _wanted_levels(self) -> list[Level]:
        return [self.level] if self.level else list(BOTH_LEVELS)

    def completed(self, given: str | StageRecipe) -> StageRecipe:
        """A refiner with the fields of the recipe where it has none of its own.

        Those of language models are for language models, if there is one; in a cascade the noise threshold is for the
        other refiner, because it alone scores lines.
        """
        own = StageRecipe(refiner=given) if isinstance(given, str) else given
        fields: dict[str, Any] = {"keep_threshold": self.keep_threshold}
        if self.uncertain is None or not is_language_model(own.refiner):
            fields["noise_threshold"] = self.noise_threshold
        if is_language_model(own.refiner) or not self.has_language_model:
            fields |= {name: getattr(self, name) for name in ModelFields.model_fields}
        engine = {**fields.get("engine_options", {}), **own.engine_options}
        chosen = {name: value for name, value in fields.items() if name not in own.model_fields_set}
        return own.model_copy(update=chosen | {"engine_options": engine})


def parse_range(text: str) -> Uncertain:
    """Two scores with two points between them.

    >>> parse_range("0.2..0.8")
    Uncertain(low=0.2, high=0.8)
    """
    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*\.\.\s*(\d*\.?\d+)\s*", text)
    low, high = (float(found[1]), float(found[2])) if found else (1.0, 0.0)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"{text!r} is no range of scores; write two between 0 and 1, e.g. 0.2..0.8")
    return Uncertain(low, high)


def _options(refiner: StageRecipe) -> ModelOptions:
    return ModelOptions(refiner.family, refiner.system_prompt, refiner.constrain, refiner.engine_options)


def _threshold(refiner: StageRecipe, level: Level) -> float | None:
    return refiner.keep_threshold if level == Level.DOCUMENT else refiner.noise_threshold


def _levels_of(stage: StageRecipe) -> tuple[Level, ...]:
    able = levels_of_spec(stage.refiner, _options(stage))
    if stage.level is None:
        return able
    if stage.level not in able:
        raise UsageError(f"{shown_spec(stage.refiner)} works at {able[0]} level, not at {stage.level} level")
    return (stage.level,)


def read_recipe(path: str) -> dict[str, Any]:
    """The fields of a recipe file (YAML).

    Raises:
        UsageError: It cannot be read, or is no mapping.
    """
    try:
        fields = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the recipe {path}: {error}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"the recipe {path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise UsageError(f"the recipe {path} is no list of fields; write for example: stages: [tagger]")
    if isinstance(fields.get("engine"), dict):
        raise UsageError(f"the recipe {path}: engine is local or ray; options of a language model are engine_options")
    if "replay" in fields:
        raise UsageError(f"the recipe {path} cannot say replay; stored programs are replayed by prox execute")
    return fields


def make_recipe(**fields: Any) -> Recipe:
    """A recipe from what a person gave.

    Raises:
        UsageError: A field has a value that no recipe has; the text begins with the field's name.
    """
    try:
        return Recipe(**fields)
    except ValidationError as error:
        problems = error.errors()
        # A refiner is a text or a list of fields: what is wrong with its fields says more than that it is no text.
        problems.sort(key=lambda each: (each["type"] != "extra_forbidden", -len(each["loc"])))
        first = problems[0]
        name = str(first["loc"][0]) if first["loc"] else "recipe"
        if first["type"] == "extra_forbidden":
            wrong = str(first["loc"][-1])
            known = _known_fields(first["loc"])
            nearest = difflib.get_close_matches(wrong, known, 1)
            hint = f'did you mean "{nearest[0]}"?' if nearest else f"it may have {', '.join(known)}"
            raise UsageError(f'recipe: there is no field "{wrong}"; {hint}') from error
        inner = "".join(
            f"{part}: " for part in first["loc"][1:] if part in {*StageRecipe.model_fields, *PolicyFields.model_fields}
        )
        raise UsageError(f"{name}: {inner}{first['msg'].removeprefix('Value error, ')}") from error


def _known_fields(place: Sequence[int | str]) -> list[str]:
    """The names that may stand where a wrong one was found."""
    if "policy" in place[:-1]:
        return list(PolicyFields.model_fields)
    if len(place) > 1:
        return list(StageRecipe.model_fields)
    return [name for name in Recipe.model_fields if name != "replay"]  # no recipe may say that


def check_recipe(recipe: Recipe) -> None:
    """Find what is wrong with the refiners of a recipe without loading any.

    Raises:
        UsageError: A refiner spec is wrong, or cannot be what the recipe wants of it.
    """
    plan = recipe.cascade() if recipe.uncertain is not None else [([each], level) for each, level in recipe.levels()]
    for refiners, level in plan:
        for each in refiners:
            check_spec(each.refiner, level, _threshold(each, level), _options(each))


def load_stages(recipe: Recipe) -> list[Stage]:
    """The stages with their refiners loaded.

    Raises:
        UsageError: A refiner spec is wrong.
    """
    if recipe.replay:
        spec = recipe.specs()[0]
        refiner = StoredRefiner(spec.removeprefix("stored:"), Level.DOCUMENT, whole=True)
        return [Stage(spec, refiner, Policy.unlimited())]
    if recipe.uncertain is not None:
        plan = recipe.cascade()
        _check_thresholds(recipe, [level for _, level in plan])
        return [_stage(stages, _cascade(recipe, stages, level), recipe) for stages, level in plan]
    levels = recipe.levels()
    _check_thresholds(recipe, [level for _, level in levels])
    share = _memory_share(recipe)
    return [_stage([each], _load(each, level, share), recipe) for each, level in levels]


def _check_thresholds(recipe: Recipe, levels: Collection[Level]) -> None:
    """None is to be without effect."""
    for name, level in (("keep", Level.DOCUMENT), ("noise", Level.CHUNK)):
        if getattr(recipe, f"{name}_threshold") is not None and level not in levels:
            raise UsageError(f"no refiner works at {level} level, so leave out --{name}-threshold, which is for that")


def refiner_for(recipe: Recipe, level: Level) -> Refiner:
    """The refiner that a recipe has for a level, as it is scored: alone.

    Raises:
        UsageError: It cannot work there.
    """
    if recipe.uncertain is not None:
        for refiners, of_level in recipe.cascade():
            if of_level == level:
                return _cascade(recipe, refiners, level)
    refiner = recipe.stages[0 if level == Level.DOCUMENT else -1]
    return _load(recipe.completed(refiner), level, _memory_share(recipe))


def _cascade(recipe: Recipe, refiners: Sequence[StageRecipe], level: Level) -> Refiner:
    """Two refiners in a row, or the one that can work at the level."""
    first, *others = [_load(each, level, _memory_share(recipe)) for each in refiners]
    assert recipe.uncertain is not None
    return CascadeRefiner(first, others[0], parse_range(recipe.uncertain)) if others else first


def _stage(stages: Sequence[StageRecipe], refiner: Refiner, recipe: Recipe) -> Stage:
    """A stage for a refiner, which may be a cascade of several; its name holds no secrets."""
    name = " | ".join(shown_path(shown_spec(each.refiner)) for each in stages)
    model = refiner.second if isinstance(refiner, CascadeRefiner) else refiner
    policy, parameters = Policy(), None
    if isinstance(model, LanguageModelRefiner):
        policy, parameters = model.policy, model.parameters
    elif isinstance(refiner, RulesRefiner):
        policy = refiner.policy
    elif isinstance(refiner, StoredRefiner):
        policy = Policy.unlimited()  # its programs were judged when they were written
    for own in (each.policy for each in stages if each.policy is not None):
        policy = own.applied_to(policy)
    is_model = isinstance(model, LanguageModelRefiner)
    return Stage(name, refiner, policy, recipe.on_failure == "quarantine", is_model, parameters)


def _load(refiner: StageRecipe, level: Level, share: float | None) -> Refiner:
    threshold = _threshold(refiner, level)
    options = _options(refiner)
    if share is not None and refiner.refiner.startswith("vllm:"):
        options = replace(options, engine={"gpu_memory_utilization": share, **options.engine})
    if options == ModelOptions():
        return load_refiner(refiner.refiner, level, threshold)
    return load_refiner(refiner.refiner, level, threshold, options)


def _memory_share(recipe: Recipe) -> float | None:
    """Two vLLM engines share a GPU; each would take nine tenths of it alone."""
    engines = {spec for spec in recipe.specs() if spec.startswith("vllm:")}
    return 0.45 if len(engines) > 1 else None
