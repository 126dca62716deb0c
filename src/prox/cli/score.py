"""`prox score`: how well refiners do on gold."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prox.cli.options import (
    Constrain,
    EngineOptions,
    Family,
    KeepThreshold,
    NoiseThreshold,
    RecipeFile,
    Refiners,
    SystemPrompt,
    Uncertain,
    engine_options,
)
from prox.errors import ProxError, UsageError

if TYPE_CHECKING:
    from prox.cli.candidates import Candidate
    from prox.runs.score import GoldScore


def score(
    gold: Annotated[list[str], typer.Argument(metavar="GOLD", help="Gold files, folders or globs.")],
    recipe: RecipeFile = None,
    refiner: Refiners = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="Another refiner on the same pages, side by side with the first; as often as you like. "
            "DOCUMENTS,CHUNKS names one per level; a recipe file (.yaml) brings its own options.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Score these records only; one field given twice means either value."),
    ] = None,
    most_suspect: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out records whose field `suspect` is higher, e.g. 0.25."),
    ] = None,
    keep_threshold: KeepThreshold = None,
    noise_threshold: NoiseThreshold = None,
    uncertain: Uncertain = None,
    family: Family = None,
    system_prompt: SystemPrompt = None,
    constrain: Constrain = False,
    engine_option: EngineOptions = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Score refiners against gold: pages with labelled lines, documents labelled keep or drop.

    Line gold is JSONL with raw_text and line_labels (one for each line, 1 = noise), or with raw_text and program (then
    the figures say how far refiners agree with it); optional are neutral_lines, partials, site. Document gold has text
    and keep (0 or 1). Intervals hold 95 % of 1,000 draws of the sites; differences are to the first refiner.

    Example: prox score gold/*.jsonl.gz --refiner tagger --against stored:refined/programs --only language=en
    """
    import orjson

    from prox.cli.candidates import candidates_from_options
    from prox.cli.score_output import as_json, show
    from prox.runs.bootstrap import bootstrap

    candidates = candidates_from_options(
        recipe,
        refiner,
        against or [],
        model_options={
            "family": family,
            "system_prompt": system_prompt,
            "constrain": constrain or None,
            "engine_options": engine_options(engine_option) or None,
        },
        thresholds={"keep_threshold": keep_threshold, "noise_threshold": noise_threshold},
        uncertain=uncertain,
    )
    wanted = _filter(only or [], most_suspect)
    scores: dict[str, GoldScore] = {}
    # Those that take minutes come last, so that what is wrong with the others shows first.
    for candidate in sorted(candidates, key=lambda each: each.recipe.has_language_model):
        scores[candidate.letter] = _score(gold, candidate, wanted, alone=len(candidates) == 1)
    in_order = [(candidate, scores[candidate.letter]) for candidate in candidates]
    sure = bootstrap([each.pages for _, each in in_order])
    if json:
        typer.echo(orjson.dumps(as_json(gold, in_order, sure), option=orjson.OPT_INDENT_2).decode())
    else:
        show(in_order, sure)


def _score(
    gold: Sequence[str], candidate: "Candidate", wanted: Callable[[dict[str, Any]], bool], alone: bool
) -> "GoldScore":
    from prox.runs.recipe import refiner_for
    from prox.runs.score import score_gold

    with _Progress(candidate.name) as progress:
        try:
            return score_gold(gold, lambda level: refiner_for(candidate.recipe, level), wanted, progress.advance)
        except ProxError as error:
            if alone:
                raise
            raise type(error)(f"{candidate.name}: {error}") from error


def _filter(only: Sequence[str], most_suspect: float | None) -> Callable[[dict[str, Any]], bool]:
    wanted: dict[str, set[str]] = {}
    for each in only:
        field, equals, value = each.partition("=")
        if not field or not equals:
            raise UsageError(f'--only "{each}" is not FIELD=VALUE. Write for example --only language=en')
        wanted.setdefault(field, set()).add(value)

    def keep(record: dict[str, Any]) -> bool:
        suspect = record.get("suspect")
        if most_suspect is not None and isinstance(suspect, int | float) and suspect > most_suspect:
            return False
        return all(field in record and _written(record[field]) in values for field, values in wanted.items())

    return keep


def _written(value: object) -> str:
    """A field's value as people write it on the command line, which for true, false and null is JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


class _Progress:
    """Pages scored, on standard error: a live line for a terminal, one plain line at the end for a log."""

    def __init__(self, spec: str) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.console = Console(stderr=True)
        self.spec = spec
        self.pages = 0
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}: {task.completed:.0f} pages", markup=False),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(spec, total=None)

    def __enter__(self) -> "_Progress":
        self.bar.start()
        return self

    def advance(self, pages: int) -> None:
        self.pages += pages
        self.bar.advance(self.task, pages)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.bar.stop()
        if kind is None and not self.console.is_terminal:
            self.console.print(f"{self.spec}: {self.pages} pages", markup=False, highlight=False, soft_wrap=True)
