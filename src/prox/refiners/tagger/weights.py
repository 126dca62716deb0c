"""The tagger's weights: one compressed file, read once per process."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from prox.refiners.tagger.documents import DocumentWeights
from prox.refiners.tagger.network import LineWeights
from prox.refiners.tagger.parts import PartWeights

LAYOUT = 1
"""Counts up when the same weights would mean something else; part of the fingerprint."""


@dataclass(frozen=True, slots=True)
class TaggerWeights:
    """Everything learned.

    Attributes:
        lines: The line network; `noise_threshold` is the probability from which a line is removed by default.
        parts: The judge of parts of lines.
        documents: The judge of documents.
        fingerprint: Of the file they came from.
    """

    lines: LineWeights
    parts: PartWeights
    documents: DocumentWeights
    noise_threshold: float
    fingerprint: str


def embedded_path() -> Path:
    """The weights that ship with the package."""
    return Path(str(files("prox.refiners.tagger") / "weights.npz"))


def load_weights(path: Path) -> TaggerWeights:
    """Read a weights file.

    Raises:
        OSError: The file cannot be read.
        KeyError, ValueError: It is not a weights file of this layout.
    """
    data = path.read_bytes()
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if int(arrays["layout"]) != LAYOUT:
        raise ValueError(f"{path}: weights of layout {int(arrays['layout'])}, this prox reads layout {LAYOUT}")

    def dense(name: str) -> tuple[np.ndarray, np.ndarray]:
        return _single(arrays[f"{name}.weight"]), _single(arrays[f"{name}.bias"])

    dilations = tuple(int(x) for x in arrays["lines.dilations"])
    layers = range(len(dilations))
    lines = LineWeights(
        embedding=arrays["lines.embedding"],
        embedding_scale=_single(arrays["lines.embedding_scale"]),
        enter=dense("lines.enter"),
        mix=tuple(dense(f"lines.mix.{i}") for i in layers),
        back=tuple(dense(f"lines.back.{i}") for i in layers),
        gather=dense("lines.gather"),
        spread=dense("lines.spread"),
        leave=(_single(arrays["lines.leave.weight"]), float(arrays["lines.leave.bias"])),
        dilations=dilations,
        context_after=int(arrays["lines.context_after"]),
    )
    return TaggerWeights(
        lines=lines,
        parts=PartWeights(**_fields(arrays, "parts.")),
        documents=DocumentWeights(**_fields(arrays, "documents.")),
        noise_threshold=float(arrays["lines.threshold"]),
        fingerprint=hashlib.sha256(data).hexdigest()[:16],
    )


def _fields(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Any]:
    found = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    return {name: _single(value) if value.ndim else float(value) for name, value in found.items()}


def _single(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
