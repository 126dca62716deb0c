"""Noisy parts inside lines that stay: "[edit]", "[12]", "Available at http://…", "Read more" behind the last sentence.

A part is a stretch that a page template, an editor or a bibliography could have put there. Only what looks like one is
ever judged; everything else in a line is out of reach. Finding is cheap: a few scans for rare characters, a glance at
the end of each line, nothing that looks back or ahead further than a bounded number of characters.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

KINDS = 12
(
    SQUARE, SQUARE_NUMBER, ROUND, ROUND_NUMBER, LINK_IN_BRACKETS, LINK, SECURE_LINK, DOMAIN, LEAD_AND_LINK, TAIL, BAR,
    CALL,
) = range(KINDS)  # fmt: skip

LONGEST_TAIL = 75
"""Characters before the end of a line in which a tail can begin."""

LONGEST_INSIDE = 30
"""Characters in round brackets that do not end their line; people write longer ones."""

SHORTEST_LINE = 16
"""Characters of a line that can have one."""

LONGEST_LEAD = 45
"""Characters of the words that lead to a link: "Available at: "."""

_BLANK = " \t\u00a0\u3000"
_BRACKETS = {
    "[": re.compile(r"\[[^\[\]\n]{1,120}\]"),
    "(": re.compile(r"\((?:[^()\n]|\([^()\n]{0,40}\)){1,120}\)"),
    "【": re.compile(r"【[^【】\n]{1,40}】"),
    "（": re.compile(r"（(?:[^（）\n]|（[^（）\n]{0,40}）){1,80}）"),
}
_URL = r"[^\s<>\"“”|\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]{1,300}"
_LINKS = {"http": re.compile(rf"https?://{_URL}"), "www.": re.compile(rf"www\.{_URL}")}
_ANY_LINK = re.compile(r"(?:https?://|www\.)\S*")
_DOMAINS = (".com", ".org", ".net")
_NO_LINK_AFTER = frozenset("/@-._=([（")
"""Beside letters and digits; what stands in brackets goes with them or not at all."""
_NO_DOMAIN = frozenset("/@:")
_TERMINALS = frozenset(".!?。！？")
_CUT_CHARACTER = re.compile(r"[.!?…。！？\"”\])|·•»›—–]")
_BARS = frozenset("|·•»›—–…")
_CALLS = {
    "read", "see", "click", "learn", "view", "visit", "call", "contact", "email", "e-mail", "please", "more", "sign",
    "subscribe", "follow", "join", "download", "continue", "share", "find", "check", "watch", "photo", "image",
    "source", "credit", "courtesy", "buy", "order", "register", "print", "try", "get",
}  # fmt: skip
"""How the last sentence of a line begins if it can be a part."""
_CALL_HEADS = frozenset(word[:2] for call in _CALLS for word in (call, call.title()))


class Part(NamedTuple):
    """Characters `start` to `end` (excluded) of line `line`, counted from 0 in the lines that were searched."""

    line: int
    start: int
    end: int
    kind: int


def find_parts(lines: Sequence[str]) -> list[Part]:
    """All stretches worth judging, by line, start and end; some lie inside others, none is all that its line shows."""
    text = "\n".join(lines)
    found = list(_tails(lines))
    spans = [*_brackets(text), *_links(text)]
    if spans:
        starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
        for start, end, kind in spans:
            line = bisect_right(starts, start) - 1
            first = starts[line]
            found.append(Part(line, start - first, end - first, kind))
    found.sort()
    parts: list[Part] = []
    number = begin = stop = end = -1
    for part in found:
        line, start, end, _ = part
        if line != number:
            number, text = line, lines[line]
            begin, stop = len(text) - len(text.lstrip()), len(text.rstrip())
        elif parts and parts[-1][:3] == part[:3]:
            continue
        if (begin < start or end < stop) and not text[start:end].isspace():
            parts.append(part)
    return parts


def link_free(source: str) -> str:
    """The words of a part: what stands in the place of a link says which site it is, not what."""
    return _ANY_LINK.sub("http", source)


def _brackets(text: str) -> Iterator[tuple[int, int, int]]:
    for opening, pattern in _BRACKETS.items():
        if opening not in text:
            continue
        square = opening in "[【"
        for match in pattern.finditer(text):
            inside = match[0][1:-1].strip()
            if "http" in inside or "www." in inside:
                kind = LINK_IN_BRACKETS
            elif inside.isdecimal():
                kind = SQUARE_NUMBER if square else ROUND_NUMBER
            elif square:
                kind = SQUARE
            elif len(inside) > LONGEST_INSIDE and text[match.end() : match.end() + 1] not in ("", "\n"):
                continue
            else:
                kind = ROUND
            yield _widened(text, match.start()), match.end(), kind


def _links(text: str) -> Iterator[tuple[int, int, int]]:
    for head, pattern in _LINKS.items():
        if head not in text:
            continue
        for match in pattern.finditer(text):
            start, end = match.span()
            before = text[start - 1 : start]
            if before.isalnum() or (before and before in _NO_LINK_AFTER):
                continue
            url = text[start:end].rstrip(".,;:'")
            if url.endswith((")", "]")) and "(" not in url and "[" not in url:
                url = url[:-1]
            end = start + len(url)
            yield (
                _widened(text, start),
                end,
                SECURE_LINK if url.startswith("https") else LINK if head == "http" else DOMAIN,
            )
            lead = _lead(text, start)
            if lead < start:
                yield lead, end, LEAD_AND_LINK


def _lead(text: str, link: int) -> int:
    """Where the clause that leads to a link begins; the link itself if none does."""
    before = text[max(0, link - LONGEST_LEAD - 8) : link]
    before = before[before.rfind("\n") + 1 :]
    if before.rstrip(_BLANK).endswith(("(", "[", "（")):
        return link
    clause = before.rstrip(_BLANK + ":,-–—")
    begin = max(map(clause.rfind, '.;!?,)]”"')) + 1
    if begin == len(clause) or len(clause) - begin > LONGEST_LEAD or (begin == 0 and len(before) > LONGEST_LEAD):
        return link
    return link - len(before) + begin


def _tails(lines: Sequence[str]) -> Iterator[Part]:
    for number, raw in enumerate(lines):
        line = raw if raw[-1:] > " " else raw.rstrip()
        end = len(line)
        if end < SHORTEST_LINE:
            continue
        first = end - LONGEST_TAIL if end > LONGEST_TAIL else 1
        if line[-1] in _TERMINALS:
            begin = line.rfind(". ", first) + 1
            if begin and line[begin + 1 : begin + 3] in _CALL_HEADS and _call(line[begin + 1 : begin + 12]):
                yield Part(number, begin, len(raw), CALL)
            continue
        if line.endswith(_DOMAINS):
            begin = line.rfind(" ", first)
            if begin >= first and not set(line[begin:]) & _NO_DOMAIN:
                yield Part(number, _widened(line, begin), len(raw), DOMAIN)
        cuts = [cut for match in _CUT_CHARACTER.finditer(line, first, end - 1) if (cut := _cut(line, match.start()))]
        bar = line.rfind(" - ", first)
        if bar > 0:
            cuts.append((bar, BAR))
        for start, kind in cuts if len(cuts) < 3 else (cuts[0], cuts[-1]):
            yield Part(number, _widened(line, start), len(raw), kind)


def _call(start: str) -> bool:
    return start.partition(" ")[0].lower() in _CALLS


def _cut(line: str, place: int) -> tuple[int, int] | None:
    """Where a tail begins that a character cuts off, and its kind; a bar is part of the tail, a full stop is not."""
    character, after = line[place], line[place + 1]
    if character in _BARS or (character == "." and line[place : place + 3] == "..."):
        return place, BAR
    if after in _BLANK:
        return (place + 1, TAIL) if line[place + 2 : place + 3].isalpha() else None
    glued = character in _TERMINALS and after.isupper() and line[place - 1].isalpha()
    return (place + 1, TAIL) if glued else None


def _widened(text: str, start: int) -> int:
    """With the white space before it."""
    while start and text[start - 1] in _BLANK:
        start -= 1
    return start
