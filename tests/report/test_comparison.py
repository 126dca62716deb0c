"""Two runs over the same input: what one removes and the other keeps."""

import gzip
import hashlib
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_pages import page
from report_runs import read, records, refine, write

from prox.errors import UsageError
from prox.report.comparison import Pair, pair_as_data, write_comparison
from prox.report.sample import MOST_DOCUMENTS
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus


def test_two_runs_are_compared_line_by_line(run, tmp_path):
    refine(tmp_path / "pages.jsonl", tmp_path / "other", "rules:refinedweb", level="chunk")
    html, parsed, documents = read(write_comparison(str(run), str(tmp_path / "other")))
    assert "<b>40</b><span>documents in both" in html
    assert [tag for tag, _, _ in parsed.inside] == ["style", "script", "script"]
    page = next(each for each in documents if each["id"] == "page-1")
    who = {row[3]: row[1] for row in page["lines"]}
    assert who["Home"] == "both" and who["Log in"] == "first" and who["It was cited.[1]"] == "first-edits"
    assert page["decision"] == "edited / edited"
    only_first, only_second = html.partition('<section id="documents"')[0].split("Removed by the ")[1:]
    assert "Log in" in only_first and "[1]" in only_first and "Log in" not in only_second


@pytest.mark.parametrize("name", ["pages.jsonl", "pages.jsonl.gz"])
def test_runs_that_cut_the_input_in_other_units_are_compared(tmp_path, name):
    opened = gzip.open if name.endswith("gz") else open
    with opened(tmp_path / name, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records(3000))
    for output, units in (("one", 700), ("many", 31)):
        refine(tmp_path / name, tmp_path / output, level="chunk", unit_documents=units)
    for first, second in (("one", "many"), ("many", "one")):
        html, _, _ = read(write_comparison(str(tmp_path / first), str(tmp_path / second)))
        paired = re.search(r"<b>([\d,]+)</b><span>documents in both, a sample", html)
        assert int(paired[1].replace(",", "")) > 0.9 * MOST_DOCUMENTS and "<b>0</b><span>of them are" in html


def test_copies_in_a_corpus_are_paired_in_their_order(tmp_path):
    source = write(tmp_path / "pages.jsonl", [{**each, "id": "same", "text": "Log in"} for each in records(5)])
    for output in ("one", "two"):
        refine(source, tmp_path / output, level="chunk")
    assert "<b>5</b><span>documents in both" in write_and_read(tmp_path / "one", tmp_path / "two")


def write_and_read(first, second):
    return read(write_comparison(str(first), str(second)))[0]


def test_a_comparison_tells_thresholds_and_reasons(tmp_path):
    source = write(tmp_path / "pages.jsonl", records(40))
    refine(source, tmp_path / "low", "tagger", level="chunk", noise_threshold=0.25)
    refine(source, tmp_path / "c4")
    html, _, documents = read(write_comparison(str(tmp_path / "low"), str(tmp_path / "c4")))
    assert "tagger (chunks, threshold 0.25)" in html
    dropped = [each for each in documents if each["decision"] == "edited / dropped"]
    assert dropped and all(each["reason"].startswith("second: ") for each in dropped)


def test_runs_over_other_documents_are_not_compared(run, tmp_path):
    source = write(tmp_path / "others.jsonl", records(3))
    refine(source, tmp_path / "other")
    with pytest.raises(UsageError, match="no document in common"):
        write_comparison(str(run), str(tmp_path / "other"))


def test_of_a_long_document_the_differences_are_shown_wherever_they_stand():
    lines = [f"line {number}" for number in range(5_000)]
    text = "\n".join(lines)
    pair = Pair.of(page(0, text, "remove_lines(0, 9)\nremove_lines(4800, 4801)"), page(0, text, "remove_lines(0, 9)"))
    rows = pair_as_data(pair)["lines"]
    assert [(row[0], row[1]) for row in rows] == [
        (4_797, "gap"),
        *((number, "kept") for number in (4_797, 4_798, 4_799)),
        (4_800, "first"),
        (4_801, "first"),
        *((number, "kept") for number in (4_802, 4_803, 4_804)),
        (195, "gap"),
    ]


@given(st.lists(st.integers(0, 999), max_size=300), st.lists(st.integers(0, 999), max_size=9), st.integers(1, 3_000))
def test_what_is_left_out_of_a_comparison_is_counted(first, second, length):
    text = "\n".join(["a line of it " * (length // 40 + 1)] * 1_000)
    programs = ["\n".join(f"remove_lines({number}, {number})" for number in side) for side in (first, second)]
    rows = pair_as_data(Pair.of(*(page(0, text, program) for program in programs)))["lines"]
    at = 0
    for number, who, _, shown in rows:
        if who == "gap":
            at += number
        else:
            assert number == at and shown.startswith("a line")
            at += 1
    assert at == 1_000 and 0 < len(rows) <= 801


def test_a_short_document_is_compared_as_a_whole():
    text = "\n".join(f"line {number}" for number in range(50))
    rows = pair_as_data(Pair.of(page(0, text, "remove_lines(40, 40)"), page(0, text)))["lines"]
    assert [row[0] for row in rows] == list(range(50))


def test_without_the_raw_text_a_comparison_says_so_and_still_tells_documents_apart(run, tmp_path):
    refine(tmp_path / "pages.jsonl", tmp_path / "other", "rules:refinedweb", level="chunk")
    html, _, documents = read(write_comparison(str(run), str(tmp_path / "other")))
    assert "The raw text of" not in html
    apart = {each["id"] for each in documents}
    (tmp_path / "pages.jsonl").unlink()
    html, _, documents = read(write_comparison(str(run), str(tmp_path / "other")))
    assert "The raw text of 40 documents could not be read again" in html and "no such file" in html
    assert {each["id"] for each in documents} == apart and all(each["lines"] is None for each in documents)


def test_a_part_of_a_run_that_is_broken_is_told(run, tmp_path):
    refine(tmp_path / "pages.jsonl", tmp_path / "other", level="chunk", unit_documents=10)
    next((tmp_path / "other/programs").iterdir()).write_bytes(b"PAR1")
    html, _, _ = read(write_comparison(str(run), str(tmp_path / "other")))
    assert "The programs of 1 work unit could not be read" in html and "<b>40</b><span>documents in both" not in html


def stored(folder, programs):
    """A folder of programs, by hand: ids, texts and programs."""
    rows = [
        {"id": id, "text_sha256": hashlib.sha256(text.encode()).hexdigest(), "decision": "edited", "program": program}
        for id, text, program in programs
    ]
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "part.parquet")
    return f"stored:{folder}"


def compared(tmp_path, texts, first, second):
    """The comparison of two runs over texts that replay programs, by id, where there is one."""
    source = write(tmp_path / "p.jsonl", [{"id": id, "text": text} for id, text in texts.items()])
    for name, programs in (("a", first), ("b", second)):
        spec = stored(tmp_path / f"of-{name}", [(id, texts[id], program) for id, program in programs.items()])
        policy = {"deletions_only": False, "least_words": None, "least_share": None}
        recipe = make_recipe(
            input=(source,),
            output=str(tmp_path / name),
            stages=({"refiner": spec, "policy": policy},),
            level="chunk",
            workers=1,
        )
        refine_corpus(recipe, lambda progress: None)
    return read(write_comparison(str(tmp_path / "a"), str(tmp_path / "b")))


def test_added_and_joined_lines_are_a_difference(tmp_path):
    texts = {"ins": "one line of it\nand another", "join": "alpha beta\ngamma delta", "same": "it stays as it is"}
    kept = dict.fromkeys(texts, "keep_chunk()")
    changed = kept | {
        "ins": 'add_line(line_after=0, place=0, text="NEW LINE")',
        "join": 'normalize(source_str="beta\\ngamma ", target_str="")',
    }
    html, _, documents = compared(tmp_path, texts, kept, changed)
    assert "<b>2</b><span>of them are left different" in html
    assert {each["id"] for each in documents} == {"ins", "join"}


def test_nothing_is_left_of_what_is_in_quarantine(tmp_path):
    texts = {"a": "a b c", "b": "d e f", "c": "g h i\nj k"}
    program = dict.fromkeys(texts, "remove_lines(line_start=1, line_end=1)") | {
        "a": "keep_chunk()",
        "b": "keep_chunk()",
    }
    html, _, documents = compared(tmp_path, texts, {"a": "keep_chunk()"}, program)
    assert {each["id"]: each["only"] for each in documents} == {"b": [3, 0], "c": [3, 0]}
    assert "The raw text of" not in html


def test_other_words_of_one_line_count_for_each_run(tmp_path):
    texts = {"x": "w1 w2 w3 w4 w5 w6 stay here"}
    _, _, (page,) = compared(tmp_path, texts, {"x": 'normalize("w1 w2 ")'}, {"x": 'normalize("w3 w4 ")'})
    assert page["only"] == [2, 2] and len(page["operations"]) == 2


def test_failures_are_told_by_run(tmp_path):
    texts = {"x": "one\ntwo\nthree"}
    good, bad = "remove_lines(0, 0)", "remove_lines(0, 1)\nremove_lines(50, 60)"
    _, _, (page,) = compared(tmp_path, texts, {"x": good}, {"x": bad})
    assert page["failures"] and all(each.startswith("second: ") for each in page["failures"])


def test_many_copies_of_a_page_leave_room_for_others(tmp_path):
    copies = [{"id": "x", "text": "Log in\nA line."}] * 2_500
    others = [{"id": f"u{n}", "text": f"{n}\nIt was cited.[1] And it was a long line.\nLog in"} for n in range(2_500)]
    source = write(tmp_path / "p.jsonl", copies + others)
    refine(source, tmp_path / "a", level="chunk")
    refine(source, tmp_path / "b", "rules:refinedweb", level="chunk")
    html, _, _ = read(write_comparison(str(tmp_path / "a"), str(tmp_path / "b")))
    assert "<b>1,000</b><span>documents in both" in html and "<b>0</b><span>of them are" not in html


def test_records_that_could_not_be_read_have_no_text_to_miss(tmp_path):
    source = tmp_path / "p.jsonl"
    source.write_text("".join(json.dumps(each) + "\n" for each in records(5)) + "{broken\n" * 3)
    for name, rules in (("a", "rules:c4"), ("b", "rules:refinedweb")):
        refine(source, tmp_path / name, rules, level="chunk")
    html, _, _ = read(write_comparison(str(tmp_path / "a"), str(tmp_path / "b")))
    assert "The raw text of" not in html


def test_two_runs_alike_and_two_without_documents_are_told_as_such(run, tmp_path):
    html, _, documents = read(write_comparison(str(run), str(run)))
    assert not documents and 'data-none="The two runs leave no document different."' in html
    refine(write(tmp_path / "empty.jsonl", []), tmp_path / "empty")
    with pytest.raises(UsageError, match=r"nothing to compare: .*empty has no documents"):
        write_comparison(str(tmp_path / "empty"), str(tmp_path / "empty"))


def test_differences_that_have_no_room_are_counted():
    text = "\n".join(f"line {number}" for number in range(3_000))
    every_second = "\n".join(f"remove_lines({number}, {number})" for number in range(0, 3_000, 2))
    rows = pair_as_data(Pair.of(page(0, text, every_second), page(0, text)))["lines"]
    shown = sum(row[1] == "first" for row in rows)
    assert rows[-1][1] == "gap" and rows[-1][3] == f"{1_500 - shown:,} of them different"
