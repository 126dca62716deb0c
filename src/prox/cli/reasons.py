"""Why documents were dropped or set aside, in lines for a terminal."""

from collections.abc import Sequence

MOST = 6


def reason_lines(reasons: Sequence[tuple[str, int]]) -> list[str]:
    """The most frequent ones, which come first, and how many more there are."""
    from prox.refiners.rules import MEANINGS

    told = [f"{reason}: {MEANINGS[reason]}" if reason in MEANINGS else reason for reason, _ in reasons[:MOST]]
    lines = [f"  {count:,} × {name}" for name, (_, count) in zip(told, reasons, strict=False)]
    if more := reasons[MOST:]:
        others = "1 other reason" if len(more) == 1 else f"{len(more)} other reasons"
        lines.append(f"  {sum(count for _, count in more):,} × for {others}")
    return lines
