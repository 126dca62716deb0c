"""Where known corpora keep their text and ids."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prox.corpora.pages import HtmlToText
from prox.errors import UsageError


@dataclass(frozen=True, slots=True)
class Preset:
    """Where the records of a corpus keep what a document needs.

    Attributes:
        id_fields: The first of them that a record fills gives its id; a record that fills none gets an id made from
            its content and position.
        marks: Sets of fields; records that have all fields of one set are recognised as this corpus.
        html_to_text: What makes text of the HTML pages of a web archive.
    """

    name: str
    text_field: str = "text"
    id_fields: tuple[str, ...] = ("id",)
    marks: tuple[frozenset[str], ...] = ()
    html_to_text: HtmlToText = "resiliparse"

    @property
    def used_fields(self) -> frozenset[str]:
        """The fields that are no metadata: the text, and `id` where ids come from there first."""
        return frozenset((self.text_field, *(field for field in self.id_fields[:1] if field == "id")))

    def with_text_field(self, name: str) -> "Preset":
        """The same preset with the text in another field."""
        ids = tuple(field for field in self.id_fields if field != name)
        return dataclasses.replace(self, text_field=name, id_fields=ids)


def _marks(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(fields.split()) for fields in sets)


_RAW_CONTENT_IDS = ("id", "doc_id", "digest", "url")

# The first match wins, so the more specific corpora come first.
PRESETS: tuple[Preset, ...] = (
    Preset("gold", text_field="raw_text", marks=_marks("raw_text line_labels")),
    Preset(
        "redpajama-v2",
        text_field="raw_content",
        id_fields=_RAW_CONTENT_IDS,
        marks=_marks("raw_content doc_id", "raw_content quality_signals", "raw_content cc_segment"),
    ),
    Preset(
        "ccnet",
        text_field="raw_content",
        id_fields=("id", "url", "digest"),
        marks=_marks("raw_content url nlines", "raw_content url digest"),
    ),
    Preset("fineweb-edu", marks=_marks("text dump int_score", "text dump score token_count")),
    Preset("fineweb", marks=_marks("text dump file_path", "text dump token_count", "text dump language_score")),
    Preset("refinedweb", text_field="content", marks=_marks("content url timestamp dump segment")),
    Preset(
        "dclm",
        marks=_marks(
            "text url warcinfo",
            "text url bff_contained_ngram_count_before_dedupe",
            "text url language_id_whole_page_fasttext",
        ),
    ),
    Preset("dolma", marks=_marks("id text source added")),
    Preset("openwebmath", marks=_marks("text url date metadata")),
    Preset("c4", marks=_marks("text url timestamp")),
    Preset("warc"),  # told from the format of the file
    Preset("plain", marks=_marks("text")),
)


def get_preset(name: str) -> Preset:
    """The preset of that name, in any case.

    Raises:
        UsageError: There is none; the text names the nearest.
    """
    names = [preset.name for preset in PRESETS]
    wanted = name.strip().lower().replace("_", "-")
    if wanted in names:
        return PRESETS[names.index(wanted)]
    near = difflib.get_close_matches(wanted, names, n=1)
    advice = f'Did you mean "{near[0]}"? ' if near else ""
    raise UsageError(f'there is no corpus preset "{name}". {advice}Known are {", ".join(sorted(names))}.')


def recognise(records: Sequence[Mapping[str, Any]], source: str = "the input") -> Preset:
    """The preset whose fields the records have; `plain` if there are no records.

    Args:
        source: Name of the file, for the error.

    Raises:
        UsageError: No field is known to hold the text.
    """
    if not records:
        return get_preset("plain")
    fields = _fields(records)
    for preset in PRESETS:
        if any(marks <= fields.keys() for marks in preset.marks):
            return preset
    raise _missing_text("text", records, source)


def check_text_field(preset: Preset, records: Sequence[Mapping[str, Any]], source: str = "the input") -> None:
    """Make sure that at least one of the first records has the text field.

    Raises:
        UsageError: None has it; the text names the fields that are there.
    """
    if records and preset.text_field not in _fields(records):
        raise _missing_text(preset.text_field, records, source)


def _missing_text(field: str, records: Sequence[Mapping[str, Any]], source: str) -> UsageError:
    noun = "column" if source.lower().endswith(".parquet") else "field"
    fields = list(_fields(records))
    there = ", ".join(f'"{name}"' for name in fields[:12]) + (" and others" if len(fields) > 12 else "")
    guess = _likely_text_field(records)
    advice = f" Say which one with --text-field {guess}." if guess else ""
    return UsageError(f'{source} has no {noun} "{field}"; it has {there or "none"}.{advice}')


def _fields(records: Iterable[Mapping[str, Any]]) -> dict[str, None]:
    return {field: None for record in records for field in record}


def _likely_text_field(records: Sequence[Mapping[str, Any]]) -> str | None:
    """The field with the longest strings."""
    lengths: dict[str, int] = {}
    for record in records:
        for field, value in record.items():
            if isinstance(value, str):
                lengths[field] = lengths.get(field, 0) + len(value)
    return max(lengths, key=lambda field: lengths[field], default=None)
