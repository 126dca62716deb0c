"""`prox adapt`: train what refines, on labels or on the programs of another refiner."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from prox.cli.adapt_language_model import data, language_model
from prox.cli.labelled import Gold, Input, Programs, labelled_pages
from prox.cli.options import Corpus, HtmlToText, TextField
from prox.errors import UsageError
from prox.visible import visible

adapt = typer.Typer(
    name="adapt",
    help="Train a refiner: on human labels, on annotations, or on the programs of another refiner.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


adapt.command("data")(data)
adapt.command("language-model")(language_model)


@adapt.command()
def tagger(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="A new folder for the tagger.")],
    gold: Gold = None,
    programs: Programs = None,
    input: Input = None,
    start: Annotated[
        Literal["embedded", "scratch"],
        typer.Option("--from", help="Go on from the embedded tagger, or from nothing."),
    ] = "embedded",
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Times that training sees all pages; 5 from the embedded tagger and 10 from scratch if not given, "
            "fewer for very many pages.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of everything random.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    json: Annotated[bool, typer.Option("--json", help="Print adapt.json at the end instead of a table.")] = False,
) -> None:
    """Train the tagger, the cheap refiner, on labels or as the student of an expensive one.

    Some sites are held back, and the scores on them are shown beside those of the embedded tagger. Use it with
    --refiner tagger:OUTPUT. It needs PyTorch and scikit-learn: pip install 'prox-refine[train]'.

    Example: prox adapt tagger my-tagger --programs refined/programs --input pages.jsonl --from scratch
    """
    import importlib.util
    import time

    import orjson

    if missing := [name for name in ("torch", "sklearn") if importlib.util.find_spec(name) is None]:
        raise UsageError(f"training needs {' and '.join(missing)}: pip install 'prox-refine[train]'")

    from prox.adapt.tagger.fit import Settings, fit_tagger
    from prox.adapt.tagger.folder import Sources, claim_folder, write_tagger

    _log_to_standard_error()
    of_gold, of_run = labelled_pages(gold, programs, input, corpus, text_field, html_to_text)
    settings = Settings(start, epochs, seed, threads)
    folder = claim_folder(output)
    started = time.monotonic()
    fitted = fit_tagger(of_gold.pages, of_run.pages, settings)
    sources = Sources(tuple(gold or ()), programs, tuple(input or ()), of_gold, of_run)
    record = write_tagger(folder, fitted, sources, settings, time.monotonic() - started)
    if json:
        typer.echo(orjson.dumps(record, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(record, output)


def _log_to_standard_error() -> None:
    import logging

    logger = logging.getLogger("prox.adapt")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.handlers = [handler]


def _show(record: dict[str, Any], output: str) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 120
    pages, levels = record["pages"], record["levels"]
    if record["scores"]["tagger"]:
        rows = []
        for source in ["all", *record["scores"]["tagger"]["sources"]]:
            for name, scores in record["scores"].items():
                figures = scores if source == "all" else scores["sources"][source]
                values = [f"{figures[key]:.3f}" for key in ("line_f1", "line_f1_macro", "content_f1")]
                rows.append([visible(source), _NAMES[name], f"{figures['pages']:,}", *values])
        columns = ["source", "tagger", "pages", "noise-line F1", "macro F1", "content-word F1"]
        _table(console, "Lines: agreement with the labels on held-back sites", columns, rows)
    if documents := record["documents"]:
        rows = [
            [
                _NAMES[name] + (" (may have seen them)" if name == "embedded" else ""),
                f"{documents['count']:,}",
                f"{documents[name]['keep_f1']:.3f}",
                f"{documents[name]['auc']:.3f}",
            ]
            for name in ("tagger", "embedded")
        ]
        _table(
            console,
            "Documents: keep or drop, cross-validated" + (" by site" if documents["by_site"] else ""),
            ["tagger", "documents", "keep F1", "AUC"],
            rows,
        )
    lines = [
        f"{pages['training']:,} pages trained, {pages['development']:,} steered, {pages['held-back']:,} held back",
        f"{record['seconds_of_training']} s of training",
        f"lines: {levels['lines']}, parts of lines: {levels['parts']}, documents: {levels['documents']}",
        *record["notes"],
        *[f"lines of {count:,} pages unknown: {reason}" for reason, count in record["lines_unknown"].items()],
        *_advice(record, output),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _advice(record: dict[str, Any], output: str) -> list[str]:
    """How to use what came out, and whether to."""
    lines, levels, scores = [], record["levels"], record["scores"]
    if levels["lines"] == "trained" and scores["tagger"]:
        trained, embedded = ([scores[name][key] for key in ("line_f1", "content_f1")] for name in _NAMES)
        if sum(trained) <= sum(embedded):
            lines.append(
                f"on the {scores['tagger']['pages']:,} pages held back it agrees with the labels no better than the "
                "embedded tagger. More labels help; pages labelled by people say what it is worth: prox score GOLD "
                f"--refiner tagger:{output} --against tagger"
            )
    if levels["lines"] == "trained" and levels["documents"] == "embedded":
        lines.append(
            f"→ {output}: use it with --level chunk --refiner tagger:{output}. Without --level chunk the embedded "
            "judge of documents, which these labels did not teach, drops documents, too"
        )
    else:
        lines.append(f"→ {output}: use it with --refiner tagger:{output}")
    return lines


_NAMES = {"tagger": "trained", "embedded": "embedded"}


def _table(console: Any, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(
        *[Column(name, justify="right" if place else "left") for place, name in enumerate(columns)], title=title
    )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
