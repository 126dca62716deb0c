"""Texts in tokens: counted and cut as a model does it, or estimated where its tokenizer is not at hand."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Tokens(Protocol):
    """Counts and cuts.

    Attributes:
        special: Texts that the tokenizer reads as control tokens; a document must not bring any.
        exact: Whether counts are the model's own.
    """

    @property
    def special(self) -> tuple[str, ...]: ...

    @property
    def exact(self) -> bool: ...

    def count(self, text: str) -> int: ...

    def cut(self, text: str, most: int) -> str:
        """The longest beginning of the text that has at most so many tokens."""
        ...


class ModelTokens:
    """The model's own tokenizer (a fast one, from `tokenizer.json`)."""

    exact = True

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        added = tokenizer.get_added_tokens_decoder().values()
        self.special = tuple(sorted({token.content for token in added if token.special}))

    def encode(self, text: str) -> list[int]:
        """The tokens of a rendered prompt; control tokens in it are control tokens, none is added."""
        ids: list[int] = self._encoding(text).ids
        return ids

    def _encoding(self, text: str) -> Any:
        try:
            return self._tokenizer.encode(text, add_special_tokens=False)
        except TypeError:  # half a character, which no UTF-8 and so no tokenizer knows
            whole = text.encode("utf-8", "replace").decode()
            return self._tokenizer.encode(whole, add_special_tokens=False)

    def diverging(self, prompt: str, answers: Sequence[str]) -> tuple[list[int], tuple[int, ...]] | None:
        """What the prompt with any of the answers begins with, and the token after it that tells each answer.

        The first part need not be the prompt's own tokens: an answer may change how the end of the prompt is cut.

        Returns:
            None if an answer has no token of its own.
        """
        sequences = [self.encode(prompt + answer) for answer in answers]
        for place, column in enumerate(zip(*sequences, strict=False)):
            if len(set(column)) > 1:
                return sequences[0][:place], column
        return None

    def count(self, text: str) -> int:
        return len(self._encoding(text).ids)

    def cut(self, text: str, most: int) -> str:
        if len(text.encode("utf-8", "surrogatepass")) <= most:
            return text  # no token is shorter than a byte
        if most < 1:
            return ""
        reach = 8 * most  # characters; enough for almost any text, and a long one is not tokenized to its end
        while True:
            encoding = self._encoding(text[:reach])
            if len(encoding.ids) > most:
                return text[: encoding.offsets[most - 1][1]]
            if reach >= len(text):
                return text
            reach *= 4


BYTES_PER_TOKEN = 3.0
"""English has about 4.3 bytes a token, Chinese and code about 3: estimates are rather too high than too low."""


class EstimatedTokens:
    """Without a tokenizer: on the safe side, by bytes."""

    exact = False
    special: tuple[str, ...] = ()

    def count(self, text: str) -> int:
        return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)

    def cut(self, text: str, most: int) -> str:
        data = text.encode("utf-8", "surrogatepass")
        most_bytes = int(most * BYTES_PER_TOKEN)
        return text if len(data) <= most_bytes else data[:most_bytes].decode("utf-8", "ignore")
