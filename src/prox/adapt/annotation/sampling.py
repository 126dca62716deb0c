"""Seeds from a corpus: one pass, memory for the sample alone, the same documents in whatever order they come.

A document's lot is the hash of the seed, its id and its text; the smallest lots are drawn. So a larger sample contains
the smaller one, and what was paid for stays useful. Stratified, each stratum gives the same number, as far as it has
them: the first documents of all strata come first, by their lots, then the second ones, and so on.
"""

import hashlib
import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from prox.document import Document
from prox.errors import UsageError

_LENGTHS = (1_000, 4_000, 16_000, 64_000)
"""Characters at which the classes of length end."""

_OLD_ENTRIES = 10_000
"""Entries of the heap that match no stratum any more, about, above which it is made anew."""

_URL_FIELDS = ("url", "source_url", "warc_target_uri")
_DOMAIN_FIELDS = ("source_domain", "domain", "site")
_LANGUAGE_FIELDS = ("language", "lang")

Stratum = tuple[str, ...]
_Member = tuple[bytes, Document]


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents in the order in which they were drawn, and how many of them each stratum has."""

    documents: tuple[Document, ...]
    strata: dict[Stratum, int]


def draw(documents: Iterable[Document], count: int, seed: int = 0, stratify: tuple[str, ...] = ()) -> Sample:
    """Draw so many documents, or all if there are fewer; the same id with the same text counts once.

    Args:
        documents: In any order.
        count: At most so many.
        seed: Another one draws other documents.
        stratify: Names of `STRATA`.
    """
    drawn: dict[Stratum, list[_Member]] = {}
    # The last member of the largest stratum goes when there are too many. That is the one that would be drawn last, and
    # later documents can only push it further back. The heap has old entries, too: they match no stratum any more.
    tails: list[tuple[int, int, Stratum]] = []
    size = 0
    for document in documents:
        stratum = tuple([STRATA[name](document) for name in stratify])
        lot = _lot(document, seed)
        members = drawn.setdefault(stratum, [])
        place = bisect_left(members, lot, key=_lot_of)
        if place < len(members) and members[place][0] == lot:
            continue
        members.insert(place, (lot, document))
        heapq.heappush(tails, _tail(stratum, members))
        size += 1
        if size > count:
            _remove_last(drawn, tails)
            size -= 1
        if len(tails) > 2 * len(drawn) + _OLD_ENTRIES:
            tails = [_tail(each, of_stratum) for each, of_stratum in drawn.items()]
            heapq.heapify(tails)
    ranked = [
        (rank, lot, stratum, document)
        for stratum, members in drawn.items()
        for rank, (lot, document) in enumerate(members)
    ]
    ranked.sort(key=lambda each: each[:3])
    return Sample(
        tuple([document for *_, document in ranked]),
        {stratum: len(members) for stratum, members in sorted(drawn.items())},
    )


def check_strata(names: Iterable[str]) -> tuple[str, ...]:
    """
    Raises:
        UsageError: Nothing is stratified by that name.
    """
    checked = tuple(dict.fromkeys(names))
    if unknown := [name for name in checked if name not in STRATA]:
        raise UsageError(f'--stratify knows {", ".join(STRATA)}, not "{unknown[0]}"')
    return checked


def _lot(document: Document, seed: int) -> bytes:
    content = f"{seed}\0{document.id}\0{document.text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest()


def _lot_of(member: _Member) -> bytes:
    return member[0]


def _tail(stratum: Stratum, members: list[_Member]) -> tuple[int, int, Stratum]:
    """Negative, so that the largest stratum, and of several the one with the last lot, is on top of a heap."""
    return -len(members), -int.from_bytes(members[-1][0], "big"), stratum


def _remove_last(drawn: dict[Stratum, list[_Member]], tails: list[tuple[int, int, Stratum]]) -> None:
    while True:
        entry = heapq.heappop(tails)
        members = drawn.get(entry[2])
        if members and entry == _tail(entry[2], members):
            break
    members.pop()
    if members:
        heapq.heappush(tails, _tail(entry[2], members))
    else:
        del drawn[entry[2]]


def _length(document: Document) -> str:
    size = len(document.text)
    return next((f"under {most:,} characters" for most in _LENGTHS if size < most), f"from {_LENGTHS[-1]:,} characters")


def _domain(document: Document) -> str:
    url = _first(document.metadata, _URL_FIELDS)
    try:
        host = (urlsplit(url).hostname or "") if url else ""
    except ValueError:
        host = ""
    return (host or _first(document.metadata, _DOMAIN_FIELDS).lower()).removeprefix("www.")


def _language(document: Document) -> str:
    return _first(document.metadata, _LANGUAGE_FIELDS).lower()


STRATA: Mapping[str, Callable[[Document], str]] = {"length": _length, "domain": _domain, "language": _language}
"""By what documents can be told apart; a document without the field is of the stratum "".

The length is of classes that grow by a factor of four, the domain the host of `url`."""


def _first(metadata: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of the fields that is filled; some corpora keep them in a field `metadata`."""
    inner = metadata.get("metadata")
    for fields in (metadata, inner if isinstance(inner, Mapping) else {}):
        for name in names:
            if isinstance(value := fields.get(name), str) and value:
                return value
    return ""
