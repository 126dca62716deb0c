"""Asking a model for what can be read: from the store, or within the budget from the server, and again if need be."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from prox.adapt.annotation.answers import Answer, Answers, request_key
from prox.adapt.annotation.budget import Budget, Spent
from prox.refiners.language_model.engine import Completion, Message, Request
from prox.refiners.language_model.tokens import Tokens

Result = TypeVar("Result")

_FAILURES_IN_A_ROW = 24
"""Requests that fail one after the other, before nobody believes in the server any more."""

_UNUSABLE_IN_A_ROW = 50
"""Questions of one prompt after the other without a usable answer, before nobody believes in it any more."""


class Server(Protocol):
    """As much of an engine as is needed here."""

    @property
    def tokens(self) -> Tokens: ...

    def generate(self, requests: Sequence[Request]) -> list[Completion]: ...

    def close(self) -> None: ...


class UnusableError(Exception):
    """An answer is not of the form that was asked for; the text says to the model what is wrong."""


class FailedError(Exception):
    """No label for a document.

    Attributes:
        reason: `kind: detail`; kinds are counted.
        answer: What the model wrote last, or the program that goes too far; None if it wrote nothing.
        too_long: The page does not fit the model.
    """

    def __init__(self, reason: str, answer: str | None = None, too_long: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = answer
        self.too_long = too_long


class StoppedError(Exception):
    """The work is over before this document got its label: interrupted, or the server is gone."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask, and about what.

    Attributes:
        prompt: Name of the prompt.
        document: Id of the document.
        messages: The conversation.
        max_new_tokens: For the answer.
    """

    prompt: str
    document: str
    messages: tuple[Message, ...]
    max_new_tokens: int


class Asker:
    """Asks for many threads.

    Attributes:
        asked: Requests sent, and what they took.
        from_store: Answers that were known.
        asked_again: Answers that could not be used, so that another one was asked for.
        stopped: Why no more requests are made; "" as long as they are.
    """

    def __init__(self, server: Server, model: str, answers: Answers, budget: Budget, re_asks: int) -> None:
        """
        Args:
            server: To ask.
            model: Its name, as part of what decides an answer.
            answers: Known ones, and where new ones go.
            budget: What may be spent.
            re_asks: How often to ask again for an answer that can be used.
        """
        self.asked = Spent()
        self.from_store = 0
        self.asked_again = 0
        self.stopped = ""
        self._server = server
        self._model = model
        self._answers = answers
        self._budget = budget
        self._re_asks = re_asks
        self._in_a_row = 0
        self._unusable_in_a_row: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._of_key: dict[str, threading.Lock] = {}

    def ask(self, question: Question, read: Callable[[str], Result]) -> Result:
        """The answer as `read` gives it; where it raises `UnusableError`, the model is told so and asked again.

        Raises:
            FailedError: The server fails, or no answer can be used.
            BudgetSpentError: A request would cost more than is left.
            StoppedError: No more requests are made.
        """
        messages = question.messages
        for remaining in range(self._re_asks, -1, -1):
            answer, known = self._answer(question, messages)
            cut_off = answer.finish_reason == "length"
            try:
                if cut_off:
                    raise UnusableError(f"it is cut off after {answer.tokens_out} tokens")
                result = read(plain(answer.text))
                with self._lock:
                    self._unusable_in_a_row[question.prompt] = 0
                return result
            except UnusableError as unusable:
                if not remaining:
                    if not known:  # else the same call could not go on after it ended for that
                        self._not_usable(question, unusable)
                    kind = "cut off" if cut_off else "unusable"
                    raise FailedError(f"{kind} answer to {question.prompt}: {unusable}", answer.text) from None
                with self._lock:
                    self.asked_again += 1
                messages = (  # with all attempts: the same request would get the same answer
                    *messages,
                    Message("assistant", answer.text),
                    Message("user", f"This answer cannot be used: {unusable}. Answer again, in the form asked for."),
                )
        raise AssertionError("the last answer returns or raises")

    def stop(self, why: str) -> None:
        """Let no further request go."""
        self.stopped = self.stopped or why

    def _answer(self, question: Question, messages: tuple[Message, ...]) -> tuple[Answer, bool]:
        """The answer, and whether it was known."""
        key = request_key(self._model, messages, question.max_new_tokens)
        with self._lock:
            own = self._of_key.setdefault(key, threading.Lock())
        try:
            with own:  # of two documents alike, one waits for the answer to the other
                if (known := self._answers.get(key)) is not None:
                    with self._lock:
                        self.from_store += 1
                    return known, True
                return self._new_answer(key, question, messages), False
        finally:
            with self._lock:
                self._of_key.pop(key, None)

    def _new_answer(self, key: str, question: Question, messages: tuple[Message, ...]) -> Answer:
        prompt = "\n".join(message.content for message in messages)
        most = Spent(1, self._server.tokens.count(prompt) + 8 * len(messages), question.max_new_tokens)
        self._budget.reserve(most)
        spent = Spent()
        try:
            if self.stopped:  # asked after the wait, which may have been long
                raise StoppedError(self.stopped)
            request = Request(prompt, messages=messages, max_new_tokens=question.max_new_tokens)
            (completion,) = self._server.generate([request])
            spent = Spent(1, completion.tokens_in, completion.tokens_out)
            if completion.error:
                self._failed(completion)
            with self._lock:
                self._in_a_row = 0
            answer = Answer(completion.text, completion.finish_reason, completion.tokens_in, completion.tokens_out)
            about = {"model": self._model, "prompt": question.prompt, "document": question.document}
            self._answers.add(key, answer, about)
        finally:
            with self._lock:
                self.asked += spent
            self._budget.settle(most, spent)
        return answer

    def _not_usable(self, question: Question, unusable: UnusableError) -> None:
        with self._lock:
            self._unusable_in_a_row[question.prompt] += 1
            if (count := self._unusable_in_a_row[question.prompt]) >= _UNUSABLE_IN_A_ROW:
                self.stop(
                    f"{count} questions of {question.prompt} in a row had no usable answer, the last one: {unusable}"
                )

    def _failed(self, completion: Completion) -> None:
        if completion.too_long:
            raise FailedError(f"too long for the model: {completion.error}", too_long=True)
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= _FAILURES_IN_A_ROW:
                self.stop(f"{self._in_a_row} requests in a row failed, the last one with: {completion.error}")
        raise FailedError(f"server: {completion.error}")


def plain(text: str) -> str:
    """An answer without what models put around it on their own: thoughts before it, a code fence."""
    text = _THOUGHTS.sub("", text, count=1).strip()
    fenced = _FENCE.fullmatch(text)
    return fenced[1] if fenced else text


_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"```[\w-]*\n(.*?)\n?```", re.DOTALL)
