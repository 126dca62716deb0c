"""`prox compare`: what small models learn from two or more corpora."""

import sys
from typing import Annotated

import typer

from prox.cli.options import Corpus, TextField, model_presets, task_suites
from prox.errors import RunError, UsageError


def compare(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=CORPUS... OUTPUT",
            help="Corpora under the names that tables show, the raw one first: files, folders or globs of JSONL or "
            "Parquet, or output folders of prox refine. Then a new folder, or that of the comparison to continue.",
        ),
    ],
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|FOLDER|GLOB",
            help="Held-out clean text, for bits per byte. None of the corpora may contain it. As often as you like.",
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", autocompletion=task_suites, help="prox, data-selection or math: see prox evaluate."
        ),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(metavar="FILE|FOLDER|NAME", help="Tasks: see prox evaluate.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=model_presets,
            help="Model and schedule: tlm-nano if not given; see prox pretrain.",
        ),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Tokens of each training, the same for all corpora: one that has fewer is repeated. The preset's, if "
            "not given.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Trainings on each corpus.")] = 3,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="One for all models: a folder, a name on the hub, or bpe:SIZE to train one on equal shares of all "
            "corpora. The preset's, if not given.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trainings at once; they share the cores.")] = 1,
    corpus: Corpus = None,
    text_field: TextField = None,
    json: Annotated[bool, typer.Option("--json", help="Print compare.json at the end instead of tables.")] = False,
) -> None:
    """Train the same small model on each corpus, with the same number of tokens, and compare what it has learned.

    Differences to the first corpus are those of trainings with the same seed, with Student's t interval over the seeds.
    OUTPUT holds compare.json, compare.svg and the models. Run the same command again after an interruption, or with
    more seeds or corpora: what is done is not done again. It needs lm-eval and matplotlib: pip install
    'prox-refine[compare]'.

    Example: prox compare raw=crawl.jsonl.gz refined=refined/ trial --text wikipedia.jsonl --tokens 2000000
    """
    _check_packages()
    if len(paths) < 2:
        raise UsageError("name the corpora and then the output folder: prox compare raw=crawl refined=refined OUTPUT")
    if "=" in paths[-1]:
        raise UsageError(f'"{paths[-1]}" is a corpus; name the output folder behind all corpora')

    import orjson

    from prox.cli.compare_output import show
    from prox.cli.evaluate import be_quiet
    from prox.pretrain.comparison.compare import Comparison, run_comparison
    from prox.pretrain.comparison.corpora import corpora_of
    from prox.pretrain.evaluation.suites import own_tasks, suite_tasks
    from prox.pretrain.evaluation.texts import held_out

    be_quiet()
    corpora = corpora_of(paths[:-1])
    tasks = [*suite_tasks(suite or []), *own_tasks(task or [])]
    if not tasks and not text:
        raise UsageError("nothing to compare by: give --text FILE, --suite prox, or --task FILE")
    texts = held_out(text or [], corpus, text_field)
    wanted = Comparison(
        corpora=corpora,
        output=paths[-1],
        seeds=seeds,
        tokens=tokens,
        preset=preset,
        tokenizer=tokenizer,
        workers=workers,
        corpus=corpus,
        text_field=text_field,
    )
    try:
        report = run_comparison(wanted, tasks, texts, _tell)
    except KeyboardInterrupt:
        _tell("interrupted; run the same command again to go on")
        raise typer.Exit(1) from None
    if json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        show(report, paths[-1])
    if not any(row["groups"] for row in report["rows"]):
        raise RunError("nothing could be measured; the models are trained, and --text or --task can be tried again")


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _check_packages() -> None:
    import importlib.util

    names = ("torch", "transformers", "accelerate", "lm_eval", "matplotlib")
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise UsageError(f"this needs {' and '.join(missing)}: pip install 'prox-refine[compare]'")
