"""What decides about the output of a run, and how two runs differ in that."""

from typing import Any

from prox.corpora import shown_path
from prox.errors import UsageError
from prox.refiners.specs import shown_spec
from prox.runs.recipe import Recipe

_INDIFFERENT = frozenset(
    # Where and with what means: the same output comes of it. The input is compared file by file.
    ("input", "output", "engine", "workers", "memory", "time_limit", "gpus", "most_unusable", "engine_options")
)


def identity(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that a run may not change when it is continued, in a form that JSON keeps.

    Options of a language model's engine are left to the fingerprint of the refiner.
    """
    fields = recipe.model_dump(mode="json", exclude=set(_INDIFFERENT))
    for number, stage in enumerate(fields["stages"]):
        own = {"refiner": stage} if isinstance(stage, str) else stage
        set_fields = {name: value for name, value in own.items() if value not in (None, {}) and value is not False}
        fields["stages"][number] = set_fields | {"refiner": shown_path(shown_spec(own["refiner"]))}
        fields["stages"][number].pop("engine_options", None)
    return fields


def differing_fields(before: Any, now: Any, name: str) -> list[str]:
    """Lines that say what is different, one for each field."""
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = {field: (before.get(field, _ABSENT), now.get(field, _ABSENT)) for field in {**before, **now}}
        return [line for field, pair in pairs.items() for line in differing_fields(*pair, f"{name} {field}")]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        numbered = enumerate(zip(before, now, strict=True), 1)
        return [line for number, pair in numbered for line in differing_fields(*pair, f"{name} {number}")]
    return [] if before == now else [f"{name}: {_shown(before)} → {_shown(now)}"]


_ABSENT = object()


def _shown(value: Any) -> str:
    return "not given" if value is None or value is _ABSENT else str(value)


def refusal(output: str, changes: list[str]) -> UsageError:
    """What a person is told whose run would not be the same."""
    more = f"\n  … and {len(changes) - 10} more" if len(changes) > 10 else ""
    lines = "".join(f"\n  {line}" for line in changes[:10])
    return UsageError(
        f"{output} holds a run that was begun otherwise, so it is not continued:{lines}{more}\n"
        "Name a new folder for the new run; or add --despite-changes to go on (what is done stays as it is, except "
        "for files that changed or are gone), or --start-over to remove what that run wrote"
    )
