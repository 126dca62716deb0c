"""What is done is entered when all its parts are in place, and only then."""

import json
from collections import Counter
from pathlib import Path

import pytest

from prox.corpora import CorpusFile, Extent, Span, get_preset
from prox.runs import ledger
from prox.runs.costs import StageCost
from prox.runs.ledger import (
    FOLDERS,
    commit,
    entry_path,
    forget,
    make_aside,
    part_sizes,
    read_ledger,
    remove_unentered,
    sweep,
    unit_folder,
)
from prox.runs.plan import Unit
from prox.runs.unit_report import UnitReport

REPORT = UnitReport(
    Counter(kept=3, dropped=1),
    Counter({"dropped by tagger": 1}),
    100, 80, 700, 1, 2, 3,
    (StageCost(documents=4, seconds=1.5),),
    ("a.jsonl, record 3: broken",),
    Extent(10, 700),
)  # fmt: skip


def unit(file=3, number=4):
    return Unit(file, number, CorpusFile("/in/a.jsonl", "jsonl", None, 700), get_preset("plain"), Span())


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def done(out):
    """Do a unit: write its parts aside and commit it."""

    def call(of=None, report=REPORT, names=("text/{}.parquet", "programs/{}.parquet", "quarantine/{}.jsonl.zst")):
        of = of or unit()
        with unit_folder(make_aside(str(out)), of) as folder:
            for name in names:
                (Path(folder) / name.format(f"part-{of.name}")).write_bytes(b"data of " + name.encode())
            commit(str(out), folder, of, report)

    return call


def found(out):
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


PARTS = [
    "programs/part-000003-00004.parquet",
    "quarantine/part-000003-00004.jsonl.zst",
    "text/part-000003-00004.parquet",
]
ENTRY = "ledger/0000/000003-00004.json"


def test_a_unit_that_is_committed_has_its_parts_and_its_entry(out, done):
    done()
    assert found(out) == sorted([ENTRY, *PARTS])
    (entry,) = read_ledger(str(out))
    assert (entry.file_number, entry.number, entry.report) == (3, 4, REPORT)
    assert entry.parts == part_sizes(str(out)) == {name: (out / name).stat().st_size for name in PARTS}


def test_entries_of_many_files_lie_in_several_folders(out, done):
    units = [unit(file, number) for file in (0, 999, 1000, 123_456) for number in (0, 7)]
    for each in units:
        done(each)
    assert sorted((entry.file_number, entry.number) for entry in read_ledger(str(out))) == [
        (each.file_number, each.number) for each in units
    ]
    assert {path.parent.name for path in (out / "ledger").rglob("*.json")} == {"0000", "0001", "0123"}


def test_a_folder_without_a_ledger_has_no_entries(out):
    assert list(read_ledger(str(out))) == [] and part_sizes(str(out)) == {}


def test_parts_of_an_earlier_attempt_that_the_new_one_does_not_have_are_removed(out, done):
    """It was stopped between its parts and its entry, and the input has changed since."""
    other = unit(3, 5)
    further = ["text/{}_002.parquet", "text/{}_003.parquet"]
    done(names=[*("text/{}.parquet", "programs/{}.parquet", "quarantine/{}.jsonl.zst"), *further])
    done(other, names=["text/{}.parquet", "text/{}_002.parquet", "programs/{}.parquet"])
    (out / ENTRY).unlink()
    done(names=["programs/{}.parquet"])
    assert found(out) == sorted(
        [
            ENTRY,
            PARTS[0],
            "ledger/0000/000003-00005.json",
            "programs/part-000003-00005.parquet",
            "text/part-000003-00005.parquet",
            "text/part-000003-00005_002.parquet",
        ]
    )


@pytest.mark.parametrize("at", range(4))
def test_a_commit_that_breaks_off_anywhere_leaves_no_entry_and_can_be_repeated(out, done, monkeypatch, at):
    calls = []

    def sometimes(real):
        def call(*arguments):
            calls.append(arguments)
            if len(calls) == at + 1:
                raise OSError(5, "Input/output error")
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(ledger.os, "replace", sometimes(ledger.os.replace))
        with pytest.raises(OSError, match="Input/output error"):
            done()
    assert list(read_ledger(str(out))) == []
    done()
    assert found(out) == sorted([ENTRY, *PARTS])


def test_all_parts_are_in_place_before_the_entry(out, done, monkeypatch):
    seen = []
    write = ledger.write_atomically

    def note(path, data):
        seen.append(found(out))
        write(path, data)

    monkeypatch.setattr(ledger, "write_atomically", note)
    done()
    assert seen == [PARTS]


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"\0" * len(data),
        lambda data: b"[]",
        lambda data: b"null",
        lambda data: b"{}",
        lambda data: json.dumps(json.loads(data) | {"report": {}}).encode(),
        lambda data: json.dumps({"report": json.loads(data)["report"]}).encode(),
        lambda data: data.replace(b'"words_before"', b'"words"'),
    ],
)
def test_an_entry_that_cannot_be_read_counts_as_not_there(out, done, harm):
    done()
    done(unit(3, 5))
    (out / ENTRY).write_bytes(harm((out / ENTRY).read_bytes()))
    assert [(entry.file_number, entry.number) for entry in read_ledger(str(out))] == [(3, 5)]


def test_what_is_no_entry_is_passed_over(out, done):
    done()
    for name in (".000003-00005.json.12345678.tmp", "notes.txt", "a-b.json", "000003.json"):
        (out / "ledger/0000" / name).write_text("{}")
    (out / "ledger/README").write_text("mine")
    assert len(list(read_ledger(str(out)))) == 1


def test_what_is_forgotten_is_gone_with_its_parts_and_nothing_else(out, done):
    done()
    done(unit(3, 5))
    (entry,) = [entry for entry in read_ledger(str(out)) if entry.number == 4]
    (out / PARTS[0]).unlink()
    forget(str(out), [entry])
    assert found(out) == sorted(
        [
            "ledger/0000/000003-00005.json",
            "programs/part-000003-00005.parquet",
            "quarantine/part-000003-00005.jsonl.zst",
            "text/part-000003-00005.parquet",
        ]
    )
    forget(str(out), [entry])


def test_sweeping_removes_what_is_half_written_and_nothing_else(out, done):
    done()
    (out / "run.json").write_text("{}")
    (out / "notes.txt").write_text("mine")
    (out / ".gitignore").write_text("mine")
    (out / "text/mine.parquet").write_text("mine")
    kept = found(out)
    for name in (
        ".run.json.0123abcd.tmp",
        ".plan.jsonl.zst.0123abcd.tmp",
        "ledger/0000/.000003-00005.json.0123abcd.tmp",
    ):
        (out / name).write_text("half")
    aside = Path(make_aside(str(out)))
    (aside / "000003-00005-0123abcd/text").mkdir(parents=True)
    (aside / "000003-00005-0123abcd/text/part-000003-00005.parquet").write_text("half")
    sweep(str(out))
    assert found(out) == kept and not aside.exists()


def test_sweeping_a_folder_that_is_not_there_is_nothing(tmp_path):
    sweep(str(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_parts_that_no_entry_names_are_removed_and_other_files_stay(out, done):
    done()
    (out / "text/part-000009-00000.parquet").write_text("left by a run that was killed")
    (out / "text/mine.parquet").write_text("mine")
    named = next(iter(read_ledger(str(out)))).parts
    remove_unentered(str(out), part_sizes(str(out)).keys() - named)
    assert found(out) == sorted([ENTRY, *PARTS, "text/mine.parquet"])


def test_what_an_earlier_run_left_aside_is_removed(out):
    aside = Path(make_aside(str(out)))
    (aside / "left").write_text("half")
    assert Path(make_aside(str(out))) == aside and list(aside.iterdir()) == []
    assert all((out / folder).is_dir() for folder in FOLDERS)


def test_a_unit_that_fails_leaves_nothing_aside(out):
    aside = make_aside(str(out))
    with pytest.raises(RuntimeError), unit_folder(aside, unit()) as folder:
        (Path(folder) / "text/part").write_text("half")
        raise RuntimeError
    assert list(Path(aside).iterdir()) == []


def test_two_attempts_at_a_unit_have_folders_of_their_own(out):
    aside = make_aside(str(out))
    with unit_folder(aside, unit()) as one, unit_folder(aside, unit()) as other:
        assert one != other


def test_reports_come_back_from_their_json_form():
    for report in (REPORT, UnitReport()):
        assert UnitReport.from_fields(json.loads(json.dumps(report.as_fields()))) == report


def test_the_path_of_an_entry_follows_from_its_numbers():
    assert entry_path(3, 4) == ENTRY
    assert entry_path(123_456, 78_901) == "ledger/0123/123456-78901.json"
