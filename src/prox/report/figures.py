"""What the pages of a sample come to: distributions, places, groups, and lines that stand out."""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from os.path import commonprefix

from prox.report.marks import taken_out
from prox.report.pages import Line, Page
from prox.report.spread import spread
from prox.runs.failure_kinds import failure_kind
from prox.runs.stages import QUARANTINED

PARTS = 10
"""Of a document, by its words, for the places of removals."""

MOST_GROUPS = 12
FEWEST_IN_GROUP = 5
PROSE_WORDS = 12
LONGEST_SHOWN = 300
MOST_CHANGED = 200
"""Lines of a document that stayed without some of their text, for the strings that were taken out."""

_ENDS_A_SENTENCE = re.compile(r"[.!?…。！？．｡।॥؟۔።။។](?:[\"'”’»›」』）)\]]|\[\d{1,3}\])*\s*$").search
"""Full stops of Latin, CJK, Devanagari, Arabic, Urdu, Ethiopic, Burmese and Khmer, then quotes and references."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram, with up to two values: before and after, or one alone."""

    label: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Documents that have something in common: a domain, a language, a file.

    Attributes:
        left: Share of the words that are left.
    """

    name: str
    documents: int
    dropped: int
    words_before: int
    words_after: int

    def __add__(self, other: "Group") -> "Group":
        return Group(
            self.name,
            self.documents + other.documents,
            self.dropped + other.dropped,
            self.words_before + other.words_before,
            self.words_after + other.words_after,
        )

    @property
    def drop_share(self) -> float:
        return self.dropped / self.documents if self.documents else 0.0

    @property
    def left(self) -> float:
        return self.words_after / self.words_before if self.words_before else 1.0


@dataclass(frozen=True, slots=True)
class Frequent:
    """A line or string that was removed in several documents."""

    text: str
    documents: int
    times: int


@dataclass(frozen=True, slots=True)
class Suspicious:
    """Prose that was removed, by a refiner that was not sure of it or gives no scores."""

    page: Page
    line: Line
    words: int


_WORDS = (0, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, None)
_LINES = (0, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, None)
_OPERATIONS = (0, 1, 2, 3, 5, 10, 20, 50, None)
_LINE_WORDS = (0, 1, 2, 3, 5, 10, 20, 40, 80, None)


def _buckets(bounds: Sequence[int | None], values: Iterable[int]) -> list[int]:
    """How many values lie from each bound to the next; the last one, None, is beyond all."""
    lows = [bound for bound in bounds if bound is not None]
    counts = [0] * len(lows)
    for value in values:
        counts[bisect_right(lows, value) - 1] += 1
    return counts


def _labels(bounds: Sequence[int | None]) -> list[str]:
    labels = []
    for low, high in pairwise(bounds):
        if high is None:
            labels.append(f"{low:,} +")
        else:
            labels.append(f"{low:,}" if high - 1 == low else f"{low:,}–{high - 1:,}")
    return labels


def _bars(bounds: Sequence[int | None], *series: Iterable[int]) -> list[Bar]:
    counted = [_buckets(bounds, values) for values in series]
    return [Bar(label, tuple(each[place] for each in counted)) for place, label in enumerate(_labels(bounds))]


def refined_pages(pages: Iterable[Page]) -> list[Page]:
    return [page for page in pages if page.decision != QUARANTINED]


def lengths(pages: Sequence[Page]) -> list[Bar]:
    """Documents by words, before and after; dropped ones are not there after."""
    after = (page.words_after for page in pages if page.decision != "dropped")
    return _bars(_WORDS, (page.words_before for page in pages), after)


def line_counts(pages: Sequence[Page]) -> list[Bar]:
    """Documents by lines that are not blank, before and after."""
    known = [page.lines for page in pages if page.lines is not None]
    if not known:
        return []
    before = (sum(bool(line.raw.strip()) for line in lines) for lines in known)
    left = [sum(bool(line.refined.strip()) for line in lines) for lines in known]
    return _bars(_LINES, before, (count for count in left if count))


def noise_shares(pages: Sequence[Page]) -> list[Bar]:
    """Documents by the share of their words that is gone."""
    counts = [0] * (PARTS + 1)
    for page in pages:
        share = max(0.0, min(page.noise_share, 1.0))
        counts[0 if share == 0 else min(PARTS, int(share * PARTS) + 1)] += 1
    labels = ["0 %", *(f"{10 * place}–{10 * place + 10} %" for place in range(PARTS))]
    return [Bar(label, (count,)) for label, count in zip(labels, counts, strict=True)]


def loose_shares(pages: Sequence[Page]) -> list[Bar]:
    """Documents by the share of their words in lines that do not end like a sentence, before and after.

    A measure of noise that asks no refiner. Menus are all of it, headings and lists some.
    """
    before, after = [0] * PARTS, [0] * PARTS
    for page in pages:
        lines = page.lines or ()
        _count_loose(before, [(line.words, line.raw) for line in lines])
        _count_loose(after, [(line.words_left, line.refined) for line in lines])
    if not any(before):
        return []
    labels = (f"{10 * place}–{10 * place + 10} %" for place in range(PARTS))
    return [Bar(label, counts) for label, counts in zip(labels, zip(before, after, strict=True), strict=True)]


def _count_loose(counts: list[int], lines: Sequence[tuple[int, str]]) -> None:
    if total := sum(words for words, _ in lines):
        loose = sum(words for words, text in lines if not _ENDS_A_SENTENCE(text))
        counts[min(PARTS - 1, PARTS * loose // total)] += 1


def operation_counts(pages: Sequence[Page]) -> list[Bar]:
    return _bars(_OPERATIONS, (len(page.operations) for page in pages))


def operation_kinds(pages: Sequence[Page]) -> list[Bar]:
    kinds = Counter(name for page in pages for name in page.operations)
    return [Bar(name, (count,)) for name, count in kinds.most_common()]


def failure_kinds(pages: Sequence[Page]) -> list[Bar]:
    kinds = Counter(failure_kind(message.rpartition(": ")[2]) for page in pages for message in page.failures)
    return [Bar(name, (count,)) for name, count in kinds.most_common(MOST_GROUPS)]


def keep_scores(pages: Sequence[Page]) -> list[Bar]:
    """Documents by keep score: those that stayed, and those that were dropped."""
    counts = [[0, 0] for _ in range(20)]
    for page in pages:
        if page.keep_score is not None:
            counts[min(19, max(0, int(page.keep_score * 20)))][page.decision == "dropped"] += 1
    if not any(map(any, counts)):
        return []
    return [Bar(f"{place / 20:.2f}", tuple(each)) for place, each in enumerate(counts)]


def line_scores(pages: Sequence[Page]) -> list[Bar]:
    """Lines of documents that stayed by noise score: those that stayed, and those that were removed."""
    counts = [[0, 0] for _ in range(20)]
    for page in pages:
        if page.decision != "dropped":
            for line in page.lines or ():
                if line.score is not None and line.raw.strip():
                    counts[min(19, line.score // 5)][line.fate == "removed"] += 1
    if not any(map(any, counts)):
        return []
    return [Bar(f"{place / 20:.2f}", tuple(each)) for place, each in enumerate(counts)]


def positions(pages: Sequence[Page]) -> list[Bar]:
    """Share of the words that edits removed, by the tenth of the document in which they stood."""
    before, gone = [0] * PARTS, [0] * PARTS
    for page in pages:
        if page.decision == "dropped" or page.lines is None:
            continue
        total = sum(line.words for line in page.lines)
        place = 0
        for line in page.lines:
            words = line.words
            if words:
                part = min(PARTS - 1, (2 * place + words) * PARTS // (2 * total))
                before[part] += words
                gone[part] += max(0, words - line.words_left)
                place += words
    if not any(before):
        return []
    return [
        Bar(f"{10 * part}–{10 * part + 10} %", (gone[part] / before[part] if before[part] else 0.0,))
        for part in range(PARTS)
    ]


def line_lengths(pages: Sequence[Page]) -> list[Bar]:
    """Share of the lines that edits removed, by their words."""
    lines = [line for page in pages if page.decision != "dropped" for line in page.lines or () if line.number >= 0]
    lines = [line for line in lines if line.raw.strip()]
    if not lines:
        return []
    whole = _buckets(_LINE_WORDS, (line.words for line in lines))
    gone = _buckets(_LINE_WORDS, (line.words for line in lines if line.fate == "removed"))
    shares = (part / total if total else 0.0 for part, total in zip(gone, whole, strict=True))
    return [Bar(label, (share,)) for label, share in zip(_labels(_LINE_WORDS), shares, strict=True)][1:]


def within_folder(files: Sequence[Group]) -> tuple[str, list[Group]]:
    """The folder that all files share, and the files as they are named within it."""
    folder, slash, _ = commonprefix([group.name for group in files]).rpartition("/")  # noqa: RUF071 - of URLs, too
    within = folder + slash if folder else ""
    return folder, [replace(group, name=group.name.removeprefix(within)) for group in files]


def groups(pages: Sequence[Page], name_of: Callable[[Page], str]) -> list[Group]:
    """Groups of documents by a name, the largest first; documents without the name are in none."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for page in pages:
        if name := name_of(page):
            own = counts[name]
            own[0] += 1
            own[1] += page.decision == "dropped"
            own[2] += page.words_before
            own[3] += page.words_after
    return largest_first(Group(name, *own) for name, own in counts.items())


def largest_first(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.documents, group.name))


def frequent_removals(pages: Sequence[Page], fates: tuple[str, ...] = ("removed",)) -> list[Frequent]:
    """Lines that edits removed in more than one document, the most frequent first."""
    documents: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for page in pages:
        if page.decision != "dropped" and page.lines is not None:
            own = [line.raw.strip() for line in page.lines if line.fate in fates and line.raw.strip()]
            times.update(own)
            documents.update(list(dict.fromkeys(own)))  # in the order of the page, so that ties stay in order
    common = [(text, count) for text, count in documents.most_common(MOST_GROUPS * 2) if count > 1]
    return [Frequent(text[:LONGEST_SHOWN], count, times[text]) for text, count in common]


def frequent_strings(pages: Sequence[Page]) -> list[Frequent]:
    """Strings that edits took out of lines that stayed, the most frequent first."""
    documents: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for page in pages:
        own = []
        if page.decision != "dropped" and page.lines is not None:
            changed = spread([line for line in page.lines if line.fate == "changed"], MOST_CHANGED)
            own = [piece for line in changed for piece in taken_out(line.raw, line.refined)]
        times.update(own)
        documents.update(list(dict.fromkeys(own)))  # in the order of the page, so that ties stay in order
    return [Frequent(text[:LONGEST_SHOWN], count, times[text]) for text, count in documents.most_common(MOST_GROUPS)]


@dataclass(frozen=True, slots=True)
class Prose:
    """Lines that read like prose and that edits removed.

    Attributes:
        documents: In which there are any.
        most_doubtful: The least sure first, then the longest; one of each page, and not of all.
    """

    lines: int
    words: int
    documents: int
    most_doubtful: tuple[Suspicious, ...]


def removed_prose(pages: Sequence[Page], most: int = 2 * MOST_GROUPS) -> Prose:
    lines = words = 0
    found = []
    for page in pages:
        if page.decision == "dropped" or page.lines is None:
            continue
        own = [
            Suspicious(page, line, line.words)
            for line in page.lines
            if line.fate == "removed" and line.words >= PROSE_WORDS and _ENDS_A_SENTENCE(line.raw)
        ]
        lines += len(own)
        words += sum(each.words for each in own)
        if own:
            found.append(min(own, key=_doubt))
    return Prose(lines, words, len(found), tuple(sorted(found, key=_doubt)[:most]))


def _doubt(each: Suspicious) -> tuple[int, int]:
    return each.line.score if each.line.score is not None else 100, -each.words


def lost_tails(pages: Sequence[Page], least: float = 0.3) -> tuple[int, int]:
    """Edited documents whose end, such a share of the words, is gone in one stretch and little before it; and all."""
    edited = [page for page in pages if page.decision == "edited" and page.lines is not None]
    cut = 0
    for page in edited:
        words = [(line.words, line.fate == "removed") for line in page.lines or ()]
        total = sum(count for count, _ in words)
        tail = 0
        for count, gone in reversed(words):
            if count and not gone:
                break
            tail += count
        other = sum(count for count, gone in words if gone) - tail
        cut += bool(total) and tail >= least * total and other < 0.05 * total
    return cut, len(edited)
