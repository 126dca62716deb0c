"""What a program may do to a document."""

import math
import re
from dataclasses import dataclass

from prox.errors import UsageError


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits under which programs are executed. Words are those of `count_words`; `None` lifts a limit.

    Attributes:
        errors_allowed: A program with more erroneous operations (parse errors and rejected operations) is ignored as
            a whole. For a document with several programs this is judged program by program.
        least_share: The document is dropped if this share of its words, or less, is left (0 ≤ share < 1). A text
            without words has no share and is not judged by it.
        least_words: The document is dropped if this many words, or fewer, are left.
        deletions_only: A replacement is allowed only if its target is a subsequence of its source, so that a refined
            text is a subsequence of the raw one: nothing can be invented.
        short_unedited_kept: The word limits judge edits only. Otherwise a document of `least_words` words or fewer is
            dropped even if nothing was edited.
    """

    errors_allowed: int | None = 1
    least_share: float | None = 0.05
    least_words: int | None = 10
    deletions_only: bool = True
    short_unedited_kept: bool = True

    def __post_init__(self) -> None:
        for name, count in (("errors_allowed", self.errors_allowed), ("least_words", self.least_words)):
            if count is not None and count < 0:
                raise UsageError(f"{name} is {count}; it must be 0 or more, or None for no limit")
        share = self.least_share
        if share is not None and (math.isnan(share) or not 0 <= share < 1):
            raise UsageError(f"least_share is {share}; it must be at least 0 and below 1, or None for no limit")

    @classmethod
    def released(cls) -> "Policy":
        """The rules of the executor that was released with ProX."""
        return cls(deletions_only=False, short_unedited_kept=False)

    @classmethod
    def unlimited(cls) -> "Policy":
        """Nothing is limited: how stored programs are replayed."""
        return cls(errors_allowed=None, least_share=None, least_words=None, deletions_only=False)


# Letters of the scripts that put no space between words: Han, Kana, Thai, Lao, Khmer, Myanmar. Korean uses spaces.
_UNSPACED = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46"  # Thai
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd\u0ec0-\u0ec6\u0edc-\u0edf"  # Lao
    "\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e"  # Myanmar
    "\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7a"
    "\u1780-\u17b3\u17d7\u17dc"  # Khmer
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d\U0001b000-\U0001b16f"  # Kana
    "\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")
_UNSPACED_LETTERS = re.compile(f"[{_UNSPACED}]+")
_WORD = re.compile(r"\w+")


# Most texts are nearly ASCII. So their words are counted in bytes, and what is not ASCII is looked at by itself.
_SPACE, _OTHER = b" x"
_SHAPE = bytes(_SPACE if byte < 128 and chr(byte).isspace() else _OTHER for byte in range(256))
_ASCII = bytes(range(128))
_WIDE_SPACE = re.compile("[\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_SHORT = 300  # characters that are counted sooner than they are encoded


def count_words(text: str) -> int:
    """Count pieces between white space; in a script written without spaces, count each letter.

    It is exactly `len(text.split())` for a text without letters of such scripts. A piece that holds some counts them
    and its runs of other letters and digits.

    >>> count_words("two words"), count_words("没有空格。"), count_words("iPhone手机")
    (2, 4, 3)
    """
    if len(text) < _SHORT:
        return len(text.split()) + _further_words(text, text)
    data = text.encode("utf-8", "surrogatepass")
    further = 0
    if len(data) > len(text):
        wide = data.translate(None, _ASCII).decode("utf-8", "surrogatepass")
        further = _further_words(text, wide)
        for space in set(_WIDE_SPACE.findall(wide)):
            data = data.replace(space.encode(), b" ")
    shape = data.translate(_SHAPE)
    return shape.count(b" x") + shape.startswith(b"x") + further


def _further_words(text: str, wide: str) -> int:
    """How many words more than one the pieces come to that hold unspaced letters; `wide` has all of these."""
    if wide.isascii() or not _UNSPACED_LETTER.search(wide):
        return 0
    pieces = [piece for piece in text.split() if not piece.isascii() and _UNSPACED_LETTER.search(piece)]
    mixed = " ".join(pieces)
    others, stretches = _UNSPACED_LETTERS.subn(" ", mixed)
    letters = len(mixed) - len(others) + stretches
    return letters + len(_WORD.findall(others)) - len(pieces)


def most_words(text: str) -> int:
    """An upper bound of `count_words` that takes constant time."""
    return (len(text) + 1) // 2 if text.isascii() else len(text)
