"""Small things at once: records as dicts, the first records, the preset of a corpus."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from prox.corpora.arrow_values import row_values
from prox.corpora.blocks import BLOCK_BYTES, read_blocks
from prox.corpora.decode import raw_records, record_fault, table_of
from prox.corpora.files import CorpusFile, corpus_file
from prox.corpora.pages import HtmlToText, check_packages
from prox.corpora.presets import Preset, check_text_field, get_preset, recognise
from prox.corpora.records import Quarantined
from prox.corpora.streams import StorageError
from prox.errors import ProxError, UsageError

_FIRST_BYTES = 1 << 20
_TRIES = 1000


def numbered_records(
    file: CorpusFile | str, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[int, dict[str, Any] | Quarantined]]:
    """All records of a file with their numbers, in order: as dicts, or as `Quarantined` where they cannot be read.

    Raises:
        UsageError: A path given as a string does not exist or has an ending that is not read here.
    """
    warc = get_preset("warc")
    for block in read_blocks(file, block_bytes):
        if isinstance(block, Quarantined):
            yield block.record, block
        elif block.layout == "arrow":
            yield from enumerate(row_values(table_of(block)), block.first_record)
        else:
            for number, raw, value in raw_records(block, warc):
                reason = record_fault(value)
                yield number, Quarantined(block.file, number, reason, raw) if reason else value


def read_records(file: CorpusFile | str, block_bytes: int = BLOCK_BYTES) -> Iterator[dict[str, Any] | Quarantined]:
    """The same without the numbers."""
    return (record for _, record in numbered_records(file, block_bytes))


def first_records(file: CorpusFile | str, count: int = 20) -> list[dict[str, Any]]:
    """The first `count` readable records; broken ones before and between are passed over, up to a thousand.

    Raises:
        StorageError: The file cannot be opened or read on.
        UsageError: A path given as a string does not exist or has an ending that is not read here.
    """
    records: list[dict[str, Any]] = []
    failures = 0
    for record in read_records(file, _FIRST_BYTES):
        if isinstance(record, Quarantined):
            failures += 1
        else:
            records.append(record)
        if len(records) == count or failures == _TRIES:
            break
    return records


def choose_preset(
    files: Sequence[CorpusFile] | str,
    name: str | None = None,
    text_field: str | None = None,
    html_to_text: HtmlToText = "resiliparse",
) -> Preset:
    """The preset for a corpus: the named one, or the one that the first file with a readable record shows.

    A web archive has its own, whatever is named.

    Raises:
        UsageError: No preset has that name, the records do not have the text field, or a package is missing.
    """
    preset = get_preset(name) if name else None
    for file in [corpus_file(files)] if isinstance(files, str) else files:
        if file.format == "warc":
            check_packages(html_to_text)
            return replace(get_preset("warc"), html_to_text=html_to_text)
        if records := first_records(file):
            if text_field:
                preset = (preset or _recognised_or_plain(records)).with_text_field(text_field)
            preset = preset or recognise(records, file.name)
            check_text_field(preset, records, file.name)
            return preset
    preset = preset or get_preset("plain")
    return preset.with_text_field(text_field) if text_field else preset


def choose_presets(
    files: Sequence[CorpusFile],
    name: str | None = None,
    text_field: str | None = None,
    html_to_text: HtmlToText = "resiliparse",
) -> tuple[dict[str, Preset], list[str]]:
    """The preset of each file, by path, and what is wrong with some files.

    A folder may mix corpora. A file whose first records have no text follows the others, so that what it has is read
    or quarantined record by record.

    Raises:
        UsageError: No preset has that name, no file has a text, or a package is missing.
    """
    if archives := [file for file in files if file.format == "warc"]:
        of_archives = dict.fromkeys([file.path for file in archives], choose_preset(archives, None, None, html_to_text))
        files = [file for file in files if file.format != "warc"]
        others, problems = choose_presets(files, name, text_field) if files else ({}, [])
        return others | of_archives, problems
    if name:  # one file that has the text is enough: nobody has to open all others
        return dict.fromkeys([file.path for file in files], _named_preset(files, name, text_field)), []
    presets: dict[str, Preset] = {}
    faults: dict[str, ProxError] = {}

    def look_into(some: Sequence[CorpusFile]) -> None:
        for file in some:
            try:
                presets[file.path] = choose_preset([file], None, text_field)
            except (UsageError, StorageError) as error:
                faults[file.path] = error

    for group in _groups(files):
        look_into(group[:: max(1, len(group) // _LOOKED_INTO)])
        unseen = [file for file in group if file.path not in presets and file.path not in faults]
        found = {presets[file.path] for file in group if file.path in presets}
        if len(found) == 1:
            presets |= dict.fromkeys([file.path for file in unseen], found.pop())
        else:
            look_into(unseen)
    if faults and not presets:
        raise next(iter(faults.values()))
    ((most_frequent, _),) = Counter(presets.values()).most_common(1)
    return presets | dict.fromkeys(faults, most_frequent), [str(error) for error in faults.values()]


_LOOKED_INTO = 32
"""Files of one folder and format that are looked into; if they are all alike, the others are taken to be so, too."""


def _groups(files: Sequence[CorpusFile]) -> list[list[CorpusFile]]:
    groups: dict[tuple[str, str, str | None], list[CorpusFile]] = {}
    for file in files:
        groups.setdefault((file.path.rpartition("/")[0], file.format, file.compression), []).append(file)
    return list(groups.values())


def _named_preset(files: Sequence[CorpusFile], name: str, text_field: str | None) -> Preset:
    """The preset of that name, if at least one file has its text field."""
    fault: ProxError | None = None
    for start in range(min(len(files), _LOOKED_INTO)):
        try:
            return choose_preset(files[start:], name, text_field)
        except (UsageError, StorageError) as error:
            fault = fault or error
    assert fault is not None
    raise fault


def _recognised_or_plain(records: Sequence[dict[str, Any]]) -> Preset:
    plain = get_preset("plain")
    return recognise([{**record, plain.text_field: ""} for record in records])
