"""Rules of known corpora as a refiner."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from prox.chunking import Chunk
from prox.errors import UsageError
from prox.program import DropDocument, KeepDocument, Operation, Policy, Program
from prox.refiners.draft import Draft, Level
from prox.refiners.rules.c4 import c4
from prox.refiners.rules.fineweb import fineweb
from prox.refiners.rules.gopher import gopher_quality, gopher_repetition
from prox.refiners.rules.page import Page
from prox.refiners.rules.refinedweb import refinedweb
from prox.refiners.rules.tables import load_tables

VERSION = 3
"""Counts up when a rule would decide otherwise; part of the fingerprint."""

Rules: TypeAlias = Callable[[Page], str]
"""Edits the page, and says why it is dropped, or ""."""

SETS: Mapping[str, tuple[Rules, ...]] = MappingProxyType(
    {
        "gopher": (gopher_repetition, gopher_quality),
        "gopher-quality": (gopher_quality,),
        "gopher-repetition": (gopher_repetition,),
        "c4": (c4,),
        "fineweb": (fineweb,),
        "refinedweb": (refinedweb,),
    }
)
"""Gopher's in the order in which FineWeb applies them."""

EDITING = (c4, refinedweb)


def parse_names(names: str) -> tuple[Rules, ...]:
    """Rules by the names of their sets, joined by `+`, in that order.

    Raises:
        UsageError: A name is none.
    """
    found: list[Rules] = []
    for name in names.split("+"):
        if name not in SETS:
            what = f'there is no set of rules "{name}"' if name else f'"rules:{names}" lacks the name of a set of rules'
            raise UsageError(f"{what}; there are {', '.join(SETS)}. Several are joined by +: rules:gopher+c4")
        found += SETS[name]
    return tuple(found)


def levels_of_rules(names: str) -> tuple[Level, ...]:
    """Documents, which all rules judge, and chunks if some of them edit lines.

    Raises:
        UsageError: A name is none.
    """
    return tuple(Level) if any(rules in EDITING for rules in parse_names(names)) else (Level.DOCUMENT,)


def check_names(names: str, level: Level) -> None:
    """Find out whether there are such rules at a level.

    Raises:
        UsageError: A name is none, or there is nothing to do at this level.
    """
    if level not in levels_of_rules(names):
        raise UsageError(
            f"rules:{names} works at document level; leave out --level {level}, or add rules that edit lines"
        )


class RuleReader:
    """Applies rules one after the other, each to what the one before has left of a page.

    Remembers the edited pages of the last batch, because both levels ask about the same ones.
    """

    def __init__(self, rules: Sequence[Rules]) -> None:
        self._rules = rules
        self._last: dict[str, Page] = {}

    def reasons(self, texts: Sequence[str]) -> list[str]:
        """Why each document is dropped, or ""."""
        read: dict[str, Page] = {}
        reasons = []
        for text in texts:
            page = Page(text)
            reason = next(filter(None, (rules(page) for rules in self._rules)), "")
            if not reason:
                read[text] = page
            reasons.append(reason)
        self._last = read
        return reasons

    def edits(self, chunks: Sequence[Chunk]) -> list[list[Operation]]:
        """What the rules that edit lines do to each document, whether it is dropped or not.

        In a cascade it is a part of one, whose lines are numbered over the whole.
        """
        known = self._last  # another thread may replace it meanwhile
        pages = [known[chunk.text] if chunk.text in known else self._edited(chunk.text) for chunk in chunks]
        return [page.operations(chunk.first_line) for page, chunk in zip(pages, chunks, strict=True)]

    def _edited(self, text: str) -> Page:
        page = Page(text)
        for rules in self._rules:
            if rules in EDITING:
                rules(page)
        return page


@lru_cache(maxsize=8)
def rule_reader(names: str) -> RuleReader:
    """The same names are the same reader within a process."""
    return RuleReader(parse_names(names))


class RulesRefiner:
    """Writes `drop_doc()` with its reason at document level, removals and replacements at chunk level.

    The document level applies all rules to a copy of its own, edits included, so that each judges what the ones before
    have left. It always wants whole documents, and cannot write an invalid program.
    """

    window: int | None = None
    policy = Policy(least_share=None, least_words=0)  # the rules have limits of their own; nothing left is a drop

    def __init__(self, names: str, level: Level) -> None:
        """`names`: of sets of rules, joined by `+`.

        Raises:
            UsageError: A name is none, or there is nothing to do at this level.
        """
        check_names(names, level)
        self.level = level
        self._reader = rule_reader(names)
        tables = load_tables().fingerprint
        self.fingerprint = f"rules:{names}:{VERSION}:{tables}:unicode-{unicodedata.unidata_version}:{level}"

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        if self.level == Level.DOCUMENT:
            texts = [chunk.text for chunk in chunks]
            return [
                Draft(Program((DropDocument() if reason else KeepDocument(),)), reason=reason)
                for reason in self._reader.reasons(texts)
            ]
        return [Draft(Program(tuple(operations or [KeepDocument()]))) for operations in self._reader.edits(chunks)]
