"""`prox preview`: documents before and after, in the terminal."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prox.cli.options import (
    Constrain,
    Corpus,
    EngineOptions,
    Family,
    HtmlToText,
    KeepThreshold,
    NoiseThreshold,
    OneLevel,
    RecipeFile,
    Refiners,
    SystemPrompt,
    TextField,
    Uncertain,
    engine_options,
)

if TYPE_CHECKING:
    from prox.corpora import Quarantined
    from prox.runs.stages import Refined


def preview(
    input: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Files, folders or globs of JSONL, Parquet, WARC or WET.")
    ],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many documents.")] = 5,
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
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    full: Annotated[bool, typer.Option("--full", help="Show every line of long documents.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one line of JSON for each document.")] = False,
) -> None:
    """Show some documents raw and refined side by side, with their programs and scores.

    Removed lines are red and carry a minus sign. In a line that is changed (~), what goes is marked yellow, or without
    colours in [-brackets-].

    Example: prox preview pages.jsonl -n 3
    """
    from rich.console import Console

    from prox.cli.running import recipe_from_options
    from prox.cli.sides import show
    from prox.corpora import json_text
    from prox.runs.preview import preview_documents

    resolved = recipe_from_options(
        recipe,
        input=tuple(input),
        output="",
        stages=refiner,
        level=level,
        keep_threshold=keep_threshold,
        noise_threshold=noise_threshold,
        uncertain=uncertain,
        family=family,
        system_prompt=system_prompt,
        constrain=constrain or None,
        engine_options=engine_options(engine_option) or None,
        corpus=corpus,
        text_field=text_field,
        html_to_text=html_to_text,
        workers=1,
    )
    console = Console()
    for entry in preview_documents(resolved, count):
        if json:
            sys.stdout.buffer.write(json_text.dumps(_as_json(entry)) + b"\n")
        else:
            show(entry, console, full)


def _as_json(entry: "Refined | Quarantined") -> dict[str, Any]:
    from prox.corpora import Quarantined

    if isinstance(entry, Quarantined):
        place = {"file": entry.file, "record": entry.record, "id": entry.id}
        return {**place, "decision": "quarantined", "reason": entry.reason}
    return {
        "id": entry.document.id,
        "decision": entry.decision,
        "reason": entry.reason,
        "words_before": entry.words_before,
        "words_after": entry.words_after,
        "program": str(entry.program),
        "raw": entry.document.text,
        "refined": entry.text,
        "stages": [
            {
                "stage": stage.stage,
                "level": stage.level,
                "score": stage.score,
                "line_scores": None if stage.line_scores is None else list(stage.line_scores),
                "rejected": stage.rejected,
                "failures": stage.failures,
                "raw_output": stage.raw_output,
            }
            for stage in entry.stages
        ],
    }
