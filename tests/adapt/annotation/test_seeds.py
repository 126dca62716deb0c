import json

import pytest

from prox.adapt.annotation.seeds import Source, find_seeds
from prox.errors import UsageError
from prox.refiners.draft import Level


def corpus(path, count=20):
    path.write_text("".join(json.dumps({"id": str(n), "text": f"text {n}", "url": "u"}) + "\n" for n in range(count)))
    return path


def find(tmp_path, output="out", count=5, inputs=None, **options):
    (tmp_path / output).mkdir(exist_ok=True)
    source = Source((str(inputs or tmp_path / "in.jsonl"),), count, **options)
    return find_seeds(source, Level.DOCUMENT, str(tmp_path / output))


def test_what_cannot_be_read_or_has_no_text_is_counted_with_its_reason(tmp_path):
    corpus(tmp_path / "in.jsonl", 3)
    with (tmp_path / "in.jsonl").open("ab") as file:
        file.write(b'{"id": "4", "text": " \\n"}\n{"id": "5"}\n{"id": "6", "text": null}\nnot json\n[]\n')
        file.write(
            b'{"id": "7", "text": "half \\ud800"}\n{"id": "8", "text": "\xff"}\n{"id": "9", "text": "a\\u0000b"}\n'
        )
    seeds = find(tmp_path, count=99)
    assert {document.id for document in seeds.documents} == {"0", "1", "2", "9"}
    assert seeds.records == 11
    assert seeds.passed_over == {
        "no text": 2,
        "empty text": 1,
        "invalid JSON": 1,
        "not an object": 1,
        "lone surrogate": 1,
        "invalid UTF-8": 1,
    }


def test_a_second_call_takes_the_kept_sample_and_reads_nothing(tmp_path, monkeypatch):
    corpus(tmp_path / "in.jsonl")
    first = find(tmp_path)

    def fail(*_):
        raise AssertionError("the corpus is read again")

    with monkeypatch.context() as patch:
        patch.setattr("prox.adapt.annotation.seeds.read_blocks", fail)
        assert find(tmp_path) == first
    assert find(tmp_path, seed=1) != first


@pytest.mark.parametrize("damage", ["sample.jsonl", "sample.json"])
def test_a_sample_that_is_not_whole_is_drawn_again(tmp_path, damage):
    corpus(tmp_path / "in.jsonl")
    first = find(tmp_path)
    path = tmp_path / "out" / damage
    path.write_bytes(path.read_bytes()[:-20])
    assert find(tmp_path) == first


def test_a_changed_corpus_is_read_again(tmp_path):
    corpus(tmp_path / "in.jsonl")
    find(tmp_path)
    corpus(tmp_path / "in.jsonl", 3)
    assert len(find(tmp_path).documents) == 3


def test_an_input_in_the_output_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    corpus(tmp_path / "out/in.jsonl")
    with pytest.raises(UsageError, match="lies in the output folder"):
        find(tmp_path, inputs=tmp_path)


def test_a_corpus_without_documents_is_refused_with_what_there_is(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": ""}\n{"text": ""}\n')
    with pytest.raises(UsageError, match=r"empty text \(2\)"):
        find(tmp_path)


def test_types_of_parquet_become_those_of_json(tmp_path):
    import datetime

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": [1], "text": ["t"], "date": [datetime.date(2020, 1, 2)], "raw": [b"\xff"]})
    pq.write_table(table, tmp_path / "in.parquet")
    (document,) = find(tmp_path, inputs=tmp_path / "in.parquet").documents
    assert document.id == "1" and dict(document.metadata) == {"date": "2020-01-02", "raw": "/w=="}
