"""From labelled documents and a base model to a folder that `prox refine` takes as it is."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prox.adapt.labels import NEUTRAL, LabelledPage
from prox.adapt.language_model.card import model_card
from prox.adapt.language_model.examples import Example, examples_of, total
from prox.adapt.language_model.prompts import family_to_train, prompt_writer
from prox.adapt.language_model.training_set import Split, TrainingSet, split_pages, training_set
from prox.adapt.whole_files import JsonLinesFile
from prox.corpora import write_atomically
from prox.document import split_lines
from prox.errors import RunError, UsageError
from prox.refiners.draft import Level
from prox.refiners.language_model.adapted import write_family
from prox.refiners.language_model.families import Family
from prox.refiners.language_model.loading import render_with
from prox.refiners.language_model.model_files import essence, load_tokens, named_for_transformers, weights_fingerprint
from prox.refiners.language_model.refiner import LanguageModelRefiner
from prox.refiners.language_model.tokens import ModelTokens
from prox.runs.score import score_gold


@dataclass(frozen=True, slots=True)
class Material:
    """What to make of labelled documents.

    Attributes:
        level: Of the programs.
        family, dialect, window, system: See `prompts.family_to_train`.
        untouched: The share of examples that change nothing; None takes them as they come.
        most_examples: No more training examples than this.
        validation_share: Of the sites.
        validation_documents: No more than this for validation: each is refined anew after every epoch.
        seed: Of the split and of all that is left out at random.
    """

    level: Level = Level.CHUNK
    family: str | None = None
    dialect: str | None = None
    window: int | None = None
    system: str | None = None
    untouched: float | None = None
    most_examples: int | None = None
    validation_share: float = 0.1
    validation_documents: int = 300
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Training set and validation pages, with the family that they were made for.

    Attributes:
        writer: Made the prompts; it has no model behind it.
        unlabelled: Documents without labels at this level.
    """

    family: Family
    writer: LanguageModelRefiner
    tokens: ModelTokens
    tokenizer: Any
    split: Split
    training: TrainingSet
    unlabelled: int

    def figures(self) -> dict[str, Any]:
        """Counts, for people and for `prox.json`."""
        examples = self.training.examples
        tokens_in, tokens_out = total(examples)
        return {
            "training_documents": len(self.split.training),
            "validation_documents": len(self.split.validation),
            "split": "by site" if self.split.by_site else "by document, for lack of sites",
            "unlabelled_documents": self.unlabelled,
            "examples": len(examples),
            "untouched_share": round(sum(not each.touched for each in examples) / max(1, len(examples)), 3),
            "prompt_tokens": tokens_in,
            "program_tokens": tokens_out,
            "prompt_tokens_quantiles": _quantiles([each.tokens_in for each in examples]),
            "program_tokens_quantiles": _quantiles([each.tokens_out for each in examples]),
            "left_out": dict(self.training.passed.most_common()),
        }


def _quantiles(values: Sequence[int]) -> dict[str, int]:
    ordered = sorted(values)
    if not ordered:
        return {}
    places = {"least": 0.0, "median": 0.5, "p95": 0.95, "most": 1.0}
    return {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in places.items()}


def prepare(pages: Sequence[LabelledPage], base: str, revision: str | None, material: Material) -> Prepared:
    """Make the training set for a base model; of the model itself only the tokenizer is loaded.

    Raises:
        UsageError: There is nothing to train on, or the options do not go together.
    """
    tokens, tokenizer = load_tokens(base, revision)
    render = render_with(tokenizer) if getattr(tokenizer, "chat_template", None) else None
    family = family_to_train(
        material.level, material.family, material.dialect, material.window, material.system, render
    )
    writer = prompt_writer(family, tokens, _context(base, revision))
    document = material.level == Level.DOCUMENT
    labelled = [page for page in pages if (page.keep is not None if document else page.has_lines)]
    if not labelled:
        wanted = "text with keep (0 or 1)" if document else "raw_text with line_labels or program"
        raise UsageError(f"none of the {len(pages)} documents is labelled at {material.level} level: {wanted}")
    split = split_pages(labelled, material.validation_share, material.validation_documents, material.seed)
    made = training_set(
        split.training, writer, untouched=material.untouched, most=material.most_examples, seed=material.seed
    )
    if not made.examples:
        why = "; ".join(f"{count:,} × {reason}" for reason, count in made.passed.most_common())
        raise UsageError(
            f"no training example could be made: {why}. A smaller --window makes shorter prompts and programs; the "
            f"context of the base is {_context(base, revision)} tokens"
        )
    return Prepared(family, writer, tokens, tokenizer, split, made, len(pages) - len(labelled))


def validation_examples(prepared: Prepared) -> list[Example]:
    """The validation documents as examples, in order, none left out for being like another."""
    return [
        each
        for page in prepared.split.validation
        for each in examples_of(page, prepared.writer)
        if isinstance(each, Example)
    ]


def _context(base: str, revision: str | None) -> int | None:
    from transformers import AutoConfig

    name, options = named_for_transformers(base, revision)
    try:
        config = AutoConfig.from_pretrained(name, **options)
    except Exception as error:  # hubs and configs have errors of their own
        raise UsageError(f"cannot read the config of {base}: {essence(error)}") from error
    context = getattr(config, "max_position_embeddings", None)
    return context if isinstance(context, int) else None


def write_gold(path: Path, pages: Sequence[LabelledPage], level: Level) -> None:
    """Labelled pages as `prox score` reads them."""
    with JsonLinesFile(str(path)) as file:
        for page in pages:
            file.write(_gold(page, level))
        file.finish()


def _gold(page: LabelledPage, level: Level) -> dict[str, Any]:
    common = {"id": page.id, "source": page.source or None, "site": page.site, "language": page.language}
    if level == Level.DOCUMENT:
        return {**common, "text": page.text, "keep": int(bool(page.keep))}
    lines = split_lines(page.text)
    partials = [
        {"line": line, "start": start, "end": end, "noise": lines[line][start:end], "conf": "high"}
        for line, start, end in page.partials
    ]
    unsure = [{"line": line, "noise": ""} for line in sorted(page.unsure_lines)]
    return {
        **common,
        "raw_text": page.text,
        "line_labels": (page.labels == 1).astype(int).tolist(),
        "neutral_lines": (page.labels == NEUTRAL).nonzero()[0].tolist(),
        "partials": partials + unsure,
    }


def judge_of(prepared: Prepared, base: str, gold: Path) -> Callable[[Any], Mapping[str, float]]:
    """Scores a model in memory by the programs that it writes for the validation pages."""
    from prox.refiners.language_model.transformers_engine import TransformersEngine

    def judge(model: Any) -> Mapping[str, float]:
        engine = TransformersEngine(
            base, None, prepared.tokens, prepared.tokenizer, {"device": str(model.device)}, loaded=model
        )
        try:
            return figures_of(LanguageModelRefiner(engine, prepared.family), gold)
        finally:
            engine.close()

    return judge


def figures_of(refiner: LanguageModelRefiner, gold: Path) -> Mapping[str, float]:
    """The published figures, and `choice`, by which the best checkpoint is chosen.

    `f1` is that of noise lines, or of documents that are kept (ProX, 3.2). Lines are chosen by the mean of their F1 and
    the content-token F1: where most lines are noise, a model that removes nearly everything has a high F1 of noise.
    """
    try:
        scores = score_gold([str(gold)], lambda level: refiner).overall
    except RunError:  # not one usable program, as an untrained model does
        return {"f1": 0.0, "choice": 0.0, "failure_ratio": 1.0}
    found = {"failure_ratio": scores.programs.failure_ratio, "calls_mean": scores.programs.calls_mean}
    if scores.lines is not None and scores.content_tokens is not None:
        lines = scores.lines
        return found | {
            "f1": lines.f1,
            "precision": lines.precision,
            "recall": lines.recall,
            "macro_f1": lines.macro_f1,
            "content_f1": scores.content_tokens.f1,
            "choice": (lines.f1 + scores.content_tokens.f1) / 2,
        }
    if scores.documents is not None:
        return found | {
            "f1": scores.documents.keep_f1,
            "accuracy": scores.documents.accuracy,
            "auc": scores.documents.auc or 0.0,
            "choice": scores.documents.keep_f1,
        }
    return found | {"f1": 0.0, "choice": 0.0}


@dataclass(frozen=True, slots=True)
class Adapted:
    """What became of it.

    Attributes:
        before: Figures of the base model on the validation pages, asked in the same way.
        validations: Figures after each epoch, with `epoch` and `step`.
        scores: Those of the model that was kept.
        data: See `Prepared.figures`.
    """

    before: Mapping[str, float]
    validations: list[dict[str, float]]
    scores: Mapping[str, float]
    data: dict[str, Any]


def adapt_language_model(
    pages: Sequence[LabelledPage],
    base: str,
    revision: str | None,
    output: Path,
    material: Material,
    settings: Any,
    report: Callable[[Mapping[str, Any]], None] = lambda figures: None,
) -> Adapted:
    """Fine-tune a base model on labelled documents and save it with all that is needed to ask it.

    Args:
        pages: The labelled documents.
        base: A local folder, a GGUF file, or a name on a hub.
        revision: Of that name.
        output: A new folder, or one where the same training was interrupted.
        material: What to make of the documents.
        settings: A `fine_tuning.Settings`.
        report: Told of each step and score, in the main process.

    In a process of `torchrun` or `accelerate launch` it trains together with the others, all of which get the same
    figures; the main one writes.

    Raises:
        UsageError: Documents, model, options or folder are wrong.
        RunError: The processes do not agree.
    """
    from prox.adapt.language_model import fine_tuning, processes

    processes.join()
    if not processes.is_main():
        report = _say_nothing
    settings.check()
    processes.of_main(lambda: _check_new(output))
    prepared = prepare(pages, base, revision, material)
    processes.check_same("examples", _digest(prepared.training.examples))
    steps = fine_tuning.steps_for(settings, processes.world())
    if steps.batch != settings.batch:
        report({"batch": steps.batch, "wanted_batch": settings.batch})
    data = prepared.figures()
    report({"data": data})
    work = output / "training"
    about = {"base": base, "base_fingerprint": weights_fingerprint(base, revision), **dataclasses.asdict(material)}
    processes.of_main(lambda: fine_tuning.keep_settings(work, settings, {**about, "examples": data["examples"]}))
    gold = work / "validation.jsonl"
    processes.of_main(lambda: write_gold(gold, prepared.split.validation, material.level))

    model = fine_tuning.load_base(base, revision)
    judge = judge_of(prepared, base, gold)
    before = processes.of_main(lambda: _before(work / "before.json", judge, model, processes.device()))
    if processes.sharded():
        model.cpu()
    report({"before": before})

    end = prepared.tokenizer.eos_token_id
    if end is None:
        raise UsageError(f"the tokenizer of {base} has no token that ends a text (eos_token)")
    training = fine_tuning.to_tokens(prepared.training.examples, prepared.tokens, end)
    best, validations = fine_tuning.fine_tune(model, prepared.tokenizer, training, settings, judge, work, report)

    def save() -> Mapping[str, float]:
        scores = dict(judge(best.to(processes.device()).eval()))  # of what is saved, after merging and in 32 bits
        best.save_pretrained(output)
        prepared.tokenizer.save_pretrained(output)
        made = {
            "base": base,
            "data": data,
            "settings": dataclasses.asdict(settings),
            "before": before,
            "validations": validations,
            "scores": scores,
        }
        write_family(output, prepared.family, made)
        (output / "README.md").write_text(model_card(output.name, prepared.family, made), encoding="utf-8")
        shutil.rmtree(work / fine_tuning.CHECKPOINTS, ignore_errors=True)
        return scores

    scores = processes.of_main(save)
    processes.leave()
    return Adapted(before, validations, scores, data)


def _say_nothing(figures: Mapping[str, Any]) -> None:
    """What a process does with its figures that is not the main one."""


def _check_new(output: Path) -> None:
    if (output / "config.json").exists():
        raise UsageError(f"{output} holds a model already; name a new folder")


def _digest(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for each in examples:
        digest.update(f"{each.prompt}\0{each.program}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _before(path: Path, judge: Callable[[Any], Mapping[str, float]], model: Any, device: Any) -> Mapping[str, float]:
    if path.is_file():
        known: Mapping[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return known
    figures = dict(judge(model.to(device).eval()))
    write_atomically(str(path), f"{json.dumps(figures)}\n".encode())
    return figures
