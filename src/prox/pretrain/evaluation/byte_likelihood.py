"""Bits per byte: how well a language model predicts a text, whatever its tokenizer.

A document's negative log-likelihood is divided by its UTF-8 bytes, so that models with different tokenizers can be
compared. Each document is on its own and begins with one control token, that of the beginning or else of the end of a
text, which is not scored. A document longer than the context is read in windows that overlap by half: each token is
scored once, in the first window that reaches it, with at least half a context before it (but for the first window).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from prox.errors import UsageError

BATCH_TOKENS = {"cpu": 4_096, "cuda": 16_384}
"""On a CPU, larger batches leave its caches and were a third slower."""
LOGITS = 1 << 27
"""Numbers that the model may give at once: 512 MiB in float32."""

_ENCODED_AT_ONCE = 256
_BUFFERED_BATCHES = 16
_NOT_SCORED = -100
_MOST_LOST = 0.001
"""Of the characters, as many may have no token: some tokenizers drop control characters."""


class ByteLikelihood(NamedTuple):
    """What a model makes of documents, in their order.

    Attributes:
        nats: Negative log-likelihood of each document, natural logarithm.
        bytes: UTF-8 bytes of each document.
    """

    nats: npt.NDArray[np.float64]
    bytes: npt.NDArray[np.int64]

    @property
    def bits_per_byte(self) -> float:
        """Over all documents together; not a number where there is no text."""
        size = int(self.bytes.sum())
        return float(self.nats.sum()) / math.log(2) / size if size else math.nan


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a document's tokens, the control token being number 0, that goes through the model at once.

    Attributes:
        start: First token that the model reads.
        end: One past the last token that it reads; it predicts the tokens `start + 1` to `end`.
        scored: The first of these that counts.
    """

    start: int
    end: int
    scored: int


def windows(tokens: int, context: int) -> Iterator[Window]:
    """The windows for a document of so many tokens without the control token: each is scored in exactly one."""
    start, end, scored = 0, 0, 1
    while end < tokens:
        end = min(start + context, tokens)
        yield Window(start, end, scored)
        scored = end + 1
        start += context - context // 2


def bits_per_byte(model: Any, tokenizer: Any, texts: Iterable[str], context: int) -> ByteLikelihood:
    """Score texts with a causal language model of transformers, on the device it is on.

    Args:
        model: It is put into evaluation mode, and left so.
        tokenizer: A fast one of transformers. What a text has in common with control tokens is scored as text.
        texts: Read once, and not held.
        context: Tokens that the model sees at most, the control token included.

    Raises:
        UsageError: The tokenizer has no control token to begin with, is a slow one, or has no
            tokens for more than a thousandth of the characters.
    """
    if context < 1:
        raise UsageError(f"the context must be at least one token, not {context}")
    scorer = _Scorer(model, tokenizer, context)
    source = iter(texts)
    while batch := list(islice(source, _ENCODED_AT_ONCE)):
        scorer.add(batch)
    return scorer.finish()


class _Scorer:
    """Collects windows, sorts them by length, and sends them through the model in batches."""

    def __init__(self, model: Any, tokenizer: Any, context: int) -> None:
        from tokenizers import Tokenizer

        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise UsageError(
                "the tokenizer is a slow one; put a tokenizer.json of the same vocabulary beside the model"
            )
        begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if begin is None:
            raise UsageError(
                "the tokenizer names no token for the beginning or the end of a text, so that nothing stands before "
                "a document's first token. Set eos_token in tokenizer_config.json"
            )
        self._begin: int = begin
        self._tokenizer: Any = Tokenizer.from_str(backend.to_str())  # our own: the caller's stays as it is
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        unknown = getattr(tokenizer, "unk_token", None)
        bare = unknown is not None and not getattr(backend.model, "byte_fallback", False)
        self._unknown: int | None = tokenizer.unk_token_id if bare else None
        self._model = model.eval()
        self._context = context
        vocabulary = model.get_input_embeddings().weight.shape[0]
        most = BATCH_TOKENS.get(model.device.type, BATCH_TOKENS["cuda"])
        self._batch_tokens = max(context, min(most, LOGITS // vocabulary))
        self._waiting: list[tuple[int, list[int], list[int]]] = []
        self._waiting_tokens = 0
        self._characters = self._lost = 0
        self._nats: list[float] = []
        self._bytes: list[int] = []

    def add(self, texts: Sequence[str]) -> None:
        for text, encoding in zip(texts, self._tokenizer.encode_batch(texts, add_special_tokens=False), strict=True):
            ids: list[int] = encoding.ids
            self._characters += len(text)
            self._lost += _characters_lost(text, ids, encoding.offsets, self._unknown)
            place = len(self._bytes)
            self._bytes.append(len(text.encode()))
            self._nats.append(0.0)
            sequence = [self._begin, *ids]
            for window in windows(len(ids), self._context):
                skipped = [_NOT_SCORED] * (window.scored - window.start - 1)
                targets = skipped + sequence[window.scored : window.end + 1]
                self._waiting.append((place, sequence[window.start : window.end], targets))
                self._waiting_tokens += window.end - window.start
            if self._waiting_tokens >= _BUFFERED_BATCHES * self._batch_tokens:
                self._flush()

    def finish(self) -> ByteLikelihood:
        self._flush()
        if self._lost > _MOST_LOST * self._characters:
            raise UsageError(
                f"the tokenizer has no tokens for {self._lost:,} of {self._characters:,} characters: nothing says how "
                "probable they are, and bits per byte would look better than they are"
            )
        return ByteLikelihood(np.array(self._nats, np.float64), np.array(self._bytes, np.int64))

    def _flush(self) -> None:
        waiting = sorted(self._waiting, key=lambda each: len(each[1]))
        self._waiting, self._waiting_tokens = [], 0
        batch: list[tuple[int, list[int], list[int]]] = []
        for each in waiting:
            if batch and (len(batch) + 1) * len(each[1]) > self._batch_tokens:
                self._score(batch)
                batch = []
            batch.append(each)
        if batch:
            self._score(batch)

    def _score(self, batch: Sequence[tuple[int, list[int], list[int]]]) -> None:
        import torch

        longest = max(len(inputs) for _, inputs, _ in batch)
        # Padding stands behind the text, where a causal model cannot see it: no mask is needed.
        inputs = torch.tensor([ids + [self._begin] * (longest - len(ids)) for _, ids, _ in batch])
        targets = torch.tensor([ids + [_NOT_SCORED] * (longest - len(ids)) for _, _, ids in batch])
        inputs, targets = inputs.to(self._model.device), targets.to(self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=inputs, use_cache=False).logits
            scored = targets != _NOT_SCORED
            lost = torch.nn.functional.cross_entropy(logits[scored].float(), targets[scored], reduction="none")
            nats = torch.zeros(targets.shape, dtype=torch.float64, device=lost.device)
            nats[scored] = lost.double()
            sums = nats.sum(1).tolist()
        for (place, _, _), each in zip(batch, sums, strict=True):
            self._nats[place] += each


def _characters_lost(text: str, ids: Sequence[int], offsets: Sequence[tuple[int, int]], unknown: int | None) -> int:
    """Characters, but for white space, that no token stands for, or one that stands for anything unknown."""
    lost, reached = 0, 0
    for token, (start, end) in zip(ids, offsets, strict=True):
        if start > reached:
            lost += len(text[reached:start].strip())
        if token == unknown:
            lost += end - start
        reached = max(reached, end)
    return lost + len(text[reached:].strip())
