"""The corpora of a comparison: how they are named, and what is known of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prox.corpora import open_file_system
from prox.errors import UsageError
from prox.pretrain.refining import Refining, read_run
from prox.runs.record import RUN_FILE

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,39}")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Text to train on, under the name that tables show."""

    name: str
    path: str


def corpora_of(given: Sequence[str]) -> tuple[Corpus, ...]:
    """`NAME=PATH`, as on the command line; the first one is what the others are compared with.

    Raises:
        UsageError: One is written otherwise, a name comes twice, or there are fewer than two.
    """
    corpora = tuple(_corpus(each) for each in given)
    if len(corpora) < 2:
        raise UsageError("name two corpora or more, the raw one first: prox compare raw=crawl refined=refined OUTPUT")
    names = [corpus.name.lower() for corpus in corpora]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f'two corpora are named "{twice}"')
    return corpora


def _corpus(given: str) -> Corpus:
    name, equals, path = given.partition("=")
    if not equals or not path:
        raise UsageError(f'"{given}" is not NAME=PATH. Write for example raw=crawl.jsonl.gz')
    if not _NAME.fullmatch(name):
        raise UsageError(f'"{name}" cannot name a corpus: take letters, digits and . _ + - (40 at most)')
    return Corpus(name, path)


def refining_of(corpus: Corpus) -> Refining | None:
    """What it cost to make the corpus, where it is an output folder of `prox refine`.

    Raises:
        UsageError: It looks like one, but its record cannot be read.
    """
    fs, path = open_file_system(corpus.path)
    return read_run(corpus.path) if fs.exists(f"{path.rstrip('/')}/{RUN_FILE}") else None


def facts(corpus: Corpus, trainings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a corpus is, by the records of the trainings on it and of the run that made it.

    Of one that no training has read to its end, nobody knows how much of it that was.
    """
    read = [record["corpus"] for record in trainings]
    whole = all(each["read_to_the_end"] for each in read)
    refining = refining_of(corpus)
    return {
        "name": corpus.name,
        "path": corpus.path,
        "read_to_the_end": whole,
        "documents": max(each["documents"] for each in read) if whole else None,
        "tokens": max(each["tokens"] for each in read) if whole else None,
        "epochs": sum(record["epochs"] for record in trainings) / len(trainings) if whole else None,
        "training_flops": sum(record["flops"] for record in trainings) // len(trainings),
        "refining_flops": None if refining is None else refining.flops,
        "refining_seconds": None if refining is None else refining.seconds,
        "final_losses": [record["loss"] for record in trainings],
    }
