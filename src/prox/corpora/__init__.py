"""Corpora: finding files, cutting them into blocks, decoding blocks to documents, and writing parts."""

from prox.corpora.blocks import BLOCK_BYTES, lies_in_lines, read_blocks
from prox.corpora.columns import table_from_rows
from prox.corpora.decode import Batch, decode, table_of
from prox.corpora.files import (
    CorpusFile,
    FoundFiles,
    corpus_file,
    find_files,
    shown_path,
)
from prox.corpora.parquet import row_groups
from prox.corpora.presets import PRESETS, Preset, check_text_field, get_preset, recognise
from prox.corpora.read import choose_preset, choose_presets, first_records, numbered_records, read_records
from prox.corpora.records import WHOLE, Block, Extent, Quarantined, Span
from prox.corpora.rows import Rows, concat_rows, refined_rows
from prox.corpora.schema import part_schema
from prox.corpora.storage import is_in_memory, is_local, open_file_system
from prox.corpora.streams import StorageError, check_unchanged
from prox.corpora.write import PartWriter, is_half_written, quarantine_rows, sync_folder, write_atomically

__all__ = [
    "BLOCK_BYTES",
    "PRESETS",
    "WHOLE",
    "Batch",
    "Block",
    "CorpusFile",
    "Extent",
    "FoundFiles",
    "PartWriter",
    "Preset",
    "Quarantined",
    "Rows",
    "Span",
    "StorageError",
    "check_text_field",
    "check_unchanged",
    "choose_preset",
    "choose_presets",
    "concat_rows",
    "corpus_file",
    "decode",
    "find_files",
    "first_records",
    "get_preset",
    "is_half_written",
    "is_in_memory",
    "is_local",
    "lies_in_lines",
    "numbered_records",
    "open_file_system",
    "part_schema",
    "quarantine_rows",
    "read_blocks",
    "read_records",
    "recognise",
    "refined_rows",
    "row_groups",
    "shown_path",
    "sync_folder",
    "table_from_rows",
    "table_of",
    "write_atomically",
]
