"""Options that several verbs share, so that they mean and say the same everywhere."""

from collections.abc import Callable
from typing import Annotated, TypeAlias

import typer

from prox.errors import UsageError


def one_of(*names: str) -> Callable[[str], list[str]]:
    """What a shell completes a value to."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def _corpora(incomplete: str) -> list[str]:
    from prox.corpora.presets import PRESETS

    return one_of(*(preset.name for preset in PRESETS))(incomplete)


def model_presets(incomplete: str) -> list[str]:
    from prox.pretrain.presets import PRESETS

    return one_of(*(preset.name for preset in PRESETS))(incomplete)


def task_suites(incomplete: str) -> list[str]:
    from prox.pretrain.evaluation.suites import NAMES

    return one_of(*NAMES)(incomplete)


Refiners: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--refiner",
        metavar="SPEC",
        help="Who writes the programs: tagger (the default), tagger:FOLDER (one that you trained), "
        "rules:NAME+NAME (gopher, c4, fineweb, refinedweb), a language model (transformers:MODEL, vllm:MODEL, "
        "openai:MODEL@URL) or stored:FOLDER. Once for all levels, or once per level, documents first.",
    ),
]
Uncertain: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="LOW..HIGH",
        help="Two refiners in a row at each level: the first decides where its scores are outside this range, the "
        "second one sees the rest. E.g. 0.2..0.8.",
    ),
]
Family: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=one_of("prox-document", "prox-chunk", "ultrax", "instruct"),
        help="How the language model is asked: prox-document, prox-chunk, ultrax or instruct (few-shot, any chat "
        "model). Told from its name or config if not given.",
    ),
]
SystemPrompt: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE", help="The system text for the language model; UltraX models need theirs.")
]
Constrain: TypeAlias = Annotated[
    bool,
    typer.Option("--constrain", help="Let the language model write nothing but well-formed programs for the page."),
]
EngineOptions: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--engine-option",
        metavar="NAME=VALUE",
        help="An option of the engine: tensor_parallel_size=2 (vllm), dtype=bfloat16 (transformers), concurrency=128 "
        "(openai), … May be given several times.",
    ),
]
RecipeFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--recipe", metavar="FILE", help="A recipe (YAML); options given beside it override its fields."),
]
OnFailure: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="keep|quarantine",
        autocompletion=one_of("keep", "quarantine"),
        help="What becomes of a document for which a refiner could write no program: kept as it was (the default), or "
        "quarantined.",
    ),
]
MostUnusable: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="Stop if more of the first programs cannot be used; 0.3 if not given, 1 never stops."
    ),
]
OneLevel: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--level",
        metavar="document|chunk",
        autocompletion=one_of("document", "chunk"),
        help="Work at one level only: document (keep or drop) or chunk (edit lines). Both if not given.",
    ),
]
KeepThreshold: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="P", help="Keep probability below which a document is dropped, from 0 (none is) to 1."),
]
NoiseThreshold: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Noise probability from which the tagger removes a line, from 0 (all are) to 1. Higher removes less.",
    ),
]
Corpus: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=_corpora,
        help="Corpus preset, if it is not recognised: c4, redpajama-v2, fineweb, dclm, openwebmath, dolma, plain, …",
    ),
]
TextField: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="The field or column that holds the text.")
]
HtmlToText: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=one_of("resiliparse", "trafilatura"),
        help="What makes text of the HTML pages of a web archive: resiliparse (default) or trafilatura.",
    ),
]
Format: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=one_of("parquet", "jsonl"),
        help="Format of the refined text: parquet, or jsonl (JSON Lines with zstd).",
    ),
]
Workers: TypeAlias = Annotated[
    int | None,
    typer.Option(
        help="Worker processes, as many as cores if not given; threads where a language model is at work. 0 works in "
        "this process alone."
    ),
]
Engine: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="local|ray",
        autocompletion=one_of("local", "ray"),
        help="Where to work: on this machine (the default), or on a Ray cluster.",
    ),
]
Gpus: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="N", help="With --engine ray: GPUs that each worker needs; one CPU if not given."),
]
Memory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory that a worker may take, e.g. 4GB: a record that takes more goes to quarantine. An equal share of "
        "nine tenths of the machine's if not given.",
    ),
]
TimeLimit: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", help="Without a sign of life of a worker, after which it is started anew; 300 if not given."
    ),
]
UnitBytes: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Raw text of a work unit, about, e.g. 64MB; by the size of the corpus if not given (4 to 256 MiB; 1 to 32 "
        "MiB with a language model).",
    ),
]
UnitDocuments: TypeAlias = Annotated[
    int | None, typer.Option(metavar="N", help="Documents of a work unit at most, about.")
]
StartOver: TypeAlias = Annotated[
    bool, typer.Option("--start-over", help="Remove what an earlier run wrote to OUTPUT, and begin again.")
]
DespiteChanges: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--despite-changes",
        help="Go on although the recipe or the input is another now; what is done stays, except for changed files.",
    ),
]
RunJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print run.json at the end instead of a table.")]


def engine_options(given: list[str] | None) -> dict[str, str | int | float | bool | None]:
    """Options of an engine as YAML reads their values, so that numbers are numbers.

    Raises:
        UsageError: One is not NAME=VALUE.
    """
    import yaml  # which takes time to load, and is not needed for help

    options: dict[str, str | int | float | bool | None] = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise UsageError(f'--engine-option "{each}" is not NAME=VALUE. Write for example dtype=bfloat16')
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            read = value
        options[name] = read if isinstance(read, str | int | float | bool) else value
    return options
