"""Corpora of any size for benchmarks: real pages over and over, each time with an id of its own."""

import gzip
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

_ROOT = Path(__file__).resolve().parents[1]
_GOLD = _ROOT.parent / "shared" / "gold" / "public"

_BROKEN = (b'{"id": "broken", "text": ', b'{"id": "no text"}', b'{"id": "not UTF-8", "text": "\xff"}', b"[1, 2]")


def texts() -> list[str]:
    """Raw pages: those of the public gold where they are, else the sample pages."""
    fields = [
        (record, "raw_text")
        for path in sorted(_GOLD.glob("*.jsonl.gz"))
        for record in map(orjson.loads, gzip.decompress(path.read_bytes()).splitlines())
    ]
    if not fields:
        sample = (_ROOT / "examples" / "pages.jsonl").read_bytes().splitlines()
        fields = [(record, "text") for record in map(orjson.loads, sample)]
    return [record[name] for record, name in fields if record.get(name)]


def pages(megabytes: float, stem: str = "page", seed: int = 0) -> Iterator[dict[str, Any]]:
    """So many megabytes of pages, in an order of their own, no two with the same id."""
    chance = random.Random(f"{seed} {stem}")
    stock = texts()
    size = 0
    for number in itertools.count():
        text = chance.choice(stock)
        yield {"id": f"{stem}-{number}", "text": text, "number": number, "tags": [stem]}
        size += len(text.encode())
        if size >= megabytes * 1e6:
            return


def write_lines(path: Path, records: Iterator[dict[str, Any]], broken_every: int = 0) -> int:
    """JSON Lines, compressed as the name says, now and then with a record that cannot be read; how many there are."""
    count = 0
    with _opened(path) as file:
        for record in records:
            file.write(orjson.dumps(record) + b"\n")
            count += 1
            if broken_every and count % broken_every == 0:
                file.write(_BROKEN[count // broken_every % len(_BROKEN)] + b"\n")
                count += 1
    return count


def _opened(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path, "wb", compresslevel=1)
    if path.suffix == ".zst":
        return zstandard.open(path, "wb")
    return path.open("wb")


def write_table(path: Path, records: Iterator[dict[str, Any]], rows: int = 1000, broken_every: int = 0) -> int:
    """Parquet in row groups of so many rows; now and then one without a text. How many rows there are."""
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("number", pa.int64())])
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for several in iter(lambda: list(itertools.islice(records, rows)), []):
            for record in several:
                count += 1
                if broken_every and count % broken_every == 0:
                    record["text"] = None
            writer.write_table(pa.Table.from_pylist(several, schema))
    return count


def write_mixed(folder: Path, megabytes: float, seed: int = 0, broken_every: int = 150) -> int:
    """A folder with all that prox reads, so many megabytes of text. How many records there are."""
    folder.mkdir(parents=True)
    shares = {"a.jsonl": 0.4, "b.jsonl.gz": 0.2, "c.jsonl.zst": 0.2, "d.parquet": 0.2}
    count = 0
    for name, share in shares.items():
        records = pages(megabytes * share, name.partition(".")[0], seed)
        if name.endswith(".parquet"):
            count += write_table(folder / name, records, rows=200, broken_every=broken_every)
        else:
            count += write_lines(folder / name, records, broken_every)
    return count
