"""`prox refine`: a corpus in, refined text and the programs that made it out."""

from typing import Annotated, Any

import typer

from prox.cli.options import (
    Constrain,
    Corpus,
    DespiteChanges,
    Engine,
    EngineOptions,
    Family,
    Format,
    Gpus,
    HtmlToText,
    KeepThreshold,
    Memory,
    MostUnusable,
    NoiseThreshold,
    OneLevel,
    OnFailure,
    RecipeFile,
    Refiners,
    RunJson,
    StartOver,
    SystemPrompt,
    TextField,
    TimeLimit,
    Uncertain,
    UnitBytes,
    UnitDocuments,
    Workers,
    engine_options,
)


def refine(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT... OUTPUT",
            help="Files, folders or globs of JSONL, Parquet, WARC or WET; then a new folder, or that of the run to "
            "continue. A recipe may name them instead.",
        ),
    ] = None,
    recipe: RecipeFile = None,
    refiner: Refiners = None,
    level: OneLevel = None,
    keep_threshold: KeepThreshold = None,
    noise_threshold: NoiseThreshold = None,
    uncertain: Uncertain = None,
    family: Family = None,
    system_prompt: SystemPrompt = None,
    constrain: Constrain = False,
    engine_option: EngineOptions = None,
    on_failure: OnFailure = None,
    most_unusable: MostUnusable = None,
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    format: Format = None,
    unit_bytes: UnitBytes = None,
    unit_documents: UnitDocuments = None,
    engine: Engine = None,
    workers: Workers = None,
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: TimeLimit = None,
    start_over: StartOver = False,
    despite_changes: DespiteChanges = False,
    json: RunJson = False,
) -> None:
    """Refine a corpus: drop worthless documents, remove noise from the others.

    A document of which editing leaves 10 words or fewer, or 5 % of its words or less, is dropped too.

    OUTPUT gets text/ (refined documents), programs/ (one row for every input record), quarantine/ (records that could
    not be read), ledger/ (what is done), run.json, and report.html to look at. The same command again continues a run
    that was stopped.

    Example: prox refine crawl/*.jsonl.gz refined

    With language models: prox refine crawl refined --recipe recipes/prox-general.yaml
    """
    if len(paths or ()) > 1 and recipe is None and refiner is None and engine in (None, "local") and workers != 0:
        from prox.runs.worker_server import start_server

        start_server()  # it loads what workers need while this process loads what it needs itself
    from prox.cli.running import recipe_from_options, run

    resolved = recipe_from_options(
        recipe,
        **_places(paths or [], recipe),
        stages=refiner,
        level=level,
        keep_threshold=keep_threshold,
        noise_threshold=noise_threshold,
        uncertain=uncertain,
        family=family,
        system_prompt=system_prompt,
        constrain=constrain or None,
        engine_options=engine_options(engine_option) or None,
        on_failure=on_failure,
        most_unusable=most_unusable,
        corpus=corpus,
        text_field=text_field,
        html_to_text=html_to_text,
        format=format,
        unit_bytes=unit_bytes,
        unit_documents=unit_documents,
        engine=engine,
        workers=workers,
        gpus=gpus,
        memory=memory,
        time_limit=time_limit,
    )
    run(resolved, json, start_over, despite_changes)


def _places(paths: list[str], recipe: str | None) -> dict[str, Any]:
    """INPUT and OUTPUT, as far as they are not left to the recipe."""
    from prox.errors import UsageError
    from prox.runs.recipe import read_recipe

    named = read_recipe(recipe).keys() if recipe is not None else ()
    if len(paths) > 1:
        return {"input": tuple(paths[:-1]), "output": paths[-1]}
    if paths and "output" in named:
        return {"input": (paths[0],)}
    if not paths and {"input", "output"} <= set(named):
        return {}
    missing = "OUTPUT, a new folder for the refined text" if paths or "input" in named else "INPUT and OUTPUT"
    raise UsageError(f"name {missing}: prox refine INPUT... OUTPUT, e.g. prox refine crawl/*.jsonl.gz refined")
