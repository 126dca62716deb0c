"""One work unit from raw block to parts on disk."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from prox.corpora import Block, Quarantined, get_preset
from prox.program import DropDocument, KeepDocument, Policy, Program, RemoveLines
from prox.refiners import Draft, Level
from prox.runs import worker as worker_module
from prox.runs.costs import StageCost
from prox.runs.recipe import Recipe
from prox.runs.stages import Stage
from prox.runs.worker import PROGRAM_SCHEMA, UnitReport, Worker

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
    return tmp_path / "out"


@pytest.fixture
def refine(out):
    def call(block, number=3, format="parquet", schema=None, preset="plain") -> UnitReport:
        recipe = Recipe(input=("in",), output=str(out), format=format)
        stages = [Stage("marks", ByMark(), Policy(least_words=None, least_share=None))]
        return Worker(recipe, schema, stages).refine(number, block, get_preset(preset))

    return call


def lines_block(lines=LINES, first=10) -> Block:
    return Block("/in/pages.jsonl", first, len(lines), "lines", b"\n".join(lines))


def table_block(table: pa.Table) -> Block:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Block("/in/pages.parquet", 10, table.num_rows, "arrow", sink.getvalue().to_pybytes())


def parts(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def json_lines(path: Path) -> list[dict]:
    data = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read()
    return [json.loads(line) for line in data.decode().removesuffix("\n").split("\n")]


def programs(out) -> list[dict]:
    return pq.read_table(out / "programs/part-000003.parquet").to_pylist()


def test_a_unit_is_a_part_of_text_one_of_programs_and_one_of_quarantine(refine, out):
    refine(lines_block())
    assert parts(out) == [
        "programs/part-000003.parquet",
        "quarantine/part-000003.jsonl.zst",
        "text/part-000003.parquet",
    ]


def test_the_report_counts_every_record_once_and_every_reason(refine):
    report = refine(lines_block())
    assert report.decisions == Counter(DECISIONS)
    assert report.reasons == {"dropped by marks": 1, "held back": 1, "timeout": 1, "no text": 1, "invalid JSON": 1}
    assert report.failures == 2
    texts = [record["text"] for record in RECORDS if "text" in record] + ["end"]
    assert report.text_bytes == sum(len(text.encode()) for text in texts)
    assert report.words_before == sum(len(text.split()) for text in texts)
    assert report.words_before - report.words_after == 6  # MENU one, DROP me, HOLD on


def test_programs_have_one_row_for_every_record_in_the_order_of_the_input(refine, out):
    refine(lines_block())
    rows = programs(out)
    assert [row["record"] for row in rows] == [10, 11, 12, 13, 14, 15, 16, 18, 19]  # 17 is a blank line
    assert [row["decision"] for row in rows] == DECISIONS
    assert [row["id"] for row in rows] == [
        "kept", "edited", "dropped", "held", "no text", "failed", "7", "unread:pages.jsonl:18", "last",
    ]  # fmt: skip
    assert {row["file"] for row in rows} == {"/in/pages.jsonl"}
    assert rows[1]["program"] == "remove_lines(line_start=0, line_end=0)"
    assert rows[2]["program"] == "drop_doc()"
    assert rows[0]["program"] == "keep_doc()"
    assert pq.read_schema(out / "programs/part-000003.parquet").equals(PROGRAM_SCHEMA)


def test_the_hash_is_that_of_the_raw_text_and_null_where_there_was_none(refine, out):
    refine(lines_block())
    texts = [record.get("text") for record in RECORDS] + [None, "end"]
    hashes = [None if text is None else hashlib.sha256(text.encode()).hexdigest() for text in texts]
    assert [row["text_sha256"] for row in programs(out)] == hashes


def test_what_a_stage_did_stands_in_its_row(refine, out):
    refine(lines_block())
    rows = programs(out)
    (edited,) = rows[1]["stages"]
    assert (edited["stage"], edited["level"], edited["words_before"], edited["words_after"]) == ("marks", "chunk", 5, 3)
    assert (edited["line_scores"], edited["score"]) == (bytes(2), None)
    assert rows[2]["stages"][0]["score"] == 0.25
    assert rows[5]["stages"][0]["failures"] == ["timeout: 60 s"]
    assert rows[5]["reason"] == "timeout: 60 s"
    assert rows[7]["stages"] == []


def test_text_has_the_kept_and_edited_documents_with_all_their_fields(refine, out):
    refine(lines_block(), format="jsonl")
    assert json_lines(out / "text/part-000003.jsonl.zst") == [
        RECORDS[0],
        RECORDS[1] | {"text": "prose\u2028 of two"},
        RECORDS[5],
        RECORDS[6],
        {"id": "last", "text": "end"},
    ]


def test_columns_of_parquet_keep_their_types_and_order(refine, out):
    table = pa.table(
        {
            "n": pa.array([1, 2, 3], pa.int16()),
            "text": pa.array(["MENU\none", "DROP", "three"], pa.large_string()),
            "when": pa.array([0, 1, 2], pa.timestamp("ms", "UTC")),
            "id": pa.array([5, 6, 7], pa.uint32()),
        }
    )
    refine(table_block(table))
    written = pq.read_table(out / "text/part-000003.parquet")
    assert {name: written.schema.field(name).type for name in written.column_names} == {
        name: table.schema.field(name).type for name in table.column_names
    }
    assert written["text"].to_pylist() == ["one", "three"]
    assert written.drop_columns(["text"]) == table.take([0, 2]).select(["id", "n", "when"])


def test_a_quarantined_record_is_there_with_its_number_id_and_reason(refine, out):
    refine(lines_block())
    entries = json_lines(out / "quarantine/part-000003.jsonl.zst")
    assert [(entry["record"], entry["id"]) for entry in entries] == [(13, "held"), (14, "no text"), (18, None)]
    assert entries[0]["reason"] == "held back"
    assert "HOLD on" in entries[0]["raw"]
    assert json.loads(entries[1]["raw"]) == RECORDS[4]
    assert entries[2]["raw"] == "{broken"


def test_a_place_where_a_file_breaks_off_is_quarantined_and_has_its_row(refine, out):
    report = refine(Quarantined("/in/pages.jsonl.gz", 42, "broken file: cut off", b'{"id": "ha'))
    assert report == UnitReport(Counter(quarantined=1), Counter({"broken file": 1}))
    assert parts(out) == ["programs/part-000003.parquet", "quarantine/part-000003.jsonl.zst"]
    (row,) = programs(out)
    assert (row["id"], row["record"], row["decision"]) == ("unread:pages.jsonl.gz:42", 42, "quarantined")
    assert (row["reason"], row["text_sha256"]) == ("broken file: cut off", None)


def test_a_unit_without_a_document_left_writes_no_text(refine, out):
    refine(lines_block([LINES[2]]))
    assert parts(out) == ["programs/part-000003.parquet"]


def test_a_unit_of_blank_lines_has_programs_without_rows(refine, out):
    assert refine(lines_block([b"", b"  ", b""])) == UnitReport(costs=(StageCost(),))
    assert programs(out) == []


def test_the_size_of_a_batch_changes_nothing(refine, out, monkeypatch):
    first = refine(lines_block())
    table = pq.read_table(out / "programs/part-000003.parquet")
    text = (out / "text/part-000003.parquet").read_bytes()
    monkeypatch.setattr(worker_module, "BATCH", 2)
    assert refine(lines_block()) == first
    assert pq.read_table(out / "programs/part-000003.parquet") == table
    assert (out / "text/part-000003.parquet").read_bytes() == text


def test_a_part_that_cannot_be_written_leaves_no_file_that_looks_like_one(refine, out, monkeypatch):
    monkeypatch.setattr("prox.corpora.write.os.replace", _full_disk)
    with pytest.raises(OSError, match="No space left"):
        refine(lines_block())
    assert parts(out) == []


def _full_disk(*_):
    raise OSError(28, "No space left on device")


def test_reports_add_up():
    one = UnitReport(Counter(kept=1), Counter({"a": 1}), 2, 1, 10, 1, 0, 3)
    two = UnitReport(Counter(kept=2, dropped=1), Counter({"b": 1}), 5, 5, 7, 0, 4, 1)
    assert one + two == UnitReport(Counter(kept=3, dropped=1), Counter({"a": 1, "b": 1}), 7, 6, 17, 1, 4, 4)
    assert one + UnitReport() == one


def test_reasons_are_counted_without_what_is_particular_to_a_record(refine):
    """Reasons with numbers in them were counted one by one, as many as documents."""
    short = [json.dumps({"text": "MENU\n" + "word " * n}).encode() for n in range(1, 9)]
    recipe = Recipe(input=("in",), output="/dev/null")
    worker = Worker(recipe, None, [Stage("marks", ByMark(), Policy())])
    worker._write_programs = lambda number, rows: None
    report = worker.refine(0, lines_block(short), get_preset("plain"))
    assert report.decisions == {"dropped": 8}
    assert list(report.reasons.values()) == [8]
