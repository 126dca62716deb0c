"""Options that several verbs share, so that they mean and say the same everywhere."""

from typing import Annotated, TypeAlias

import typer

Refiners: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--refiner",
        metavar="SPEC",
        help="Who writes the programs: tagger (the default) or stored:FOLDER. Once for all levels, or once per level, "
        "documents first.",
    ),
]
OneLevel: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--level",
        metavar="document|chunk",
        help="Work at one level only: document (keep or drop) or chunk (edit lines). Both if not given.",
    ),
]
KeepThreshold: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="P", help="Keep probability below which a document is dropped, from 0 (none is) to 1."),
]
Corpus: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Corpus preset, if it is not recognised: c4, redpajama-v2, fineweb, dclm, openwebmath, dolma, plain, …",
    ),
]
TextField: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="The field or column that holds the text.")
]
Format: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME", help="Format of the refined text: parquet, or jsonl (JSON Lines with zstd).")
]
Workers: TypeAlias = Annotated[int | None, typer.Option(help="Worker processes; as many as cores if not given.")]
RunJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print run.json at the end instead of a table.")]
