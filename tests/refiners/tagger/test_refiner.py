"""The tagger as it ships, with its real weights: purity, sound programs, extreme pages, and what it must not break."""

import dataclasses
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tagger_texts import sample_pages, texts

from prox.chunking import Chunk
from prox.document import split_lines
from prox.program import DropDocument, KeepDocument, Policy, Program, RemoveLines, Replace, execute
from prox.refiners import Level
from prox.refiners.tagger import TaggerRefiner
from prox.refiners.tagger.refiner import LONGEST, Tagger
from prox.refiners.tagger.weights import embedded_path, load_weights

LEVELS = list(Level)


@pytest.fixture(scope="module")
def weights():
    return load_weights(embedded_path())


@pytest.fixture(scope="module")
def editor():
    return TaggerRefiner(Level.CHUNK)


@pytest.fixture(scope="module")
def judge():
    return TaggerRefiner(Level.DOCUMENT)


@pytest.fixture(scope="module")
def eager(weights):
    """Keeps every line, and removes every part that is found."""
    parts = dataclasses.replace(weights.parts, thresholds=np.zeros_like(weights.parts.thresholds))
    return TaggerRefiner(Level.CHUNK, tagger=Tagger(dataclasses.replace(weights, parts=parts, noise_threshold=1.1)))


def chunk(text, first_line=0):
    return Chunk("page", text, first_line)


def draft_of(refiner, text):
    (draft,) = refiner.refine([chunk(text)])
    return draft


def removed_by(refiner, text):
    """Numbers of the lines that a refiner removes."""
    removals = [each for each in draft_of(refiner, text).program.operations if isinstance(each, RemoveLines)]
    return {number for each in removals for number in range(each.first, each.last + 1)}


def removed_text(refiner, text):
    lines = split_lines(text)
    return [lines[number] for number in sorted(removed_by(refiner, text)) if lines[number].strip()]


def sound(draft, text):
    """A program that says what it means, and means what can be done."""
    program = draft.program
    assert program.operations
    assert not program.errors
    assert not draft.errors
    again = Program.parse(program.render())
    assert not again.errors
    assert again.operations == program.operations
    for policy in (Policy.unlimited(), Policy()):
        outcome = execute(text, again, policy)
        assert not outcome.rejected
        assert policy == Policy() or outcome.applied == program.operations
    return execute(text, program, Policy.unlimited())


# Purity


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_chunk_gives_the_same_draft_in_any_batch_and_order(level, weights):
    chunks = [Chunk(name, text, 0) for name, text in sample_pages().items()]
    chunks += [Chunk(f"{each.document_id} again", each.text, 0) for each in chunks[:5]] + [Chunk("empty", "", 0)]
    alone = {each.document_id: TaggerRefiner(level, tagger=Tagger(weights)).refine([each])[0] for each in chunks}
    for size in (1, 7, len(chunks)):
        for seed in range(2):
            shuffled = random.Random(seed).sample(chunks, len(chunks))
            refiner = TaggerRefiner(level, tagger=Tagger(weights))
            for first in range(0, len(shuffled), size):
                batch = shuffled[first : first + size]
                for each, draft in zip(batch, refiner.refine(batch), strict=True):
                    expected = alone[each.document_id]
                    assert draft == expected
                    assert draft.program.render().encode() == expected.program.render().encode()
                    assert (repr(draft.score), draft.line_scores) == (repr(expected.score), expected.line_scores)


def test_reading_a_page_for_one_level_does_not_change_the_other(weights):
    shared = Tagger(weights)
    for text in sample_pages().values():
        for level in (Level.DOCUMENT, Level.CHUNK):
            together = draft_of(TaggerRefiner(level, tagger=shared), text)
            assert together == draft_of(TaggerRefiner(level, tagger=Tagger(weights)), text)


@pytest.mark.parametrize("level", LEVELS)
def test_no_chunks_give_no_drafts(level):
    assert TaggerRefiner(level).refine([]) == []


def test_line_numbers_count_from_the_chunks_first_line(editor):
    text = sample_pages()["page-013"]
    (here,), (there,) = editor.refine([chunk(text)]), editor.refine([chunk(text, first_line=1000)])
    assert here.line_scores == there.line_scores

    def moved(operation):
        first, last = operation.first, operation.last
        return dataclasses.replace(operation, first=first + 1000, last=last + 1000)

    assert any(isinstance(each, RemoveLines) for each in here.program.operations)
    assert there.program.operations == tuple(moved(each) for each in here.program.operations)


def test_fingerprints_tell_apart_what_can_differ(weights):
    other = Tagger(dataclasses.replace(weights, fingerprint="other"))
    refiners = [
        TaggerRefiner(Level.CHUNK),
        TaggerRefiner(Level.CHUNK, 0.123),
        TaggerRefiner(Level.DOCUMENT),
        TaggerRefiner(Level.DOCUMENT, 0.123),
        TaggerRefiner(Level.CHUNK, tagger=other),
        TaggerRefiner(Level.DOCUMENT, tagger=other),
    ]
    assert len({refiner.fingerprint for refiner in refiners}) == len(refiners)
    for level, trained in ((Level.DOCUMENT, weights.documents.threshold), (Level.CHUNK, weights.noise_threshold)):
        assert TaggerRefiner(level, trained).fingerprint == TaggerRefiner(level).fingerprint


def test_it_wants_whole_documents():
    assert TaggerRefiner.window is None
    assert [TaggerRefiner(level).level for level in LEVELS] == LEVELS


# Programs


@pytest.mark.parametrize("name", sorted(sample_pages()))
def test_programs_for_the_sample_pages_are_sound(name, editor, eager):
    text = sample_pages()[name]
    for refiner in (editor, eager):
        sound(draft_of(refiner, text), text)


def test_verdicts_on_the_sample_pages_are_sound(judge):
    for text in sample_pages().values():
        sound(draft_of(judge, text), text)


@settings(deadline=None)
@given(texts)
def test_programs_for_any_text_are_sound(editor, text):
    draft = draft_of(editor, text)
    sound(draft, text)
    assert draft.score is None
    assert len(draft.line_scores) == len(split_lines(text))
    assert max(draft.line_scores) <= 100


@settings(deadline=None)
@given(texts)
def test_verdicts_on_any_text_are_sound(judge, text):
    verdict = draft_of(judge, text)
    sound(verdict, text)
    assert 0 <= verdict.score <= 1
    assert verdict.line_scores is None


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["[edit]", " [a]", "(b)", "(b) (b)", " End. More", "x", " ", "f(x)", "[1]", "\n", "\\left(1)"])
    )
)
def test_removing_every_part_leaves_every_line_and_rejects_nothing(eager, pieces):
    text = "".join(pieces)
    outcome = sound(draft_of(eager, text), text)
    left = split_lines(outcome.text)
    assert [bool(line.strip()) for line in left] == [bool(line.strip()) for line in split_lines(text)]


def test_removals_and_line_scores_agree(editor, weights):
    for text in sample_pages().values():
        draft, removed = draft_of(editor, text), removed_by(editor, text)
        for number, line in enumerate(split_lines(text)):
            if line.strip():
                limit = 100 * weights.noise_threshold
                assert draft.line_scores[number] >= limit - 0.5 if number in removed else limit + 0.5
            else:
                assert draft.line_scores[number] == 0


def test_edits_inside_lines_name_lines_that_stay(editor):
    for text in sample_pages().values():
        operations = draft_of(editor, text).program.operations
        named = {each.first for each in operations if isinstance(each, Replace)}
        assert not named & removed_by(editor, text)


# Thresholds


def test_the_document_level_drops_exactly_the_scores_below_its_threshold():
    for threshold in (0.0, 0.3, 0.6, 1.0):
        refiner = TaggerRefiner(Level.DOCUMENT, threshold)
        for text in [*sample_pages().values(), "", "\n\n"]:
            draft = draft_of(refiner, text)
            expected = KeepDocument() if draft.score >= threshold else DropDocument()
            assert draft.program == Program((expected,))


def test_threshold_0_drops_nothing_and_one_above_1_drops_everything():
    pages = [chunk(text) for text in [*sample_pages().values(), "", " \n", "\x00", "1"]]
    keeps = TaggerRefiner(Level.DOCUMENT, 0.0).refine(pages)
    drops = TaggerRefiner(Level.DOCUMENT, 1.01).refine(pages)
    assert {draft.program.operations for draft in keeps} == {(KeepDocument(),)}
    assert {draft.program.operations for draft in drops} == {(DropDocument(),)}
    assert [draft.score for draft in keeps] == [draft.score for draft in drops]


# Extreme pages

EXTREMES = {
    "empty": "",
    "one newline": "\n",
    "white space": " \t\r\n \u3000\u2028\n\ufeff",
    "skipped line": "word " * 2000,
    "NUL": "\x00\n\x00text\x00",
    "surrogates": "\ud800 [edit]\nText with \udfff inside. Read more\n",
    "numbers": "\n".join(str(number**3) for number in range(500)),
    "one number": "42",
    "right to left": "مرحبا بالعالم. اقرأ المزيد\n\nשלום עולם [עריכה]\n" * 300,
    "Chinese": "这是一个没有空格的句子。它说明了一些事情。\n首页 登录 注册\n" * 300,
    "Thai": "ภาษาไทยไม่มีช่องว่างระหว่างคำ\n" * 300,
    "emoji": "👩‍🔬🏳️‍🌈😀 " * 3000,
    "carriage returns": "Home\r\nA sentence that goes on for a while.\r\n\r\n" * 100,
    "a line of 1 MB": "The quick brown fox jumps over the lazy dog. " * 22_000,
    "a word of 1 MB": "x" * 1_000_000,
    "brackets, 1 MB": "(" * 500_000 + "[" * 500_000,
    "white space, 1 MB": "a" + " \t" * 500_000 + "b",
    "labels, 1 MB": "word [edit] " * 80_000,
    "lines without words": "\n" * 100_000 + "x" + "\n" * 100_000,
    "100,000 lines": "\n".join(f"This is line {number} of a very long page." for number in range(100_000)),
    "same line, 100,000 times": "Home\n" * 100_000,
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_pages_end_in_seconds_with_a_sound_program(name, editor):
    text = EXTREMES[name]
    begin = time.process_time()
    draft = draft_of(editor, text)
    assert time.process_time() - begin < 20
    sound(draft, text)
    assert len(draft.line_scores) == text.count("\n") + 1


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_pages_are_judged_in_seconds(name, judge):
    text = EXTREMES[name]
    begin = time.process_time()
    verdict = draft_of(judge, text)
    assert time.process_time() - begin < 20
    sound(verdict, text)
    assert 0 <= verdict.score <= 1


@pytest.mark.parametrize("unit", ["A sentence of the text [edit]", "A sentence of the text [{}]"])
def test_a_line_full_of_noisy_parts_ends_in_seconds(unit, eager):
    text = "".join(unit.format(number) for number in range(3000))
    begin = time.process_time()
    outcome = sound(draft_of(eager, text), text)
    assert time.process_time() - begin < 20
    assert "[" not in outcome.text


@pytest.mark.parametrize("text", ["", "\n\n", " \t\n\u2028", "\ufeff"])
def test_texts_without_a_visible_character_are_left_as_they_are_and_not_worth_keeping(text, editor, judge):
    assert draft_of(editor, text).program == Program((KeepDocument(),))
    assert draft_of(editor, text).line_scores == bytes(text.count("\n") + 1)
    assert draft_of(judge, text).score == 0.0
    assert draft_of(judge, text).program == Program((DropDocument(),))


def test_documents_longer_than_one_reading_are_read_as_pages_of_their_own(editor):
    page = [f"Line {number} of a page with words in it" for number in range(LONGEST)]
    tail = split_lines(sample_pages()["page-001"])
    scores = draft_of(editor, "\n".join(page + tail)).line_scores
    assert scores == draft_of(editor, "\n".join(page)).line_scores + draft_of(editor, "\n".join(tail)).line_scores
    expected = {LONGEST + number for number in removed_by(editor, "\n".join(tail))}
    assert {number for number in removed_by(editor, "\n".join(page + tail)) if number >= LONGEST} == expected


# What it is for


@pytest.mark.parametrize("name", ["page-003", "page-013", "page-028", "page-035"])
def test_lines_of_mathematics_stay(name, editor):
    text = sample_pages()[name]
    displayed = ("$$", "\\[", "\\]", "\\begin", "\\end", "  ", "Theorem", "Proof", "Corollary")
    formulas = [line for line in removed_text(editor, text) if line.startswith(displayed) and "\\" in line]
    assert formulas == []
    edits = [each.source for each in draft_of(editor, text).program.operations if isinstance(each, Replace)]
    assert [source for source in edits if "\\" in source or "$" in source] == []


def between(text, first, last):
    """The lines from one that starts with `first` to one that starts with `last`, both included."""
    lines = split_lines(text)
    begin = next(number for number, line in enumerate(lines) if line.startswith(first))
    end = next(number for number, line in enumerate(lines) if number >= begin and line.startswith(last))
    return range(begin, end + 1)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("page-008", "def pause", "    return random.uniform"),
        ("page-008", "from kestrel import", "        return reply.read"),
        ("page-008", "try:", "    raise"),
        ("page-024", "CREATE TABLE", ");"),
        ("page-024", "SELECT day,", "ORDER  BY day;"),
        ("page-024", "WITH dry AS", "GROUP  BY spell"),
        ("page-008", "def test_gives_up", "    assert len(waits)"),
        ("page-024", "ORDER  BY days", "LIMIT  1;"),
    ],
)
def test_code_stays_with_its_indentation(name, first, last, editor):
    text = sample_pages()[name]
    block = between(text, first, last)
    lines = split_lines(text)
    removed = removed_by(editor, text)
    assert [lines[number] for number in block if number in removed and lines[number].strip()] == []
    refined = split_lines(execute(text, draft_of(editor, text).program, Policy.unlimited()).text)
    assert all(lines[number] in refined for number in block)


@pytest.mark.parametrize(
    ("name", "menu"),
    [
        ("page-001", ["Skip to content", "Home", "News", "Species A–Z", "Gear", "Forum", "Log in | Register"]),
        ("page-001", ["Subscribe", "You may also like", "« Previous article | Next article »", "Reply", "Back to top"]),
        ("page-008", ["Skip to content", "Type / to search", "Home / Guide / Retry"]),
        pytest.param(
            "page-008",
            ["← Timeouts     Circuit breakers →"],
            marks=pytest.mark.xfail(
                strict=True, reason="links to neighbouring pages behind code are taken for content"
            ),
        ),
        ("page-013", ["Log in / create account", "Jump to: navigation, search"]),
    ],
)
def test_obvious_menus_go(name, menu, editor):
    assert set(menu) <= set(removed_text(editor, sample_pages()[name]))


def test_the_paragraphs_of_an_article_stay(editor):
    for name in ("page-001", "page-007", "page-016", "page-027"):
        text = sample_pages()[name]
        paragraphs = [line for line in split_lines(text) if len(line) > 200]
        assert paragraphs
        assert not set(paragraphs) & set(removed_text(editor, text))


def test_section_links_behind_headings_go(editor):
    text = sample_pages()["page-013"]
    outcome = execute(text, draft_of(editor, text).program, Policy.unlimited())
    assert "3 Existence and uniqueness" in split_lines(outcome.text)


def test_pages_worth_nothing_are_dropped_and_good_articles_kept(judge):
    verdicts = {name: draft_of(judge, text).program.operations for name, text in sample_pages().items()}
    worthless = ["page-004", "page-011", "page-018", "page-029", "page-034", "page-039"]
    assert {verdicts[name] for name in worthless} == {(DropDocument(),)}
    assert {verdicts[name] for name in ("page-007", "page-016", "page-027")} == {(KeepDocument(),)}


@pytest.mark.parametrize("name", ["page-002", "page-010", "page-020"])
def test_discussions_are_kept(name, judge):
    assert draft_of(judge, sample_pages()[name]).program == Program((KeepDocument(),))


@pytest.mark.parametrize("name", ["page-003", "page-013", "page-035"])
def test_lecture_notes_are_kept(name, judge):
    assert draft_of(judge, sample_pages()[name]).program == Program((KeepDocument(),))
