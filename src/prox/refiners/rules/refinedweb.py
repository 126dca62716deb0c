"""The line-wise corrections of RefinedWeb, after their description (Penedo et al. 2023, appendix G.2).

The paper tells the rules and gives an example of each pattern, but no code. What it leaves open is decided here: the
patterns are the examples, in any case; "mainly" is more than half of the characters that are not white space; what an
edit leaves is judged like any line. The share, the ten words, and where each pattern may stand are as in the code that
made DCLM-Baseline (Li et al. 2024, arXiv 2406.11794), the one published attempt at these rules that was used at scale.
"""

import re

from prox.refiners.rules.page import Line, Page

MOST_UPPER_CASE = 0.5
SHORT = 10
"""Words of a line in which patterns are looked for."""

MOST_FLAGGED = 0.05
"""Words in lines that are removed or edited, to all."""

COUNTER = re.compile(
    r"\W*\d[\d.,]*\s*[kmb]?\+?\s+(?:likes?|dislikes?|shares?|comments?|retweets?|reposts?|tweets?|views?|followers?|"
    r"replies|reply|quotes?|bookmarks?|votes?|upvotes?|downvotes?|downloads?|subscribers?|reviews?)\W*",
    re.IGNORECASE,
)
PATTERNS = re.compile(r"\A\s*sign-in\b|\bread more\s*(?:\.\.\.|…)\s*\Z|\bitems in cart\b", re.IGNORECASE)


def refinedweb(page: Page) -> str:
    """Leave the lines that pass; blank ones do.

    Returns:
        Why the page is dropped, or "".
    """
    kept: list[Line] = []
    total = flagged = 0
    for line in page.lines:
        words = line.text.split()
        left = _corrected(line, words) if words else line
        total += len(words)
        if left is not line:
            flagged += len(words)
        if left is not None:
            kept.append(left)
    if flagged:
        page.keep(kept)
    return "too_many_flagged_words" if total and flagged / total > MOST_FLAGGED else ""


def _corrected(line: Line, words: list[str]) -> Line | None:
    """What is left of a line, None if it is removed; the line itself if nothing is wrong with it."""
    if len(words) <= SHORT:
        found = [match.span() for match in PATTERNS.finditer(line.text)]
        if found:
            line = line.without(found).stripped()
            words = line.text.split()
    return None if len(words) < 2 or _is_noise(line.text, words) else line


def _is_noise(text: str, words: list[str]) -> bool:
    characters = "".join(words)
    if sum(map(str.isupper, characters)) / len(characters) > MOST_UPPER_CASE or characters.isnumeric():
        return True
    return len(words) <= SHORT and COUNTER.fullmatch(text) is not None
