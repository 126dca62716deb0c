"""A server that speaks OpenAI's API and, where a test wants it, fails in every way that servers do.

>>> with FaultyServer(answer=lambda prompt: "keep_doc()") as server:  # doctest: +SKIP
...     engine = OpenAIEngine("small", server.url, OpenAIOptions())
"""

import json
import math
import re
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal["hang", "reset", "truncate", "drip", "endless"]
"""What may go wrong below HTTP: no answer at all, a connection reset, half the body and the end of the connection, one
byte now and then, a body without an end."""


@dataclass(frozen=True)
class Instruction:
    """How to answer one request.

    Attributes:
        status: Of HTTP.
        body: An object is sent as JSON, bytes as they are; None stands for what a well-behaved server would say.
        headers: On top of the usual ones.
        delay: Seconds before the answer.
        fault: What goes wrong with it.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    fault: Fault | None = None


Behaviour = Callable[[dict[str, Any], str, int], Instruction | None]
"""From the request's JSON, its path (without `/v1` and query) and how often this very request has come, counted from 1,
to what to do; None for the well-behaved answer. A GET of the models comes with an empty object."""


def error(status: int, message: str, **headers: str) -> Instruction:
    """An error as OpenAI's API words it; `retry_after="1"` gives the header Retry-After."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": None}}
    return Instruction(status, body, {name.replace("_", "-").title(): value for name, value in headers.items()})


class FaultyServer:
    """Runs on a free port while its context lasts.

    Attributes:
        model: The one it lists.
        answer: The text for a prompt; of a conversation, the last message is the prompt.
        distributions: For a prompt, the probabilities of tokens at each position; the most probable ones make up the
            text then, and `answer` is not asked.
        behaviour: See `Behaviour`; None behaves well.
        context: Told as `max_model_len`, and kept (in words); None tells nothing.
        most_logprobs: More alternatives are refused as vLLM does it; 0 gives null for them.
        prefix: Where the API begins.
        requests: How many came, by path (without prefix and query).
        bodies: Their JSON, in the order of arrival.
        headers: Of each, likewise.
        simultaneous: Requests in work just now.
        most_simultaneous: The most there have been.
        abandoned: Requests whose client went away before the answer.
    """

    def __init__(
        self,
        answer: Callable[[str], str] = lambda prompt: "keep_doc()",
        behaviour: Behaviour | None = None,
        *,
        distributions: Callable[[str], Sequence[Mapping[str, float]]] | None = None,
        model: str = "small",
        context: int | None = None,
        most_logprobs: int = 20,
        prefix: str = "/v1",
    ) -> None:
        self.answer = answer
        self.behaviour = behaviour
        self.distributions = distributions
        self.model = model
        self.context = context
        self.most_logprobs = most_logprobs
        self.prefix = prefix
        self.requests: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.simultaneous = 0
        self.most_simultaneous = 0
        self.abandoned = 0
        self._times: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None, "the server has not been started"
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.prefix}"

    def start(self) -> "FaultyServer":
        class Handler(_Handler):
            faulty = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 256

            def handle_error(self, request: object, client_address: object) -> None:
                """Clients that go away are a matter of course here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._stopping.set()
            self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> "FaultyServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def well_behaved(self, request: dict[str, Any], path: str) -> Instruction:
        """What a server says that has no faults."""
        if path == "/models":
            entry: dict[str, Any] = {"id": self.model, "object": "model"}
            if self.context is not None:
                entry["max_model_len"] = self.context
            return Instruction(body={"object": "list", "data": [entry]})
        if path not in ("/completions", "/chat/completions"):
            return error(404, "Not Found")
        if request.get("model") != self.model:
            return error(404, f"The model `{request.get('model')}` does not exist.")
        chat = path == "/chat/completions"
        prompt = request["messages"][-1]["content"] if chat else request["prompt"]
        prompt_tokens = len(_tokens(prompt))
        most = request.get("max_tokens", 16)
        if self.context is not None and prompt_tokens + most > self.context:
            return error(400, f"This model's maximum context length is {self.context} tokens.")
        asked = (request.get("logprobs") and request.get("top_logprobs", 0)) if chat else request.get("logprobs")
        if asked and self.most_logprobs and asked > self.most_logprobs:
            allowed = f"which is greater than max allowed: {self.most_logprobs}"
            return error(400, f"Requested sample logprobs of {asked}, {allowed}")
        if self.distributions is not None:
            positions = [dict(each) for each in self.distributions(prompt)]
        else:
            positions = [{token: 0.9} for token in _tokens(self.answer(prompt))]
        finish_reason = "length" if len(positions) > most else "stop"
        positions = positions[:most]
        tokens = [max(each, key=lambda token: each[token]) for each in positions]
        text = "".join(tokens)
        for stop in request.get("stop", ()):
            if stop in text:
                text, finish_reason = text.partition(stop)[0], "stop"
        logprobs = None
        if asked and self.most_logprobs:
            tops = [_top(each, asked) for each in positions]
            logprobs = _chat_logprobs(tokens, tops) if chat else _logprobs(tokens, tops)
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason, "logprobs": logprobs}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(tokens)}
        return Instruction(body={"id": "1", "model": self.model, "choices": [choice], "usage": usage})

    def arrived(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> Instruction:
        with self._lock:
            self.requests[path] += 1
            self.bodies.append(body)
            self.headers.append({name.lower(): value for name, value in headers.items()})
            self.simultaneous += 1
            self.most_simultaneous = max(self.most_simultaneous, self.simultaneous)
            key = (path, json.dumps(body, sort_keys=True))
            self._times[key] += 1
            times = self._times[key]
        instruction = None if self.behaviour is None else self.behaviour(body, path, times)
        if instruction is None:
            return self.well_behaved(body, path)
        if instruction.body is None:
            well = self.well_behaved(body, path)
            return Instruction(instruction.status, well.body, instruction.headers, instruction.delay, instruction.fault)
        return instruction

    def departed(self, abandoned: bool) -> None:
        with self._lock:
            self.simultaneous -= 1
            self.abandoned += abandoned

    def wait(self, seconds: float, connection: socket.socket) -> bool:
        """Wait, unless the client goes away or the server stops; whether there is still somebody to answer."""
        while seconds > 0 and not self._stopping.wait(min(seconds, 0.01)):
            seconds -= 0.01
            if select.select([connection], [], [], 0)[0] and not connection.recv(1, socket.MSG_PEEK):
                return False
        return not self._stopping.is_set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    faulty: FaultyServer

    def do_GET(self) -> None:
        self._respond({})

    def do_POST(self) -> None:
        self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _respond(self, body: dict[str, Any]) -> None:
        path = self.path.partition("?")[0]
        inside = path.startswith(self.faulty.prefix)
        path = path.removeprefix(self.faulty.prefix) if inside else f"outside:{path}"
        instruction = self.faulty.arrived(path, body, self.headers)
        answered = False
        try:
            answered = self._follow(instruction)
        except OSError:
            self.close_connection = True
        finally:
            self.faulty.departed(abandoned=not answered)

    def _follow(self, instruction: Instruction) -> bool:
        fault = instruction.fault
        if not self.faulty.wait(math.inf if fault == "hang" else instruction.delay, self.connection):
            self.close_connection = True
            return False
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return True
        data = instruction.body if isinstance(instruction.body, bytes) else json.dumps(instruction.body).encode()
        self.send_response(instruction.status)
        for name, value in instruction.headers.items():
            self.send_header(name, value)
        if fault is None:
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return True
        self.close_connection = True
        self.send_header("Content-Length", str(len(data) if fault == "truncate" else 10**12))
        self.end_headers()
        if fault == "truncate":
            self.wfile.write(data[: len(data) // 2])
        while fault == "drip" and self.faulty.wait(0.02, self.connection):
            self.wfile.write(b" ")
        while fault == "endless":
            self.wfile.write(b" " * 2**20)
        return fault == "truncate"

    def log_message(self, *_: object) -> None:
        """Standard error belongs to the tests."""


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s*[^\W_]+|\s*[^\w\s]|\s*_|\s+", text)


def _top(position: Mapping[str, float], most: int) -> dict[str, float]:
    """The logarithms of the most probable tokens."""
    best = sorted(position, key=lambda token: -position[token])[:most]
    return {token: math.log(position[token]) for token in best}


def _logprobs(tokens: Sequence[str], tops: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    token_logprobs = [top[token] for token, top in zip(tokens, tops, strict=True)]
    return {"tokens": tokens, "token_logprobs": token_logprobs, "top_logprobs": tops, "text_offset": []}


def _chat_logprobs(tokens: Sequence[str], tops: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    def entry(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

    content = [
        entry(token, top[token]) | {"top_logprobs": [entry(*each) for each in top.items()]}
        for token, top in zip(tokens, tops, strict=True)
    ]
    return {"content": content}
