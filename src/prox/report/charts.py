"""Bar charts as SVG: no script, no colour but by class, so that the page's style decides."""

from collections.abc import Sequence
from html import escape

from prox.report.figures import Bar

_HEIGHT, _TOP, _LABEL = 150, 16, 62
_LEAST_WIDTH, _BAR, _MANY = 320, 26, 12
"""Of more bars than that, every fourth has its label."""


def columns(
    bars: Sequence[Bar], title: str, names: Sequence[str] = (), percent: bool = False, stacked: bool = False
) -> str:
    """Upright bars; with two values, side by side or one on the other.

    Args:
        title: For those who do not see it.
        names: Of the values, for what a pointer shows.
        percent: Values are shares.
    """
    if not bars:
        return ""
    heights = [sum(bar.values) if stacked else max(bar.values) for bar in bars]
    most = max(*heights, 1e-9)
    width = max(_LEAST_WIDTH, _BAR * min(len(bars), _MANY + 2))
    step = width / len(bars)
    foot = _TOP + _HEIGHT
    parts = []
    for place, bar in enumerate(bars):
        left, middle = place * step, (place + 0.5) * step
        told = "; ".join(_told(value, names, number, percent) for number, value in enumerate(bar.values))
        parts.append(f"<g><title>{escape(bar.label)}: {escape(told)}</title>")
        parts.append(f'<rect class="hit" x="{left:.1f}" y="{_TOP}" width="{step:.1f}" height="{_HEIGHT}"/>')
        parts += _rectangles(bar, left + step * 0.1, step * 0.8, _HEIGHT / most, stacked)
        if len(bar.values) == 1 and bar.values[0]:
            top = foot - _HEIGHT * heights[place] / most - 3
            value = f"{bar.values[0]:.0%}" if percent else f"{bar.values[0]:,.0f}"
            parts.append(f'<text class="value" x="{middle:.1f}" y="{top:.1f}">{value}</text>')
        if len(bars) <= _MANY or place % 4 == 0:
            where = f'x="{middle:.1f}" y="{foot + 12}" transform="rotate(-40 {middle:.1f} {foot + 12})"'
            parts.append(f'<text class="label" {where}>{escape(bar.label)}</text>')
        parts.append("</g>")
    return (
        f'<svg role="img" viewBox="-34 0 {width + 40:.0f} {foot + _LABEL}" preserveAspectRatio="xMinYMin meet" '
        f'aria-label="{escape(title)}"><line class="axis" x1="0" x2="{width:.0f}" y1="{foot}" y2="{foot}"/>'
        f'<text class="most" x="-4" y="{_TOP + 4}">{f"{most:.0%}" if percent else f"{most:,.0f}"}</text>'
        f"{''.join(parts)}</svg>"
    )


def _rectangles(bar: Bar, left: float, width: float, scale: float, stacked: bool) -> list[str]:
    each = width / (1 if stacked else len(bar.values))
    base = float(_TOP + _HEIGHT)
    parts = []
    for number, value in enumerate(bar.values):
        height = scale * value
        x = left if stacked else left + number * each
        size = f'width="{each:.1f}" height="{height:.1f}"'
        parts.append(f'<rect class="s{number}" x="{x:.1f}" y="{base - height:.1f}" {size}/>')
        base -= height if stacked else 0
    return parts


def _told(value: float, names: Sequence[str], number: int, percent: bool) -> str:
    figure = f"{value:.1%}" if percent else f"{value:,.0f}"
    return f"{names[number]} {figure}" if number < len(names) else figure
