"""Text to tokens: tokenizers that there are, and one that is trained on the corpus itself."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from prox.errors import UsageError
from prox.pretrain.corpus import Counts, open_corpus, texts
from prox.refiners.language_model.model_files import essence

END = "<|endoftext|>"
"""Stands between two documents, where the tokenizer is trained here."""

_ENDS = (END, "</s>", "<|end_of_text|>", "<eos>", "[EOS]")
"""What a bare tokenizer.json may call it."""

SAMPLE_CHARACTERS = 8_000_000
"""Of the corpus that a tokenizer is trained on."""

LEAST_SIZE = 257
"""All bytes, and the end of a text."""

_PIECE = 1 << 20
_BATCH = 4 << 20


class Encoder:
    """A tokenizer and its token that ends a text.

    Attributes:
        tokenizer: As transformers knows it, to be saved with the model.
        end: The token between two documents.
        size: Of the vocabulary, all added tokens included.
        fingerprint: Changes whenever the same text could give other tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, name: str) -> None:
        """
        Raises:
            UsageError: It has no end of a text, or takes text for it.
        """
        self.tokenizer = tokenizer
        definition = tokenizer.backend_tokenizer.to_str()
        self._plain = Tokenizer.from_str(definition)  # a copy: what is set here must not be saved
        self._plain.no_truncation()
        self._plain.no_padding()
        self._plain.encode_special_tokens = True  # "</s>" in a document is four characters of text
        if tokenizer.eos_token_id is None:
            raise UsageError(f"the tokenizer {name} has no token that ends a text (eos_token)")
        self.end: int = tokenizer.eos_token_id
        self.size = len(tokenizer)
        self.fingerprint = hashlib.blake2b(f"{self.end} {definition}".encode(), digest_size=16).hexdigest()
        if self.end in self.encode([f"a {tokenizer.eos_token} b"])[0]:
            raise UsageError(f"the tokenizer {name} takes the text {tokenizer.eos_token} for its end of a text")

    def encode(self, documents: Sequence[str]) -> list[npt.NDArray[np.uint32]]:
        """The tokens of each document, and no others. Of a text that names control tokens, the text.

        A document of more than a million characters is cut between words before it is encoded.
        """
        pieces = [(number, piece) for number, text in enumerate(documents) for piece in _pieces(text)]
        found: list[list[npt.NDArray[np.uint32]]] = [[] for _ in documents]
        for some in _batches(pieces):
            encodings = self._plain.encode_batch_fast([piece for _, piece in some], add_special_tokens=False)
            for (number, _), encoding in zip(some, encodings, strict=True):
                found[number].append(np.array(encoding.ids, np.uint32))
        return [each[0] if len(each) == 1 else np.concatenate([*each, np.empty(0, np.uint32)]) for each in found]


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PIECE:
        place = max(text.rfind(mark, start + _PIECE // 2, start + _PIECE) for mark in "\n ")
        end = place if place > 0 else start + _PIECE
        yield text[start:end]
        start = end
    yield text[start:]


def _batches(pieces: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece[1])
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def bpe_size(spec: str) -> int | None:
    """The size in `bpe:SIZE`; None if it is the name of a tokenizer.

    Raises:
        UsageError: It is no size.
    """
    kind, colon, size = spec.partition(":")
    if kind.lower() != "bpe" or not colon:
        return None
    if not size.isdecimal() or not LEAST_SIZE <= int(size) <= 1 << 20:
        raise UsageError(
            f'the tokenizer "{spec}" has no size. Write bpe:4096, for example: all 256 bytes, the end of a text, and '
            "the most frequent parts of words"
        )
    return int(size)


def load_tokenizer(name: str) -> Encoder:
    """A tokenizer that there is: a folder, a tokenizer.json, or a name on the hub (`NAME@REVISION`).

    Raises:
        UsageError: It cannot be loaded, or is of no use here.
    """
    path = Path(name)
    try:
        if path.is_file():
            bare = Tokenizer.from_file(name)
            end = next((each for each in _ENDS if bare.token_to_id(each) is not None), None)
            return Encoder(PreTrainedTokenizerFast(tokenizer_object=bare, eos_token=end), name)
        at_hub, _, revision = (name, "", "") if path.exists() else name.partition("@")
        factory: Any = AutoTokenizer
        loaded = factory.from_pretrained(at_hub, **({"revision": revision} if revision else {}))
    except UsageError:
        raise
    except Exception as error:  # hubs, and broken files, raise errors of many kinds
        hint = "" if path.exists() else "; there is no such file or folder here. bpe:4096 trains one on the corpus"
        raise UsageError(f"the tokenizer {name} cannot be loaded: {essence(error)}{hint}") from error
    if not isinstance(loaded, PreTrainedTokenizerFast) and not getattr(loaded, "is_fast", False):
        raise UsageError(f"the tokenizer {name} is a slow one; name one with a tokenizer.json")
    return Encoder(loaded, name)


def train_bpe(sample: Iterable[str], size: int) -> Encoder:
    """A byte-level BPE tokenizer of the most frequent parts of words in a sample, and all bytes.

    Args:
        size: Of the vocabulary; it gets smaller where the sample has too few words.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=64,
    )
    tokenizer.train_from_iterator(sample, trainer)
    return Encoder(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END), f"bpe:{size}")


def train_tokenizer(
    inputs: Sequence[Sequence[str]],
    size: int,
    folder: str | None = None,
    *,
    seed: int = 0,
    corpus: str | None = None,
    text_field: str | None = None,
    html_to_text: str | None = None,
) -> Encoder:
    """One tokenizer for models that are to be compared: trained on equal shares of several corpora.

    Args:
        inputs: The inputs of each corpus, see `open_corpus`.
        size: As for `train_bpe`.
        folder: Where to save it, to be named as `tokenizer` later.
        seed: Of the order in which texts are taken.
        corpus, text_field, html_to_text: As for `open_corpus`.

    Raises:
        UsageError: A corpus cannot be found, or has no text.
    """
    sample: list[str] = []
    for each in inputs:
        opened = open_corpus(each, corpus, text_field, html_to_text)
        counts = Counts()
        read = (text for piece in opened.pieces(seed) for some in texts(piece, counts) for text in some)
        sample += _shortened(read, SAMPLE_CHARACTERS // len(inputs))
    if not sample:
        raise UsageError(f"{', '.join(name for each in inputs for name in each)}: no text to train a tokenizer on")
    encoder = train_bpe(sample, size)
    if folder is not None:
        encoder.tokenizer.save_pretrained(folder)
    return encoder


def _shortened(read: Iterable[str], most: int) -> Iterator[str]:
    """Texts up to so many characters; no more than a tenth of them from one document."""
    of_one = most // 10 + 1
    for text in read:
        for piece in _pieces(text[:of_one]):
            if most <= 0:
                return
            yield piece[:most]
            most -= len(piece)
