"""Replays the programs of an earlier run."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prox.chunking import Chunk
from prox.corpora.storage import is_local, open_file_system
from prox.corpora.streams import describe
from prox.errors import UsageError
from prox.program import DropDocument, InsertLine, Program, RemoveLines, Replace, ReplaceOnce, get_dialect
from prox.refiners.draft import Draft, Level

_COLUMNS = ["id", "text_sha256", "decision", "program"]
_DIALECT = "dialect"
"""An optional column: the name of the dialect in which the program of a row is written; null is the canonical form."""
_OF_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
_EDITS = (RemoveLines, Replace, ReplaceOnce, InsertLine)


class StoredRefiner:
    """Looks a document up by its id and the hash of its text, and writes the program that is stored for it.

    A document whose stored hash is another one, or that has no program, gets a draft that sends it to quarantine.
    Only an index of 24 bytes a document stays in memory; the parts are read when a document of theirs comes up.
    """

    window: int | None = None

    def __init__(self, folder: str, level: Level, whole: bool = False) -> None:
        """`whole`: write whole programs, not only what belongs to the level."""
        self.level = level
        self._whole = whole
        self._fs, path = open_file_system(folder)
        self._parts = self._find_parts(folder, path.rstrip("/"))
        keys, texts, places = [], [], []
        digest = hashlib.sha256()
        for number, part in enumerate(self._parts):
            table = self._table(part)
            columns = [table[name].to_pylist() for name in table.column_names]
            ids, hashes = columns[:2]
            for stored in zip(*columns, strict=True):
                digest.update("\0".join(map(str, stored)).encode("utf-8", "surrogatepass") + b"\n")
            keys += [_number(f"{id}\0{sha}") for id, sha in zip(ids, hashes, strict=True)]
            texts += [_number(str(id)) for id in ids]
            places += [(number << 32) + row for row in range(len(ids))]
        self._ids = np.unique(np.array(texts, np.uint64))
        order = np.argsort(np.array(keys, np.uint64), kind="stable")
        self._keys = np.array(keys, np.uint64)[order]
        self._places = np.array(places, np.int64)[order]
        self.fingerprint = f"stored:{digest.hexdigest()[:16]}:{level}"
        self._rows = lru_cache(maxsize=2)(self._read_rows)

    def _find_parts(self, folder: str, path: str) -> list[str]:
        """The parts in a folder of programs, or the one that was named; that of a run over an empty corpus has none."""
        if self._fs.isfile(path) and _is_part(path):
            return [path]
        entries = self._fs.ls(path, detail=True) if self._fs.isdir(path) else []
        # A link to a file is no "file" to fsspec, and a dead one or a folder is none to anybody.
        names = [entry["name"] for entry in entries if entry["type"] != "directory" and _is_part(entry["name"])]
        parts = sorted(name for name in names if self._fs.isfile(name))
        others = [name for name in map(_last, parts) if not name.startswith("part-")]
        if 0 < len(others) < len(parts):
            raise UsageError(
                f"{folder} holds programs of a run (part-….parquet) and others ({', '.join(others[:3])}): which are "
                "meant? Keep them in folders of their own, or name one file"
            )
        parent, _, own_name = path.rpartition("/")
        if parts or (own_name == "programs" and self._fs.exists(f"{parent}/run.json")):
            return parts
        raise UsageError(f"{folder} holds no stored programs (*.parquet).{self._hint(path)}")

    def _hint(self, path: str) -> str:
        """Where the programs of the same run lie, if `path` is its output folder or another folder in it."""
        for place in (path, path.rpartition("/")[0]):
            programs = f"{place}/programs"
            if programs != path and self._fs.isdir(programs):
                return f" Did you mean {programs if is_local(self._fs) else self._fs.unstrip_protocol(programs)}?"
        return ""

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        return [self._draft(chunk) for chunk in chunks]

    def _draft(self, chunk: Chunk) -> Draft:
        sha = hashlib.sha256(chunk.text.encode()).hexdigest()
        key = np.uint64(_number(f"{chunk.document_id}\0{sha}"))
        place = int(np.searchsorted(self._keys, key))
        while place < len(self._keys) and self._keys[place] == key:
            part, row = divmod(int(self._places[place]), 1 << 32)
            stored = self._rows(part)[row]
            if str(stored["id"]) == chunk.document_id and stored["text_sha256"] == sha:
                return self._replay(stored)
            place += 1
        number = np.uint64(_number(chunk.document_id))
        place = int(np.searchsorted(self._ids, number))
        known = place < len(self._ids) and self._ids[place] == number
        reason = "text differs from the one the program was written for" if known else "no stored program for this id"
        return Draft(Program(), errors=(f"quarantine: {reason}",))

    def _replay(self, stored: dict[str, Any]) -> Draft:
        if stored["decision"] == "quarantined":
            return Draft(Program(), errors=("quarantine: quarantined in the run that stored the programs",))
        dialect = stored.get(_DIALECT)
        try:
            parse = Program.parse if dialect is None else get_dialect(str(dialect)).parse
        except UsageError as error:
            return Draft(Program(), errors=(f"quarantine: {error}",))
        program = parse(stored["program"] or "")
        if not self._whole:
            others = _EDITS if self.level == Level.DOCUMENT else (DropDocument,)
            program = Program(tuple([op for op in program.operations if not isinstance(op, others)]))
        return Draft(program)

    def _read_rows(self, part: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._table(self._parts[part]).to_pylist()
        return rows

    def _table(self, part: str) -> pa.Table:
        try:
            with self._fs.open(part, "rb") as file:
                parquet = pq.ParquetFile(file)
                columns = self._columns(part, parquet.schema_arrow)
                return parquet.read(columns=columns).select(columns)
        except (pa.ArrowException, OSError) as error:
            raise UsageError(f"{part} is no part of stored programs: {describe(error)}") from error

    def _columns(self, part: str, schema: pa.Schema) -> list[str]:
        """Those that are read.

        Raises:
            UsageError: One is missing, is there twice, or holds no text.
        """
        problem = f"{part} is no part of stored programs:"
        if missing := set(_COLUMNS).difference(schema.names):
            hint = self._hint(part.rpartition("/")[0])
            raise UsageError(f"{problem} it has no {', '.join(sorted(missing))}.{hint}")
        columns = [*_COLUMNS, _DIALECT] if _DIALECT in schema.names else _COLUMNS
        for name in columns:
            if schema.names.count(name) > 1:
                raise UsageError(f"{problem} it has several columns {name}")
        for name in _COLUMNS:
            kind = schema.field(name).type
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            if not any(of_kind(kind) for of_kind in _OF_TEXT) and not (name == "id" and pa.types.is_integer(kind)):
                raise UsageError(f"{problem} its column {name} is {kind}, and not text")
        return columns


def _is_part(path: str) -> bool:
    return path.endswith(".parquet") and not _last(path).startswith((".", "_"))


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
