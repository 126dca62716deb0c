import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.adapt.labels import labelled_page
from prox.document import split_lines
from prox.program.from_labels import program_from_labels
from prox.runs.gold import DocumentGold, LineGold, parse_gold, site_of

PAGE = "Home | About\nIt rains. [edit] Still.\nteh end\nFooter"


def gold_of(program, text=PAGE, **fields):
    return parse_gold({"raw_text": text, "program": program, **fields}, "here")


def test_the_lines_that_a_program_removes_are_the_noise():
    gold = gold_of("remove_lines(0, 0)\nremove_lines(line_start=3, line_end=3)")
    assert isinstance(gold, LineGold) and gold.by_program
    assert (gold.noise, gold.partials, gold.unsure) == ([1, 0, 0, 1], {}, frozenset())


@pytest.mark.parametrize("program", ["", "keep_doc()"])
def test_a_program_that_keeps_all_finds_no_noise(program):
    assert gold_of(program).noise == [0, 0, 0, 0]


def test_a_program_that_drops_the_document_calls_all_of_it_noise():
    assert gold_of("drop_doc()").noise == [1, 1, 1, 1]


def test_what_a_program_deletes_inside_a_line_is_partial_noise():
    gold = gold_of('replace_str(1, " [edit]", "")\nremove_lines(3, 3)')
    assert gold.partials == {1: [(9, 16)]} and not gold.unsure
    gold = gold_of('normalize("[edit]", "[]")\nnormalize("Footer")\nremove_lines(3, 3)')
    assert gold.partials == {1: [(11, 15)]}  # what is in a line that goes is not partial


def test_replacements_whose_noise_nobody_can_name_leave_their_lines_out():
    gold = gold_of('normalize("teh", "the")\nreplace_str(1, " Still", "")')
    assert (gold.partials, gold.unsure) == ({1: [(16, 22)]}, {2})
    assert gold_of('normalize("end\\nFooter", "", 2, 3)').unsure == {2, 3}


def test_labels_of_people_count_more_than_a_program():
    gold = parse_gold({"raw_text": "a\nb", "line_labels": [0, 1], "program": "remove_lines(0, 0)"}, "here")
    assert (gold.noise, gold.by_program) == ([0, 1], False)


def test_neutral_lines_are_read_beside_a_program():
    assert gold_of("remove_lines(0, 0)", neutral_lines=[2]).neutral == {2}


def test_the_site_is_the_key_if_there_is_one():
    assert gold_of("", site="www.example.org", site_key="example").site == "example"
    assert gold_of("", site="www.example.org").site == "www.example.org"
    assert parse_gold({"text": "a", "keep": 1}, "here").site is None


@given(st.lists(st.tuples(st.text("a .[\n\r\u2028é", max_size=5), st.booleans()), min_size=1))
def test_labels_survive_the_way_through_a_program(labelled):
    lines = split_lines("\n".join(line for line, _ in labelled))
    noise = [int(number < len(labelled) and labelled[number][1]) for number in range(len(lines))]
    gold = gold_of(program_from_labels(lines, noise).render(), text="\n".join(lines))
    assert gold.noise == noise


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.text('a"(0\n\x00\ud800', max_size=9),
    st.lists,
    max_leaves=4,
)
fields = ["id", "raw_text", "text", "keep", "line_labels", "program", "neutral_lines", "partials", "site", "source"]


@given(
    st.dictionaries(st.sampled_from(fields), anything),
    st.sampled_from(["", "a", "a\nb", "a\x00b\r\n\u2028", "\ud800"]),
    st.sampled_from(
        ['remove_lines(0, 1)\nnormalize("a", "")', "drop_doc(", 'normalize("", "")', 'add_line(0, 0, "x")']
    ),
)
def test_any_record_is_gold_or_has_a_reason(record, text, program):
    for each in (record, record | {"raw_text": text}, record | {"raw_text": text, "program": program}):
        assert isinstance(parse_gold(each, "here"), LineGold | DocumentGold | str)


@pytest.mark.parametrize(
    ("fields", "site"),
    [
        ({"site_key": "k", "site": "s", "url": "http://u.example"}, "k"),
        ({"site_key": None, "site": "s", "url": "http://u.example"}, "s"),
        ({"url": "http://U.example:80/a?b"}, "u.example"),
        ({"url": "http://[broken"}, ""),
        ({"url": 7, "site": ""}, ""),
        ({"site": "\ud800"}, "?"),
    ],
)
def test_the_site_is_the_best_that_the_record_says(fields, site):
    assert site_of(fields) == site


def test_pages_of_one_host_are_of_one_site_where_nothing_else_names_it():
    """What `prox annotate` writes of a corpus has its addresses and no `site`: each page was drawn alone."""
    golds = [gold_of("", url=f"https://forum.example/thread/{n}") for n in range(2)]
    assert {gold.site for gold in golds} == {"forum.example"}
    assert gold_of("").site is None
    document = parse_gold({"text": "a", "keep": 1, "url": "https://forum.example/"}, "here")
    assert isinstance(document, DocumentGold) and document.site == "forum.example"


@pytest.mark.parametrize("program", [None, "keep_doc()"])
def test_fields_that_are_null_make_no_lines_of_a_document(program):
    """In Parquet and its like every record has every field: documents were refused for their raw_text."""
    record = {"raw_text": None, "line_labels": None, "program": program, "text": "a", "keep": 1}
    gold = parse_gold(record, "here")
    assert isinstance(gold, DocumentGold) and gold.keep
    assert isinstance(parse_gold(gold_fields := {"raw_text": "a", "line_labels": [1]}, "here"), LineGold)
    assert isinstance(parse_gold(gold_fields | {"text": None, "keep": None}, "here"), LineGold)


def test_a_page_of_which_no_line_is_judged_is_no_gold():
    """It had an F1 of 1, as a clean page has, and distilled to a program that keeps everything."""
    record = {"raw_text": "a\nb", "line_labels": [1, 0], "neutral_lines": [0, 1]}
    assert parse_gold(record, "here") == "all lines are neutral"
    assert isinstance(parse_gold(record | {"neutral_lines": [0, 0]}, "here"), LineGold)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("neutral_lines", [True], "neutral_lines is not a list of line numbers"),
        ("partials", [{"line": True, "start": 0, "end": 1}], "partials is not a list of objects with line and noise"),
        ("partials", [{"line": 0, "start": False, "end": 1}], "partials has a start or end outside its line"),
    ],
)
def test_true_is_no_line_number(field, value, fault):
    assert parse_gold({"raw_text": "a\nb", "line_labels": [1, 0], field: value}, "here") == fault


def test_lines_that_nobody_knows_are_left_out_where_only_some_are_known():
    for nulls in ({}, {"line_labels": None, "program": None}):
        gold = parse_gold({"raw_text": PAGE, "content_lines": [1], "noise_lines": [3], **nulls}, "here")
        assert (list(gold.noise), gold.neutral, gold.by_program) == ([0, 0, 0, 1], {0, 2}, False)
    gold = parse_gold({"raw_text": PAGE, "content_lines": [1], "neutral_lines": [0]}, "here")
    assert (list(gold.noise), gold.neutral) == ([0, 0, 0, 0], {0, 2, 3})
    labels = labelled_page({"raw_text": PAGE, "content_lines": [1], "noise_lines": [3]}, "here").labels
    assert labels.tolist() == [-1, 0, -1, 1]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"content_lines": [4]}, "content_lines is not a list of line numbers"),
        ({"content_lines": [0], "noise_lines": "1"}, "noise_lines is not a list of line numbers"),
        ({"content_lines": [True]}, "content_lines is not a list of line numbers"),
        ({"content_lines": [0, 1], "noise_lines": [1]}, "a line is in content_lines and in noise_lines"),
        ({"content_lines": [], "noise_lines": []}, "all lines are neutral"),
    ],
)
def test_known_lines_that_cannot_be_are_a_fault(fields, fault):
    assert parse_gold({"raw_text": PAGE, **fields}, "here") == fault


def test_labels_for_every_line_count_more_than_those_for_some():
    gold = parse_gold({"raw_text": "a\nb", "line_labels": [0, 1], "noise_lines": [0]}, "here")
    assert (gold.noise, gold.neutral) == ([0, 1], frozenset())
