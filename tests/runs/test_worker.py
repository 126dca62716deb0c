"""One work unit from raw block to parts on disk."""

import hashlib
import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from prox.corpora import WHOLE, Extent, Span, StorageError, corpus_file, get_preset
from prox.errors import RunError
from prox.program import DropDocument, KeepDocument, Policy, Program, RemoveLines
from prox.refiners import Draft, Level
from prox.runs import worker as worker_module
from prox.runs.care import Care, Place
from prox.runs.costs import StageCost
from prox.runs.ledger import OutputError, make_aside, read_ledger
from prox.runs.plan import Unit
from prox.runs.recipe import Recipe
from prox.runs.rows import PROGRAM_SCHEMA
from prox.runs.stages import Stage
from prox.runs.unit_report import UnitReport
from prox.runs.worker import Worker

RECORDS = [
    {"id": "kept", "text": "plain prose", "n": 1, "tags": ["a"]},
    {"id": "edited", "text": "MENU one\nprose\u2028 of two", "n": 2, "tags": []},
    {"id": "dropped", "text": "DROP me", "n": 3, "tags": []},
    {"id": "held", "text": "HOLD on", "n": 4, "tags": []},
    {"id": "no text", "n": 5},
    {"id": "failed", "text": "ERROR here", "n": 6, "tags": ["b", "c"]},
    {"id": 7, "text": "a number for an id", "n": 7, "tags": []},
]
LINES = [json.dumps(record).encode() for record in RECORDS] + [b"", b"{broken", b'{"id": "last", "text": "end"}']
DECISIONS = ["kept", "edited", "dropped", "quarantined", "quarantined", "kept", "kept", "quarantined", "kept"]


class ByMark:
    """Does what the page says."""

    window = None
    level = Level.CHUNK
    fingerprint = "by mark"

    def refine(self, chunks):
        return [self._draft(chunk.text) for chunk in chunks]

    def _draft(self, text):
        if "HOLD" in text:
            return Draft(Program(), errors=("quarantine: held back",))
        if "ERROR" in text:
            return Draft(Program(), errors=("timeout: 60 s",))
        if "DROP" in text:
            return Draft(Program((DropDocument(),)), score=0.25)
        menus = [RemoveLines(i, i) for i, line in enumerate(text.split("\n")) if line.startswith("MENU")]
        return Draft(Program(tuple(menus or [KeepDocument()])), line_scores=bytes(text.count("\n") + 1))


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def put(tmp_path):
    """Write a file of lines, of a table, or of bytes as they are; gives the path."""

    def write(content, name="pages.jsonl"):
        path = tmp_path / name
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else b"\n".join(content))
        return path

    return write


@pytest.fixture
def refine(out):
    def call(path, format="parquet", schema=None, span=WHOLE, **limits) -> UnitReport:
        recipe = Recipe(input=("in",), output=str(out), format=format)
        stages = [Stage("marks", ByMark(), Policy(least_words=None, least_share=None, **limits))]
        unit = Unit(3, 4, corpus_file(str(path)), get_preset("plain"), span)
        return Worker(recipe, schema, make_aside(str(out)), stages).refine(unit)

    return call


def parts(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "ledger" not in path.parts
    )


def json_lines(path: Path) -> list[dict]:
    data = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read()
    return [json.loads(line) for line in data.decode().removesuffix("\n").split("\n")]


def programs(out) -> list[dict]:
    return pq.read_table(out / "programs/part-000003-00004.parquet").to_pylist()


def test_a_unit_is_a_part_of_text_one_of_programs_and_one_of_quarantine(refine, put, out):
    refine(put(LINES))
    assert parts(out) == [
        "programs/part-000003-00004.parquet",
        "quarantine/part-000003-00004.jsonl.zst",
        "text/part-000003-00004.parquet",
    ]


def test_the_report_counts_every_record_once_and_every_reason(refine, put):
    report = refine(put(LINES))
    assert report.decisions == Counter(DECISIONS)
    assert report.reasons == {"dropped by marks": 1, "held back": 1, "timeout": 1, "no text": 1, "invalid JSON": 1}
    assert report.failures == 2
    texts = [record["text"] for record in RECORDS if "text" in record] + ["end"]
    assert report.text_bytes == sum(len(text.encode()) for text in texts)
    assert report.words_before == sum(len(text.split()) for text in texts)
    assert report.words_before - report.words_after == 6  # MENU one, DROP me, HOLD on


def test_programs_have_one_row_for_every_record_in_the_order_of_the_input(refine, put, out):
    refine(put(LINES))
    rows = programs(out)
    assert [row["record"] for row in rows] == [0, 1, 2, 3, 4, 5, 6, 8, 9]  # 7 is a blank line
    assert [row["decision"] for row in rows] == DECISIONS
    assert [row["id"] for row in rows] == [
        "kept", "edited", "dropped", "held", "no text", "failed", "7", "unread:pages.jsonl:8", "last",
    ]  # fmt: skip
    assert {row["file"] for row in rows} == {str(out.parent / "pages.jsonl")}
    assert rows[1]["program"] == "remove_lines(line_start=0, line_end=0)"
    assert rows[2]["program"] == "drop_doc()"
    assert rows[0]["program"] == "keep_doc()"
    assert pq.read_schema(out / "programs/part-000003-00004.parquet").equals(PROGRAM_SCHEMA)


def test_the_hash_is_that_of_the_raw_text_and_null_where_there_was_none(refine, put, out):
    refine(put(LINES))
    texts = [record.get("text") for record in RECORDS] + [None, "end"]
    hashes = [None if text is None else hashlib.sha256(text.encode()).hexdigest() for text in texts]
    assert [row["text_sha256"] for row in programs(out)] == hashes


def test_what_a_stage_did_stands_in_its_row(refine, put, out):
    refine(put(LINES))
    rows = programs(out)
    (edited,) = rows[1]["stages"]
    assert (edited["stage"], edited["level"], edited["words_before"], edited["words_after"]) == ("marks", "chunk", 5, 3)
    assert (edited["line_scores"], edited["score"]) == (bytes(2), None)
    assert rows[2]["stages"][0]["score"] == 0.25
    assert rows[5]["stages"][0]["failures"] == ["timeout: 60 s"]
    assert rows[5]["reason"] == "timeout: 60 s"
    assert rows[7]["stages"] == []


def test_text_has_the_kept_and_edited_documents_with_all_their_fields(refine, put, out):
    refine(put(LINES), format="jsonl")
    assert json_lines(out / "text/part-000003-00004.jsonl.zst") == [
        RECORDS[0],
        RECORDS[1] | {"text": "prose\u2028 of two"},
        RECORDS[5],
        RECORDS[6],
        {"id": "last", "text": "end"},
    ]


def test_columns_of_parquet_keep_their_types_and_order(refine, put, out):
    table = pa.table(
        {
            "n": pa.array([1, 2, 3], pa.int16()),
            "text": pa.array(["MENU\none", "DROP", "three"], pa.large_string()),
            "when": pa.array([0, 1, 2], pa.timestamp("ms", "UTC")),
            "id": pa.array([5, 6, 7], pa.uint32()),
        }
    )
    refine(put(table, "pages.parquet"))
    written = pq.read_table(out / "text/part-000003-00004.parquet")
    assert {name: written.schema.field(name).type for name in written.column_names} == {
        name: table.schema.field(name).type for name in table.column_names
    }
    assert written["text"].to_pylist() == ["one", "three"]
    assert written.drop_columns(["text"]) == table.take([0, 2]).select(["id", "n", "when"])


def test_a_quarantined_record_is_there_with_its_number_id_and_reason(refine, put, out):
    refine(put(LINES))
    entries = json_lines(out / "quarantine/part-000003-00004.jsonl.zst")
    assert [(entry["record"], entry["id"]) for entry in entries] == [(3, "held"), (4, "no text"), (8, None)]
    assert entries[0]["reason"] == "held back"
    assert "HOLD on" in entries[0]["raw"]
    assert json.loads(entries[1]["raw"]) == RECORDS[4]
    assert entries[2]["raw"] == "{broken"


def test_a_place_where_a_file_breaks_off_is_quarantined_and_has_its_row(refine, put, out):
    report = refine(put(b"no gzip", "pages.jsonl.gz"))
    assert report.decisions == {"quarantined": 1}
    assert report.reasons == {"broken file": 1}
    assert report.problems == ("pages.jsonl.gz, record 0: broken file: not gzip data",)
    assert parts(out) == ["programs/part-000003-00004.parquet", "quarantine/part-000003-00004.jsonl.zst"]
    (row,) = programs(out)
    assert (row["id"], row["record"], row["decision"]) == ("unread:pages.jsonl.gz:0", 0, "quarantined")
    assert (row["reason"], row["text_sha256"]) == ("broken file: not gzip data", None)


def test_a_span_of_a_plain_file_counts_records_from_its_first_line(refine, put, out):
    """Nobody has counted the lines before it: the row says from which byte they count."""
    before = len(LINES[0]) + 1
    report = refine(put(LINES), span=Span(before - 2, before + 200))
    rows = programs(out)
    assert [row["id"] for row in rows][:2] == ["edited", "dropped"]
    assert {row["offset"] for row in rows} == {before}
    assert [row["record"] for row in rows] == list(range(len(rows)))
    assert report.extent == Extent(before, before + sum(len(line) + 1 for line in LINES[1 : 1 + len(rows)]))
    held = json_lines(out / "quarantine/part-000003-00004.jsonl.zst")
    assert [(row["id"], row["offset"]) for row in held] == [("held", before), ("no text", before)]


def test_an_unread_record_has_an_id_of_its_own_in_every_span(refine, put, out):
    refine(put([b"{broken", b"{broken"]), span=Span(4))
    assert [row["id"] for row in programs(out)] == ["unread:pages.jsonl:8+0"]


def test_a_unit_is_entered_in_the_ledger_with_its_parts_and_counts(refine, put, out):
    report = refine(put(LINES))
    (entry,) = read_ledger(str(out))
    assert (entry.file_number, entry.number, entry.report) == (3, 4, report)
    assert entry.parts == {name: (out / name).stat().st_size for name in parts(out)}


def test_a_unit_without_a_document_left_writes_no_text(refine, put, out):
    refine(put([LINES[2]]))
    assert parts(out) == ["programs/part-000003-00004.parquet"]


def test_a_unit_of_blank_lines_has_programs_without_rows(refine, put, out):
    assert refine(put([b"", b"  ", b""])) == UnitReport(costs=(StageCost(),), extent=Extent(0, 4))
    assert programs(out) == []


@pytest.mark.parametrize(("name", "value"), [("BATCH", 2), ("BLOCK_BYTES", 100)])
def test_the_size_of_batches_and_blocks_changes_nothing(refine, put, out, monkeypatch, name, value):
    first = refine(put(LINES), format="jsonl")
    table = pq.read_table(out / "programs/part-000003-00004.parquet")
    text = json_lines(out / "text/part-000003-00004.jsonl.zst")
    held = json_lines(out / "quarantine/part-000003-00004.jsonl.zst")
    monkeypatch.setattr(worker_module, name, value)
    second = refine(put(LINES), format="jsonl")
    assert _without_seconds(second) == _without_seconds(first)
    assert pq.read_table(out / "programs/part-000003-00004.parquet") == table
    assert json_lines(out / "text/part-000003-00004.jsonl.zst") == text
    assert json_lines(out / "quarantine/part-000003-00004.jsonl.zst") == held


def _without_seconds(report):
    return replace(report, costs=tuple(replace(cost, seconds=0.0) for cost in report.costs))


@pytest.mark.parametrize("place", ["prox.corpora.write.os.fsync", "prox.runs.ledger.os.replace"])
def test_a_part_that_cannot_be_written_leaves_no_file_that_looks_like_one(refine, put, out, monkeypatch, place):
    monkeypatch.setattr(place, _full_disk)
    with pytest.raises(OutputError, match=r"cannot write into .*No space left") as failure:
        refine(put(LINES))
    assert failure.value.errno == 28
    assert parts(out) == [] and list(read_ledger(str(out))) == []


def _full_disk(*_):
    raise OSError(28, "No space left on device")


def test_a_file_that_has_changed_since_it_was_found_is_not_refined(refine, put, out):
    """Half of one file and half of another must not become one unit."""
    path = put(LINES)
    unit = Unit(3, 4, corpus_file(str(path)), get_preset("plain"), WHOLE)
    put([*LINES, LINES[0]])
    worker = Worker(Recipe(input=("in",), output=str(out)), None, make_aside(str(out)), [])
    with pytest.raises(StorageError, match="has changed since the run began"):
        worker.refine(unit)
    assert parts(out) == []


def test_a_file_that_changes_while_it_is_read_is_not_committed(put, out):
    class Touches(ByMark):
        def refine(self, chunks):
            os.utime(path, (1, 1))
            return super().refine(chunks)

    path = put(LINES)
    unit = Unit(3, 4, corpus_file(str(path)), get_preset("plain"), WHOLE)
    stages = [Stage("marks", Touches(), Policy())]
    worker = Worker(Recipe(input=("in",), output=str(out)), None, make_aside(str(out)), stages)
    with pytest.raises(StorageError, match="has changed since the run began"):
        worker.refine(unit)
    assert parts(out) == []


class Raises(ByMark):
    def __init__(self, mark):
        self.mark = mark

    def refine(self, chunks):
        if any(self.mark in chunk.text for chunk in chunks):
            raise ValueError("a fault of the refiner")
        return super().refine(chunks)


def test_a_refiner_that_raises_on_a_document_costs_that_document(put, out):
    unit = Unit(3, 4, corpus_file(str(put(LINES))), get_preset("plain"), WHOLE)
    stages = [Stage("marks", Raises("plain"), Policy(least_words=None, least_share=None))]
    Worker(Recipe(input=("in",), output=str(out)), None, make_aside(str(out)), stages).refine(unit)
    assert [row["decision"] for row in programs(out)] == ["quarantined", *DECISIONS[1:]]
    assert programs(out)[0]["reason"] == "the refiner failed: ValueError: a fault of the refiner"


def test_a_refiner_that_raises_on_many_in_a_row_ends_the_run(put, out):
    path = put([json.dumps({"text": f"page {n}"}).encode() for n in range(9)])
    unit = Unit(3, 4, corpus_file(str(path)), get_preset("plain"), WHOLE)
    worker = Worker(
        Recipe(input=("in",), output=str(out)), None, make_aside(str(out)), [Stage("m", Raises("page"), Policy())]
    )
    with pytest.raises(RunError, match="a fault of the refiner, and so it did for 8 documents"):
        worker.refine(unit)


LONG = [json.dumps({"id": str(n), "text": f"MENU\npage {n}"}).encode() for n in range(10)]


def careful(path, out, care):
    said = []
    stages = [Stage("marks", ByMark(), Policy(least_words=None, least_share=None))]
    unit = Unit(3, 4, corpus_file(str(path)), get_preset("plain"), WHOLE)
    worker = Worker(Recipe(input=("in",), output=str(out)), None, make_aside(str(out)), stages)
    return worker.refine(unit, said.append, care), said


def test_a_worker_says_what_it_does_before_it_does_it(put, out, monkeypatch):
    monkeypatch.setattr(worker_module, "BLOCK_BYTES", 3 * len(LONG[0]) + 3)
    _, said = careful(put([*LONG[:6], b""]), out, Care())
    assert said == [
        Place("read", 0), Place("decode", 0, 0, 3), Place("refine", 0, 0, 3),
        Place("read", 1), Place("decode", 1, 3, 3), Place("refine", 1, 3, 3),
        Place("read", 2), Place("commit"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("care", "quarantined"),
    [
        (Care(alone=frozenset({0})), []),
        (Care(apart=frozenset({0, 1})), []),
        (Care(refused=((3, "r"), (7, "r"))), [3, 7]),
        (Care(avoided=((0, "r"), (9, "r"))), [0, 9]),
        (Care(skipped=((1, "r"),)), [3, 4, 5]),
        (Care(apart=frozenset({1}), alone=frozenset({3}), refused=((4, "r"),), avoided=((5, "r"),)), [4, 5]),
        (Care(end=(2, "r")), [6]),
    ],
)
def test_care_costs_only_the_records_it_names(put, out, monkeypatch, care, quarantined):
    monkeypatch.setattr(worker_module, "BLOCK_BYTES", 3 * len(LONG[0]) + 3)
    report, _ = careful(put(LONG), out, care)
    rows = programs(out)
    assert [row["record"] for row in rows if row["decision"] == "quarantined"] == quarantined
    assert {row["reason"] for row in rows if row["decision"] == "quarantined"} <= {"r"}
    last = 7 if care.end else 10
    assert [row["record"] for row in rows] == list(range(last)) and report.records == last
    assert all(row["decision"] == "edited" for row in rows if row["record"] not in quarantined)
    if quarantined:
        held = json_lines(out / "quarantine/part-000003-00004.jsonl.zst")
        assert [entry["record"] for entry in held] == quarantined
        if care.refused or care.avoided:
            assert [json.loads(entry["raw"]) for entry in held] == [json.loads(LONG[n]) for n in quarantined]


def test_reports_add_up():
    one = UnitReport(Counter(kept=1), Counter({"a": 1}), 2, 1, 10, 1, 0, 3)
    two = UnitReport(Counter(kept=2, dropped=1), Counter({"b": 1}), 5, 5, 7, 0, 4, 1)
    assert one + two == UnitReport(Counter(kept=3, dropped=1), Counter({"a": 1, "b": 1}), 7, 6, 17, 1, 4, 4)
    assert one + UnitReport() == one


def test_reasons_are_counted_without_what_is_particular_to_a_record(put, out):
    """Reasons with numbers in them were counted one by one, as many as documents."""
    path = put([json.dumps({"text": "MENU\n" + "word " * n}).encode() for n in range(1, 9)])
    unit = Unit(3, 4, corpus_file(str(path)), get_preset("plain"), WHOLE)
    stages = [Stage("marks", ByMark(), Policy())]
    report = Worker(Recipe(input=("in",), output=str(out)), None, make_aside(str(out)), stages).refine(unit)
    assert report.decisions == {"dropped": 8}
    assert list(report.reasons.values()) == [8]
