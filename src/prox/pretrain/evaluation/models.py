"""Language models to evaluate: ordinary folders of transformers, GGUF files, names on the hub."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prox.errors import RunError, UsageError
from prox.pretrain.evaluation.hub import hub_answers
from prox.refiners.language_model.model_files import (
    check_files,
    essence,
    load_tokens,
    named_for_transformers,
    weights_fingerprint,
)

DEFAULT_CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, as transformers knows it."""

    name: str
    model: Any
    tokenizer: Any


def fingerprint(name: str) -> str:
    """Tells models apart by their files, without loading them.

    Raises:
        UsageError: There is no such model here, and it cannot be the name of one on the hub.
    """
    check_files(name)
    if not Path(name).exists() and hub_answers():
        from huggingface_hub import hf_hub_download

        with contextlib.suppress(Exception):  # what is wrong with the name shows when the model is loaded
            hf_hub_download(name, "config.json")  # so that the commit of the model is known
    return weights_fingerprint(name, None)


def common_context(names: Sequence[str], wanted: int | None) -> int:
    """Tokens that bits per byte gives models at once: the same for all, since a longer context flatters.

    Args:
        wanted: None for the most that all of them can take, 2,048 at most.

    Raises:
        UsageError: A config cannot be read, or a model cannot take as many tokens as are wanted.
    """
    most = {name: longest for name in names if (longest := _longest(name)) is not None}
    if wanted is None:
        return min(DEFAULT_CONTEXT, *most.values())
    for name, longest in most.items():
        if longest < wanted:
            raise UsageError(f"{name} can take {longest:,} tokens at once, and not {wanted:,}: lower --context")
    return wanted


def _longest(name: str) -> int | None:
    from transformers import AutoConfig

    named, options = named_for_transformers(name, None)
    try:
        config = AutoConfig.from_pretrained(named, trust_remote_code=False, **options)
    except Exception as error:  # configs bring errors of any kind
        raise UsageError(f"the config of {name} cannot be read: {essence(error)}") from error
    longest = getattr(config, "max_position_embeddings", None)
    return longest if isinstance(longest, int) and longest > 0 else None


def load_model(name: str) -> LoadedModel:
    """Load a model onto the GPU if there is one, in float32 on a CPU. Its own code is never run.

    Raises:
        UsageError, RunError: It cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    _, tokenizer = load_tokens(name, None)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    named, options = named_for_transformers(name, None)
    try:
        dtype = "auto" if device == "cuda" else torch.float32
        loaded = AutoModelForCausalLM.from_pretrained(named, dtype=dtype, trust_remote_code=False, **options)
        return LoadedModel(name, loaded.to(device).eval(), tokenizer)
    except torch.cuda.OutOfMemoryError as error:
        raise RunError(f"{name} does not fit the memory of {device}: {essence(error)}") from error
    except Exception as error:  # models raise anything
        raise UsageError(f"cannot load the model {name}: {essence(error)}") from error
