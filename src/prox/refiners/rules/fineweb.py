"""The rules that FineWeb adds (Penedo et al. 2024, section 3.6), as datatrove's FineWebQualityFilter has them."""

from prox.document import split_lines
from prox.refiners.rules.gopher import repeated
from prox.refiners.rules.page import Page
from prox.refiners.rules.tables import load_tables

LEAST_ENDED_LINES = 0.12
SHORT_LINE = 30
MOST_SHORT_LINES = 0.67
MOST_REPEATED_CHARACTERS = 0.01
MOST_LINE_BREAKS = 0.3
"""Line breaks to words."""


def fineweb(page: Page) -> str:
    """Why a page is dropped, or ""."""
    lines = [line for line in split_lines(page.text) if line and not line.isspace()]
    if not lines:
        return "empty"
    ends = load_tables().terminal_punctuation
    if sum([line.endswith(ends) for line in lines]) / len(lines) < LEAST_ENDED_LINES:
        return "line_punct_ratio"
    if sum([len(line) <= SHORT_LINE for line in lines]) / len(lines) > MOST_SHORT_LINES:
        return "short_line_ratio"
    breaks = page.text.count("\n")
    if repeated(lines).characters / (len(page.text) - breaks) > MOST_REPEATED_CHARACTERS:
        return "char_dup_ratio"
    if breaks / len(page.words) > MOST_LINE_BREAKS:
        return "list_ratio"
    return ""
