"""The figures of a comparison as a picture: a dot a seed, the mean with its interval, corpus by corpus."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_INCHES_A_CORPUS = 0.38
_INCHES_A_ROW = 1.3


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Write an SVG file: a panel for each text and task that every corpus has a figure for; none, if there is none."""
    rows = [row for row in report["rows"] if len(row["groups"]) == len(report["groups"])]
    if not rows:
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(report["groups"])
    height = len(rows) * (_INCHES_A_ROW + _INCHES_A_CORPUS * len(names))
    figure, axes = pyplot.subplots(len(rows), 1, figsize=(7, height), squeeze=False, layout="constrained")
    letters = {each["model"]: each["letter"] for each in report["models"]}
    for axis, row in zip(axes[:, 0], rows, strict=True):
        values = {cell["letter"]: cell["value"] for cell in row["models"]}
        means = {each["group"]: each for each in row["groups"]}
        for place, name in enumerate(names):
            colour = "C7" if place == 0 else "C0"
            dots = [values[letters[model]] for model in report["groups"][name]]
            axis.plot(dots, [place] * len(dots), "o", color=colour, alpha=0.45, markersize=5)
            mean = means[name]
            if mean["low"] is not None:
                axis.plot([mean["low"], mean["high"]], [place, place], "-", color=colour, linewidth=1.5)
            axis.plot([mean["mean"]], [place], "|", color=colour, markersize=14, markeredgewidth=2)
        axis.axvline(means[names[0]]["mean"], color="C7", linewidth=0.8, linestyle=":")
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.4, -0.6)
        better = "more is better" if row["higher_is_better"] else "less is better"
        axis.set_title(row["name"], loc="left", fontsize=10)
        axis.set_xlabel(f"{row['metric'].replace('_', ' ')} ({better})", fontsize=9)
        axis.grid(axis="x", linewidth=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
