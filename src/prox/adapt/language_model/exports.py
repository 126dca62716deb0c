"""Training sets as files, for those who train elsewhere."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prox.adapt.language_model.examples import Example
from prox.adapt.whole_files import JsonLinesFile
from prox.errors import UsageError
from prox.refiners.language_model.adapted import FILE
from prox.refiners.language_model.families import Family
from prox.refiners.language_model.layouts import PLACE

FORMATS = ("messages", "llama-factory", "rendered")

TRAINING, VALIDATION = "train.jsonl", "validation.jsonl"


def messages_of(example: Example, family: Family) -> list[dict[str, str]]:
    """A conversation in roles and contents, as trl and ms-swift read it."""
    turns = [{"role": turn.role, "content": turn.content.replace(PLACE, example.body)} for turn in family.messages]
    return [*turns, {"role": "assistant", "content": example.program}]


def _rendered(example: Example, family: Family) -> dict[str, Any]:
    return {"prompt": example.prompt, "completion": example.program}


def _messages(example: Example, family: Family) -> dict[str, Any]:
    return {"messages": messages_of(example, family)}


_WRITERS: dict[str, Callable[[Example, Family], dict[str, Any]]] = {
    "messages": _messages,
    "llama-factory": _messages,
    "rendered": _rendered,
}


def write_training_set(
    folder: Path, training: Sequence[Example], validation: Sequence[Example], family: Family, form: str
) -> None:
    """Write `train.jsonl` and `validation.jsonl`, and what the framework wants beside them.

    Args:
        folder: Is made; must not hold a training set.
        training, validation: The examples.
        family: They were made for.
        form: `messages` (trl, ms-swift), `llama-factory` (the same, with `dataset_info.json`), or `rendered` (prompt
            and completion as text, for those who want no template in between).

    Raises:
        UsageError: There is no such form, or the folder holds a training set or a model.
    """
    if form not in FORMATS:
        raise UsageError(f'there is no format "{form}"; choose one of {", ".join(FORMATS)}')
    if (folder / TRAINING).exists():
        raise UsageError(f"{folder} holds a training set already; name a new folder")
    if (folder / FILE).exists():  # it would be told to be asked as this training set is
        raise UsageError(f"{folder} holds a model that was adapted ({FILE}); name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, examples in ((VALIDATION, validation), (TRAINING, training)):
        with JsonLinesFile(str(folder / name)) as file:
            for each in examples:
                file.write({**_WRITERS[form](each, family), "id": each.document_id, "site": each.site})
            file.finish()
    if form == "llama-factory":
        info = {f"prox_{name}": _dataset_info(f"{name}.jsonl") for name in ("train", "validation")}
        (folder / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def _dataset_info(file: str) -> dict[str, Any]:
    """How LLaMA-Factory is told that a file holds conversations by role and content."""
    return {
        "file_name": file,
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }
