"""`prox evaluate`: how well language models do, and whether they differ."""

import os
import sys
from typing import Annotated

import typer

from prox.cli.options import Corpus, TextField, task_suites
from prox.errors import RunError, UsageError


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Folders as transformers saves them, .gguf files, or names on the hub."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODEL,MODEL,…",
            help="Models that differ in their seed alone, for a mean and a spread. Given several times, groups are "
            "compared seed by seed, position by position, with the first.",
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=task_suites,
            help="prox (ten tasks), data-selection (eight) or math (nine). As often as you like.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|FOLDER|NAME",
            help="A task file of lm-eval (YAML), a folder of them, or a task that lm-eval knows by name. Code that a "
            "task file names (!function) is run: use files that you trust. As often as you like.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|FOLDER|GLOB",
            help="Held-out clean text, for bits per byte: JSON Lines, Parquet, a run of prox refine. As often as you "
            "like.",
        ),
    ] = None,
    corpus: Corpus = None,
    text_field: TextField = None,
    context: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tokens that a model sees at once for bits per byte; the most that all models can take if not given, "
            "2,048 at most.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Items of each task, from its beginning: for a first look only.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Requests of a task that a model gets at once.")] = 8,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep results here, item by item; what is there already is not measured again.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Evaluate language models on downstream tasks and held-out text, and compare them.

    Differences are paired, item by item, with the first model, or with the counterpart in the first group. A task whose
    data cannot be had is named with the reason, and no mean of its suite is given then. It needs lm-eval:
    pip install 'prox-refine[evaluate]'.

    Example: prox evaluate --group raw=raw-1,raw-2 --group refined=refined-1,refined-2 --suite prox --text clean.jsonl
    """
    _check_packages()
    be_quiet()

    import orjson

    from prox.cli.evaluate_output import show
    from prox.pretrain.evaluation.comparison import compare, models_of
    from prox.pretrain.evaluation.measuring import measure
    from prox.pretrain.evaluation.models import common_context, fingerprint
    from prox.pretrain.evaluation.results import Result, Store
    from prox.pretrain.evaluation.suites import own_tasks, suite_tasks
    from prox.pretrain.evaluation.texts import held_out

    all_models = models_of(models or [], group or [])
    tasks = [*suite_tasks(suite or []), *own_tasks(task or [])]
    if not tasks and not text:
        raise UsageError("nothing to evaluate on: give --suite prox, --task FILE, or --text FILE")
    texts = held_out(text or [], corpus, text_field)
    for name in all_models.names:
        fingerprint(name)  # what is no model should show before anything long begins
    tokens = common_context(all_models.names, context) if texts else 0
    store = Store(output)
    measured = measure(all_models.names, tasks, texts, tokens, limit, batch_size, store, _tell)
    report = compare(all_models, measured) | {"limit": limit, "packages": _versions()}
    store.write_report(report)
    if json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        show(report)
    if not any(isinstance(result, Result) for each in measured for result in each.results):
        raise RunError("nothing could be measured")


def _check_packages() -> None:
    import importlib.util

    missing = [name for name in ("torch", "transformers", "lm_eval") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"prox evaluate needs {', '.join(missing)}: pip install 'prox-refine[evaluate]'")


def be_quiet() -> None:
    """A log gets one line a step, and no progress bars: libraries read this when they are imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("prox-refine", "lm-eval", "transformers", "torch")}


def _tell(step: str) -> None:
    """What is under way, on standard error, a line a step; the progress bars of lm-eval come below it in a terminal."""
    from prox.visible import visible

    typer.echo(visible(step), err=True)
