"""Document labels: two additive scores from 0 to 5, and keep or drop by the published rule."""

import json
from dataclasses import dataclass
from typing import Any

from prox.adapt.annotation.asking import Asker, FailedError, Question, UnusableError
from prox.adapt.annotation.prompts import Prompt, conversation
from prox.document import Document

_LEAST_CHARACTERS = 500
"""A page that does not fit the model is halved until it does, but not below this."""


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Keep what is educational, and what is nearly so but well formed (ProX: educational ≥ 3, or 2 and format ≥ 4).

    Attributes:
        educational: From this score on a document is kept.
        format: From this format score on, so is one whose educational score is just one point lower.
    """

    educational: int = 3
    format: int = 4

    def keeps(self, educational: int, format: int) -> bool:
        return educational >= self.educational or (educational == self.educational - 1 and format >= self.format)


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model thinks of a document."""

    educational: int
    format: int
    educational_reason: str
    format_reason: str


@dataclass(frozen=True, slots=True)
class DocumentTask:
    """Scores documents, with one request each."""

    prompt: Prompt
    rule: KeepRule

    name = "documents"

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return (self.prompt,)

    @property
    def settings(self) -> dict[str, Any]:
        return {"least_educational": self.rule.educational, "least_format": self.rule.format}

    def label(self, document: Document, asker: Asker) -> dict[str, Any]:
        """The fields of the label.

        Raises:
            FailedError: There is no label.
        """
        shown = document.text[: self.prompt.most_characters]
        while True:
            question = Question(
                self.prompt.name, document.id, conversation(self.prompt, shown), self.prompt.max_new_tokens or 1
            )
            try:
                scores = asker.ask(question, read_scores)
                break
            except FailedError as failed:
                if not failed.too_long or len(shown) < 2 * _LEAST_CHARACTERS:
                    raise
                shown = shown[: len(shown) // 2]
        return {
            "text": document.text,
            "keep": int(self.rule.keeps(scores.educational, scores.format)),
            "educational": scores.educational,
            "format": scores.format,
            "educational_reason": scores.educational_reason,
            "format_reason": scores.format_reason,
            "characters_shown": len(shown),
        }


def read_scores(answer: str) -> Scores:
    """Read `{"educational_reason": "…", "educational": 3, "format_reason": "…", "format": 4}` and nothing else.

    Raises:
        UnusableError: The answer is anything else.
    """
    try:
        fields = json.loads(answer, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"it is not one JSON object ({error})") from None
    if not isinstance(fields, dict):
        raise UnusableError("it is not a JSON object")
    missing = [name for name in _FIELDS if name not in fields]
    foreign = [name for name in fields if name not in _FIELDS]
    if missing or foreign:
        raise UnusableError(
            f"the object {'lacks ' + missing[0] if missing else 'has a foreign field'}; its fields are "
            f"{', '.join(_FIELDS)}"
        )
    for name, value in fields.items():
        if name.endswith("_reason"):
            if not isinstance(value, str):
                raise UnusableError(f"{name} is not a string")
        elif type(value) is not int or not 0 <= value <= 5:
            raise UnusableError(f"{name} is not a whole number from 0 to 5")
    reasons = [fields[name].encode("utf-8", "replace").decode() for name in ("educational_reason", "format_reason")]
    return Scores(fields["educational"], fields["format"], *reasons)


_FIELDS = ("educational_reason", "educational", "format_reason", "format")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a field comes twice")
    return dict(pairs)
