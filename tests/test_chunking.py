import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.chunking import Window, chunk_document
from prox.document import Document, join_lines, split_lines
from prox.errors import UsageError
from prox.program import Policy, Program, Replace, Scope, count_words, execute

line_texts = st.text(st.sampled_from("ab \r\f\u2028\x85没"), max_size=12)
texts = st.lists(line_texts, min_size=1, max_size=12).map("\n".join)
windows = st.one_of(st.none(), st.integers(1, 12))


def chunks_of(text, window=1500, measure=count_words):
    return chunk_document(Document("page", text), window, measure)


@given(texts, windows)
def test_chunks_give_the_document_back_byte_for_byte(text, window):
    chunks = chunks_of(text, window)
    assert join_lines([chunk.text for chunk in chunks]) == text
    assert {chunk.document_id for chunk in chunks} == {"page"}


@given(texts, windows)
def test_chunks_know_their_lines(text, window):
    lines = split_lines(text)
    expected = 0
    for chunk in chunks_of(text, window):
        assert chunk.first_line == expected
        assert split_lines(chunk.text) == lines[chunk.first_line : chunk.last_line + 1]
        assert chunk.scope == Scope(chunk.first_line, chunk.last_line)
        expected = chunk.last_line + 1
    assert expected == len(lines)


@given(texts, st.integers(1, 12))
def test_chunks_fit_the_window_and_are_as_long_as_they_can_be(text, window):
    chunks = chunks_of(text, window)
    sizes = [sum(map(count_words, split_lines(chunk.text))) for chunk in chunks]
    for chunk, size in zip(chunks, sizes, strict=True):
        assert chunk.skipped == (size > window)
        assert not chunk.skipped or chunk.first_line == chunk.last_line
    for here, there, size in zip(chunks, chunks[1:], sizes, strict=False):
        next_line = count_words(split_lines(there.text)[0])
        assert here.skipped or there.skipped or size + next_line > window


@given(texts)
def test_programs_of_all_chunks_together_edit_like_one(text):
    programs = [Program((Replace("a"),), scope=chunk.scope) for chunk in chunks_of(text, 3)]
    assert execute(text, programs, Policy.unlimited()).text == text.replace("a", "")


@pytest.mark.parametrize("text", ["", "\n", "\n\n\n", "\r", " \n "])
def test_texts_without_words_are_one_chunk(text):
    (chunk,) = chunks_of(text, 1)
    assert (chunk.text, chunk.first_line, chunk.skipped) == (text, 0, False)


def test_a_line_that_is_too_long_is_a_chunk_of_its_own_and_skipped():
    chunks = chunks_of("a\n\nb b b b\nc\nd d", window=3)
    assert [(chunk.text, chunk.first_line, chunk.skipped) for chunk in chunks] == [
        ("a\n", 0, False),
        ("b b b b", 2, True),
        ("c\nd d", 3, False),
    ]


def test_each_line_is_measured_once():
    measured = []
    chunks_of("a\nbb\nccc\nbb", 4, lambda line: measured.append(line) or len(line))
    assert measured == ["a", "bb", "ccc", "bb"]


def test_without_a_window_nothing_is_measured():
    (chunk,) = chunks_of("a\nb", None, lambda line: 1 // 0)
    assert chunk.text == "a\nb"


def test_a_window_that_nothing_fits_is_told():
    with pytest.raises(UsageError, match="window"):
        chunks_of("a", 0)


def shown(chunk):
    return [*chunk.context, *split_lines(chunk.text)]


@given(texts, st.integers(1, 12), st.sampled_from([0.0, 0.2, 0.5, 0.9]))
def test_the_overlap_shows_lines_again_and_every_line_still_belongs_to_one_chunk(text, size, overlap):
    window = Window(size, lambda line: len(line) + 1, overlap)
    chunks = chunk_document(Document("page", text), window)
    lines = split_lines(text)
    assert join_lines([chunk.text for chunk in chunks]) == text
    for chunk in chunks:
        first = chunk.first_line - len(chunk.context)
        assert shown(chunk) == lines[first : chunk.last_line + 1]
        if not chunk.skipped:
            assert sum(len(line) + 1 for line in shown(chunk)) <= size
        assert sum(len(line) + 1 for line in chunk.context) <= overlap * size
    if not overlap:
        assert not any(chunk.context for chunk in chunks)


def test_an_overlap_fills_its_share_of_the_window():
    chunks = chunk_document(Document("page", "\n".join("abcdefgh")), Window(5, len, 0.4))
    assert ["".join(shown(chunk)) for chunk in chunks] == ["abcde", "defgh"]
    assert [chunk.first_line for chunk in chunks] == [0, 5]


@pytest.mark.parametrize("overlap", [-0.1, 1.0, 2])
def test_an_overlap_is_a_share(overlap):
    with pytest.raises(UsageError, match="overlap"):
        chunk_document(Document("page", "a"), Window(5, len, overlap))
