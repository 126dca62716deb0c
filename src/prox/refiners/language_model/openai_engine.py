"""The engine on any OpenAI-compatible server: vLLM, SGLang, llama.cpp, or one that somebody else runs.

Every way in which a server can fail ends as the outcome of one request. A request has a deadline over all its
attempts, and the deadline is hard: neither a server that never answers, nor one that sends a byte now and then, nor one
that never stops sending can hold it up.
"""

import asyncio
import base64
import concurrent.futures
import difflib
import email.utils
import ipaddress
import json
import logging
import math
import os
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from prox.errors import ProxError, RunError, UsageError
from prox.refiners.language_model.engine import Comparison, Completion, Request
from prox.refiners.language_model.tokens import EstimatedTokens, Tokens

KEY_VARIABLES = ("PROX_API_KEY", "OPENAI_API_KEY")
"""Where the API key comes from, and nowhere else; the first one set counts."""

MOST_BYTES = 16 * 2**20
"""Of one answer; a completion has some thousands."""

ERROR_LENGTH = 200
"""Characters of an error text; it is stored with each document."""

LOGPROBS = (20, 5, 0)
"""Alternatives to ask for at each token, in turn: vLLM gives 20, OpenAI's own completions 5; 0 is for giving up."""

_LOOK_TOKENS = 8
"""To generate where answers are compared: some models begin with white space, some answers with the same token."""

_WRITE_TOKENS = 16
"""To generate where a server shows no probabilities: a whole answer."""

_LONGEST_PAUSE = 30.0
_DISCOVERY_ATTEMPTS = 3
_DISCOVERY_TIMEOUT = 10.0
_DISCOVERY_PAUSE = 0.2

_PASSING = frozenset({408, 409, 425, 429})
_LASTING = frozenset({501, 505})  # of the 5xx: these say what the server is, not how it is just now
_NO_MODELS = frozenset({200, 404, 405, 501})  # a server that lists no models, or lists them in a way of its own

_CONTEXT = re.compile(r"context.?(length|window|size|limit)|exceed_context", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"too (long|large|many tokens)|longer than|(maximum|exceed).{0,40}(length|context|tokens)"
    r"|max_(new_)?tokens.{0,30}must be",
    re.IGNORECASE,
)
_GRAMMAR = re.compile(
    r"structured|grammar|guided|extra (inputs|fields|parameters)|additional prop"
    r"|un(recognized|known|expected|supported)",
    re.IGNORECASE,
)

_LOG = logging.getLogger("httpx")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """How to treat the server.

    Attributes:
        concurrency: Most requests in flight, whatever the number of threads that ask.
        deadline: Seconds that one request may take with all its attempts, once its turn has come.
        timeout: Seconds that one attempt may take.
        attempts: Most attempts at one request.
        backoff: Seconds; the first pause between attempts is a random part of it, each further one of twice as much.
        context: Most tokens of prompt and completion, where the server does not tell.
        parameters: Of the model without its embeddings, for the cost in FLOPs.
    """

    concurrency: int = 64
    deadline: float = 300.0
    timeout: float = 120.0
    attempts: int = 8
    backoff: float = 0.5
    context: int | None = None
    parameters: int | None = None

    def __post_init__(self) -> None:
        for name in ("concurrency", "deadline", "timeout", "attempts"):
            if not getattr(self, name) > 0:
                raise UsageError(f"the engine openai needs a positive {name}, not {getattr(self, name)}")


class _FailedError(Exception):
    """An attempt, or in the end the request, has failed.

    Attributes:
        text: Why, as far as it is known; may hold what must not be shown (see `_Address.masked`).
        status: Of the answer; 0 without one.
        passing: Another attempt may succeed.
        wait: Seconds that the server asks to wait before it.
    """

    def __init__(self, text: str, status: int = 0, passing: bool = False, wait: float = 0.0) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.wait = wait
        # Some servers answer a prompt that does not fit with 500, and would do so again.
        speaks_of_context = status in (400, 413, 422, 500) and _CONTEXT.search(text) is not None
        self.too_long = (
            speaks_of_context or status == 413 or (status in (400, 422) and _TOO_LONG.search(text) is not None)
        )
        self.passing = passing and not self.too_long
        refused = status in (400, 422)
        self.no_logprobs = refused and not speaks_of_context and "logprob" in text.lower()
        self.no_grammars = refused and not self.too_long and _GRAMMAR.search(text) is not None


@dataclass(frozen=True, slots=True)
class _Address:
    """A server's URL and the key to it, taken apart into what may be shown and what may not."""

    shown: str
    query: str = field(repr=False)
    authorization: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    key_variable: str = ""
    local: bool = False

    def masked(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def line(self, text: str) -> str:
        """Anything as a short printable line without secrets."""
        text = self.masked(text)  # first: a secret that is cut off would not be recognised
        text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
        return text if len(text) <= ERROR_LENGTH else text[: ERROR_LENGTH - 1] + "…"


class _MaskedLog(logging.Filter):
    """httpx logs the URL of each request, with its query."""

    def __init__(self, address: _Address) -> None:
        super().__init__()
        self._address = address

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._address.masked(record.getMessage()), ()
        return True


@dataclass(frozen=True, slots=True)
class _Position:
    """One generated token, and the alternatives to it (itself among them) with their probabilities."""

    chosen: bytes
    alternatives: tuple[tuple[bytes, float], ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server wrote. `positions` is None where it shows no probabilities, counts where it gives no usage."""

    text: str
    finish_reason: str
    tokens_in: int | None
    tokens_out: int | None
    positions: list[_Position] | None


class OpenAIEngine:
    """Sends requests from one background thread, whichever threads they come from."""

    def __init__(self, model: str, url: str, options: OpenAIOptions, tokens: Tokens | None = None) -> None:
        """Connect to a server and look whether it has the model.

        Args:
            model: As the server calls it.
            url: Of the API, with or without the `/v1` at its end.
            options: How to treat the server.
            tokens: The model's, if its tokenizer is at hand.

        Raises:
            UsageError: The URL, the key or the model is wrong, or httpx is not installed.
            RunError: The server does not answer.
        """
        try:
            import httpx
        except ImportError:
            raise UsageError("the engine openai needs httpx: pip install 'prox-refine[openai]'") from None
        self._httpx = httpx
        self._model = model
        self._options = options
        self._address = _address(url, os.environ)
        self._base = self._address.shown
        self._logprobs: dict[str, int] = {}  # by path, the place in LOGPROBS of what the server is known to give
        self._slots = asyncio.Semaphore(options.concurrency)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._address.authorization:
            headers["Authorization"] = self._address.authorization
        try:
            self._client = httpx.AsyncClient(
                headers=headers,
                timeout=None,  # here time is measured over whole attempts
                limits=httpx.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency),
                trust_env=not self._address.local,  # a proxy for the world would not find this machine
            )
        except (ValueError, OSError, ImportError) as error:
            raise UsageError(self._address.line(f"cannot make connections: {error}")) from None
        self._log_filter = _MaskedLog(self._address)
        if self._address.query:
            _LOG.addFilter(self._log_filter)
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="prox-openai", daemon=True)
        self._thread.start()
        try:
            told = self._wait_for(self._discover())
        except BaseException:
            self.close()
            raise
        self.tokens: Tokens = EstimatedTokens() if tokens is None else tokens
        self.context = told if options.context is None else options.context
        self.parameters = options.parameters
        self.fingerprint = f"openai:{model}@{self._base}"

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        return self._wait_for(self._each(requests, self._complete))

    def compare(self, requests: Sequence[Request], answers: Sequence[str]) -> list[Comparison]:
        """Weigh the answers by the alternatives that the server shows; without any, give the text it writes."""
        wanted = [answer.encode("utf-8", "replace") for answer in answers]
        return self._wait_for(self._each(requests, lambda request: self._compare(request, wanted)))

    def close(self) -> None:
        """End the background thread; who still waits for answers gets a RunError."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        _LOG.removeFilter(self._log_filter)

    async def _shut(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Let the background thread do it; if the wait is interrupted (Ctrl-C), so is the work."""
        with self._lock:
            if self._closed:
                work.close()
                raise RunError("the engine openai is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RunError("the engine openai was closed while it worked") from None
        except BaseException:
            future.cancel()
            raise

    async def _each(self, requests: Sequence[Request], work: Callable[[Request], Awaitable[Result]]) -> list[Result]:
        """One result for each request, in order, by no more tasks than can work at once."""
        results: dict[int, Result] = {}
        places = iter(range(len(requests)))

        async def work_on() -> None:
            for place in places:
                async with self._slots:
                    results[place] = await work(requests[place])

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._options.concurrency, len(requests))):
                group.create_task(work_on())
        return [results[place] for place in range(len(requests))]

    async def _complete(self, request: Request) -> Completion:
        try:
            answer = await self._ask(request, request.max_new_tokens, self._end())
        except _FailedError as failed:
            return Completion(finish_reason="error", error=self._address.line(failed.text), too_long=failed.too_long)
        tokens_in, tokens_out = self._counts(request, answer)
        return Completion(answer.text, answer.finish_reason, tokens_in, tokens_out)

    async def _compare(self, request: Request, wanted: Sequence[bytes]) -> Comparison:
        path = _path(request)
        # A stop string is often a line break, and the model may begin with one.
        looking = replace(request, stop=())
        end = self._end()
        try:
            while most := LOGPROBS[level := self._logprobs.get(path, 0)]:
                try:
                    answer = await self._ask(looking, _LOOK_TOKENS, end, most)
                except _FailedError as failed:
                    if not failed.no_logprobs:
                        raise
                    self._logprobs[path] = max(level + 1, self._logprobs.get(path, 0))
                    continue
                if answer.positions is None:
                    self._logprobs[path] = len(LOGPROBS) - 1
                elif (weights := _weigh(answer.positions, wanted)) is not None:
                    return Comparison(weights, None, *self._counts(request, answer))
                break
            answer = await self._ask(request, _WRITE_TOKENS, end)
        except _FailedError as failed:
            return Comparison(error=self._address.line(failed.text), too_long=failed.too_long)
        return Comparison((), answer.text, *self._counts(request, answer))

    def _end(self) -> float:
        return time.monotonic() + self._options.deadline

    def _counts(self, request: Request, answer: _Answer) -> tuple[int, int]:
        tokens_in, tokens_out = answer.tokens_in, answer.tokens_out
        if tokens_in is None:
            tokens_in = self.tokens.count(request.prompt)
        return tokens_in, self.tokens.count(answer.text) if tokens_out is None else tokens_out

    async def _ask(self, request: Request, most_tokens: int, end: float, logprobs: int = 0) -> _Answer:
        chat = request.messages is not None
        body: dict[str, object] = {"model": self._model, "temperature": 0, "max_tokens": most_tokens}
        if request.messages is not None:
            body["messages"] = [{"role": message.role, "content": message.content} for message in request.messages]
        else:
            body["prompt"] = request.prompt
        if request.stop:
            body["stop"] = list(request.stop)
        if request.grammar is not None:
            body["structured_outputs"] = {"grammar": request.grammar}  # vLLM's own; OpenAI's API has no grammars
        if logprobs:
            body |= {"logprobs": True, "top_logprobs": logprobs} if chat else {"logprobs": logprobs}
        # A lone surrogate has no UTF-8, and as an escape it makes tokenizers fail.
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")

        async def attempt() -> _Answer:
            answer = _answer(await self._exchange("POST", f"{self._base}/{_path(request)}", content), chat)
            places = [place for stop in request.stop if (place := answer.text.find(stop)) >= 0]
            return replace(answer, text=answer.text[: min(places)], finish_reason="stop") if places else answer

        try:
            return await self._persist(attempt, end)
        except _FailedError as failed:
            if request.grammar is not None and failed.no_grammars and not (logprobs and failed.no_logprobs):
                failed.text = f"the server knows no grammars, or not this one (structured_outputs): {failed.text}"
            raise

    async def _persist(self, attempt: Callable[[], Awaitable[Result]], end: float) -> Result:
        """Try until there is an answer, a failure that would come again, or no attempt or time left."""
        done = 0
        while True:
            done += 1
            failed = await self._tried(attempt, min(self._options.timeout, end - time.monotonic()))
            if not isinstance(failed, _FailedError):
                return failed
            pause = random.uniform(0, min(_LONGEST_PAUSE, self._options.backoff * 2 ** min(done - 1, 32)))
            pause = max(pause, failed.wait)
            in_time = time.monotonic() + pause < end
            if not failed.passing or done == self._options.attempts or not in_time:
                attempts = f" after {done} attempts" if done > 1 else ""
                deadline = f" (deadline {self._options.deadline:g} s)" if failed.passing and not in_time else ""
                failed.text = f"server error{attempts}{deadline}: {failed.text}"
                raise failed
            await asyncio.sleep(pause)

    async def _tried(self, attempt: Callable[[], Awaitable[Result]], seconds: float) -> Result | _FailedError:
        try:
            async with asyncio.timeout(seconds):
                return await attempt()
        except TimeoutError:
            return _FailedError(f"no complete answer within {max(seconds, 0):.3g} s", passing=True)
        except _FailedError as failed:
            return failed
        except self._httpx.RequestError as error:
            return _FailedError(_reason(error), passing=True)
        except Exception as error:  # whatever it is, it concerns this request alone
            return _FailedError(f"{type(error).__name__}: {error}")

    async def _exchange(self, method: str, url: str, content: bytes | None = None) -> dict[str, Any]:
        """Send once; the JSON object that comes back."""
        if self._address.query:
            url += f"?{self._address.query}"
        async with self._client.stream(method, url, content=content) as response:
            status = response.status_code
            data = bytearray()
            async for part in response.aiter_bytes():
                data += part
                if len(data) > MOST_BYTES:
                    raise _FailedError(f"the answer has more than {MOST_BYTES // 2**20} MB", status, passing=True)
        if not 200 <= status < 300:
            raise _refusal(status, _message(data), response.headers.get("retry-after", ""))
        try:
            reply = json.loads(data)
        except (ValueError, RecursionError):
            raise _FailedError("the answer is not JSON, or not a whole one", status, passing=True) from None
        if not isinstance(reply, dict):
            raise _FailedError("the answer is no JSON object", status, passing=True)
        if error := reply.get("error"):  # some gateways put a status of 200 on everything
            code = error.get("code") if isinstance(error, dict) else None
            if isinstance(code, int) and 400 <= code < 600:
                raise _refusal(code, _message(data), response.headers.get("retry-after", ""))
            raise _FailedError(f"the answer is an error: {_message(data)}", status, passing=True)
        return reply

    async def _discover(self) -> int | None:
        """Find where the API begins and whether it has the model; the context, if the server tells it."""
        try:
            listed = await self._models(self._base)
        except _FailedError as failed:
            listed = None
            if failed.status == 404:
                listed = await self._models_under_v1(failed)
            elif failed.status not in _NO_MODELS:
                raise self._unreachable(failed) from None
        models = _by_name(listed)
        if not models:
            return None
        if self._model not in models:
            nearest = sorted(
                models, key=lambda name: -difflib.SequenceMatcher(None, self._model.lower(), name.lower()).ratio()
            )
            names = self._address.line(", ".join(nearest[:10]))
            raise UsageError(f"{self._base} has no model {self._model}; it has {names}")
        told = models[self._model].get("max_model_len")
        return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None

    async def _models_under_v1(self, failed: _FailedError) -> dict[str, Any] | None:
        try:
            listed = await self._models(f"{self._base}/v1")
        except _FailedError as second:
            if second.status in (401, 403):
                raise self._unreachable(second) from None
            return None
        self._base += "/v1"
        return listed

    async def _models(self, base: str) -> dict[str, Any]:
        seconds = min(_DISCOVERY_TIMEOUT, self._options.timeout)
        for done in range(1, _DISCOVERY_ATTEMPTS + 1):
            listed = await self._tried(lambda: self._exchange("GET", f"{base}/models"), seconds)
            if not isinstance(listed, _FailedError):
                return listed
            if not listed.passing or listed.status in _NO_MODELS or done == _DISCOVERY_ATTEMPTS:
                raise listed
            await asyncio.sleep(min(_DISCOVERY_PAUSE, self._options.backoff))
        raise AssertionError("the last attempt returns or raises")

    def _unreachable(self, failed: _FailedError) -> ProxError:
        if failed.status in (401, 403):
            variable = self._address.key_variable
            what = f"the API key in {variable} is wrong" if variable else f"set the API key in {KEY_VARIABLES[0]}"
            return UsageError(f"{self._base} refuses access; {what} ({self._address.line(failed.text)})")
        what = self._address.line(failed.text)
        return RunError(f"no use of {self._base}: {what}. Is the server running? Try: curl {self._base}/models")


def _path(request: Request) -> str:
    return "completions" if request.messages is None else "chat/completions"


def _address(url: str, environment: Mapping[str, str]) -> _Address:
    """Take a URL apart.

    Raises:
        UsageError: It is none, or the key in the environment cannot be one.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is none raises
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        harmless = re.sub(r"^.*@|[?#].*$", "", url, flags=re.DOTALL)
        raise UsageError(f"{harmless!r} is not the URL of a server; an example: http://127.0.0.1:8000/v1")
    user, _, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    key_variable = next((each for each in KEY_VARIABLES if environment.get(each, "").strip()), "")
    key = environment.get(key_variable, "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(f"the environment variable {key_variable} holds signs that no API key has")
    authorization = f"Bearer {key}" if key else ""
    basic = ""
    if user:
        basic = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        authorization = f"Basic {basic}"
    secrets = {key, basic, password or name, unquote(password or name)}
    for raw in parts.query.split("&"):
        secrets.add(raw.partition("=")[2])
    secrets |= {value for _, value in parse_qsl(parts.query)}
    # What is shorter protects nothing ("none", as a key, is usual), and masking it would garble the texts.
    hidden = sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True)
    shown = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    return _Address(shown, parts.query, authorization, tuple(hidden), key_variable, _is_local(host))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(status: int, message: str, retry_after: str) -> _FailedError:
    passing = status in _PASSING or (status >= 500 and status not in _LASTING)
    if not message.strip():
        message = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return _FailedError(f"{status} {message}", status, passing, _seconds(retry_after))


def _seconds(retry_after: str) -> float:
    """What `Retry-After` asks for: seconds or a date."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(retry_after)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return 0.0 if math.isnan(seconds) else max(seconds, 0.0)


def _message(data: bytes | bytearray) -> str:
    """The words in the body of an error, without what it may repeat of the request."""
    text = data.decode("utf-8", "replace")
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text[:100_000]
    error = body.get("error", body.get("detail", body)) if isinstance(body, dict) else body
    if isinstance(error, list):  # FastAPI: one object for each field that is wrong
        places = [each for each in error if isinstance(each, dict)]
        return "; ".join(f"{each.get('msg')} {each.get('loc')}" for each in places[:5])
    if isinstance(error, dict):
        words, code, kind = (str(error.get(name) or "") for name in ("message", "code", "type"))
        return " ".join([words, *(each for each in (code, kind) if not words or _CONTEXT.search(each))])
    return error if isinstance(error, str) else ""


def _reason(error: BaseException) -> str:
    """What happened to the connection: libraries wrap that several times."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, ConnectionResetError):
            return "connection reset"
        if isinstance(cause, socket.gaierror):
            return "no such host"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {cause}"
        if isinstance(cause, BaseExceptionGroup):
            pending += cause.exceptions
        pending += [cause.__cause__, cause.__context__]
    return str(error) or type(error).__name__


def _by_name(listed: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    data = None if listed is None else listed.get("data")
    if not isinstance(data, list):
        return {}
    return {each["id"]: each for each in data if isinstance(each, dict) and isinstance(each.get("id"), str)}


def _answer(reply: dict[str, Any], chat: bool) -> _Answer:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _FailedError("the answer has no choices", 200, passing=True)
    choice = choices[0]
    message = choice.get("message") if chat else None
    text = message.get("content") if isinstance(message, dict) else None if chat else choice.get("text")
    if not isinstance(text, str):
        raise _FailedError("the answer has no text", 200, passing=True)
    text = text.encode("utf-8", "replace").decode()  # JSON can hold half a character
    usage = reply.get("usage")
    counts = [_count(usage, name) for name in ("prompt_tokens", "completion_tokens")]
    finish_reason = "length" if choice.get("finish_reason") == "length" else "stop"
    return _Answer(text, finish_reason, counts[0], counts[1], _positions(choice.get("logprobs")))


def _count(usage: object, name: str) -> int | None:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def _positions(logprobs: object) -> list[_Position] | None:
    """The generated tokens with their alternatives; None where any has none.

    Chat has a list of objects (llama.cpp answers so to completions, too), completions have lists side by side.
    """
    if not isinstance(logprobs, dict):
        return None
    content, tokens, tops = (logprobs.get(name) for name in ("content", "tokens", "top_logprobs"))
    positions: list[_Position] = []
    if isinstance(content, list):
        for entry in content:
            if not isinstance(entry, dict):
                return None
            top = entry.get("top_logprobs")
            alternatives = [each for each in top if isinstance(each, dict)] if isinstance(top, list) else []
            positions.append(_position(entry, alternatives))
    elif isinstance(tokens, list) and isinstance(tops, list):
        for token, top in zip(tokens, tops, strict=False):
            pairs = top.items() if isinstance(top, dict) else ()
            positions.append(_position({"token": token}, [{"token": name, "logprob": value} for name, value in pairs]))
    else:
        return None
    return positions if all(position.alternatives for position in positions) else None


def _position(chosen: Mapping[str, object], alternatives: Sequence[Mapping[str, object]]) -> _Position:
    # vLLM can be told to give numbers for texts (token_id:17); they say nothing here.
    readable = [each for each in alternatives if not str(each.get("token")).startswith("token_id:")]
    return _Position(_token(chosen), tuple((_token(each), _probability(each.get("logprob"))) for each in readable))


def _token(entry: Mapping[str, object]) -> bytes:
    """A token's bytes; it may be half a character, or written as its vocabulary writes it."""
    text, raw = entry.get("token"), entry.get("bytes")
    if isinstance(raw, list) and raw and all(isinstance(each, int) and 0 <= each < 256 for each in raw):
        data = bytes(raw)
    elif not isinstance(text, str):
        return b""
    elif match := re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", text):
        return bytes.fromhex(match[1])
    elif text.startswith("bytes:"):
        return re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text[6:].encode())
    else:
        data = text.encode("utf-8", "replace")
    for mark, meaning in (("▁", b" "), ("Ġ", b" "), ("Ċ", b"\n")):
        data = data.replace(mark.encode(), meaning)
    return data


def _probability(logprob: object) -> float:
    if not isinstance(logprob, int | float) or math.isnan(logprob):
        return 0.0
    return math.exp(min(logprob, 0.0))


def _weigh(positions: Sequence[_Position], wanted: Sequence[bytes]) -> tuple[float, ...] | None:
    """The probability of each answer where they diverge; None if what was generated ends before that.

    The text is followed as it was generated: past white space, and past what several answers begin with.
    """
    weights = [0.0] * len(wanted)
    reached = 1.0
    written = b""
    for place, position in enumerate(positions, 1):
        chosen = (written + position.chosen).lstrip()
        if not chosen and place < len(positions):
            continue
        for alternative, probability in position.alternatives:
            if len(fitting := _fitting(written + alternative, wanted)) == 1:
                weights[fitting[0]] += reached * probability
        if len(fitting := _fitting(chosen, wanted)) < 2:
            return tuple(min(weight, 1.0) for weight in weights)
        if len(fitting) == len(wanted):  # nothing is decided yet
            weights = [0.0] * len(wanted)
        else:
            reached *= dict(position.alternatives).get(position.chosen, 0.0)
        written = chosen
    return None


def _fitting(text: bytes, wanted: Sequence[bytes]) -> list[int]:
    """The answers that the text begins, or that begin the text."""
    text = text.lstrip()
    if not text:
        return []
    return [place for place, answer in enumerate(wanted) if answer.startswith(text) or text.startswith(answer)]
