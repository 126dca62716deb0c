"""What `prox score` found, as JSON and as tables that fit into 80 columns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from rich import box
from rich.table import Column, Table
from rich.text import Text

from prox.cli.candidates import Candidate
from prox.cli.tables import table_console
from prox.corpora import shown_path
from prox.refiners.draft import Level
from prox.runs.bootstrap import SEED, Bootstrap, Difference, Interval
from prox.runs.score import GoldScore
from prox.runs.score_tally import NAMES, Scores, figure
from prox.visible import visible

Scored: TypeAlias = Sequence[tuple[Candidate, GoldScore]]

_SHOWN_KINDS = 5


def as_json(gold: Sequence[str], scored: Scored, sure: Bootstrap) -> dict[str, Any]:
    """The first refiner's figures at the top, the others' in `against`."""
    first, *others = [
        {
            "refiners": {level: shown_path(candidate.of_level(Level(level))) for level in score.fingerprints},
            "fingerprints": {level: shown_path(fingerprint) for level, fingerprint in score.fingerprints.items()},
            **asdict(score.overall),
            "intervals": {name: asdict(interval) for name, interval in intervals.items()},
            "differences": {name: asdict(difference) for name, difference in differences.items()},
            "sources": {source: asdict(each) for source, each in score.sources.items()},
        }
        for (candidate, score), intervals, differences in zip(scored, sure.intervals, sure.differences, strict=True)
    ]
    del first["differences"]
    score = scored[0][1]
    return {
        "gold": list(map(shown_path, gold)),
        **first,
        "left_out": score.left_out,
        "unusable": [asdict(each) for each in score.unusable],
        "bootstrap": {"resamples": sure.resamples, "seed": SEED, "clusters": sure.clusters, "sites": sure.sites},
        "against": others,
    }


def show(scored: Scored, sure: Bootstrap) -> None:
    """Print tables to standard output."""
    console = table_console()
    several = len(scored) > 1
    if several:
        for candidate, _ in scored:
            console.print(Text(visible(f"{candidate.letter}  {candidate.name}")), soft_wrap=True)
    console.print(_comparison(scored, sure))
    if scored[0][1].sources:
        for table in (_sources_of_lines(scored), _sources_of_documents(scored)):
            if table.row_count:
                console.print(table)
    for candidate, score in scored:
        lead = f"{candidate.letter}  " if several else ""
        for line in _about_programs(score.overall):
            console.print(Text(lead + visible(line)), soft_wrap=True)
            lead = " " * len(lead)
    for line in _about_gold(scored[0][1], sure):
        console.print(Text(visible(line)), soft_wrap=True)


def _comparison(scored: Scored, sure: Bootstrap) -> Table:
    """All pages: a row for each figure and refiner, so that any number of them fits."""
    several = len(scored) > 1
    names = [*([""] if several else []), "value", "95 %", *(["less A", "95 %"] if several else [])]
    columns = [Column(name, justify="right") for name in names if sure.resamples or name != "95 %"]
    pages, documents = scored[0][1].overall.line_pages, scored[0][1].overall.document_pages
    counted = [f"{count:,} {name}" for count, name in ((pages, "pages"), (documents, "documents")) if count]
    table = Table("figure", *columns, title=f"All {' and '.join(counted)}")
    for name, label in NAMES.items():
        shown = label  # at the first refiner that has the figure
        for place, (candidate, score) in enumerate(scored):
            if (value := figure(score.overall, name)) is None:
                continue
            cells = [_number(name, value), *_range(name, sure, sure.intervals[place].get(name))]
            if several:
                difference = sure.differences[place].get(name)
                less = "" if difference is None else _number(name, difference.value, "+")
                cells = [candidate.letter, *cells, less, *_range(name, sure, difference, "+")]
            table.add_row(shown, *cells)
            shown = ""
    return table


def _range(name: str, sure: Bootstrap, interval: Interval | Difference | None, sign: str = "") -> list[str]:
    """The cell of an interval; no cell where there are no intervals at all."""
    if not sure.resamples:
        return []
    if interval is None or interval.low is None:
        return [""]
    return [f"{_number(name, interval.low, sign)}…{_number(name, interval.high, sign)}"]


def _number(name: str, value: float | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return f"{value:{sign}.2f}" if name == "programs.calls_mean" else f"{value:{sign}.3f}"


def _sources_of_lines(scored: Scored) -> Table:
    names = {
        "lines.precision": "precision",
        "lines.recall": "recall",
        "lines.f1": "F1",
        "lines.macro_f1": "mean\nF1",
        "content_tokens.f1": "words\nF1",
        "partials.found": "partials",
    }
    return _sources("Noise lines and content words, by source", scored, "line_pages", names, 16)


def _sources_of_documents(scored: Scored) -> Table:
    names = {
        "documents.keep_f1": "keep F1",
        "documents.drop_f1": "drop F1",
        "documents.accuracy": "accuracy",
        "documents.auc": "AUC",
    }
    return _sources("Keep or drop, by source", scored, "document_pages", names, 30)


def _sources(title: str, scored: Scored, counted: str, names: Mapping[str, str], widest: int) -> Table:
    several = len(scored) > 1
    letter = [Column("")] if several else []
    columns = [Column(name, justify="right") for name in ("pages", *names.values())]
    table = Table(
        Column("source", overflow="fold", max_width=widest), *letter, *columns, title=title, box=box.SIMPLE_HEAD
    )
    for source in scored[0][1].sources:
        groups = [(candidate.letter, score.sources[source]) for candidate, score in scored]
        count = getattr(groups[0][1], counted)
        for place, (letter_of, group) in enumerate(groups if count else ()):
            own_letter = [letter_of] if several else []
            figures = [_number(name, figure(group, name)) for name in names]
            shown, pages = ("", "") if place else (visible(source), f"{count:,}")
            last = several and place == len(groups) - 1
            table.add_row(Text(shown), *own_letter, pages, *figures, end_section=last)
    return table


def _about_programs(scores: Scores) -> list[str]:
    programs = scores.programs
    faults, calls = f"{programs.failure_ratio:.2%} with faults", f"{programs.calls_mean:.1f} operations a program"
    lines = [f"{programs.count:,} programs, {faults}, {calls}"]
    if kinds := [f"{kind} {count:,}" for kind, count in programs.failure_kinds.items()]:
        more = len(kinds) - _SHOWN_KINDS
        lines.append("faults: " + ", ".join(kinds[:_SHOWN_KINDS]) + (f", and {more} kinds more" if more > 0 else ""))
    for level, cost in scores.costs.items():
        if cost.tokens_in or cost.tokens_out:
            flops = "unknown" if cost.flops is None else f"{cost.flops:.2g}"
            tokens = f"{cost.tokens_in:,.0f} tokens in, {cost.tokens_out:,.0f} out, FLOPs {flops}"
            lines.append(f"{level} level, for each document: {tokens}")
    return lines


def _about_gold(score: GoldScore, sure: Bootstrap) -> list[str]:
    alone = sure.clusters - sure.sites
    drawn = f"{sure.sites:,} sites" + (f" and {alone:,} pages that name none" if alone else "")
    lines = [f"95 %: of {sure.resamples:,} draws with replacement, of {drawn}"]
    if not sure.resamples:
        lines = ["no intervals: all is of one site"]
    if score.overall.program_pages:
        lines.append(f"{score.overall.program_pages:,} pages are labelled by programs: agreement with who wrote them")
    if score.left_out:
        lines.append(f"{score.left_out:,} gold records left out by the filters")
    for fault in score.unusable:
        lines.append(f"{fault.count:,} records passed over: {fault.reason} (first: {fault.first})")
    return lines
