"""What servers say, in all their ways, and what is understood of it."""

import datetime
import email.utils
import json
import math
import socket
import ssl
import time

import pytest
from faulty_server import Instruction, error

from prox.refiners.language_model.server_answers import FailedError, read_answer, read_object, reason, weigh

ANSWERS = ("keep_doc()", "drop_doc()")


def failure(instruction, retry_after=""):
    with pytest.raises(FailedError) as raised:
        read_object(instruction.status, retry_after, json.dumps(instruction.body).encode())
    return raised.value


# Failures


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_failures_that_pass(status):
    assert failure(error(status, "busy")).passing


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 405, 413, 418, 422, 451, 501, 505])
def test_failures_that_last(status):
    assert not failure(error(status, "no")).passing


def test_an_error_with_a_status_of_200_is_a_failure_of_its_code():
    failed = failure(Instruction(body={"error": {"message": "not for you", "code": 403}}))
    assert (failed.status, failed.passing) == (403, False)
    assert failure(Instruction(body={"error": "overloaded"})).passing


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "no room", "type": "server_error", "code": None}}, "503 no room"),
        ({"error": {"message": "", "type": "server_error", "code": 7}}, "503 7 server_error"),
        ({"error": "no room"}, "503 no room"),
        ({"detail": "no room"}, "503 no room"),
        ({"message": "no room"}, "503 no room"),
        ("no room", "503 no room"),
        (" ", "503 Service Unavailable"),
        (None, "503 Service Unavailable"),
    ],
)
def test_the_words_of_an_error_are_found(body, expected):
    assert failure(Instruction(503, body)).text.split() == expected.split()


def test_what_an_error_repeats_of_the_request_decides_nothing():
    detail = [{"msg": "Field required", "loc": ["body", "x"], "input": {"prompt": "maximum context length"}}]
    failed = failure(Instruction(422, {"detail": detail}))
    assert not failed.too_long
    assert failed.text == "422 Field required ['body', 'x']"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 2048 tokens. However, you requested 4120 tokens"),
        (400, "the request exceeds the available context size, try increasing it"),
        (400, "The input (9000 tokens) is longer than the model's context length (4096 tokens)."),
        (422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"),
        (413, "Payload"),
        (400, "Prompt is too long"),
        (500, "Requested tokens (2285) exceed context window of 2048"),
    ],
)
def test_a_prompt_that_does_not_fit_is_told_apart_and_lasts(status, message):
    failed = failure(error(status, message))
    assert (failed.too_long, failed.passing, failed.no_grammars) == (True, False, False)


@pytest.mark.parametrize(
    "message",
    [
        "Unrecognized request argument supplied: structured_outputs",
        "Extra inputs are not permitted",
        "Invalid grammar specification",
    ],
)
def test_a_server_without_grammars_is_told_apart(message):
    assert failure(error(400, message)).no_grammars
    assert not failure(error(500, message)).no_grammars


def test_a_server_without_logprobs_is_told_apart():
    assert failure(error(400, "this server has no logprobs")).no_logprobs
    assert not failure(error(500, "this server has no logprobs")).no_logprobs
    assert not failure(error(400, "maximum context length is 5, logprobs or not")).no_logprobs


def test_retry_after_is_seconds_or_a_date():
    assert failure(error(429, "slow down"), "0.4").wait == 0.4
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
    wait = failure(error(429, "slow down"), email.utils.format_datetime(soon, usegmt=True)).wait
    assert time.time() + wait == pytest.approx(soon.timestamp(), abs=2)  # a date has whole seconds


@pytest.mark.parametrize("when", ["", "-5", "nan", "soon", "Fri, 99 Foo 2020", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_a_retry_after_that_means_nothing_is_passed_over(when):
    assert failure(error(429, "slow down"), when).wait == 0.0


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (ConnectionRefusedError(111, "x"), "connection refused"),
        (ConnectionResetError(104, "x"), "connection reset"),
        (socket.gaierror(-2, "x"), "no such host"),
        (ssl.SSLError("bad certificate"), "TLS: ('bad certificate',)"),
        (ExceptionGroup("both", [OSError("v6"), ConnectionRefusedError()]), "connection refused"),
        (OSError("something else"), "all attempts failed"),
    ],
)
def test_the_reason_is_what_happened_to_the_connection(cause, expected):
    wrapped, outer = OSError("wrapped"), OSError("all attempts failed")
    wrapped.__context__, outer.__cause__ = cause, wrapped
    cause.__context__ = outer  # as it happens where exceptions are raised again
    assert reason(outer) == expected


# Texts and usage


def answer(chat=False, usage=None, **choice):
    return read_answer({"choices": [choice], "usage": usage}, chat)


@pytest.mark.parametrize(
    ("told", "expected"),
    [("length", "length"), ("stop", "stop"), (None, "stop"), ("eos", "stop"), (5, "stop")],
)
def test_only_length_is_cut_off(told, expected):
    assert answer(text="a", finish_reason=told).finish_reason == expected


def test_an_answer_that_a_filter_has_cut_is_none():
    with pytest.raises(FailedError, match="filters its answer") as failure:
        answer(text="remove_lines(0, 9)", finish_reason="content_filter")
    assert not failure.value.passing


def test_usage_is_understood():
    understood = answer(text="a", usage={"prompt_tokens": 2, "completion_tokens": 0})
    assert (understood.tokens_in, understood.tokens_out) == (2, 0)


@pytest.mark.parametrize(
    "usage",
    [None, {}, [], {"prompt_tokens": -1, "completion_tokens": "3"}, {"prompt_tokens": True}, {"prompt_tokens": 10**30}],
)
def test_odd_usage_is_none(usage):
    understood = answer(text="a", usage=usage)
    assert (understood.tokens_in, understood.tokens_out) == (None, None)


# Weighing


def weighed(*positions, answers=ANSWERS):
    """By positions as completions show them: from each token to its probability, the most probable one is chosen."""
    logprobs = {
        "tokens": [max(position, key=position.get) for position in positions],
        "top_logprobs": [{token: math.log(share) for token, share in position.items()} for position in positions],
    }
    return weigh(answer(text="a", logprobs=logprobs).positions, [each.encode() for each in answers])


def test_a_common_beginning_is_followed():
    positions = [{"doc": 0.8, "do": 0.1, "x": 0.1}, {"_": 1.0}, {"keep": 0.3, "dr": 0.6, "d": 0.1}]
    assert weighed(*positions, answers=("doc_keep", "doc_drop")) == pytest.approx((0.3, 0.7))


def test_a_beginning_of_some_answers_is_followed_too():
    positions = [{"keep": 0.8, "drop": 0.2}, {"_all": 0.75, "_some": 0.25}]
    assert weighed(*positions, answers=("keep_all", "keep_some", "drop")) == pytest.approx((0.6, 0.2, 0.2))


def test_what_ends_before_the_answers_diverge_has_no_weights():
    assert weighed({"doc": 1.0}, answers=("doc_keep", "doc_drop")) is None
    assert weighed() is None


@pytest.mark.parametrize(
    "tokens",
    [
        [("<0x0A>", None), ("bytes:\\xe2\\x86", None), ("bytes:\\x92", None)],
        [("\n", [10]), ("\ufffd", [0xE2, 0x86]), ("\ufffd", [0x92])],
    ],
)
def test_tokens_may_be_bytes(tokens):
    content = [
        {"token": token, "bytes": raw, "top_logprobs": [{"token": token, "bytes": raw, "logprob": math.log(0.5)}]}
        for token, raw in tokens
    ]
    chat = answer(chat=True, message={"content": "→"}, logprobs={"content": content})
    text = answer(text="→", logprobs={"content": content})  # llama.cpp has the format of chat for completions
    for each in (chat, text):
        wanted = ["→".encode(), "↑".encode()]  # E2 86 92, E2 86 91
        assert weigh(each.positions, wanted) == pytest.approx((0.5, 0.0))


def test_odd_numbers_are_no_probability():
    top = [{"token": "keep", "logprob": value} for value in (None, "0", math.nan, -math.inf)]
    top += [{"token": "drop", "logprob": 3}, {"token": "drop", "logprob": -1}]
    shown = answer(text="a", logprobs={"content": [{"token": "drop", "top_logprobs": top}]})
    assert weigh(shown.positions, [each.encode() for each in ANSWERS]) == (0.0, 1.0)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        [],
        {"content": None},
        {"content": ["keep"]},
        {"content": [{"token": "keep", "logprob": -1.0, "top_logprobs": []}]},
        {"tokens": ["keep"], "top_logprobs": None},
        {"tokens": ["keep"], "top_logprobs": [None]},
        {"tokens": ["token_id:5"], "top_logprobs": [{"token_id:5": -0.1}]},
    ],
    ids=str,
)
def test_odd_probabilities_are_none(logprobs):
    assert answer(text="keep_doc()", logprobs=logprobs).positions is None


@pytest.mark.parametrize("content", [{"content": None}, {}])
def test_an_answer_whose_tokens_all_went_into_thoughts_is_cut_off_and_paid(content):
    """It was taken for a passing fault: eight attempts, each paid in full, none of them counted."""
    message = {"role": "assistant", "reasoning_content": "Let me see …", **content}
    cut = answer(chat=True, usage={"completion_tokens": 500}, message=message, finish_reason="length")
    assert (cut.text, cut.finish_reason, cut.tokens_out) == ("", "length", 500)
