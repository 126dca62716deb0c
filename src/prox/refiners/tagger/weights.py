"""The tagger's weights: one compressed file, read once per process."""

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from prox.corpora.storage import open_file_system
from prox.errors import UsageError
from prox.refiners.tagger.documents import STATISTICS, DocumentWeights
from prox.refiners.tagger.features import BUCKETS, NUMERIC
from prox.refiners.tagger.network import LineWeights
from prox.refiners.tagger.part_judge import BINS, ROWS, WORDS_BEFORE, PartWeights
from prox.refiners.tagger.parts import KINDS

LAYOUT = 2
"""Counts up when the same weights would mean something else; part of the fingerprint."""

WEIGHTS_FILE = "weights.npz"
"""The name of the weights in the folder of a trained tagger."""

_ADVICE = "Give the folder that prox adapt tagger wrote, or a weights file (.npz) from one"


@dataclass(frozen=True, slots=True)
class TaggerWeights:
    """Everything learned.

    Attributes:
        lines: The line network; `noise_threshold` is the probability from which a line is removed by default.
        parts: The judge of parts of lines; None if lines are all that the tagger learned to remove.
        documents: The judge of documents; None if it learned from no document labels.
        fingerprint: Of the file they came from.
    """

    lines: LineWeights
    parts: PartWeights | None
    documents: DocumentWeights | None
    noise_threshold: float
    fingerprint: str


def embedded_path() -> Path:
    """The weights that ship with the package."""
    return Path(str(files("prox.refiners.tagger") / WEIGHTS_FILE))


def read_weights(path: str) -> bytes:
    """The weights file of a folder, or the file itself, on any fsspec path.

    Raises:
        UsageError: There is none, or it cannot be read.
    """
    fs, place = open_file_system(path)
    file = place if place.endswith(".npz") else f"{place.rstrip('/')}/{WEIGHTS_FILE}"
    try:
        if not fs.exists(place):
            raise UsageError(f"there is no tagger at {path}. {_ADVICE}.")
        if not fs.isfile(file):
            raise UsageError(f"{path} holds no {WEIGHTS_FILE}. {_ADVICE}.")
        data: bytes = fs.cat_file(file)
    except OSError as error:
        raise UsageError(f"the tagger at {path} cannot be read: {error}") from error
    return data


def load_weights(path: Path | str) -> TaggerWeights:
    """Weights from a folder or file; what `read_weights` and `parse_weights` raise."""
    return parse_weights(read_weights(str(path)), str(path))


def parse_weights(data: bytes, name: str) -> TaggerWeights:
    """Weights from the bytes of their file; nothing in it is ever unpickled.

    Raises:
        UsageError: It is no weights file, or one of another layout.
    """
    try:
        return _weights(weight_arrays(data), hashlib.sha256(data).hexdigest()[:16])
    except _OtherLayoutError as error:
        raise UsageError(
            f"{name} has weights of layout {error}, this prox reads layout {LAYOUT}: train it again with prox adapt "
            "tagger, or use the version of prox that wrote it"
        ) from error
    except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{name} is no weights file of a tagger ({error}). {_ADVICE}.") from error


class _OtherLayoutError(Exception):
    """Weights that mean something else."""


def weight_arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a weights file by name.

    Raises:
        ValueError, OSError, zipfile.BadZipFile: It is no file of arrays.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError("not a .npz file")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _weights(arrays: dict[str, np.ndarray], fingerprint: str) -> TaggerWeights:
    layout = int(arrays["layout"])
    if layout != LAYOUT:
        raise _OtherLayoutError(layout)
    return TaggerWeights(
        lines=_lines(arrays),
        parts=_parts(_fields(arrays, "parts.")),
        documents=_documents(_fields(arrays, "documents.")),
        noise_threshold=float(arrays["lines.threshold"]),
        fingerprint=fingerprint,
    )


def _lines(arrays: dict[str, np.ndarray]) -> LineWeights:
    embedding = arrays["lines.embedding"]
    columns = _shaped(embedding, BUCKETS, None).shape[1]
    if embedding.dtype != np.int8:
        raise ValueError(f"embeddings are {embedding.dtype}, not int8")
    hidden = len(arrays["lines.enter.bias"])

    def dense(name: str, rows: int, out: int) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = _single(arrays[f"lines.{name}.weight"]), _single(arrays[f"lines.{name}.bias"])
        return _shaped(weight, rows, out), _shaped(bias, out)

    dilations, context_before = (tuple(map(int, arrays[f"lines.{name}"])) for name in ("dilations", "context_before"))
    if min(dilations, default=1) < 1:
        raise ValueError("dilations are positive numbers")
    layers, contexts = range(len(dilations)), range(len(context_before))
    mixed, near, told = (int(arrays[f"lines.{name}"]) for name in ("mixed", "near", "context"))
    if not 0 <= near <= hidden:
        raise ValueError("lines share more than they have")
    return LineWeights(
        embedding=embedding,
        embedding_scale=_shaped(_single(arrays["lines.embedding_scale"]), columns),
        enter=dense("enter", columns + NUMERIC, hidden),
        mix=tuple(dense(f"mix.{i}", hidden + 2 * near, mixed) for i in layers),
        back=tuple(dense(f"back.{i}", mixed, hidden) for i in layers),
        gather=tuple(dense(f"gather.{i}", hidden, 2 * told) for i in contexts),
        spread=tuple(dense(f"spread.{i}", 5 * told, hidden) for i in contexts),
        leave=(_shaped(_single(arrays["lines.leave.weight"]), hidden), float(arrays["lines.leave.bias"])),
        dilations=dilations,
        context_before=context_before,
    )


def _parts(fields: dict[str, Any]) -> PartWeights | None:
    if not fields:
        return None
    _shaped(fields["table"], ROWS, BINS), _shaped(fields["words"], BUCKETS)
    _shaped(fields["words_before"], WORDS_BEFORE), _shaped(fields["thresholds"], KINDS)
    return PartWeights(**fields)


def _documents(fields: dict[str, Any]) -> DocumentWeights | None:
    if not fields:
        return None
    for name in ("words", "idf"):
        _shaped(fields[name], 2, BUCKETS)
    for name in ("statistics", "mean", "scale"):
        _shaped(fields[name], STATISTICS)
    return DocumentWeights(**fields)


def _shaped(array: np.ndarray, *shape: int | None) -> np.ndarray:
    if len(array.shape) != len(shape) or any(a != b for a, b in zip(array.shape, shape, strict=True) if b is not None):
        raise ValueError(f"an array has the shape {array.shape}, not {shape}")
    return array


def _fields(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Any]:
    found = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    return {name: _single(value) if value.ndim else float(value) for name, value in found.items()}


def _single(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
