"""A corpus in tokens, on disk: documents one after another, an end of a text behind each, cut into sequences.

Tokens are written once, in the order of the seed and no more than training needs, and then read from anywhere in the
file. So memory does not grow with the corpus, every process of a training sees the same sequences, and to go on with a
training its step is enough.
"""

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prox.corpora import write_atomically
from prox.errors import UsageError
from prox.pretrain.corpus import Corpus, Counts, shown_counts, texts
from prox.pretrain.order import shuffled
from prox.pretrain.tokenizer import Encoder

_STATE = "tokens.json"
_TOKENS = "tokens.bin"
_KEEP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sequences:
    """The sequences of a corpus.

    Attributes:
        tokens: All tokens, in a file.
        context: Tokens of a sequence; the next one begins with the token that the last one of this has to foretell.
        count: How many there are; what is left behind the last one is not trained on.
        seed: Of their order.
    """

    tokens: npt.NDArray[Any]
    context: int
    count: int
    seed: int

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The sequences at these places of the training, which goes through all of them, anew in each epoch.

        Each is one token longer than the context: the last ones are there to be foretold.
        """
        rows = np.empty((len(places), self.context + 1), np.int64)
        for epoch in np.unique(places // self.count):
            own = places // self.count == epoch
            chosen = shuffled(places[own] % self.count, self.count, self.seed, int(epoch))
            for row, number in zip(np.flatnonzero(own), chosen, strict=True):
                start = int(number) * self.context
                rows[row] = self.tokens[start : start + self.context + 1]
        return rows


def open_sequences(folder: Path, context: int, most: int, seed: int) -> Sequences:
    """The sequences of a folder that `write_tokens` filled.

    Args:
        most: Sequences that training needs; there may be one more, by what was read at once.
    """
    state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    tokens = np.memmap(folder / _TOKENS, state["type"], mode="r", shape=(state["tokens"],))
    return Sequences(tokens, context, min(most, (state["tokens"] - 1) // context), seed)


def write_tokens(
    folder: Path,
    corpus: Corpus,
    encoder: Encoder,
    context: int,
    wanted: int,
    seed: int,
    report: Callable[[int], None] = lambda tokens: None,
) -> dict[str, Any]:
    """Turn a corpus into tokens, or what is missing of it after an interruption.

    Args:
        context: Of the sequences: fewer tokens are no corpus.
        wanted: No more tokens than this.
        report: Told how many there are.

    Returns:
        Counts for `pretrain.json`.

    Raises:
        UsageError: The corpus has too little text.
        StorageError: A file cannot be opened or read on.
        OSError: The disk is full, for example.
    """
    path = folder / _STATE
    state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not state:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        state = {"type": "uint16" if encoder.size <= 1 << 16 else "uint32", "tokens": 0, "pieces": 0, "seconds": 0.0}
        state |= {"whole": False, "done": False} | shown_counts(Counts())
    if not state["done"]:
        _go_on(folder, state, corpus, encoder, wanted, seed, report)
    if state["tokens"] <= context:
        bad = "".join(f"; {count:,} records: {kind}" for kind, count in state["quarantined"].items())
        raise UsageError(
            f"the corpus has {state['tokens']:,} tokens (documents: {state['documents']:,}), which is not one sequence "
            f"of {context:,}{bad}. Give it more text, or take a smaller --context"
        )
    return {
        "files": len(corpus.files),
        **{name: state[name] for name in ("documents", "empty_documents", "quarantined", "tokens")},
        "read_to_the_end": state["whole"],
        "problems": list(corpus.problems),
        "seconds": round(state["seconds"], 1),
    }


def _go_on(
    folder: Path,
    state: dict[str, Any],
    corpus: Corpus,
    encoder: Encoder,
    wanted: int,
    seed: int,
    report: Callable[[int], None],
) -> None:
    counts = Counts(state["documents"], state["empty_documents"], Counter(state["quarantined"]))
    pieces = corpus.pieces(seed)
    kind = np.dtype(state["type"])
    started, kept, before = time.monotonic(), time.monotonic(), state["seconds"]
    with (folder / _TOKENS).open("ab") as file:
        file.truncate(state["tokens"] * kind.itemsize)

        def keep(**more: Any) -> None:
            file.flush()
            os.fsync(file.fileno())
            state.update(shown_counts(counts), seconds=before + time.monotonic() - started, **more)
            write_atomically(str(folder / _STATE), f"{json.dumps(state)}\n".encode())

        tokens = state["tokens"]
        for number in range(state["pieces"], len(pieces)):
            for some in texts(pieces[number], counts):
                for document in encoder.encode(some):
                    found = np.append(document, np.uint32(encoder.end))[: wanted - tokens]
                    file.write(found.astype(kind).tobytes())
                    tokens += len(found)
                report(tokens)
                if tokens >= wanted:
                    return keep(tokens=tokens, pieces=number, done=True)
            if time.monotonic() - kept > _KEEP_SECONDS:
                keep(tokens=tokens, pieces=number + 1)
                kept = time.monotonic()
        return keep(tokens=tokens, pieces=len(pieces), whole=True, done=True)
