import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.corpora import Block
from prox.corpora.json_values import slice_values, value_layout

SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(['}"', "\\", '\\"', "[{", "],"])
OBJECTS = st.dictionaries(
    st.text(max_size=3),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)),
    max_size=3,
)


def cut(data, array, piece=7, block_bytes=50, limit=1 << 20):
    chunks = (data[at : at + piece] for at in range(0, len(data), piece))
    return list(slice_values(chunks, "f", block_bytes, limit, array))


def values(found):
    return [json.loads(raw) for block in found for raw in block.payload]


@given(st.lists(OBJECTS), st.sampled_from([None, 2]), st.booleans(), st.integers(1, 30))
def test_every_element_of_an_array_is_one_value(records, indent, ascii_only, piece):
    data = json.dumps(records, indent=indent, ensure_ascii=ascii_only).encode(errors="replace")
    expected = json.loads(data)
    found = cut(data, True, piece)
    assert values(found) == expected
    assert [block.first_record for block in found] == [
        sum(block.records for block in found[:n]) for n in range(len(found))
    ]


@given(st.lists(OBJECTS), st.integers(1, 30))
def test_every_object_of_a_sequence_is_one_value(records, piece):
    data = "\n".join(json.dumps(record, indent=2) for record in records).encode()
    assert values(cut(data, False, piece)) == records


@pytest.mark.parametrize(
    ("head", "layout"),
    [
        (b'{"text": "a"}\n{"text": "b"}\n', "lines"),
        (b'{"text": "a"}', "lines"),
        (b'\n {\n  "text": "a"\n}', "objects"),
        (b'{"meta": {"a": [\n1]}, "text": "a"}', "objects"),
        (b'[{"text": "a"}]', "array"),
        (b"\n[\n", "array"),
        (b'{"text": "cut off\n{"text": "b"}\n', "lines"),
        (b'{"text": "{"}\n', "lines"),
        (b"no json\n", "lines"),
        (b"", "lines"),
    ],
)
def test_the_start_of_a_json_file_says_how_its_records_lie(head, layout):
    assert value_layout(head) == layout


def test_a_json_file_may_be_lines_or_an_array_or_one_object(put, read):
    records = [{"text": "a\nb"}, {"text": "c"}]
    as_lines = "\n".join(map(json.dumps, records)).encode()
    for data in (as_lines, json.dumps(records).encode(), json.dumps(records, indent=1).encode()):
        documents, quarantined = read(put("a.json.gz", data))
        assert [document.text for document in documents] == ["a\nb", "c"]
        assert quarantined == []
    assert read(put("a.json", json.dumps(records[0], indent=1).encode()))[0][0].text == "a\nb"


def test_a_broken_element_does_not_hide_its_neighbours(put, read):
    data = b'[{"text": "a"}, {"text" "b"}, 7, {"text": "d"}}, {"text": "e"}, ]'
    documents, quarantined = read(put("a.json", data))
    assert [document.text for document in documents] == ["a", "e"]
    assert [(fault.record, fault.reason.partition(":")[0]) for fault in quarantined] == [
        (1, "invalid JSON"),
        (2, "not an object"),
        (3, "invalid JSON"),
    ]


@pytest.mark.parametrize(
    ("data", "texts", "reason", "raw"),
    [
        (b'[{"text": "a"}, {"text": "b', ["a"], "broken file: it ends before its brackets are closed", b'{"text": "b'),
        (b'[{"text": "a"}, {"text": "b"}', ["a", "b"], "broken file: it ends before its brackets are closed", b""),
        (b'[{"text": "a"}] {"x": 1}', ["a"], "invalid JSON: something follows the end of the array", b'{"x": 1}'),
        (
            b'{\n"text": "a"\n} \n{\n"text":',
            ["a"],
            "broken file: it ends before its brackets are closed",
            b'{\n"text":',
        ),
    ],
)
def test_an_array_that_ends_badly_keeps_what_is_whole(put, read, data, texts, reason, raw):
    documents, (fault,) = read(put("a.json", data))
    assert [document.text for document in documents] == texts
    assert (fault.reason, fault.raw) == (reason, raw)


def test_a_cut_off_compressed_array_keeps_what_is_whole(put_raw, read):
    import gzip

    data = json.dumps([{"text": f"{n * 7919}"} for n in range(1000)]).encode()
    stored = gzip.compress(data)
    documents, (fault,) = read(put_raw("a.json.gz", stored[: len(stored) // 2]))
    assert [document.text for document in documents] == [str(n * 7919) for n in range(len(documents))]
    assert len(documents) > 100
    assert fault.reason == "broken file: the gzip data ends too early"
    assert fault.raw and data.find(fault.raw) > 0


def test_an_element_beyond_the_limit_keeps_its_head_and_the_other_elements():
    data = json.dumps([{"text": "a"}, {"text": "b" * 500}, {"text": "c"}]).encode()
    before, long, after = cut(data, True, piece=20, limit=100)
    assert isinstance(before, Block) and isinstance(after, Block)
    assert values([before, after]) == [{"text": "a"}, {"text": "c"}]
    assert long.record == 1 and long.reason.startswith("record too long: 512 bytes")
    assert json.dumps({"text": "b" * 500}).encode().startswith(long.raw) and len(long.raw) > 100
    assert after.first_record == 2


def test_a_cut_off_first_line_does_not_make_one_record_of_a_json_lines_file(put, read):
    """Story: one broken line at the start of a `.json.gz` file took all others with it."""
    lines = b'{"id": 1, "m": [1, 2\n' + b"".join(b'{"id": %d, "text": "x"}\n' % number for number in range(2, 9))
    documents, (fault,) = read(put("c4.json.gz", lines))
    assert [document.id for document in documents] == [str(number) for number in range(2, 9)]
    assert fault.record == 0 and fault.reason.startswith("invalid JSON")
