"""The folder of a trained tagger: weights, what it was trained on, how good it is."""

import dataclasses
import importlib.metadata
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from prox.adapt.labels import NEUTRAL, LabelledPage, Sorted
from prox.adapt.tagger.export import write_weights
from prox.adapt.tagger.fit import Fitted, Settings
from prox.corpora import shown_path
from prox.errors import UsageError
from prox.refiners import Level, Refiner
from prox.refiners.tagger import TaggerRefiner
from prox.refiners.tagger.refiner import load_tagger
from prox.refiners.tagger.weights import WEIGHTS_FILE
from prox.runs.score import GoldScore, score_gold
from prox.runs.score_tally import Scores

RECORD_FILE = "adapt.json"
CARD_FILE = "MODEL_CARD.md"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the labels are from, as they were named, and what was found there."""

    gold: tuple[str, ...]
    programs: str | None
    input: tuple[str, ...]
    of_gold: Sorted
    of_run: Sorted


def claim_folder(output: str) -> Path:
    """Make the output folder before hours of work.

    Raises:
        UsageError: Something is in it, or it cannot be made.
    """
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{output} is not empty; name a new folder")
    except OSError as error:
        raise UsageError(f"{output} cannot be made a folder: {error}") from error
    return folder


def write_tagger(folder: Path, fitted: Fitted, sources: Sources, settings: Settings, seconds: float) -> dict[str, Any]:
    """Write all files of a trained tagger, and score it; gives what `adapt.json` holds."""
    write_weights(folder / WEIGHTS_FILE, fitted.arrays)
    tagger = load_tagger(str(folder))
    record = {
        "prox": importlib.metadata.version("prox-refine"),
        "settings": {**dataclasses.asdict(settings), "epochs": fitted.epochs},
        "seconds_of_training": round(seconds),
        "gold": tuple(map(shown_path, sources.gold)),
        "programs": sources.programs and shown_path(sources.programs),
        "input": tuple(map(shown_path, sources.input)),
        "pages": {"gold": len(sources.of_gold.pages), "run": len(sources.of_run.pages), **fitted.pages},
        "training_lines": {"noise": fitted.noise_lines, "content": fitted.content_lines},
        "passed_over": _passed_over(sources.of_gold) + _passed_over(sources.of_run),
        "lines_unknown": dict(sources.of_run.lines_unknown),
        "levels": {"lines": fitted.lines, "parts": fitted.parts, "documents": fitted.documents},
        "notes": fitted.notes,
        "fingerprint": tagger.weights.fingerprint,
        "scores": {
            "tagger": score_held_back(fitted.held_back, TaggerRefiner(Level.CHUNK, tagger=tagger)),
            "embedded": score_held_back(fitted.held_back, TaggerRefiner(Level.CHUNK)),
        },
        "documents": _document_scores(fitted),
    }
    (folder / CARD_FILE).write_text(_card(record), encoding="utf-8")
    (folder / RECORD_FILE).write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2))
    return record


def _passed_over(entries: Sorted) -> list[dict[str, Any]]:
    found = sorted(entries.passed_over.items(), key=lambda each: -each[1][0])
    return [{"reason": reason, "count": count, "first": first} for reason, (count, first) in found]


def score_held_back(pages: Sequence[LabelledPage], refiner: Refiner) -> dict[str, Any] | None:
    """The figures of `prox score` on pages that nothing was trained on, all together and by source."""
    if not pages:
        return None
    scores = _score(map(line_record, pages), refiner)
    sources = {source: _line_figures(of_source) for source, of_source in scores.sources.items()}
    return {**_line_figures(scores.overall), "sources": sources}


def line_record(page: LabelledPage) -> dict[str, Any]:
    """A page as a line of a label file."""
    certain = [{"line": line, "start": start, "end": end} for line, start, end in page.partials]
    return {
        "id": page.id,
        "source": page.source or None,
        "raw_text": page.text,
        "line_labels": (page.labels == 1).astype(int).tolist(),
        "neutral_lines": np.flatnonzero(page.labels == NEUTRAL).tolist(),
        "partials": [*certain, *({"line": line} for line in sorted(page.unsure_lines))],
    }


def _score(records: Iterable[dict[str, Any]], refiner: Refiner) -> GoldScore:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.jsonl"
        with path.open("wb") as file:
            for record in records:
                file.write(orjson.dumps(record) + b"\n")
        return score_gold(str(path), lambda level: refiner)


def _line_figures(scores: Scores) -> dict[str, Any]:
    assert scores.lines and scores.content_tokens
    return {
        "pages": scores.line_pages,
        "line_f1": round(scores.lines.f1, 4),
        "line_f1_macro": round(scores.lines.macro_f1, 4),
        "content_f1": round(scores.content_tokens.f1, 4),
    }


def _document_scores(fitted: Fitted) -> dict[str, Any] | None:
    """Of the trained judge in cross-validation, and of the embedded one on the same documents."""
    own = fitted.document_scores
    if own is None:
        return None
    records = ({"id": page.id, "text": page.text, "keep": int(bool(page.keep))} for page in fitted.judged)
    embedded = _score(records, TaggerRefiner(Level.DOCUMENT)).overall.documents
    assert embedded is not None and embedded.auc is not None
    return {
        "count": own.documents,
        "threshold": own.threshold,
        "by_site": own.by_site,
        "tagger": {"keep_f1": round(own.keep_f1, 4), "auc": round(own.auc, 4)},
        "embedded": {"keep_f1": round(embedded.keep_f1, 4), "auc": round(embedded.auc, 4)},
        "keep_f1_of_keeping_everything": round(own.keep_f1_of_everything, 4),
    }


_WORDS = {
    "trained": "trained on these labels",
    "embedded": "those of the tagger that ships with prox",
    "none": "none: it does without",
}


def _card(record: dict[str, Any]) -> str:
    """The model card: what a person who finds the folder has to know."""
    pages, lines, settings, levels = (record[name] for name in ("pages", "training_lines", "settings", "levels"))
    labels = ", ".join(_code(each) for each in record["gold"]) or "no label files"
    if record["programs"]:
        labels += f"; the programs {_code(record['programs'])} of a run"
    notes = "".join(f"\n* {note[0].upper()}{note[1:]}." for note in record["notes"])
    scores = [
        f"| {_NAMES[name]} | {of_lines['pages']:,} | "
        + " | ".join(f"{of_lines[key]:.3f}" for key in ("line_f1", "line_f1_macro", "content_f1"))
        for name, of_lines in record["scores"].items()
        if of_lines
    ]
    if scores:
        scores = ["| lines | pages | noise-line F1 | macro over pages | content-word F1", "| --- " * 5, *scores]
    if documents := record["documents"]:
        how_split = "in cross-validation by site" if documents["by_site"] else "in cross-validation"
        scores += ["", "| documents | number | keep-F1 | AUC", "| --- " * 4]
        for name, how in (("tagger", how_split), ("embedded", "as it ships, which may have seen them")):
            judge = documents[name]
            figures = f"{documents['count']:,} | {judge['keep_f1']:.3f} | {judge['auc']:.3f}"
            scores.append(f"| {_NAMES[name]}, {how} | {figures}")
    table = "\n".join(f"{row} |" if row else "" for row in scores) or "There are none: no page was held back."
    return f"""# Model card: a tagger trained by `prox adapt tagger`

`prox refine INPUT OUTPUT --refiner tagger:FOLDER` cleans with it. It writes line removals and other ordinary programs,
generates no text, and needs numpy only.

## Training

* Labels: {labels}
* Pages with labelled lines: {pages["training"]:,} to train on ({lines["noise"]:,} noise lines, {lines["content"]:,}
  content lines), {pages["development"]:,} to steer, {pages["held-back"]:,} held back. The split is by site.
* Lines: {_WORDS[levels["lines"]]}. Parts of lines: {_WORDS[levels["parts"]]}. Documents: {_WORDS[levels["documents"]]}.
* From {settings["start"]}, {settings["epochs"]} epochs, seed {settings["seed"]}, {record["seconds_of_training"]} s.
* prox {record["prox"]}, weights {record["fingerprint"]}.{notes}

## Scores

Agreement with the labels on sites that training has not seen, as `prox score` counts. Labels that are programs say what
their refiner did, which need not be right.

{table}

## Limits and licence

It has learned the taste of its labels, faults included. The weights follow what labels and pages allow; where a part is
the embedded tagger's, its model card and licence (Apache-2.0) hold too.
"""


_NAMES = {"tagger": "this one", "embedded": "the embedded one"}


def _code(text: str) -> str:
    """Text between backticks, whatever it is."""
    return "`" + " ".join(shown_path(text).replace("`", "'").split()) + "`"
