"""Every raw answer, kept by the hash of its request: what was answered once is never asked again."""

import hashlib
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from prox.adapt.annotation.budget import Spent
from prox.corpora import json_text
from prox.refiners.language_model.engine import Message

_FILE = "answers.jsonl"
_SYNC_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote.

    Attributes:
        text: All of it.
        finish_reason: "stop", or "length" if it was cut off.
        tokens_in, tokens_out: As the server counts them, or else estimated.
    """

    text: str
    finish_reason: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0


def request_key(model: str, messages: tuple[Message, ...], max_new_tokens: int) -> str:
    """The hash of all that decides an answer. Where the server stands is not part of it."""
    turns = [[message.role, message.content] for message in messages]
    return hashlib.sha256(json.dumps([model, turns, max_new_tokens]).encode()).hexdigest()


class Answers:
    """An append-only file in a folder, one answer a line. For one process at a time, and any number of its threads.

    A line is with the operating system before `add` returns, so that a killed process loses none, and on the disk a
    second later, in case the machine fails. A torn last line is cut off when the file is opened; any other line that
    cannot be read is passed over and counted.

    Attributes:
        unreadable: Lines that were passed over.
    """

    def __init__(self, folder: str) -> None:
        """
        Raises:
            OSError: The folder cannot be made, read or written.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        path = Path(folder, _FILE)
        self.unreadable = 0
        self._known: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self._synced = 0.0
        self._file = path.open("a+b", buffering=0)
        self._read(path)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def spent(self) -> Spent:
        """What all answers together have cost."""
        known = self._known.values()
        return Spent(len(known), sum(each.tokens_in for each in known), sum(each.tokens_out for each in known))

    def get(self, key: str) -> Answer | None:
        return self._known.get(key)

    def add(self, key: str, answer: Answer, about: dict[str, str]) -> None:
        """Keep an answer, for good.

        Args:
            key: Of its request.
            answer: To be kept.
            about: What a person who reads the file wants to know: model, prompt, document.

        Raises:
            OSError: The disk refuses.
        """
        line = json_text.dumps({"request": key, **about, **asdict(answer)}) + b"\n"
        with self._lock:
            if key in self._known:  # the same request from two threads
                return
            end = os.fstat(self._file.fileno()).st_size
            try:
                written = 0
                while written < len(line):
                    written += self._file.write(line[written:])
                if time.monotonic() - self._synced > _SYNC_SECONDS:
                    os.fsync(self._file.fileno())
                    self._synced = time.monotonic()
            except OSError:
                self._file.truncate(end)  # half a line would spoil the next one
                raise
            self._known[key] = answer

    def close(self) -> None:
        with self._file:
            os.fsync(self._file.fileno())

    def _read(self, path: Path) -> None:
        whole = 0
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    fields = json_text.loads(line)
                    answer = Answer(fields["text"], fields["finish_reason"], fields["tokens_in"], fields["tokens_out"])
                    if not (isinstance(answer.text, str) and isinstance(fields["request"], str)):
                        raise TypeError
                    if not (type(answer.tokens_in) is type(answer.tokens_out) is int):
                        raise TypeError
                    self._known[fields["request"]] = answer
                except (ValueError, KeyError, TypeError):
                    self.unreadable += 1
        self._file.truncate(whole)
