"""`prox refine`: a corpus in, refined text and the programs that made it out."""

from typing import Annotated

import typer

from prox.cli.options import Corpus, Format, KeepThreshold, OneLevel, Refiners, RunJson, TextField, Workers


def refine(
    input: Annotated[list[str], typer.Argument(metavar="INPUT", help="Files, folders or globs of JSONL or Parquet.")],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="A new folder.")],
    refiner: Refiners = None,
    level: OneLevel = None,
    keep_threshold: KeepThreshold = None,
    corpus: Corpus = None,
    text_field: TextField = None,
    format: Format = "parquet",
    workers: Workers = None,
    json: RunJson = False,
) -> None:
    """Refine a corpus: drop worthless documents, remove noise from the others.

    A document of which editing leaves 10 words or fewer, or 5 % of its words or less, is dropped too.

    OUTPUT gets text/ (refined documents), programs/ (one row for every input record), quarantine/ (records that could
    not be read) and run.json.

    Example: prox refine crawl/*.jsonl.gz refined
    """
    from prox.cli.running import recipe_from_options, run

    recipe = recipe_from_options(
        input=tuple(input),
        output=output,
        refiners=tuple(refiner or ["tagger"]),
        level=level,
        keep_threshold=keep_threshold,
        corpus=corpus,
        text_field=text_field,
        format=format,
        workers=workers,
    )
    run(recipe, json)
