"""Text to line features in a few passes over the characters, without a Python loop over lines or words.

Everything is counted in integers and turned into floats by look-up tables, so a line's features do not depend on
what else is in memory, on the batch, or on the machine.

Only lines with at least one visible character have features ("rows"); blank lines are left to the refiner. Letters,
digits, marks and punctuation are told apart by Unicode category, so no language needs a dictionary or a tokenizer.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

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
_BLOCK = 1 << 20  # characters scanned at once

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

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
    tokens: IntArray
    tokens_per_row: IntArray


def line_features(text: str) -> LineFeatures:
    """Features of every visible line, in time and memory linear in the text."""
    pieces = [_scan(piece) for piece in _pieces(text)]
    lines = pieces[0] if len(pieces) == 1 else _concatenate(pieces)
    visible = lines.counts[:, _VISIBLE:].sum(axis=1) > 0
    rows = np.flatnonzero(visible)
    if len(rows) < len(visible):
        lines = lines.take(rows)
    return LineFeatures(
        line_count=len(visible),
        rows=rows,
        numeric=_numeric(lines),
        buckets=lines.buckets,
        starts=lines.starts,
        words=lines.words,
        counts=lines.counts,
        tokens=lines.tokens,
        tokens_per_row=lines.tokens_per_row,
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """What one pass over the characters gives for each line."""

    counts: IntArray
    words: IntArray
    capitals: IntArray  # words that begin with a capital letter
    first: npt.NDArray[np.uint8]  # class that the first and last token begin with, SPACE for a blank line
    last: npt.NDArray[np.uint8]
    content: npt.NDArray[np.uint64]  # hash of the whole line
    buckets: IntArray
    starts: IntArray
    tokens: IntArray
    tokens_per_row: IntArray

    def take(self, rows: IntArray) -> "_Lines":
        """Only blank lines, which own no buckets, may be left out."""
        return _Lines(
            self.counts[rows],
            self.words[rows],
            self.capitals[rows],
            self.first[rows],
            self.last[rows],
            self.content[rows],
            self.buckets,
            self.starts[rows],
            self.tokens,
            self.tokens_per_row[rows],
        )


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
    shifts = np.cumsum([0] + [len(piece.buckets) for piece in pieces[:-1]])
    return _Lines(
        np.concatenate([piece.counts for piece in pieces]),
        np.concatenate([piece.words for piece in pieces]),
        np.concatenate([piece.capitals for piece in pieces]),
        np.concatenate([piece.first for piece in pieces]),
        np.concatenate([piece.last for piece in pieces]),
        np.concatenate([piece.content for piece in pieces]),
        np.concatenate([piece.buckets for piece in pieces]),
        np.concatenate([piece.starts + shift for piece, shift in zip(pieces, shifts, strict=True)]),
        np.concatenate([piece.tokens for piece in pieces]),
        np.concatenate([piece.tokens_per_row for piece in pieces]),
    )


def _scan(text: str) -> _Lines:
    classes, folded = _characters(text)
    newlines = np.flatnonzero(classes == NEWLINE)
    line_starts = np.concatenate(([0], newlines + 1))
    n = len(line_starts)

    of_line = np.repeat(np.arange(0, n * CLASSES, CLASSES), np.diff(line_starts, append=len(classes)))
    counts = np.bincount(of_line + classes, minlength=n * CLASSES).reshape(n, CLASSES)

    is_word = classes >= _WORD
    begins = classes >= _VISIBLE
    begins[1:] &= ~(is_word[1:] & is_word[:-1])
    tokens = np.flatnonzero(begins)
    if not len(tokens):
        blank = np.zeros(n, np.int64)
        return _Lines(
            counts=counts,
            words=blank,
            capitals=blank,
            first=blank.astype(np.uint8),
            last=blank.astype(np.uint8),
            content=blank.astype(np.uint64),
            buckets=blank[:0],
            starts=blank,
            tokens=blank[:0],
            tokens_per_row=blank,
        )
    bounds = np.searchsorted(tokens, line_starts)
    per_line = np.diff(bounds, append=len(tokens))
    token_line = np.repeat(np.arange(n), per_line)

    powers, inverses = _powers(len(classes))
    hashes = np.add.reduceat(folded * powers[: len(classes)], tokens) * inverses[tokens]
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)

    token_classes = classes[tokens]
    is_any_word = token_classes >= IDEOGRAPH
    words = np.bincount(token_line[is_any_word], minlength=n)
    capitals = np.bincount(token_line[token_classes == UPPER], minlength=n)

    filled = per_line > 0
    first = np.zeros(n, np.uint8)
    last = np.zeros(n, np.uint8)
    first[filled] = token_classes[bounds[filled]]
    ends = bounds[filled] + per_line[filled] - 1
    last[filled] = token_classes[ends]
    rank = np.arange(len(tokens)) - bounds[token_line]
    content = np.zeros(n, np.uint64)
    content[filled] = np.add.reduceat(hashes * powers[rank], bounds[filled])

    chosen = (rank < HEAD_TOKENS) | (rank >= per_line[token_line] - TAIL_TOKENS)
    chosen_hashes, chosen_line = hashes[chosen], token_line[chosen]
    buckets, starts = _buckets(chosen_hashes, chosen_line, filled, n)
    return _Lines(counts, words, capitals, first, last, content, buckets, starts, _bucket(hashes), per_line)


def _buckets(
    hashes: npt.NDArray[np.uint64], lines: IntArray, filled: npt.NDArray[np.bool_], n: int
) -> tuple[IntArray, IntArray]:
    """Embedding rows: each token, and each token with the one before it; the ends of a line are tokens too.

    A line with k chosen tokens owns 2k + 1 buckets: k tokens, k pairs (the first with the line's start), and the pair
    of the last token with the line's end.
    """
    k = np.bincount(lines, minlength=n)
    sizes = np.where(filled, 2 * k + 1, 0)
    starts = np.cumsum(sizes) - sizes
    out = np.empty(int(sizes.sum()), np.uint64)
    before = np.empty_like(hashes)
    before[1:] = hashes[:-1]
    opens = np.empty(len(lines), bool)
    opens[0] = True
    np.not_equal(lines[1:], lines[:-1], out=opens[1:])
    before[opens] = _LINE_START
    first_token = np.flatnonzero(opens)
    place = np.arange(len(hashes)) * 2 + lines_before(filled)[lines]
    out[place] = hashes
    out[place + 1] = _pair(before, hashes)
    last_token = np.append(first_token[1:], len(hashes)) - 1
    out[place[last_token] + 2] = _pair(hashes[last_token], _LINE_END)
    return _bucket(out), starts


def _bucket(hashes: npt.NDArray[np.uint64]) -> IntArray:
    return (hashes >> np.uint64(48)).astype(np.int64)


def lines_before(filled: npt.NDArray[np.bool_]) -> IntArray:
    """For each line, how many lines with tokens come before it (each has put one end pair into the buckets)."""
    return np.cumsum(filled) - filled


def _pair(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    mixed = (left * _PAIR + np.uint64(0x2545F4914F6CDD1D)) ^ right
    mixed ^= mixed >> np.uint64(31)
    return mixed * np.uint64(0x94D049BB133111EB)


def _numeric(lines: _Lines) -> FloatArray:
    n = len(lines.words)
    out = np.empty((n, NUMERIC), np.float32)
    if not n:
        return out
    counts = lines.counts.astype(np.float32)
    visible = counts[:, _VISIBLE:].sum(axis=1)
    letters = counts[:, LOWER] + counts[:, UPPER]
    word_letters = counts[:, IDEOGRAPH:].sum(axis=1)
    words = np.maximum(lines.words.astype(np.float32), 1)
    out[:, 0] = _log(visible.astype(np.int64)) / 3
    out[:, 1] = _log(lines.words) / 2
    out[:, 2] = counts[:, UPPER] / np.maximum(letters, 1)
    for column, cls in enumerate((TERMINAL, COMMA, SYMBOL, IDEOGRAPH, DIGIT, CASELESS), start=3):
        out[:, column] = counts[:, cls] / visible
    out[:, 9] = _log(lines.counts[:, TERMINAL])
    out[:, 10] = _log(lines.counts[:, COMMA])
    out[:, 11] = _log(lines.counts[:, SYMBOL])
    out[:, 12] = _log(lines.counts[:, DIGIT])
    out[:, 13] = lines.capitals / words
    out[:, 14] = np.minimum(word_letters / words, 20) / 6
    out[:, 15:23] = lines.first[:, None] == np.arange(_VISIBLE, CLASSES)
    out[:, 23:31] = lines.last[:, None] == np.arange(_VISIBLE, CLASSES)
    place = np.arange(n)
    out[:, 31] = _log(place) / 3
    out[:, 32] = _log(n - 1 - place) / 3
    out[:, 33] = place / np.float32(n)
    out[:, 34] = 1 / (1 + place)
    out[:, 35] = 1 / (n - place)
    out[:, 36] = _log(np.full(n, n)) / 3
    size = np.cumsum(lines.counts[:, _VISIBLE:].sum(axis=1))
    out[:, 37] = size / np.float32(size[-1])
    _, groups, repeats = np.unique(lines.content, return_inverse=True, return_counts=True)
    order = np.argsort(groups, kind="stable")
    seen = np.empty(n, np.int64)
    seen[order] = place - np.repeat(np.cumsum(repeats) - repeats, repeats)
    out[:, 38] = _log(repeats[groups] - 1)
    out[:, 39] = _log(seen)
    out[:, 40] = _log(np.full(n, int(size[-1]) // n)) / 3
    out[:, 41] = np.bincount((lines.words >= 10).astype(np.int64), minlength=2)[1] / np.float32(n)
    out[:, 42] = 1
    return out


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
