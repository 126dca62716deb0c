"""`prox adapt language-model` and `prox adapt data`: a small model that writes programs, and what it is trained on."""

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from prox.cli.labelled import Gold, Input, Programs, labelled_pages
from prox.cli.launched import one_voice
from prox.cli.options import Corpus, HtmlToText, SystemPrompt, TextField, one_of
from prox.errors import UsageError

Base: TypeAlias = Annotated[
    str, typer.Option(metavar="MODEL", help="The model to begin with: a folder, a GGUF file, or a name on the hub.")
]
LevelOfPrograms: TypeAlias = Annotated[
    str,
    typer.Option(
        "--level",
        metavar="document|chunk",
        autocompletion=one_of("document", "chunk"),
        help="Learn to drop documents, or to edit chunks of lines.",
    ),
]
FamilyToTrain: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--family",
        metavar="NAME",
        help="Train a model of a published family, asked exactly as its models are: prox-document, prox-chunk or "
        "ultrax. A family of its own, with short prompts in the base model's template, if not given.",
    ),
]
DialectToWrite: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--dialect",
        metavar="NAME",
        autocompletion=one_of("prox-chunk", "refinex", "ultrax"),
        help="Of a family of its own: prox-chunk (the default), refinex or ultrax.",
    ),
]
WindowOption: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="TOKENS", help="Of a family of its own: the size of a chunk; 1500 if not given."),
]
Untouched: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of examples whose program changes nothing; those beyond it are left out. All, if not given.",
    ),
]
MostExamples: TypeAlias = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Train on no more examples than this, chosen at random.")
]
ValidationShare: TypeAlias = Annotated[
    float, typer.Option(metavar="SHARE", help="Share of the sites that is kept for validation.")
]
ValidationDocuments: TypeAlias = Annotated[
    int, typer.Option(min=1, metavar="N", help="Refine no more documents than this at each validation.")
]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything random.")]


def data(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="A new folder for the training set.")],
    base: Base,
    gold: Gold = None,
    programs: Programs = None,
    input: Input = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="messages (trl, ms-swift), llama-factory (with dataset_info.json), or rendered (prompt and completion "
            "as text).",
        ),
    ] = "messages",
    level: LevelOfPrograms = "chunk",
    family: FamilyToTrain = None,
    dialect: DialectToWrite = None,
    window: WindowOption = None,
    system_prompt: SystemPrompt = None,
    untouched: Untouched = None,
    most_examples: MostExamples = None,
    validation_share: ValidationShare = 0.1,
    validation_documents: ValidationDocuments = 300,
    seed: Seed = 0,
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write the training set of a language model, for those who train it elsewhere.

    Prompts are made by the code that asks the trained model later. OUTPUT/prox.json says how; copy it into the folder
    of the trained model, and prox refine needs no further option.

    Example: prox adapt data training-set --base HuggingFaceTB/SmolLM2-135M --gold labels.jsonl --dialect refinex
    """
    _check_packages(("transformers",), "transformers")
    material = _material(locals())
    of_gold, of_run = labelled_pages(gold, programs, input, corpus, text_field, html_to_text)

    from prox.adapt.language_model.adaptation import prepare, validation_examples, write_gold
    from prox.adapt.language_model.exports import write_training_set
    from prox.refiners.language_model.adapted import write_family

    model, revision = _named(base)
    prepared = prepare([*of_gold.pages, *of_run.pages], model, revision, material)
    folder = Path(output)
    write_training_set(folder, prepared.training.examples, validation_examples(prepared), prepared.family, form)
    write_family(folder, prepared.family, {"base": base, "data": prepared.figures()})
    write_gold(folder / "validation-gold.jsonl", prepared.split.validation, material.level)
    figures = prepared.figures()
    if json:
        import orjson

        typer.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    else:
        _show_data(figures)
        typer.echo(f"→ {output}: train.jsonl, validation.jsonl, validation-gold.jsonl for prox score, prox.json")


def language_model(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="A new folder for the model.")],
    base: Base,
    gold: Gold = None,
    programs: Programs = None,
    input: Input = None,
    level: LevelOfPrograms = "chunk",
    family: FamilyToTrain = None,
    dialect: DialectToWrite = None,
    window: WindowOption = None,
    system_prompt: SystemPrompt = None,
    untouched: Untouched = None,
    most_examples: MostExamples = None,
    validation_share: ValidationShare = 0.1,
    validation_documents: ValidationDocuments = 300,
    epochs: Annotated[float, typer.Option(help="Passes over the training set.")] = 4.0,
    batch: Annotated[int, typer.Option(min=1, help="Examples between two steps, over all devices.")] = 64,
    device_batch: Annotated[int, typer.Option(min=1, help="Examples that a device works on at once.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Where the cosine begins.")] = 1e-5,
    last_learning_rate: Annotated[
        float | None, typer.Option(help="Where it ends; a tenth of the beginning if not given.")
    ] = None,
    packing: Annotated[bool, typer.Option("--packing", help="Let several examples share a sequence.")] = False,
    freeze_embeddings: Annotated[
        bool, typer.Option("--freeze-embeddings", help="Leave the vocabulary's matrix as it is.")
    ] = False,
    freeze_layers: Annotated[int, typer.Option(min=0, help="Leave the first so many layers as they are.")] = 0,
    low_rank: Annotated[
        int | None, typer.Option(min=1, metavar="RANK", help="Train low-rank updates only, merged at the end.")
    ] = None,
    evaluate_every: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Validate after so many examples, not after each epoch."),
    ] = None,
    seed: Seed = 0,
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON at the end.")] = False,
) -> None:
    """Fine-tune a language model to write programs: full-parameter SFT, loss on the program only.

    The defaults are those of ProX. After each epoch the model refines validation pages of sites that it is not trained
    on, and the best checkpoint is kept: by document F1, or by the mean of line F1 and content-word F1. Run the same
    command again after an interruption: it goes on from its last checkpoint.

    Use the result with --refiner transformers:OUTPUT or vllm:OUTPUT. It needs trl: pip install 'prox-refine[adapt]'.

    It trains on one GPU, or on several with a launcher: torchrun --nproc-per-node 4 -m prox adapt language-model …

    Example: prox adapt language-model my-refiner --base HuggingFaceTB/SmolLM2-360M-Instruct --gold labels.jsonl
    """
    _check_packages(("torch", "transformers", "trl", "datasets"), "adapt")
    options = locals()
    with one_voice(_is_main):
        material = _material(options)
        last = learning_rate / 10 if last_learning_rate is None else last_learning_rate
        with contextlib.nullcontext() if _is_main() else contextlib.redirect_stderr(io.StringIO()):
            of_gold, of_run = labelled_pages(gold, programs, input, corpus, text_field, html_to_text)

        import dataclasses

        from prox.adapt.language_model.adaptation import adapt_language_model
        from prox.adapt.language_model.fine_tuning import Settings

        settings = Settings(
            epochs=epochs,
            batch=batch,
            learning_rate=learning_rate,
            last_learning_rate=last,
            device_batch=device_batch,
            packing=packing,
            freeze_embeddings=freeze_embeddings,
            freeze_layers=freeze_layers,
            low_rank=low_rank,
            evaluate_every=evaluate_every,
            seed=seed,
        )
        model, revision = _named(base)
        adapted = adapt_language_model(
            [*of_gold.pages, *of_run.pages], model, revision, Path(output), material, settings, _Reporter()
        )
    if not _is_main():
        return
    if json:
        import orjson

        typer.echo(orjson.dumps(dataclasses.asdict(adapted), option=orjson.OPT_INDENT_2).decode())
        return
    _show_scores(adapted.before, adapted.validations, adapted.scores, level)
    if "calls_mean" not in adapted.scores:  # there was nothing to score
        typer.echo(
            f"→ {output}: not one of its programs can be used, so do not refine with it. More examples, more epochs, a "
            "higher --learning-rate, or a base that has learned more may help"
        )
        return
    typer.echo(f"→ {output}: use it with --level {level} --refiner transformers:{output}")


def _is_main() -> bool:
    from prox.adapt.language_model.processes import is_main

    return is_main()


class _Reporter:
    """Loss and scores on standard error, as they come."""

    def __call__(self, figures: Mapping[str, Any]) -> None:
        if "data" in figures:
            _show_data(figures["data"], err=True)
            typer.echo("the base model, asked in the same way:", err=True)
        elif "wanted_batch" in figures:
            typer.echo(
                f"{figures['batch']:,} examples between two steps, not {figures['wanted_batch']:,}: a batch is a "
                "multiple of what the devices work on at once",
                err=True,
            )
        elif "before" in figures:
            typer.echo(f"  {_line(figures['before'])}", err=True)
        elif "loss" in figures:
            typer.echo(
                f"step {figures['step']:,} of {figures['steps']:,}, epoch {figures['epoch']:.2f}: "
                f"loss {float(figures['loss']):.3f}",
                err=True,
            )
        elif any(name.startswith("eval_") for name in figures):
            shown = {name.removeprefix("eval_"): value for name, value in figures.items()}
            typer.echo(f"validation at step {figures['step']:,}: {_line(shown)}", err=True)


_NAMES = {
    "f1": "document F1",  # of noise lines at chunk level
    "precision": "precision",
    "recall": "recall",
    "macro_f1": "macro F1",
    "content_f1": "content-word F1",
    "accuracy": "accuracy",
    "auc": "AUC",
    "failure_ratio": "failures",
    "calls_mean": "calls",
}


def _line(figures: Mapping[str, float]) -> str:
    if "calls_mean" not in figures:  # there was nothing to score
        return "not one program that can be used"
    return ", ".join(f"{title} {figures[name]:.3f}" for name, title in _names(figures).items())


def _names(figures: Mapping[str, float]) -> dict[str, str]:
    """The figures that there are, with their names for people."""
    lines = {"f1": "noise-line F1"} if "content_f1" in figures else {}
    return {name: title for name, title in (_NAMES | lines).items() if name in figures}


def _show_data(figures: Mapping[str, Any], err: bool = False) -> None:
    lines = [
        f"{figures['training_documents']:,} documents to train on, split {figures['split']}",
        f"{figures['validation_documents']:,} documents to validate",
        f"{figures['examples']:,} examples, {figures['untouched_share']:.0%} of them change nothing",
    ]
    for name in ("prompt", "program"):
        spread = figures[f"{name}_tokens_quantiles"]
        lines.append(
            f"tokens of {name}s: {figures[f'{name}_tokens']:,} (median {spread['median']:,}, 95 % up to "
            f"{spread['p95']:,}, longest {spread['most']:,})"
        )
    if figures["unlabelled_documents"]:
        lines.append(f"{figures['unlabelled_documents']:,} documents have no labels at this level")
    for reason, count in figures["left_out"].items():
        advice = "; a smaller --window has shorter ones" if reason.startswith("a program of more than") else ""
        lines.append(f"left out: {count:,} for {reason}{advice}")
    for line in lines:
        typer.echo(line, err=err)


def _show_scores(
    before: Mapping[str, float], validations: list[dict[str, float]], scores: Mapping[str, float], level: str
) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    names = _names(scores)
    if level == "chunk":
        names["f1"] = "noise-line F1"
    columns = [Column(title, justify="right") for title in names.values()]
    table = Table("", *columns, title="Validation, by generation")

    def add(title: str, figures: Mapping[str, float]) -> None:
        unusable = "calls_mean" not in figures  # then there was nothing to score
        table.add_row(title, *["–" if unusable and name == "f1" else _shown(figures.get(name)) for name in names])

    add("before", before)
    for each in validations:
        shown = {name.removeprefix("eval_"): value for name, value in each.items()}
        add(f"epoch {each['epoch']:.2f}", shown)
    add("kept", scores)
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _material(options: Mapping[str, Any]) -> Any:
    from prox.adapt.language_model.adaptation import Material
    from prox.refiners.draft import Level
    from prox.refiners.language_model.loading import read_system_prompt

    if options["level"] not in tuple(Level):
        raise UsageError(f'--level "{options["level"]}" is neither document nor chunk')
    return Material(
        level=Level(options["level"]),
        family=options["family"],
        dialect=options["dialect"],
        window=options["window"],
        system=read_system_prompt(options["system_prompt"]),
        untouched=options["untouched"],
        most_examples=options["most_examples"],
        validation_share=options["validation_share"],
        validation_documents=options["validation_documents"],
        seed=options["seed"],
    )


def _named(base: str) -> tuple[str, str | None]:
    """A model and its revision, written as in a refiner spec: `NAME@REVISION`."""
    from prox.refiners.language_model.loading import parse_spec

    spec = parse_spec(f"transformers:{base}")
    assert spec is not None  # the engine is one that there is
    return spec.model, spec.revision


def _check_packages(names: tuple[str, ...], extra: str) -> None:
    import importlib.util

    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise UsageError(f"this needs {' and '.join(missing)}: pip install 'prox-refine[{extra}]'")
