"""Where labels come from, said in the same way by all that learn from them."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from prox.errors import UsageError
from prox.visible import visible

if TYPE_CHECKING:
    from prox.adapt.labels import Sorted

Gold: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILES",
        help="Labels (JSONL): a file, a folder or a quoted glob; raw_text with line_labels or program, text with keep. "
        "May be given several times.",
    ),
]
Programs: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="The programs/ of a run whose refiner is to be learned; with --input."),
]
Input: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="CORPUS", help="The raw corpus of that run. May be given several times."),
]


def labelled_pages(
    gold: list[str] | None,
    programs: str | None,
    input: list[str] | None,
    corpus: str | None,
    text_field: str | None,
    html_to_text: str | None,
) -> "tuple[Sorted, Sorted]":
    """The pages of label files, and those of a run; what labels nothing is told.

    Raises:
        UsageError: There is nothing to learn from, or a path is wrong.
    """
    if not gold and programs is None:
        raise UsageError("nothing to learn from: give --gold FILES, or --programs FOLDER with --input CORPUS")
    if (programs is None) != (not input):
        raise UsageError("--programs and --input belong together: the programs of a run, and its raw corpus")

    from prox.adapt.labels import Sorted, read_labels, read_run, sort_out

    of_gold = sort_out(read_labels(gold)) if gold else Sorted()
    of_run = Sorted()
    if programs is not None:
        of_run = sort_out(read_run(programs, input or (), corpus, text_field, _extractor(html_to_text)))
    for passed_over in (of_gold.passed_over, of_run.passed_over):
        for reason, (count, first) in sorted(passed_over.items(), key=lambda each: -each[1][0]):
            typer.echo(f"{count:,} records passed over: {visible(reason)} (first: {visible(first)})", err=True)
    return of_gold, of_run


def _extractor(name: str | None) -> Literal["resiliparse", "trafilatura"]:
    match name:
        case None | "resiliparse":
            return "resiliparse"
        case "trafilatura":
            return "trafilatura"
    raise UsageError(f'--html-to-text "{name}" is not resiliparse or trafilatura')
