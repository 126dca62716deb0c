"""Small corpora built in a temporary folder, and the real samples beside the checkout."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
import orjson
import pytest
import zstandard

from prox.corpora import Block, PartWriter, Quarantined, corpus_file, decode, get_preset, read_blocks


@pytest.fixture
def formats() -> Path:
    """The folder of real samples, which lies beside the checkout and not in it."""
    folder = Path(__file__).parents[3] / "shared" / "formats"
    if not folder.is_dir():
        pytest.skip("the real samples (../shared/formats) are not here")
    return folder


@pytest.fixture
def memory() -> Iterator[Any]:
    """An empty memory:// file system."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Write bytes into the temporary folder, compressed as the name says; gives the path."""

    def write(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".gz"):
            data = gzip.compress(data)
        elif name.endswith(".zst"):
            data = zstandard.ZstdCompressor(write_checksum=True).compress(data)
        path.write_bytes(data)
        return str(path)

    return write


@pytest.fixture
def put_raw(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Write bytes into the temporary folder exactly as they are; gives the path."""

    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


@pytest.fixture(scope="session")
def write_part() -> Callable[..., None]:
    """Write rows at once into one part, whose name says the format: `.parquet` or `.jsonl.zst`."""

    def write(path: str | Path, rows: Any, like: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = PartWriter(
            str(path.parent), path.name.partition(".")[0], "parquet" if path.suffix == ".parquet" else "jsonl", like
        )
        writer.write(rows)
        writer.close()
        assert writer.names == [path.name]

    return write


@pytest.fixture
def json_lines() -> Callable[[Sequence[Any]], bytes]:
    """Records as JSON Lines."""
    return lambda records: b"".join(orjson.dumps(record) + b"\n" for record in records)


@pytest.fixture
def read() -> Callable[..., Any]:
    """Read a file to its documents and its quarantined records, both in the order of the file."""

    def run(path: str, preset: str = "plain", **options: int) -> tuple[list[Any], list[Quarantined]]:
        documents, quarantined = [], []
        for block in read_blocks(corpus_file(path), **options):
            if isinstance(block, Quarantined):
                quarantined.append(block)
                continue
            batch = decode(block, get_preset(preset))
            documents += batch.documents
            quarantined += batch.quarantined
        return documents, quarantined

    return run


@pytest.fixture
def blocks_of() -> Callable[..., list[Block]]:
    """The blocks of a file that has no fault."""

    def run(path: str, **options: int) -> list[Block]:
        blocks = list(read_blocks(corpus_file(path), **options))
        assert all(isinstance(block, Block) for block in blocks)
        return blocks  # type: ignore[return-value]

    return run
