"""One set of column types for all parts of a corpus."""

import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from prox.corpora.blocks import read_blocks
from prox.corpora.columns import table_from_rows
from prox.corpora.decode import decode
from prox.corpora.files import CorpusFile
from prox.corpora.pages import EXAMPLE
from prox.corpora.presets import Preset
from prox.corpora.records import Block
from prox.corpora.rows import refined_rows
from prox.corpora.streams import StorageError

_SAMPLE_BYTES = 1 << 20
_SAMPLE_FILES = 8


def part_schema(files: Sequence[CorpusFile], preset: Preset) -> pa.Schema | None:
    """The Arrow types that the first records of up to eight files suggest; None if all are Parquet.

    Given to `PartWriter` as `like`, it keeps the types of all parts the same as far as their values allow.
    """
    json_files = [file for file in files if file.format not in ("parquet", "warc")]
    step = max(1, len(json_files) // _SAMPLE_FILES)
    rows: list[dict[str, Any]] = [EXAMPLE for file in files if file.format == "warc"][:1]
    for file in json_files[::step][:_SAMPLE_FILES]:
        with contextlib.suppress(StorageError):  # the file's own units will say so
            for block in itertools.islice(read_blocks(file, _SAMPLE_BYTES), 1):
                if isinstance(block, Block):
                    batch = decode(block, preset)
                    rows += refined_rows(batch, [document.text for document in batch.documents])
    return table_from_rows(rows).schema if rows or json_files else None
