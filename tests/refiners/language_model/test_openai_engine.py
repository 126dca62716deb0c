"""The engine for servers, against one that fails in every way that servers do."""

import contextlib
import logging
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from faulty_server import FaultyServer, Instruction, error

from prox.errors import RunError, UsageError
from prox.refiners.language_model import openai_engine
from prox.refiners.language_model.engine import Message, Request
from prox.refiners.language_model.openai_engine import OpenAIEngine, OpenAIOptions
from prox.refiners.language_model.server_address import KEY_VARIABLES
from prox.refiners.language_model.tokens import EstimatedTokens

pytest.importorskip("httpx")

KEY = "sk-very-secret-0123456789"
ANSWERS = ("keep_doc()", "drop_doc()")
TEXT = Request(prompt="a page")
CHAT = Request(prompt="a page", messages=(Message("system", "Clean."), Message("user", "a page")))


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for variable in KEY_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@contextlib.contextmanager
def engine_at(server, url=None, model="small", tokens=None, **options):
    """An engine that loses no time."""
    options = {"attempts": 3, "backoff": 0.01, "deadline": 5.0, "timeout": 2.0} | options
    engine = OpenAIEngine(model, url or server.url, OpenAIOptions(**options), tokens)
    try:
        yield engine
    finally:
        engine.close()


def one(server, request=TEXT, **options):
    with engine_at(server, **options) as engine:
        (completion,) = engine.generate([request])
        return completion


def failing(*instructions, then=None):
    """First these instructions, then good answers or always the last; the list of models is never touched."""

    def behaviour(request, path, count):
        if path == "/models":
            return None
        return instructions[count - 1] if count <= len(instructions) else then

    return behaviour


def always(instruction):
    return failing(then=instruction)


def reply(**choice):
    return Instruction(body={"choices": [choice]})


# What a good server gets and gives


def test_a_prompt_goes_to_completions_and_a_conversation_to_chat():
    with FaultyServer(lambda prompt: prompt.upper()) as server, engine_at(server) as engine:
        assert [completion.text for completion in engine.generate([TEXT, CHAT])] == ["A PAGE", "A PAGE"]
        assert server.requests == {"/models": 1, "/completions": 1, "/chat/completions": 1}
        text, chat = sorted(server.bodies[1:], key=lambda body: "messages" in body)
        assert text == {"model": "small", "temperature": 0, "max_tokens": 256, "prompt": "a page"}
        assert chat["messages"] == [
            {"role": "system", "content": "Clean."},
            {"role": "user", "content": "a page"},
        ]
        assert "prompt" not in chat
        assert "stop" not in chat


def test_stop_strings_and_grammar_are_sent():
    request = Request("p", stop=("\n",), grammar='start: "a"', max_new_tokens=7)
    with FaultyServer() as server:
        one(server, request)
        body = server.bodies[-1]
    assert body["stop"] == ["\n"]
    assert body["max_tokens"] == 7
    assert body["structured_outputs"] == {"grammar": 'start: "a"'}


def test_a_stop_string_that_a_server_leaves_in_is_cut_off():
    behaviour = always(reply(text="keep_doc()\nmore", finish_reason="length"))
    with FaultyServer(behaviour=behaviour) as server:
        completion = one(server, Request("p", stop=("\n",)))
    assert (completion.text, completion.finish_reason) == ("keep_doc()", "stop")


def test_usage_counts_tokens():
    with FaultyServer(lambda prompt: "one two three") as server:
        completion = one(server, Request("a b"))
    assert (completion.tokens_in, completion.tokens_out) == (2, 3)


def test_without_usage_tokens_are_estimated():
    with FaultyServer(behaviour=always(reply(text="y" * 30))) as server:
        completion = one(server, Request("x" * 300))
    assert (completion.tokens_in, completion.tokens_out) == (100, 10)


def test_order_is_kept_whatever_comes_back_first():
    def behaviour(request, path, count):
        return Instruction(delay=0.05 * (3 - int(request["prompt"]) % 4)) if path == "/completions" else None

    with FaultyServer(lambda prompt: prompt, behaviour) as server, engine_at(server) as engine:
        texts = [completion.text for completion in engine.generate([Request(str(place)) for place in range(40)])]
        assert texts == [str(place) for place in range(40)]
        assert engine.generate([]) == []


def test_no_more_requests_are_in_flight_than_allowed_from_all_threads():
    behaviour = always(Instruction(delay=0.03))
    with FaultyServer(lambda prompt: prompt, behaviour) as server, engine_at(server, concurrency=5) as engine:

        def ask(thread):
            prompts = [f"{thread} {place}" for place in range(12)]
            return [completion.text for completion in engine.generate([*map(Request, prompts)])] == prompts

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(ask, range(6)))
        assert server.most_simultaneous == 5
        assert server.requests["/completions"] == 72


def test_text_without_utf8_is_sent_and_received():
    with FaultyServer(behaviour=always(Instruction(body=b'{"choices":[{"text":"a\\ud800b"}]}'))) as server:
        assert one(server, Request("x\ud800y")).text == "a?b"
        assert server.bodies[-1]["prompt"] == "x?y"


# What goes wrong


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_passing_failures_are_tried_again(status):
    with FaultyServer(behaviour=failing(error(status, "busy"), error(status, "busy"))) as server:
        assert one(server).text == "keep_doc()"
        assert server.requests["/completions"] == 3


def test_after_the_last_attempt_the_error_says_what_happened():
    with FaultyServer(behaviour=always(error(503, "no\nroom\x00 here"))) as server:
        completion = one(server)
    assert completion.finish_reason == "error"
    assert completion.error == "server error after 3 attempts: 503 no room here"
    assert completion.text == ""
    assert not completion.too_long


def test_one_failure_concerns_one_request():
    def behaviour(request, path, count):
        return error(500, "that one") if request.get("prompt") == "bad" else None

    with FaultyServer(behaviour=behaviour) as server, engine_at(server) as engine:
        good, bad, better = engine.generate([Request("a"), Request("bad"), Request("c")])
    assert (good.error, better.error) == ("", "")
    assert "that one" in bad.error


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 405, 413, 418, 422, 451, 501])
def test_lasting_failures_are_not_tried_again(status):
    with FaultyServer(behaviour=always(error(status, "no"))) as server:
        assert one(server).error == f"server error: {status} no"
        assert server.requests["/completions"] == 1


@pytest.mark.parametrize(
    "bad",
    [
        Instruction(fault="reset"),
        Instruction(fault="truncate"),
        Instruction(fault="truncate", status=500),
        Instruction(body=b'{"choices": [{"text": "keep'),
        Instruction(body=b"<html>Bad gateway</html>"),
        Instruction(body=b"\xff\xfe\x00garbage"),
        Instruction(body=b"[" * 100_000),
        Instruction(body=b""),
        Instruction(body=[]),
        Instruction(body="text"),
        Instruction(body={}),
        Instruction(body={"choices": []}),
        Instruction(body={"choices": None}),
        Instruction(body={"choices": {"text": "a"}}),
        Instruction(body={"choices": ["a"]}),
        Instruction(body={"error": {"message": "overloaded", "code": 503}}),
        Instruction(body={"error": "overloaded"}),
        reply(text=None),
        reply(text=5),
        reply(message={"content": "a"}),
        Instruction(headers={"Content-Encoding": "gzip"}, body=b"no gzip"),
    ],
    ids=str,
)
def test_broken_answers_are_tried_again(bad):
    with FaultyServer(behaviour=failing(bad)) as server:
        assert one(server).text == "keep_doc()"
        assert server.requests["/completions"] == 2


@pytest.mark.parametrize(
    "bad", [reply(message={"content": None}), reply(message=None), reply(text="a"), reply(message={"content": [1]})]
)
def test_broken_chat_answers_are_tried_again(bad):
    with FaultyServer(behaviour=failing(bad)) as server:
        assert one(server, CHAT).text == "keep_doc()"
        assert server.requests["/chat/completions"] == 2


def test_a_server_that_breaks_down_is_an_outcome():
    with FaultyServer() as server, engine_at(server) as engine:
        server.stop()
        (completion,) = engine.generate([TEXT])
    assert completion.error == "server error after 3 attempts: connection refused"


def test_retry_after_is_respected():
    with FaultyServer(behaviour=failing(error(429, "slow down", retry_after="0.4"))) as server:
        started = time.monotonic()
        assert one(server).text == "keep_doc()"
        assert 0.4 <= time.monotonic() - started < 4


@pytest.mark.parametrize(
    "when", ["3600", "inf", "1e999", "Fri, 31 Dec 2399 23:59:59 GMT", "Fri, 31 Dec 2399 23:59:59 -0000"]
)
def test_nobody_waits_beyond_the_deadline(when):
    with FaultyServer(behaviour=always(error(429, "slow down", retry_after=when))) as server:
        started = time.monotonic()
        assert one(server).error == "server error (deadline 5 s): 429 slow down"
        assert time.monotonic() - started < 3
        assert server.requests["/completions"] == 1


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_an_attempt_ends_in_time(fault):
    with FaultyServer(behaviour=failing(Instruction(fault=fault))) as server:
        started = time.monotonic()
        assert one(server, timeout=0.3).text == "keep_doc()"
        assert 0.3 <= time.monotonic() - started < 3


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_the_deadline_is_hard(fault):
    with FaultyServer(behaviour=always(Instruction(fault=fault))) as server:
        started = time.monotonic()
        completion = one(server, timeout=0.4, deadline=0.6, attempts=100)
        assert time.monotonic() - started < 3
    assert "(deadline 0.6 s): no complete answer within" in completion.error


def test_the_deadline_begins_when_a_request_has_its_turn():
    behaviour = always(Instruction(delay=0.2))
    with FaultyServer(behaviour=behaviour) as server, engine_at(server, concurrency=1, deadline=0.5) as engine:
        assert not any(completion.error for completion in engine.generate([TEXT] * 4))


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_without_end_is_cut_off(status, monkeypatch):
    monkeypatch.setattr(openai_engine, "MOST_BYTES", 2**20)
    with FaultyServer(behaviour=always(Instruction(status, fault="endless"))) as server:
        assert one(server, attempts=2).error == "server error after 2 attempts: the answer has more than 1 MB"


@pytest.mark.parametrize("request_", [TEXT, CHAT])
def test_a_prompt_that_does_not_fit_is_told_apart(request_):
    with FaultyServer(behaviour=always(error(500, "Requested tokens (2285) exceed context window of 2048"))) as server:
        completion = one(server, request_)
        assert server.requests.total() == 2
    assert completion.too_long
    assert completion.error == "server error: 500 Requested tokens (2285) exceed context window of 2048"


def test_a_server_without_grammars_is_named_so():
    with FaultyServer(behaviour=always(error(400, "Extra inputs are not permitted"))) as server:
        assert "knows no grammars" in one(server, Request("p", grammar='start: "a"')).error
        assert "grammars" not in one(server).error


def test_an_unforeseen_exception_is_an_outcome(monkeypatch):
    with FaultyServer() as server, engine_at(server) as engine:
        monkeypatch.setattr(openai_engine, "read_answer", lambda *_: 1 / 0)
        assert engine.generate([TEXT])[0].error == "server error: ZeroDivisionError: division by zero"


# Beginning and end


def test_the_model_is_looked_up():
    with FaultyServer(context=4096) as server:
        with engine_at(server) as engine:
            assert engine.context == 4096
            assert engine.parameters is None
            assert isinstance(engine.tokens, EstimatedTokens)
            assert engine.fingerprint == f"openai:small@{server.url}"
        with engine_at(server, context=100, parameters=7) as engine:
            assert (engine.context, engine.parameters) == (100, 7)


@pytest.mark.parametrize("told", ["4096", -1, None, True])
def test_an_odd_context_is_unknown(told):
    models = {"data": [{"id": "small", "max_model_len": told}, {"id": 5}, "odd"]}
    with FaultyServer(behaviour=lambda *_: Instruction(body=models)) as server, engine_at(server) as engine:
        assert engine.context is None


def test_a_url_without_v1_will_do():
    with FaultyServer() as server:
        for url in (server.url.removesuffix("/v1"), server.url + "/", server.url):
            with engine_at(server, url) as engine:
                assert engine.generate([TEXT])[0].text == "keep_doc()"
                assert engine.fingerprint == f"openai:small@{server.url}"


def test_an_api_at_another_place_will_do():
    with FaultyServer(prefix="/api/openai") as server:
        assert one(server).text == "keep_doc()"


@pytest.mark.parametrize(
    "answer",
    [
        error(404, "no"),
        error(405, "no"),
        error(501, "no"),
        Instruction(body=b"<html>"),
        Instruction(body=[]),
        Instruction(body={"data": []}),
        Instruction(body={"data": "small"}),
        Instruction(body={"models": ["small"]}),
        Instruction(body={"error": "not here"}),
    ],
    ids=str,
)
def test_a_server_without_a_list_of_models_will_do(answer):
    def behaviour(request, path, count):
        return answer if path.endswith("/models") else None

    with FaultyServer(behaviour=behaviour) as server:
        assert one(server).text == "keep_doc()"
        assert server.requests["/models"] == 1


def test_a_list_without_the_model_shows_the_nearest_first():
    models = {"data": [{"id": name} for name in ("gpt-4o", "Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B")]}
    with FaultyServer(behaviour=lambda *_: Instruction(body=models)) as server:
        with pytest.raises(UsageError) as raised, engine_at(server, model="qwen3-0.6b"):
            pass
        expected = f"{server.url} has no model qwen3-0.6b; it has Qwen/Qwen3-0.6B, Qwen/Qwen3-8B, gpt-4o"
        assert str(raised.value) == expected


def test_a_server_that_is_down_is_an_error_with_advice():
    with FaultyServer() as server:
        url = server.url
    with pytest.raises(RunError) as raised, engine_at(None, url):
        pass
    assert url in str(raised.value)
    assert "connection refused" in str(raised.value)
    assert f"Is the server running? Try: curl {url}/models" in str(raised.value)
    assert not [thread for thread in threading.enumerate() if thread.name == "prox-openai"]


def test_a_server_that_begins_slowly_is_asked_again():
    def behaviour(request, path, count):
        return error(503, "loading") if path == "/models" and count < 3 else None

    with FaultyServer(behaviour=behaviour) as server:
        assert one(server).text == "keep_doc()"


def test_a_server_that_does_not_answer_is_an_error():
    with FaultyServer(behaviour=lambda *_: Instruction(fault="hang")) as server:
        with pytest.raises(RunError, match="no complete answer within"), engine_at(server, timeout=0.1):
            pass
        assert server.requests["/models"] == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_or_wrong_key_is_an_error_with_advice(status, monkeypatch):
    with FaultyServer(behaviour=lambda *_: error(status, "no")) as server:
        with pytest.raises(UsageError, match="set the API key in PROX_API_KEY"), engine_at(server):
            pass
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        with pytest.raises(UsageError, match="the API key in OPENAI_API_KEY is wrong"), engine_at(server):
            pass


@pytest.mark.parametrize("name", ["concurrency", "deadline", "timeout", "attempts"])
def test_options_are_checked(name):
    with pytest.raises(UsageError, match=name):
        OpenAIOptions(**{name: 0})


def test_closing_twice_is_safe_and_ends_the_thread():
    with FaultyServer() as server, engine_at(server) as engine:
        engine.close()
        engine.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "prox-openai"]
        with pytest.raises(RunError, match="closed"):
            engine.generate([TEXT])


def test_closing_frees_who_waits():
    with FaultyServer(behaviour=always(Instruction(fault="hang"))) as server, engine_at(server) as engine:
        threading.Timer(0.2, engine.close).start()
        with pytest.raises(RunError, match="closed while it worked"):
            engine.generate([TEXT] * 3)


def test_an_interrupt_cancels_what_was_asked():
    behaviour = always(Instruction(fault="hang"))
    with (
        FaultyServer(behaviour=behaviour) as server,
        engine_at(server, concurrency=4, timeout=60, deadline=60) as engine,
    ):
        main = threading.get_ident()
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            engine.generate([TEXT] * 10)
        ends = time.monotonic() + 2
        while server.abandoned < 4 and time.monotonic() < ends:
            time.sleep(0.01)
        assert (server.abandoned, server.simultaneous, server.requests["/completions"]) == (4, 0, 4)
        server.behaviour = None
        assert engine.generate([TEXT])[0].text == "keep_doc()"


# Secrets


def test_the_key_comes_from_the_environment(monkeypatch):
    with FaultyServer() as server:
        one(server)
        assert "authorization" not in server.headers[-1]
        monkeypatch.setenv("OPENAI_API_KEY", "other-key")
        one(server)
        assert server.headers[-1]["authorization"] == "Bearer other-key"
        monkeypatch.setenv("PROX_API_KEY", f" {KEY}\n")
        one(server)
        assert server.headers[-1]["authorization"] == f"Bearer {KEY}"


def test_secrets_are_never_shown(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PROX_API_KEY", KEY)
    message = "x" * 140 + f"wrong: {KEY} p@ssword p%40ssword dXNlcjpwQHNzd29yZA== query-key q u"
    instructions = [
        error(401, message),
        error(500, message),
        Instruction(500, message.encode()),
        Instruction(500, {"detail": message}),
        Instruction(body={"error": message}),
        Instruction(400, f"{KEY}p@ssword dXNlcjpwQHNzd29yZA==".encode()),
    ]
    secrets = [KEY, KEY[:8], "p@ss", "p%40ss", "dXNlcjpw", "query-key"]
    with FaultyServer() as server:
        place = server.url.removeprefix("http://")
        url = f"http://user:p%40ssword@{place}?api_key=query-key"
        for instruction in instructions:
            server.behaviour = always(instruction)
            with engine_at(server, url) as engine:
                shown = [
                    engine.generate([TEXT])[0].error,
                    engine.compare([TEXT], ANSWERS)[0].error,
                    engine.fingerprint,
                    repr(engine),
                    *map(repr, vars(engine).values()),
                ]
            assert shown[0]
            assert server.headers[-1]["authorization"] == "Basic dXNlcjpwQHNzd29yZA=="
            assert not [secret for secret in secrets if any(secret in each for each in shown)]
            server.behaviour = lambda *_, instruction=instruction: instruction
            if instruction.status != 200:
                with pytest.raises((UsageError, RunError)) as raised, engine_at(server, url):
                    pass
                assert not [secret for secret in secrets if secret in str(raised.value)]
    with pytest.raises(RunError) as raised, engine_at(None, url):
        pass
    assert not [secret for secret in secrets if secret in str(raised.value)]
    assert caplog.records
    assert not [secret for secret in secrets if secret in caplog.text]


# Comparing answers


def compared(server, request=TEXT, answers=ANSWERS, **options):
    with engine_at(server, **options) as engine:
        (comparison,) = engine.compare([request], answers)
        return comparison


def distributions(*positions):
    return lambda prompt: positions


@pytest.mark.parametrize("request_", [TEXT, CHAT], ids=["text", "chat"])
@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([{"keep": 0.7, "drop": 0.2, "Sure": 0.1}], (0.7, 0.2)),
        ([{"keep_doc()": 0.5, "k": 0.1, " dr": 0.3, "\n": 0.05, "kilo": 0.05}], (0.6, 0.3)),
        ([{" keep": 0.5, "▁keep": 0.1, "Ġdrop": 0.3, "ĊĠdrop": 0.05, "keep_doc()\nmore": 0.05}], (0.65, 0.35)),
        ([{"\n": 0.9, "drop": 0.1}, {" ": 0.8, "keep": 0.2}, {"drop": 0.6, "keep": 0.4}], (0.4, 0.6)),
        ([{"Sure": 0.9, "keep": 0.1}, {"drop": 1.0}], (0.1, 0.0)),
    ],
)
def test_answers_are_weighed_where_they_diverge(request_, positions, expected):
    with FaultyServer(distributions=distributions(*positions)) as server:
        comparison = compared(server, request_)
        body = server.bodies[-1]
        assert server.requests.total() == 2
    assert comparison.probabilities == pytest.approx(expected)
    assert comparison.text is None
    assert comparison.tokens_in == 2
    assert body["max_tokens"] == 8
    assert body["logprobs"] == (True if request_ is CHAT else 20)
    assert body.get("top_logprobs") == (20 if request_ is CHAT else None)


@pytest.mark.parametrize("request_", [TEXT, CHAT], ids=["text", "chat"])
def test_five_alternatives_are_asked_for_where_twenty_are_refused(request_):
    positions = [{"keep": 0.7, "drop": 0.2}]
    with (
        FaultyServer(distributions=distributions(*positions), most_logprobs=5) as server,
        engine_at(server) as engine,
    ):
        for _ in range(2):
            (comparison,) = engine.compare([request_], ANSWERS)
            assert comparison.probabilities == pytest.approx((0.7, 0.2))
        asked = [body.get("top_logprobs", body.get("logprobs")) for body in server.bodies[1:]]
        assert asked == [20, 5, 5]


def refusing_logprobs(request, path, count):
    return error(400, "this server has no logprobs") if "logprobs" in request else None


@pytest.mark.parametrize("request_", [TEXT, CHAT], ids=["text", "chat"])
@pytest.mark.parametrize(("behaviour", "asked_in_vain"), [(None, 1), (refusing_logprobs, 2)])
def test_without_probabilities_the_text_is_given(request_, behaviour, asked_in_vain):
    with (
        FaultyServer(lambda prompt: "drop_doc()", behaviour, most_logprobs=0) as server,
        engine_at(server, concurrency=1) as engine,
    ):
        comparisons = engine.compare([request_] * 3, ANSWERS)
        assert [(each.text, each.probabilities, each.error) for each in comparisons] == [("drop_doc()", (), "")] * 3
        assert server.requests.total() == 1 + asked_in_vain + 3
        assert server.bodies[-1]["max_tokens"] == 16
        assert "logprobs" not in server.bodies[-1]


def test_an_answer_that_ends_too_early_is_given_as_text_without_giving_up_probabilities():
    with FaultyServer(lambda prompt: prompt, distributions=None) as server, engine_at(server) as engine:
        (empty,) = engine.compare([Request("")], ANSWERS)
        assert (empty.text, empty.probabilities) == ("", ())
        (full,) = engine.compare([Request("keep_doc()")], ANSWERS)
        assert full.probabilities == pytest.approx((0.9, 0.0))


def test_looking_does_not_end_at_stop_strings():
    positions = [{"\n": 1.0}, {"keep": 0.7, "drop": 0.3}]
    with FaultyServer(distributions=distributions(*positions)) as server:
        assert compared(server, Request("p", stop=("\n",))).probabilities == pytest.approx((0.7, 0.3))


def test_comparisons_fail_like_completions():
    with FaultyServer(behaviour=always(error(503, "busy"))) as server:
        assert compared(server).error == "server error after 3 attempts: 503 busy"
    with FaultyServer(behaviour=always(error(400, "maximum context length is 5, logprobs or not"))) as server:
        comparison = compared(server)
        assert comparison.too_long
        assert server.requests["/completions"] == 1
    with FaultyServer(behaviour=always(error(400, "logprobs, whatever is asked"))) as server:
        assert compared(server).error == "server error: 400 logprobs, whatever is asked"
        assert server.requests["/completions"] == 3


def test_a_server_that_wants_to_be_asked_otherwise_is_asked_so_from_then_on():
    """OpenAI's models that think refuse `max_tokens` and any temperature."""

    def behaviour(request, path, count):
        if path == "/models":
            return None
        if "max_tokens" in request:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if "temperature" in request:
            return error(400, "Unsupported value: 'temperature' does not support 0 with this model.")
        return None

    with FaultyServer(behaviour=behaviour) as server, engine_at(server) as engine:
        completions = engine.generate([Request(f"page {n}", max_new_tokens=9) for n in range(8)])
        assert [completion.text for completion in completions] == ["keep_doc()"] * 8
        seen = len(server.bodies)
        assert not engine.generate([CHAT])[0].error and len(server.bodies) == seen + 1
        assert server.bodies[-1]["max_completion_tokens"] == 256 and "temperature" not in server.bodies[-1]


def test_a_server_that_refuses_every_way_of_asking_is_believed():
    with FaultyServer(
        behaviour=failing(then=error(400, "no max_completion_tokens, temperature not supported"))
    ) as server:
        assert "max_completion_tokens" in one(server).error
        assert server.requests["/completions"] == 2
