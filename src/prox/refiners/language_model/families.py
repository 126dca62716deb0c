"""Model families: everything that a line of models needs to be asked in the way it was trained."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prox.errors import UsageError
from prox.program import PROX_CHUNK, PROX_DOCUMENT, Dialect, Policy, get_dialect
from prox.refiners.draft import Level
from prox.refiners.language_model import few_shot
from prox.refiners.language_model.engine import Message
from prox.refiners.language_model.layouts import PLACE, Layout, chatml_of_qwen3, llama_2, of_template

Render = Callable[[Sequence[Message]], str]


@dataclass(frozen=True, slots=True)
class Family:
    """How a line of models is asked.

    Attributes:
        level: The level of the programs that it writes.
        dialect: In which they are written; it also numbers the lines of a chunk.
        layout: The rendered text around a document or chunk; None where a chat server renders the messages.
        messages: The conversation around the document, for chat servers and training data; its last turn holds
            `layouts.PLACE`.
        window: The size of a chunk; None for whole documents.
        window_unit: What the window and its overlap are measured in, with the numbers of the lines.
        overlap: The share of a window that shows lines of the window before, which are no longer to be edited.
        most_document_tokens: A longer document is cut at its end.
        max_new_tokens: A longer program is cut off.
        stop: Strings that end the program.
        answers: Document level: the texts for keep and drop.
        policy: The limits that the programs of this line are executed under by default.
    """

    name: str
    level: Level
    dialect: Dialect
    layout: Layout | None
    messages: tuple[Message, ...] = ()
    window: int | None = None
    window_unit: Literal["tokens", "characters"] = "tokens"
    overlap: float = 0.0
    most_document_tokens: int | None = None
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    answers: tuple[str, str] = ("keep_doc()", "drop_doc()")
    policy: Policy = field(default_factory=Policy)


PROX_SYSTEM = "You are a helpful, respectful and honest assistant."
"""The system text with which the released ProX models were trained."""

FAMILIES: dict[str, tuple[Level, ...]] = {
    "prox-document": (Level.DOCUMENT,),
    "prox-chunk": (Level.CHUNK,),
    "ultrax": (Level.CHUNK,),
    "instruct": (Level.DOCUMENT, Level.CHUNK),
}
"""The names of the families, with the levels at which each can work. Adapted models bring theirs (see adapted.py)."""

_NAMES = (
    (re.compile(r"(web|math|prox)[-_.]?doc(ument)?[-_.]?refin", re.IGNORECASE), "prox-document"),
    (re.compile(r"(web|math|prox)[-_.]?chunk[-_.]?refin", re.IGNORECASE), "prox-chunk"),
    (re.compile(r"ultrax", re.IGNORECASE), "ultrax"),
)


def family_of_name(model: str) -> str | None:
    """The family that the name of a model tells, or None.

    >>> family_of_name("gair-prox/math-chunk-refining-lm"), family_of_name("openbmb/UltraX-0.6B-Preview")
    ('prox-chunk', 'ultrax')
    >>> family_of_name("HuggingFaceTB/SmolLM2-135M-Instruct") is None
    True
    """
    last = model.rstrip("/").rpartition("/")[2]
    return next((family for pattern, family in _NAMES if pattern.search(last)), None)


def check_family(name: str) -> str:
    """The name of a family, if there is one of this name.

    Raises:
        UsageError: There is none.
    """
    if name not in FAMILIES:
        raise UsageError(f'there is no family "{name}"; choose one of {", ".join(FAMILIES)}')
    return name


def make_family(name: str, level: Level, system: str | None = None, render: Render | None = None) -> Family:
    """The family of this name, at this level.

    Args:
        name: One of `FAMILIES`.
        level: Where it shall work.
        system: The system text, for families that do not bring their own.
        render: Renders a conversation by the model's own chat template; None where a server does.

    Raises:
        UsageError: The family does not work at this level, or its system text is missing.
    """
    if level not in FAMILIES[check_family(name)]:
        able = " and ".join(FAMILIES[name])
        raise UsageError(f"models of the family {name} work at {able} level, not at {level} level")
    match name:
        case "prox-document":
            return Family(
                name,
                level,
                PROX_DOCUMENT,
                llama_2(system or PROX_SYSTEM),
                _turns(system or PROX_SYSTEM),
                most_document_tokens=2000,
                max_new_tokens=16,
            )
        case "prox-chunk":
            return Family(
                name,
                level,
                PROX_CHUNK,
                llama_2(system or PROX_SYSTEM, "[doc]\n", "\n[/doc]"),
                _turns(system or PROX_SYSTEM, "[doc]\n", "\n[/doc]"),
                window=1500,
                policy=Policy(deletions_only=False),
            )
        case "ultrax":
            return _ultrax(system)
        case _:
            return _instruct(level, system, render)


SYSTEM_PROMPT_MISSING = (
    "UltraX models were trained with a long system text that belongs to their authors and does not come with prox. "
    "Save it as a plain text file (SYSTEM_INSTRUCTION in stage2_large_scale_execution/inference/inference.py of "
    "https://github.com/openbmb/UltraX) and name that file with --system-prompt FILE"
)


def _ultrax(system: str | None) -> Family:
    """The figures of the released inference code: windows of 48,000 characters, a fifth of them overlap."""
    if not system:
        raise UsageError(SYSTEM_PROMPT_MISSING)
    return Family(
        "ultrax",
        Level.CHUNK,
        get_dialect("ultrax"),
        chatml_of_qwen3(system),
        _turns(system),
        window=48_000,
        window_unit="characters",
        overlap=0.2,
        max_new_tokens=4096,
        policy=Policy(errors_allowed=None, deletions_only=False),
    )


_SHORT_SYSTEM = {
    Level.DOCUMENT: "Is this page worth learning from? Answer keep_doc() or drop_doc().",
    Level.CHUNK: "Write the program that removes the noise from these lines of a page.",
}
"""A model that is trained to answer needs no explanation, and every token of it costs at every chunk."""


def adapted_family(level: Level, dialect: Dialect, window: int, render: Render | None) -> Family:
    """The family of a model that is to be trained: short instructions in the base model's own chat template.

    Args:
        level: Of the programs that it shall write.
        dialect: In which it shall write them.
        window: Tokens of a chunk, or of a document beyond which it is cut.
        render: Renders a conversation by the base model's template; without one it gets the layout of ProX.
    """
    system = _SHORT_SYSTEM[level]
    turns = _turns(system)
    layout = llama_2(system) if render is None else of_template(render, turns)
    if level == Level.DOCUMENT:
        return Family("adapted", level, dialect, layout, turns, most_document_tokens=window, max_new_tokens=16)
    policy = Policy(deletions_only=dialect.name != "ultrax")
    return Family("adapted", level, dialect, layout, turns, window=window, policy=policy)


def _turns(system: str, before: str = "", after: str = "") -> tuple[Message, ...]:
    return Message("system", system), Message("user", f"{before}{PLACE}{after}")


def _instruct(level: Level, system: str | None, render: Render | None) -> Family:
    messages = few_shot.conversation(level, system)
    layout = None if render is None else of_template(render, messages)
    if level == Level.DOCUMENT:
        return Family("instruct", level, PROX_DOCUMENT, layout, messages, most_document_tokens=1500, max_new_tokens=16)
    return Family("instruct", level, PROX_CHUNK, layout, messages, window=1200)
