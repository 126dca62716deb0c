"""A model's answers to a task: lm-eval asks, and its scores are kept item by item."""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from prox.pretrain.evaluation.models import LoadedModel
from prox.pretrain.evaluation.results import Item, Result
from prox.pretrain.evaluation.suites import ACCURACY, FILTERS
from prox.pretrain.evaluation.task_loading import LoadedTask
from prox.refiners.language_model.model_files import essence

_SEED = 1234
"""Of the examples that are shown before an item; all models see the same ones."""


def harness_model(loaded: LoadedModel, batch_size: int) -> Any:
    """The model as lm-eval wants it. No chat template: models are asked as what they are, continuations of text."""
    from lm_eval.models.huggingface import HFLM

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    model = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch_size)
    if os.environ.get("TQDM_DISABLE"):  # lm-eval does not look at it
        model.loglikelihood = partial(model.loglikelihood, disable_tqdm=True)
        model.generate_until = partial(model.generate_until, disable_tqdm=True)
    return model


def ask(model: Any, loaded: LoadedTask, limit: int | None) -> Result | str:
    """Ask all items, or the first `limit` of each part of the task; or say why that failed."""
    from lm_eval.evaluator import evaluate

    for task in loaded.tasks.values():
        task.set_fewshot_seed(seed=_SEED)
    try:
        found = evaluate(
            model,
            {"tasks": dict(loaded.tasks), "groups": {}, "group_map": {}},
            limit=limit,
            bootstrap_iters=0,
            log_samples=True,
            confirm_run_unsafe_code=False,
        )
        return _result(loaded, found)
    except Exception as error:  # tasks bring code of their own; one that fails must not end the others
        return essence(error)


def _result(loaded: LoadedTask, found: Mapping[str, Any]) -> Result | str:
    names = list(loaded.tasks)
    metrics = list(dict.fromkeys(key for name in names for key in found["results"][name] if "," in key))
    metrics = [key for key in metrics if not key.partition(",")[0].endswith("_stderr")]
    if not metrics:
        return "it gave no figures"
    chosen = _chosen(metrics, [each["metric"] for each in loaded.tasks[names[0]].get_config("metric_list") or []])
    metric, _, filter = chosen.partition(",")
    items: list[Item] = []
    scalar = True
    for name in names:
        for sample in found["samples"][name]:
            if sample["filter"] != filter:
                continue
            scores = {key: float(sample[key]) for key in sample["metrics"] if _is_number(sample[key])}
            if metric not in scores:
                scalar = False
                continue
            items.append(_item(loaded, name, sample, scores[metric], scores, several=len(names) > 1))
    figures = {
        key if len(names) == 1 else f"{name}: {key}": float(value)
        for name in names
        for key in metrics
        if _is_number(value := found["results"][name].get(key))
    }
    if not items and (scalar or chosen not in figures):
        return (
            f"no item has a score {metric}" if len(names) == 1 else f"{metric} cannot be pooled over {len(names)} tasks"
        )
    better = found["higher_is_better"][names[0]].get(metric)
    return Result(
        metric=chosen.removesuffix(",none"),
        higher_is_better=True if better is None else bool(better),
        items=tuple(items) if scalar else (),
        figures=figures,
        value=None if scalar else figures[chosen],
        shots=int(found["n-shot"][names[0]]),
    )


def _chosen(metrics: Sequence[str], listed: Sequence[object]) -> str:
    """The figure that counts: accuracy before others, and of several ways to find an answer the preferred one."""
    names = list(dict.fromkeys(key.partition(",")[0] for key in metrics))
    own = [name for name in listed if isinstance(name, str) and name in names]
    name = next((each for each in ACCURACY if each in names), (own or names)[0])
    filters = [key.partition(",")[2] for key in metrics if key.partition(",")[0] == name]
    return f"{name},{next((each for each in FILTERS if each in filters), filters[0])}"


def _item(
    loaded: LoadedTask, name: str, sample: Mapping[str, Any], value: float, scores: dict[str, float], several: bool
) -> Item:
    key = f"{sample['doc_id']}:{sample['doc_hash'][:12]}:{sample['prompt_hash'][:12]}"
    strata = loaded.spec.strata
    answer = sample["filtered_resps"][0] if sample["filtered_resps"] else None
    return Item(
        key=f"{name}:{key}" if several else key,
        value=value,
        stratum=str(sample["doc"].get(strata, "")) if strata else "",
        metrics=scores,
        answer=answer if isinstance(answer, str) else None,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number | np.bool_) and math.isfinite(float(value))
