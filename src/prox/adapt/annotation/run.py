"""One call of `prox annotate`: from a corpus to labels, in a folder where the same call goes on."""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from prox.adapt.annotation.answers import Answers
from prox.adapt.annotation.asking import Asker, FailedError, Server, StoppedError
from prox.adapt.annotation.budget import Budget, BudgetSpentError, Limits, Prices, Spent
from prox.adapt.annotation.prompts import Prompt
from prox.adapt.annotation.seeds import Seeds, Source, find_seeds
from prox.corpora import is_local, json_text, open_file_system, shown_path, write_atomically
from prox.document import Document
from prox.errors import RunError, UsageError
from prox.refiners.draft import Level
from prox.refiners.specs import shown_spec
from prox.runs.lock import LOCK_FILE, locked

RECORD = "annotation.json"
LABELS = "labels.jsonl"
FAILED = "failed.jsonl"

_RESERVED = frozenset(
    [
        *("id", "text", "raw_text", "keep", "program", "line_labels", "neutral_lines", "partials"),
        *("educational", "format", "educational_reason", "format_reason", "characters_shown"),
        *("words_before", "words_after", "chunks", "rejected_operations", "trimmed_chunks"),
        *("disagreement", "annotator"),
    ]
)
"""Fields of labels: a field of a record that is called so is carried along as `input_…`."""


class Task(Protocol):
    """What is asked about a document, and how the answers make a label."""

    @property
    def name(self) -> str: ...

    @property
    def prompts(self) -> tuple[Prompt, ...]: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    def label(self, document: Document, asker: Asker) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """How to ask.

    Attributes:
        output: Folder on this machine; new, or of an earlier call for the same task.
        model: What the server calls it.
        shown_model: The spec without secrets.
        limits, prices: Of all calls into this folder together.
        re_asks: Further requests for an answer that cannot be used.
        threads: Documents in work at once.
    """

    output: str
    model: str
    shown_model: str
    limits: Limits = field(default_factory=Limits)
    prices: Prices = field(default_factory=Prices)
    re_asks: int = 2
    threads: int = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is."""

    records: int = 0
    documents: int = 0
    labelled: int = 0
    failed: int = 0
    asked: int = 0
    from_store: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of it.

    Attributes:
        record: As in `annotation.json`.
        stopped: Why not all documents were tried; "" if they were.
        interrupted: Because a person wanted so.
    """

    record: dict[str, Any]
    stopped: str = ""
    interrupted: bool = False


def annotate(
    task: Task,
    source: Source,
    settings: Settings,
    connect: Callable[[], Server],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Result:
    """Label documents, with what is known already and as far as the budget goes.

    Every answer is written before anything is made of it; labels are made from the answers at the end of each call.
    So a call that was killed loses nothing but the answers that had not arrived.

    Args:
        task: `DocumentTask`, `ChunkTask` or `RewriteTask`.
        source: Which documents.
        settings: How to ask.
        connect: To the server, called when the documents are known; it is closed at the end.
        on_progress: Told now and then.

    Raises:
        UsageError: The input, the output or the caps are wrong.
        RunError: A file or the server fails, or no document could be labelled.
    """
    settings.limits.check(settings.prices)
    output = _prepared(settings.output, task)
    with locked(output):
        level = Level.DOCUMENT if task.name == "documents" else Level.CHUNK
        seeds = find_seeds(source, level, output, lambda records: on_progress(Progress(records)))
        with closing(connect()) as server, closing(Answers(f"{output}/answers")) as answers:
            work = _Work(task, seeds, settings, server, answers, on_progress)
            interrupted = work.run()
            record = work.record(source)
            work.write(output, record)
    if not work.labels and work.failures and not interrupted:
        reason, count = Counter(each.reason for each in work.failures.values()).most_common(1)[0]
        raise RunError(f"no document could be labelled; {count} times: {reason}. {output}/{FAILED} has all of them")
    return Result(record, record["stopped"], interrupted)


def _prepared(given: str, task: Task) -> str:
    fs, path = open_file_system(given)
    if not is_local(fs):
        raise UsageError(f"{given} is not on this machine: answers are kept in plain files there. Name a local folder")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = [each.name for each in folder.iterdir() if each.name != LOCK_FILE and not each.name.endswith(".tmp")]
    except OSError as error:
        raise UsageError(f"cannot write into {given}: {error}") from error
    if there and RECORD not in there:
        raise UsageError(f"{given} holds {sorted(there)[0]}, and no annotation to continue. Name a new folder")
    if RECORD in there:
        try:
            before = orjson.loads((folder / RECORD).read_bytes()).get("task")
        except (ValueError, AttributeError):
            before = None
        if before != task.name:
            raise UsageError(f"{given} holds annotations of {before}, not of {task.name}. Name another folder")
    else:
        write_atomically(str(folder / RECORD), orjson.dumps({"task": task.name}))
    return str(folder)


class _Work:
    """Documents through a task, many at once."""

    def __init__(
        self,
        task: Task,
        seeds: Seeds,
        settings: Settings,
        server: Server,
        answers: Answers,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.labels: dict[int, dict[str, Any]] = {}
        self.failures: dict[int, FailedError] = {}
        self.exhausted = ""
        self._task = task
        self._seeds = seeds
        self._settings = settings
        self._server = server
        self._answers = answers
        self._on_progress = on_progress
        self._budget = Budget(settings.limits, settings.prices, answers.spent)
        self.asker = Asker(server, settings.model, answers, self._budget, settings.re_asks)

    def run(self) -> bool:
        """Whether it was interrupted."""
        with ThreadPoolExecutor(self._settings.threads, "prox-annotate") as pool:
            waiting: set[Future[None]] = set()
            try:
                for place in range(len(self._seeds.documents)):
                    waiting.add(pool.submit(self._label, place))
                    if len(waiting) >= 2 * self._settings.threads:
                        waiting = self._settled(waiting)
                while waiting:
                    waiting = self._settled(waiting)
            except BaseException as error:
                self.asker.stop("interrupted")
                self._server.close()
                if isinstance(error, KeyboardInterrupt):
                    return True
                raise
        return False

    def _settled(self, waiting: set[Future[None]]) -> set[Future[None]]:
        done, still = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        self._on_progress(
            Progress(
                self._seeds.records,
                len(self._seeds.documents),
                len(self.labels),
                len(self.failures),
                self.asker.asked.requests,
                self.asker.from_store,
            )
        )
        return still

    def _label(self, place: int) -> None:
        document = self._seeds.documents[place]
        try:
            label = self._task.label(document, self.asker)
        except FailedError as failed:
            self.failures[place] = failed
        except BudgetSpentError as spent:
            self.exhausted = f"the budget is spent: {spent}"
        except StoppedError:
            pass
        except RunError:  # the engine was closed under it
            if not self.asker.stopped:
                raise
        else:
            marks = self._seeds.disagreement
            more = {"disagreement": marks[place]} if marks else {}
            about = {"annotator": self._settings.shown_model, **more}
            self.labels[place] = {"id": document.id, **label, **about, **carried(document.metadata)}

    def record(self, source: Source) -> dict[str, Any]:
        """What `annotation.json` says."""
        settings, asker, prices = self._settings, self.asker, self._settings.prices
        specs = source.disagree and tuple([shown_path(shown_spec(spec)) for spec in source.disagree])
        shown_source = asdict(source) | {"disagree": specs, "inputs": tuple(map(shown_path, source.inputs))}
        labels = self.labels.values()
        judged = {"kept": sum(label["keep"] for label in labels)} if self._task.name == "documents" else {}
        edited = {name: sum(label[name] for label in labels) for name in _SUMS if labels and name in next(iter(labels))}
        return {
            "task": self._task.name,
            "model": settings.shown_model,
            "prompts": {prompt.name: prompt.fingerprint for prompt in self._task.prompts},
            "settings": {
                **self._task.settings,
                "source": shown_source,
                "limits": asdict(settings.limits),
                "prices": asdict(prices),
                "re_asks": settings.re_asks,
            },
            "corpus": {
                "records": self._seeds.records,
                "passed_over": self._seeds.passed_over,
                "strata": self._seeds.strata,
                "problems": list(self._seeds.problems),
            },
            "documents": len(self._seeds.documents),
            "labelled": len(self.labels),
            "failed": dict(Counter(each.reason.partition(":")[0] for each in self.failures.values()).most_common()),
            "untried": len(self._seeds.documents) - len(self.labels) - len(self.failures),
            **judged,
            **edited,
            "stopped": asker.stopped or self.exhausted,
            "budget_spent": bool(self.exhausted and not asker.stopped),
            "this_time": _cost(asker.asked, prices)
            | {"from_store": asker.from_store, "asked_again": asker.asked_again},
            "in_all": _cost(self._answers.spent, prices),
            "unreadable_answers": self._answers.unreadable,
        }

    def write(self, output: str, record: dict[str, Any]) -> None:
        """Labels and failures in the order of the documents, then the record."""
        documents = self._seeds.documents
        labels = [label for _, label in sorted(self.labels.items())]
        failures = [
            {"id": documents[place].id, "reason": failed.reason, "answer": failed.answer}
            for place, failed in sorted(self.failures.items())
        ]
        for name, rows in ((LABELS, labels), (FAILED, failures)):
            write_atomically(f"{output}/{name}", b"".join([json_text.dumps(row) + b"\n" for row in rows]))
        write_atomically(f"{output}/{RECORD}", orjson.dumps(record, option=orjson.OPT_INDENT_2))


_SUMS = ("words_before", "words_after", "chunks", "rejected_operations", "trimmed_chunks")


def _cost(spent: Spent, prices: Prices) -> dict[str, Any]:
    return asdict(spent) | {"cost": prices.of(spent.tokens_in, spent.tokens_out)}


def carried(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record that a label carries along, under names that are no label's."""
    fields = {}
    for name, value in metadata.items():
        while name in _RESERVED or name in fields:
            name = f"input_{name}"
        fields[name] = value
    return fields
