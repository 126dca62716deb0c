"""What every engine shares: requests in, completions out, and no exception for what concerns one request alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from prox.refiners.language_model.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; the role is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt and how to complete it.

    Attributes:
        prompt: The rendered text, whole, without the token that begins every text.
        begin: The text of that token (`<s>`), "" for models without one. Servers add it themselves.
        messages: The same prompt as a conversation, where the layout is the model's own; chat servers render it.
        max_new_tokens: The completion is cut off after so many.
        stop: Strings that end the completion; they are not part of it.
        grammar: In the syntax of llguidance's Lark; the completion is one of its sentences or a beginning of one.
    """

    prompt: str
    begin: str = ""
    messages: tuple[Message, ...] | None = None
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    grammar: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What became of a request.

    Attributes:
        text: What the model wrote; "" with an error.
        finish_reason: "stop" (it ended, or a stop string came), "length" (cut off), or "error".
        tokens_in: Tokens of the prompt, as far as the engine knows.
        tokens_out: Tokens written.
        error: Why there is no completion, in words for a person; "" for success.
        too_long: The error is that prompt and completion do not fit the model's context.
    """

    text: str = ""
    finish_reason: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    error: str = ""
    too_long: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """How probable each of a few answers is, as the answer to one prompt.

    Attributes:
        probabilities: Of each answer, in order, at the token where the answers diverge; what is missing to a sum of 1
            went to other answers. Empty with an error, or where the engine had to generate (see `text`).
        text: What the model wrote where the engine could not see probabilities; None otherwise.
        tokens_in, tokens_out, error, too_long: As in `Completion`.
    """

    probabilities: tuple[float, ...] = ()
    text: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    error: str = ""
    too_long: bool = False


class Engine(Protocol):
    """Runs one language model. Its methods may be called from several threads at once.

    Attributes:
        tokens: Counts and cuts texts as the model does, or estimates on the safe side.
        context: Most tokens of prompt and completion together; None if unknown.
        parameters: Of the model without its embeddings, for the cost in FLOPs; None if unknown.
        fingerprint: Of the weights, as far as they can be told apart without reading them all.
    """

    @property
    def tokens(self) -> Tokens: ...

    @property
    def context(self) -> int | None: ...

    @property
    def parameters(self) -> int | None: ...

    @property
    def fingerprint(self) -> str: ...

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete greedily; one completion for each request, in order. Whatever fails, fails for one request."""
        ...

    def compare(self, requests: Sequence[Request], answers: Sequence[str]) -> list[Comparison]:
        """Weigh the answers against each other in one forward step, where the model can be looked into."""
        ...

    def close(self) -> None:
        """End what runs in the background."""
        ...
