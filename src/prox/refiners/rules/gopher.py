"""The quality and repetition rules of Gopher (Rae et al. 2021, appendix A.1), as datatrove has them by default."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from prox.refiners.rules.n_grams import NGrams
from prox.refiners.rules.page import Page
from prox.refiners.rules.tables import load_tables

FEWEST_WORDS, MOST_WORDS = 50, 100_000
"""Of words that are not punctuation alone."""

SHORTEST_MEAN, LONGEST_MEAN = 3, 10
"""Characters of these words."""

MOST_SYMBOLS = 0.1
"""Number signs, or ellipses, to words."""

MOST_BULLETS = 0.9
MOST_ELLIPSES = 0.3
LEAST_ALPHABETIC = 0.8
FEWEST_STOP_WORDS = 2
STOP_WORDS = frozenset(["the", "be", "to", "of", "and", "that", "have", "with"])


def gopher_quality(page: Page) -> str:
    """Why a page is dropped, or ""."""
    text = page.text
    counts = Counter(page.words)
    total = counts.total()
    symbols = load_tables().punctuation
    size = number = alphabetic = 0
    for word, count in counts.items():
        if not symbols.issuperset(word):
            number += count
            size += count * len(word)
        if word.isalpha() or any(map(str.isalpha, word)):
            alphabetic += count
    if number < FEWEST_WORDS:
        return "gopher_short_doc"
    if number > MOST_WORDS:
        return "gopher_long_doc"
    if size / number < SHORTEST_MEAN:
        return "gopher_below_avg_threshold"
    if size / number > LONGEST_MEAN:
        return "gopher_above_avg_threshold"
    if text.count("#") / total > MOST_SYMBOLS:
        return "gopher_too_many_hashes"
    if (text.count("...") + text.count("…")) / total > MOST_SYMBOLS:
        return "gopher_too_many_ellipsis"
    lines = text.splitlines()
    if sum([line.lstrip().startswith(("•", "-")) for line in lines]) / len(lines) > MOST_BULLETS:
        return "gopher_too_many_bullets"
    if sum([line.rstrip().endswith(("...", "…")) for line in lines]) / len(lines) > MOST_ELLIPSES:
        return "gopher_too_many_end_ellipsis"
    if alphabetic / total < LEAST_ALPHABETIC:
        return "gopher_below_alpha_threshold"
    if len(STOP_WORDS & counts.keys()) < FEWEST_STOP_WORDS:
        return "gopher_enough_stop_words"
    return ""


MOST_REPEATED_PARAGRAPHS = MOST_REPEATED_LINES = 0.3
MOST_REPEATED_CHARACTERS = 0.2
"""In repeated paragraphs or lines, to all."""

TOP_N_GRAMS = ((2, 0.2), (3, 0.18), (4, 0.16))
"""Characters in the most frequent n-gram, to all."""

REPEATED_N_GRAMS = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
"""Characters in n-grams that stood before, to all."""


def gopher_repetition(page: Page) -> str:
    """Why a page is dropped, or ""."""
    text = page.text
    if not text:
        return "empty"
    for name, pieces in (("para", re.split(r"\n{2,}", text.strip())), ("line", re.split(r"\n+", text))):
        found = repeated(pieces)
        if found.pieces / len(pieces) > MOST_REPEATED_LINES:
            return f"dup_{name}_frac"
        if found.characters / len(text) > MOST_REPEATED_CHARACTERS:
            return f"dup_{name}_char_frac"
    spaced = NGrams(page.words, " ")
    for n, most in TOP_N_GRAMS:
        if spaced.top_characters(n) / len(text) > most:
            return f"top_{n}_gram"
    joined = NGrams(page.words)
    for n, most in REPEATED_N_GRAMS:
        if joined.repeated_characters(n) / len(text) > most:
            return f"duplicated_{n}_n_grams"
    return ""


class Repeated(NamedTuple):
    """How many pieces of a text stood before in it, and their characters."""

    pieces: int
    characters: int


def repeated(pieces: Sequence[str]) -> Repeated:
    once = set(pieces)
    if len(once) == len(pieces):
        return Repeated(0, 0)
    return Repeated(len(pieces) - len(once), sum(map(len, pieces)) - sum(map(len, once)))
