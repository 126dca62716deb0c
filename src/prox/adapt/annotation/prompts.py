"""Prompts as files that a person can copy and edit."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from prox.errors import UsageError
from prox.refiners.language_model.engine import Message
from prox.refiners.language_model.layouts import USUAL_CONTROL

NAMES = ("documents", "navigation", "urls", "footers", "rewrite")

_OPEN, _CLOSE = "<page>", "</page>"
_CONTROL = tuple(sorted({*USUAL_CONTROL, _OPEN, _CLOSE, "<think>", "</think>"}, key=lambda text: (-len(text), text)))


@dataclass(frozen=True, slots=True)
class Example:
    """A page, as it is, and the answer to it. Pages that are shown with line numbers are numbered from 0."""

    page: str
    answer: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """How to ask for one kind of label.

    Attributes:
        name: Of its file, without the ending.
        system: The criteria, and the form of the answer.
        examples: Earlier turns of the conversation.
        max_new_tokens: The answer is cut off after so many, and then it is no answer; None is for answers that are as
            long as the page.
        most_characters: Of a document that are shown; None shows all.
        most_removed: The share of a chunk's words that a program may remove.
    """

    name: str
    system: str
    examples: tuple[Example, ...] = ()
    max_new_tokens: int | None = None
    most_characters: int | None = None
    most_removed: float = 1.0

    @property
    def fingerprint(self) -> str:
        """Changes with anything in the prompt."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


def load_prompts(names: tuple[str, ...], folder: str | None = None) -> dict[str, Prompt]:
    """The prompts of those names: from a folder as far as it has them, else those that come with prox.

    Raises:
        UsageError: The folder has none of them, or a file is no prompt.
    """
    own = {} if folder is None else {name: path for name in names if (path := Path(folder) / f"{name}.yaml").exists()}
    if folder is not None and not own:
        wanted = " and ".join(f"{name}.yaml" for name in names)
        raise UsageError(f"{folder} has no {wanted}. Get files to edit with: prox annotate prompts {folder}")
    prompts = {}
    for name in names:
        try:
            text = own[name].read_text(encoding="utf-8") if name in own else _shipped(name)
            prompts[name] = _parse(name, yaml.safe_load(text))
        except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:
            raise UsageError(f"{own.get(name, name)} is no prompt: {' '.join(str(error).split())}") from error
    return prompts


def copy_prompts(folder: str) -> list[Path]:
    """Write the prompts that come with prox into a folder, to be edited.

    Raises:
        UsageError: One of the files is there already, or the folder cannot be written.
    """
    paths = [Path(folder) / f"{name}.yaml" for name in NAMES]
    if there := [path for path in paths if path.exists()]:
        raise UsageError(f"{there[0]} is there already, and is left as it is. Name another folder")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path in paths:
            path.write_text(_shipped(path.stem), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the prompts: {error}") from error
    return paths


def page_turn(page: str) -> str:
    """The text of a turn that shows a page. What could end the page or steer the model is broken by a space."""
    for text in _CONTROL:
        page = page.replace(text, _broken(text))
    return f"{_OPEN}\n{page}\n{_CLOSE}"


def copied_page(answer: str, raw: str) -> str | None:
    """The page in an answer of the form that `page_turn` writes, and nothing beside it; None if there is none.

    Args:
        raw: The page that was shown; what was broken in it is mended again.
    """
    answer = answer.strip()
    if answer == f"{_OPEN}\n{_CLOSE}":
        return ""
    if not (answer.startswith(f"{_OPEN}\n") and answer.endswith(f"\n{_CLOSE}")):
        return None
    return mended(answer[len(_OPEN) + 1 : -len(_CLOSE) - 1], raw)


def mended(answer: str, raw: str) -> str:
    """An answer that quotes a page, with what `page_turn` broke in it as it is in the page."""
    for text in _CONTROL:
        if text in raw:
            answer = answer.replace(_broken(text), text)
    return answer


def conversation(prompt: Prompt, page: str, examples: tuple[Example, ...] | None = None) -> tuple[Message, ...]:
    """What to send for a page; `examples` with other pages than the prompt's own, where those are shown numbered."""
    turns = [Message("system", prompt.system)]
    for example in prompt.examples if examples is None else examples:
        turns += [Message("user", page_turn(example.page)), Message("assistant", example.answer)]
    return (*turns, Message("user", page_turn(page)))


def _broken(text: str) -> str:
    return f"{text[0]} {text[1:]}"


def _shipped(name: str) -> str:
    return (resources.files(__package__) / "prompts" / f"{name}.yaml").read_text(encoding="utf-8")


def _parse(name: str, fields: object) -> Prompt:
    if not isinstance(fields, Mapping):
        raise ValueError("it has no fields; system is needed")
    if unknown := [each for each in fields if each not in _FIELDS]:
        raise ValueError(f"it has a field {unknown[0]}; known are {', '.join(_FIELDS)}")
    system = fields.get("system")
    if not isinstance(system, str) or not system.strip():
        raise ValueError("system is not a text")
    listed = fields.get("examples") or []
    if not isinstance(listed, list):
        raise ValueError("examples is not a list")
    prompt = Prompt(
        name,
        system.strip(),
        tuple(map(_example, listed)),
        _number(fields, "max_new_tokens", int),
        _number(fields, "most_characters", int),
        1.0 if fields.get("most_removed") is None else float(_number(fields, "most_removed", float) or 0),
    )
    if prompt.max_new_tokens is None and name != "rewrite":
        raise ValueError("max_new_tokens is missing")
    if prompt.most_removed > 1:
        raise ValueError("most_removed is a share, from 0 to 1")
    return prompt


_FIELDS = ("system", "examples", "max_new_tokens", "most_characters", "most_removed")


def _example(fields: object) -> Example:
    if not isinstance(fields, Mapping) or set(fields) != {"page", "answer"}:
        raise ValueError("each of the examples needs page and answer, and nothing else")
    if not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("page and answer of an example are texts; put an answer that begins with { in quotes")
    return Example(fields["page"], fields["answer"])


def _number(fields: Mapping[str, Any], name: str, kind: type) -> Any:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0 or value != kind(value):
        raise ValueError(f"{name} is {value!r}; it must be {'a whole number' if kind is int else 'a number'} above 0")
    return kind(value)
