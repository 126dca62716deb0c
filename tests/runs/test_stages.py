"""Documents through stages, with refiners that do what the page says."""

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from prox.chunking import Chunk
from prox.document import Document
from prox.program import (
    DropDocument,
    KeepDocument,
    Operation,
    Policy,
    Program,
    RemoveLines,
    Replace,
    count_words,
    execute,
)
from prox.refiners import Draft, Level
from prox.runs.stages import DROPPED, EDITED, KEPT, QUARANTINED, Refined, Stage, refine_documents

ANY_LENGTH = Policy(least_share=None, least_words=None)
PROSE = "Swifts spend almost their whole life on the wing and come down to breed, to feed and to nothing else."


class Fake:
    """Writes what a function says; remembers which chunks it was shown."""

    def __init__(self, level: Level, write: Callable[[Chunk], Draft], window: int | None = None) -> None:
        self.level, self.window, self.fingerprint = level, window, "fake"
        self.write = write
        self.seen: list[Chunk] = []

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        self.seen += chunks
        return [self.write(chunk) for chunk in chunks]


def draft(*operations: Operation, **known: object) -> Draft:
    return Draft(Program(operations), **known)  # type: ignore[arg-type]


def without_menus(chunk: Chunk) -> Draft:
    lines = [chunk.first_line + i for i, line in enumerate(chunk.text.split("\n")) if line.startswith("MENU")]
    return draft(*(RemoveLines(line, line) for line in lines))


def judge(write: Callable[[Chunk], Draft]) -> Stage:
    return Stage("judge", Fake(Level.DOCUMENT, write))


def editor(write: Callable[[Chunk], Draft], policy: Policy = ANY_LENGTH, window: int | None = None) -> Stage:
    return Stage("editor", Fake(Level.CHUNK, write, window), policy)


def refine(text: str, *stages: Stage) -> Refined:
    (refined,) = refine_documents([Document("a", text)], stages)
    return refined


def keep(chunk: Chunk) -> Draft:
    return draft(KeepDocument(), score=0.9)


def drop(chunk: Chunk) -> Draft:
    return draft(DropDocument(), score=0.123)


def test_a_document_that_no_stage_touches_is_kept_as_it_is():
    refined = refine(PROSE, judge(keep), editor(lambda chunk: draft()))
    assert (refined.text, refined.decision, refined.reason) == (PROSE, KEPT, "")
    assert refined.words_before == refined.words_after == count_words(PROSE)
    assert refined.program == Program((KeepDocument(),))


def test_an_edit_is_counted_in_words():
    refined = refine(f"MENU one two\n{PROSE}", judge(keep), editor(without_menus))
    assert (refined.text, refined.decision, refined.reason) == (PROSE, EDITED, "")
    assert refined.words_before - refined.words_after == 3
    assert [(stage.words_before, stage.words_after) for stage in refined.stages] == [(23, 23), (23, 20)]
    assert refined.program == Program((RemoveLines(0, 0),))


def test_a_drop_names_the_stage_and_its_score_and_ends_the_way():
    last = editor(without_menus)
    refined = refine(PROSE, judge(drop), last)
    assert (refined.text, refined.decision, refined.words_after) == (None, DROPPED, 0)
    assert refined.reason == "dropped by judge, keep score 0.12"
    assert [stage.stage for stage in refined.stages] == ["judge"]
    assert last.refiner.seen == []
    assert refined.program == Program((DropDocument(),))


def test_a_drop_by_the_policy_says_why():
    refined = refine("MENU a\nthree words left", editor(without_menus, Policy()))
    assert (refined.text, refined.decision) == (None, DROPPED)
    assert refined.reason == "too few words left: 3, the limit is 10"
    assert refined.program == Program((DropDocument(),))


def test_a_draft_with_errors_leaves_the_document_and_says_what_went_wrong():
    failing = judge(lambda chunk: Draft(Program(), errors=("timeout after 60 s",)))
    refined = refine(f"MENU\n{PROSE}", failing, editor(without_menus))
    assert (refined.text, refined.decision, refined.reason) == (PROSE, EDITED, "timeout after 60 s")
    assert [stage.failures for stage in refined.stages] == [("timeout after 60 s",), ()]


def test_a_draft_error_that_says_so_quarantines_the_document():
    last = editor(without_menus)
    refined = refine(PROSE, judge(lambda chunk: Draft(Program(), errors=("quarantine: other text",))), last)
    assert (refined.text, refined.decision, refined.reason) == (None, QUARANTINED, "other text")
    assert refined.words_after == 0
    assert last.refiner.seen == []


def test_the_reason_of_a_quarantine_is_its_own_whatever_happened_before():
    failing = judge(lambda chunk: Draft(Program(), errors=("timeout",)))
    holding = editor(lambda chunk: Draft(Program(), errors=("cut off", "quarantine: other text")))
    refined = refine(PROSE, failing, holding)
    assert (refined.decision, refined.reason) == (QUARANTINED, "other text")


def test_a_program_for_a_chunk_changes_nothing_outside_its_lines():
    greedy = editor(lambda chunk: draft(RemoveLines(0, 0)), window=2)
    refined = refine("a b\nc d\ne f", greedy)
    assert refined.text == "c d\ne f"
    assert [chunk.first_line for chunk in greedy.refiner.seen] == [0, 1, 2]
    assert len(refined.stages[0].rejected) == 2
    assert all("outside the lines" in reason for reason in refined.stages[0].rejected)


def test_a_program_for_a_chunk_cannot_drop_the_document():
    assert refine("a b\nc d", editor(drop, window=2)).decision == KEPT


def test_a_line_longer_than_the_window_is_not_read_and_stays():
    stage = editor(lambda chunk: draft(RemoveLines(chunk.first_line, chunk.last_line)), window=3)
    assert refine("a b\none two three four\nc d", stage).text == "one two three four"
    assert [chunk.text for chunk in stage.refiner.seen] == ["a b", "c d"]


def test_line_scores_have_one_byte_a_line_or_are_not_there():
    scored = editor(lambda chunk: Draft(Program(), line_scores=bytes(chunk.text.count("\n") + 1)), window=3)
    assert refine("a b\nc d\ne", scored).stages[0].line_scores == bytes(3)
    for text in ("a b\none two three four\nc d", "one two three four"):  # a line that no chunk covers has no score
        scores = refine(text, scored).stages[0].line_scores
        assert scores is None or len(scores) == text.count("\n") + 1


def test_scores_and_tokens_of_all_drafts_are_kept():
    stage = editor(lambda chunk: draft(score=0.25, tokens_in=7, tokens_out=2), window=2)
    result = refine("a b\nc d", stage).stages[0]
    assert (result.score, result.tokens_in, result.tokens_out, result.line_scores) == (0.25, 14, 4, None)


def test_what_a_program_text_has_wrong_is_kept_with_the_rejected_operations():
    stage = editor(lambda chunk: Draft(Program.parse("remove_lines(9, 9)")))
    refined = refine(PROSE, stage)
    (rejected,) = refined.stages[0].rejected
    assert rejected == "remove_lines(line_start=9, line_end=9): beyond the last line of the document, 0"
    assert refined.text == PROSE


def test_an_ignored_program_leaves_the_document_and_says_so():
    refined = refine(
        f"MENU\n{PROSE}", editor(lambda chunk: draft(RemoveLines(0, 0), RemoveLines(8, 8), RemoveLines(9, 9)))
    )
    assert refined.decision == KEPT
    assert "erroneous operations 2, allowed 1" in refined.reason


def test_no_documents_give_nothing():
    assert refine_documents([], [judge(keep), editor(without_menus)]) == []


def test_the_empty_text_and_only_line_breaks_go_through_every_stage():
    for text in ("", "\n", "\n\n\n"):
        refined = refine(text, judge(keep), editor(without_menus, Policy()))
        assert (refined.text, refined.decision) == (text, KEPT)


ODD_CHARACTERS = "a\0b\r\nMENU\x0c\r\nc\x0cd\u2028e\u2029f\x85g\x1c\ufeffh\nMENU \0\nlast\r"


def test_odd_characters_stay_in_the_lines_that_stay():
    refined = refine(ODD_CHARACTERS, judge(keep), editor(without_menus))
    assert refined.text == "a\0b\r\nc\x0cd\u2028e\u2029f\x85g\x1c\ufeffh\nlast\r"


LINES = st.lists(st.sampled_from(["", "MENU", "MENU \0x", "HOLD", "DROP", "ERROR", "p q", "p\r", "\u2028"]), max_size=6)


def by_mark(chunk: Chunk) -> Draft:
    if "HOLD" in chunk.text:
        return Draft(Program(), errors=("quarantine: held",))
    if "ERROR" in chunk.text:
        return Draft(Program(), errors=("failed",))
    return draft(DropDocument() if "DROP" in chunk.text else KeepDocument())


def with_replacements(chunk: Chunk) -> Draft:
    removals = without_menus(chunk).program.operations
    return draft(*removals, *([Replace("p", "", chunk.first_line)] if "p" in chunk.text else []))


STAGES = [judge(by_mark), editor(with_replacements, window=4)]


@given(st.lists(LINES.map("\n".join), max_size=5))
def test_a_document_is_refined_the_same_alone_and_in_any_batch(texts: list[str]):
    documents = [Document(str(i), text) for i, text in enumerate(texts)]
    together = refine_documents(documents, STAGES)
    assert together == [refine_documents([document], STAGES)[0] for document in documents]
    assert [refined.document for refined in together] == documents


@given(LINES.map("\n".join))
def test_the_program_of_a_refined_document_makes_its_text_again(text: str):
    refined = refine(text, *STAGES)
    if refined.decision != QUARANTINED:
        again = execute(text, Program.parse(str(refined.program)), Policy.unlimited())
        assert again.text == refined.text
        assert not again.rejected


@given(LINES.map("\n".join))
def test_decision_text_and_words_agree(text: str):
    refined = refine(text, *STAGES)
    assert (refined.text is None) == (refined.decision in (DROPPED, QUARANTINED))
    assert (refined.decision == KEPT) == (refined.text == text)
    assert refined.words_before == count_words(text)
    assert refined.words_after == count_words(refined.text or "")
    assert bool(refined.reason) == (refined.decision in (DROPPED, QUARANTINED) or "ERROR" in text)
