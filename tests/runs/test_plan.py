"""The plan of a run: units that tile every file, from the input alone."""

import gzip
import itertools
import json
import os
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prox.corpora import CorpusFile, Span, find_files, get_preset, read_blocks
from prox.runs import plan as plan_module
from prox.runs.plan import (
    PLAN_FILE,
    FilePlan,
    Plan,
    differences,
    plan_units,
    read_plan,
    unit_name,
    write_plan,
)

PLAIN = replace(get_preset("plain"), marks=())  # these are for recognition only, and not stored
MIB = 1 << 20


def planned(files, language_model=False, **options):
    return plan_units(list(files), {file.path: PLAIN for file in files}, language_model, **options)


def made(size, name="a.jsonl", compression=None, format="jsonl"):
    """A file that is listed, but that nobody may open."""
    return CorpusFile(f"/nowhere/{name}", format, compression, size, "1")


def tiles(plan):
    """Whether the units of every file begin at 0 and meet, and the last has no end."""
    for file in plan.files:
        spans = [file.unit(number).span for number in range(len(file.cuts))]
        assert spans[0].first == 0 and spans[-1].last is None
        assert all(one.last == other.first > one.first for one, other in itertools.pairwise(spans))
    return True


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 1 << 40)), st.sampled_from([None, "gzip", "zstd"]))),
    st.booleans(),
    st.one_of(st.none(), st.integers(1 << 20, 1 << 30)),
)
def test_units_tile_their_files_and_are_about_as_large_as_said(sizes, language_model, unit_bytes):
    sizes = [(min(size or 0, 1 << 33) if unit_bytes else size, compression) for size, compression in sizes]
    files = [made(size, f"{number}.jsonl", packed) for number, (size, packed) in enumerate(sizes)]
    plan = planned(files, language_model, unit_bytes=unit_bytes)
    assert tiles(plan)
    assert [file.number for file in plan.files] == list(range(len(files)))
    assert plan.count == sum(len(file.cuts) for file in plan.files)
    for file in plan.files:
        if len(file.cuts) > 1:
            assert file.cuts[-1] < file.file.size
            unpacked = file.file.size * (4 if file.file.compression else 1)
            assert 0.5 <= unpacked / len(file.cuts) / plan.unit_bytes <= 1.5


@pytest.mark.parametrize(
    ("total", "language_model", "smallest", "largest"),
    [(1 << 20, False, 1, 1), (1 << 30, False, 200, 300), (1 << 40, False, 4096, 4096), (1 << 40, True, 32768, 32768)],
)
def test_a_corpus_has_about_a_thousand_units_unless_they_would_be_too_small_or_too_large(
    total, language_model, smallest, largest
):
    plan = planned([made(total)], language_model)
    assert smallest <= plan.count <= largest


def test_a_hundred_terabytes_are_planned_without_being_opened():
    plan = planned([made(MIB << 10, f"{number:06d}.jsonl.zst", "zstd") for number in range(50_000)])
    assert plan.count == 50_000 * 16 and plan.bytes == 50_000 << 30
    assert next(plan.units()).name == "000000-00000"


def test_names_of_units_sort_as_the_input_does():
    names = [unit_name(file, unit) for file in (0, 9, 10, 99_999, 999_999) for unit in (0, 9, 10, 99_999)]
    assert names == sorted(names)


def test_small_files_are_not_cut():
    assert [file.cuts for file in planned([made(3 * MIB), made(0), made(None)]).files] == [(0,)] * 3


def test_shares_of_units_add_up_to_their_file():
    for file in planned([made(100 * MIB + 7), made(3), made(None)], unit_bytes=MIB).files:
        assert sum(file.share(number) for number in range(len(file.cuts))) == pytest.approx(1)


@pytest.fixture
def corpus(tmp_path):
    """One file of each kind, each with a few hundred records."""
    records = [{"id": str(n), "text": "word " * 40} for n in range(300)]
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(lines)
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "c.json").write_bytes(lines)
    (folder / "d.json").write_text(json.dumps(records))
    pq.write_table(pa.Table.from_pylist(records), folder / "e.parquet", row_group_size=100)
    return folder


def test_every_kind_of_file_is_cut_as_it_can_be(corpus):
    plan = planned(find_files(str(corpus)), unit_bytes=5000)
    assert tiles(plan)
    counts = {file.file.name: len(file.cuts) for file in plan.files}
    assert counts["a.jsonl"] == counts["c.json"] > 5
    assert counts["d.json"] == 1
    (parquet,) = [file for file in plan.files if file.file.format == "parquet"]
    assert parquet.size == 300 and set(parquet.cuts) <= set(range(300))


def test_row_groups_are_joined_where_they_are_small_and_cut_where_they_are_large(tmp_path):
    table = pa.table({"text": [os.urandom(500).hex() for _ in range(120)]})
    pq.write_table(table, tmp_path / "small.parquet", row_group_size=2)
    pq.write_table(table, tmp_path / "large.parquet", row_group_size=60)
    large, small = planned(find_files(str(tmp_path)), unit_bytes=10_000).files
    assert len(small.cuts) > 5 and all(cut % 2 == 0 for cut in small.cuts)
    assert len(large.cuts) > 5 and {0, 60} <= set(large.cuts)
    assert tiles(Plan((large, small), 1))


def test_units_of_so_many_documents_at_most_about(corpus):
    plan = planned(find_files(str(corpus)), unit_documents=50)
    assert tiles(plan)
    for file in plan.files:
        if file.file.compression is None and file.file.name != "d.json":
            assert 5 <= len(file.cuts) <= 7, file.file.name
    for unit in plan.units():
        if unit.file.compression is None and unit.file.name != "d.json":
            assert sum(block.records for block in read_blocks(unit.file, span=unit.span)) <= 60


def test_the_same_files_give_the_same_units(corpus):
    files = find_files(str(corpus))
    assert planned(files, unit_bytes=5000) == planned(files, unit_bytes=5000)
    assert planned(files, unit_documents=50) == planned(files, unit_documents=50)


@pytest.mark.parametrize("name", ["a.jsonl", "c.json", "e.parquet"])
def test_a_file_that_cannot_be_opened_is_planned_and_its_unit_will_say_so(corpus, name):
    files = find_files(str(corpus))
    (corpus / name).unlink()
    plan = planned(files, unit_bytes=5000, unit_documents=50)
    assert len(plan.files) == 5 and tiles(plan)


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1xxxxPAR1"])
def test_a_parquet_file_that_is_none_is_one_unit(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    (file,) = planned(find_files(str(tmp_path)), unit_bytes=100).files
    assert tuple(file.cuts) == (0,)


# Stored


def test_a_stored_plan_comes_back_as_it_was(corpus, tmp_path):
    preset = replace(get_preset("c4").with_text_field("body"), marks=())
    files = find_files(str(corpus))
    presets = {file.path: preset if file.compression else PLAIN for file in files}
    schema = pa.schema([("id", pa.string()), ("text", pa.large_string())], metadata={"k": "v"})
    plan = plan_units(files, presets, False, 5000, None, schema, first_number=7)
    write_plan(str(tmp_path), plan)
    again = read_plan(str(tmp_path))
    assert list(again.units()) == list(plan.units())
    assert again == plan
    assert again.schema.equals(schema, check_metadata=True)
    assert [file.share(0) for file in again.files] == [file.share(0) for file in plan.files]


NAMES = [
    "ü[1]*.jsonl",
    "line\nbreak.jsonl",
    'tab\t quote" back\\slash.jsonl',
    "\u2028.jsonl",
    os.fsdecode(b"caf\xe9.jsonl"),
]


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
@pytest.mark.parametrize("name", NAMES)
def test_odd_file_names_are_stored(tmp_path, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text('{"id": 1, "text": "a"}\n')
    files = find_files(str(tmp_path / "in"))
    plan = planned(files)
    write_plan(str(tmp_path), plan)
    again = read_plan(str(tmp_path))
    assert again == plan
    assert differences(again, files) == {"new": [], "gone": [], "changed": []}
    (unit,) = again.units()
    assert len(list(read_blocks(unit.file, span=unit.span))) == 1


def test_where_no_plan_is_there_is_none(tmp_path):
    assert read_plan(str(tmp_path)) is None


@pytest.mark.parametrize("harm", ["cut off", "no zstd", "no json", "fields missing"])
def test_a_plan_that_is_harmed_is_told(corpus, tmp_path, harm):
    import zstandard

    write_plan(str(tmp_path), planned(find_files(str(corpus)), unit_bytes=500))
    path = tmp_path / PLAN_FILE
    match harm:
        case "cut off":
            path.write_bytes(path.read_bytes()[:-20])
        case "no zstd":
            path.write_bytes(b"plan")
        case "no json":
            path.write_bytes(zstandard.compress(b"{"))
        case "fields missing":
            path.write_bytes(zstandard.compress(b'{"unit_bytes": 1, "schema": null}\n{"number": 3}\n'))
    with pytest.raises(ValueError, match="cannot be read"):
        read_plan(str(tmp_path))


def test_an_empty_plan_file_is_told(tmp_path):
    (tmp_path / PLAN_FILE).write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read"):
        read_plan(str(tmp_path))


def test_a_plan_of_many_files_is_small(tmp_path):
    plan = planned([made(1 << 30, f"part-{number:06d}.jsonl", None) for number in range(20_000)])
    write_plan(str(tmp_path), plan)
    assert (tmp_path / PLAN_FILE).stat().st_size < 1_000_000
    assert read_plan(str(tmp_path)) == plan


# Compared


def test_differences_name_files_that_are_new_gone_or_changed():
    before = [made(5, name) for name in ("a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl")]
    plan = planned(before)
    assert differences(plan, before) == {"new": [], "gone": [], "changed": []}
    now = [before[0], made(6, "b.jsonl"), CorpusFile("/nowhere/c.jsonl", "jsonl", None, 5, "2"), made(5, "e.jsonl")]
    assert differences(plan, now) == {
        "new": ["/nowhere/e.jsonl"],
        "gone": ["/nowhere/d.jsonl"],
        "changed": ["/nowhere/b.jsonl", "/nowhere/c.jsonl"],
    }


def test_a_unit_names_its_span():
    file = FilePlan(3, made(100), PLAIN, (0, 40, 80), 100)
    assert [file.unit(number).span for number in range(3)] == [Span(0, 40), Span(40, 80), Span(80)]
    assert file.unit(2).name == "000003-00002"
    assert [file.share(number) for number in range(3)] == [0.4, 0.4, 0.2]


def test_files_are_looked_into_several_at_once(tmp_path, monkeypatch):
    """The footers of a thousand files far away took a quarter of an hour, one after another."""
    import threading

    both = threading.Barrier(2, timeout=20)
    looked = plan_module.row_groups

    def together(file):
        both.wait()
        return looked(file)

    monkeypatch.setattr(plan_module, "row_groups", together)
    for name in ("a", "b"):
        pq.write_table(pa.table({"text": ["a"]}), tmp_path / f"{name}.parquet")
    assert planned(find_files(str(tmp_path))).count == 2
