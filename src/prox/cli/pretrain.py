"""`prox pretrain`: a small language model from a corpus, to see whether refining it helped."""

from typing import TYPE_CHECKING, Annotated

import typer

from prox.cli.launched import one_voice
from prox.cli.options import Corpus, HtmlToText, StartOver, TextField, model_presets
from prox.errors import UsageError
from prox.readable import duration

if TYPE_CHECKING:
    from prox.pretrain.training import Progress, Result


def pretrain(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT... OUTPUT",
            help="Files, folders or globs of JSONL, Parquet, WARC or WET, or output folders of prox refine; then a new "
            "folder, or that of the training to continue.",
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=model_presets,
            help="Model and schedule: tlm-nano (the default; minutes on a CPU), tlm-xs, tlm-s, tlm-m, pythia-410m, "
            "pythia-1b; or, to train on, tinyllama-1.1b, llama-2-7b, codellama-7b, mistral-7b.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Train this model on, by the schedule of --preset: a folder, or a name on the hub (NAME@REVISION).",
        ),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Tokens to train on; a corpus that has fewer is repeated. As published, if not given.",
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A folder, a tokenizer.json, a name on the hub, or bpe:SIZE to train one on the corpus. Models that "
            "are to be compared need the same one.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the first weights and the order of texts.")] = 0,
    context: Annotated[int | None, typer.Option(min=1, metavar="N", help="Tokens of a sequence.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Sequences between two steps, over all devices.")
    ] = None,
    device_batch: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Sequences that a device works on at once.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest one.")] = None,
    last_learning_rate: Annotated[
        float | None, typer.Option(help="That of the last step; in the published relation if not given.")
    ] = None,
    warm_up: Annotated[
        int | None, typer.Option(min=0, metavar="STEPS", help="In which the learning rate rises to its highest.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="fp32|bf16", help="bf16 where a GPU has it and fp32 elsewhere, if not given."),
    ] = None,
    compile: Annotated[bool, typer.Option("--compile", help="Compile the model with torch.compile.")] = False,
    checkpoint_every: Annotated[int, typer.Option(min=1, metavar="STEPS", help="Save all to go on from.")] = 200,
    track: Annotated[
        str | None, typer.Option(metavar="trackio|wandb", help="Send loss and learning rate there as well.")
    ] = None,
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    start_over: StartOver = False,
    json: Annotated[bool, typer.Option("--json", help="Print pretrain.json at the end instead of a table.")] = False,
) -> None:
    """Train a language model on a corpus, from scratch or from a model that there is, by a published schedule.

    OUTPUT/model is an ordinary Hugging Face model, losses.jsonl the loss curve, pretrain.json has all figures.
    Run the same command again after an interruption: it goes on from its last checkpoint to the same weights.

    It needs torch and transformers: pip install 'prox-refine[pretrain]'. On several GPUs start it with a launcher:
    torchrun --nproc-per-node 8 -m prox pretrain …, or accelerate launch for FSDP.

    Example: prox pretrain refined/ models/refined --preset tlm-nano --tokens 2000000
    """
    _check_packages()
    if len(paths) < 2:
        raise UsageError("name the corpus and then the output folder: prox pretrain INPUT... OUTPUT")
    shown = _Shown()
    with one_voice(_is_main), shown.bar:
        from prox.pretrain.training import Settings
        from prox.pretrain.training import pretrain as train

        settings = Settings(
            input=tuple(paths[:-1]),
            output=paths[-1],
            preset=preset,
            model=model,
            tokenizer=tokenizer,
            tokens=tokens,
            context=context,
            batch=batch,
            learning_rate=learning_rate,
            last_learning_rate=last_learning_rate,
            warm_up=warm_up,
            seed=seed,
            device_batch=device_batch,
            precision=precision,
            compile=compile,
            checkpoint_every=checkpoint_every,
            track=track,
            corpus=corpus,
            text_field=text_field,
            html_to_text=html_to_text,
        )
        try:
            result = train(settings, shown.update, start_over=start_over)
        except KeyboardInterrupt:
            shown.bar.say("interrupted; run the same command again to go on from the last checkpoint")
            raise typer.Exit(1) from None
    if not _is_main():
        return
    if json:
        import orjson

        typer.echo(orjson.dumps(result.record, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(result)


def _check_packages() -> None:
    import importlib.util

    names = ("torch", "transformers", "accelerate", "tokenizers")
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise UsageError(f"this needs {' and '.join(missing)}: pip install 'prox-refine[pretrain]'")


def _is_main() -> bool:
    import os

    return os.environ.get("RANK", "0") == "0"


class _Shown:
    """How far a training is: first what it trains on, then the bar."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn

        from prox.cli.live import LiveBar

        columns = BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.fields[line]}", markup=False)
        self.bar = LiveBar(Console(stderr=True), *columns, first_line_at_once=True)
        self._told = False

    def update(self, progress: "Progress") -> None:
        if progress.tokens_read is None and not self._told:
            self._told = True
            times = f"; they are repeated, {progress.epochs:.2f} epochs in all" if progress.epochs > 1 else ""
            self.bar.say(f"{progress.corpus_tokens:,} tokens to train on{times}")
            if progress.step:
                self.bar.say(f"going on after step {progress.step:,}")
        self.bar.update(progress.step / progress.steps, _line(progress), at_once=progress.step == progress.steps)


def _line(progress: "Progress") -> str:
    if progress.tokens_read is not None:
        return f"reading the corpus: {progress.tokens_read:,} tokens" if progress.tokens_read else "reading the corpus"
    line = f"step {progress.step:,} of {progress.steps:,}"
    if progress.loss is not None:
        line += f", loss {progress.loss:.3f}"
    if progress.tokens_per_second is not None and progress.seconds_left is not None:
        line += f", {progress.tokens_per_second:,.0f} tokens/s, {duration(progress.seconds_left)} left"
    return line


def _show(result: "Result") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from prox.visible import visible

    record = result.record
    corpus, model = record["corpus"], record["model"]
    table = Table("", Column(justify="right"), show_header=False)
    table.add_row("parameters", f"{model['parameters']:,}")
    table.add_row("  without embeddings", f"{model['without_embeddings']:,}")
    table.add_row("documents read", f"{corpus['documents']:,}")
    for kind, count in corpus["quarantined"].items():
        table.add_row(f"  left out: {visible(kind)}", f"{count:,}")
    table.add_row("tokens trained on", f"{record['tokens']:,}")
    table.add_row("epochs", f"{record['epochs']:.2f}" if corpus["read_to_the_end"] else "less than 1")
    table.add_row("steps", f"{record['steps']:,}")
    table.add_row("loss, mean of the last 20 steps", f"{record['loss']:.4f}")
    table.add_row("seconds", f"{record['seconds']:,.0f}")
    table.add_row("tokens/s", f"{record['tokens_per_second']:,.0f}")
    table.add_row("FLOPs (6 N D)", f"{record['flops']:.3g}")
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table, markup=False)
    for problem in corpus["problems"][:10]:
        console.print(f"warning: {visible(problem)}", markup=False, highlight=False)
    console.print(f"→ {visible(str(result.model))}", markup=False, highlight=False, soft_wrap=True)
