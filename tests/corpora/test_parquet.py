import datetime
import decimal
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prox.corpora import Block, Quarantined, decode, find_files, get_preset, read_blocks, refined_rows
from prox.corpora.decode import table_of

UTC = datetime.UTC


def rich_table():
    """A column of every kind that corpora have been seen with."""
    day = datetime.datetime(2024, 2, 29, 12, 30, 1, 123456, tzinfo=UTC)
    return pa.table(
        {
            "url": pa.array(["http://a", None, "http://c"], pa.large_string()),
            "text": pa.array(["one", "two", "three"], pa.large_string()),
            "dump": pa.array(["x", "y", "x"]).dictionary_encode(),
            "seen": pa.array([day, None, day], pa.timestamp("us", "UTC")),
            "exact": pa.array([10**18 + 1, 2, None], pa.timestamp("ns")),
            "price": pa.array([decimal.Decimal("1.20"), None, decimal.Decimal("-3.05")], pa.decimal128(9, 2)),
            "lines": pa.array(
                [[{"n": 1, "s": "a"}], [], None], pa.list_(pa.struct([("n", pa.int8()), ("s", pa.string())]))
            ),
            "raw": pa.array([b"\xff\0", b"", None], pa.binary()),
            "headers": pa.array([[("k", "v")], [], None], pa.map_(pa.string(), pa.string())),
            "score": pa.array([0.5, float("nan"), None], pa.float32()),
            "flags": pa.array([[True], None, []], pa.large_list(pa.bool_())),
            "vector": pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32(), 2)),
            "id": pa.array([7, 8, 9], pa.uint64()),
            "when": pa.array([1, None, 2], pa.time64("us")),
            "day": pa.array([1, None, 2], pa.date32()),
            "took": pa.array([1, None, 2], pa.duration("ms")),
            "nothing": pa.nulls(3),
        }
    )


@pytest.fixture
def put_table(tmp_path):
    def write(table, name="a.parquet", **options):
        pq.write_table(table, tmp_path / name, **options)
        return str(tmp_path / name)

    return write


def refine(path, texts=str.upper, preset="plain"):
    parts = []
    for block in read_blocks(path):
        batch = decode(block, get_preset(preset))
        parts.append(refined_rows(batch, [texts(document.text) for document in batch.documents]))
    return pa.concat_tables(parts)


def test_every_arrow_type_survives_from_parquet_to_parquet(put_table, write_part, tmp_path):
    path = put_table(rich_table())
    before = pq.read_table(path)
    refined = refine(path)
    write_part(str(tmp_path / "out.parquet"), refined)
    after = pq.read_table(tmp_path / "out.parquet")
    assert after.column_names[:2] == ["id", "text"]
    assert after["text"].to_pylist() == ["ONE", "TWO", "THREE"]
    for name in before.column_names:
        assert after.schema.field(name).type == before.schema.field(name).type, name
        if name not in ("text", "score"):
            assert after[name].combine_chunks().equals(before[name].combine_chunks()), name
    assert str(after["score"].to_pylist()) == str(before["score"].to_pylist())


def test_dropped_documents_leave_no_row(put_table):
    refined = refine(put_table(rich_table()), lambda text: None if text == "two" else text)
    assert refined["id"].to_pylist() == [7, 9]
    assert refined["dump"].to_pylist() == ["x", "x"]
    assert refine(put_table(rich_table()), lambda text: None).num_rows == 0


def test_metadata_of_a_document_is_the_row_without_id_and_text_and_travels(put_table):
    (block,) = read_blocks(put_table(rich_table()))
    document = decode(block, get_preset("plain")).documents[0]
    assert document.id == "7"
    assert set(document.metadata) == set(rich_table().column_names) - {"id", "text"}
    assert document.metadata["seen"] == datetime.datetime(2024, 2, 29, 12, 30, 1, 123456, tzinfo=UTC)
    assert document.metadata["exact"] == "2001-09-09 01:46:40.000000001"
    assert document.metadata["lines"] == [{"n": 1, "s": "a"}]
    assert pickle.loads(pickle.dumps(document)) == document


def test_a_huge_row_group_is_cut_into_blocks(put_table):
    table = pa.table({"text": [f"{n} " * 50 for n in range(5000)], "id": range(5000)})
    blocks = list(read_blocks(put_table(table, row_group_size=5000), block_bytes=100_000))
    assert len(blocks) > 5
    assert max(len(block.payload) for block in blocks) < 300_000
    assert [block.first_record for block in blocks] == [table_of(block)["id"][0].as_py() for block in blocks]
    assert pa.concat_tables(map(table_of, blocks)).equals(table.cast(table_of(blocks[0]).schema))
    assert sum(block.records for block in blocks) == 5000


def test_rows_of_very_different_size_still_give_bounded_blocks(put_table):
    table = pa.table({"text": ["a"] * 3000 + ["b" * 50_000] * 40})
    blocks = list(read_blocks(put_table(table), block_bytes=200_000))
    assert max(len(block.payload) for block in blocks) < 600_000


def test_small_row_groups_are_joined(put_table):
    table = pa.table({"text": [f"page {n}" for n in range(1000)]})
    (block,) = read_blocks(put_table(table, row_group_size=10))
    assert (block.first_record, block.records) == (0, 1000)


def test_dictionaries_that_change_between_row_groups_are_kept(put_table, tmp_path):
    writer = pq.ParquetWriter(tmp_path / "a.parquet", pa.schema([("text", pa.string()), ("dump", dictionary())]))
    for n in range(3):
        writer.write_table(
            pa.table({"text": [f"t{n}"], "dump": pa.array([f"d{n}"]).dictionary_encode()}, schema=writer.schema)
        )
    writer.close()
    refined = refine(str(tmp_path / "a.parquet"))
    assert refined["dump"].to_pylist() == ["d0", "d1", "d2"]
    assert refined.schema.field("dump").type == dictionary()


def dictionary():
    return pa.dictionary(pa.int32(), pa.string())


def test_a_file_without_rows_has_no_blocks(put_table):
    assert list(read_blocks(put_table(rich_table().slice(0, 0)))) == []


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no parquet at all" * 10])
def test_a_file_that_is_no_parquet_is_quarantined(put_raw, data):
    (fault,) = read_blocks(put_raw("a.parquet", data))
    assert fault.reason.startswith("broken file: cannot be read as Parquet: ")


def test_a_broken_row_group_is_reported_and_the_others_are_read(put_table):
    table = pa.table({"text": [f"{n * 7919} " * 20 for n in range(300)]})
    path = put_table(table, row_group_size=100, compression="zstd", use_dictionary=False)
    offset = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data = bytearray(Path(path).read_bytes())
    data[offset : offset + 200] = b"\xff" * 200
    Path(path).write_bytes(data)
    before, fault, after = read_blocks(path)
    assert isinstance(fault, Quarantined) and isinstance(before, Block) and isinstance(after, Block)
    assert (before.first_record, before.records) == (0, 100)
    assert fault.record == 100
    assert fault.reason.startswith("broken file: rows 100 to 199 cannot be read: ")
    assert (after.first_record, after.records) == (200, 100)
    assert table_of(after)["text"].to_pylist() == table["text"].to_pylist()[200:]


def test_a_cut_off_file_is_quarantined(put_table, put_raw, tmp_path):
    path = put_table(rich_table())
    data = (tmp_path / "a.parquet").read_bytes()
    (fault,) = read_blocks(put_raw("a.parquet", data[: len(data) // 2]))
    assert fault.file == path and fault.reason.startswith("broken file: ")


def test_rows_without_a_text_are_quarantined_with_their_number(put_table, read):
    documents, quarantined = read(put_table(pa.table({"id": ["a", "b", "c"], "text": ["x", None, ""]})))
    assert [(document.id, document.text) for document in documents] == [("a", "x"), ("c", "")]
    (fault,) = quarantined
    assert (fault.record, fault.id, fault.reason) == (1, "b", 'no text: column "text" is null')
    assert fault.raw == b'{"id":"b","text":null}'


def test_text_that_is_no_utf8_is_quarantined_and_its_neighbours_are_read(put_table, read):
    texts = pa.array([b"good", b"bad \xff", b"also good"]).view(pa.string())
    meta = pa.array([b"\xfe", b"\xfd", b"fine"]).view(pa.string())
    path = put_table(pa.table({"text": texts, "note": meta}))
    documents, (fault,) = read(path)
    assert [document.text for document in documents] == ["good", "also good"]
    assert documents[0].metadata["note"] == "\udcfe"
    assert fault.reason == "invalid UTF-8: invalid start byte at byte 4"
    assert fault.raw == b'{"text":"bad \\udcff","note":"\\udcfd"}'
    (block,) = read_blocks(path)
    batch = decode(block, get_preset("plain"))
    assert refined_rows(batch, ["a", "b"])["note"].cast(pa.binary()).to_pylist() == [b"\xfe", b"fine"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), dictionary()]
)
def test_text_is_read_from_every_type_that_holds_text(put_table, read, kind):
    note = pa.array(["x", "y", "z"]).cast(pa.string_view())
    path = put_table(pa.table({"text": pa.array(["a", None, "ü"]).cast(kind), "note": note}))
    documents, quarantined = read(path)
    assert [document.text for document in documents] == ["a", "ü"]
    assert [fault.record for fault in quarantined] == [1]
    refined = refine(path)
    assert refined["text"].to_pylist() == ["A", "Ü"]
    assert refined["note"].to_pylist() == ["x", "z"]


@pytest.mark.parametrize("column", [pa.array([1, 2]), pa.nulls(2), pa.array([["a"], ["b"]]), None])
def test_a_column_that_holds_no_text_quarantines_all_rows(put_table, read, column):
    table = pa.table({"other": [1, 2]}) if column is None else pa.table({"text": column})
    path = put_table(table)
    documents, quarantined = read(path)
    assert documents == []
    assert [fault.reason.partition(":")[0] for fault in quarantined] == ["no text", "no text"]
    assert refine(path).num_rows == 0


def test_ids_of_rows_come_from_their_column_or_are_made(put_table, read):
    documents, _ = read(put_table(pa.table({"id": pa.array([1, None], pa.int64()), "text": ["a", "b"]})))
    assert documents[0].id == "1"
    assert documents[1].id.startswith("made-")
    refined = refine(put_table(pa.table({"id": pa.array([1, None], pa.int64()), "text": ["a", "b"]})))
    assert refined["id"].to_pylist() == [document.id for document in documents]
    assert refine(put_table(pa.table({"text": ["a"]})))["id"].to_pylist()[0].startswith("made-")


def test_a_column_that_takes_a_name_of_ours_is_renamed(put_table):
    table = pa.table({"raw_content": ["RAW"], "text": ["other"], "input_text": [1], "doc_id": ["d"]})
    refined = refine(put_table(table), preset="redpajama-v2")
    assert refined.to_pylist() == [
        {"id": "d", "text": "RAW", "input_input_text": "other", "input_text": 1, "doc_id": "d"}
    ]


def test_column_descriptions_that_no_longer_fit_are_left_out(put_table):
    table = pa.table({"raw_content": ["a"], "doc_id": ["d"]}).replace_schema_metadata(
        {"huggingface": '{"info": {"features": {"raw_content": 1}}}', "own": "kept"}
    )
    assert refine(put_table(table), preset="redpajama-v2").schema.metadata == {b"own": b"kept"}


def test_parquet_becomes_json_lines_with_iso_instants_base64_and_decimal_strings(put_table, write_part, tmp_path):
    path = str(tmp_path / "out.jsonl.zst")
    write_part(path, refine(put_table(rich_table())))
    from prox.corpora import read_records

    first, second, _ = read_records(path)
    assert first == {
        "id": 7,
        "text": "ONE",
        "url": "http://a",
        "dump": "x",
        "seen": "2024-02-29T12:30:01.123456+00:00",
        "exact": "2001-09-09 01:46:40.000000001",
        "price": "1.20",
        "lines": [{"n": 1, "s": "a"}],
        "raw": "/wA=",
        "headers": {"k": "v"},
        "score": 0.5,
        "flags": [True],
        "vector": [1.0, 2.0],
        "when": "00:00:00.000001",
        "day": "1970-01-02",
        "took": 0.001,
        "nothing": None,
    }
    assert second["seen"] is None and str(second["score"]) == "nan" and second["headers"] == []


def test_a_folder_of_mixed_formats_is_read_in_order(put, put_table, json_lines, tmp_path, read):
    put("1.jsonl.gz", json_lines([{"text": "one"}]))
    put_table(pa.table({"text": ["two"]}), "2.parquet")
    put("3.json", b'[{"text": "three"}]')
    texts = [document.text for file in find_files(str(tmp_path)) for document in read(file.path)[0]]
    assert texts == ["one", "two", "three"]
