"""Spans that tile a file give every record once, wherever it is cut and whatever is in it."""

import gzip
import io
import itertools
from contextlib import ExitStack
from unittest.mock import patch

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from prox.corpora import Block, CorpusFile, Extent, Quarantined, Span, corpus_file, jsonl, read_blocks, streams
from prox.corpora.decode import table_of

PACK = {None: bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor(write_checksum=True).compress}
ENDING = {None: "", "gzip": ".gz", "zstd": ".zst"}

LINES = st.lists(
    st.one_of(
        st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")),
        st.sampled_from([b"", b"\r", b"  ", b'{"a": 1}\r', b"\xef\xbb\xbf"]),
        st.integers(30, 200).map(lambda length: b"long" * length),
    ),
    max_size=25,
)
CONTENT = st.builds(
    lambda mark, lines, end: mark + b"\n".join(lines) + end,
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    LINES,
    st.sampled_from([b"", b"\n"]),
)
SHARES = st.lists(st.floats(0, 1), max_size=8)
PIECES = st.sampled_from([1, 5, 16, 100, 1 << 20])


def stored_file(data, compression):
    """A file in memory, as it is stored."""
    path = f"memory://spans/a.jsonl{ENDING[compression]}"
    fsspec.filesystem("memory").pipe("/spans/" + path.rpartition("/")[2], data)
    return CorpusFile(path, "jsonl", compression, len(data))


def tiles(shares, size):
    """Spans that tile `size` bytes or rows."""
    cuts = sorted({0, *(max(1, int(share * size)) for share in shares)})
    return [Span(first, last) for first, last in itertools.zip_longest(cuts, cuts[1:])]


def small_pieces(piece):
    """Storage is read in steps that are as small as the test's files are."""
    stack = ExitStack()
    for name in ("_PLAIN_PIECE", "_COMPRESSED_PIECE"):
        stack.enter_context(patch.object(streams, name, piece))
    stack.enter_context(patch.object(jsonl, "HEAD_BYTES", 50))
    return stack


def read(file, span, block_bytes, limit, plain):
    """What is in a span: (number of the line, position, line), and faults."""
    extent = Extent()
    lines, faults = [], []
    for found in read_blocks(file, block_bytes, limit, span=span, extent=extent):
        if isinstance(found, Quarantined):
            faults.append((found.offset, found.record, found.reason, found.raw))
            continue
        assert found.records == found.payload.count(b"\n") + (not found.payload.endswith(b"\n"))
        position = found.position
        for number, line in enumerate(_lines(found.payload)):
            lines.append((found.offset, found.first_record + number, position, line))
            position += len(line)
        assert plain or found.offset == 0
    return lines, faults, extent


def _lines(payload):
    parts = payload.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def absolute(entries, data, plain):
    """Numbers that count from the beginning of the file, also where they counted from an offset."""
    before = {offset: data[:offset].count(b"\n") if plain else 0 for offset in {entry[0] for entry in entries}}
    return [(record + before[offset], *rest) for offset, record, *rest in entries]


def check_spans(file, spans, data, block_bytes, limit):
    plain = file.compression is None
    whole_lines, whole_faults, whole_extent = read(file, Span(), block_bytes, limit, plain)
    lines, faults, reached = [], [], None
    for span in spans:
        found, wrong, extent = read(file, span, block_bytes, limit, plain)
        lines += absolute(found, data, plain)
        faults += absolute(wrong, data, plain)
        if extent.begin != extent.end:
            assert reached is None or extent.begin == reached
            assert reached is not None or extent.begin == whole_extent.begin
            reached = extent.end
    assert lines == absolute(whole_lines, data, plain)
    assert faults == absolute(whole_faults, data, plain)
    assert reached is None or reached == whole_extent.end
    return lines, faults


@settings(deadline=None, max_examples=300)
@given(CONTENT, SHARES, PIECES, st.sampled_from([1, 20, 1000]))
def test_spans_of_a_plain_file_give_every_line_once(data, shares, piece, block_bytes):
    file = stored_file(data, None)
    with small_pieces(piece):
        lines, faults = check_spans(file, tiles(shares, len(data)), data, block_bytes, 300)
    long = [line for line in data.split(b"\n") if len(line.removeprefix(b"\xef\xbb\xbf")) > 300]
    assert len(faults) == len(long)
    assert sum(len(line) for *_, line in lines) <= len(data)
    for _, position, line in lines:
        assert data[position : position + len(line)] == line


def members(data, cuts, compression):
    """The data in several gzip members or zstd frames; padding and empty ones between them are no harm."""
    cuts = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    pieces = [PACK[compression](data[first:last]) for first, last in itertools.pairwise(cuts)] or [
        PACK[compression](b"")
    ]
    return (b"\0" * 5).join(pieces) + PACK[compression](b"")


@settings(deadline=None, max_examples=300)
@given(CONTENT, SHARES, SHARES, PIECES, st.sampled_from([1, 20, 1000]), st.sampled_from(["gzip", "zstd"]))
def test_spans_of_a_compressed_file_give_every_line_once(data, parts, shares, piece, block_bytes, compression):
    stored = members(data, parts, compression)
    file = stored_file(stored, compression)
    with small_pieces(piece):
        lines, _ = check_spans(file, tiles(shares, len(stored)), data, block_bytes, 10_000)
    mark = 3 * data.startswith(b"\xef\xbb\xbf")
    assert b"".join(line for *_, line in lines) == data[mark:]
    assert [number for number, *_ in lines] == list(range(len(lines)))


@settings(deadline=None, max_examples=400)
@given(
    CONTENT,
    SHARES,
    SHARES,
    PIECES,
    st.sampled_from([20, 1000]),
    st.sampled_from(["gzip", "zstd"]),
    st.floats(0, 1),
    st.sampled_from(["cut off", "flipped", "garbage behind", "another format"]),
)
def test_a_fault_of_a_compressed_file_is_in_one_span_only(
    data, parts, shares, piece, block_bytes, compression, place, damage
):
    stored = bytearray(members(data, parts, compression))
    at = min(int(place * len(stored)), len(stored) - 1)
    if damage == "cut off":
        del stored[at:]
    elif damage == "flipped":
        stored[at] ^= 0x55
    elif damage == "garbage behind":
        stored += b"garbage"
    else:
        stored = bytearray(data)
    file = stored_file(bytes(stored), compression)
    with small_pieces(piece):
        _, faults = check_spans(file, tiles(shares, len(stored)), data, block_bytes, 10_000)
    assert len([fault for fault in faults if fault[1].startswith("broken file")]) <= 1
    assert damage != "cut off" or at != 0 or len(faults) == 1


def test_the_end_of_a_line_can_lie_far_behind_its_span():
    line = orjson.dumps({"text": "far " * 2_000_000}) + b"\n"
    data = b'{"text": "a"}\n' + line + b'{"text": "c"}\n'
    file = stored_file(data, None)
    sizes = []
    for span in (
        Span(0, 14),
        Span(14, 15),
        Span(15, len(data) - 15),
        Span(len(data) - 14, len(data) - 13),
        Span(len(data) - 13),
    ):
        blocks = list(read_blocks(file, span=span))
        sizes.append(sum(len(block.payload) for block in blocks))
    assert sizes == [14, len(line), 0, 14, 0]


def test_real_sizes_of_pieces_are_cut_too():
    """Pieces of 16 KB of stored bytes, as they are in use."""
    lines = [orjson.dumps({"n": n, "text": f"{n * 7919 % 104729:x}" * 20}) for n in range(30_000)]
    data = b"\n".join(lines)
    for compression in PACK:
        stored = PACK[compression](data)
        assert compression is None or len(stored) > 10 * (1 << 14)
        file = stored_file(stored, compression)
        check_spans(file, tiles([n / 13 for n in range(13)], len(stored)), data, 1 << 16, 1 << 20)


def test_what_a_span_is_does_not_depend_on_how_storage_delivers(monkeypatch):
    from fsspec.implementations.memory import MemoryFile

    data = b"".join(orjson.dumps({"n": n, "text": "word " * (n % 40)}) + b"\n" for n in range(2000))
    read = MemoryFile.read
    for compression in PACK:
        stored = PACK[compression](data)
        file = stored_file(stored, compression)
        spans = tiles([0.3, 0.31, 0.7], len(stored))
        before = [list(read_blocks(file, 1000, span=span)) for span in spans]
        with monkeypatch.context() as slow:
            slow.setattr(MemoryFile, "read", lambda self, size=-1: read(self, min(size, 333)), raising=False)
            assert [list(read_blocks(file, 1000, span=span)) for span in spans] == before


# Parquet


def parquet(rows, group, **options):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=group, **options)
    return sink.getvalue()


def rows_of(path, span, block_bytes):
    extent = Extent()
    rows, faults = [], []
    for block in read_blocks(path, block_bytes, span=span, extent=extent):
        if isinstance(block, Block):
            values = table_of(block).to_pylist()
            assert block.records == len(values)
            rows += [(block.first_record + number, row) for number, row in enumerate(values)]
        else:
            faults.append(block)
    return rows, faults, extent


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 60), st.integers(1, 70), SHARES, st.sampled_from([1, 200, 10_000]))
def test_spans_of_a_parquet_file_give_every_row_once_also_within_row_groups(count, group, shares, block_bytes):
    rows = [{"id": n, "text": f"page {n} " + "word " * (n % 9)} for n in range(count)]
    fsspec.filesystem("memory").pipe("/spans/a.parquet", parquet(rows, group))
    file = corpus_file("memory://spans/a.parquet")
    found, reached = [], 0
    for span in tiles(shares, count):
        here, faults, extent = rows_of(file, span, block_bytes)
        assert not faults
        found += here
        if extent.begin != extent.end:
            assert extent.begin == reached
            reached = extent.end
    assert found == list(enumerate(rows))
    assert reached == count


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl.gz"])
def test_a_span_behind_the_end_is_empty(name):
    stored = parquet([{"id": 1, "text": "a"}], 1) if name == "a.parquet" else gzip.compress(b'{"id": 1}\n')
    fsspec.filesystem("memory").pipe(f"/spans/{name}", stored)
    extent = Extent()
    assert list(read_blocks(corpus_file(f"memory://spans/{name}"), span=Span(5000, 6000), extent=extent)) == []
    assert extent.begin == extent.end


def test_rows_of_a_broken_row_group_are_missing_in_the_spans_that_have_them_and_only_there():
    rows = [{"id": n, "text": f"page {n} {n * 7919 % 104729:x}"} for n in range(300)]
    stored = bytearray(parquet(rows, 100, compression="none", use_dictionary=False))
    at = stored.index(b"page 150 ") - 2  # the length of a text in the second row group
    stored[at : at + 2] = b"\xff\xff"
    fsspec.filesystem("memory").pipe("/spans/b.parquet", bytes(stored))
    file = corpus_file("memory://spans/b.parquet")
    found, missing = [], []
    for span in tiles([0.2, 0.4, 0.55, 0.6, 0.8], 300):
        here, faults, extent = rows_of(file, span, 500)
        found += here
        assert (extent.begin, extent.end) == (span.first, span.last or 300)
        for fault in faults:
            first, last = map(int, fault.reason.split(": ")[1].removeprefix("rows ").split(" cannot")[0].split(" to "))
            assert fault.record == first
            missing += range(first, last + 1)
    assert missing and set(missing) <= set(range(100, 200))
    assert sorted([number for number, _ in found] + missing) == list(range(300))
    assert all(row == rows[number] for number, row in found)
