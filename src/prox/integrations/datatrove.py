"""A refiner as one step of a datatrove pipeline."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

try:
    from datatrove.data import Document as DatatroveDocument
    from datatrove.data import DocumentsPipeline
    from datatrove.pipeline.base import PipelineStep
    from datatrove.pipeline.writers.disk_base import DiskWriter
    from datatrove.utils.logging import logger
    from datatrove.utils.typeshelper import StatHints
    from threadpoolctl import ThreadpoolController
except ImportError as error:
    raise ImportError(f"{error}: the step for datatrove needs pip install 'prox-refine[datatrove]'") from error

from prox.corpora import json_text
from prox.corpora.identity import id_text
from prox.document import Document
from prox.refiners.specs import shown_spec
from prox.runs.recipe import check_recipe, load_stages, make_recipe
from prox.runs.rows import reason_kind
from prox.runs.stages import DROPPED, Refined, Stage, refine_documents, unrefined
from prox.runs.watch import FIRST_DOCUMENTS, Watch
from prox.runs.worker import BATCH, MODEL_BATCH

DECISION = "prox_decision"
PROGRAM = "prox_program"
REASON = "prox_reason"
TEXT_SHA256 = "prox_text_sha256"
FILTER_REASON = "filter_reason"
"""As datatrove's own filters call it."""


class ProxRefiner(PipelineStep):
    """Refines the documents that pass, and takes out those that are dropped or quarantined.

    A document that passes has its refined text, and in its metadata `prox_decision` (kept or edited), `prox_program`,
    `prox_reason` ("" where there is none) and `prox_text_sha256` of the raw text. All four are strings and always
    there, because datatrove's Parquet writer takes its columns from the first document. The others go to the exclusion
    writer with their raw text, `filter_reason` in the place of `prox_reason`, and the decision dropped or quarantined.

    The refiner is loaded when the first document of a task comes up, so the step can be pickled and sent anywhere.
    """

    type = "🔻 - FILTER"
    name = "prox"

    # datatrove writes what stands in __dict__ to executor.json, and the address of a server may hold a key. mypy cannot
    # know that there is a __dict__ beside the slot.
    __slots__ = ("_recipe",)

    def __init__(
        self,
        refiner: str | Sequence[str] = "tagger",
        *,
        level: str | None = None,
        keep_threshold: float | None = None,
        noise_threshold: float | None = None,
        uncertain: str | None = None,
        family: str | None = None,
        system_prompt: str | None = None,
        constrain: bool = False,
        engine_options: Mapping[str, str | int | float | bool | None] | None = None,
        on_failure: str = "keep",
        most_unusable: float = 0.3,
        exclusion_writer: DiskWriter | None = None,
    ) -> None:
        """The arguments are those of `prox.refine` and fields of a recipe.

        Args:
            refiner: A refiner spec, or one for documents and then one for chunks.
            level: "document" to keep or drop only, "chunk" to edit only; both if None.
            keep_threshold: Keep probability below which a document is dropped; the refiner's own if None.
            noise_threshold: Noise probability from which a line is removed; the refiner's own if None.
            uncertain: Two scores, "0.2..0.8": the second refiner sees what the first scores between them.
            family: Of a language model; told from its name or config if None.
            system_prompt: A file with the system text for a language model.
            constrain: Let a language model write nothing but well-formed programs.
            engine_options: Of a language model's engine.
            on_failure: "keep" what a language model failed on as it was, or "quarantine" it.
            most_unusable: Share of a language model's first programs that may be of no use; more fail the task.
            exclusion_writer: Gets the documents that do not pass.

        Raises:
            UsageError: A spec or another argument is wrong. What only loading shows (a missing model, a folder without
                programs) fails the task.
        """
        super().__init__()
        self._recipe = make_recipe(
            input=(),
            output="",
            stages=(refiner,) if isinstance(refiner, str) else tuple(refiner),
            level=level,
            keep_threshold=keep_threshold,
            noise_threshold=noise_threshold,
            uncertain=uncertain,
            family=family,
            system_prompt=system_prompt,
            constrain=constrain,
            engine_options=dict(engine_options or {}),
            on_failure=on_failure,
            most_unusable=most_unusable,
        )
        check_recipe(self._recipe)
        self.refiner = [shown_spec(spec) for spec in self._recipe.specs()]  # type: ignore[misc]
        self.exclusion_writer = exclusion_writer  # type: ignore[misc]

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Refine one task's documents, a batch at a time; gives nothing where nothing comes before this step.

        Raises:
            UsageError: A refiner cannot be loaded.
            RunError: A server cannot be reached, or the programs of a language model are of no use.
        """
        if not data:
            return
        with self.exclusion_writer or contextlib.nullcontext() as writer:
            for document, refined in self._refined(iter(data)):
                self._note(refined)
                document.metadata |= _metadata(refined)
                if refined.text is not None:
                    document.text = refined.text
                    document.metadata[REASON] = refined.reason
                    self.update_doc_stats(document)
                    yield document
                elif writer:
                    document.text = _writable(document.text)
                    document.metadata[FILTER_REASON] = refined.reason
                    writer.write(document, rank)

    def _refined(self, data: Iterator[DatatroveDocument]) -> Iterator[tuple[DatatroveDocument, Refined]]:
        """Each document with what became of it, in order."""
        most = MODEL_BATCH if self._recipe.has_language_model else BATCH
        threads = ThreadpoolController()  # a pipeline has a task for each core, see prox.runs.threads
        stages: list[Stage] = []
        watch = Watch(stages, self._recipe.most_unusable)
        while batch := list(islice(data, most if stages and watch.satisfied else FIRST_DOCUMENTS)):
            with self.track_time("batch"), threads.limit(limits=1, user_api="blas"):
                if not stages:
                    stages = load_stages(self._recipe)
                    watch = Watch(stages, self._recipe.most_unusable)
                refined = _refine(batch, stages)
            watch.note(refined)
            self.stat_update("batches")
            yield from zip(batch, refined, strict=True)
        for warning in watch.warnings():
            logger.warning(warning)

    def _note(self, refined: Refined) -> None:
        passes = refined.text is not None
        way = StatHints.forwarded if passes else StatHints.dropped
        self.stat_update(StatHints.total, way, f"decision_{refined.decision}")
        if refined.reason:
            self.stat_update(f"{way}_{reason_kind(refined.reason)}")
        self.stat_update("words_before", value=refined.words_before)
        self.stat_update("words_after", value=refined.words_after if passes else 0)
        counts = {
            "tokens_in": sum(stage.tokens_in for stage in refined.stages),
            "tokens_out": sum(stage.tokens_out for stage in refined.stages),
            "programs_unusable": sum(stage.unusable for stage in refined.stages),
        }
        for name, count in counts.items():
            if count:
                self.stat_update(name, value=count)


def _refine(batch: Sequence[DatatroveDocument], stages: Sequence[Stage]) -> list[Refined]:
    """What became of each document; one without a usable text meets no refiner."""
    faults = [_fault(document.text) for document in batch]
    documents = [
        Document(id_text(document.id), document.text)
        for document, fault in zip(batch, faults, strict=True)
        if fault is None
    ]
    refined = map(_with_text, refine_documents(documents, stages))
    return [
        next(refined) if fault is None else unrefined(Document(id_text(document.id), _writable(document.text)), fault)
        for document, fault in zip(batch, faults, strict=True)
    ]


def _fault(text: Any) -> str | None:
    """Why a text cannot be refined; datatrove's readers give none of these, but steps between may."""
    if not isinstance(text, str):
        return f"no text: it is {type(text).__name__}"
    if not text:
        return "no text: it is empty"
    return None if text.isascii() or json_text.is_writable(text) else "lone surrogate: the text is not Unicode"


def _with_text(refined: Refined) -> Refined:
    """A document of which nothing is left does not pass: datatrove's writers leave an empty text out."""
    return refined if refined.text != "" else replace(refined, text=None, decision=DROPPED, reason="no text is left")


def _metadata(refined: Refined) -> dict[str, str]:
    return {
        DECISION: refined.decision,
        PROGRAM: refined.program.render(),
        TEXT_SHA256: hashlib.sha256(refined.document.text.encode()).hexdigest(),
    }


def _writable(text: Any) -> str:
    r"""A text that any writer can write: itself, "" for None, and `\ud800` spelt out for a lone surrogate."""
    return "" if text is None else str(text).encode("utf-8", "backslashreplace").decode()
