"""Figures with their uncertainty, and models compared: item by item, and seed by seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prox.errors import UsageError
from prox.pretrain.evaluation.measuring import Measured
from prox.pretrain.evaluation.results import Result
from prox.pretrain.evaluation.statistics import Estimate, Seeds, difference, estimate, mean, over_seeds


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a call.

    Attributes:
        names: Each once, in the order in which they were given.
        groups: Models that differ in their seed alone; equal positions of groups belong together.
    """

    names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]

    def letter(self, place: int) -> str:
        """A to Z, then A1 and so on."""
        return chr(ord("A") + place % 26) + (str(place // 26) if place >= 26 else "")

    def bases(self) -> dict[int, int]:
        """Which model each is compared with: its counterpart in the first group, or the first model of all."""
        if not self.groups:
            return dict.fromkeys(range(1, len(self.names)), 0)
        first, *others = self.groups.values()
        places = {name: place for place, name in enumerate(self.names)}
        pairs = [(places[name], places[base]) for group in others for name, base in zip(group, first, strict=True)]
        return {place: base for place, base in pairs if place != base}


def models_of(given: Sequence[str], groups: Sequence[str]) -> Models:
    """Models and groups (`NAME=MODEL,MODEL,…`) as they are written on the command line.

    Raises:
        UsageError: There is no model, a group is written wrongly, or groups are of different sizes.
    """
    named: dict[str, tuple[str, ...]] = {}
    for each in groups:
        name, equals, members = each.partition("=")
        models = tuple(member.strip() for member in members.split(",") if member.strip())
        if not name or not equals or not models:
            raise UsageError(f'--group "{each}" is not NAME=MODEL,MODEL. Write for example --group raw=raw-1,raw-2')
        if name in named:
            raise UsageError(f'there are two groups "{name}"')
        if len(set(models)) < len(models):
            raise UsageError(f'the group "{name}" names a model twice')
        named[name] = models
    if len({len(models) for models in named.values()}) > 1:
        sizes = ", ".join(f"{name} has {len(models)}" for name, models in named.items())
        raise UsageError(f"groups are compared seed by seed and must have as many models each; {sizes}")
    names = tuple(dict.fromkeys([*given, *(model for models in named.values() for model in models)]))
    if not names:
        raise UsageError("name at least one model: a folder as transformers saves it, or a name on the hub")
    return Models(names, named)


def compare(models: Models, measured: Sequence[Measured]) -> dict[str, Any]:
    """All figures and differences, as `--json` gives them: a row for each task and text, and one for each suite's mean.

    The mean of a suite is given for a model only if all of its tasks could be measured.
    """
    rows: list[dict[str, Any]] = []
    scored: list[_Row] = []
    for stream, each in enumerate(measured):
        row = _Row(each, models, stream)
        scored.append(row)
        rows.append(row.report())
    suites = [
        _suite(suite, [row for row in scored if row.measured.suite == suite], models)
        for suite in dict.fromkeys(row.measured.suite for row in scored if row.measured.suite)
    ]
    groups = {name: list(members) for name, members in models.groups.items()}
    listed = [{"letter": models.letter(place), "model": name} for place, name in enumerate(models.names)]
    return {"models": listed, "groups": groups, "rows": rows, "suites": suites}


class _Row:
    """The estimates of one task or text, each computed once."""

    def __init__(self, measured: Measured, models: Models, stream: int) -> None:
        self.measured = measured
        self._models = models
        self.figures: dict[int, Estimate] = {}
        self.differences: dict[int, Estimate] = {}
        self._unpaired: dict[int, int] = {}
        results = measured.results
        for place, result in enumerate(results):
            if isinstance(result, Result):
                self.figures[place] = _figure(result, stream)
        for place, base in models.bases().items():
            first, other = results[base], results[place]
            if isinstance(first, Result) and isinstance(other, Result):
                self.differences[place], self._unpaired[place] = _difference(first, other, stream)

    def report(self) -> dict[str, Any]:
        results = self.measured.results
        first = next((each for each in results if isinstance(each, Result)), None)
        cells: list[dict[str, Any]] = []
        for place, result in enumerate(results):
            cell: dict[str, Any] = {"letter": self._models.letter(place)}
            if isinstance(result, Result):
                cell |= _numbers(self.figures[place]) | {
                    "items": len(result.items),
                    "figures": dict(result.figures),
                    "notes": list(result.notes),
                    "from_output": place in self.measured.earlier,
                }
            else:
                cell |= {"value": None, "reason": result}
            cells.append(cell)
        return {
            "name": self.measured.name,
            "suite": self.measured.suite,
            "metric": first.metric if first else None,
            "higher_is_better": first.higher_is_better if first else None,
            "shots": first.shots if first else None,
            "context": first.context if first else None,
            "models": cells,
            "differences": [
                {**each, "unpaired": self._unpaired[place]}
                for place, each in zip(self.differences, _differences(self.differences, self._models), strict=True)
            ],
            **_groups(self._models, {place: each.value for place, each in self.figures.items()}),
        }


def _suite(name: str, rows: Sequence[_Row], models: Models) -> dict[str, Any]:
    whole = {place: [row.figures[place] for row in rows] for place in _in_all(rows, lambda row: row.figures)}
    figures = {place: mean(each) for place, each in whole.items()}
    apart = {place: [row.differences[place] for row in rows] for place in _in_all(rows, lambda row: row.differences)}
    differences = {place: mean(each) for place, each in apart.items()}
    cells: list[dict[str, Any]] = []
    for place in range(len(models.names)):
        missing = [row.measured.name for row in rows if place not in row.figures]
        numbers = _numbers(figures[place]) if place in figures else {"value": None}
        cells.append(
            {"letter": models.letter(place), **numbers, "scored": len(rows) - len(missing), "missing": missing}
        )
    return {
        "suite": name,
        "tasks": len(rows),
        "models": cells,
        "differences": _differences(differences, models),
        **_groups(models, {place: each.value for place, each in figures.items()}),
    }


def _in_all(rows: Sequence[_Row], of: Callable[[_Row], Mapping[int, Estimate]]) -> list[int]:
    return sorted(set.intersection(*(set(of(row)) for row in rows)))


def _figure(result: Result, stream: int) -> Estimate:
    if result.value is None:
        return estimate(result.sample(), stream)
    return estimate_without_items(result.value)


def estimate_without_items(value: float) -> Estimate:
    """A figure of which only the whole is known, such as F1."""
    import numpy as np

    return Estimate(value, None, np.zeros(0), np.zeros(0))


def _difference(first: Result, other: Result, stream: int) -> tuple[Estimate, int]:
    """On the items that both have, and how many only one of them has."""
    if first.value is not None or other.value is not None:
        return estimate_without_items(_figure(other, stream).value - _figure(first, stream).value), 0
    theirs = {item.key for item in other.items}
    keys = [item.key for item in first.items if item.key in theirs]
    unpaired = len(first.items) + len(other.items) - 2 * len(keys)
    if not keys:
        return estimate_without_items(other.sample().value - first.sample().value), unpaired
    return difference(first.sample(keys), other.sample(keys), stream), unpaired


def _numbers(each: Estimate) -> dict[str, Any]:
    interval = each.interval
    return {
        "value": each.value,
        "standard_error": each.standard_error,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }


def _differences(differences: Mapping[int, Estimate], models: Models) -> list[dict[str, Any]]:
    bases = models.bases()
    return [
        {"letter": models.letter(place), "less": models.letter(bases[place]), **_numbers(each), "p": each.p}
        for place, each in differences.items()
    ]


def _groups(models: Models, values: Mapping[int, float]) -> dict[str, Any]:
    """Means and spreads over seeds, and the differences to the first group, of groups whose models all have a value."""
    places = {name: place for place, name in enumerate(models.names)}
    whole = {
        name: [values[places[member]] for member in members]
        for name, members in models.groups.items()
        if all(places[member] in values for member in members)
    }
    if not models.groups:
        return {}
    first = next(iter(models.groups))
    pairs = [name for name in whole if name != first and first in whole]
    return {
        "groups": [{"group": name, **_seeds(over_seeds(own))} for name, own in whole.items()],
        "group_differences": [
            {
                "group": name,
                "less": first,
                **_seeds(over_seeds([a - b for a, b in zip(whole[name], whole[first], strict=True)])),
            }
            for name in pairs
        ],
    }


def _seeds(seeds: Seeds) -> dict[str, Any]:
    return {
        "mean": seeds.mean,
        "deviation": seeds.deviation,
        "standard_error": seeds.standard_error,
        "low": seeds.interval.low if seeds.interval else None,
        "high": seeds.interval.high if seeds.interval else None,
        "models": seeds.models,
    }
