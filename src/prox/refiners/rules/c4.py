"""The rules of C4 (Raffel et al. 2020, section 2.2), as datatrove's C4QualityFilter has them with its defaults.

A page is dropped that mentions "lorem ipsum" or has a curly bracket in a line that gets that far, or of which fewer
than five sentences are left. C4's list of bad words is not part of that filter.
"""

import re

from prox.refiners.rules.english import sentence_count
from prox.refiners.rules.page import Line, Page

LEAST_SENTENCES = 5
LEAST_WORDS = 3
LONGEST_WORD = 1000
CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
ENDS = (".", "?", "!", '"', "'")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def c4(page: Page) -> str:
    """Leave the lines that pass, without white space at their ends and without citations; a line is one of
    `str.splitlines` here. What is left begins with no white space.

    Returns:
        Why the page is dropped, or "".
    """
    reason = ""
    sentences = 0
    kept: list[Line] = []
    for whole in page.lines:
        for line in whole.parts():
            cleaned = _cleaned(line)
            if cleaned is None:
                continue
            lower = cleaned.text.lower()
            if "lorem ipsum" in lower:
                reason = reason or "lorem_ipsum"
            if "javascript" in lower:
                continue
            if "{" in lower:
                reason = reason or "curly_bracket"
            if any(phrase in lower for phrase in POLICY):
                continue
            if sentences < LEAST_SENTENCES:
                sentences += sentence_count(cleaned.text)
            kept.append(cleaned)
    if kept and kept[0].text[0].isspace():  # behind a citation
        kept[0] = kept[0].stripped()
    page.keep(kept)
    return reason or ("too_few_sentences" if sentences < LEAST_SENTENCES else "")


def _cleaned(line: Line) -> Line | None:
    """A line without what is cut out of it; None if it has too long a word, no end or too few words.

    Most lines have no end, and need no more than a look at their text.
    """
    text = line.text.strip()
    if "[" not in text and not _ends(text):
        return None
    words = text.split()
    if len(text) > LONGEST_WORD and any(len(word) > LONGEST_WORD for word in words):
        return None
    line = line.stripped()
    if "[" in text:
        citations = [match.span() for match in CITATION.finditer(text)]
        line = line.without(citations) if citations else line
    return line if _ends(line.text) and len(words) >= LEAST_WORDS else None


def _ends(text: str) -> bool:
    return text.endswith(ENDS) and not text.endswith("...")
