"""Bar charts as SVG: no script, no colour but by class, so that the page's style decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from prox.readable import short
from prox.report.figures import Bar

_HEIGHT, _TOP, _LABEL = 150, 16, 62
_LEAST_WIDTH, _BAR, _MANY = 320, 26, 12
"""Of more bars than that, every fourth has its label."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Upright bars; all their figures stand in the label too, for those who do not see them.

    Attributes:
        axis: What is counted by what.
        names: Of the values, where a bar has two.
        percent: Values are shares.
        stacked: The second value is of what went, and stands on the first.
    """

    title: str
    axis: str
    bars: Sequence[Bar]
    names: Sequence[str] = ()
    percent: bool = False
    stacked: bool = False

    @property
    def classes(self) -> tuple[str, str]:
        """Of the two values, for the page's style."""
        return "s0", "gone" if self.stacked else "s1"

    @property
    def svg(self) -> str:
        heights = [sum(bar.values) if self.stacked else max(bar.values) for bar in self.bars]
        most = max(*heights, 1e-9)
        width = max(_LEAST_WIDTH, _BAR * min(len(self.bars), _MANY + 2))
        step = width / len(self.bars)
        foot = _TOP + _HEIGHT
        parts = []
        told = [f"{bar.label}: {'; '.join(map(self._told, bar.values, range(2)))}" for bar in self.bars]
        label = f"{self.title}, {self.axis}. {'. '.join(told)}."
        for place, bar in enumerate(self.bars):
            left, middle = place * step, (place + 0.5) * step
            parts.append(f"<g><title>{escape(told[place])}</title>")
            parts.append(f'<rect class="hit" x="{left:.1f}" y="{_TOP}" width="{step:.1f}" height="{_HEIGHT}"/>')
            parts += self._rectangles(bar, left + step * 0.1, step * 0.8, _HEIGHT / most)
            if len(bar.values) == 1 and bar.values[0]:
                top = foot - _HEIGHT * heights[place] / most - 3
                parts.append(f'<text class="value" x="{middle:.1f}" y="{top:.1f}">{self._short(bar.values[0])}</text>')
            if len(self.bars) <= _MANY or place % 4 == 0:
                where = f'x="{middle:.1f}" y="{foot + 12}" transform="rotate(-40 {middle:.1f} {foot + 12})"'
                parts.append(f'<text class="label" {where}>{escape(bar.label)}</text>')
            parts.append("</g>")
        return (
            f'<svg role="img" viewBox="-34 0 {width + 40:.0f} {foot + _LABEL}" preserveAspectRatio="xMinYMin meet" '
            f'aria-label="{escape(label)}"><line class="axis" x1="0" x2="{width:.0f}" y1="{foot}" y2="{foot}"/>'
            f'<text class="most" x="-4" y="{_TOP + 4}">{self._short(most)}</text>'
            f"{''.join(parts)}</svg>"
        )

    def _rectangles(self, bar: Bar, left: float, width: float, scale: float) -> list[str]:
        each = width / (1 if self.stacked else len(bar.values))
        base = float(_TOP + _HEIGHT)
        parts = []
        for number, value in enumerate(bar.values):
            height = scale * value
            x = left if self.stacked else left + number * each
            size = f'width="{each:.1f}" height="{height:.1f}"'
            parts.append(f'<rect class="{self.classes[number]}" x="{x:.1f}" y="{base - height:.1f}" {size}/>')
            base -= height if self.stacked else 0
        return parts

    def _told(self, value: float, number: int) -> str:
        figure = f"{value:.1%}" if self.percent else f"{value:,.0f}"
        return f"{self.names[number]} {figure}" if number < len(self.names) else figure

    def _short(self, value: float) -> str:
        if self.percent:
            return f"{value:.0%}"
        return f"{value:,.0f}" if value < 10_000 else short(round(value))
