import pytest

from prox.corpora import get_preset

BAD_LINES = [
    (b'{"id": "x", "text": "\xff\xfe"}', "invalid UTF-8: invalid start byte at byte 21", None),
    (b'{"id": "x", "text": "cut', "invalid JSON: Unterminated string starting at at character 20", None),
    (b"not json", "invalid JSON: Expecting value at character 0", None),
    (b'["text"]', "not an object: an array", None),
    (b'"text"', "not an object: a string", None),
    (b"null", "not an object: null", None),
    (b"NaN", "not an object: a number", None),
    (b'{"id": "x"}', 'no text: field "text" is missing', "x"),
    (b'{"id": 12, "text": null}', 'no text: field "text" is null', "12"),
    (b'{"id": "x", "text": 1.5}', 'no text: field "text" is a number', "x"),
    (b'{"id": "x", "text": true}', 'no text: field "text" is a boolean', "x"),
    (b'{"id": "x", "text": ["a"]}', 'no text: field "text" is an array', "x"),
    (b'{"id": "x", "text": {}}', 'no text: field "text" is an object', "x"),
    (b'{"id": "x", "text": "a\\ud83d b"}', "lone surrogate: the text is not Unicode", "x"),
    (b'{"id": "\\ud83d", "text": "a"}', "lone surrogate: the id is not Unicode", None),
]


@pytest.mark.parametrize(("line", "reason", "id"), BAD_LINES)
def test_a_bad_record_is_quarantined_whole_and_its_neighbours_are_read(put, read, line, reason, id):
    path = put("a.jsonl", b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    documents, (fault,) = read(path)
    assert [document.text for document in documents] == ["before", "after"]
    assert (fault.file, fault.record, fault.reason, fault.raw, fault.id) == (path, 1, reason, line, id)


def test_all_bad_records_together_hide_no_good_one(put, read):
    lines = [line for bad, _, _ in BAD_LINES for line in (bad, b'{"text": "good"}')]
    documents, quarantined = read(put("a.jsonl", b"\n".join(lines)), block_bytes=64)
    assert len(documents) == len(BAD_LINES)
    assert [fault.raw for fault in quarantined] == [bad for bad, _, _ in BAD_LINES]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"text": "a\\u0000b"}', "a\0b"),
        (b'{"text": "a\0b"}', "a\0b"),
        (b'{"text": "a\\fb\x0cc"}', "a\fb\fc"),
        (b'{"text": "a\xe2\x80\xa8b\\u2029c\xc2\x85d"}', "a\u2028b\u2029c\x85d"),
        (b'{"text": "a\\r\\nb\\rc"}\r', "a\r\nb\rc"),
        (b'  {"text": "a"}\t', "a"),
        (b'{"text": ""}', ""),
        (b'{"text": "\\ud83d\\ude00"}', "\U0001f600"),
        (b'{"text": "a", "score": NaN, "n": 123456789012345678901234567890}', "a"),
    ],
)
def test_only_a_line_feed_ends_a_record_and_texts_stay_as_they_are(put, read, raw, text):
    documents, quarantined = read(put("a.jsonl", raw + b"\n" + raw))
    assert [document.text for document in documents] == [text, text]
    assert quarantined == []


def test_records_are_numbered_by_line_and_blank_lines_are_no_records(put, read, blocks_of):
    path = put("a.jsonl", b'\n{"text": "a"}\n  \r\n\n{"text": "b"}\nbad\n')
    from prox.corpora import decode

    (block,) = blocks_of(path)
    batch = decode(block, get_preset("plain"))
    assert (block.first_record, block.records) == (0, 6)
    assert batch.records == [1, 4]
    assert [fault.record for fault in batch.quarantined] == [5]


def test_metadata_is_everything_but_id_and_text_with_types(put, read):
    raw = b'{"url": "u", "id": 5, "text": "t", "n": 18446744073709551617, "x": [1.0, null, {"y": false}]}'
    (document,), _ = read(put("a.jsonl", raw))
    assert document.id == "5"
    assert document.metadata == {"url": "u", "n": 2**64 + 1, "x": [1.0, None, {"y": False}]}


def test_duplicate_ids_are_both_kept(put, read):
    documents, _ = read(put("a.jsonl", b'{"id": "x", "text": "a"}\n{"id": "x", "text": "b"}\n'))
    assert [(document.id, document.text) for document in documents] == [("x", "a"), ("x", "b")]


@pytest.mark.parametrize(
    ("raw", "id"),
    [
        (b'{"id": "a b", "text": ""}', "a b"),
        (b'{"id": 0, "text": ""}', "0"),
        (b'{"id": 36893488147419103232, "text": ""}', "36893488147419103232"),
        (b'{"id": 1.5, "text": ""}', "1.5"),
        (b'{"id": {"a": [1]}, "text": ""}', '{"a":[1]}'),
    ],
)
def test_an_id_is_a_string_whatever_its_type(put, read, raw, id):
    (document,), _ = read(put("a.jsonl", raw))
    assert document.id == id


@pytest.mark.parametrize("fields", [b"", b'"id": null, ', b'"id": "", '])
def test_a_made_id_depends_on_text_file_name_and_record_number_only(put, read, fields):
    line = b"{" + fields + b'"text": "same"}\n'
    documents, _ = read(put("x/a.jsonl", line * 2 + line.replace(b"same", b"new")))
    ids = [document.id for document in documents]
    assert len(set(ids)) == 3
    assert ids[0] == "made-aaf64124e5f80d56d5d6eba53a7a9a6c"  # stored programs refer to such ids
    again, _ = read(put("elsewhere/a.jsonl", line * 2 + line.replace(b"same", b"new")), block_bytes=10)
    assert [document.id for document in again] == ids
    other, _ = read(put("x/b.jsonl", line))
    assert other[0].id not in ids
    assert "id" not in documents[0].metadata


def test_ids_of_redpajama_come_from_the_first_field_that_is_there(put, read, json_lines):
    records = [
        {"raw_content": "a", "doc_id": "d", "digest": "s", "url": "u"},
        {"raw_content": "a", "doc_id": None, "digest": "s", "url": "u"},
        {"raw_content": "a", "url": "u"},
    ]
    documents, _ = read(put("a.json.gz", json_lines(records)), "redpajama-v2")
    assert [document.id for document in documents] == ["d", "s", "u"]
    assert documents[2].metadata == {"url": "u"}
