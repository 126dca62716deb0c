"""Prompts without a model: what a model is trained on is made by the code that will ask it."""

from dataclasses import dataclass
from typing import Any

from prox.errors import UsageError
from prox.program import get_dialect
from prox.refiners.draft import Level
from prox.refiners.language_model.engine import Comparison, Completion
from prox.refiners.language_model.families import FAMILIES, Family, Render, adapted_family, make_family
from prox.refiners.language_model.refiner import LanguageModelRefiner
from prox.refiners.language_model.tokens import ModelTokens

DIALECTS = {Level.CHUNK: ("prox-chunk", "refinex", "ultrax"), Level.DOCUMENT: ("prox-document",)}


@dataclass(frozen=True, slots=True)
class _TokensOnly:
    """An engine that counts and cuts, and answers nothing."""

    tokens: ModelTokens
    context: int | None
    parameters: None = None
    fingerprint: str = "none"

    def generate(self, requests: Any) -> list[Completion]:
        raise NotImplementedError

    def compare(self, requests: Any, answers: Any) -> list[Comparison]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def prompt_writer(family: Family, tokens: ModelTokens, context: int | None) -> LanguageModelRefiner:
    """A refiner that cuts documents and writes prompts as it will when a model is behind it, and nothing else."""
    return LanguageModelRefiner(_TokensOnly(tokens, context), family)


def family_to_train(
    level: Level, name: str | None, dialect: str | None, window: int | None, system: str | None, render: Render | None
) -> Family:
    """The family that a model is trained for.

    Args:
        level: Of its programs.
        name: A published family, asked exactly as its models are; None for one with short prompts of our own.
        dialect: Of the programs, for a family of our own.
        window: Tokens of a chunk, for a family of our own.
        system: The system text, where a published family does not bring one.
        render: The base model's chat template, if it has one.

    Raises:
        UsageError: These do not go together.
    """
    if name is not None:
        if name == "instruct":
            raise UsageError("the family instruct is for models that are not trained; leave out --family")
        if name not in FAMILIES:
            known = ", ".join(each for each in FAMILIES if each != "instruct")
            raise UsageError(f'there is no family "{name}"; choose one of {known}, or leave out --family')
        if dialect is not None or window is not None:
            raise UsageError(f"the family {name} brings its dialect and its window; leave out --dialect and --window")
        return make_family(name, level, system)
    dialect = dialect or DIALECTS[level][0]
    if dialect not in DIALECTS[level]:
        raise UsageError(f"no dialect {dialect} at {level} level; choose one of {', '.join(DIALECTS[level])}")
    if window is not None and window < 32:
        raise UsageError(f"a window of {window} tokens holds next to nothing; give 32 or more")
    return adapted_family(level, get_dialect(dialect), window or (1500 if level == Level.CHUNK else 2000), render)
