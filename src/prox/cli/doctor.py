"""`prox doctor`: is a refiner asked in the right way?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from prox.cli.options import (
    Constrain,
    EngineOptions,
    Family,
    KeepThreshold,
    NoiseThreshold,
    OneLevel,
    RecipeFile,
    Refiners,
    SystemPrompt,
    engine_options,
)
from prox.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

    from prox.runs.doctor import Diagnosis, Finding

_SHOWN_LINES = 8  # at either end of a prompt


def doctor(
    recipe: RecipeFile = None,
    refiner: Refiners = None,
    level: OneLevel = None,
    keep_threshold: KeepThreshold = None,
    noise_threshold: NoiseThreshold = None,
    family: Family = None,
    system_prompt: SystemPrompt = None,
    constrain: Constrain = False,
    engine_option: EngineOptions = None,
    full: Annotated[bool, typer.Option("--full", help="Show prompts from beginning to end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Load a refiner and let it refine three built-in pages with known noise: prompt, output, program and effect.

    Ends with exit code 1, and the likely cause, if its output cannot be used or does nothing.

    Example: prox doctor --refiner vllm:gair-prox/web-chunk-refining-lm
    """
    import sys

    import orjson
    from rich.console import Console

    from prox.cli.running import recipe_from_options
    from prox.runs.doctor import examine
    from prox.runs.recipe import load_stages

    resolved = recipe_from_options(
        recipe,
        input=(),
        output="",
        stages=refiner,
        level=level,
        keep_threshold=keep_threshold,
        noise_threshold=noise_threshold,
        family=family,
        system_prompt=system_prompt,
        constrain=constrain or None,
        engine_options=engine_options(engine_option) or None,
        workers=1,
    )
    diagnoses = [examine(stage) for stage in load_stages(resolved)]
    if json:
        sys.stdout.buffer.write(
            orjson.dumps([_as_json(each) for each in diagnoses], option=orjson.OPT_INDENT_2) + b"\n"
        )
    else:
        console = Console()
        for diagnosis in diagnoses:
            _show(diagnosis, console, full)
    if problems := [problem for diagnosis in diagnoses for problem in diagnosis.problems]:
        raise RunError(f"this refiner must not be used like this. {problems[-1] if json else 'See above.'}")


def _as_json(diagnosis: "Diagnosis") -> dict[str, Any]:
    from prox.program import Program

    return {
        "stage": diagnosis.stage,
        "level": str(diagnosis.level),
        "sound": not diagnosis.problems,
        "problems": diagnosis.problems,
        "warnings": diagnosis.warnings,
        "facts": dict(diagnosis.facts),
        "pages": [
            {
                "page": each.page,
                "prompt": each.prompt,
                "written": each.written,
                "score": each.score,
                "program": str(each.outcome.program),
                "rejected": [
                    f"{Program((rejected.operation,))}: {rejected.reason}" for rejected in each.outcome.rejected
                ],
                "failures": each.failures,
                "noise_found": round(each.noise_found, 4),
                "content_lost": round(each.content_lost, 4),
                "words_before": each.words[0],
                "words_after": each.words[1],
            }
            for each in diagnosis.findings
        ],
    }


def _show(diagnosis: "Diagnosis", console: "Console", full: bool) -> None:
    from rich.text import Text

    from prox.visible import visible

    title = f"{diagnosis.level} level: {visible(diagnosis.stage)}"
    console.rule(Text(title, style="bold"), align="left")
    for name, value in diagnosis.facts:
        console.print(f"{name}: {visible(value)}", markup=False, highlight=False, soft_wrap=True)
    for finding in diagnosis.findings:
        _show_finding(finding, console, full)
    console.print()
    for warning in diagnosis.warnings:
        console.print(Text(f"warning: {visible(warning)}", style="yellow"))
    for problem in diagnosis.problems:
        console.print(Text(f"problem: {visible(problem)}", style="bold red"))
    if not diagnosis.problems and diagnosis.warnings:
        console.print(
            Text("usable, but look at the warnings: its programs can be read and have an effect", style="yellow")
        )
    elif not diagnosis.problems:
        console.print(Text("sound: its programs can be read and have an effect", style="green"))
    console.print()


def _show_finding(finding: "Finding", console: "Console", full: bool) -> None:
    from rich.panel import Panel
    from rich.text import Text

    console.print()
    console.print(Text(finding.page, style="bold"))
    if finding.prompt:
        console.print(Panel(Text(_shown(finding.prompt, full)), title="prompt", title_align="left", style="dim"))
        written = "nothing" if not finding.written else _shown(finding.written, full)
        console.print(Panel(Text(written), title="output", title_align="left"))
    program = str(finding.outcome.program) or "; ".join(finding.failures) or "no operation"
    console.print(Panel(Text(_shown(program, full)), title="program", title_align="left"))
    effect = f"noise lines removed {finding.noise_found:.0%}, content words lost {finding.content_lost:.0%}, words "
    effect += f"{finding.words[0]} → {finding.words[1]}"
    if finding.score is not None:
        effect += f", keep score {finding.score:.3f}"
    console.print(effect, markup=False, highlight=False)


def _shown(text: str, full: bool) -> str:
    from prox.visible import visible

    lines = [visible(line) for line in text.split("\n")]
    if not full and len(lines) > 2 * _SHOWN_LINES + 1:
        left_out = len(lines) - 2 * _SHOWN_LINES
        lines[_SHOWN_LINES:-_SHOWN_LINES] = [f"… {left_out} more lines (--full shows them) …"]
    return "\n".join(lines)
