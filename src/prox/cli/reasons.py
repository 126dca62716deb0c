"""Why documents were dropped or set aside, in lines for a terminal."""

from collections.abc import Sequence

MOST = 6


def reason_lines(reasons: Sequence[tuple[str, int]]) -> list[str]:
    """The most frequent ones, which come first, and how many more there are."""
    from prox.refiners.rules import MEANINGS

    shown = reasons if len(reasons) == MOST + 1 else reasons[:MOST]  # a line for one alone would be as long
    told = [f"{reason}: {MEANINGS[reason]}" if reason in MEANINGS else reason for reason, _ in shown]
    lines = [f"  {count:,} × {name}" for name, (_, count) in zip(told, shown, strict=True)]
    if more := reasons[len(shown) :]:
        lines.append(f"  {sum(count for _, count in more):,} × for {len(more)} other reasons")
    return lines
