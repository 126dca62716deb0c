"""`prox refine`: a corpus in, refined text and the programs that made it out."""

from typing import Annotated, Optional

import typer

from prox.errors import UsageError


def refine(
    input: Annotated[list[str], typer.Argument(help="Files, folders or globs of JSONL or Parquet, then OUTPUT.", metavar="INPUT... OUTPUT")],
    refiner: Annotated[Optional[list[str]], typer.Option(help="Who writes the programs: tagger, stored:FOLDER. Once for all levels, or once per level (documents first).")] = None,
    level: Annotated[Optional[str], typer.Option(help="Work at one level only: document (keep or drop) or chunk (edit lines).")] = None,
    keep_threshold: Annotated[Optional[float], typer.Option(help="Drop documents whose keep score is below this (0 keeps all).")] = None,
    corpus: Annotated[Optional[str], typer.Option(help="The corpus preset, if it is not recognised: c4, redpajama-v2, fineweb, dclm, openwebmath, dolma, plain, …")] = None,
    text_field: Annotated[Optional[str], typer.Option(help="The field that holds the text.")] = None,
    format: Annotated[str, typer.Option(help="Format of the refined text: parquet or jsonl (zstd).")] = "parquet",
    workers: Annotated[Optional[int], typer.Option(help="Worker processes; as many as cores by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print run.json at the end instead of a table.")] = False,
) -> None:
    """Refine a corpus: drop worthless documents, remove noise from the others.

    OUTPUT gets text/ (refined documents), programs/ (one row for every input record), quarantine/ (records that could
    not be read) and run.json.

    Example: prox refine crawl/*.jsonl.gz refined
    """
    from prox.cli.running import run, shown_recipe

    if len(input) < 2:
        raise UsageError("give INPUT and OUTPUT, as in: prox refine pages.jsonl refined")
    recipe = shown_recipe(
        input=tuple(input[:-1]),
        output=input[-1],
        refiners=tuple(refiner or ["tagger"]),
        level=level,
        keep_threshold=keep_threshold,
        corpus=corpus,
        text_field=text_field,
        format=format,
        workers=workers,
    )
    run(recipe, json)
