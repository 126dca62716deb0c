"""From a corpus to a trained model in a folder, begun or continued."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from prox.errors import RunError, UsageError
from prox.pretrain import checkpoints, devices, models, record
from prox.pretrain.corpus import Corpus, open_corpus
from prox.pretrain.flops import training_flops
from prox.pretrain.schedule import Schedule
from prox.pretrain.settings import Settings
from prox.pretrain.tokenizer import Encoder, bpe_size, load_tokenizer, train_tokenizer
from prox.pretrain.tokens import Sequences, open_sequences, write_tokens
from prox.pretrain.tracking import Tracker
from prox.refiners.language_model.model_files import check_files, weights_fingerprint
from prox.runs.lock import locked
from prox.runs.record import now

__all__ = ["Progress", "Result", "Settings", "pretrain"]

BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1
LARGEST_GRADIENT = 1.0
"""The weight decay (of all parameters) is published; betas and clipping are those of ProX's released configurations."""

MODEL, TOKENIZER, TOKENS, CHECKPOINTS = "model", "tokenizer", "tokens", "checkpoints"

_TOKENS_AT_ONCE = {"cpu": 1024, "cuda": 8192}
"""That one device works on, if nobody says how many sequences: what fits its caches, or a small memory of a GPU."""

_LOSSES_AT_THE_END = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is.

    Attributes:
        tokens_read: Of the corpus, while that is turned into tokens; None when training has begun.
        corpus_tokens: That are trained on in each epoch: all of the corpus, or as many as are needed.
        epochs: That the whole training will take.
        tokens: Trained on.
        seconds_left: By the speed since training was begun or continued; None before that is known.
    """

    step: int
    steps: int
    tokens_read: int | None = None
    corpus_tokens: int = 0
    epochs: float = 0.0
    tokens: int = 0
    loss: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Result:
    """A model that is trained.

    Attributes:
        model: The folder, for `AutoModelForCausalLM` and `AutoTokenizer`.
        record: What `pretrain.json` holds.
        losses: The lines of `losses.jsonl`.
    """

    model: Path
    record: dict[str, Any]
    losses: list[dict[str, float]]


def pretrain(settings: Settings, report: Report = lambda progress: None, *, start_over: bool = False) -> Result:
    """Train a model on a corpus, or go on with it where it was interrupted.

    In a process of `torchrun` or `accelerate launch` it trains together with the others, all of which get the same
    result; the main one reads the corpus and writes.

    Args:
        settings: See there.
        report: Told of the progress, in the main process.
        start_over: Remove what an earlier training has written to the output folder.

    Raises:
        UsageError: Settings, corpus, tokenizer or folder are wrong, or the folder holds another training.
        RunError: The disk is full, the storage of the corpus does not answer, or the loss is no number any more.
    """
    devices.join()
    settings.check()
    schedule = settings.schedule()
    share = devices.share_of(schedule.batch)
    transformers_logging.disable_progress_bar()
    with _lock(settings.output), _disk(settings.output):
        if devices.is_main():
            _prepare(settings, schedule, report, start_over)
        devices.wait_for_all()
        begun = json.loads((Path(settings.output) / record.RECORD).read_text(encoding="utf-8"))
        if begun["state"] != "done":
            begun = _train(settings, schedule, share, begun, report if devices.is_main() else lambda progress: None)
        devices.leave()
    return Result(Path(settings.output) / MODEL, begun, record.read_losses(settings.output))


@contextlib.contextmanager
def _lock(output: str) -> Iterator[None]:
    if not devices.is_main():
        yield
        return
    made = not Path(output).exists()
    record.claim(output)
    try:
        with locked(output):
            yield
    except UsageError:
        if made:
            with contextlib.suppress(OSError):  # where something was written
                Path(output).rmdir()
        raise


@contextlib.contextmanager
def _disk(output: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}. When {output} can be written "
            "to, run the same command again: it goes on"
        ) from error


def _prepare(settings: Settings, schedule: Schedule, report: Report, start_over: bool) -> None:
    """All that is made once: tokenizer, tokens, and the record that says whose they are."""
    folder = Path(settings.output)
    known = record.claim(settings.output)
    if known is not None and start_over:
        _remove(folder)
        known = None
    corpus = open_corpus(settings.input, settings.corpus, settings.text_field, settings.html_to_text)
    if settings.base is not None:
        check_files(_named(settings.base)[0])
    own = record.identity(
        settings,
        schedule,
        corpus_files=corpus.digest,
        precision=settings.precision or devices.best_precision(),
        weights=None if settings.base is None else weights_fingerprint(*_named(settings.base)),
        sharded=devices.sharded(),
    )
    if known is not None:
        record.check_same(known, own, settings.output)
        if known["state"] == "done":
            return
    report(Progress(0, schedule.last_step, tokens_read=0))
    try:
        _fill(settings, schedule, report, corpus, known, own)
    except UsageError:
        if known is None:  # so that the call can be made again, put right
            _remove(folder)
        raise


def _fill(
    settings: Settings,
    schedule: Schedule,
    report: Report,
    corpus: Corpus,
    known: dict[str, Any] | None,
    own: dict[str, Any],
) -> None:
    folder = Path(settings.output)
    encoder = _encoder(settings, folder)
    if settings.base is not None:
        models.check_fits(settings.base, schedule.context, encoder.size)
    begun = known or {"state": "training", "begun": now(), "sessions": 0}
    begun |= {"sessions": begun["sessions"] + 1, "settings": record.shown_settings(settings)}
    begun |= {"schedule": asdict(schedule), "identity": own, "versions": record.shown_versions()}
    record.write_record(settings.output, begun)
    begun["corpus"] = write_tokens(
        folder / TOKENS,
        corpus,
        encoder,
        schedule.context,
        schedule.tokens + 1,
        settings.seed,
        lambda tokens: report(Progress(0, schedule.last_step, tokens_read=tokens)),
    )
    begun["tokenizer"] = {"name": settings.tokenizer_name, "size": encoder.size, "digest": encoder.fingerprint}
    record.write_record(settings.output, begun)


def _named(model: str) -> tuple[str, str | None]:
    name, _, revision = model.partition("@")
    return name, revision or None


def _remove(folder: Path) -> None:
    """Remove all that a training writes, and nothing else; what says whose it is goes last."""
    for name in (MODEL, TOKENIZER, TOKENS, CHECKPOINTS):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (record.LOSSES, record.RECORD):
        (folder / name).unlink(missing_ok=True)


def _encoder(settings: Settings, folder: Path) -> Encoder:
    """The tokenizer, saved where all processes find it, and where it stays the same when training goes on."""
    own = folder / TOKENIZER
    if own.is_dir():
        return load_tokenizer(str(own))
    name = settings.tokenizer_name
    size = bpe_size(name)
    if size is None:
        encoder = load_tokenizer(name)
    else:
        options = {"text_field": settings.text_field, "html_to_text": settings.html_to_text}
        encoder = train_tokenizer([settings.input], size, seed=settings.seed, corpus=settings.corpus, **options)
    temporary = folder / f".{TOKENIZER}.tmp"
    encoder.tokenizer.save_pretrained(temporary)
    temporary.rename(own)
    return encoder


def _train(settings: Settings, schedule: Schedule, share: int, begun: dict[str, Any], report: Report) -> dict[str, Any]:
    folder = Path(settings.output)
    encoder = load_tokenizer(str(folder / TOKENIZER))
    precision: str = begun["identity"]["precision"]
    model = _model(settings, schedule, encoder, precision)
    size = models.size_of(model)
    begun["model"] = {"architecture": model.config.model_type, "vocabulary": model.config.vocab_size} | asdict(size)
    sequences = open_sequences(folder / TOKENS, schedule.context, schedule.last_step * schedule.batch, settings.seed)
    if settings.compile:
        model.compile()
    AcceleratorState._reset_state()  # of a training before this one, which may have had another precision
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(), mixed_precision="no" if precision == "fp32" else "bf16"
    )
    model.train()
    optimizer: Any = torch.optim.AdamW(
        model.parameters(), lr=schedule.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True
    )
    prepared, optimizer = accelerator.prepare(model, optimizer)
    loop = _Loop(
        accelerator, prepared, optimizer.optimizer, sequences, schedule, share, _device_batch(settings, schedule)
    )
    seconds = _run(settings, loop, begun, report)
    weights = accelerator.get_state_dict(prepared)
    if devices.is_main():
        _save(folder, accelerator.unwrap_model(prepared), encoder, weights)
        curve = record.read_losses(settings.output)
        last = [line["loss"] for line in curve[-_LOSSES_AT_THE_END:]]
        begun |= {
            "state": "done",
            "ended": now(),
            "devices": devices.world(),
            "device": str(accelerator.device.type),
            "threads": torch.get_num_threads(),
            "steps": schedule.last_step,
            "tokens": schedule.tokens,
            "epochs": schedule.tokens / (sequences.count * schedule.context),
            "loss": sum(last) / len(last),
            "seconds": round(seconds, 1),
            "tokens_per_second": round(schedule.tokens / max(seconds, 1e-9), 1),
            "flops": training_flops(size.without_embeddings, schedule.tokens),
            "flops_are": record.FLOPS,
        }
        record.write_record(settings.output, begun)
        for name in (TOKENS, CHECKPOINTS, TOKENIZER):
            shutil.rmtree(folder / name, ignore_errors=True)
    devices.wait_for_all()
    done: dict[str, Any] = json.loads((folder / record.RECORD).read_text(encoding="utf-8"))
    return done


def _model(settings: Settings, schedule: Schedule, encoder: Encoder, precision: str) -> PreTrainedModel:
    attention = models.best_attention(precision)
    if settings.base is not None:
        return models.load_model(settings.base, attention)
    shape = settings.chosen.shape
    assert shape is not None  # every preset has a model or a shape
    config = models.config_of(shape, schedule.context, models.vocabulary_for(shape, encoder.size), encoder.end)
    return models.new_model(config, settings.seed, attention)


def _device_batch(settings: Settings, schedule: Schedule) -> int:
    if settings.device_batch is not None:
        return settings.device_batch
    return max(1, _TOKENS_AT_ONCE["cuda" if torch.cuda.is_available() else "cpu"] // schedule.context)


@dataclass(slots=True)
class _Loop:
    """One step after another.

    Attributes:
        share: Sequences of a batch that are this process's.
        device_batch: Of them worked on at once.
    """

    accelerator: Accelerator
    model: Any
    optimizer: torch.optim.Optimizer
    sequences: Sequences
    schedule: Schedule
    share: int
    device_batch: int

    def step(self, number: int) -> dict[str, float]:
        """Train on the batch of a step, counted from 1, and give its figures.

        Which sequences these are follows from the number alone, however many processes share them.
        """
        schedule, world = self.schedule, devices.world()
        rate = schedule.rate(number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        first = (number - 1) * schedule.batch
        own = np.arange(first + devices.rank(), first + schedule.batch, world)
        parts = np.array_split(own, -(-self.share // self.device_batch))
        total = torch.zeros((), device=self.accelerator.device)
        for part in parts:
            rows = torch.from_numpy(self.sequences.at(part)).to(self.accelerator.device, non_blocking=True)
            last = part is parts[-1]
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.model):
                logits = self.model(input_ids=rows[:, :-1], use_cache=False).logits
                loss = torch.nn.functional.cross_entropy(
                    logits.float().flatten(0, 1), rows[:, 1:].flatten(), reduction="sum"
                )
                # The mean over the whole batch; gradients are averaged over the processes.
                (loss * (world / (schedule.batch * schedule.context))).backward()
            total += loss.detach()
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.optimizer.zero_grad()
        mean = self.accelerator.reduce(total, "sum").item() / (schedule.batch * schedule.context)
        return {
            "step": number,
            "tokens": number * schedule.batch * schedule.context,
            "loss": mean,
            "learning_rate": rate,
            "gradient_norm": float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm),
        }


def _run(settings: Settings, loop: _Loop, begun: dict[str, Any], report: Report) -> float:
    """All steps that are missing; the seconds that training took, in all sessions."""
    folder = Path(settings.output) / CHECKPOINTS
    schedule = loop.schedule
    done, before = 0, 0.0
    if (found := checkpoints.last_checkpoint(folder)) is not None:
        checkpoints.load(found[0], loop.model, loop.optimizer)
        done, before = found[1]["step"], found[1]["seconds"]
    main = devices.is_main()
    losses = record.Losses(settings.output, done) if main else None
    tracker = Tracker(settings.track, settings.output, begun["settings"]) if main and settings.track else None
    corpus_tokens = loop.sequences.count * schedule.context
    tokens_of_step = schedule.batch * schedule.context
    at_start = Progress(
        done,
        schedule.last_step,
        corpus_tokens=corpus_tokens,
        epochs=schedule.tokens / corpus_tokens,
        tokens=done * tokens_of_step,
    )
    report(at_start)
    started = time.monotonic()
    for number in range(done + 1, schedule.last_step + 1):
        figures = loop.step(number)
        if not np.isfinite(figures["loss"]):
            raise RunError(
                f"the loss of step {number:,} is {figures['loss']}: perhaps the learning rate, "
                f"{figures['learning_rate']:g}, is too high. Take a lower --learning-rate and a new folder"
            )
        seconds = time.monotonic() - started
        if losses is not None:
            losses.add(figures)
        if tracker is not None:
            tracker.log(figures)
        report(
            replace(
                at_start,
                step=number,
                tokens=number * tokens_of_step,
                loss=figures["loss"],
                tokens_per_second=(number - done) * tokens_of_step / max(seconds, 1e-9),
                seconds_left=seconds / (number - done) * (schedule.last_step - number),
            )
        )
        if number % settings.checkpoint_every == 0 and number < schedule.last_step:
            checkpoints.save(folder, number, loop.model, loop.optimizer, {"seconds": before + seconds})
    if losses is not None:
        losses.close()
    if tracker is not None:
        tracker.close()
    return before + time.monotonic() - started


def _save(folder: Path, model: PreTrainedModel, encoder: Encoder, weights: dict[str, Any]) -> None:
    temporary = folder / f".{MODEL}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        model.save_pretrained(temporary, state_dict=weights)
        encoder.tokenizer.save_pretrained(temporary)
    except SafetensorError as error:
        raise RunError(
            f"the model cannot be written into {folder}: {error}. Make room and run the same command again; it goes on"
        ) from error
    shutil.rmtree(folder / MODEL, ignore_errors=True)
    temporary.rename(folder / MODEL)
