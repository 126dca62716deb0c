"""What a stage costs: tokens, seconds, FLOPs."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field


@dataclass(frozen=True, slots=True)
class StageCost:
    """Sums over the documents that a stage read.

    Attributes:
        documents: That came to it.
        programs: Written for them, one for each chunk.
        unusable: Programs that could not be used: none was written, or it was ignored for its errors.
        words: Of the documents.
        words_sent: Of these, the words that the second refiner of a cascade was asked about.
        tokens_in, tokens_out: Read and written by its language model.
        seconds: In which it had work; where several threads share it, each second counts once.
    """

    documents: int = 0
    programs: int = 0
    unusable: int = 0
    words: int = 0
    words_sent: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = field(default=0.0, compare=False)

    def __add__(self, other: "StageCost") -> "StageCost":
        return StageCost(*[a + b for a, b in zip(astuple(self), astuple(other), strict=True)])


def inference_flops(parameters: int, tokens_in: int, tokens_out: int) -> int:
    """About 2·N·(D_prefill + D_decode), N without embeddings (ProX, appendix on FLOPs)."""
    return 2 * parameters * (tokens_in + tokens_out)


class Stopwatch:
    """The time in which at least one thread was at work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work = 0
        self._since = self._seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._lock:
            self._count()
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._count()
                self._at_work -= 1

    def take(self) -> float:
        """The seconds since they were last taken."""
        with self._lock:
            self._count()
            seconds, self._seconds = self._seconds, 0.0
            return seconds

    def _count(self) -> None:
        now = time.monotonic()
        if self._at_work:
            self._seconds += now - self._since
        self._since = now
