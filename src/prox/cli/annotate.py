"""`prox annotate`: labels by a strong model, for training refiners."""

import time
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from prox.cli.options import Corpus, EngineOptions, HtmlToText, TextField, engine_options
from prox.errors import RunError, UsageError
from prox.visible import visible

if TYPE_CHECKING:
    from prox.adapt.annotation.run import Progress, Result, Task

annotate = typer.Typer(
    help="Let a strong model label documents and chunks of a corpus, to train refiners on.", no_args_is_help=True
)

Paths: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT... OUTPUT",
        help="Files, folders or globs of JSONL, Parquet, WARC or WET; then a new folder, or that of the call to go on.",
    ),
]
Model: TypeAlias = Annotated[
    str, typer.Option(metavar="SPEC", help="Who labels: openai:MODEL@URL, the key to it in PROX_API_KEY.")
]
Count: TypeAlias = Annotated[int, typer.Option("-n", "--number", min=1, help="Documents to draw and label.")]
Stratify: TypeAlias = Annotated[
    str,
    typer.Option(metavar="NAMES", help="Draw evenly by length, domain and language, or some of them: length,domain."),
]
Seed: TypeAlias = Annotated[int, typer.Option(help="Another seed draws other documents.")]
Disagree: TypeAlias = Annotated[
    tuple[str, str] | None,
    typer.Option(
        metavar="SPEC SPEC",
        help="Two refiners, e.g. tagger openai:MODEL@URL: label the documents of a pool on which they differ most.",
    ),
]
Pool: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Documents of the pool for --disagree; 10 for each one if not given."),
]
Criteria: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Prompts of your own; prox annotate prompts FOLDER gives files to begin with."),
]
ReAsks: TypeAlias = Annotated[
    int, typer.Option(min=0, help="How often to ask again where an answer is not of the form asked for.")
]
MaxRequests: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="Stop before more requests than that, those of earlier calls counted.")
]
MaxTokens: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="The same for tokens, read and written together.")
]
MaxCost: TypeAlias = Annotated[float | None, typer.Option(min=0, help="The same for money, by the prices given.")]
PriceIn: TypeAlias = Annotated[float, typer.Option(min=0, metavar="PRICE", help="Of a million tokens read.")]
PriceOut: TypeAlias = Annotated[float, typer.Option(min=0, metavar="PRICE", help="Of a million tokens written.")]
_LOG_SECONDS = 10

_TRIMMED_TOLD = 0.1
"""Share of trimmed chunks beyond which a person is told what trims them."""

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print annotation.json at the end instead of tables.")]


@annotate.command()
def documents(
    paths: Paths,
    model: Model,
    number: Count = 1000,
    stratify: Stratify = "",
    seed: Seed = 0,
    disagree: Disagree = None,
    pool: Pool = None,
    least_educational: Annotated[
        int, typer.Option(min=1, max=5, help="Educational score from which a document is kept.")
    ] = 3,
    least_format: Annotated[
        int, typer.Option(min=0, max=6, help="Format score from which one a point below that is kept, too; 6 is never.")
    ] = 4,
    criteria: Criteria = None,
    re_asks: ReAsks = 2,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    engine_option: EngineOptions = None,
    json: Json = False,
) -> None:
    """Score documents from 0 to 5 for educational value and for format, and say which to keep.

    OUTPUT gets labels.jsonl (id, text, keep, the scores and reasons, other fields of the record), failed.jsonl,
    answers/ (every raw answer), the sample and annotation.json. The same command again asks only what is not answered.

    Example: prox annotate documents crawl/*.jsonl.gz seeds --model openai:big@http://127.0.0.1:8000/v1 -n 5000
    """
    from prox.adapt.annotation.documents import DocumentTask, KeepRule
    from prox.adapt.annotation.prompts import load_prompts

    prompts = load_prompts(("documents",), criteria)
    task = DocumentTask(prompts["documents"], KeepRule(least_educational, least_format))
    source = {"number": number, "stratify": stratify, "seed": seed, "disagree": disagree, "pool": pool}
    reading = {"corpus": corpus, "text_field": text_field, "html_to_text": html_to_text or "resiliparse"}
    caps = {"requests": max_requests, "tokens": max_tokens, "cost": max_cost}
    _run(task, paths, model, source | reading, caps, (price_in, price_out), re_asks, engine_option, json)


@annotate.command()
def chunks(
    paths: Paths,
    model: Model,
    number: Count = 1000,
    stratify: Stratify = "",
    seed: Seed = 0,
    disagree: Disagree = None,
    pool: Pool = None,
    rewrite: Annotated[
        bool,
        typer.Option(
            "--rewrite",
            help="One request a chunk: the model copies the text with deletions only, and the "
            "program is made from the difference.",
        ),
    ] = False,
    window: Annotated[int, typer.Option(min=1, metavar="WORDS", help="Words that the model reads at once.")] = 1500,
    most_removed: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Of a chunk's words that all noise may take; each prompt has a limit of its own, see --criteria.",
        ),
    ] = 0.8,
    criteria: Criteria = None,
    re_asks: ReAsks = 2,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    engine_option: EngineOptions = None,
    json: Json = False,
) -> None:
    """Let the model write the programs that clean documents: navigation, URLs, then footers and references.

    Three requests a chunk; their programs are checked, limited in what they remove, and merged into one a document.
    OUTPUT is as with documents, but labels.jsonl has raw_text and program. A document of which one chunk has no label
    has none.

    Example: prox annotate chunks crawl/*.jsonl.gz seeds --model openai:big@http://127.0.0.1:8000/v1 -n 2000
    """
    from prox.adapt.annotation.chunks import KINDS, ChunkTask, annotation_window
    from prox.adapt.annotation.prompts import load_prompts
    from prox.adapt.annotation.rewriting import RewriteTask, distilled

    task: Task
    if rewrite:
        prompt = load_prompts(("rewrite",), criteria)["rewrite"]
        task = RewriteTask(prompt, annotation_window(window), most_removed, distilled)
    else:
        prompts = load_prompts(KINDS, criteria)
        task = ChunkTask(tuple([prompts[kind] for kind in KINDS]), annotation_window(window), most_removed)
    source = {"number": number, "stratify": stratify, "seed": seed, "disagree": disagree, "pool": pool}
    reading = {"corpus": corpus, "text_field": text_field, "html_to_text": html_to_text or "resiliparse"}
    caps = {"requests": max_requests, "tokens": max_tokens, "cost": max_cost}
    _run(task, paths, model, source | reading, caps, (price_in, price_out), re_asks, engine_option, json)


@annotate.command()
def prompts(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where to write them; no file is overwritten.")],
) -> None:
    """Write the prompts with their criteria into a folder, to edit them for a domain of your own.

    Example: prox annotate prompts my-criteria
    """
    from prox.adapt.annotation.prompts import copy_prompts

    for path in copy_prompts(folder):
        typer.echo(path)


def _run(
    task: "Task",
    paths: list[str],
    model: str,
    source: dict[str, Any],
    caps: dict[str, Any],
    prices: tuple[float, float],
    re_asks: int,
    engine_option: list[str] | None,
    as_json: bool,
) -> None:
    from prox.adapt.annotation.budget import Limits, Prices
    from prox.adapt.annotation.run import Settings, annotate
    from prox.adapt.annotation.sampling import check_strata
    from prox.adapt.annotation.seeds import Source
    from prox.refiners.language_model.loading import load_server, parse_spec
    from prox.refiners.specs import check_spec, shown_spec

    if len(paths) < 2:
        raise UsageError(
            f"name INPUT and OUTPUT, a new folder for the labels: prox annotate {task.name} INPUT... OUTPUT"
        )
    if not model.startswith("openai:") or (spec := parse_spec(model)) is None:
        raise UsageError(
            f'--model "{shown_spec(model)}" is not openai:MODEL@URL, e.g. openai:big@http://127.0.0.1:8000/v1'
        )
    number, disagree, pool = source.pop("number"), source["disagree"], source.pop("pool")
    for each in disagree or ():
        check_spec(each)
    if pool is not None and (not disagree or pool < number):
        raise UsageError("--pool is for --disagree, and not smaller than -n")
    stratify = check_strata([name.strip() for name in source.pop("stratify").split(",") if name.strip()])
    options = {"concurrency": 16} | engine_options(engine_option)
    settings = Settings(
        paths[-1], spec.model, shown_spec(model), Limits(**caps), Prices(*prices), re_asks, _threads(options)
    )
    chosen = Source(
        tuple(paths[:-1]), number, stratify=stratify, pool=(pool or 10 * number) if disagree else 0, **source
    )
    with _Shown(task.name) as shown:
        result = annotate(task, chosen, settings, lambda: load_server(spec, dict(options)), shown.update)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(result.record, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(result, paths[-1])
    _end(result, paths[-1])


def _threads(options: dict[str, Any]) -> int:
    from prox.refiners.language_model.loading import positive

    return int(positive("concurrency", options["concurrency"], int))


class _Shown:
    """Documents labelled, on standard error: a live line for a terminal, a plain one now and then for a log."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._name = name
        self._console = Console(stderr=True)
        self._logged = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(f"{name}: reading")

    def __enter__(self) -> "_Shown":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, progress: "Progress") -> None:
        if progress.documents:
            failed = f", {progress.failed:,} failed" if progress.failed else ""
            line = f"{progress.labelled:,} of {progress.documents:,} labelled{failed}, {progress.asked:,} requests"
        else:
            line = f"{progress.records:,} records read"
        self._bar.update(self._task, description=f"{self._name}: {line}")
        if not self._console.is_terminal and time.monotonic() - self._logged > _LOG_SECONDS:
            self._logged = time.monotonic()
            self._console.print(f"{self._name}: {line}", markup=False, highlight=False, soft_wrap=True)


def _print(result: "Result", output: str) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    record = result.record
    console = Console()
    if not console.is_terminal:
        console.width = 120
    total = max(1, record["documents"])
    what = Table("documents", Column("number", justify="right"), Column("share", justify="right"))
    rows = {"labelled": record["labelled"]}
    rows |= {f"failed: {reason}": count for reason, count in record["failed"].items()}
    for name, count in (rows | {"not tried": record["untried"]}).items():
        if count or name == "labelled":
            what.add_row(Text(visible(name)), f"{count:,}", f"{count / total:.1%}")
    console.print(what)
    cost = Table("cost", *[Column(name, justify="right") for name in ("requests", "tokens in", "tokens out", "price")])
    for name, key in (("this time", "this_time"), ("in all", "in_all")):
        spent = record[key]
        figures = [f"{spent[each]:,}" for each in ("requests", "tokens_in", "tokens_out")]
        cost.add_row(name, *figures, f"{spent['cost']:,.4f}" if any(record["settings"]["prices"].values()) else "–")
    console.print(cost)
    lines = []
    this_time = record["this_time"]
    lines.append(f"{this_time['from_store']:,} answers were known, {this_time['asked_again']:,} could not be used")
    if record["labelled"] and "kept" in record:
        lines.append(f"{record['kept']:,} to keep ({record['kept'] / record['labelled']:.1%} of the labelled)")
    if record.get("words_before"):
        removed = 1 - record["words_after"] / record["words_before"]
        lines.append(f"{removed:.1%} of {record['words_before']:,} words removed, in {record['chunks']:,} chunks")
        lines.append(
            f"{record['rejected_operations']:,} operations rejected, {record['trimmed_chunks']:,} chunks trimmed"
        )
    lines += [f"{count:,} records passed over: {reason}" for reason, count in record["corpus"]["passed_over"].items()]
    lines += [f"warning: {problem}" for problem in record["corpus"]["problems"][:10]]
    if record["unreadable_answers"]:
        lines.append(f"warning: {record['unreadable_answers']:,} lines in answers/ could not be read")
    for line in [*lines, *_advice(record), f"→ {output}/labels.jsonl"]:
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)


def _advice(record: dict[str, Any]) -> list[str]:
    """What to change where limits cost labels, or spoil them: of a trimmed chunk, noise stays as content."""
    failed, settings = record["failed"], record["settings"]
    lines = []
    trimmed = record.get("trimmed_chunks", 0)
    if "removes too much" in failed or trimmed > _TRIMMED_TOLD * record.get("chunks", 0):
        lines.append(
            f"a chunk may lose {settings['most_removed']:.0%} of its words (--most-removed), and each prompt has a "
            "limit of its own, most_removed; labels beyond them are trimmed or fail. That is right for pages that are "
            "mostly text. For others raise both: prox annotate prompts FOLDER, then --criteria FOLDER"
        )
    if any(reason.startswith("cut off answer") for reason in failed):
        lines.append(
            "answers are cut off: raise max_new_tokens in the prompts (prox annotate prompts FOLDER, then --criteria "
            "FOLDER)" + (", or take a smaller --window" if "window" in settings else "")
        )
    return lines


def _end(result: "Result", output: str) -> None:
    """A spent budget is what was asked for; an interruption or a lost server is not."""
    if result.interrupted:
        raise RunError(f"interrupted; {output} has every answer so far. The same command again goes on")
    if result.record["budget_spent"]:
        typer.echo(
            f"{result.stopped}; {result.record['untried']:,} documents are left. The same command with a higher cap "
            "goes on",
            err=True,
        )
    elif result.stopped:
        raise RunError(f"{result.stopped}. {output} has every answer so far. The same command again goes on")
