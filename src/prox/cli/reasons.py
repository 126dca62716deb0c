"""Why documents were dropped or set aside, in lines for a terminal."""

from collections.abc import Sequence

from prox.refiners.rules import MEANINGS

MOST = 6


def reason_lines(reasons: Sequence[tuple[str, int]]) -> list[str]:
    """The most frequent ones, which come first, and how many more there are."""
    lines = [f"  {count:,} × {reason}{_meaning(reason)}" for reason, count in reasons[:MOST]]
    if more := reasons[MOST:]:
        others = "1 other reason" if len(more) == 1 else f"{len(more)} other reasons"
        lines.append(f"  {sum(count for _, count in more):,} × for {others}")
    return lines


def _meaning(reason: str) -> str:
    return f": {MEANINGS[reason]}" if reason in MEANINGS else ""
