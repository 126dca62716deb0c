"""Text to line features in a few passes over the characters, without a Python loop over lines or words.

Everything is counted in integers and turned into floats by look-up tables, so a line's features do not depend on
what else is in memory, on the batch, or on the machine.

Only lines with at least one visible character have features ("rows"); blank lines are left to the refiner. Letters,
digits, marks and punctuation are told apart by Unicode category, so no language needs a dictionary or a tokenizer.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt

BUCKETS = 1 << 16
"""Rows of the hashed embedding table; words and pairs of neighbouring words share it."""

HEAD_TOKENS, TAIL_TOKENS = 24, 8
"""Of a long line only the first and last tokens are looked up: prose shows itself early, and most bytes are prose."""

SPACE, NEWLINE, TERMINAL, COMMA, SYMBOL, IDEOGRAPH, LOWER, UPPER, DIGIT, CASELESS = range(10)
CLASSES = 10
_VISIBLE, _WORD = TERMINAL, LOWER  # classes from here on are visible characters, and parts of words

_TERMINALS = ".!?…。！？؟।"
_COMMAS = ",;:،；：，、"
_LONGEST_LOG = 1 << 16
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that its powers can be inverted modulo 2**64
_MASK = (1 << 64) - 1
_LINE_START, _LINE_END, _PAIR = (np.uint64(x) for x in (0xA5A5F00DCAFEBABE, 0x5EEDC0FFEE123457, 0xD6E8FEB86659FD93))
_BLOCK = 1 << 20  # characters scanned at once, of one text
_TOGETHER = 1 << 17  # characters of several texts that are scanned at once: what they come to fits the caches

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
TokenArray = npt.NDArray[np.uint16]

NUMERIC = 43
"""Columns of `LineFeatures.numeric`."""


@dataclass(frozen=True, slots=True)
class LineFeatures:
    """The visible lines of one text.

    Attributes:
        line_count: Lines of the text, blank ones too.
        rows: Shape (n,): the line number of each row, ascending.
        numeric: Shape (n, NUMERIC), about 0 to 3 each.
        buckets: Shape (m,): embedding rows of all lines, one after another (words and word pairs).
        starts: Shape (n,): where each line's buckets begin; every line has at least one.
        words: Shape (n,): words of each row (ideographs count one each).
        counts: Shape (n, CLASSES): characters of each class.
        tokens: The bucket of every token of the text, in order.
        tokens_per_row: Shape (n,): how many of them each row owns.
    """

    line_count: int
    rows: IntArray
    numeric: FloatArray
    buckets: IntArray
    starts: IntArray
    words: IntArray
    counts: IntArray
    tokens: TokenArray
    tokens_per_row: IntArray


def line_features(text: str) -> LineFeatures:
    """Features of every visible line, in time and memory linear in the text."""
    return next(pages_features([text]))


def pages_features(texts: Iterable[str]) -> Iterator[LineFeatures]:
    """The features of one text after another.

    Short texts are read several at once, which spares most of the time that they would take. All sums over lines and
    words are sums of integers, so a text's features are the same bit for bit, whatever is read with it.
    """
    together: list[str] = []
    size = 0
    for text in texts:
        if together and size + len(text) > _TOGETHER:
            yield from _features(together)
            together, size = [], 0
        together.append(text)
        size += len(text) + 1
    if together:
        yield from _features(together)


def _features(texts: list[str]) -> Iterator[LineFeatures]:
    if len(texts) == 1 and len(texts[0]) > _BLOCK:
        lines = _concatenate([_scan(piece) for piece in _pieces(texts[0])])
    else:
        lines = _scan("\n".join(texts))
    line_counts = [text.count("\n") + 1 for text in texts]
    if len(texts) > 1:
        line_starts = np.array(list(accumulate(line_counts[:-1], initial=0)))
    else:
        line_counts, line_starts = [lines.line_count], np.zeros(1, np.int64)
    bounds = np.append(np.searchsorted(lines.rows, line_starts), len(lines.rows))
    sizes = np.diff(bounds)
    rows = lines.rows - np.repeat(line_starts, sizes)
    lines.counts[:, NEWLINE] = rows < np.repeat(np.array(line_counts) - 1, sizes)  # the last line of a text has none
    numeric = _numeric(lines, bounds)
    bucket_bounds = np.append(lines.starts, len(lines.buckets))[bounds].tolist()
    token_bounds = np.append(np.cumsum(lines.tokens_per_row) - lines.tokens_per_row, len(lines.tokens))[bounds].tolist()
    starts = lines.starts - np.repeat(bucket_bounds[:-1], sizes)
    edges = bounds.tolist()
    for page, line_count in enumerate(line_counts):
        own = slice(edges[page], edges[page + 1])
        yield LineFeatures(
            line_count=line_count,
            rows=rows[own],
            numeric=numeric[own],
            buckets=lines.buckets[bucket_bounds[page] : bucket_bounds[page + 1]],
            starts=starts[own],
            words=lines.words[own],
            counts=lines.counts[own],
            tokens=lines.tokens[token_bounds[page] : token_bounds[page + 1]],
            tokens_per_row=lines.tokens_per_row[own],
        )


@dataclass(frozen=True, slots=True)
class _Lines:
    """What one pass over the characters gives for each visible line."""

    line_count: int  # blank ones too
    rows: IntArray
    counts: IntArray
    words: IntArray
    capitals: IntArray  # words that begin with a capital letter
    first: npt.NDArray[np.uint8]  # class that the first and last token begin with
    last: npt.NDArray[np.uint8]
    content: npt.NDArray[np.uint64]  # hash of the whole line
    buckets: IntArray
    starts: IntArray
    tokens: TokenArray
    tokens_per_row: IntArray


def _pieces(text: str) -> list[str]:
    """Whole lines in pieces of bounded size; of a line longer than a piece its two ends stand for all of it."""
    if len(text) <= _BLOCK:
        return [text]
    pieces: list[list[str]] = [[]]
    size = 0
    for line in text.split("\n"):
        short = line if len(line) <= _BLOCK // 2 else line[: _BLOCK // 4] + " " + line[-_BLOCK // 4 :]
        if size + len(short) > _BLOCK:
            pieces.append([])
            size = 0
        pieces[-1].append(short)
        size += len(short) + 1
    return ["\n".join(piece) for piece in pieces if piece]


def _concatenate(pieces: list[_Lines]) -> _Lines:
    line_shifts = list(accumulate([piece.line_count for piece in pieces], initial=0))
    bucket_shifts = list(accumulate([len(piece.buckets) for piece in pieces], initial=0))
    return _Lines(
        line_shifts[-1],
        np.concatenate([piece.rows + shift for piece, shift in zip(pieces, line_shifts, strict=False)]),
        np.concatenate([piece.counts for piece in pieces]),
        np.concatenate([piece.words for piece in pieces]),
        np.concatenate([piece.capitals for piece in pieces]),
        np.concatenate([piece.first for piece in pieces]),
        np.concatenate([piece.last for piece in pieces]),
        np.concatenate([piece.content for piece in pieces]),
        np.concatenate([piece.buckets for piece in pieces]),
        np.concatenate([piece.starts + shift for piece, shift in zip(pieces, bucket_shifts, strict=False)]),
        np.concatenate([piece.tokens for piece in pieces]),
        np.concatenate([piece.tokens_per_row for piece in pieces]),
    )


def _scan(text: str) -> _Lines:
    """Sums over words and lines are differences of running sums, which may run over: modulo 2**64 they are exact."""
    classes, folded = _characters(text)
    others = np.flatnonzero(classes != LOWER)  # most characters are lower case: these are a third
    other_classes = classes[others]
    newlines = others[other_classes == NEWLINE]
    line_starts = np.concatenate(([0], newlines + 1))

    is_word = classes >= _WORD
    begins = classes >= _VISIBLE
    begins[1:] &= ~(is_word[1:] & is_word[:-1])
    tokens = np.flatnonzero(begins)
    bounds = np.append(np.searchsorted(tokens, line_starts), len(tokens))
    per_line = np.diff(bounds)
    rows = np.flatnonzero(per_line)
    n = len(rows)
    bounds = np.append(bounds[rows], len(tokens))
    per_row = per_line[rows]

    line_sizes = np.diff(line_starts, append=len(classes))
    keys = np.repeat(
        np.arange(0, len(line_starts) * CLASSES, CLASSES),
        np.diff(np.searchsorted(others, line_starts), append=len(others)),
    )
    keys += other_classes
    counts = np.bincount(keys, minlength=len(line_starts) * CLASSES).reshape(-1, CLASSES)[rows]
    counts[:, LOWER] = line_sizes[rows] - counts.sum(axis=1)

    if not n:
        none, nothing = np.zeros(0, np.int64), np.zeros(0, np.uint8)
        return _Lines(
            len(line_starts), rows, counts, none, none, nothing, nothing, none.astype(np.uint64), none, none,
            none.astype(np.uint16), none,
        )  # fmt: skip
    powers, inverses = _powers(len(classes))
    hashes = _sums(folded * powers[: len(classes)], tokens)
    hashes *= inverses[tokens]
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)

    token_classes = classes[tokens]
    words_and_capitals = _sums(_WORDS_AND_CAPITALS[token_classes], bounds[:-1])
    content = _sums(hashes * powers[: len(tokens)], bounds[:-1])
    content *= inverses[bounds[:-1]]
    buckets, starts = _buckets(hashes, bounds, per_row)
    return _Lines(
        line_count=len(line_starts),
        rows=rows,
        counts=counts,
        words=words_and_capitals & 0xFFFFFFFF,
        capitals=words_and_capitals >> 32,
        first=token_classes[bounds[:-1]],
        last=token_classes[bounds[1:] - 1],
        content=content,
        buckets=buckets,
        starts=starts,
        tokens=(hashes >> np.uint64(48)).astype(np.uint16),
        tokens_per_row=per_row,
    )


_WORDS_AND_CAPITALS = np.array([(cls >= IDEOGRAPH) + ((cls == UPPER) << 32) for cls in range(CLASSES)])
"""Of a token that begins with this class: 1 if it is a word, and 1 in the upper half if it is a capitalised one."""

_Number = TypeVar("_Number", np.uint64, np.int64)


def _sums(values: npt.NDArray[_Number], starts: IntArray) -> npt.NDArray[_Number]:
    """The sums of consecutive stretches of values, of which the last one ends with them."""
    running: npt.NDArray[_Number] = np.cumsum(values)
    ends: npt.NDArray[_Number] = running[np.append(starts[1:], len(values)) - 1]
    ends[1:] -= ends[:-1].copy()
    if starts[0]:
        ends[0] -= running[starts[0] - 1]
    return ends


def _buckets(hashes: npt.NDArray[np.uint64], bounds: IntArray, per_row: IntArray) -> tuple[IntArray, IntArray]:
    """Embedding rows: each token, and each token with the one before it; the ends of a line are tokens too.

    A line with k chosen tokens owns 2k + 1 buckets: k tokens, k pairs (the first with the line's start), and the pair
    of the last token with the line's end.
    """
    chosen = np.minimum(per_row, HEAD_TOKENS + TAIL_TOKENS)
    ends = np.cumsum(chosen)
    first = ends - chosen
    long = np.flatnonzero(per_row > chosen)
    if len(long):
        which = np.arange(ends[-1]) + np.repeat(bounds[:-1] - first, chosen)
        which[ends[long, None] - np.arange(1, TAIL_TOKENS + 1)] += (per_row - chosen)[long, None]
        hashes = hashes[which]
    before = np.empty_like(hashes)
    before[1:] = hashes[:-1]
    before[first] = _LINE_START
    rows = np.arange(len(chosen))
    place = np.arange(0, 2 * len(hashes), 2) + np.repeat(rows, chosen)
    out = np.empty(2 * len(hashes) + len(rows), np.int64)
    out[place] = _bucket(hashes)
    place += 1
    out[place] = _bucket(_pair(before, hashes))
    out[2 * ends + rows] = _bucket(_pair(hashes[ends - 1], _LINE_END))
    return out, 2 * first + rows


def _bucket(hashes: npt.NDArray[np.uint64]) -> IntArray:
    return (hashes >> np.uint64(48)).view(np.int64)


def _pair(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    mixed = left * _PAIR
    mixed += np.uint64(0x2545F4914F6CDD1D)
    mixed ^= right
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0x94D049BB133111EB)
    return mixed


def _numeric(lines: _Lines, bounds: IntArray) -> FloatArray:
    """`bounds`: the first row of each text, and the number of rows."""
    n = len(lines.words)
    out = np.empty((n, NUMERIC), np.float32)
    if not n:
        return out
    visible_characters = lines.counts[:, _VISIBLE:].sum(axis=1)
    counts = lines.counts.astype(np.float32)
    visible = visible_characters.astype(np.float32)
    words = np.maximum(lines.words.astype(np.float32), 1)
    out[:, 0] = _log(visible_characters) / 3
    out[:, 1] = _log(lines.words) / 2
    out[:, 2] = counts[:, UPPER] / np.maximum(counts[:, LOWER] + counts[:, UPPER], 1)
    out[:, 3:7] = counts[:, TERMINAL : IDEOGRAPH + 1] / visible[:, None]
    out[:, 7:9] = counts[:, DIGIT : CASELESS + 1] / visible[:, None]
    out[:, 9:12] = _log(lines.counts[:, TERMINAL : SYMBOL + 1])
    out[:, 12] = _log(lines.counts[:, DIGIT])
    out[:, 13] = lines.capitals / words
    out[:, 14] = np.minimum(counts[:, IDEOGRAPH:].sum(axis=1) / words, 20) / 6
    out[:, 15:23] = lines.first[:, None] == _VISIBLE_CLASSES
    out[:, 23:31] = lines.last[:, None] == _VISIBLE_CLASSES

    # What follows speaks of the page, which is one of several.
    size = np.cumsum(visible_characters)
    filled = np.flatnonzero(np.diff(bounds))
    first, end = bounds[filled], bounds[filled + 1]
    rows = end - first
    size_before = np.append(0, size)[first]
    size_of_page = size[end - 1] - size_before
    place = np.arange(n) - np.repeat(first, rows)
    rows_of_page = np.repeat(rows, rows)
    out[:, 31] = _log(place) / 3
    out[:, 32] = _log(rows_of_page - 1 - place) / 3
    out[:, 33] = place / rows_of_page.astype(np.float32)
    out[:, 34] = 1 / (1 + place)
    out[:, 35] = 1 / (rows_of_page - place)
    out[:, 36] = np.repeat(_log(rows) / 3, rows)
    out[:, 37] = (size - np.repeat(size_before, rows)) / np.repeat(size_of_page.astype(np.float32), rows)
    repeats, seen = _repeats(lines.content, np.repeat(np.arange(len(rows)), rows))
    out[:, 38] = _log(repeats)
    out[:, 39] = _log(seen)
    out[:, 40] = np.repeat(_log(size_of_page // rows) / 3, rows)
    long_lines = np.add.reduceat((lines.words >= 10).astype(np.int64), first)
    out[:, 41] = np.repeat(long_lines / rows.astype(np.float32), rows)
    out[:, 42] = 1
    return out


_VISIBLE_CLASSES = np.arange(_VISIBLE, CLASSES, dtype=np.uint8)


def _repeats(content: npt.NDArray[np.uint64], page: IntArray) -> tuple[IntArray, IntArray]:
    """How many other rows of its page each row is equal to, and how many of these stand before it."""
    order = np.argsort(content, kind="stable")  # so that of equal rows those of one page stay together, in their order
    content, page = content[order], page[order]
    opens = np.empty(len(order), bool)
    opens[0] = True
    opens[1:] = (content[1:] != content[:-1]) | (page[1:] != page[:-1])
    first = np.flatnonzero(opens)
    equal = np.diff(first, append=len(order))
    others, before = np.empty_like(order), np.empty_like(order)
    others[order] = np.repeat(equal - 1, equal)
    before[order] = np.arange(len(order)) - np.repeat(first, equal)
    return others, before


def _log(values: IntArray) -> FloatArray:
    return _logs()[np.minimum(values, _LONGEST_LOG - 1)]


@cache
def _logs() -> FloatArray:
    return np.log1p(np.arange(_LONGEST_LOG)).astype(np.float32)


_powers_memo: dict[str, tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]] = {}


def _powers(n: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """The first n (or more) powers of the multiplier and of its inverse, modulo 2**64."""
    known = _powers_memo.get("powers")
    if known is None or len(known[0]) < n:
        size = 1 << max(14, int(n).bit_length())
        known = _geometric(_MULTIPLIER, size), _geometric(pow(_MULTIPLIER, -1, 1 << 64), size)
        _powers_memo["powers"] = known  # in one piece: other threads read it
    return known


def _geometric(factor: int, size: int) -> npt.NDArray[np.uint64]:
    out = np.full(size, np.uint64(factor))
    out[0] = 1
    return np.multiply.accumulate(out)


def _characters(text: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
    """For each character its class and its folded code: lower case, one code for all digits, 0 for white space."""
    class_of, fold, ascii_classes, ascii_fold = _tables()
    if text.isascii():
        data = text.encode("ascii")
        classes = np.frombuffer(data.translate(ascii_classes), np.uint8)
        return classes, np.frombuffer(data.translate(ascii_fold), np.uint8).astype(np.uint64)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    if codes.max() > 0xFFFF:
        far = codes > 0xFFFF
        ideographs = (codes >= 0x20000) & (codes < 0x40000)
        near = np.where(far, 0, codes)
        classes = np.where(ideographs, IDEOGRAPH, np.where(far, SYMBOL, class_of[near])).astype(np.uint8)
        return classes, np.where(far, codes, fold[near]).astype(np.uint64)
    return class_of[codes], fold[codes]


@cache
def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64], bytes, bytes]:
    class_of = np.zeros(1 << 16, np.uint8)
    fold = np.zeros(1 << 16, np.uint64)
    for code in range(1 << 16):
        character = chr(code)
        cls = _class(character)
        class_of[code] = cls
        if cls == DIGIT:
            fold[code] = ord("0")
        elif cls >= _VISIBLE:
            lower = character.lower()
            fold[code] = ord(lower) if len(lower) == 1 else code
    return class_of, fold, class_of[:256].tobytes(), fold[:256].astype(np.uint8).tobytes()


def _class(character: str) -> int:
    if character == "\n":
        return NEWLINE
    if character in _TERMINALS:
        return TERMINAL
    if character in _COMMAS:
        return COMMA
    category = unicodedata.category(character)
    match category[0]:
        case "Z" | "C":
            return SPACE
        case "N":
            return DIGIT
        case "P" | "S":
            return SYMBOL
        case "L" if _without_spaces(ord(character)):
            return IDEOGRAPH
    return {"Lu": UPPER, "Lt": UPPER, "Ll": LOWER}.get(category, CASELESS)


def _without_spaces(code: int) -> bool:
    """Scripts that put no spaces between words: each letter is a token (Thai, Lao, Myanmar, Khmer, Kana, Han)."""
    return (
        0x0E00 <= code < 0x0F00 or 0x1000 <= code < 0x10A0 or 0x1780 <= code < 0x1800
        or 0x2E80 <= code < 0x3130 or 0x3190 <= code < 0xA4D0 or 0xF900 <= code < 0xFB00
    )  # fmt: skip
