"""Whatever happens to the bytes of a file, reading it ends without an exception and loses nothing before the damage."""

import gzip
import io

import orjson
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prox.corpora import Quarantined, concat_rows, decode, get_preset, read_blocks, refined_rows, table_from_rows

RECORDS = [
    {"id": n, "text": f"page {n} " + "word " * (n % 30), "m": {"a": [n], "b": "x" * (n % 7)}} for n in range(300)
]
LINES = b"".join(orjson.dumps(record) + b"\n" for record in RECORDS)


def parquet(**options):
    sink = io.BytesIO()
    pq.write_table(table_from_rows(RECORDS), sink, row_group_size=60, **options)
    return sink.getvalue()


FILES = {
    "a.jsonl": LINES,
    "a.jsonl.gz": gzip.compress(LINES),
    "a.jsonl.zst": zstandard.ZstdCompressor(write_checksum=True).compress(LINES),
    "a.json": orjson.dumps(RECORDS),
    "a.parquet": parquet(compression="zstd"),
    "plain.parquet": parquet(compression="none", use_dictionary=False),
}
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), st.binary(max_size=20)), min_size=1, max_size=4)


@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=DAMAGE)
def test_a_damaged_file_never_raises(memory, write_part, tmp_path, name, damage):
    data = bytearray(FILES[name])
    for place, removed, put_in in damage:
        at = int(place * len(data))
        data[at : at + removed] = put_in
    memory.pipe(f"/damaged/{name}", bytes(data))
    texts, rows = [], []
    for block in read_blocks(f"memory://damaged/{name}", block_bytes=4096):
        if not isinstance(block, Quarantined):
            batch = decode(block, get_preset("plain"))
            texts += [document.text for document in batch.documents]
            rows.append(refined_rows(batch, [document.text for document in batch.documents]))
    write_part(tmp_path / "out.jsonl.zst", concat_rows(rows))
    if name == "a.jsonl":
        unharmed = next((at for at, (old, new) in enumerate(zip(LINES, data, strict=False)) if old != new), len(data))
        whole = LINES[:unharmed].count(b"\n")
        assert texts[:whole] == [record["text"] for record in RECORDS[:whole]]
