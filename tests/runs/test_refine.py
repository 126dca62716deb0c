"""Whole runs: a corpus in, an output folder out."""

import gzip
import hashlib
import json
import multiprocessing
import os
import re
import time
from collections import Counter

import orjson
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import zstandard

from prox.corpora import StorageError
from prox.errors import RunError, UsageError
from prox.program import DropDocument, KeepDocument, Program, RemoveLines
from prox.refiners import Draft, Level, load_refiner
from prox.runs import ledger as ledger_module
from prox.runs import recipe as recipe_module
from prox.runs import refine as refine_module
from prox.runs import worker as worker_module
from prox.runs.recipe import Recipe, make_recipe
from prox.runs.refine import refine_corpus

PROSE = "Swifts spend almost their whole life on the wing and come down to breed, and to nothing else."
ODD = "NUL \0, form feed \x0c, line separator \u2028, next line \x85, and a carriage return to end with \r"


class ByMark:
    """Does what the page says, each at its level."""

    window = None

    def __init__(self, spec, level, threshold=None):
        self.level = level
        self.fingerprint = f"by mark:{level}"

    def refine(self, chunks):
        return [(self._judge if self.level == Level.DOCUMENT else self._edit)(chunk.text) for chunk in chunks]

    def _judge(self, text):
        if "HOLD" in text:
            return Draft(Program(), errors=("quarantine: held back",))
        keep = "DROP" not in text
        return Draft(Program((KeepDocument() if keep else DropDocument(),)), score=0.9 if keep else 0.1)

    def _edit(self, text):
        if "ERROR" in text:
            return Draft(Program(), errors=("timeout",))
        menus = [RemoveLines(i, i) for i, line in enumerate(text.split("\n")) if line.startswith("MENU")]
        return Draft(Program(tuple(menus or [KeepDocument()])))


@pytest.fixture(autouse=True)
def by_mark(monkeypatch):
    """In this process, every refiner but `stored:` does what the page says."""

    def load(spec, level, threshold=None):
        return load_refiner(spec, level) if spec.startswith("stored:") else ByMark(spec, level)

    monkeypatch.setattr(recipe_module, "load_refiner", load)


def pages(count, name="p"):
    texts = [
        PROSE,
        f"MENU home\n{PROSE}\nMENU end",
        f"DROP {PROSE}",
        f"HOLD {PROSE}",
        f"ERROR\nMENU\n{PROSE}",
        f"MENU\r\n{PROSE}\r\n{ODD}\nMENU \0",
        "",
    ]
    return [
        {"id": f"{name}{i}", "text": texts[i % len(texts)], "n": i, "url": f"https://e.org/{i}", "ok": i % 2 == 0}
        for i in range(count)
    ]


def refined_text(text):
    """What a run makes of a page; None for one that is not in text/."""
    if "DROP" in text or "HOLD" in text:
        return None
    if "ERROR" in text:
        return text
    return "\n".join(line for line in text.split("\n") if not line.startswith("MENU"))


def as_lines(records):
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def put(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = as_lines(records)
    match path.suffix:
        case ".gz":
            path.write_bytes(gzip.compress(data))
        case ".zst":
            path.write_bytes(zstandard.ZstdCompressor().compress(data))
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(records), path, row_group_size=5)
        case _:
            path.write_bytes(data)
    return path


SMALL = {"unit_bytes": 1000}
"""Units of a few pages, so that a small corpus has many."""


def run(path, output, *, on_progress=None, start_over=False, despite_changes=False, **fields):
    """In this process, unless a number of workers is given."""
    recipe = Recipe(input=(str(path),), output=str(output), **{"workers": 0} | fields)
    return refine_corpus(recipe, on_progress, start_over=start_over, despite_changes=despite_changes)


def again(path, output, new, **fields):
    return run(path, new, stages=(f"stored:{output}/programs",), replay=True, **fields)


def texts(output):
    rows = []
    for part in sorted((output / "text").iterdir()):
        if part.suffix == ".parquet":
            rows += pq.read_table(part).to_pylist()
        else:
            data = zstandard.ZstdDecompressor().stream_reader(part.open("rb")).read()
            rows += [json.loads(line) for line in data.decode().split("\n")[:-1]]
    return rows


def programs(output):
    return [row for part in sorted((output / "programs").iterdir()) for row in pq.read_table(part).to_pylist()]


def quarantine(output):
    rows = []
    for part in sorted((output / "quarantine").iterdir()):
        data = zstandard.ZstdDecompressor().stream_reader(part.open("rb")).read()
        rows += [json.loads(line) for line in data.decode().split("\n")[:-1]]
    return rows


def files(output, folders=("text", "programs", "quarantine")):
    return {
        str(path.relative_to(output)): path.read_bytes()
        for folder in folders
        for path in sorted((output / folder).iterdir())
    }


def record(output):
    return json.loads((output / "run.json").read_bytes())


FORMATS = ("pages.jsonl", "pages.jsonl.gz", "pages.jsonl.zst", "pages.ndjson", "pages.parquet")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_every_record_is_kept_edited_dropped_or_quarantined(tmp_path, name, format):
    records = pages(23)
    result = run(put(tmp_path / name, records), tmp_path / "out", format=format, **SMALL)
    expected = [row | {"text": refined_text(row["text"])} for row in records]
    expected = [row for row in expected if row["text"] is not None]
    assert texts(tmp_path / "out") == expected
    assert record(tmp_path / "out") == result.record
    assert result.record["status"] == "complete"
    assert result.record["records"] == sum(result.record["decisions"].values()) == 23
    rows = programs(tmp_path / "out")
    assert Counter(row["decision"] for row in rows) == +Counter(result.record["decisions"])
    assert [row["id"] for row in rows] == [row["id"] for row in records]
    assert [row["text_sha256"] for row in rows] == [hashlib.sha256(r["text"].encode()).hexdigest() for r in records]
    assert [row["record"] for row in rows if not row["offset"]] == list(range(sum(not row["offset"] for row in rows)))
    assert [(row["offset"], row["record"]) for row in rows] == sorted((row["offset"], row["record"]) for row in rows)
    assert any(row["offset"] for row in rows) == (name in ("pages.jsonl", "pages.ndjson"))
    assert [row["id"] for row in quarantine(tmp_path / "out")] == [r["id"] for r in records if "HOLD" in r["text"]]


@pytest.fixture
def mixed(tmp_path):
    """A folder of all formats, with broken records, blank lines and a file that is no corpus."""
    folder = tmp_path / "in"
    for name in FORMATS:
        put(folder / name.replace("pages", f"pages-{FORMATS.index(name)}"), pages(9, name))
    with (folder / "pages-0.jsonl").open("ab") as file:
        file.write(b'\n{"id": "no text"}\n{broken\n\xff\xfe\n[]\n')
    (folder / "README.md").write_text("not a corpus")
    return folder


def test_a_mixed_folder_adds_up_in_the_order_of_its_files(mixed, tmp_path):
    result = run(mixed, tmp_path / "out", **SMALL)
    rows = programs(tmp_path / "out")
    assert len(rows) == 9 * len(FORMATS) + 4 == result.record["records"]
    places = [(row["file"], row["offset"], row["record"]) for row in rows]
    assert places == sorted(places) and len(set(places)) == len(places)
    assert [row["id"] for row in texts(tmp_path / "out")] == [
        row["id"] for row in rows if row["decision"] in ("kept", "edited")
    ]
    assert len(quarantine(tmp_path / "out")) == result.record["decisions"]["quarantined"]
    assert [name.rpartition("/")[2] for name in result.passed_over] == ["README.md"]


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_executing_the_programs_gives_the_same_text_byte_for_byte(mixed, tmp_path, format):
    run(mixed, tmp_path / "out", format=format, **SMALL)
    result = again(mixed, tmp_path / "out", tmp_path / "new", format=format, **SMALL)
    assert files(tmp_path / "new", ["text"]) == files(tmp_path / "out", ["text"])
    first = record(tmp_path / "out")
    assert result.record["decisions"] == first["decisions"]
    assert result.record["words_after"] == first["words_after"]
    for old, new in zip(programs(tmp_path / "out"), programs(tmp_path / "new"), strict=True):
        assert [old[name] for name in ("id", "text_sha256", "decision", "words_after")] == [
            new[name] for name in ("id", "text_sha256", "decision", "words_after")
        ]
        assert old["program"] == new["program"] or old["decision"] == "quarantined"
    third = again(mixed, tmp_path / "new", tmp_path / "third", format=format, **SMALL)
    assert third.record["decisions"] == first["decisions"]


def test_a_changed_and_an_unknown_document_go_to_quarantine_and_the_others_are_executed(tmp_path):
    records = pages(7)
    run(put(tmp_path / "in.jsonl", records), tmp_path / "out")
    changed = [dict(row) for row in records] + [{"id": "new", "text": PROSE}]
    changed[1]["text"] += " "
    again(put(tmp_path / "in.jsonl", changed), tmp_path / "out", tmp_path / "new")
    assert {row["id"]: row["reason"] for row in quarantine(tmp_path / "new")} == {
        "p1": "text differs from the one the program was written for",
        "p3": "quarantined in the run that stored the programs",
        "new": "no stored program for this id",
    }
    kept = {row["id"]: row["text"] for row in texts(tmp_path / "new")}
    assert kept == {row["id"]: refined_text(row["text"]) for row in records if row["id"] in ("p0", "p4", "p5", "p6")}


def test_documents_with_one_id_and_different_texts_are_executed_each_by_its_own_program(tmp_path):
    records = [
        {"id": "same", "text": text} for text in (PROSE, f"MENU\n{PROSE}", f"DROP {PROSE}", f"{PROSE}\nMENU", PROSE)
    ]
    run(put(tmp_path / "in.jsonl", records), tmp_path / "out")
    again(tmp_path / "in.jsonl", tmp_path / "out", tmp_path / "new")
    assert [row["text"] for row in texts(tmp_path / "new")] == [PROSE] * 4
    assert files(tmp_path / "new", ["text"]) == files(tmp_path / "out", ["text"])


def test_documents_without_an_id_are_executed_too(tmp_path):
    records = [{"text": text} for text in (PROSE, f"MENU\n{PROSE}", PROSE)]
    run(put(tmp_path / "in.jsonl", records), tmp_path / "out")
    assert again(tmp_path / "in.jsonl", tmp_path / "out", tmp_path / "new").record["decisions"]["quarantined"] == 0
    assert files(tmp_path / "new", ["text"]) == files(tmp_path / "out", ["text"])


def test_stored_programs_as_the_refiner_of_both_levels_give_the_same_text(tmp_path):
    """The document level edited, and the chunk level took the edited text for a changed document."""
    run(put(tmp_path / "in.jsonl", pages(14)), tmp_path / "out")
    run(tmp_path / "in.jsonl", tmp_path / "new", stages=(f"stored:{tmp_path}/out/programs",))
    assert texts(tmp_path / "new") == texts(tmp_path / "out")


def test_stored_programs_at_one_level_do_only_what_that_level_does(tmp_path):
    records = [{"id": str(i), "text": text} for i, text in enumerate((PROSE, f"MENU\n{PROSE}", f"DROP {PROSE}"))]
    run(put(tmp_path / "in.jsonl", records), tmp_path / "out")
    for level, decisions in (("document", ["kept", "kept", "dropped"]), ("chunk", ["kept", "edited", "kept"])):
        run(tmp_path / "in.jsonl", tmp_path / level, stages=(f"stored:{tmp_path}/out/programs",), level=level)
        assert [row["decision"] for row in programs(tmp_path / level)] == decisions


def test_the_number_of_workers_changes_no_byte(mixed, tmp_path):
    run(mixed, tmp_path / "out")
    for workers in (0, 1, 2):
        again(mixed, tmp_path / "out", tmp_path / str(workers), workers=workers, **SMALL)
        assert files(tmp_path / str(workers)) == files(tmp_path / "0")
        assert len(files(tmp_path / "0", ["programs"])) > len(FORMATS)
        assert _timeless(record(tmp_path / str(workers))) == _timeless(record(tmp_path / "0"))
    assert _no_worker_stays()


def _timeless(written):
    """A run.json without what is another at every run."""
    written = {name: value for name, value in written.items() if name not in TIMES}
    return written | {"costs": [cost | {"seconds": None} for cost in written["costs"]]}


TIMES = ("recipe", "seconds", "started", "session", "sessions", "share_at_start", "updated", "machine")


def _no_worker_stays():
    end = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < end:
        time.sleep(0.02)
    return not multiprocessing.active_children()


def interrupting(after):
    """Progress that is interrupted when so many records are done."""

    def interrupt(progress):
        if progress.report.records > after:
            raise KeyboardInterrupt

    return interrupt


def test_an_interrupt_leaves_whole_parts_and_a_run_that_says_so(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(put(tmp_path / "in.jsonl", pages(70)), tmp_path / "out", on_progress=interrupting(20), **SMALL)
    assert record(tmp_path / "out")["status"] == "interrupted"
    assert 20 < record(tmp_path / "out")["records"] == len(programs(tmp_path / "out")) < 70


@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, "interrupted"),
        (MemoryError(), RunError, "failed"),
        (UsageError("from inside"), UsageError, "failed"),
    ],
)
def test_no_run_that_ended_says_that_it_is_running(tmp_path, monkeypatch, error, raised, status):
    def fail(*_):
        raise error

    monkeypatch.setattr(ByMark, "refine", fail)
    with pytest.raises(raised):
        run(put(tmp_path / "in.jsonl", pages(9)), tmp_path / "out")
    assert record(tmp_path / "out")["status"] == status


def test_progress_counts_up_to_the_whole(mixed, tmp_path):
    seen = []
    result = run(mixed, tmp_path / "out", on_progress=seen.append, **SMALL)
    counts = [progress.report.records for progress in seen]
    assert counts == sorted(counts) and counts[-1] == result.record["records"]
    shares = [progress.share for progress in seen]
    assert shares == sorted(shares) and all(0 <= share <= 1 for share in shares) and shares[-1] == 1
    assert {progress.units for progress in seen} == {result.record["units"]["all"]}
    assert sorted({progress.units_done for progress in seen}) == list(range(result.record["units"]["all"] + 1))


def test_a_folder_with_something_in_it_is_refused_and_untouched(tmp_path):
    put(tmp_path / "in.jsonl", pages(7))
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"out is not empty; name a new folder"):
        run(tmp_path / "in.jsonl", out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("output", ["empty", "new", "deep/er/new", "new/", "with space/ü[1]*"])
def test_an_empty_or_new_folder_is_fine(tmp_path, output):
    (tmp_path / "empty").mkdir()
    run(put(tmp_path / "in.jsonl", pages(7)), f"{tmp_path}/{output}")
    assert len(texts(tmp_path / output)) == 5


def test_a_file_as_output_is_refused(tmp_path):
    path = put(tmp_path / "in.jsonl", pages(7))
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"in\.jsonl is a file; name a new folder"):
        run(path, path)
    with pytest.raises(UsageError, match="cannot write into the folder"):
        run(path, path / "out")
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    put(tmp_path / "in.jsonl", pages(7))
    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.makedirs", refuse)
    with pytest.raises(UsageError, match=r"cannot write into the folder .*/out: .*Permission denied"):
        run(tmp_path / "in.jsonl", tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(path, data):
        raise PermissionError(13, "Permission denied", path)

    put(tmp_path / "in.jsonl", pages(7))
    monkeypatch.setattr(refine_module, "write_atomically", refuse)
    with pytest.raises((UsageError, RunError), match="Permission denied"):
        run(tmp_path / "in.jsonl", tmp_path / "out")


def test_a_wrong_call_leaves_no_output_folder(tmp_path):
    for name, fields in (("nowhere.jsonl", {}), ("in.jsonl", {"text_field": "body"}), ("in.jsonl", {"corpus": "c5"})):
        put(tmp_path / "in.jsonl", pages(7))
        with pytest.raises(UsageError):
            run(tmp_path / name, tmp_path / "out", **fields)
        assert not (tmp_path / "out").exists()


def test_a_corrupt_file_is_quarantined_and_the_others_are_refined(tmp_path):
    put(tmp_path / "in/a.jsonl", pages(7, "a"))
    put(tmp_path / "in/c.jsonl", pages(7, "c"))
    (tmp_path / "in/b.jsonl.gz").write_bytes(b"\x1f\x8b\x08not gzip at all")
    result = run(tmp_path / "in", tmp_path / "out")
    assert result.record["decisions"]["quarantined"] == 3
    (problem,) = result.problems
    assert problem.startswith("b.jsonl.gz, record 0: broken file: ")
    assert {row["id"][0] for row in texts(tmp_path / "out")} == {"a", "c"}


def test_what_stands_before_a_cut_is_refined(tmp_path):
    path = put(tmp_path / "in.jsonl.gz", pages(5000))
    path.write_bytes(path.read_bytes()[:-2000])
    result = run(path, tmp_path / "out")
    rows = programs(tmp_path / "out")
    assert result.record["records"] == len(rows) > 100
    assert [row["id"] for row in rows[:-1]] == [f"p{i}" for i in range(len(rows) - 1)]
    assert rows[-1]["reason"].startswith("broken file")


def test_an_empty_file_gives_an_empty_run(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b"")
    result = run(tmp_path / "in.jsonl", tmp_path / "out")
    assert (result.record["status"], result.record["records"]) == ("complete", 0)
    assert programs(tmp_path / "out") == texts(tmp_path / "out") == quarantine(tmp_path / "out") == []


def test_odd_characters_survive_in_every_format(tmp_path):
    for name in ("in.jsonl", "in.parquet"):
        for format in ("parquet", "jsonl"):
            out = tmp_path / f"{name}-{format}"
            run(put(tmp_path / name, [{"id": "odd", "text": f"a\r\n{ODD}\nMENU\nb\x1c\ufeff"}]), out, format=format)
            assert texts(out)[0]["text"] == f"a\r\n{ODD}\nb\x1c\ufeff"


def test_a_record_of_20_megabytes_in_one_line_works(tmp_path):
    long = "word " * (4 << 20)
    records = [{"id": "a", "text": PROSE}, {"id": "b", "text": long}, {"id": "c", "text": f"MENU\n{long}"}]
    run(put(tmp_path / "in.jsonl", records), tmp_path / "out")
    assert [len(row["text"]) for row in texts(tmp_path / "out")] == [len(PROSE), len(long), len(long)]
    assert [row["decision"] for row in programs(tmp_path / "out")] == ["kept", "kept", "edited"]


def test_all_parts_of_a_corpus_have_the_same_types(tmp_path):
    records = [row | {"extra": None if i < 12 else "late"} for i, row in enumerate(pages(30))]
    run(put(tmp_path / "in.jsonl", records), tmp_path / "out", **SMALL)
    parts = sorted((tmp_path / "out/text").iterdir())
    assert len(parts) > 3
    assert len({str(pq.read_schema(part)) for part in parts}) == 1
    assert ds.dataset(tmp_path / "out/text").count_rows() == len(texts(tmp_path / "out"))


def test_run_json_says_what_was_run(tmp_path):
    result = run(put(tmp_path / "in.jsonl", pages(7)), tmp_path / "out", keep_threshold=0.5)
    written = record(tmp_path / "out")
    assert written["recipe"]["keep_threshold"] == 0.5
    assert written["recipe"]["output"] == str(tmp_path / "out")
    assert written["refiners"] == {"document": "by mark:document", "chunk": "by mark:chunk"}
    assert set(written["versions"]) >= {"python", "prox-refine", "numpy", "pyarrow"}
    assert written["presets"] == ["plain"]
    assert written["reasons"] == {"dropped by tagger": 1, "held back": 1, "timeout": 1}
    assert result.seconds == written["seconds"]


def test_a_quarantined_document_is_there_whole(tmp_path):
    """Quarantine holds records whole: with their other fields, so that they can be refined later."""
    run(put(tmp_path / "in.jsonl", pages(7)), tmp_path / "out")
    (held,) = quarantine(tmp_path / "out")
    assert json.loads(held["raw"]) == pages(7)[3]


# Runs that are continued


def everything(output):
    """All parts and what run.json says of them."""
    return files(output), _timeless(record(output))


@pytest.fixture
def refined_pages(monkeypatch):
    """The pages that the refiner of documents saw, in order."""
    seen = []
    judge = ByMark._judge

    def note(self, text):
        seen.append(text)
        return judge(self, text)

    monkeypatch.setattr(ByMark, "_judge", note)
    return seen


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_run_that_was_interrupted_again_and_again_gives_the_same_as_one_that_was_not(tmp_path, name, format):
    path = put(tmp_path / name, pages(70))
    options = {"format": format, "unit_bytes": 3000}
    run(path, tmp_path / "whole", **options)
    sessions = 1
    for after in (10, 25, 26, 50):
        with pytest.raises(KeyboardInterrupt):
            run(path, tmp_path / "out", on_progress=interrupting(after), **options)
        sessions += 1
    result = run(path, tmp_path / "out", **options)
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")
    assert result.record["sessions"] == sessions
    assert result.report.records == 70


def test_what_is_done_is_not_done_again(tmp_path, refined_pages):
    path = put(tmp_path / "in.jsonl", pages(70))
    with pytest.raises(KeyboardInterrupt):
        run(path, tmp_path / "out", on_progress=interrupting(20), **SMALL)
    done = record(tmp_path / "out")["records"]
    refined_pages.clear()
    run(path, tmp_path / "out", **SMALL)
    assert len(refined_pages) == 70 - done


def test_a_run_that_is_complete_has_nothing_left_to_do(tmp_path, refined_pages):
    path = put(tmp_path / "in.jsonl", pages(30))
    run(path, tmp_path / "out", **SMALL)
    before = everything(tmp_path / "out")
    refined_pages.clear()
    seen = []
    result = run(path, tmp_path / "out", on_progress=seen.append, **SMALL)
    assert refined_pages == []
    assert everything(tmp_path / "out") == before
    assert result.report.records == 30 and seen[-1].share == 1


def test_other_machinery_goes_on_with_the_same_run(tmp_path):
    """Where and with how many workers is no part of what a run gives."""
    path = put(tmp_path / "in.jsonl", pages(70))
    run(path, tmp_path / "first", **SMALL)
    again(path, tmp_path / "first", tmp_path / "whole", **SMALL)
    with pytest.raises(KeyboardInterrupt):
        again(path, tmp_path / "first", tmp_path / "out", on_progress=interrupting(20), **SMALL)
    again(path, tmp_path / "first", tmp_path / "out", workers=1, memory=1 << 30, time_limit=60, **SMALL)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_another_recipe_is_refused_and_told_and_nothing_is_touched(tmp_path):
    path = put(tmp_path / "in.jsonl", pages(7))
    run(path, tmp_path / "out", keep_threshold=0.5)
    before = everything(tmp_path / "out")
    for fields, line in (
        ({"keep_threshold": 0.6}, "recipe keep_threshold: 0.5 → 0.6"),
        ({}, "recipe keep_threshold: 0.5 → not given"),
        ({"keep_threshold": 0.5, "format": "jsonl"}, "recipe format: parquet → jsonl"),
        ({"keep_threshold": 0.5, "level": "chunk"}, "recipe level: not given → chunk"),
        ({"keep_threshold": 0.5, "unit_bytes": 1000}, "recipe unit_bytes: not given → 1000"),
        ({"keep_threshold": 0.5, "stages": ("a", "b")}, "recipe stages: "),
    ):
        with pytest.raises(UsageError) as refusal:
            run(path, tmp_path / "out", **fields)
        assert line in str(refusal.value)
        assert "--despite-changes" in str(refusal.value) and "--start-over" in str(refusal.value)
    assert everything(tmp_path / "out") == before


def test_another_refiner_under_the_same_name_is_refused(tmp_path, monkeypatch):
    path = put(tmp_path / "in.jsonl", pages(7))
    run(path, tmp_path / "out")
    monkeypatch.setattr(recipe_module, "load_refiner", lambda spec, level, threshold=None: Newer(spec, level))
    with pytest.raises(UsageError, match="refiner chunk: by mark:chunk → newer"):
        run(path, tmp_path / "out")


class Newer(ByMark):
    def __init__(self, spec, level):
        super().__init__(spec, level)
        self.fingerprint = "newer"


def test_despite_changes_what_is_done_stays_and_the_rest_is_done_anew(tmp_path, monkeypatch):
    path = put(tmp_path / "in.jsonl", pages(70))
    run(path, tmp_path / "whole", **SMALL)
    with pytest.raises(KeyboardInterrupt):
        run(path, tmp_path / "out", on_progress=interrupting(20), **SMALL)
    before = files(tmp_path / "out")
    monkeypatch.setattr(recipe_module, "load_refiner", lambda spec, level, threshold=None: Newer(spec, level))
    result = run(path, tmp_path / "out", despite_changes=True, **SMALL)
    after = files(tmp_path / "out")
    assert before.items() <= after.items() and after == files(tmp_path / "whole")
    assert any("newer" in line for line in result.record["changes"])
    assert run(path, tmp_path / "out", **SMALL).report.records == 70  # the changes are the run's own now


def test_start_over_removes_what_a_run_wrote_and_nothing_else(tmp_path):
    path = put(tmp_path / "in.jsonl", pages(70))
    run(path, tmp_path / "out", keep_threshold=0.1, **SMALL)
    (tmp_path / "out/notes.txt").write_text("mine")
    result = run(path, tmp_path / "out", start_over=True, format="jsonl")
    assert result.record["sessions"] == 1
    assert (tmp_path / "out/notes.txt").read_text() == "mine"
    run(path, tmp_path / "new", format="jsonl")
    assert everything(tmp_path / "out") == everything(tmp_path / "new")


@pytest.fixture
def many(tmp_path):
    """A folder of three files, and a run of it that was interrupted."""
    for name in ("a", "b", "c"):
        put(tmp_path / f"in/{name}.jsonl", pages(21, name))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "in", tmp_path / "out", on_progress=interrupting(30), **SMALL)
    return tmp_path


def test_an_input_that_has_changed_is_refused_file_by_file(many):
    put(many / "in/aa.jsonl", pages(7, "new"))
    put(many / "in/b.jsonl", pages(22, "b"))
    (many / "in/c.jsonl").unlink()
    before = files(many / "out")
    with pytest.raises(UsageError) as refusal:
        run(many / "in", many / "out", **SMALL)
    for line in ("new file .*/aa.jsonl", "changed file .*/b.jsonl", "gone file .*/c.jsonl"):
        assert re.search(f"input: {line}", str(refusal.value))
    assert "/a.jsonl" not in str(refusal.value)
    assert files(many / "out") == before


def test_despite_changes_new_files_are_added_changed_ones_done_anew_and_gone_ones_forgotten(many, refined_pages):
    put(many / "in/aa.jsonl", pages(7, "new"))
    put(many / "in/b.jsonl", pages(22, "b"))
    (many / "in/c.jsonl").unlink()
    done = [row["id"] for row in programs(many / "out")]
    assert any(id.startswith("b") for id in done)
    refined_pages.clear()
    result = run(many / "in", many / "out", despite_changes=True, **SMALL)
    ids = [row["id"] for row in programs(many / "out")]
    expected = [f"a{n}" for n in range(21)] + [f"new{n}" for n in range(7)] + [f"b{n}" for n in range(22)]
    assert sorted(ids) == sorted(expected)
    assert result.record["records"] == 50 and result.record["status"] == "complete"
    assert len(refined_pages) == 29 + 21 - sum(id.startswith("a") for id in done)
    assert sorted(row["id"] for row in texts(many / "out")) == sorted(
        row["id"] for row in programs(many / "out") if row["decision"] in ("kept", "edited")
    )
    assert run(many / "in", many / "out", **SMALL).record["records"] == 50


def test_a_file_that_is_touched_only_has_changed_as_far_as_anyone_can_tell(many):
    os.utime(many / "in/a.jsonl", (1, 1))
    with pytest.raises(UsageError, match=r"changed file .*/a\.jsonl"):
        run(many / "in", many / "out", **SMALL)


# Cutting


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("ids", [True, False])
def test_a_file_cut_into_many_units_gives_the_same_documents_as_uncut(tmp_path, monkeypatch, name, ids):
    records = [row if ids else {"text": row["text"], "n": row["n"]} for row in pages(140)]
    path = put(tmp_path / name, records)
    if name == "pages.parquet":
        pq.write_table(pa.Table.from_pylist(records), path, row_group_size=60)
    if path.suffix in (".jsonl", ".ndjson", ".gz"):
        with path.open("ab") as file:
            broken = b"\n{broken\n\xff\r\n\n" + json.dumps({"id": "last", "text": PROSE}).encode()
            file.write(gzip.compress(broken) if path.suffix == ".gz" else broken)
    monkeypatch.setattr("prox.corpora.streams._COMPRESSED_PIECE", 64)
    run(path, tmp_path / "whole")
    result = run(path, tmp_path / "cut", **SMALL)
    assert result.record["units"]["all"] > 2
    assert texts(tmp_path / "cut") == texts(tmp_path / "whole")
    place = ("record", "offset") if path.suffix in (".jsonl", ".ndjson") else ("offset",)
    rows, whole = programs(tmp_path / "cut"), programs(tmp_path / "whole")
    for row in rows + whole:  # the id of a record that could not be read names its place
        row["id"] = re.sub(r"^(unread:.*):[\d+]+$", r"\1", row["id"])
    assert [_without(row, place) for row in rows] == [_without(row, place) for row in whole]
    held = [_without(row, place) for row in quarantine(tmp_path / "cut")]
    assert held == [_without(row, place) for row in quarantine(tmp_path / "whole")]
    assert _timeless(result.record)["decisions"] == record(tmp_path / "whole")["decisions"]
    data = path.read_bytes()
    for row in rows if path.suffix in (".jsonl", ".ndjson") else ():
        line = data[row["offset"] :].split(b"\n")[row["record"]]
        assert row["text_sha256"] is None or _sha(json.loads(line)["text"]) == row["text_sha256"]


def _without(row, names):
    return {name: value for name, value in row.items() if name not in names}


def _sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_units_of_so_many_documents(tmp_path):
    result = run(put(tmp_path / "in.jsonl", pages(140)), tmp_path / "out", unit_documents=20)
    assert 5 <= result.record["units"]["all"] <= 10
    assert len(programs(tmp_path / "out")) == 140


def test_units_that_do_not_add_up_to_their_file_are_no_complete_run(tmp_path):
    path = put(tmp_path / "in.jsonl", pages(30))
    run(path, tmp_path / "out", **SMALL)
    entry = sorted((tmp_path / "out/ledger").rglob("*.json"))[2]
    fields = json.loads(entry.read_bytes())
    fields["report"]["extent"]["begin"] += 100
    entry.write_text(json.dumps(fields))
    with pytest.raises(RunError, match=r"units do not add up .* unit 2 begins at"):
        run(path, tmp_path / "out", **SMALL)
    assert record(tmp_path / "out")["status"] == "failed"


# Storage that fails


def full_disk_at(number, monkeypatch):
    """A disk that is full when so many parts are in place."""
    replace, placed = os.replace, []

    def full(source, target):
        if "/programs/" in str(target):
            placed.append(target)
            if len(placed) == number:
                raise OSError(28, "No space left on device", target)
        replace(source, target)

    monkeypatch.setattr("prox.runs.ledger.os.replace", full)


def test_a_full_disk_ends_the_run_with_the_reason_and_it_goes_on_when_there_is_room(tmp_path, monkeypatch):
    path = put(tmp_path / "in.jsonl", pages(70))
    run(path, tmp_path / "whole", **SMALL)
    with monkeypatch.context() as patch:
        full_disk_at(3, patch)
        with pytest.raises(RunError, match=r"No space left on device.*mend that, and the same command again goes on"):
            run(path, tmp_path / "out", **SMALL)
    assert record(tmp_path / "out")["status"] == "failed"
    assert len(programs(tmp_path / "out")) == record(tmp_path / "out")["records"] > 0
    assert not _half_written(tmp_path / "out")
    run(path, tmp_path / "out", **SMALL)
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


def _half_written(output):
    return [path for path in output.rglob("*") if path.name.startswith(".") or ".tmp" in path.name]


@pytest.mark.parametrize("place", ["entry", "run.json", "plan"])
def test_a_disk_that_is_full_for_small_files_too(tmp_path, monkeypatch, place):
    def full(path, data):
        raise OSError(28, "No space left on device", path)

    path = put(tmp_path / "in.jsonl", pages(70))
    run(path, tmp_path / "whole", **SMALL)
    with monkeypatch.context() as patch:
        module = {"entry": "ledger", "run.json": "refine", "plan": "plan"}[place]
        patch.setattr(f"prox.runs.{module}.write_atomically", full)
        with pytest.raises((RunError, UsageError), match="No space left on device"):
            run(path, tmp_path / "out", **SMALL)
    run(path, tmp_path / "out", **SMALL)
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


def test_parts_that_were_placed_before_their_entry_failed_are_replaced(tmp_path, monkeypatch):
    path = put(tmp_path / "in.jsonl", pages(70))
    run(path, tmp_path / "whole", **SMALL)
    write = ledger_module.write_atomically

    def failing(path, data):
        if "-00001.json" in path:
            raise OSError(5, "Input/output error", path)
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(ledger_module, "write_atomically", failing)
        with pytest.raises(RunError, match="Input/output error"):
            run(path, tmp_path / "out", **SMALL)
    assert (tmp_path / "out/programs/part-000000-00001.parquet").exists()
    assert len(programs(tmp_path / "out")) > record(tmp_path / "out")["records"]
    run(path, tmp_path / "out", **SMALL)
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


def unreadable(monkeypatch, name, error):
    """A file system that refuses to open one file."""
    from fsspec.implementations.local import LocalFileSystem

    open_file = LocalFileSystem.open

    def refuse(self, path, *args, **options):
        if path.endswith(name):
            raise error
        return open_file(self, path, *args, **options)

    monkeypatch.setattr(LocalFileSystem, "open", refuse)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet"])
def test_a_file_that_cannot_be_opened_fails_alone_and_the_run_can_be_mended(tmp_path, monkeypatch, error, suffix):
    """A file that nobody could read was one quarantined record of a run that called itself complete."""
    for name in ("a", "b", "c"):
        put(tmp_path / f"in/{name}.{suffix}", pages(14, name))
    run(tmp_path / "in", tmp_path / "whole")
    with monkeypatch.context() as patch:
        unreadable(patch, f"b.{suffix}", error)
        with pytest.raises(RunError, match=rf"1 of 3 units could not be done.*b\.{suffix}.*{error.strerror.lower()}"):
            run(tmp_path / "in", tmp_path / "out")
    written = record(tmp_path / "out")
    assert written["status"] == "incomplete"
    assert written["units"] == {"done": 2, "failed": 1, "all": 3}
    assert list(written["failed_units"]) == [f"{tmp_path}/in/b.{suffix}, unit 0"]
    assert [row["id"][0] for row in programs(tmp_path / "out")] == ["a"] * 14 + ["c"] * 14
    run(tmp_path / "in", tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert record(tmp_path / "out")["status"] == "complete" and record(tmp_path / "out")["failed_units"] == {}


def test_a_file_that_vanishes_under_way_fails_alone(tmp_path):
    for name in ("a", "b", "c"):
        put(tmp_path / f"in/{name}.jsonl", pages(14, name))
    away = tmp_path / "b.jsonl"

    def vanish(progress):
        if not away.exists():
            (tmp_path / "in/b.jsonl").rename(away)

    with pytest.raises(RunError, match=r"b\.jsonl cannot be opened: no such file or directory"):
        run(tmp_path / "in", tmp_path / "out", on_progress=vanish)
    assert [row["id"][0] for row in programs(tmp_path / "out")] == ["a"] * 14 + ["c"] * 14
    away.rename(tmp_path / "in/b.jsonl")
    assert run(tmp_path / "in", tmp_path / "out").record["records"] == 42


def test_a_file_that_grows_under_way_is_not_mixed_from_two_states(tmp_path):
    path = put(tmp_path / "in.jsonl", pages(70))

    def grow(progress):
        if 20 < progress.report.records < 50:
            put(path, pages(80))

    with pytest.raises(RunError, match=r"in\.jsonl has changed since the run began"):
        run(path, tmp_path / "out", on_progress=grow, **SMALL)
    with pytest.raises(UsageError, match=r"changed file .*/in\.jsonl"):
        run(path, tmp_path / "out", **SMALL)
    assert run(path, tmp_path / "out", despite_changes=True, **SMALL).record["records"] == 80
    assert [row["id"] for row in programs(tmp_path / "out")] == [f"p{n}" for n in range(80)]


def test_a_storage_that_is_gone_for_all_files_ends_the_run_early(tmp_path, monkeypatch):
    for number in range(20):
        put(tmp_path / f"in/{number:02d}.jsonl", pages(2))
    tried = []

    def refuse(file):
        tried.append(file.name)
        raise StorageError(f"{file.shown} cannot be opened: connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(worker_module, "check_unchanged", refuse)
        with pytest.raises(RunError, match=r"the first 8 units could not be done: .*connection refused"):
            run(tmp_path / "in", tmp_path / "out")
    assert len(tried) >= 8
    assert run(tmp_path / "in", tmp_path / "out").record["records"] == 40


# What is done, and what only seems so


@pytest.mark.parametrize(
    "harm", ["part gone", "part short", "entry gone", "entry broken", "entry empty", "strange entry"]
)
def test_units_whose_parts_or_entries_are_harmed_are_done_again(tmp_path, refined_pages, harm):
    path = put(tmp_path / "in.jsonl", pages(70))
    run(path, tmp_path / "out", **SMALL)
    before = everything(tmp_path / "out")
    part = tmp_path / "out/programs/part-000000-00002.parquet"
    entry = tmp_path / "out/ledger/0000/000000-00002.json"
    match harm:
        case "part gone":
            part.unlink()
        case "part short":
            part.write_bytes(part.read_bytes()[:-1])
        case "entry gone":
            entry.unlink()
        case "entry broken":
            entry.write_bytes(entry.read_bytes()[:50])
        case "entry empty":
            entry.write_bytes(b"{}")
        case "strange entry":
            entry.rename(entry.with_name("000009-00000.json"))
    refined_pages.clear()
    result = run(path, tmp_path / "out", **SMALL)
    assert 0 < len(refined_pages) < 10
    assert files(tmp_path / "out") == before[0]
    assert _timeless(result.record)["decisions"] == before[1]["decisions"]
    told = any("done again" in problem for problem in result.problems)
    assert told == (harm in ("part gone", "part short", "strange entry"))


@pytest.mark.parametrize("content", [b"{}", b"no json", b'{"status": "complete"}', b"[]"])
def test_a_run_json_of_something_else_is_told(tmp_path, content):
    path = put(tmp_path / "in.jsonl", pages(7))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/run.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"not from a run that can be continued.*--start-over"):
        run(path, tmp_path / "out")
    assert run(path, tmp_path / "out", start_over=True).record["status"] == "complete"


def test_a_plan_that_cannot_be_read_is_told(tmp_path):
    path = put(tmp_path / "in.jsonl", pages(7))
    run(path, tmp_path / "out")
    (tmp_path / "out/plan.jsonl.zst").write_bytes(b"harmed")
    with pytest.raises(UsageError, match=r"plan\.jsonl\.zst cannot be read: .*--start-over"):
        run(path, tmp_path / "out")
    assert run(path, tmp_path / "out", start_over=True).record["status"] == "complete"


def test_going_on_with_another_text_field_reads_that_field(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        rows = [{"id": i, "text": "The first text. " * 20, "body": f"Body {name}. " * 20} for i in range(3)]
        (tmp_path / "in" / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    fields = {"input": (str(tmp_path / "in"),), "output": str(tmp_path / "out"), "level": "chunk", "workers": 0}
    refine_corpus(make_recipe(**fields))
    (tmp_path / "out/ledger/0000/000001-00000.json").unlink()
    refine_corpus(make_recipe(**fields, text_field="body"), despite_changes=True)
    first, second = (pq.read_table(tmp_path / f"out/text/part-00000{number}-00000.parquet") for number in (0, 1))
    assert first["text"][0].as_py().startswith("The first text.")
    assert second["text"][0].as_py().startswith("Body b.")


def test_a_wrong_call_to_start_over_removes_nothing(tmp_path):
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(orjson.dumps({"id": "a", "text": "The river rose again. " * 9}) + b"\n")
    fields = {"input": (str(pages),), "output": str(tmp_path / "out"), "workers": 0}
    refine_corpus(make_recipe(**fields))
    before = sorted((tmp_path / "out").rglob("*"))
    for spec, message in (
        ("stored:nowhere", "holds no stored programs"),
        (f"stored:{tmp_path}/out/programs", "lies in"),
    ):
        with pytest.raises(UsageError, match=message):
            refine_corpus(make_recipe(**fields, stages=(spec,)), start_over=True)
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_a_glob_does_not_read_what_the_run_itself_wrote(tmp_path):
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"id": ["a"], "text": ["The river rose again. " * 9]}), tmp_path / "in/a.parquet")
    recipe = make_recipe(input=(f"{tmp_path}/in/**/*.parquet",), output=f"{tmp_path}/in/out", level="chunk", workers=0)
    first, again = refine_corpus(recipe), refine_corpus(recipe)
    assert again.record["records"] == first.record["records"] == 1
    assert again.record["sessions"] == 2


def test_storage_that_refuses_once_costs_time_only_also_within_this_process(tmp_path, monkeypatch):
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(orjson.dumps({"id": "a", "text": "The river rose again. " * 9}) + b"\n")
    refusals = iter([TimeoutError("no answer")])

    def refusing(*args, commit=worker_module.commit):
        for refusal in refusals:
            raise refusal
        commit(*args)

    monkeypatch.setattr(worker_module, "commit", refusing)
    result = refine_corpus(make_recipe(input=(str(pages),), output=str(tmp_path / "out"), workers=0))
    assert result.record["status"] == "complete"


def test_going_on_with_another_policy_is_refused(tmp_path):
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(orjson.dumps({"id": "a", "text": "The river rose again. " * 9}) + b"\n")
    fields = {"input": (str(pages),), "output": str(tmp_path / "out"), "workers": 0}
    refine_corpus(make_recipe(**fields, stages=({"refiner": "tagger", "policy": {"errors_allowed": 3}},)))
    other = {"refiner": "tagger", "policy": {"errors_allowed": 3, "least_words": None}}
    with pytest.raises(UsageError, match="least_words"):
        refine_corpus(make_recipe(**fields, stages=(other,)))
