"""The engine on any OpenAI-compatible server: vLLM, SGLang, llama.cpp, or one that somebody else runs.

Every way in which a server can fail ends as the outcome of one request. A request has a deadline over all its
attempts, and the deadline is hard: neither a server that never answers, nor one that sends a byte now and then, nor one
that never stops sending can hold it up.
"""

import asyncio
import concurrent.futures
import difflib
import json
import logging
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from prox.errors import ProxError, RunError, UsageError
from prox.refiners.language_model.engine import Comparison, Completion, Request
from prox.refiners.language_model.server_address import KEY_VARIABLES, parse_address
from prox.refiners.language_model.server_answers import (
    Answer,
    FailedError,
    read_answer,
    read_count,
    read_models,
    read_object,
    reason,
    weigh,
)
from prox.refiners.language_model.tokens import EstimatedTokens, Tokens

MOST_BYTES = 16 * 2**20
"""Of one answer; a completion has some thousands."""

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

_NO_MODELS = frozenset({200, 404, 405, 501})  # a server that lists no models, or lists them in a way of its own

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


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a server wants to be told what all others are told alike: OpenAI's models that think refuse the usual way.

    Attributes:
        length: What it calls the most tokens to generate.
        greedy: Whether it lets us choose the temperature.
    """

    length: str = "max_tokens"
    greedy: bool = True

    def after(self, failed: FailedError) -> "_Dialect":
        """The dialect to go on with after a refusal."""
        if failed.status != 400:
            return self
        if "max_completion_tokens" in failed.text:
            return replace(self, length="max_completion_tokens")
        if "temperature" in failed.text and "support" in failed.text.lower():
            return replace(self, greedy=False)
        return self


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
        self._address = parse_address(url, os.environ)
        self._base = self._address.shown
        self._logprobs: dict[str, int] = {}  # by path, the place in LOGPROBS of what the server is known to give
        self._dialect = _Dialect()
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
        if self._address.query:
            _LOG.addFilter(self._address.log_filter)
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
        _LOG.removeFilter(self._address.log_filter)

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
        except FailedError as failed:
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
                except FailedError as failed:
                    if not failed.no_logprobs:
                        raise
                    self._logprobs[path] = max(level + 1, self._logprobs.get(path, 0))
                    continue
                if answer.positions is None:
                    self._logprobs[path] = len(LOGPROBS) - 1
                elif (weights := weigh(answer.positions, wanted)) is not None:
                    return Comparison(weights, None, *self._counts(request, answer))
                break
            answer = await self._ask(request, _WRITE_TOKENS, end)
        except FailedError as failed:
            return Comparison(error=self._address.line(failed.text), too_long=failed.too_long)
        return Comparison((), answer.text, *self._counts(request, answer))

    def _end(self) -> float:
        return time.monotonic() + self._options.deadline

    def _counts(self, request: Request, answer: Answer) -> tuple[int, int]:
        tokens_in, tokens_out = answer.tokens_in, answer.tokens_out
        if tokens_in is None:
            tokens_in = self.tokens.count(request.prompt)
        return tokens_in, self.tokens.count(answer.text) if tokens_out is None else tokens_out

    async def _ask(self, request: Request, most_tokens: int, end: float, logprobs: int = 0) -> Answer:
        chat = request.messages is not None
        dialect = self._dialect
        body: dict[str, object] = {"model": self._model, dialect.length: most_tokens}
        if dialect.greedy:
            body["temperature"] = 0
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

        async def attempt() -> Answer:
            answer = read_answer(await self._exchange("POST", f"{self._base}/{_path(request)}", content), chat)
            places = [place for stop in request.stop if (place := answer.text.find(stop)) >= 0]
            return replace(answer, text=answer.text[: min(places)], finish_reason="stop") if places else answer

        try:
            return await self._persist(attempt, end)
        except FailedError as failed:
            self._dialect = self._dialect.after(failed)
            if self._dialect != dialect:
                return await self._ask(request, most_tokens, end, logprobs)
            if request.grammar is not None and failed.no_grammars and not (logprobs and failed.no_logprobs):
                failed.text = f"the server knows no grammars, or not this one (structured_outputs): {failed.text}"
            raise

    async def _persist(self, attempt: Callable[[], Awaitable[Result]], end: float) -> Result:
        """Try until there is an answer, a failure that would come again, or no attempt or time left."""
        done = 0
        while True:
            done += 1
            failed = await self._tried(attempt, min(self._options.timeout, end - time.monotonic()))
            if not isinstance(failed, FailedError):
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

    async def _tried(self, attempt: Callable[[], Awaitable[Result]], seconds: float) -> Result | FailedError:
        try:
            async with asyncio.timeout(seconds):
                return await attempt()
        except TimeoutError:
            return FailedError(f"no complete answer within {max(seconds, 0):.3g} s", passing=True)
        except FailedError as failed:
            return failed
        except self._httpx.RequestError as error:
            return FailedError(reason(error), passing=True)
        except Exception as error:  # whatever it is, it concerns this request alone
            return FailedError(f"{type(error).__name__}: {error}")

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
                    raise FailedError(f"the answer has more than {MOST_BYTES // 2**20} MB", status, passing=True)
        return read_object(status, response.headers.get("retry-after", ""), data)

    async def _discover(self) -> int | None:
        """Find where the API begins and whether it has the model; the context, if the server tells it."""
        try:
            models = await self._models(self._base)
        except FailedError as failed:
            if failed.status not in _NO_MODELS:
                raise self._unreachable(failed) from None
            models = await self._models_under_v1() if failed.status == 404 else {}
        if not models:
            return None
        if self._model not in models:
            nearest = sorted(
                models, key=lambda name: -difflib.SequenceMatcher(None, self._model.lower(), name.lower()).ratio()
            )
            names = self._address.line(", ".join(nearest[:10]))
            raise UsageError(f"{self._base} has no model {self._model}; it has {names}")
        return read_count(models[self._model], "max_model_len") or None

    async def _models_under_v1(self) -> dict[str, dict[str, Any]]:
        try:
            models = await self._models(f"{self._base}/v1")
        except FailedError as failed:
            if failed.status in (401, 403):
                raise self._unreachable(failed) from None
            return {}
        self._base += "/v1"
        return models

    async def _models(self, base: str) -> dict[str, dict[str, Any]]:
        seconds = min(_DISCOVERY_TIMEOUT, self._options.timeout)
        for done in range(1, _DISCOVERY_ATTEMPTS + 1):
            listed = await self._tried(lambda: self._exchange("GET", f"{base}/models"), seconds)
            if not isinstance(listed, FailedError):
                return read_models(listed)
            if not listed.passing or listed.status in _NO_MODELS or done == _DISCOVERY_ATTEMPTS:
                raise listed
            await asyncio.sleep(min(_DISCOVERY_PAUSE, self._options.backoff))
        raise AssertionError("the last attempt returns or raises")

    def _unreachable(self, failed: FailedError) -> ProxError:
        why = self._address.line(failed.text)
        if failed.status in (401, 403):
            variable = self._address.key_variable
            what = f"the API key in {variable} is wrong" if variable else f"set the API key in {KEY_VARIABLES[0]}"
            return UsageError(f"{self._base} refuses access; {what} ({why})")
        return RunError(f"no use of {self._base}: {why}. Is the server running? Try: curl {self._base}/models")


def _path(request: Request) -> str:
    return "completions" if request.messages is None else "chat/completions"
