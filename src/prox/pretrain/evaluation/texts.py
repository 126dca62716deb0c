"""Bits per byte of a model on the documents of clean text files."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prox.corpora import CorpusFile, Preset, Quarantined, choose_presets, decode, find_files, read_blocks
from prox.errors import ProxError, UsageError
from prox.pretrain.corpus import texts_of_run
from prox.pretrain.evaluation.byte_likelihood import bits_per_byte
from prox.pretrain.evaluation.models import LoadedModel
from prox.pretrain.evaluation.results import Item, Result


class HeldOut:
    """The documents of a file, a folder, a glob or a run of `prox refine`, read anew for each model."""

    def __init__(
        self, path: str, corpus: str | None = None, text_field: str | None = None, name: str | None = None
    ) -> None:
        """Look into the files.

        Args:
            name: In results; the last part of the path, if none is given.

        Raises:
            UsageError: The path is wrong, or no file has a text.
        """
        self.name = name or _last(path)
        self._files: Sequence[CorpusFile] = find_files(texts_of_run(path))
        presets, _ = choose_presets(self._files, corpus, text_field)
        self._presets: Mapping[str, Preset] = presets

    @property
    def paths(self) -> frozenset[str]:
        """Of its files, as `CorpusFile` names them."""
        return frozenset(file.path for file in self._files)

    def check(self) -> None:
        """Read on to the first text.

        Raises:
            UsageError: There is none.
        """
        unreadable: list[int] = []
        if any(self._texts([], unreadable)):
            return
        why = f": {sum(unreadable):,} records cannot be read, or have none" if unreadable else ""
        raise UsageError(f"the held-out {self.name} has no text{why}. Give other files, or --text-field")

    def fingerprint(self, context: int) -> str:
        """Changes whenever the same model could get other figures."""
        files = [(file.path, file.size, file.version, self._presets[file.path].text_field) for file in self._files]
        return hashlib.sha256(repr((files, context)).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def score(self, loaded: LoadedModel, context: int) -> Result | str:
        """Bits per byte of every document, or why that failed."""
        keys: list[str] = []
        unreadable: list[int] = []
        try:
            likelihood = bits_per_byte(loaded.model, loaded.tokenizer, self._texts(keys, unreadable), context)
        except (ProxError, RuntimeError) as error:  # RuntimeError: the memory of a GPU, a context that is too long
            return str(error).partition("\n")[0]
        if not likelihood.bytes.sum():
            return "there is no text"
        if not math.isfinite(likelihood.nats.sum()):
            return "the model gives no probabilities (NaN or infinite): did its training diverge?"
        items = tuple(
            Item(key, nats / math.log(2), float(size))
            for key, nats, size in zip(keys, likelihood.nats.tolist(), likelihood.bytes.tolist(), strict=True)
        )
        notes = (f"{sum(unreadable):,} records have no text that can be read",) if unreadable else ()
        figures = {"bytes": float(likelihood.bytes.sum()), "documents": float(len(items))}
        return Result("bits_per_byte", False, items, figures, context=context, notes=notes)

    def _texts(self, keys: list[str], unreadable: list[int]) -> Iterator[str]:
        for file in self._files:
            for block in read_blocks(file):
                if isinstance(block, Quarantined):
                    unreadable.append(1)
                    continue
                batch = decode(block, self._presets[file.path])
                if batch.quarantined:
                    unreadable.append(len(batch.quarantined))
                for document in batch.documents:
                    keys.append(f"{len(keys)}:{hashlib.sha256(document.text.encode()).hexdigest()[:12]}")
                    yield document.text


def held_out(paths: Sequence[str], corpus: str | None = None, text_field: str | None = None) -> list[HeldOut]:
    """Each under the last part of its path, or under the whole path where others end in the same.

    Raises:
        UsageError: A path is wrong, or is given twice, or no file has a text.
    """
    paths = [path.rstrip("/") for path in paths]
    if twice := [path for path, times in Counter(paths).items() if times > 1]:
        raise UsageError(f"the held-out text {twice[0]} is given twice")
    ends = Counter(map(_last, paths))
    return [HeldOut(path, corpus, text_field, _last(path) if ends[_last(path)] == 1 else path) for path in paths]


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
