"""Corpora: finding files, cutting them into blocks, decoding blocks to documents, and writing parts."""

from prox.corpora.blocks import read_blocks
from prox.corpora.columns import table_from_rows
from prox.corpora.decode import Batch, decode
from prox.corpora.files import (
    CorpusFile,
    FoundFiles,
    corpus_file,
    find_files,
    is_in_memory,
    is_local,
    open_file_system,
    shown_path,
)
from prox.corpora.presets import PRESETS, Preset, check_text_field, get_preset, recognise
from prox.corpora.read import choose_preset, choose_presets, first_records, numbered_records, read_records
from prox.corpora.records import Block, Quarantined
from prox.corpora.rows import Rows, concat_rows, refined_rows
from prox.corpora.schema import part_schema
from prox.corpora.write import write_atomically, write_part, write_quarantine

__all__ = [
    "PRESETS",
    "Batch",
    "Block",
    "CorpusFile",
    "FoundFiles",
    "Preset",
    "Quarantined",
    "Rows",
    "check_text_field",
    "choose_preset",
    "choose_presets",
    "concat_rows",
    "corpus_file",
    "decode",
    "find_files",
    "first_records",
    "get_preset",
    "is_in_memory",
    "is_local",
    "numbered_records",
    "open_file_system",
    "part_schema",
    "read_blocks",
    "read_records",
    "recognise",
    "refined_rows",
    "shown_path",
    "table_from_rows",
    "write_atomically",
    "write_part",
    "write_quarantine",
]
