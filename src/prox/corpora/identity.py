"""The id of a document: the record's own, or one made from its content and position."""

import hashlib
from collections.abc import Mapping
from typing import Any

from prox.corpora import json_text
from prox.corpora.arrow_values import to_json_value
from prox.corpora.presets import Preset


def own_id(record: Mapping[str, Any], preset: Preset) -> Any:
    """The value of the first id field that the record fills, as it stands there; None if it fills none."""
    for field in preset.id_fields:
        if is_id(value := record.get(field)):
            return value
    return None


def is_id(value: Any) -> bool:
    """Whether a value says anything: it is neither null nor empty."""
    return value is not None and value != "" and value != b""


def made_id(text: str, file: str, place: int) -> str:
    """The id of a record that has none: the same on every machine and at every run, wherever the folder lies.

    Args:
        place: Of the record in its file, however that is cut: the byte where a line begins, or a row.
    """
    where = f"{file.rpartition('/')[2]}\n{place}\n"
    return "made-" + hashlib.sha256(where.encode(errors="surrogateescape") + text.encode()).hexdigest()[:32]


def id_text(value: Any) -> str:
    """The string form of an id: a string as it is, everything else as JSON."""
    if type(value) is str:
        return value
    value = to_json_value(value)
    return value if isinstance(value, str) else json_text.dumps(value).decode()


def id_fault(id: str) -> str | None:
    """Why an id cannot be written; None if it can."""
    return None if json_text.is_writable(id) else "lone surrogate: the id is not Unicode"


def shown_id(value: Any) -> str | None:
    """The id of a quarantined record, if it has one that can be written."""
    id = id_text(value) if is_id(value) else None
    return id if id is not None and id_fault(id) is None else None
