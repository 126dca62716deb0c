import threading

import pytest
from annotation_fakes import asker_of

from prox.adapt.annotation.asking import FailedError, Question, StoppedError, UnusableError, plain
from prox.adapt.annotation.budget import BudgetSpentError, Limits, Spent
from prox.refiners.language_model.engine import Completion, Message

QUESTION = Question("urls", "d", (Message("system", "s"), Message("user", "u")), 50)


def only_yes(answer):
    if answer != "yes":
        raise UnusableError(f"{answer} is not yes")
    return answer


def test_an_answer_of_another_form_is_asked_for_again_with_the_error(asker):
    ask, server = asker("no", "maybe", "yes")
    assert ask.ask(QUESTION, only_yes) == "yes"
    first, second, third = [request.messages for request in server.requests]
    assert first == second[:2] == QUESTION.messages and third[:4] == second
    assert second[2] == Message("assistant", "no") and "no is not yes" in second[3].content
    assert third[4] == Message("assistant", "maybe") and len(third) == 6
    assert ask.asked_again == 2 and ask.asked == Spent(3, 300, 30)


def test_after_the_last_attempt_the_failure_has_the_last_answer(asker):
    ask, server = asker("no", "nay", re_asks=1)
    with pytest.raises(FailedError, match="unusable answer to urls: nay is not yes") as failed:
        ask.ask(QUESTION, only_yes)
    assert failed.value.answer == "nay" and len(server.requests) == 2


def test_what_was_answered_is_not_asked_again_whether_it_could_be_used_or_not(asker):
    asker("no", "yes")[0].ask(QUESTION, only_yes)
    ask, server = asker("never asked")
    assert ask.ask(QUESTION, only_yes) == "yes"
    assert not server.requests and ask.from_store == 2 and ask.asked == Spent()


def test_an_answer_that_is_cut_off_is_none(asker):
    ask, _ = asker(Completion("yes", "length", 10, 50), "yes")
    assert ask.ask(QUESTION, only_yes) == "yes"
    assert ask.asked_again == 1


def test_a_document_whose_last_answer_is_cut_off_is_counted_apart(asker):
    """More tokens help it, and better criteria do not: counted as unusable, nobody saw that."""
    ask, _ = asker(Completion("ye", "length", 10, 50))
    with pytest.raises(FailedError, match=r"^cut off answer to .*: it is cut off after 50 tokens$") as failed:
        ask.ask(QUESTION, only_yes)
    assert failed.value.answer == "ye"


def test_a_failure_of_the_server_is_told_and_not_kept(asker):
    ask, _ = asker(Completion(finish_reason="error", error="connection refused"), "yes")
    with pytest.raises(FailedError, match="server: connection refused"):
        ask.ask(QUESTION, only_yes)
    assert ask.ask(QUESTION, only_yes) == "yes"
    assert ask.asked.requests == 2 and ask.from_store == 0


def test_a_server_that_fails_again_and_again_is_given_up(asker):
    ask, server = asker(Completion(finish_reason="error", error="connection refused"))
    for _ in range(24):
        with pytest.raises(FailedError):
            ask.ask(QUESTION, only_yes)
    with pytest.raises(StoppedError, match=r"24 requests in a row failed.*connection refused"):
        ask.ask(QUESTION, only_yes)
    assert len(server.requests) == 24


def test_the_budget_ends_questions_but_not_known_answers(asker):
    ask, _ = asker("yes", limits=Limits(requests=1))
    ask.ask(QUESTION, only_yes)
    other = Question("urls", "e", (Message("user", "other"),), 50)
    with pytest.raises(BudgetSpentError):
        ask.ask(other, only_yes)
    assert ask.ask(QUESTION, only_yes) == "yes"


def test_the_same_question_from_many_threads_is_asked_once(tmp_path):
    ask, server = asker_of(tmp_path, "yes")
    server._wait = lambda: threading.Event().wait(0.05)
    threads = [threading.Thread(target=ask.ask, args=(QUESTION, only_yes)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1 and ask.from_store == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  yes\n", "yes"),
        ("<think>Hm. <b> is it?\n</think>\n\nyes", "yes"),
        ("```json\n{}\n```", "{}"),
        ("```\na\nb\n```", "a\nb"),
        ("yes ```", "yes ```"),
        ("Here: ```\na\n```", "Here: ```\na\n```"),
        ("", ""),
    ],
)
def test_thoughts_and_a_fence_are_no_part_of_an_answer_and_nothing_else_is_left_out(text, expected):
    assert plain(text) == expected


def test_a_prompt_to_which_no_answer_can_be_used_ends_the_asking(asker):
    """A budget was spent to its end on answers of which each one was thrown away."""
    ask, server = asker("no", re_asks=0)
    for number in range(50):
        with pytest.raises(FailedError):
            ask.ask(numbered(number), only_yes)
    assert ask.stopped == "50 questions of urls in a row had no usable answer, the last one: no is not yes"
    with pytest.raises(StoppedError):
        ask.ask(QUESTION, only_yes)
    assert len(server.requests) == 50


def test_one_usable_answer_is_enough_to_go_on(asker):
    ask, _ = asker(*["no"] * 49, "yes", "no", re_asks=0)
    assert sum(can_be_used(ask, number) for number in range(99)) == 1
    assert not ask.stopped


def test_usable_answers_to_another_prompt_do_not_hide_one_that_has_none(asker):
    """Of three prompts for a chunk the second was broken, the first was not: the budget was spent to its end."""
    ask, _ = asker(*["yes", "no"] * 50, re_asks=0)
    for number in range(50):
        assert ask.ask(numbered(number, "navigation"), only_yes) == "yes" and not ask.stopped
        assert not can_be_used(ask, number)
    assert "50 questions of urls" in ask.stopped


def test_known_answers_do_not_end_the_asking(asker):
    """The same call said that it would go on, and ended at the same place every time."""
    first, _ = asker("no", re_asks=0)
    assert not any(can_be_used(first, number) for number in range(50)) and first.stopped
    ask, server = asker("yes", re_asks=0)
    assert [can_be_used(ask, number) for number in range(51)] == [False] * 50 + [True]
    assert not ask.stopped and len(server.requests) == 1


def numbered(number, prompt="urls"):
    return Question(prompt, "d", (Message("user", f"{prompt} {number}"),), 50)


def can_be_used(ask, number):
    try:
        return ask.ask(numbered(number), only_yes) == "yes"
    except FailedError:
        return False
