"""Documents for the browser of a report, as plain data: cut, so that no page makes a report large."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from prox.refiners.rules import MEANINGS
from prox.report.figures import Suspicious
from prox.report.marks import marked
from prox.report.pages import Line, Page
from prox.report.spread import spread
from prox.visible import visible

MOST_PAGES = 150
MOST_LINES = 400
MOST_CHARACTERS = 16_000
LONGEST_LINE = 1_500
ENDS_OF_PIECE = 100
"""Of a long stretch between two edits of a long line, characters at either end."""

LONGEST_PROGRAM = 4_000
LONGEST_ID = 300
AROUND = 3
"""Lines before and behind one that is pointed at."""


def chosen(pages: Sequence[Page], worrying: Iterable[Suspicious], most: int = MOST_PAGES) -> list[Page]:
    """Pages to leaf through: those with suspicious edits, and of each decision some, evenly spread."""
    picked = {each.page.key: each.page for each in worrying}
    sizes = Counter(page.decision for page in pages)
    decisions = sorted(sizes, key=lambda decision: (sizes[decision], decision))
    for place, decision in enumerate(decisions):
        own = [page for page in pages if page.decision == decision and page.key not in picked]
        share = max(0, most - len(picked)) // (len(decisions) - place)
        picked |= {page.key: page for page in spread(own, share)}
    return [page for page in pages if page.key in picked]


def anchored(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each with a name of its own for the address of the page: its id, numbered where ids repeat."""
    taken = {each["id"] for each in documents}
    free = {id: count(2) for id in taken}
    seen = set()
    for each in documents:
        anchor = id = each["id"]
        if id in seen:
            anchor = next(name for number in free[id] if (name := f"{id}~{number}") not in taken)
            taken.add(anchor)
        seen.add(id)
        each["anchor"] = anchor
    return documents


def as_data(page: Page, wanted: int | None = None) -> dict[str, Any]:
    """For JSON: no control character and no bidi control is in it.

    Args:
        wanted: The number of a line that is not to be left out, wherever it stands.
    """
    return {
        "id": _shown(page.id, LONGEST_ID),
        "decision": page.decision,
        "reason": reason_of(page),
        "before": page.words_before,
        "after": page.words_after,
        "score": None if page.keep_score is None else round(page.keep_score, 3),
        "domain": _shown(page.domain, 100),
        "language": _shown(page.language, 20),
        "place": _shown(f"{page.key[0].rpartition('/')[2]}, record {page.key[2]}", LONGEST_ID),
        "operations": sorted(set(page.operations)),
        "failures": [_shown(each, LONGEST_ID) for each in page.failures[:10]],
        "program": "\n".join(visible(line) for line in cut(page.program, LONGEST_PROGRAM).split("\n")),
        "lines": None if page.lines is None else _lines(page.lines, wanted),
    }


def reason_of(page: Page) -> str:
    """Why a document was dropped or set aside, with what the name of a rule means."""
    meaning = MEANINGS.get(page.reason.partition(":")[0])
    return _shown(page.reason, LONGEST_ID) + (f" ({meaning})" if meaning else "")


def _lines(lines: Sequence[Line], wanted: int | None) -> list[list[Any]]:
    """Rows: number, fate, score, raw text or its pieces, refined text; in the middle of a long document, gaps."""
    head = _as_many(lines, MOST_LINES // 2, MOST_CHARACTERS // 2)
    rest = lines[head:]
    tail = _as_many(rest[::-1], MOST_LINES // 2, MOST_CHARACTERS // 2)
    rows = [_row(line) for line in lines[:head]]
    left_out = rest[: len(rest) - tail]
    place = next((place for place, line in enumerate(left_out) if line.number == wanted), None)
    first = last = len(left_out)
    if place is not None:
        first, last = max(0, place - AROUND), min(last, place + AROUND + 1)
    rows += [*gap(first), *map(_row, left_out[first:last]), *gap(len(left_out) - last)]
    return rows + [_row(line) for line in rest[len(rest) - tail :]]


def _as_many(lines: Sequence[Line], most: int, characters: int) -> int:
    """How many lines from the beginning have room."""
    for number, line in enumerate(lines[:most]):
        characters -= min(len(line.raw) + len(line.refined) * (line.fate != "kept"), 2 * LONGEST_LINE)
        if characters < 0:
            return number
    return min(len(lines), most)


def _row(line: Line) -> list[Any]:
    raw = cut(line.raw, LONGEST_LINE)
    if line.fate == "changed":
        pieces = [[visible(piece), int(kept)] for piece, kept in beginning(_shortened(line), LONGEST_LINE)]
        return [line.number, line.fate, line.score, pieces, _shown(line.refined, LONGEST_LINE)]
    if line.fate == "added":
        return [line.number, line.fate, None, "", _shown(line.refined, LONGEST_LINE)]
    return [line.number, line.fate, line.score, visible(raw)]


def _shortened(line: Line) -> Iterator[tuple[str, bool]]:
    """The marked pieces of a changed line, with what is between them cut where the line is long."""
    pieces = marked(line.raw, line.refined)
    for text, kept in pieces:
        if kept and len(line.raw) > LONGEST_LINE and len(text) > 3 * ENDS_OF_PIECE:
            yield text[:ENDS_OF_PIECE], True
            yield f" … {len(text) - 2 * ENDS_OF_PIECE:,} more characters … ", True
            yield text[-ENDS_OF_PIECE:], True
        else:
            yield text, kept


def beginning(pieces: Iterable[tuple[str, bool]], most: int) -> Iterator[tuple[str, bool]]:
    """So many characters of marked pieces, and how many more there are."""
    more = 0
    for text, kept in pieces:
        more += len(text[most:])
        if most:
            yield text[:most], kept
        most -= len(text[:most])
    if more:
        yield f" … {more:,} more characters", True


def gap(lines: int, note: str = "") -> list[list[Any]]:
    """The row for lines that are left out, if there are any, with what is to be said of them."""
    return [[lines, "gap", None, note]] if lines else []


def cut(text: str, most: int) -> str:
    """The beginning of a text, and how much more there is."""
    return text if len(text) <= most else f"{text[:most]} … {len(text) - most:,} more characters"


def _shown(text: str, most: int) -> str:
    return visible(cut(text, most))
