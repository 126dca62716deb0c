"""`run.json`: what a run was asked to do, with what, and how far it came."""

import contextlib
import importlib.metadata
import platform
import time
from dataclasses import asdict
from typing import Any

import orjson

from prox.corpora import open_file_system, shown_path
from prox.errors import UsageError
from prox.refiners import DecidesByScore
from prox.refiners.cascade import CascadeRefiner
from prox.refiners.specs import shown_spec
from prox.runs.costs import StageCost, inference_flops
from prox.runs.recipe import Recipe
from prox.runs.stages import Stage

RUN_FILE = "run.json"
REPORT_FILE = "report.html"
_FIELDS = {
    *("identity", "refiners", "versions", "units", "recipe", "status", "started", "seconds"),
    *("session", "sessions", "failed_units", "costs", "presets"),
}
"""Without which nobody can go on, or say what was done."""


def read_record(output: str) -> dict[str, Any] | None:
    """What `run.json` in an output folder holds; None if it is not there.

    Raises:
        UsageError: It cannot be read.
    """
    fs, path = open_file_system(f"{output}/{RUN_FILE}")
    fs.invalidate_cache()
    try:
        record: dict[str, Any] = orjson.loads(fs.cat_file(path))
        if record.keys() >= _FIELDS:
            return record
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, AttributeError):
        pass
    raise UsageError(
        f"{output}/{RUN_FILE} is not from a run that can be continued. Name a new folder, or add --start-over"
    )


def shown_cost(stage: Stage, cost: StageCost) -> dict[str, Any]:
    """Tokens, seconds and FLOPs of a stage; of a cascade also what it saved."""
    threshold = stage.refiner.threshold if isinstance(stage.refiner, DecidesByScore) else None
    figures: dict[str, Any] = {"stage": stage.name, "level": str(stage.refiner.level), "threshold": threshold}
    figures |= asdict(cost)
    figures["seconds"] = round(cost.seconds, 3)
    flops = None
    if stage.language_model and stage.parameters is not None:
        flops = inference_flops(stage.parameters, cost.tokens_in, cost.tokens_out)
    figures |= {"parameters": stage.parameters, "flops": _storable(flops)}
    if isinstance(stage.refiner, CascadeRefiner):
        figures["share_sent"] = share = cost.words_sent / cost.words if cost.words else 0.0
        # As many tokens a word as in what was sent.
        figures["flops_saved"] = _storable(round(flops / share - flops)) if flops and share else None
    else:
        del figures["words_sent"]
    return figures


def _storable(flops: int | None) -> int | float | None:
    """Integers of JSON end at 64 bits here; 60B tokens through 0.3B parameters need more."""
    return flops if flops is None or flops < 2**63 else float(flops)


def shown_recipe(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe, without secrets and in UTF-8."""
    fields = recipe.model_dump(mode="json")
    shown = {"input": list(map(shown_path, recipe.input)), "output": shown_path(recipe.output)}
    stages = [
        shown_path(shown_spec(each))
        if isinstance(each, str)
        else each | {"refiner": shown_path(shown_spec(each["refiner"]))}
        for each in fields["stages"]
    ]
    return fields | shown | {"stages": stages}


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def version_of(package: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def versions() -> dict[str, str]:
    names = ("prox-refine", "numpy", "pyarrow", "orjson", "torch", "transformers", "vllm", "llguidance", "httpx", "ray")
    versions = {name: version for name in names if (version := version_of(name)) is not None}
    return {"python": platform.python_version()} | versions
