import base64
import uuid

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from prox.corpora import (
    PartWriter,
    Quarantined,
    concat_rows,
    decode,
    get_preset,
    quarantine_rows,
    read_blocks,
    read_records,
    refined_rows,
    write_atomically,
)
from prox.corpora.json_text import loads


def rows_of(path, preset="plain"):
    parts = []
    for block in read_blocks(path):
        batch = decode(block, get_preset(preset))
        parts.append(refined_rows(batch, [document.text for document in batch.documents]))
    return concat_rows(parts)


def test_json_lines_keep_every_value_as_it_was(put, write_part, tmp_path):
    line = (
        b'{"id":7,"text":"a\\u0000b","f":0.1,"g":1e-7,"h":-0.0,"i":5.0,"n":NaN,"b":18446744073709551617,'
        b'"s":"\\ud800","m":{"x":[null,{}]},"z":null}\n'
    )
    out = str(tmp_path / "out" / "part.jsonl.zst")
    write_part(out, rows_of(put("a.jsonl", line)))
    (record,) = read_records(out)
    assert str(record) == str(loads(line))
    assert list(record) == list(loads(line))


@pytest.mark.parametrize("name", ["p.parquet", "p.jsonl.zst"])
def test_both_formats_keep_the_records(put, write_part, tmp_path, json_lines, name):
    records = [{"id": n, "text": f"t{n}", "m": {"a": [n]}} for n in range(3)]
    write_part(tmp_path / name, rows_of(put("a.jsonl", json_lines(records))))
    assert list(read_records(f"{tmp_path}/{name}")) == records


def test_the_same_rows_give_the_same_bytes(write_part, tmp_path):
    rows = [{"id": "a", "text": "b"}]
    for name in ("p.parquet", "p.jsonl.zst"):
        write_part(tmp_path / "1" / name, rows)
        write_part(tmp_path / "2" / name, rows)
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.parametrize("rows", [[], pa.table({"id": pa.array([], pa.int32()), "text": pa.array([], pa.string())})])
@pytest.mark.parametrize("name", ["p.parquet", "p.jsonl.zst"])
def test_a_part_may_be_empty(write_part, tmp_path, rows, name):
    write_part(tmp_path / name, rows)
    assert list(read_records(f"{tmp_path}/{name}")) == []


@pytest.mark.parametrize(("format", "ending"), [("parquet", "parquet"), ("jsonl", "jsonl.zst")])
def test_a_part_is_written_bit_by_bit(tmp_path, format, ending):
    records = [{"id": n, "text": f"t{n}", "m": {"a": [n]}} for n in range(9)]
    writer = PartWriter(str(tmp_path), "part-000001", format)
    for start in range(0, 9, 2):
        writer.write(records[start : start + 2])
    writer.close()
    assert writer.names == [f"part-000001.{ending}"]
    assert list(read_records(f"{tmp_path}/part-000001.{ending}")) == records


def test_a_part_of_many_small_blocks_has_few_row_groups_and_one_of_large_blocks_several(tmp_path, monkeypatch):
    table = pa.table({"id": ["a"] * 100, "text": ["word " * 20] * 100})
    for limit, groups in ((32 << 20, 1), (3 * table.nbytes, 4)):
        monkeypatch.setattr("prox.corpora.write._ROW_GROUP_BYTES", limit)
        writer = PartWriter(str(tmp_path), f"part-{groups}", "parquet")
        for _ in range(10):
            writer.write(table)
        writer.close()
        written = pq.ParquetFile(tmp_path / f"part-{groups}.parquet")
        assert (written.num_row_groups, written.metadata.num_rows) == (groups, 1000)


def test_a_part_larger_than_memory_is_on_disk_before_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("prox.corpora.write._ROW_GROUP_BYTES", 1000)
    writer = PartWriter(str(tmp_path), "part", "parquet")
    table = pa.table({"text": [uuid.uuid4().hex for _ in range(1000)]})
    writer.write(table)
    before = (tmp_path / "part.parquet").stat().st_size
    writer.write(table)
    assert (tmp_path / "part.parquet").stat().st_size - before > 10_000
    writer.close()
    assert pq.read_table(tmp_path / "part.parquet").num_rows == 2000


def test_rows_of_other_types_go_on_in_a_further_file(tmp_path):
    one, other = pa.table({"id": ["a"], "n": [1]}), pa.table({"id": ["b"], "n": ["x"]})
    writer = PartWriter(str(tmp_path), "part", "parquet")
    for table in (one, one, other, one):
        writer.write(table)
    writer.close()
    assert writer.names == ["part.parquet", "part_002.parquet", "part_003.parquet"]
    assert [pq.read_table(tmp_path / name).num_rows for name in writer.names] == [2, 1, 1]


def test_json_records_keep_the_types_of_those_before_them(tmp_path):
    """Each block had columns of its own types, and so a file of its own."""
    writer = PartWriter(str(tmp_path), "part", "parquet")
    writer.write([{"id": "a", "text": "t", "extra": 1}])
    writer.write([{"id": "b", "text": "t", "extra": None}])
    writer.write([{"id": "c", "text": "t"}])
    writer.close()
    assert writer.names == ["part.parquet"]
    assert pq.read_table(tmp_path / "part.parquet")["extra"].to_pylist() == [1, None, None]


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_part_that_is_closed_is_on_the_disk(tmp_path, monkeypatch, format):
    def fail(*args):
        raise OSError(5, "Input/output error")

    writer = PartWriter(str(tmp_path), "part", format)
    writer.write([{"id": "a", "text": "t"}])
    monkeypatch.setattr("prox.corpora.write.os.fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        writer.close()


def test_a_writer_without_rows_writes_no_file(tmp_path):
    writer = PartWriter(str(tmp_path), "part", "parquet")
    writer.close()
    assert writer.names == list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "part.jsonl"
    write_atomically(str(path), b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("prox.corpora.write.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(str(path), b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["part.jsonl"]
    assert path.read_bytes() == b"old"


def test_a_file_in_writing_is_hidden_from_readers(tmp_path, monkeypatch):
    seen = []

    def look(source, target):
        seen.extend(entry.name for entry in tmp_path.iterdir())
        raise OSError("stop here")

    monkeypatch.setattr("prox.corpora.write.os.replace", look)
    with pytest.raises(OSError, match="stop here"):
        write_atomically(str(tmp_path / "part.jsonl"), b"new")
    (name,) = seen
    assert name.startswith(".part.jsonl.") and name.endswith(".tmp")


def test_an_object_store_gets_a_plain_put(memory):
    write_atomically("memory://bucket/a/part.jsonl", b"data")
    assert fsspec.filesystem("memory").find("/bucket") == ["/bucket/a/part.jsonl"]


def test_dropped_documents_are_not_written_and_every_document_needs_an_answer(put, json_lines):
    (block,) = read_blocks(put("a.jsonl", json_lines([{"text": "a"}, {"text": "b"}])))
    batch = decode(block, get_preset("plain"))
    assert [row["text"] for row in refined_rows(batch, [None, "B"])] == ["B"]
    with pytest.raises(ValueError, match="1 texts for 2 documents"):
        refined_rows(batch, ["a"])


def test_fields_that_take_a_name_of_ours_are_renamed(put, json_lines):
    record = {"raw_text": "raw", "line_labels": [0], "text": "mine", "input_text": "also mine", "id": 5}
    (row,) = rows_of(put("a.jsonl", json_lines([record])), "gold")
    assert row == {
        "id": 5,
        "text": "raw",
        "line_labels": [0],
        "input_input_text": "mine",
        "input_text": "also mine",
    }


def test_another_id_field_keeps_the_field_called_id(put, json_lines):
    import dataclasses

    preset = dataclasses.replace(get_preset("plain"), id_fields=("url",))
    (block,) = read_blocks(put("a.jsonl", json_lines([{"text": "t", "id": 5, "url": "u"}])))
    batch = decode(block, preset)
    assert refined_rows(batch, ["t"]) == [{"id": "u", "text": "t", "input_id": 5, "url": "u"}]


def test_rows_of_several_blocks_join_also_where_their_types_differ():
    joined = concat_rows([pa.table({"id": ["a"], "n": [1]}), pa.table({"id": ["b"], "n": ["x"]})])
    assert joined == [{"id": "a", "n": 1}, {"id": "b", "n": "x"}]
    assert concat_rows([pa.table({"id": ["a"]}), pa.table({"id": ["b"]})]).num_rows == 2
    assert concat_rows([[{"id": "a"}], [{"id": "b"}]]) == [{"id": "a"}, {"id": "b"}]
    assert concat_rows([]) == []


def test_the_quarantine_keeps_every_byte(write_part, tmp_path):
    entries = [
        Quarantined("f.jsonl", 3, "invalid JSON: x", b'{"a": "\xc3\xa4', None),
        Quarantined("f.jsonl", 9, "invalid UTF-8: x", b"\xff\0\n", None, offset=4096),
        Quarantined("g.parquet", 0, "no text: x", b'{"text":null}', "id-1"),
    ]
    path = f"{tmp_path}/quarantine/part-0.jsonl.zst"
    write_part(path, quarantine_rows(entries))
    rows = list(read_records(path))
    assert list(rows[0]) == ["file", "record", "offset", "id", "reason", "raw", "raw_encoding"]
    restored = [
        base64.b64decode(row["raw"]) if row["raw_encoding"] == "base64" else row["raw"].encode() for row in rows
    ]
    assert restored == [entry.raw for entry in entries]
    assert [row["raw_encoding"] for row in rows] == ["utf-8", "base64", "utf-8"]
    assert [row["id"] for row in rows] == [None, None, "id-1"]
    assert [(row["record"], row["offset"]) for row in rows] == [(3, 0), (9, 4096), (0, 0)]


def test_a_column_marked_as_json_that_holds_something_else_stays_text(write_part, tmp_path):
    field = pa.field("m", pa.string(), metadata={"prox.encoding": "json"})
    table = pa.table({"id": ["a", "b"], "text": ["t", "t"], "m": ["{no", "[1]"]})
    table = table.cast(pa.schema([*(table.field(n) for n in (0, 1)), field]))
    write_part(f"{tmp_path}/p.parquet", table)
    assert [record["m"] for record in read_records(f"{tmp_path}/p.parquet")] == ["{no", [1]]


def test_json_text_in_parquet_becomes_json_again(put, write_part, tmp_path, json_lines):
    records = [{"id": "a", "text": "t", "m": {"en": 0.5}}, {"id": "b", "text": "t", "m": [1]}]
    write_part(f"{tmp_path}/p.parquet", rows_of(put("a.jsonl", json_lines(records))))
    write_part(f"{tmp_path}/q.parquet", rows_of(f"{tmp_path}/p.parquet"))
    write_part(f"{tmp_path}/q.jsonl.zst", rows_of(f"{tmp_path}/q.parquet"))
    lines = zstandard.ZstdDecompressor().stream_reader((tmp_path / "q.jsonl.zst").read_bytes()).read().splitlines()
    assert list(map(orjson.loads, lines)) == records
