"""Two runs over the same input: what one removes and the other keeps."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from prox.corpora import write_atomically
from prox.errors import UsageError
from prox.program import count_words
from prox.report.browser import (
    AROUND,
    LONGEST_LINE,
    MOST_CHARACTERS,
    MOST_LINES,
    MOST_PAGES,
    anchored,
    as_data,
    cut,
    gap,
    reason_of,
)
from prox.report.figures import LONGEST_SHOWN, MOST_GROUPS, Frequent
from prox.report.marks import taken_out
from prox.report.pages import Line, Page
from prox.report.render import render
from prox.report.sample import Sample, is_without_text, sample_again, sample_run
from prox.report.spread import spread
from prox.runs.stages import QUARANTINED
from prox.visible import visible

COMPARISON_FILE = "comparison.html"


@dataclass(frozen=True, slots=True)
class Pair:
    """The same document in both runs.

    Attributes:
        lines: Every line of the raw text, as each of them left it; None where one of them has no text.
        only: Words that one of them removes and the other keeps, by line; first those of the first run.
    """

    first: Page
    second: Page
    lines: tuple[tuple[Line, Line], ...] | None

    @classmethod
    def of(cls, first: Page, second: Page) -> "Pair":
        if first.lines is None or second.lines is None:
            return cls(first, second, None)
        return cls(first, second, tuple(zip(_raw(first), _raw(second), strict=True)))

    @property
    def only(self) -> tuple[int, int]:
        gone = [_words_of_one(first, second) for first, second in self.lines or ()]
        return sum(words for words, _ in gone), sum(words for _, words in gone)

    @property
    def differ(self) -> bool:
        if self.lines is None:  # the programs say something, too
            one, other = ((page.decision, page.program, page.words_after) for page in (self.first, self.second))
            return one != other
        left = [(page.is_left, page.words_after, page.added) for page in (self.first, self.second)]
        return left[0] != left[1] or any(first.refined != second.refined for first, second in self.lines)


def write_comparison(first: str, second: str, to: str | None = None) -> str:
    """Write the comparison of two runs, into the output folder of the first or elsewhere; where it is.

    Raises:
        UsageError: One of the folders holds no run, or they have no document in common.
        RunError: What a run left cannot be read.
        OSError: The page cannot be written.
    """
    path = to or f"{first.rstrip('/')}/{COMPARISON_FILE}"
    sample = sample_run(first)
    write_atomically(path, comparison_html(sample, sample_again(second, sample)))
    return path


def pairs_of(first: Sample, second: Sample) -> list[Pair]:
    """Documents of the same file with the same id and the same text."""
    others: dict[tuple[str, str, str | None], deque[Page]] = defaultdict(deque)
    for page in second.pages:
        others[page.file, page.id, page.sha256].append(page)
    pairs = []
    for page in first.pages:
        if same := others[page.file, page.id, page.sha256]:
            other = same.popleft()  # copies come in the same order
            pairs.append(Pair.of(page, other))
    return pairs


def _raw(page: Page) -> list[Line]:
    """The lines of the raw text; nothing is left of them where the page is in quarantine."""
    lines = [line for line in page.lines or () if line.number >= 0]
    if page.decision == QUARANTINED:
        return [replace(line, fate="removed", refined="", words_left=0) for line in lines]
    return lines


def _words_of_one(first: Line, second: Line) -> tuple[int, int]:
    """Words of a line that the first removes and the second keeps, and the other way round."""
    if first.refined == second.refined:
        return 0, 0
    if first.fate == second.fate == "changed":
        raw = Counter(first.raw.split())
        gone, its_gone = (raw - Counter(line.refined.split()) for line in (first, second))
        return _count(gone - its_gone), _count(its_gone - gone)
    more = second.words_left - first.words_left
    return max(0, more), max(0, -more)


def _count(words: Counter[str]) -> int:
    return sum(count_words(word) * times for word, times in words.items())


def comparison_html(first: Sample, second: Sample) -> bytes:
    """
    Raises:
        UsageError: The samples have no document in common.
    """
    pairs = pairs_of(first, second)
    for sample in (first, second):
        if not sample.status.report.records:
            output = sample.status.record["recipe"]["output"]
            raise UsageError(f"there is nothing to compare: {output} has no documents, or none that are done")
    if not pairs:
        raise UsageError("the two runs have no document in common: compare runs over the same input")
    decisions = Counter((pair.first.decision, pair.second.decision) for pair in pairs)
    names = sorted({name for pair in decisions for name in pair})
    apart = sorted((pair for pair in pairs if pair.differ), key=lambda pair: (-sum(pair.only), pair.first.key))
    return render(
        "comparison.html",
        anchored([pair_as_data(pair) for pair in _shown(apart)]),
        runs=[_head(first, pairs, 0), _head(second, pairs, 1)],
        names=names,
        decisions=decisions,
        pairs=len(pairs),
        apart=len(apart),
        whole=first.is_whole and second.is_whole,
        without_text=sum(is_without_text(pair.first) or is_without_text(pair.second) for pair in pairs),
        without_programs=[*first.without_programs.values(), *second.without_programs.values()],
        problem=first.problem or second.problem,
        lines=[_lines(pairs, 0), _lines(pairs, 1)],
    )


def _shown(apart: Sequence[Pair]) -> list[Pair]:
    """The most different documents, and as many spread over the rest."""
    most = apart[: MOST_PAGES // 2]
    rest = apart[len(most) :]
    return [*most, *spread(rest, MOST_PAGES - len(most))]


def _head(sample: Sample, pairs: Sequence[Pair], side: int) -> dict[str, Any]:
    pages = [pair.second if side else pair.first for pair in pairs]
    words = sum(page.words_before for page in pages)
    return {
        "output": sample.status.record["recipe"]["output"],
        "stages": [f"{cost['stage']} ({cost['level']}s{_threshold(cost)})" for cost in sample.status.record["costs"]],
        "decisions": Counter(page.decision for page in pages),
        "left": sum(page.words_after for page in pages) / words if words else None,
        "only": sum(pair.only[side] for pair in pairs),
    }


def _threshold(cost: dict[str, Any]) -> str:
    return "" if cost.get("threshold") is None else f", threshold {cost['threshold']:g}"


def _lines(pairs: Sequence[Pair], side: int) -> list[Frequent]:
    """Lines and strings that this run removes and the other keeps, by the documents in which that is so."""
    documents: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for pair in pairs:
        texts = [text for lines in pair.lines or () for text in _only_of(lines[side], lines[1 - side])]
        times.update(texts)
        documents.update(list(dict.fromkeys(texts)))
    return [
        Frequent(text[:LONGEST_SHOWN], count, times[text]) for text, count in documents.most_common(2 * MOST_GROUPS)
    ]


def _only_of(own: Line, other: Line) -> list[str]:
    if own.fate == "removed":
        return [own.raw.strip()] if other.fate != "removed" and own.raw.strip() else []
    if own.fate != "changed" or other.fate == "removed" or own.refined == other.refined:
        return []
    others = set(taken_out(other.raw, other.refined))
    return [text for text in taken_out(own.raw, own.refined) if text not in others]


_ALIKE = ("kept", "both")
"""Who removes a line, where the runs leave it alike."""

_REMOVES_MORE = ("only the first removes some", "only the second removes some")


def pair_as_data(pair: Pair) -> dict[str, Any]:
    """As for one run, with lines that say who removes them: number, who, None, raw text."""
    first, second = pair.first, pair.second
    data, other = as_data(first), as_data(second)
    return data | {
        "decision": f"{first.decision} / {second.decision}",
        "reason": "; ".join(
            f"{name}: {reason_of(page)}" for name, page in (("first", first), ("second", second)) if page.reason
        ),
        "score": None,  # it would be that of one of the two
        "domain": data["domain"] or other["domain"],
        "language": data["language"] or other["language"],
        "failures": [
            f"{name}: {failure}" for name, page in (("first", data), ("second", other)) for failure in page["failures"]
        ],
        "only": list(pair.only),
        "after": first.words_after,
        "after_second": second.words_after,
        "program": f"first run:\n{data['program']}\n\nsecond run:\n{other['program']}",
        "operations": [name for name, words in zip(_REMOVES_MORE, pair.only, strict=True) if words],
        "lines": None if pair.lines is None else _rows(pair.lines),
    }


def _rows(lines: Sequence[tuple[Line, Line]]) -> list[list[Any]]:
    """All lines where there is room; of a long document those that the runs leave different, with some around them."""
    who = [_who(first, second) for first, second in lines]
    raw = [first.raw for first, _ in lines]
    apart = (place for place, name in enumerate(who) if name not in _ALIKE)
    is_long = len(raw) > MOST_LINES or sum(map(len, raw)) > MOST_CHARACTERS
    rows: list[list[Any]] = []
    after = 0
    for place in _with_room(raw, _near(apart, len(raw)) if is_long else range(len(raw))):
        rows += gap(place - after)
        rows.append([place, who[place], None, visible(cut(raw[place], LONGEST_LINE))])
        after = place + 1
    more = sum(name not in _ALIKE for name in who[after:])
    return rows + gap(len(raw) - after, f"{more:,} of them different" if more else "")


def _near(places: Iterable[int], most: int) -> Iterator[int]:
    """These and those around them, in order."""
    after = 0
    for place in places:
        yield from range(max(after, place - AROUND), min(place + AROUND + 1, most))
        after = place + AROUND + 1


def _with_room(raw: Sequence[str], places: Iterable[int]) -> Iterator[int]:
    """The first of these places whose lines have room."""
    left = MOST_CHARACTERS
    for place in islice(places, MOST_LINES):
        left -= min(len(raw[place]), LONGEST_LINE)
        if left < 0:
            return
        yield place


_WHO_REMOVES = {(True, True): "both", (True, False): "first", (False, True): "second"}
_WHO_EDITS = {(True, True): "edited-otherwise", (True, False): "first-edits", (False, True): "second-edits"}


def _who(first: Line, second: Line) -> str:
    gone = first.fate == "removed", second.fate == "removed"
    if any(gone):
        return _WHO_REMOVES[gone]
    if first.refined == second.refined:
        return "kept"
    return _WHO_EDITS[first.fate == "changed", second.fate == "changed"]
