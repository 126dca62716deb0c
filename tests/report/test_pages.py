"""What became of each line is what executing the program gave."""

from hypothesis import given
from hypothesis import strategies as st

from prox.document import split_lines
from prox.program import InsertLine, Policy, Program, RemoveLines, Replace, ReplaceOnce, execute
from prox.report.pages import domain_of, lines_of, page_of

WORDS = st.sampled_from(["Home", "a b", "swifts", "", "fly. Read more", "[1]", "x"])
LINES = st.lists(WORDS, min_size=1, max_size=8)


@st.composite
def edited(draw):
    """A text, and a program that edits it: what a run has stored."""
    lines = draw(LINES)
    last = len(lines) - 1
    number = st.integers(0, last)
    removal = st.builds(RemoveLines, number, number)
    source = st.sampled_from(["Read more", "a", "[1]", "x", "swifts"])
    replacement = st.builds(Replace, source, st.sampled_from(["", "y"]), number, number)
    once = st.builds(ReplaceOnce, number, source, st.sampled_from(["", "z"]))
    new = st.builds(InsertLine, st.integers(-1, last), st.sampled_from(["new", "new\ntwo"]))
    operations = draw(st.lists(st.one_of(removal, replacement, once, new), max_size=6))
    text = "\n".join(lines)
    return text, execute(text, Program(tuple(operations)), Policy.unlimited())


@given(edited())
def test_lines_that_stay_are_those_of_the_refined_text(case):
    text, outcome = case
    lines = lines_of(text, outcome.program, "edited" if outcome.edited else "kept", None)
    assert [line.raw for line in lines if line.number >= 0] == split_lines(text)
    left = [line.refined for line in lines if line.fate != "removed"]
    assert "\n".join(left) == outcome.text or not left


def test_a_dropped_document_has_no_line_left():
    lines = lines_of("one\ntwo", Program(), "dropped", b"\x05\x50")
    assert [(line.fate, line.refined, line.score) for line in lines] == [("removed", "", 5), ("removed", "", 80)]


def test_a_replacement_that_joins_lines_is_shown_where_it_stood():
    program = Program((Replace("one\ntwo", "three", 0, 1),))
    assert [line.raw for line in lines_of("one\ntwo\nfour", program, "edited", None)] == ["one", "two", "four"]


def test_where_documents_come_from_is_read_from_their_fields():
    assert domain_of({"url": "https://www.example.org:80/a"}) == "example.org"
    assert domain_of({"metadata": {"WARC-Target-URI": "http://a.example/"}}) == "a.example"
    assert domain_of({"url": "http://[broken"}) == domain_of({"url": 7}) == domain_of({}) == ""
    assert domain_of({"domain": "own.example", "url": "http://other.example"}) == "own.example"


def test_a_row_without_text_is_a_page_without_lines():
    row = {
        "id": "a",
        "file": "f",
        "offset": None,
        "record": 3,
        "text_sha256": None,
        "program": "",
        "decision": "quarantined",
    }
    page = page_of(row | {"reason": "invalid JSON", "words_before": 0, "words_after": 0, "stages": []}, None, {})
    assert page.lines is None and page.key == ("f", 0, 3) and page.keep_score is None


def test_of_lines_that_are_split_and_joined_each_keeps_its_own_characters():
    program = Program((Replace("a1 a2", "a1\na2", 0, 0), Replace("b2\nc1", "", 1, 2)))
    lines = lines_of("a1 a2\nb1 b2\nc1 c2\nd1", program, "edited", None)
    assert [line.refined for line in lines][1:] == ["b1 ", " c2", "d1"]
    assert [line.fate for line in lines][1:] == ["changed", "changed", "kept"]
