"""A run: a recipe executed into an output folder."""

import contextlib
import importlib.metadata
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from prox.corpora import (
    CorpusFile,
    FoundFiles,
    Preset,
    Quarantined,
    choose_presets,
    find_files,
    is_in_memory,
    is_local,
    open_file_system,
    part_schema,
    read_blocks,
    shown_path,
    write_atomically,
)
from prox.errors import RunError, UsageError
from prox.refiners.cascade import CascadeRefiner
from prox.refiners.language_model.refiner import shown_prompt
from prox.refiners.specs import shown_spec
from prox.runs.costs import StageCost, inference_flops
from prox.runs.local import Unit, work
from prox.runs.recipe import Recipe, load_stages
from prox.runs.stages import QUARANTINED, Stage
from prox.runs.worker import UnitReport

UNIT_BYTES = 4 << 20
"""Raw bytes of one work unit; the same input gives the same units, and so the same parts, on every machine."""

RUN_FILE = "run.json"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is.

    Attributes:
        files_read, files: Input files that have been read to their end, and all.
        share: Of the input that is refined, by stored bytes; 0 to 1.
        seconds: Since the start.
        documents: That have come through the stages, also in units that are still under way.
    """

    report: UnitReport
    files_read: int
    files: int
    share: float
    seconds: float
    documents: int = 0


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended; `record` is what `run.json` holds."""

    report: UnitReport
    seconds: float
    problems: tuple[str, ...]
    passed_over: tuple[str, ...]
    record: dict[str, Any]


def refine_corpus(recipe: Recipe, on_progress: Callable[[Progress], None] | None = None) -> RunResult:
    """Stream the input through the stages into the output folder.

    Raises:
        UsageError: The recipe cannot be run: wrong paths, no text field, an output folder that is not empty.
        RunError: The run broke off, or not one record could be read.
    """
    files = find_files(recipe.input)
    stages = load_stages(recipe)
    recipe = recipe.model_copy(update={"output": _without_slashes(recipe.output)})
    presets, problems = choose_presets(files, recipe.corpus, recipe.text_field, recipe.html_to_text)
    _claim(recipe)
    started = time.monotonic()
    record: dict[str, Any] = {
        "status": "running",
        "recipe": _shown_recipe(recipe),
        "presets": sorted({preset.name for preset in presets.values()}),
        "refiners": {f"{stage.refiner.level}": stage.refiner.fingerprint for stage in stages},
        "prompts": {f"{stage.refiner.level}": shown for stage in stages if (shown := shown_prompt(stage.refiner))},
        "versions": _versions(),
        "unit_bytes": UNIT_BYTES,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    try:
        _write_run(recipe.output, record)
    except OSError as error:
        raise UsageError(f"cannot write into the folder {recipe.output}: {error}") from error
    run = _Run(files, presets, problems, on_progress, started, stages)
    try:
        one_corpus = recipe.format == "parquet" and len(set(presets.values())) == 1
        schema = part_schema(list(files), next(iter(presets.values()))) if one_corpus else None
        run.problems += work(recipe, schema, run.units(), run.done, stages, run.advance)
    except KeyboardInterrupt:
        _write_run(recipe.output, record | run.counts("interrupted"))
        raise
    except OSError as error:
        _write_run(recipe.output, record | run.counts("failed"))
        raise RunError(f"the run broke off: {error}. Parts already written are whole") from error
    except BaseException as error:
        _write_run(recipe.output, record | run.counts("failed") | {"error": str(error) or type(error).__name__})
        raise
    record |= run.counts("complete")
    _write_run(recipe.output, record)
    return RunResult(run.report, record["seconds"], tuple(run.problems), files.passed_over, record)


class _Run:
    """The bookkeeping of a run in its main process."""

    def __init__(
        self,
        files: FoundFiles,
        presets: dict[str, Preset],
        problems: list[str],
        on_progress: Callable[[Progress], None] | None,
        started: float,
        stages: Sequence[Stage],
    ) -> None:
        self.report = UnitReport()
        self._stages = stages
        self._documents = 0
        self._lock = threading.Lock()
        self.problems = problems
        self._files = files
        self._presets = presets
        self._on_progress = on_progress
        self._started = started
        self._bytes = sum(file.size or 0 for file in files)
        self._files_read = self._bytes_read = 0
        self._share = 0.0  # of the file that is being read
        self._shares: dict[int, float] = {}  # of the input up to each unit that is under way
        self._done = 0.0

    def units(self) -> Iterator[Unit]:
        number = 0
        for file in self._files:
            self._share = 0.0
            for block in read_blocks(file, UNIT_BYTES, on_share=self._note_share):
                if isinstance(block, Quarantined):
                    self.problems.append(f"{file.name}, record {block.record}: {block.reason}")
                self._shares[number] = self._share_read(file)
                yield number, block, self._presets[file.path]
                number += 1
            self._files_read += 1
            self._bytes_read += file.size or 0

    def _note_share(self, share: float) -> None:
        self._share = share

    def done(self, unit: Unit, report: UnitReport) -> None:
        self.report += report
        self._done = max(self._done, self._shares.pop(unit[0]))
        self.advance(0)

    def advance(self, documents: int) -> None:
        """Called by every thread that refines."""
        with self._lock:
            self._documents += documents
            if self._on_progress:
                seconds = time.monotonic() - self._started
                files = self._files_read, len(self._files)
                self._on_progress(Progress(self.report, *files, self._done, seconds, self._documents))

    def _share_read(self, file: CorpusFile) -> float:
        """Of the stored bytes of all files; of the files where the storage does not know their sizes."""
        if not self._bytes:
            return (self._files_read + self._share) / len(self._files)
        return min(1.0, (self._bytes_read + self._share * (file.size or 0)) / self._bytes)

    def counts(self, status: str) -> dict[str, Any]:
        seconds = round(time.monotonic() - self._started, 3)
        report = self.report
        decisions = {name: report.decisions[name] for name in ("kept", "edited", "dropped", QUARANTINED)}
        return {
            "status": status,
            "seconds": seconds,
            "records": sum(decisions.values()),
            "decisions": decisions,
            "reasons": dict(report.reasons.most_common(100)),
            "words_before": report.words_before,
            "words_after": report.words_after,
            "text_bytes": report.text_bytes,
            "operations": report.operations,
            "rejected_operations": report.rejected,
            "failed_drafts": report.failures,
            "costs": [_cost(stage, cost) for stage, cost in zip(self._stages, report.costs, strict=False)],
            "file_problems": self.problems[:1000],
            "passed_over": list(map(shown_path, self._files.passed_over[:1000])),
        }


def _cost(stage: Stage, cost: StageCost) -> dict[str, Any]:
    """Tokens, seconds and FLOPs of a stage; of a cascade also what it saved."""
    figures: dict[str, Any] = {"stage": stage.name, "level": str(stage.refiner.level)} | asdict(cost)
    figures["seconds"] = round(cost.seconds, 3)
    flops = None
    if stage.language_model and stage.parameters is not None:
        flops = inference_flops(stage.parameters, cost.tokens_in, cost.tokens_out)
    figures |= {"parameters": stage.parameters, "flops": flops}
    if isinstance(stage.refiner, CascadeRefiner):
        figures["share_sent"] = share = cost.words_sent / cost.words if cost.words else 0.0
        # As many tokens a word as in what was sent.
        figures["flops_saved"] = round(flops / share - flops) if flops and share else None
    else:
        del figures["words_sent"]
    return figures


def _without_slashes(output: str) -> str:
    return output if output.endswith("://") else output.rstrip("/") or "/"


def _claim(recipe: Recipe) -> None:
    """Make the output folder, or refuse one with something in it, or where it would do harm."""
    output = recipe.output
    fs, path = open_file_system(output)
    if is_in_memory(fs) and recipe.workers > 1:
        raise UsageError(f"{output} is in the memory of one process; that works with --workers 1 only")
    if fs.exists(path) and not fs.isdir(path):
        raise UsageError(f"{output} is a file; name a new folder")
    for given in recipe.input:
        of_input, folder = open_file_system(given)
        inside = of_input == fs and f"{path}/".startswith(f"{folder.rstrip('/')}/")
        if inside and fs.isdir(folder):
            raise UsageError(f"{output} lies in the input {given}: a later run could read it. Name a folder beside it")
    if fs.exists(path) and fs.ls(path, detail=False):
        raise UsageError(f"{output} is not empty; name a new folder, or remove it first")
    try:
        fs.makedirs(path, exist_ok=True)
        if is_local(fs):
            for folder in ("text", "programs", "quarantine"):
                fs.makedirs(f"{path}/{folder}", exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {output}: {error}") from error


def _write_run(output: str, record: dict[str, Any]) -> None:
    write_atomically(f"{output}/{RUN_FILE}", orjson.dumps(record, option=orjson.OPT_INDENT_2) + b"\n")


def _shown_recipe(recipe: Recipe) -> dict[str, Any]:
    fields = recipe.model_dump(mode="json")
    shown = {"input": list(map(shown_path, recipe.input)), "output": shown_path(recipe.output)}
    refiners = [
        shown_path(shown_spec(each))
        if isinstance(each, str)
        else each | {"refiner": shown_path(shown_spec(each["refiner"]))}
        for each in fields["refiners"]
    ]
    return fields | shown | {"refiners": refiners}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("prox-refine", "numpy", "pyarrow", "orjson", "torch", "transformers", "vllm", "llguidance", "httpx"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
