"""What a training leaves beside its model: `pretrain.json` and `losses.jsonl`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prox.corpora import is_half_written, shown_path, write_atomically
from prox.errors import UsageError
from prox.pretrain.schedule import Schedule
from prox.pretrain.settings import Settings
from prox.runs.changes import differing_fields
from prox.runs.lock import LOCK_FILE
from prox.runs.record import version_of, versions

RECORD = "pretrain.json"
LOSSES = "losses.jsonl"
FLOPS = "6 N D: N parameters without embeddings (the matrix of the input), D tokens trained on"


def claim(output: str) -> dict[str, Any] | None:
    """Make the output folder, or find what an earlier training has written there.

    Raises:
        UsageError: It cannot be made, or holds something else.
    """
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inside = {path.name for path in folder.iterdir() if not is_half_written(path.name)} - {LOCK_FILE}
    except OSError as error:
        raise UsageError(f"cannot write into the folder {output}: {error.strerror or error}") from error
    if not inside:
        return None
    if RECORD not in inside:
        raise UsageError(f"{output} is not empty; name a new folder, or remove it first")
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if {"state", "identity"} <= record.keys():
            return record
    except (ValueError, AttributeError):
        pass
    raise UsageError(f"{output}/{RECORD} is not from a training that can be continued. Name a new folder")


def identity(settings: Settings, schedule: Schedule, **more: Any) -> dict[str, Any]:
    """What decides about the weights, in a form that JSON keeps."""
    fields = {name: getattr(settings, name) for name in ("seed", "corpus", "text_field", "html_to_text")}
    named = {"preset": settings.chosen.name, "model": settings.base, "tokenizer": settings.tokenizer_name}
    found: dict[str, Any] = json.loads(json.dumps({**named, **fields, "schedule": asdict(schedule), **more}))
    return found


def check_same(record: Mapping[str, Any], wanted: Mapping[str, Any], output: str) -> None:
    """
    Raises:
        UsageError: The folder holds a training with other settings.
    """
    before = record["identity"]
    if changes := [line for name in wanted for line in differing_fields(before.get(name), wanted[name], name)]:
        lines = "".join(f"\n  {line}" for line in changes[:10])
        raise UsageError(
            f"{output} holds a training that was begun otherwise, so it is not continued:{lines}\nName a new folder "
            "for the new one, or add --start-over to remove the other"
        )


def shown_settings(settings: Settings) -> dict[str, Any]:
    return asdict(settings) | {"input": list(map(shown_path, settings.input)), "output": shown_path(settings.output)}


def write_record(output: str, record: Mapping[str, Any]) -> None:
    write_atomically(f"{output}/{RECORD}", f"{json.dumps(record, indent=1, ensure_ascii=False)}\n".encode())


def shown_versions() -> dict[str, str]:
    more = {name: found for name in ("accelerate", "tokenizers") if (found := version_of(name)) is not None}
    return versions() | more


class Losses:
    """The loss curve: a line a step, and none behind the checkpoint that a training goes on from."""

    def __init__(self, output: str, step: int) -> None:
        path = Path(output) / LOSSES
        self.lines = [line for line in read_losses(output) if line["step"] <= step]
        write_atomically(str(path), b"".join(map(_line, self.lines)))
        self._file = path.open("ab")

    def add(self, figures: dict[str, float]) -> None:
        self.lines.append(figures)
        self._file.write(_line(figures))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _line(figures: Mapping[str, float]) -> bytes:
    return f"{json.dumps(figures)}\n".encode()


def read_losses(output: str) -> list[dict[str, float]]:
    """The curve as far as it can be read: what a kill leaves may end in the middle of a line."""
    path = Path(output) / LOSSES
    lines: list[dict[str, float]] = []
    if path.is_file():
        for line in path.read_bytes().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                break
    return lines
