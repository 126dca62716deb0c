"""Labelled pages from gold, from annotations and from runs; what labels nothing is counted with its reason."""

import gzip
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.adapt.labels import NEUTRAL, LabelledPage, labelled_page, read_labels, read_run, sort_out, with_titles
from prox.document import split_lines
from prox.errors import UsageError
from prox.program import Policy, Program, RemoveLines, Replace, execute
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus
from prox.runs.stages import TOO_LONG

TEXT = "Home\nThe river rose. [edit]\nBy A. Writer"
GOLD = {
    "id": "a",
    "source": "made",
    "site_key": "river.example",
    "language": "en",
    "raw_text": TEXT,
    "line_labels": [1, 0, 0],
    "neutral_lines": [2],
    "partials": [
        {"line": 1, "noise": "[edit]", "start": 16, "end": 22, "conf": "high"},
        {"line": 1, "noise": "rose", "start": 10, "end": 14, "conf": "low"},
    ],
    "suspect": 0.1,
}


def taught(program, text=TEXT):
    return labelled_page({"id": "a", "raw_text": text, "program": program}, "here")


def test_human_gold_keeps_what_is_neutral_and_what_is_doubtful():
    page = labelled_page(GOLD, "here")
    assert page.labels.tolist() == [1, 0, NEUTRAL]
    assert page.partials == ((1, 16, 22),) and page.unsure_lines == {1}
    assert (page.site, page.source, page.language, page.keep) == ("river.example", "made", "en", None)


@pytest.mark.parametrize(
    ("named", "titles", "labels"),
    [
        ([2], (2,), [1, 0, 0]),
        ([0], (0,), [1, 0, NEUTRAL]),
        ([7, -1, "2", True, None], (), [1, 0, NEUTRAL]),
        ("2", (), [1, 0, NEUTRAL]),
        (None, (), [1, 0, NEUTRAL]),
    ],
)
def test_a_neutral_title_is_content_for_who_trains(named, titles, labels):
    page = labelled_page(GOLD | {"title_lines": named}, "here")
    assert page.titles == titles and page.labels.tolist() == [1, 0, NEUTRAL]
    assert with_titles(page).labels.tolist() == labels


def test_a_program_labels_the_lines_that_it_removes():
    page = taught("remove_lines(0, 0)\nremove_lines(2, 2)")
    assert page.labels.tolist() == [1, 0, 1] and page.keep is None and page.unsure_lines == frozenset()


def test_a_program_that_keeps_everything_labels_everything_content():
    assert taught("keep_doc()").labels.tolist() == [0, 0, 0]
    assert taught("").labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize("call", ['normalize(" [edit]")', 'replace_str(1, " [edit]", "")'])
def test_what_a_program_takes_out_of_a_line_is_partial_noise(call):
    page = taught(call)
    assert page.labels.tolist() == [0, 0, 0]
    assert page.partials == ((1, 15, 22),) and page.unsure_lines == frozenset()


def test_a_replacement_that_empties_a_line_makes_it_noise():
    page = taught('normalize("Home")')
    assert page.labels.tolist() == [1, 0, 0] and page.partials == ()


@pytest.mark.parametrize(
    "call", ['normalize("rose", "fell")', 'normalize("[edit]\\nBy", "")', 'add_line(line_after=1, text="More")']
)
def test_what_no_label_can_say_leaves_content_and_no_certain_part(call):
    page = taught(call)
    assert page.labels.tolist() == [0, 0, 0] and page.partials == ()
    assert page.unsure_lines == (frozenset() if call.startswith("add") else {1, 2} if "By" in call else {1})


def test_a_string_that_only_an_earlier_edit_made_has_no_place_in_the_line():
    page = taught('normalize("ab")\nnormalize("a b")', "Home\nx aab b y")
    assert page.partials == () and page.unsure_lines == {1} and page.labels.tolist() == [0, 0]


def test_a_program_that_drops_the_document_says_nothing_of_its_lines():
    page = taught("drop_doc()")
    assert page.keep is False and not page.has_lines


def test_document_gold_is_a_page_without_line_labels():
    page = labelled_page({"id": "d", "text": "a\nb", "keep": 1}, "here")
    assert page.keep is True and page.labels.tolist() == [NEUTRAL, NEUTRAL] and page.site == "d"


BAD = {
    "suspect above 0.25": {**GOLD, "suspect": 0.26},
    "program is not a string": {"id": "a", "raw_text": TEXT, "program": None},
    "raw_text is not a string": {"id": "a", "raw_text": None, "program": ""},
    "lone surrogate": {"id": "a", "raw_text": "\ud800", "program": ""},
    "the program cannot be parsed": {"id": "a", "raw_text": TEXT, "program": "drop it"},
    "the program names lines that the text does not have": {
        "id": "a",
        "raw_text": TEXT,
        "program": "remove_lines(2, 9)",
    },
    "line_labels has not one label for each line": {**GOLD, "line_labels": [1]},
    "neither raw_text with line_labels nor text with keep": {"id": "a", "program": ""},
}


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.jsonl.gz"])
def test_every_bad_record_is_counted_by_its_reason(tmp_path, name):
    lines = [json.dumps(record).encode() for record in [GOLD, *BAD.values(), BAD["lone surrogate"]]]
    data = b"\n".join([*lines, b"{broken", b"[]", b'{"id": "\xff"}']) + b"\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = sort_out(read_labels(str(path)))
    assert [page.id for page in found.pages] == ["a"]
    counts = {reason: count for reason, (count, _) in found.passed_over.items()}
    # What parse_gold calls the last kind is its business; that it is counted is ours.
    assert set(BAD) - {"neither raw_text with line_labels nor text with keep"} <= counts.keys()
    assert sum(counts.values()) == len(BAD) + 1 + 3
    assert all(name in first for _, first in found.passed_over.values())


WORDS = st.sampled_from(["Home", "rose", "a [edit]", "\u2028", "\r", "é", "", " ", "rise"])


@st.composite
def programs(draw):
    numbers = st.integers(0, 6)
    removals = st.builds(lambda a, b: RemoveLines(min(a, b), max(a, b)), numbers, numbers)
    replacements = st.builds(
        Replace, WORDS.filter(bool), st.sampled_from(["", "", "r"]), st.none() | numbers, st.none() | numbers
    )
    return Program(tuple(draw(st.lists(removals | replacements, max_size=4))))


@given(st.lists(st.lists(WORDS, max_size=4).map("".join), min_size=1, max_size=6), programs())
def test_labels_say_what_the_executor_does(lines, program):
    """Lines that are certain: noise ones leave nothing visible, the others what stands outside their partials."""
    text = "\n".join(lines)
    page = labelled_page({"id": "a", "raw_text": text, "program": program.render()}, "here")
    outcome = execute(text, program, Policy.unlimited())
    if not isinstance(page, LabelledPage):
        assert any(isinstance(each.operation, RemoveLines) for each in outcome.rejected)
        return
    expected = []
    for number, line in enumerate(split_lines(text)):
        gone = {place for at, start, end in page.partials if at == number for place in range(start, end)}
        left = "".join(character for place, character in enumerate(line) if place not in gone)
        expected.append("" if page.labels[number] == 1 else left)
    if not page.unsure_lines:
        assert outcome.text is not None
        assert [line for line in expected if line.strip()] == [
            line for line in outcome.text.split("\n") if line.strip()
        ]


# --- runs

PROSE = "The river rose again on the seventh day, and nobody in the whole town had slept.\n" * 3
PAGES = {
    "page": "Home | News | Contact us\nShare on Facebook\n" + PROSE + "Read more\n© 2020 All rights reserved",
    "prose": PROSE * 3,
    "empty": "",
    "menu": "Home\nNews\nLog in\nShare on Facebook\n© 2020 All rights reserved",
}


def run_of(tmp_path, **options):
    corpus, output = tmp_path / "in.jsonl", tmp_path / "out"
    rows = [{"id": id, "text": text, "url": f"https://{id}.example/1"} for id, text in PAGES.items()]
    corpus.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows) + b"{broken\n")
    refine_corpus(make_recipe(input=(str(corpus),), output=str(output), workers=0, **options))
    return corpus, output


def test_a_run_is_labels_for_its_corpus(tmp_path):
    corpus, output = run_of(tmp_path, level="chunk")
    found = sort_out(read_run(str(output / "programs"), str(corpus)))
    pages = {page.id: page for page in found.pages}
    page = pages["page"]
    assert page.site == "page.example" and page.keep is None
    assert page.labels.tolist() == [1, 1, 0, 0, 0, 1, 1]
    assert pages["prose"].labels.sum() == 0
    # Of the menu so little was left that the run dropped it: nobody can say which lines were noise.
    reasons = {reason: count for reason, (count, _) in found.passed_over.items()}
    assert "menu" not in pages
    assert reasons["so little was left after editing that the run dropped it"] == 1
    assert sum(reasons.values()) + len(pages) == len(PAGES) + 1


def test_a_run_with_a_document_level_labels_documents_too(tmp_path):
    corpus, output = run_of(tmp_path)
    found = sort_out(read_run(str(output / "programs"), str(corpus)))
    keep = {page.id: page.keep for page in found.pages}
    assert keep["menu"] is False and keep["empty"] is False and set(keep) == set(PAGES)
    assert found.lines_unknown["dropped as a document"] == sum(value is False for value in keep.values())
    assert all(page.has_lines == (page.keep is True) for page in found.pages)


def test_what_is_in_one_of_run_and_corpus_alone_is_counted(tmp_path):
    corpus, output = run_of(tmp_path, level="chunk")
    rows = [orjson.loads(line) for line in corpus.read_bytes().splitlines()[: len(PAGES)]]
    rows[0]["text"] += " changed"
    rows[1]["id"] = "another"
    corpus.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    reasons = sort_out(read_run(str(output / "programs"), str(corpus))).passed_over
    assert reasons["the text differs from the one the program was written for"][0] == 1
    assert reasons["no program for this id"][0] == 1
    assert reasons["the document of the program is not in the input"][0] == 2


def test_a_failed_refiner_is_no_teacher(tmp_path):
    import pyarrow.parquet as pq

    corpus, output = run_of(tmp_path, level="chunk")
    (part,) = (output / "programs").glob("part-*.parquet")
    table = pq.read_table(part)
    rows = table.to_pylist()
    for row in rows:
        for stage in row["stages"]:
            stage["failures"] = ["the answer is no program"]
    pq.write_table(table.from_pylist(rows, schema=table.schema), part)
    found = sort_out(read_run(str(output / "programs"), str(corpus)))
    assert found.pages == []
    assert found.passed_over["its refiner wrote no usable program"][0] == len(PAGES)


def test_lines_that_no_refiner_was_shown_are_unknown(tmp_path):
    import pyarrow.parquet as pq

    corpus, output = run_of(tmp_path, level="chunk")
    (part,) = (output / "programs").glob("part-*.parquet")
    table = pq.read_table(part)
    rows = table.to_pylist()
    for row in rows:
        for stage in row["stages"]:
            stage["rejected"] = [f"line {number}: {TOO_LONG}" for number in (3, 99)] + ["line 4: another reason"]
    pq.write_table(table.from_pylist(rows, schema=table.schema), part)
    pages = {page.id: page for page in sort_out(read_run(str(output / "programs"), str(corpus))).pages}
    assert pages["page"].labels.tolist() == [1, 1, 0, NEUTRAL, 0, 1, 1]


def test_a_table_of_another_tool_labels_by_its_dialect(tmp_path):
    import hashlib

    import pyarrow as pa
    import pyarrow.parquet as pq

    corpus = tmp_path / "in.jsonl"
    corpus.write_bytes(orjson.dumps({"id": "a", "text": TEXT}) + b"\n")
    (tmp_path / "programs").mkdir()
    row = {
        "id": "a",
        "text_sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
        "decision": "edited",
        "program": "remove_lines(1, 1)",
        "dialect": "ultrax",
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "programs" / "part-0.parquet")
    (page,) = read_run(str(tmp_path / "programs"), str(corpus))
    assert page.labels.tolist() == [1, 0, 0] and page.keep is True


def test_a_folder_without_programs_is_a_usage_error_with_the_right_one(tmp_path):
    corpus, output = run_of(tmp_path, level="chunk")
    with pytest.raises(UsageError, match=r"Did you mean .*out/programs"):
        list(read_run(str(output), str(corpus)))
    with pytest.raises(UsageError, match="holds no programs"):
        list(read_run(str(tmp_path / "nothing"), str(corpus)))


def test_labels_that_are_null_leave_it_to_the_program():
    """In Parquet and its like every record has every field: a program was read as if people had labelled its lines."""
    record = {"id": "a", "raw_text": TEXT, "line_labels": None}
    dropped = labelled_page(record | {"program": "drop_doc()"}, "here")
    assert dropped.keep is False and not dropped.has_lines
    page = labelled_page(record | {"program": 'normalize("rose", "sank")'}, "here")
    assert page.program == Program((Replace("rose", "sank"),))


def test_fields_that_are_null_make_no_lines_of_a_document():
    record = {"id": "a", "raw_text": None, "line_labels": None, "program": None, "text": TEXT, "keep": 0}
    page = labelled_page(record, "here")
    assert page.keep is False and not page.has_lines


def test_a_neutral_line_called_true_is_passed_over_with_its_reason():
    passed = labelled_page(GOLD | {"neutral_lines": [True]}, "here")
    assert passed.reason == "neutral_lines is not a list of line numbers"


def test_programs_without_a_document_are_told_in_their_order(tmp_path):
    """The first one to be named was another one at every call, and adapt.json another file."""
    corpus = tmp_path / "in.jsonl"
    documents = [{"id": str(number), "text": f"Home\nThe river rose {number} times."} for number in range(40)]
    corpus.write_bytes(b"".join(orjson.dumps(document) + b"\n" for document in documents))
    refine_corpus(make_recipe(input=(str(corpus),), output=str(tmp_path / "many"), level="chunk", workers=0))
    (tmp_path / "none.jsonl").write_text('{"id": "x", "text": "y"}\n')
    passed = list(read_run(str(tmp_path / "many/programs"), str(tmp_path / "none.jsonl")))
    assert [entry.place for entry in passed[1:]] == [f"program of {number}" for number in range(40)]
