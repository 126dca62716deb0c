"""From labelled pages to a whole tagger: which of its three parts is trained, which stays, which it does without."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from prox.adapt.labels import LabelledPage, with_titles
from prox.adapt.tagger.documents import (
    DocumentInputs,
    DocumentScores,
    LineLogits,
    calibrated,
    concatenate,
    cross_validate_documents,
    document_inputs,
    every_line,
    fit_documents,
)
from prox.adapt.tagger.export import line_arrays, line_network
from prox.adapt.tagger.gold import part_of_site
from prox.adapt.tagger.network import LineNetwork, Shape, make_batch
from prox.adapt.tagger.opinions import FEWEST_SITES, with_second_opinions
from prox.adapt.tagger.parts import fit_parts
from prox.adapt.tagger.train import Plan, train
from prox.errors import UsageError
from prox.refiners.tagger.features import FloatArray, LineFeatures, line_features
from prox.refiners.tagger.weights import embedded_path, weight_arrays

log = logging.getLogger(__name__)

NOISE_THRESHOLD = 0.5

LONGEST_PAGE = 80_000
"""Lines of a page; a longer one would be a batch that no memory is meant for, and is left out of training."""

FEWEST_PARTS = 50
"""Marked parts of lines in the training pages from which a judge of parts can be trained."""

FEWEST_DOCUMENTS = 20
"""Documents of each kind, kept and dropped, from which a judge of documents can be trained."""

Start = Literal["embedded", "scratch"]
Origin = Literal["trained", "embedded", "none"]

EPOCHS: dict[Start, tuple[int, int]] = {"embedded": (2, 5), "scratch": (3, 10)}
"""The fewest and most epochs, if nobody says how many."""

LINES_SEEN = 16_000_000
"""Lines after which more epochs are not worth their time."""

LEARNING_RATES: dict[Start, float] = {"embedded": 1e-3, "scratch": 3e-3}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; the same settings and pages give the same tagger on the same machine.

    Attributes:
        start: Go on from the embedded tagger, or from nothing.
        epochs: Times that training sees all pages; None lets their number decide, see `epochs_for`.
        threads: Of PyTorch.
    """

    start: Start
    epochs: int | None
    seed: int
    threads: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A tagger.

    Attributes:
        arrays: What its weights file holds.
        lines, parts, documents: Where each of its three parts is from.
        held_back: The pages with labelled lines that nothing was trained on.
        judged: The documents that are labelled keep or drop.
        document_scores: Of the judge of documents, in cross-validation by site; None if none was trained.
        pages: How many pages with labelled lines trained, steered, were held back.
        noise_lines, content_lines: Of the training pages.
        epochs: Of the line network; 0 if it was not trained.
        notes: What a person should know.
    """

    arrays: dict[str, np.ndarray]
    lines: Origin
    parts: Origin
    documents: Origin
    held_back: list[LabelledPage]
    judged: list[LabelledPage]
    document_scores: DocumentScores | None
    pages: dict[str, int]
    noise_lines: int
    content_lines: int
    epochs: int
    notes: tuple[str, ...]


def fit_tagger(gold: Sequence[LabelledPage], run: Sequence[LabelledPage], settings: Settings) -> Fitted:
    """Train what the labels are enough for.

    Lines are trained on the pages of most sites, see `part_of_site`. A judge of parts of lines, or of documents, is
    trained if there are enough labels for it; else that of the embedded tagger stays, or there is none if the start is
    from scratch.

    Args:
        gold: Pages of label files. Their documents are taken for extracted ones, without a page around them.
        run: Pages of runs.
        settings: How.

    Raises:
        UsageError: The labels are not enough to train anything.
    """
    torch.set_num_threads(settings.threads)
    pages = [*gold, *run]
    embedded = weight_arrays(embedded_path().read_bytes()) if settings.start == "embedded" else None
    of_part: dict[str, list[LabelledPage]] = {"training": [], "development": [], "held-back": []}
    for page in pages:
        if page.has_lines:
            of_part[part_of_site(page.site)].append(page)
    training = [with_titles(page) for page in of_part["training"] if len(page.labels) <= LONGEST_PAGE]
    too_long = len(of_part["training"]) - len(training)
    of_part["training"], development = training, of_part["development"]
    noise, content = (sum(_lines_with_text(page, label) for page in training) for label in (1, 0))
    judged_gold, judged_run = map(_judged, (gold, run))
    kept, dropped = (sum(page.keep is keep for page in [*judged_gold, *judged_run]) for keep in (True, False))
    notes: list[str] = []
    if too_long:
        notes.append(f"{too_long} pages of more than {LONGEST_PAGE:,} lines were left out of training")
    if any(of_part.values()):
        _check_lines(of_part, noise, content)
        log.info("%d pages to train, %d to steer, %d held back", *map(len, of_part.values()))
        if not of_part["held-back"]:
            notes.append("no site is held back, so nothing says how good this tagger is: give pages of more sites")
    elif embedded is None or min(kept, dropped) < FEWEST_DOCUMENTS:
        raise UsageError(_nothing_to_learn(len(pages), kept, dropped, settings.start))

    epochs = 0
    if training:
        epochs = settings.epochs or epochs_for(settings.start, sum(len(page.labels) for page in training))
    arrays, network = _lines(training, development, embedded, settings, epochs)
    logits_of = _logits_of(network)

    parts_origin: Origin = "none" if embedded is None else "embedded"
    marked = sum(len(page.partials) for page in training)
    judge_of_parts = fit_parts([*training, *development], settings.seed) if marked >= FEWEST_PARTS else None
    if judge_of_parts is not None:
        arrays |= judge_of_parts
        parts_origin = "trained"
    elif marked >= FEWEST_PARTS:
        judge = "it removes whole lines only" if embedded is None else "that judge is the embedded one"
        notes.append(f"of the parts of lines that a tagger can see, all are noise or none is: {judge}")
    elif training and embedded is None:
        notes.append(f"{marked} parts of lines are marked as noise; without {FEWEST_PARTS} it removes whole lines only")

    documents_origin: Origin = "none" if embedded is None else "embedded"
    scores = None
    if min(kept, dropped) >= FEWEST_DOCUMENTS:
        fitted, scores = _documents(judged_gold, judged_run, logits_of)
        arrays |= fitted
        documents_origin = "trained"
        if not scores.by_site:
            notes.append(
                "too few sites to cross-validate documents by site: other pages of their sites flatter the scores"
            )
    else:
        judge = "it judges none" if embedded is None else "that judge is the embedded one"
        notes.append(f"{kept} documents are labelled keep and {dropped} drop; without {FEWEST_DOCUMENTS} each, {judge}")
    return Fitted(
        arrays=arrays,
        lines="trained" if training else "embedded",
        parts=parts_origin,
        documents=documents_origin,
        held_back=of_part["held-back"],
        judged=[*judged_gold, *judged_run],
        document_scores=scores,
        pages={name: len(some) for name, some in of_part.items()},
        noise_lines=noise,
        content_lines=content,
        epochs=epochs,
        notes=tuple(notes),
    )


def epochs_for(start: Start, lines: int) -> int:
    """How often to see so many lines.

    >>> epochs_for("scratch", 500_000), epochs_for("scratch", 2_500_000), epochs_for("embedded", 100_000_000)
    (10, 6, 2)
    """
    fewest, most = EPOCHS[start]
    return max(fewest, min(most, LINES_SEEN // max(lines, 1)))


def _check_lines(of_part: dict[str, list[LabelledPage]], noise: int, content: int) -> None:
    if not of_part["training"]:
        pages = sum(map(len, of_part.values()))
        raise UsageError(
            f"the {pages} pages are from so few sites that all are held back or steer training, and none trains. Give "
            "pages of more sites"
        )
    if not noise or not content:
        missing = "noise" if not noise else "content"
        raise UsageError(f"not one line of the training pages is {missing}: there is nothing to tell apart")


def _nothing_to_learn(pages: int, kept: int, dropped: int, start: Start) -> str:
    found = f"{pages} pages, none with labelled lines, {kept} documents to keep and {dropped} to drop"
    if start == "scratch":
        return f"{found}: a tagger from scratch needs labelled lines. Give some, or leave out --from scratch"
    return (
        f"{found}: nothing to learn from. Give pages with labelled lines (raw_text with line_labels or program), or at "
        f"least {FEWEST_DOCUMENTS} documents of each kind (text with keep)"
    )


def _lines(
    training: Sequence[LabelledPage],
    development: Sequence[LabelledPage],
    embedded: dict[str, np.ndarray] | None,
    settings: Settings,
    epochs: int,
) -> tuple[dict[str, np.ndarray], LineNetwork]:
    """The arrays of the whole tagger, and the line network that the other parts hang on."""
    start = None if embedded is None else line_network(embedded)
    if not training:
        assert embedded is not None and start is not None
        return dict(embedded), start.eval()
    plan = Plan(epochs=epochs, seed=settings.seed, learning_rate=LEARNING_RATES[settings.start])
    if start is None and len({page.site for page in training}) >= FEWEST_SITES:
        training = with_second_opinions(training, Shape(), plan)
    network = train(training, development, Shape(), plan, start).eval()
    return (embedded or {}) | line_arrays(network, NOISE_THRESHOLD), network


def _logits_of(network: LineNetwork) -> LineLogits:
    @torch.no_grad()
    def logits_of(features: LineFeatures) -> FloatArray:
        if not len(features.rows):
            return np.zeros(0, np.float32)
        return network(make_batch([features])).numpy()

    return logits_of


def _lines_with_text(page: LabelledPage, label: int) -> int:
    lines = zip(page.text.split("\n"), page.labels.tolist(), strict=True)
    return sum(each == label and not line.isspace() and line != "" for line, each in lines)


def _judged(pages: Sequence[LabelledPage]) -> list[LabelledPage]:
    """The pages with a document label, but blank ones, which no judge ever sees."""
    return [page for page in pages if page.keep is not None and len(line_features(page.text).rows)]


def _documents(
    extracted: Sequence[LabelledPage], raw: Sequence[LabelledPage], logits_of: LineLogits
) -> tuple[dict[str, np.ndarray], DocumentScores]:
    """All judged documents train; what the judge is worth, cross-validation by site says."""
    keep = np.array([int(bool(page.keep)) for page in [*extracted, *raw]])
    sites = [page.site for page in [*extracted, *raw]]
    whole, judged = _views(extracted, raw, logits_of)
    scores = cross_validate_documents(whole, judged, keep, sites)
    log.info("documents: %d, AUC %.3f in cross-validation", len(keep), scores.auc)
    return calibrated(fit_documents(whole, keep), scores), scores


def _views(
    extracted: Sequence[LabelledPage], raw: Sequence[LabelledPage], logits_of: LineLogits
) -> tuple[DocumentInputs, DocumentInputs]:
    """The documents to train on, and as the judge sees them. Those of a run are the same: its pages are to come."""
    of_run = document_inputs([page.text for page in raw], logits_of) if raw else None
    if not extracted:
        assert of_run is not None
        return of_run, of_run
    texts = [page.text for page in extracted]
    whole, judged = document_inputs(texts, logits_of, every_line), document_inputs(texts, logits_of)
    return (whole, judged) if of_run is None else (concatenate(whole, of_run), concatenate(judged, of_run))
