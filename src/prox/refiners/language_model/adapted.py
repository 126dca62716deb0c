"""How an adapted model is asked: written beside its weights when it was trained, read when it is loaded."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prox.errors import UsageError
from prox.program import Policy, get_dialect
from prox.refiners.language_model.families import Family
from prox.refiners.language_model.layouts import Layout

FILE = "prox.json"
FORMAT = 1


def write_family(folder: Path, family: Family, about: Mapping[str, Any]) -> None:
    """Write how the model in a folder is asked, with `about`: where it comes from and what it scored."""
    if family.layout is None:
        raise UsageError(f"the family {family.name} has no layout of its own and cannot be stored with a model")
    stored = {
        "format": FORMAT,
        "family": {
            "name": family.name,
            "level": str(family.level),
            "dialect": family.dialect.name,
            "layout": dataclasses.asdict(family.layout),
            "window": family.window,
            "window_unit": family.window_unit,
            "overlap": family.overlap,
            "most_document_tokens": family.most_document_tokens,
            "max_new_tokens": family.max_new_tokens,
            "stop": family.stop,
            "answers": family.answers,
            "policy": dataclasses.asdict(family.policy),
        },
        **about,
    }
    (folder / FILE).write_text(json.dumps(stored, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def has_family(folder: str) -> bool:
    """Whether a folder says how its model is asked."""
    return (Path(folder) / FILE).is_file()


def read_family(folder: str) -> Family:
    """The family of an adapted model.

    Raises:
        UsageError: What the folder says cannot be used.
    """
    from pydantic import ValidationError  # `import prox` goes without

    from prox.refiners.language_model.stored_family import FamilyFields

    path = Path(folder) / FILE
    try:
        stored = json.loads(path.read_bytes())
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise UsageError(f"{path} is not of the format that this prox writes; adapt the model again with it")
        fields = FamilyFields.model_validate(stored.get("family"))
        layout = Layout(**fields.layout.model_dump())
        policy = Policy(**fields.policy)  # type: ignore[arg-type]
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} cannot be used: {error}") from error
    return Family(
        name=fields.name,
        level=fields.level,
        dialect=get_dialect(fields.dialect),
        layout=layout,
        window=fields.window,
        window_unit=fields.window_unit,
        overlap=fields.overlap,
        most_document_tokens=fields.most_document_tokens,
        max_new_tokens=fields.max_new_tokens,
        stop=fields.stop,
        answers=fields.answers,
        policy=policy,
    )
