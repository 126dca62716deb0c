"""Whole runs: a corpus in, an output folder out."""

import gzip
import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections import Counter

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import zstandard

from prox.errors import RunError, UsageError
from prox.program import DropDocument, KeepDocument, Program, RemoveLines
from prox.refiners import Draft, Level, load_refiner
from prox.runs import recipe as recipe_module
from prox.runs import refine as refine_module
from prox.runs.recipe import Recipe
from prox.runs.refine import refine_corpus

PROSE = "Swifts spend almost their whole life on the wing and come down to breed, and to nothing else."
ODD = "NUL \0, form feed \x0c, line separator \u2028, next line \x85, and a carriage return to end with \r"


class ByMark:
    """Does what the page says, each at its level."""

    window = None

    def __init__(self, spec, level, keep_threshold=None):
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

    def load(spec, level, keep_threshold=None):
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


def run(path, output, **fields):
    on_progress = fields.pop("on_progress", None)
    return refine_corpus(Recipe(input=(str(path),), output=str(output), **fields), on_progress)


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


@pytest.fixture
def small_units(monkeypatch):
    """Units of a few pages, so that a small corpus has many."""
    monkeypatch.setattr(refine_module, "UNIT_BYTES", 1000)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_every_record_is_kept_edited_dropped_or_quarantined(tmp_path, small_units, name, format):
    records = pages(23)
    result = run(put(tmp_path / name, records), tmp_path / "out", format=format)
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
    assert [row["record"] for row in rows] == list(range(23))
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


def test_a_mixed_folder_adds_up_in_the_order_of_its_files(mixed, tmp_path, small_units):
    result = run(mixed, tmp_path / "out")
    rows = programs(tmp_path / "out")
    assert len(rows) == 9 * len(FORMATS) + 4 == result.record["records"]
    places = [(row["file"], row["record"]) for row in rows]
    assert places == sorted(places) and len(set(places)) == len(places)
    assert [row["id"] for row in texts(tmp_path / "out")] == [
        row["id"] for row in rows if row["decision"] in ("kept", "edited")
    ]
    assert len(quarantine(tmp_path / "out")) == result.record["decisions"]["quarantined"]
    assert [name.rpartition("/")[2] for name in result.passed_over] == ["README.md"]


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_executing_the_programs_gives_the_same_text_byte_for_byte(mixed, tmp_path, small_units, format):
    run(mixed, tmp_path / "out", format=format)
    result = again(mixed, tmp_path / "out", tmp_path / "new", format=format)
    assert files(tmp_path / "new", ["text"]) == files(tmp_path / "out", ["text"])
    first = record(tmp_path / "out")
    assert result.record["decisions"] == first["decisions"]
    assert result.record["words_after"] == first["words_after"]
    for old, new in zip(programs(tmp_path / "out"), programs(tmp_path / "new"), strict=True):
        assert [old[name] for name in ("id", "text_sha256", "decision", "words_after")] == [
            new[name] for name in ("id", "text_sha256", "decision", "words_after")
        ]
        assert old["program"] == new["program"] or old["decision"] == "quarantined"
    third = again(mixed, tmp_path / "new", tmp_path / "third", format=format)
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


def test_two_workers_give_the_same_files_as_one(mixed, tmp_path, small_units):
    run(mixed, tmp_path / "out")
    again(mixed, tmp_path / "out", tmp_path / "one", workers=1)
    again(mixed, tmp_path / "out", tmp_path / "two", workers=2)
    assert files(tmp_path / "two") == files(tmp_path / "one")
    one, two = record(tmp_path / "one"), record(tmp_path / "two")
    for changing in ("recipe", "seconds", "started"):
        one.pop(changing), two.pop(changing)
    for cost in one["costs"] + two["costs"]:
        cost.pop("seconds")
    assert one == two
    assert _no_worker_stays()


def _no_worker_stays():
    end = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < end:
        time.sleep(0.02)
    return not multiprocessing.active_children()


def test_a_worker_that_dies_ends_the_run_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(refine_module, "UNIT_BYTES", 100_000)
    run(put(tmp_path / "in.jsonl", pages(40_000)), tmp_path / "out")
    killed = []

    def kill(progress):
        for child in multiprocessing.active_children()[:1] if not killed else []:
            killed.append(child.pid)
            os.kill(child.pid, signal.SIGKILL)

    started = time.monotonic()
    with pytest.raises(RunError, match="a worker process died"):
        again(tmp_path / "in.jsonl", tmp_path / "out", tmp_path / "new", workers=2, on_progress=kill)
    assert killed and time.monotonic() - started < 30
    assert record(tmp_path / "new")["status"] == "failed"
    assert _no_worker_stays()


def test_a_worker_that_dies_leaves_no_part_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(refine_module, "UNIT_BYTES", 100_000)
    run(put(tmp_path / "in.jsonl", pages(20_000)), tmp_path / "out")

    def kill(progress):
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(RunError):
        again(tmp_path / "in.jsonl", tmp_path / "out", tmp_path / "new", workers=2, on_progress=kill)
    assert _no_worker_stays()
    assert not [name for name in files(tmp_path / "new") if ".tmp" in name]
    texts(tmp_path / "new"), programs(tmp_path / "new"), quarantine(tmp_path / "new")


def test_an_interrupt_leaves_whole_parts_and_a_run_that_says_so(tmp_path, small_units):
    def interrupt(progress):
        if sum(progress.report.decisions.values()) > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(put(tmp_path / "in.jsonl", pages(70)), tmp_path / "out", on_progress=interrupt)
    assert record(tmp_path / "out")["status"] == "interrupted"
    assert 20 < record(tmp_path / "out")["records"] == len(programs(tmp_path / "out")) < 70


@pytest.mark.parametrize("error", [ValueError("a fault of prox"), MemoryError(), UsageError("from inside")])
def test_no_run_that_ended_says_that_it_is_running(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(ByMark, "refine", fail)
    with pytest.raises(type(error)):
        run(put(tmp_path / "in.jsonl", pages(7)), tmp_path / "out")
    assert record(tmp_path / "out")["status"] == "failed"


def test_a_full_disk_ends_the_run_with_the_reason(tmp_path, monkeypatch, small_units):
    path = put(tmp_path / "in.jsonl", pages(70))
    replace = os.replace

    def full(source, target):
        if "part-000002" in target:
            raise OSError(28, "No space left on device", target)
        replace(source, target)

    monkeypatch.setattr("prox.corpora.write.os.replace", full)
    with pytest.raises(RunError, match="No space left on device"):
        run(path, tmp_path / "out")
    assert record(tmp_path / "out")["status"] == "failed"
    assert len(programs(tmp_path / "out")) == record(tmp_path / "out")["records"]
    assert not [name for name in files(tmp_path / "out") if ".tmp" in name]


def test_progress_counts_up_to_the_whole(mixed, tmp_path, small_units):
    seen = []
    result = run(mixed, tmp_path / "out", on_progress=seen.append)
    counts = [sum(progress.report.decisions.values()) for progress in seen]
    assert counts == sorted(counts) and counts[-1] == result.record["records"]
    shares = [progress.share for progress in seen]
    assert shares == sorted(shares) and all(0 <= share <= 1 for share in shares)
    assert {progress.files for progress in seen} == {len(FORMATS)}


def test_a_folder_with_something_in_it_is_refused_and_untouched(tmp_path):
    put(tmp_path / "in.jsonl", pages(7))
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"out is not empty; name a new folder"):
        run(tmp_path / "in.jsonl", out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_run_over_its_own_output_is_refused(tmp_path):
    run(put(tmp_path / "in.jsonl", pages(7)), tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(UsageError, match="not empty"):
        run(tmp_path / "in.jsonl", tmp_path / "out")
    assert files(tmp_path / "out") == before


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
    with pytest.raises(UsageError, match="cannot make the folder"):
        run(path, path / "out")
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    put(tmp_path / "in.jsonl", pages(7))
    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.makedirs", refuse)
    with pytest.raises(UsageError, match=r"cannot make the folder .*/out: .*Permission denied"):
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
    assert files(tmp_path / "out") == {}


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


def test_all_parts_of_a_corpus_have_the_same_types(tmp_path, small_units):
    records = [row | {"extra": None if i < 12 else "late"} for i, row in enumerate(pages(30))]
    run(put(tmp_path / "in.jsonl", records), tmp_path / "out")
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
