"""The fields of a family in `prox.json`, and what they may be."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from prox.refiners.draft import Level


class LayoutFields(BaseModel):
    """Those of `Layout`."""

    model_config = ConfigDict(extra="forbid")

    before: str
    after: str
    begin: str = ""
    strip_end: bool = False
    control: tuple[str, ...] = ()


class FamilyFields(BaseModel):
    """Those of `Family`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    level: Level
    dialect: str
    layout: LayoutFields
    window: int | None
    window_unit: Literal["tokens", "characters"]
    overlap: float
    most_document_tokens: int | None
    max_new_tokens: int
    stop: tuple[str, ...]
    answers: tuple[str, str]
    policy: dict[str, int | float | bool | None]
