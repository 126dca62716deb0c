import gzip
import io
import pickle

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from prox.corpora import Block, Quarantined, StorageError, corpus_file, read_blocks
from prox.corpora.jsonl import slice_lines

RECORDS = [{"text": f"page {n} " + "word " * n} for n in range(200)]


def texts(documents):
    return [document.text for document in documents]


def zst(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


@given(st.binary(max_size=300).map(lambda data: data.replace(b"a", b"\n")), st.integers(1, 50), st.integers(1, 20))
def test_blocks_of_lines_joined_give_the_file_and_count_its_lines(data, block_bytes, piece):
    chunks = (data[at : at + piece] for at in range(0, len(data), piece))
    blocks = list(slice_lines(chunks, "f", block_bytes, 1000))
    assert b"".join(block.payload for block in blocks) == data
    assert blocks == list(slice_lines(iter([data] if data else []), "f", block_bytes, 1000))
    line = 0
    for block in blocks:
        assert block.first_record == line
        assert len(block.payload) <= block_bytes or block.payload.count(b"\n") <= 1
        line += block.records


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 20), st.integers(1, 60), st.booleans())
def test_exactly_the_lines_beyond_the_limit_are_quarantined(lengths, limit, block_bytes, newline_at_end):
    lines = [bytes([97 + n % 26]) * length for n, length in enumerate(lengths)]
    data = b"\n".join(lines) + b"\n" * newline_at_end
    found = list(slice_lines(iter([data] if data else []), "f", block_bytes, limit))
    assert [q.record for q in found if isinstance(q, Quarantined)] == [
        n for n, line in enumerate(lines) if len(line) > limit
    ]
    whole = {}
    for block in found:
        if isinstance(block, Block):
            whole.update(enumerate(block.payload.removesuffix(b"\n").split(b"\n"), block.first_record))
    assert {n: line for n, line in whole.items() if line} == {
        n: line for n, line in enumerate(lines) if line and len(line) <= limit
    }


def test_blocks_are_about_as_large_as_asked_and_travel_to_other_processes(put, json_lines, blocks_of):
    path = put("a.jsonl", json_lines(RECORDS))
    blocks = blocks_of(path, block_bytes=4096)
    assert len(blocks) > 10
    assert all(len(block.payload) <= 4096 for block in blocks)
    assert pickle.loads(pickle.dumps(blocks)) == blocks_of(path, block_bytes=4096)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json", "a.json.gz", "a.ndjson"])
@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n  \n", b"\xef\xbb\xbf"])
def test_a_file_without_records_has_none(put, read, name, data):
    assert read(put(name, data)) == ([], [])


@pytest.mark.parametrize("name", ["a.jsonl.gz", "b.jsonl.zst"])
def test_a_compressed_file_of_no_bytes_is_broken(put_raw, read, name):
    """Story: what a broken download leaves behind counted as a sound file without records."""
    documents, (fault,) = read(put_raw(name, b""))
    assert documents == [] and "the file is empty" in fault.reason


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json.zst"])
def test_a_byte_order_mark_is_no_part_of_the_first_record(put, read, json_lines, name):
    documents, quarantined = read(put(name, b"\xef\xbb\xbf" + json_lines(RECORDS[:2])))
    assert texts(documents) == texts_of(RECORDS[:2])
    assert quarantined == []


def texts_of(records):
    return [record["text"] for record in records]


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_concatenated_members_are_read_whole(put_raw, read, json_lines, pack):
    name = "a.jsonl.gz" if pack is gzip.compress else "a.jsonl.zst"
    pieces = [pack(json_lines(RECORDS[at : at + 7])) for at in range(0, 200, 7)]
    pieces.insert(3, pack(b""))
    documents, quarantined = read(put_raw(name, b"".join(pieces)))
    assert texts(documents) == texts_of(RECORDS)
    assert quarantined == []


def test_skippable_zstd_frames_are_passed_over(put_raw, read, json_lines):
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    data = skippable + zst(json_lines(RECORDS[:1])) + skippable + zst(json_lines(RECORDS[1:2])) + skippable
    assert texts(read(put_raw("a.jsonl.zst", data))[0]) == texts_of(RECORDS[:2])


@pytest.mark.parametrize(("name", "pack"), [("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zst)])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_off_file_gives_what_is_readable_and_then_the_reason(put_raw, read, json_lines, name, pack, share):
    whole = [pack(json_lines(RECORDS[at : at + 20])) for at in range(0, 200, 20)]
    stored = b"".join(whole)
    cut = int(len(stored) * share)
    documents, (fault,) = read(put_raw(name, stored[:cut]))
    complete = sum(1 for n in range(1, 11) if len(b"".join(whole[:n])) <= cut)
    assert len(documents) >= 20 * complete
    assert texts(documents) == texts_of(RECORDS[: len(documents)])
    assert fault.record == len(documents)
    assert fault.reason.startswith("broken file: the ") and fault.reason.endswith(" data ends too early")
    partial = orjson.dumps(RECORDS[fault.record])
    assert partial.startswith(fault.raw)


@pytest.mark.parametrize(("name", "pack", "at"), [("a.jsonl.gz", gzip.compress, -8), ("a.jsonl.zst", zst, -1)])
def test_a_wrong_checksum_loses_no_record(put_raw, read, json_lines, name, pack, at):
    stored = bytearray(pack(json_lines(RECORDS)))
    stored[at] ^= 0xFF
    documents, (fault,) = read(put_raw(name, bytes(stored)))
    assert texts(documents) == texts_of(RECORDS)
    assert fault.reason.startswith("broken file: corrupt ")


@pytest.mark.parametrize(("name", "pack"), [("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zst)])
def test_a_fault_in_a_later_member_keeps_the_members_before_it(put_raw, read, json_lines, name, pack):
    first, second = pack(json_lines(RECORDS[:100])), bytearray(pack(json_lines(RECORDS[100:])))
    second[len(second) // 2] ^= 0xFF
    documents, quarantined = read(put_raw(name, first + bytes(second)))
    assert texts(documents)[:100] == texts_of(RECORDS[:100])
    assert quarantined[-1].reason.startswith("broken file: ")


def test_zero_padding_behind_the_data_is_passed_over(put_raw, read, json_lines):
    for name, pack in (("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zst)):
        data = pack(json_lines(RECORDS[:3])) + b"\0" * 20_000 + pack(json_lines(RECORDS[3:5])) + b"\0" * 3
        documents, quarantined = read(put_raw(name, data))
        assert texts(documents) == texts_of(RECORDS[:5])
        assert quarantined == []


@pytest.mark.parametrize("garbage", [b"garbage", b"\0\0x", b"!"])
def test_garbage_behind_the_data_is_reported(put_raw, read, json_lines, garbage):
    documents, (fault,) = read(put_raw("a.jsonl.gz", gzip.compress(json_lines(RECORDS)) + garbage))
    assert texts(documents) == texts_of(RECORDS)
    assert fault.reason.startswith("broken file: something follows the gzip data")


def test_a_file_that_is_not_what_its_ending_says_is_quarantined(put_raw, read):
    for name in ("a.jsonl.gz", "a.jsonl.zst"):
        documents, (fault,) = read(put_raw(name, b'{"text": "plain"}\n'))
        assert documents == []
        assert fault.reason in ("broken file: not gzip data", "broken file: not zstd data")


def test_a_file_without_permission_is_no_fault_of_its_content(put, monkeypatch):
    file = corpus_file(put("a.jsonl", b'{"text": "a"}\n'))

    def refuse(self, path, *args, **options):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(type(fsspec.filesystem("file")), "open", refuse)
    with pytest.raises(StorageError, match=r"a\.jsonl cannot be opened: permission denied"):
        list(read_blocks(file))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.parquet"])
def test_a_file_that_vanished_is_no_fault_of_its_content(put, tmp_path, name):
    file = corpus_file(put(name, b""))
    (tmp_path / name).unlink()
    with pytest.raises(StorageError, match="cannot be opened: no such file or directory"):
        list(read_blocks(file))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_an_input_error_in_the_middle_is_no_fault_of_the_content(put, put_raw, json_lines, monkeypatch, name):
    """A network that is gone for a minute must not cost the records that it would have brought."""
    from fsspec.implementations.local import LocalFileOpener

    if name == "a.parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(RECORDS), sink, row_group_size=20)
        path = put_raw(name, sink.getvalue())
    else:
        path = put(name, json_lines(RECORDS))
    reads = []

    def failing(self, size=-1):
        reads.append(size)
        if len(reads) > 3:
            raise OSError(5, "Input/output error")
        return self.f.read(min(size, 1000) if name != "a.parquet" else size)

    monkeypatch.setattr(LocalFileOpener, "read", failing, raising=False)
    blocks = read_blocks(corpus_file(path), block_bytes=1000)
    with pytest.raises(StorageError, match=f"{name} cannot be read on: input/output error"):
        assert not [block for block in blocks if isinstance(block, Quarantined)]


def test_a_storage_that_delivers_little_at_a_time_changes_no_block(put, json_lines, blocks_of, monkeypatch):
    from fsspec.implementations.local import LocalFileOpener

    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst"):
        path = put(name, json_lines(RECORDS))
        blocks = blocks_of(path, block_bytes=1000)
        with monkeypatch.context() as patch:
            patch.setattr(LocalFileOpener, "read", lambda self, size=-1: self.f.read(min(size, 77)), raising=False)
            assert blocks_of(path, block_bytes=1000) == blocks


def test_a_record_beyond_the_limit_keeps_its_head_and_the_rest_of_the_file(put, read, json_lines):
    records = [{"text": "a"}, {"text": "b" * 300_000}, {"text": "c"}]
    documents, (fault,) = read(put("a.jsonl", json_lines(records)), max_record_bytes=200_000, block_bytes=1000)
    assert texts(documents) == ["a", "c"]
    assert fault.record == 1
    assert fault.reason.startswith("record too long: 300,011 bytes, the limit is 200,000")
    assert fault.raw == orjson.dumps(records[1])[:65536]


def test_a_line_of_twenty_megabytes_is_one_document(put, read, json_lines):
    records = [{"text": "a"}, {"text": "line\n" * 4_000_000}, {"text": "c"}]
    documents, quarantined = read(put("a.jsonl.zst", json_lines(records)))
    assert [len(document.text) for document in documents] == [1, 20_000_000, 1]
    assert quarantined == []


def test_a_last_line_without_a_line_break_is_a_record(put, read):
    assert texts(read(put("a.jsonl", b'{"text":"a"}\n{"text":"b"}'))[0]) == ["a", "b"]


def test_a_remote_file_reads_like_a_local_one(memory, put, read, json_lines):
    data = json_lines(RECORDS)
    memory.pipe("/c/a.jsonl.gz", gzip.compress(data))
    assert texts(read("memory://c/a.jsonl.gz")[0]) == texts(read(put("a.jsonl.gz", data))[0]) == texts_of(RECORDS)
