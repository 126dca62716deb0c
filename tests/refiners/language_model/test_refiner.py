"""From chunks to prompts to drafts: every output a model may give is the outcome of one chunk."""

from itertools import pairwise

import pytest

from prox.chunking import Chunk, chunk_document
from prox.document import Document
from prox.errors import UsageError
from prox.program import (
    DropDocument,
    KeepDocument,
    RemoveLines,
    Replace,
    execute,
)
from prox.refiners import Level
from prox.refiners.language_model.engine import Comparison, Completion
from prox.refiners.language_model.families import make_family
from prox.refiners.language_model.refiner import LanguageModelRefiner, family_fingerprint

PAGE = "Menu\nProse that stays.\nShare (12) this\nFooter"


class Letters:
    """A token is a letter."""

    special = ("</s>",)
    exact = True

    def count(self, text):
        return len(text)

    def cut(self, text, most):
        return text[:most]


class Scripted:
    """An engine that answers by a function of the prompt, and remembers what it was asked."""

    parameters = None
    fingerprint = "scripted"

    def __init__(self, answer, context=None):
        self.answer, self.context, self.tokens, self.asked = answer, context, Letters(), []

    def generate(self, requests):
        self.asked += requests
        return [self.answer(request) for request in requests]

    def compare(self, requests, answers):
        assert answers == ("keep_doc()", "drop_doc()")
        return self.generate(requests)

    def close(self):
        pass


def refiner(answer, family="prox-chunk", level=Level.CHUNK, context=None, **options):
    if not callable(answer):
        said = answer if isinstance(answer, Completion | Comparison) else Completion(answer, tokens_out=7)
        return LanguageModelRefiner(Scripted(lambda request: said, context), make_family(family, level, "s"), **options)
    return LanguageModelRefiner(Scripted(answer, context), make_family(family, level, "s"), **options)


def draft(answer, text=PAGE, first_line=0, **options):
    (one,) = refiner(answer, **options).refine([Chunk("page", text, first_line)])
    return one


def judge(answer, **options):
    return draft(answer, family="prox-document", level=Level.DOCUMENT, **options)


def test_a_program_is_read_with_all_that_is_known_about_it():
    written = Completion('remove_lines(0, 0)\nnormalize(" (12)")', "stop", tokens_in=40, tokens_out=12)
    one = draft(written)
    assert one.program.operations == (RemoveLines(0, 0), Replace(" (12)"))
    assert (one.tokens_in, one.tokens_out, one.raw_output, one.errors) == (40, 12, written.text, ())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Completion("", "stop"), "empty output"),
        (Completion(" \n ", "stop"), "empty output"),
        (Completion("I would keep this page.", "stop"), "the output is no program: I would keep"),
        (Completion("remove_lines(0, 0)\nnormalize(", "length", tokens_out=256), "cut off after 256 tokens"),
        (Completion("remove_lines(0, 0)\n" * 9, "stop"), "the program repeats itself: 9 times remove_lines"),
        (Completion(error="server error after 8 attempts: 503", finish_reason="error"), "503"),
        (Completion("remove_lines(0, 0", "stop"), "the output is no program"),
    ],
)
def test_what_is_no_program_is_the_failure_of_one_chunk(answer, reason):
    one = draft(answer)
    assert reason in one.errors[0]
    assert one.program.operations == ()
    assert execute(PAGE, one.program).text == PAGE


def test_a_failure_stays_with_its_chunk():
    def answer(request):
        return Completion("?" if "Menu" in request.prompt else "remove_lines(4, 4)")

    bad, good = refiner(answer).refine([Chunk("a", PAGE, 0), Chunk("b", "Other", 4)])
    assert bad.errors
    assert good.program.operations == (RemoveLines(4, 4),)


def test_blank_chunks_are_not_asked_about():
    model = refiner("remove_lines(0, 0)")
    drafts = model.refine([Chunk("a", "", 0), Chunk("b", " \n\t", 0), Chunk("c", "x", 0)])
    assert [each.program.operations for each in drafts[:2]] == [(KeepDocument(),)] * 2
    assert len(model.engine.asked) == 1


def test_the_same_operation_is_done_once():
    assert draft("remove_lines(0, 0)\nremove_lines(0, 0)").program.operations == (RemoveLines(0, 0),)


def test_a_constrained_program_that_is_cut_off_is_good_up_to_its_last_call():
    one = draft(Completion("remove_lines(0, 0)\nremove_li", "length"), constrain=True)
    assert one.program.operations == (RemoveLines(0, 0),)
    assert (one.program.errors, one.errors) == ((), ())


def test_only_constrained_requests_carry_a_grammar():
    for constrain in (False, True):
        model = refiner("keep_chunk()", constrain=constrain)
        model.refine([Chunk("a", PAGE, 0)])
        assert bool(model.engine.asked[0].grammar) == constrain


@pytest.mark.parametrize(
    ("keep", "drop", "threshold", "kept"), [(0.6, 0.2, None, True), (0.1, 0.3, None, False), (0.1, 0.3, 0.2, True)]
)
def test_a_document_is_kept_by_the_odds_of_the_two_answers(keep, drop, threshold, kept):
    one = judge(Comparison((keep, drop), tokens_in=9), keep_threshold=threshold)
    assert one.program.operations == ((KeepDocument() if kept else DropDocument()),)
    assert one.score == pytest.approx(keep / (keep + drop))


def test_a_model_that_would_answer_something_else_is_not_believed():
    one = judge(Comparison((0.0009, 0.0001)))
    assert "answers something else" in one.errors[0]
    assert (one.score, one.program.operations) == (None, ())


@pytest.mark.parametrize(
    ("text", "operations", "failed"),
    [
        ("drop_doc()", (DropDocument(),), False),
        (" keep_doc()\n", (KeepDocument(),), False),
        ("drop", (), True),
        ("I would not drop_doc() this", (), True),
        ("", (), True),
    ],
)
def test_where_a_server_shows_no_probabilities_its_answer_is_read_strictly(text, operations, failed):
    one = judge(Comparison(text=text))
    assert (one.program.operations, bool(one.errors)) == (operations, failed)
    assert one.score is None


def test_a_long_document_is_cut_and_the_prompt_is_not():
    model = refiner(Comparison((1.0, 0.0)), family="prox-document", level=Level.DOCUMENT)
    model.refine([Chunk("page", "word " * 5000, 0)])
    prompt = model.engine.asked[0].prompt
    assert prompt.endswith(" [/INST]")
    assert 1990 < prompt.count("word ") * 5 <= 2000


def test_a_short_context_leaves_a_document_less_room():
    model = refiner(Comparison((1.0, 0.0)), family="prox-document", level=Level.DOCUMENT, context=500)
    model.refine([Chunk("page", "word " * 5000, 0)])
    request = model.engine.asked[0]
    assert len(request.begin + request.prompt) + request.max_new_tokens <= 500
    assert request.prompt.endswith(" [/INST]")


def test_control_texts_in_a_page_are_shown_broken():
    model = refiner("keep_chunk()")
    model.refine([Chunk("page", "a </s> b [/INST] c", 0)])
    prompt = model.engine.asked[0].prompt
    assert "< /s>" in prompt
    assert "</s>" not in prompt
    assert prompt.count("[/INST]") == 1


def only_short(limit):
    """An engine whose context holds so many letters of the page."""

    def answer(request):
        if len(request.prompt) > limit:
            return Completion(error="prompt too long", finish_reason="error", too_long=True)
        first = int(request.prompt.split("[doc]\n[")[1][:3])
        return Completion(
            f'remove_lines({first}, {first})\nnormalize("a")\nremove_lines(0, 99)', tokens_in=1, tokens_out=2
        )

    return answer


def test_a_chunk_that_is_too_long_is_asked_about_in_parts():
    text = "\n".join(f"line {number} abc" for number in range(8))
    empty = len(refiner("x").request(Chunk("page", "", 0)).prompt)
    one = draft(only_short(empty + 60), text=text)
    removed = [each.first for each in one.program.operations if isinstance(each, RemoveLines)]
    assert removed[0] == 0
    assert len(removed) > 1
    replaced = [(each.first, each.last) for each in one.program.operations if isinstance(each, Replace)]
    assert replaced[0][0] == 0
    assert replaced[-1][1] == 7
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(replaced))
    assert {error.message for error in one.program.errors} == {"outside the lines that the model was shown"}
    assert (one.tokens_in, one.tokens_out) == (len(removed), 2 * len(removed))


def test_a_line_that_is_too_long_fails_alone():
    one = draft(only_short(300), text="x" * 400 + "\nshort")
    assert one.errors == ("prompt too long",)
    assert RemoveLines(1, 1) in one.program.operations


def test_context_lines_are_not_edited_again():
    document = Document("page", "\n".join("x" * 9000 for _ in range(12)))
    model = refiner("remove_lines(1, 12)", family="ultrax")
    chunks = chunk_document(document, model.window)
    assert chunks[1].context
    programs = [one.program for one in model.refine(chunks)]
    assert [program.operations for program in programs] == [(RemoveLines(chunk.first_line, 11),) for chunk in chunks]


def test_windows_are_measured_in_tokens_with_their_numbers():
    model = refiner("keep_chunk()")
    assert model.measure("abc") == len("[000]abc") + 1
    chunks = chunk_document(Document("page", "\n".join(["x" * 494] * 7)), model.window)
    assert [chunk.first_line for chunk in chunks] == [0, 3, 6]


def test_fingerprints_change_with_what_the_model_is_asked():
    family = make_family("prox-chunk", Level.CHUNK)
    prints = {
        refiner("x").fingerprint,
        refiner("x", constrain=True).fingerprint,
        refiner("x", family="ultrax").fingerprint,
        judge_print(None),
        judge_print(0.3),
    }
    assert len(prints) == 5
    assert family_fingerprint(family) != family_fingerprint(make_family("prox-chunk", Level.CHUNK, "another system"))


def judge_print(threshold):
    return refiner("x", family="prox-document", level=Level.DOCUMENT, keep_threshold=threshold).fingerprint


def test_usual_control_texts_are_broken_for_a_server_that_nobody_can_look_into():
    model = refiner("keep_chunk()", family="instruct")
    model.refine([Chunk("page", "a <|im_end|> b <|eot_id|> [/INST]", 0)])
    shown = model.engine.asked[0].messages[-1].content
    assert "< |im_end|>" in shown
    assert "<|eot_id|>" not in shown
    assert "[/INST]" not in shown


def test_a_context_without_room_for_a_page_is_refused_at_once():
    with pytest.raises(UsageError, match="context of 150 tokens is too short for the family prox-chunk"):
        refiner("x", context=150)


def test_a_constrained_model_that_may_only_delete_can_write_nothing_else():
    may_replace = refiner("keep_chunk()", constrain=True)
    deletes = refiner("keep_chunk()", family="instruct", constrain=True)
    assert may_replace.request(Chunk("a", PAGE, 0)).grammar != deletes.request(Chunk("a", PAGE, 0)).grammar


def test_halves_of_a_character_are_joined():
    one = draft(r'normalize("\ud83d\ude00", "\ud83d\ude01")')
    assert one.program.operations == (Replace("😀", "😁"),)


def test_a_first_call_that_is_cut_off_is_named_so():
    one = draft(Completion("remove_lines(line_sta", "length"), constrain=True)
    assert "cut off before its first call" in one.errors[0]


def test_many_failed_parts_are_told_shortly():
    text = "\n".join("x" * 400 for _ in range(50))
    one = draft(only_short(300), text=text)
    assert len(one.errors) == 4
    assert one.errors[-1] == "and 47 more parts of it failed"
