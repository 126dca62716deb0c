"""English words and sentences as datatrove has them: those of spaCy's tokenizer, without spaCy, in linear time.

datatrove counts words by `spacy.blank("en")` and sentences by its `sentencizer`. What is said here of spaCy is the
algorithm of its `Tokenizer` (spacy/tokenizer.pyx), on its own tables: a text is split at white space; then affixes are
stripped from each piece, exceptions kept or taken apart, and what is left is split at infixes; at last the exceptions
that affixes have torn apart are put together again where their tokens stand side by side.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, pairwise

from prox.refiners.rules.tables import load_tables

MOST_REMEMBERED = 1_000_000
"""Characters of pieces between white space whose tokens are remembered: about 100,000 pieces. Twice as many stay in
memory at most, and what one text has more."""

_PIECES = re.compile(r"\S+|\s+")
_INFIX_STARTS = ".,:<>=/+*^~…-–—"
_PREFIX_LETTERS = "ACU"
"""Of A$, C$ and US$, the prefixes with a letter."""

_POSSESSIVES = ("'s", "'S", "’s", "’S")
_DIGIT = re.compile("[0-9]")
_LONGEST_SUFFIX = 16
"""Characters of the longest suffix that is not a row of full stops; of these there can be any number."""

_LOOKED_BACK = 2
"""Characters before a suffix that decide whether it is one."""


def words(text: str) -> list[str]:
    """The tokens that are not white space.

    >>> words("Don't stop (e.g. at 5km)...")
    ['Do', "n't", 'stop', '(', 'e.g.', 'at', '5', 'km', ')', '...']
    """
    tokenizer = english()
    memory = tokenizer.memory()
    pieces = text.split()
    found = list(chain.from_iterable(map(memory.__getitem__, pieces)))
    if memory.torn and not memory.torn.isdisjoint(pieces):
        return [token for token in tokenizer.tokens(text) if not token.isspace()]
    return found


def sentence_count(line: str) -> int:
    """How many sentences there are in a text; one at least.

    A sentence begins behind a full stop or its like, at the first token that is neither one nor punctuation.

    >>> sentence_count('He said "Stop!" twice. Nobody did...')
    3
    """
    tokenizer = english()
    count, ended = 1, False
    for token in tokenizer.tokens(line):
        if token in tokenizer.sentence_ends:
            ended = True
        elif ended and not _is_punctuation(token):
            count += 1
            ended = False
    return count


def _is_punctuation(token: str) -> bool:
    return all(unicodedata.category(character).startswith("P") for character in token)


class English:
    """The tokenizer; its patterns, exceptions and what it remembers."""

    def __init__(self) -> None:
        tables = load_tables().spacy
        self.exceptions: dict[str, tuple[str, ...]] = {
            chunk: tuple(tokens) for chunk, tokens in tables["exceptions"].items()
        }
        self.sentence_ends = frozenset(tables["sentence_ends"])
        self._memory = _Memory(self)
        self._prefix = re.compile("|".join(tables["prefixes"]))
        self._suffix = re.compile("|".join(f"{piece}$" for piece in tables["suffixes"]))
        self._infix = re.compile("|".join(tables["infixes"]))
        icons = next(piece for piece in tables["infixes"] if piece.startswith("[") and len(piece) > 100)
        self._infix_start = re.compile(f"[{re.escape(_INFIX_STARTS)}]|{icons}")
        # A colon and a password may be part of the user's name: the same strings match, but not in quadratic time.
        self._url = re.compile(tables["url"].replace(r"(?:\S+(?::\S*)?@)?", r"(?:\S+@)?"))
        self._longest_exception = max(map(len, self.exceptions))
        self._is_prefix: dict[str, bool] = {"+": False}  # not before a digit
        self._is_suffix: dict[str, bool] = {"…": False}  # two of them are one suffix
        self._torn = self._torn_exceptions()

    def memory(self) -> "_Memory":
        """What is remembered. When it is full a new one begins, and other threads can go on with theirs."""
        if self._memory.characters > MOST_REMEMBERED:
            self._memory = _Memory(self, self._memory)
        return self._memory

    def tokens(self, text: str) -> list[str]:
        """All tokens in order. White space is one, but for a single space behind another token."""
        memory = self.memory()
        found: list[str] = []
        spaced: list[bool] = []  # whether a space follows
        torn = False
        for piece in _PIECES.findall(text):
            if not piece.isspace():
                found += memory[piece]
                torn = torn or piece in memory.torn
            else:
                if piece[0] == " " and found:
                    spaced += [False] * (len(found) - 1 - len(spaced)) + [True]
                    piece = piece[1:]
                if piece:
                    found.append(piece)
        if torn:
            return self._joined(found, spaced + [False] * (len(found) - len(spaced)))
        return found

    def split(self, piece: str) -> tuple[str, ...]:
        """The tokens of a string without white space, before exceptions are put together again."""
        if piece.isalpha() and piece not in self.exceptions:
            return (piece,)  # no affix is of letters alone, but for units behind a digit, and no infix has a letter
        return tuple(self._split(piece))

    def is_torn(self, tokens: Sequence[str]) -> bool:
        """Whether tokens of one piece change when exceptions are put together again, if no others are before them."""
        if self._torn.keys().isdisjoint(pairwise(tokens)):
            return False
        return self._joined(tokens, [False] * len(tokens)) != list(tokens)

    def _split(self, piece: str, exceptions: bool = True) -> list[str]:
        start, end = 0, len(piece)
        before: list[str] = []
        behind: list[str] = []
        while start < end:
            if exceptions and self._is_exception(piece, start, end):
                break
            prefix = self._prefix_length(piece, start, end)
            if exceptions and prefix and self._is_exception(piece, start + prefix, end):
                before.append(piece[start : start + prefix])
                start += prefix
                break
            suffix = self._suffix_length(piece, start + prefix, end)
            if exceptions and suffix and self._is_exception(piece, start, end - suffix):
                behind.append(piece[end - suffix : end])
                end -= suffix
                break
            if not prefix and not suffix:
                break
            if prefix:
                before.append(piece[start : start + prefix])
            if suffix:
                behind.append(piece[end - suffix : end])
            start += prefix
            end -= suffix
        if start < end:
            before += self._inside(piece[start:end], exceptions)
        return before + behind[::-1]

    def _is_exception(self, piece: str, start: int, end: int) -> bool:
        return start < end <= start + self._longest_exception and piece[start:end] in self.exceptions

    def _prefix_length(self, piece: str, start: int, end: int) -> int:
        first = piece[start]
        if _is_one(first, self._is_prefix, self._prefix):
            return 1
        if first.isalnum() and first not in _PREFIX_LETTERS:
            return 0
        match = self._prefix.match(piece, start, end)
        return match.end() - start if match else 0

    def _suffix_length(self, piece: str, start: int, end: int) -> int:
        """Of the suffix that begins first; what stands before `start` is not seen."""
        if start >= end:
            return 0
        if _is_one(piece[end - 1], self._is_suffix, self._suffix):
            return 1
        low = max(start, end - _LONGEST_SUFFIX - _LOOKED_BACK)
        tail = piece[low:end]
        if tail[-1].isalpha() and not tail.endswith(_POSSESSIVES) and not _DIGIT.search(tail):
            return 0  # units stand behind digits
        match = self._suffix.search(tail, _LOOKED_BACK if low > start else 0)
        if not match:
            return 0
        first = low + match.start()
        if piece[first] == "." and first + 1 < end:  # a row of full stops, however long
            while first > start and piece[first - 1] == ".":
                first -= 1
        return end - first

    def _inside(self, string: str, exceptions: bool) -> list[str]:
        """The tokens of what is left between the affixes."""
        if exceptions and string in self.exceptions:
            return list(self.exceptions[string])
        if "." in string and self._url.match(string):
            return [string]
        tokens: list[str] = []
        start = 0
        for place in self._infix_start.finditer(string):
            infix = self._infix.match(string, place.start()) if place.start() >= start else None
            if not infix or not infix.start():
                continue
            if infix.start() > start:
                tokens.append(string[start : infix.start()])
            tokens.append(infix[0])
            start = infix.end()
        if start < len(string):
            tokens.append(string[start:])
        return tokens

    def _torn_exceptions(self) -> dict[tuple[str, str], set[tuple[str, ...]]]:
        """By their first two tokens: exceptions with an affix or infix, as they are split where nobody knows them."""
        torn: dict[tuple[str, str], set[tuple[str, ...]]] = {}
        for string in self.exceptions:
            tokens = tuple(self._split(string, exceptions=False))
            if len(tokens) > 1 and not string.isspace():
                torn.setdefault((tokens[0], tokens[1]), set()).add(tokens)
        return torn

    def _joined(self, tokens: Sequence[str], spaced: Sequence[bool]) -> list[str]:
        """Put exceptions together again: the longest first, of equals the first; what one of them has is taken.

        One that has spaces between its tokens stays as it is, but keeps its tokens from others.
        """
        matches: list[tuple[int, int]] = []  # minus the length, and the start
        for start, pair in enumerate(pairwise(tokens)):
            for torn in self._torn.get(pair, ()):
                if tuple(tokens[start : start + len(torn)]) == torn:
                    matches.append((-len(torn), start))
        taken: set[int] = set()
        changed: dict[int, int] = {}
        for minus_length, start in sorted(matches):
            end = start - minus_length
            if start not in taken and end - 1 not in taken and not any(spaced[start : end - 1]):
                changed[start] = end
            taken.update(range(start, end))
        joined: list[str] = []
        place = 0
        for start, end in sorted(changed.items()):
            joined += tokens[place:start]
            joined += self.exceptions["".join(tokens[start:end])]
            place = end
        joined += tokens[place:]
        return joined


class _Memory(dict[str, tuple[str, ...]]):
    """The tokens of pieces, found when they are first asked for, as most words of a text are words of others.

    Attributes:
        characters: Of all pieces.
        torn: The pieces among them in which exceptions are torn apart.
    """

    def __init__(self, tokenizer: English, earlier: "_Memory | None" = None) -> None:
        """`earlier`: one whose tokens are taken over when they are asked for again."""
        super().__init__()
        self.characters = 0
        self.torn: set[str] = set()
        self._tokenizer = tokenizer
        self._earlier = {} if earlier is None else dict(earlier)

    def __missing__(self, piece: str) -> tuple[str, ...]:
        tokens = self._earlier.get(piece) or self._tokenizer.split(piece)
        if self._tokenizer.is_torn(tokens):
            self.torn.add(piece)
        self[piece] = tokens
        self.characters += len(piece)
        return tokens


def _is_one(character: str, known: dict[str, bool], affix: re.Pattern[str]) -> bool:
    """Whether a character is an affix by itself, whatever stands beside it."""
    found = known.get(character)
    if found is None:
        found = known[character] = affix.match(character) is not None
    return found


@lru_cache(maxsize=1)
def english() -> English:
    """One a process."""
    return English()
