"""`prox report`: what a run did, as a page to look at."""

import sys
from typing import Annotated

import typer


def report(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="The output folder of a run.")],
    other: Annotated[
        str | None,
        typer.Argument(metavar="[OUTPUT]", help="That of another run over the same input, to compare the two."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where the page goes, if not to report.html or comparison.html in OUTPUT."),
    ] = None,
) -> None:
    """Write one page of HTML that stands alone: what was removed, from where, why, and what it cost.

    It has documents before and after to leaf through, needs no network, and stays within a few megabytes for a corpus
    of any size. prox refine writes it at its end. With two runs, it shows what one removes and the other keeps.

    Example: prox report refined

    Two runs: prox report with-tagger with-rules --to comparison.html
    """
    from prox.report.comparison import write_comparison
    from prox.report.report import write_report

    path = write_report(output, to) if other is None else write_comparison(output, other, to)
    sys.stdout.write(f"→ {path}\n")
