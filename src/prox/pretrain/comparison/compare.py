"""Two or more corpora, the same small model on each, the same tokens: which text teaches more?"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prox.corpora import write_atomically
from prox.errors import UsageError
from prox.pretrain.comparison.corpora import Corpus, facts, refining_of
from prox.pretrain.comparison.plot import plot
from prox.pretrain.comparison.trainings import Training, train_all
from prox.pretrain.corpus import open_corpus
from prox.pretrain.evaluation.comparison import compare, models_of
from prox.pretrain.evaluation.hub import hub_answers
from prox.pretrain.evaluation.measuring import measure
from prox.pretrain.evaluation.models import common_context
from prox.pretrain.evaluation.results import Store
from prox.pretrain.evaluation.suites import TaskSpec
from prox.pretrain.evaluation.texts import HeldOut
from prox.pretrain.settings import Settings
from prox.pretrain.tokenizer import bpe_size, load_tokenizer, train_tokenizer
from prox.runs.lock import locked
from prox.runs.record import now, versions

RECORD, PLOT = "compare.json", "compare.svg"
MODELS, TOKENIZER, EVALUATION = "models", "tokenizer", "evaluation"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to compare, and how.

    Attributes:
        corpora: The first is what the others are compared with.
        output: A new folder, or that of a comparison to continue; more corpora and seeds may be added to it.
        seeds: Trainings on each corpus: seed 0, 1, …
        tokens: Of each training, the same for all; the preset's, if None.
        tokenizer: One for all models; trained on equal shares of all corpora if it is `bpe:SIZE`.
        workers: Trainings at once.
        batch_size: Requests of a task that a model gets at once.
    """

    corpora: tuple[Corpus, ...]
    output: str
    seeds: int
    tokens: int | None = None
    preset: str | None = None
    tokenizer: str | None = None
    workers: int = 1
    corpus: str | None = None
    text_field: str | None = None
    batch_size: int = 8


def run_comparison(
    wanted: Comparison, tasks: Sequence[TaskSpec], texts: Sequence[HeldOut], say: Say = lambda line: None
) -> dict[str, Any]:
    """Train, evaluate, compare; the report as `compare.json` keeps it.

    What is done stays in the output folder: a comparison that was interrupted goes on.

    Raises:
        UsageError: Corpora, settings or the folder are wrong.
        RunError: A training failed.
    """
    _check_texts(wanted, texts)
    settings = Settings(input=(), output="", preset=wanted.preset, tokenizer=wanted.tokenizer, tokens=wanted.tokens)
    settings.schedule()
    folder = Path(wanted.output)
    known = _claim(folder, settings)
    with locked(wanted.output):
        write_atomically(str(folder / RECORD), _json(known))
        tokenizer = _tokenizer(wanted, settings, folder, say)
        trainings = _trainings(wanted, tokenizer)
        _tell_of_others(folder, trainings, say)
        count = 0

        def done(training: Training, record: Mapping[str, Any]) -> None:
            nonlocal count
            count += 1
            say(
                f"{training.corpus.name}, seed {training.seed}: loss {record['loss']:.3f} on its own text after "
                f"{record['tokens']:,} tokens, {record['seconds']:,.0f} s ({count} of {len(trainings)})"
            )

        say(f"{len(trainings)} trainings, {wanted.workers} at once")
        records = train_all(trainings, wanted.workers, done)
        report = _evaluate(wanted, trainings, tasks, texts, folder, say)
        report["corpora"] = [
            facts(
                corpus,
                [record for training, record in zip(trainings, records, strict=True) if training.corpus == corpus],
            )
            for corpus in wanted.corpora
        ]
        report = known | {
            "state": "done",
            "ended": now(),
            "seeds": wanted.seeds,
            "model": records[0]["model"],
            "versions": versions(),
            **report,
        }
        write_atomically(str(folder / RECORD), _json(report))
        plot(report, folder / PLOT)
    return report


def _check_texts(wanted: Comparison, texts: Sequence[HeldOut]) -> None:
    """What is wrong with the last corpus, or with the text to judge by, should show before the first one trains."""
    for text in texts:
        text.check()
    for corpus in wanted.corpora:
        opened = open_corpus([corpus.path], wanted.corpus, wanted.text_field)
        refining_of(corpus)
        own = {file.path for file in opened.files}
        if both := next((text for text in texts if text.paths & own), None):
            raise UsageError(
                f"{both.name} is held-out text and part of the corpus {corpus.name}: whoever has read it foretells it. "
                "Take text that no corpus has"
            )


def _claim(folder: Path, settings: Settings) -> dict[str, Any]:
    """What all models of the folder have in common.

    Raises:
        UsageError: The folder holds something else, or models that cannot be compared with these.
    """
    own = {"preset": settings.chosen.name, "tokenizer": settings.tokenizer_name, "tokens": settings.schedule().tokens}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = (folder / RECORD).read_bytes() if (folder / RECORD).exists() else None
        others = any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"cannot write into the folder {folder}: {error.strerror or error}") from error
    if found is None:
        if others:
            raise UsageError(f"{folder} is not empty; name a new folder, or remove it first")
        return {"state": "training", "begun": now(), **own}
    try:
        record = json.loads(found)
        differences = [f"--{name} {record[name]}, now {own[name]}" for name in own if record[name] != own[name]]
        begun = record["begun"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder / RECORD} is not from a comparison that can be continued. Name a new folder"
        ) from error
    if differences:
        raise UsageError(
            f"{folder} holds models that cannot be compared with these: {'; '.join(differences)}. Name a new folder"
        )
    return {"state": "training", "begun": begun, **own}


def _tokenizer(wanted: Comparison, settings: Settings, folder: Path, say: Say) -> str:
    """One for all models: text in different tokens would be different budgets."""
    name = settings.tokenizer_name
    size = bpe_size(name)
    if size is None:
        if not Path(name).exists():
            hub_answers()  # asked once; the libraries would go on asking for minutes
        load_tokenizer(name)
        return name
    own = folder / TOKENIZER
    if not own.is_dir():
        say(f"a tokenizer of {size:,} tokens, trained on equal shares of all corpora")
        begun = folder / f".{TOKENIZER}.tmp"
        inputs = [[corpus.path] for corpus in wanted.corpora]
        train_tokenizer(inputs, size, str(begun), corpus=wanted.corpus, text_field=wanted.text_field)
        begun.rename(own)
    return str(own)


def _trainings(wanted: Comparison, tokenizer: str) -> list[Training]:
    """Seed by seed, so that an early look at the folder sees all corpora."""
    return [
        Training(
            corpus,
            seed,
            Settings(
                input=(corpus.path,),
                output=str(Path(wanted.output) / MODELS / f"{corpus.name}-{seed}"),
                preset=wanted.preset,
                tokenizer=tokenizer,
                tokens=wanted.tokens,
                seed=seed,
                corpus=wanted.corpus,
                text_field=wanted.text_field,
            ),
        )
        for seed in range(wanted.seeds)
        for corpus in wanted.corpora
    ]


def _tell_of_others(folder: Path, trainings: Sequence[Training], say: Say) -> None:
    """Fewer seeds or corpora than before give a report of fewer; nobody should take it for the one of all."""
    wanted = {Path(training.settings.output).name for training in trainings}
    others = sorted(path.name for path in (folder / MODELS).glob("*") if path.name not in wanted)
    if others:
        say(f"{RECORD} and {PLOT} will leave out models that are there but not asked for: {', '.join(others)}")


def _evaluate(
    wanted: Comparison,
    trainings: Sequence[Training],
    tasks: Sequence[TaskSpec],
    texts: Sequence[HeldOut],
    folder: Path,
    say: Say,
) -> dict[str, Any]:
    groups = [
        f"{corpus.name}={','.join(str(each.model) for each in trainings if each.corpus == corpus)}"
        for corpus in wanted.corpora
    ]
    models = models_of([], groups)
    context = common_context(models.names, None) if texts else 0
    store = Store(str(folder / EVALUATION))
    measured = measure(models.names, tasks, texts, context, None, wanted.batch_size, store, say)
    return compare(models, measured) | {"limit": None}


def _json(record: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(record, indent=1, ensure_ascii=False)}\n".encode()
