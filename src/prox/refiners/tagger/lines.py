"""From the noise probabilities of visible lines to the lines that a program removes."""

import numpy as np
import numpy.typing as npt

from prox.program import RemoveLines

BoolArray = npt.NDArray[np.bool_]


def removed_lines(noisy: BoolArray, rows: npt.NDArray[np.int64], line_count: int) -> BoolArray:
    """Which of all lines go: the noisy visible ones, and the blank lines that only they needed.

    Of the blank lines between two kept lines the first block stays and the others go: what remains has one break where
    there was at least one. Behind the last kept line the first block stays too; before the first one all go if the
    first visible line does.
    """
    removed = np.zeros(line_count, bool)
    removed[rows] = noisy
    if len(rows) == line_count or not noisy.any():
        return removed
    blank = np.ones(line_count, bool)
    blank[rows] = False
    blanks = np.flatnonzero(blank)
    n = len(rows)
    above = np.searchsorted(rows, blanks) - 1  # row of the visible line above, -1 if none
    noise_above = np.where(above >= 0, noisy[above], noisy[0])
    kept_rows = np.where(noisy, -1, np.arange(n))
    last_kept = np.append(np.maximum.accumulate(kept_rows), -1)[above]  # for above == -1 this is the appended -1
    broken_before = rows[above] - rows[last_kept] > above - last_kept  # a blank line stands between the two rows
    removed[blanks] = noise_above & ((last_kept < 0) | broken_before)
    return removed


def removals(removed: BoolArray, first_line: int) -> list[RemoveLines]:
    """One operation for each block of removed lines; `first_line` is the number of the chunk's first line."""
    edges = np.flatnonzero(np.diff(removed.astype(np.int8), prepend=0, append=0)).tolist()
    return [RemoveLines(first_line + a, first_line + b - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
