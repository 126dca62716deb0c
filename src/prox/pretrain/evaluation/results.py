"""What a model did on a task or a text, item by item, in memory and on disk."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prox.corpora import write_atomically
from prox.pretrain.evaluation.statistics import Sample


@dataclass(frozen=True, slots=True)
class Item:
    """A question of a task, or a document of a text.

    Attributes:
        key: Tells items apart, and is the same for all models: only items with equal keys are compared.
        value: Its score by the figure that counts, or the document's bits.
        weight: 1, or the document's bytes.
        stratum: What the item belongs to where a figure is a mean of means, or "".
        metrics: All its scores.
        answer: What the model wrote, where it had to write.
    """

    key: str
    value: float
    weight: float = 1.0
    stratum: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a model did on one task or text.

    Attributes:
        metric: The figure that counts: `acc_norm`, `exact_match,flexible-extract`, `bits_per_byte` …
        higher_is_better: Of this figure.
        figures: All figures of the task as lm-eval gives them.
        value: The figure that counts where it cannot be had from items one by one (F1 …), or None.
        notes: What a reader should know.
    """

    metric: str
    higher_is_better: bool
    items: tuple[Item, ...]
    figures: Mapping[str, float] = field(default_factory=dict)
    value: float | None = None
    shots: int | None = None
    context: int | None = None
    notes: tuple[str, ...] = ()

    def sample(self, keys: Sequence[str] | None = None) -> Sample:
        """The items as arrays: all of them, or those with these keys in this order."""
        items: Sequence[Item] = self.items
        if keys is not None:
            by_key = {item.key: item for item in items}
            items = [by_key[key] for key in keys]
        numbers: dict[str, int] = {}
        strata = [numbers.setdefault(item.stratum, len(numbers)) for item in items]
        return Sample(
            np.array([item.value for item in items], np.float64),
            np.array([item.weight for item in items], np.float64),
            np.array(strata, np.int64),
        )


class Store:
    """An output folder: one folder a model, two files a result, the second of which says that it is whole."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None

    def find(self, model: str, fingerprint: str, task: str, task_fingerprint: str) -> Result | None:
        """What an earlier call has measured; None if it has not, or if its files are no more whole."""
        if self._folder is None:
            return None
        items, summary = self._paths(model, fingerprint, task, task_fingerprint)
        try:
            record = json.loads(summary.read_bytes())
            lines = items.read_bytes().split(b"\n")[:-1]
            if len(lines) != record["items"]:
                return None
            fields = {name: record[name] for name in ("metric", "higher_is_better", "figures", "value", "shots")}
            found = tuple(Item(**json.loads(line)) for line in lines)
            return Result(**fields, items=found, context=record["context"], notes=tuple(record["notes"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, model: str, fingerprint: str, task: str, task_fingerprint: str, result: Result) -> None:
        """Write a result.

        Raises:
            OSError: The folder cannot be written to.
        """
        if self._folder is None:
            return
        items, summary = self._paths(model, fingerprint, task, task_fingerprint)
        write_atomically(str(items), b"".join(_lines(result.items)))
        record: dict[str, Any] = {name: getattr(result, name) for name in Result.__slots__ if name != "items"}
        record |= {"task": task, "model": model, "items": len(result.items)}
        write_atomically(str(summary), (json.dumps(record, indent=2, default=dict) + "\n").encode())

    def write_report(self, report: Mapping[str, Any]) -> None:
        """The figures and comparisons of this call, as `--json` gives them."""
        if self._folder is not None:
            write_atomically(str(self._folder / "evaluation.json"), (json.dumps(report, indent=2) + "\n").encode())

    def _paths(self, model: str, fingerprint: str, task: str, task_fingerprint: str) -> tuple[Path, Path]:
        assert self._folder is not None
        folder = self._folder / "models" / f"{_plain(Path(model).name)}-{_short(fingerprint)}"
        stem = f"{_plain(task)}-{task_fingerprint[:8]}"
        return folder / f"{stem}.items.jsonl", folder / f"{stem}.json"


def _lines(items: Sequence[Item]) -> Iterator[bytes]:
    for item in items:
        record = {name: value for name, value in asdict(item).items() if value not in (None, "", {})}
        yield (json.dumps(record) + "\n").encode()


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)[:60]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
