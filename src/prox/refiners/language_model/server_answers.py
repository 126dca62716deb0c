"""What comes back from an OpenAI-compatible server: an answer, or a failure and whether it may pass."""

import email.utils
import json
import math
import re
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from typing import Any

_PASSING = frozenset({408, 409, 425, 429})
_LASTING = frozenset({501, 505})  # of the 5xx: these say what the server is, not how it is just now

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


class FailedError(Exception):
    """An attempt, or in the end the request, has failed.

    Attributes:
        text: Why, as far as it is known; may hold what must not be shown (see `ServerAddress.masked`).
        status: Of the answer; 0 without one.
        passing: Another attempt may succeed.
        wait: Seconds that the server asks to wait before it.
        too_long: The prompt does not fit.
        no_logprobs: The server gives no log-probabilities, or not as many.
        no_grammars: The server knows no grammars, or not this one.
    """

    def __init__(self, text: str, status: int = 0, passing: bool = False, wait: float = 0.0) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.wait = wait
        refused = status in (400, 422)
        # Some servers answer a prompt that does not fit with 500, and would do so again.
        speaks_of_context = (refused or status == 500) and _CONTEXT.search(text) is not None
        self.too_long = speaks_of_context or status == 413 or (refused and _TOO_LONG.search(text) is not None)
        self.passing = passing and not self.too_long
        self.no_logprobs = refused and not speaks_of_context and "logprob" in text.lower()
        self.no_grammars = refused and not self.too_long and _GRAMMAR.search(text) is not None


@dataclass(frozen=True, slots=True)
class Position:
    """One generated token, and the alternatives to it (itself among them) with their probabilities."""

    chosen: bytes
    alternatives: tuple[tuple[bytes, float], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server wrote. `positions` is None where it shows no probabilities, counts where it gives no usage."""

    text: str
    finish_reason: str
    tokens_in: int | None
    tokens_out: int | None
    positions: list[Position] | None


def read_object(status: int, retry_after: str, data: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in an answer of HTTP.

    Raises:
        FailedError: There is none, or it is an error.
    """
    if not 200 <= status < 300:
        raise _refusal(status, retry_after, data)
    try:
        reply = json.loads(data)
    except (ValueError, RecursionError):
        raise FailedError("the answer is not JSON, or not a whole one", status, passing=True) from None
    if not isinstance(reply, dict):
        raise FailedError("the answer is no JSON object", status, passing=True)
    if error := reply.get("error"):  # some gateways put a status of 200 on everything
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, int) and 400 <= code < 600:
            raise _refusal(code, retry_after, data)
        raise FailedError(f"the answer is an error: {_message(data)}", status, passing=True)
    return reply


def read_models(listed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The models that a server lists, by name."""
    return {each["id"]: each for each in _objects(listed.get("data")) if isinstance(each.get("id"), str)}


def read_answer(reply: dict[str, Any], chat: bool) -> Answer:
    """The first choice in a reply.

    Raises:
        FailedError: There is none, or it has no text.
    """
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise FailedError("the answer has no choices", 200, passing=True)
    choice = choices[0]
    if choice.get("finish_reason") == "content_filter":
        raise FailedError("the server filters its answer", 200)
    holder, name = (choice.get("message"), "content") if chat else (choice, "text")
    text = holder.get(name) if isinstance(holder, dict) else None
    if text is None and isinstance(holder, dict) and choice.get("finish_reason") == "length":
        text = ""  # all tokens went into thoughts, which are shown elsewhere: they were paid, and would be again
    if not isinstance(text, str):
        raise FailedError("the answer has no text", 200, passing=True)
    return Answer(
        text.encode("utf-8", "replace").decode(),  # JSON can hold half a character
        "length" if choice.get("finish_reason") == "length" else "stop",
        read_count(reply.get("usage"), "prompt_tokens"),
        read_count(reply.get("usage"), "completion_tokens"),
        _positions(choice.get("logprobs")),
    )


def read_count(holder: object, name: str) -> int | None:
    count = holder.get(name) if isinstance(holder, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**53 else None


def reason(error: BaseException) -> str:
    """What happened to the connection: libraries wrap that several times."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        match cause:
            case ConnectionRefusedError():
                return "connection refused"
            case ConnectionResetError():
                return "connection reset"
            case socket.gaierror():
                return "no such host"
            case ssl.SSLError():
                return f"TLS: {cause}"
            case BaseExceptionGroup():
                pending += cause.exceptions
        pending += [cause.__cause__, cause.__context__]
    return str(error) or type(error).__name__


def weigh(positions: Sequence[Position], wanted: Sequence[bytes]) -> tuple[float, ...] | None:
    """The probability of each wanted answer where they diverge; None if what was generated ends before that.

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


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _refusal(status: int, retry_after: str, data: bytes | bytearray) -> FailedError:
    passing = status in _PASSING or (status >= 500 and status not in _LASTING)
    message = _message(data)
    if not message.strip():
        message = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return FailedError(f"{status} {message}", status, passing, _seconds(retry_after))


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
        return "; ".join(f"{each.get('msg')} {each.get('loc')}" for each in _objects(error)[:5])
    if isinstance(error, dict):
        words, code, kind = (str(error.get(name) or "") for name in ("message", "code", "type"))
        return " ".join([words, *(each for each in (code, kind) if not words or _CONTEXT.search(each))])
    return error if isinstance(error, str) else ""


def _positions(logprobs: object) -> list[Position] | None:
    """The generated tokens with their alternatives; None where any has none.

    Chat has a list of objects (llama.cpp answers so to completions, too), completions have lists side by side.
    """
    if not isinstance(logprobs, dict):
        return None
    content, tokens, tops = (logprobs.get(name) for name in ("content", "tokens", "top_logprobs"))
    if isinstance(content, list):
        positions = [_position(entry, entry.get("top_logprobs")) for entry in _objects(content)]
        if len(positions) < len(content):
            return None
    elif isinstance(tokens, list) and isinstance(tops, list):
        positions = [
            _position(
                {"token": token},
                [{"token": name, "logprob": value} for name, value in top.items()] if isinstance(top, dict) else [],
            )
            for token, top in zip(tokens, tops, strict=False)
        ]
    else:
        return None
    return positions if all(position.alternatives for position in positions) else None


def _position(chosen: dict[str, Any], alternatives: object) -> Position:
    # vLLM can be told to give numbers for texts (token_id:17); they say nothing here.
    readable = [each for each in _objects(alternatives) if not str(each.get("token")).startswith("token_id:")]
    return Position(_token(chosen), tuple((_token(each), _probability(each.get("logprob"))) for each in readable))


def _token(entry: dict[str, Any]) -> bytes:
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
