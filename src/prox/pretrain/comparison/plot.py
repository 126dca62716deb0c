"""The figures of a comparison as a picture: a dot a seed, the mean with its interval, corpus by corpus.

On the left what each corpus gave, on the right its differences to the first one, seed by seed: these decide.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_INCHES_A_CORPUS = 0.38
_INCHES_A_ROW = 1.3


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Write an SVG file: two panels for each text and task that every corpus has a figure for; none without any."""
    rows = [row for row in report["rows"] if len(row["groups"]) == len(report["groups"])]
    if not rows:
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(report["groups"])
    height = len(rows) * (_INCHES_A_ROW + _INCHES_A_CORPUS * len(names))
    figure, axes = pyplot.subplots(len(rows), 2, figsize=(10, height), squeeze=False, layout="constrained")
    for (own, paired), row in zip(axes, rows, strict=True):
        values = _values(report, row)
        better = "more is better" if row["higher_is_better"] else "less is better"
        _draw(own, values, {each["group"]: each for each in row["groups"]})
        own.axvline(sum(values[names[0]]) / len(values[names[0]]), color="C7", linewidth=0.8, linestyle=":")
        own.set_title(row["name"], loc="left", fontsize=10)
        own.set_xlabel(f"{row['metric'].replace('_', ' ')} ({better})", fontsize=9)
        first, *others = names
        pairs = {name: [a - b for a, b in zip(values[name], values[first], strict=True)] for name in others}
        _draw(paired, {first: [], **pairs}, {each["group"]: each for each in row["group_differences"]})
        paired.axvline(0, color="C7", linewidth=0.8, linestyle=":")
        paired.set_xlabel(f"difference to {first}, seed by seed", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _values(report: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, list[float]]:
    """Corpus by corpus, the values of its models, seed by seed."""
    letters = {each["model"]: each["letter"] for each in report["models"]}
    cells = {cell["letter"]: cell["value"] for cell in row["models"]}
    return {name: [cells[letters[model]] for model in models] for name, models in report["groups"].items()}


def _draw(axis: Any, values: Mapping[str, Sequence[float]], means: Mapping[str, Mapping[str, Any]]) -> None:
    """A line for each corpus: dots, their mean, and its interval; the first corpus is grey."""
    for place, (name, dots) in enumerate(values.items()):
        colour = "C0" if place else "C7"
        axis.plot(dots, [place] * len(dots), "o", color=colour, alpha=0.45, markersize=5)
        mean = means.get(name)
        if mean is None:
            continue
        if mean["low"] is not None:
            axis.plot([mean["low"], mean["high"]], [place, place], "-", color=colour, linewidth=1.5)
        axis.plot([mean["mean"]], [place], "|", color=colour, markersize=14, markeredgewidth=2)
    axis.set_yticks(range(len(values)), list(values))
    axis.set_ylim(len(values) - 0.4, -0.6)
    axis.grid(axis="x", linewidth=0.3)
    axis.spines[["top", "right"]].set_visible(False)
