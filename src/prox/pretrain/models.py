"""Models made anew by a shape, or loaded to be trained on."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, GPTNeoXConfig, LlamaConfig, PreTrainedModel
from transformers.utils import is_flash_attn_2_available

from prox.errors import UsageError
from prox.pretrain.presets import Shape
from prox.refiners.language_model.model_files import check_files, essence


@dataclass(frozen=True, slots=True)
class Size:
    """Of a model.

    Attributes:
        without_embeddings: All parameters but the matrix of the input, which is looked up and not multiplied with.
    """

    parameters: int
    without_embeddings: int


def size_of(model: PreTrainedModel) -> Size:
    total = sum(each.numel() for each in model.parameters())
    return Size(total, total - model.get_input_embeddings().weight.numel())


def vocabulary_for(shape: Shape, tokens: int) -> int:
    """Rows of the matrices: the published ones where the tokenizer has no more tokens, else as many as it has."""
    return tokens if shape.vocabulary is None else max(shape.vocabulary, tokens)


def config_of(shape: Shape, context: int, vocabulary: int, end: int | None = None) -> LlamaConfig | GPTNeoXConfig:
    """The config of a new model; what is not in a shape is as transformers has it for the architecture."""
    common: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "max_position_embeddings": context,
        "tie_word_embeddings": False,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": None,
    }
    if shape.architecture == "llama":
        return LlamaConfig(num_key_value_heads=shape.key_value_heads, rms_norm_eps=1e-5, **common)
    return GPTNeoXConfig(**common)


def new_model(config: LlamaConfig | GPTNeoXConfig, seed: int, attention: str = "sdpa") -> PreTrainedModel:
    """A model with weights by chance, in 32 bits: those of the seed, on any machine."""
    factory: Any = AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = factory.from_config(config, dtype=torch.float32, attn_implementation=attention)
    return model


def check_fits(name: str, context: int, tokens: int) -> None:
    """Make sure, by its config alone, that a model can be trained on.

    Args:
        name: A folder, or a name on the hub (`NAME@REVISION`).
        context: Of the sequences that it will see.
        tokens: Of the tokenizer.

    Raises:
        UsageError: It is not there, or context or tokenizer are not for it.
    """
    model, options = _named(name)
    check_files(model)
    factory: Any = AutoConfig
    try:
        config = factory.from_pretrained(model, **options)
    except Exception as error:  # hubs have errors of their own
        raise UsageError(f"cannot load the model {name}: {essence(error)}") from error
    positions = getattr(config, "max_position_embeddings", None) or math.inf
    if context > positions:
        raise UsageError(f"{name} knows contexts of up to {positions:,} tokens, not of {context:,}; take --context")
    if tokens > config.vocab_size:
        raise UsageError(
            f"the tokenizer has {tokens:,} tokens, and {name} only {config.vocab_size:,}; take that of the model"
        )


def load_model(name: str, attention: str = "sdpa") -> PreTrainedModel:
    """A model to train on, in 32 bits: steps of the optimizer are too small for 16.

    Raises:
        UsageError: It cannot be loaded.
    """
    model, options = _named(name)
    factory: Any = AutoModelForCausalLM
    try:
        loaded: PreTrainedModel = factory.from_pretrained(
            model, dtype=torch.float32, attn_implementation=attention, **options
        )
    except Exception as error:  # models bring code, and hubs errors of their own
        raise UsageError(f"cannot load the model {name}: {essence(error)}") from error
    return loaded


def _named(name: str) -> tuple[str, dict[str, str]]:
    model, _, revision = name.partition("@")
    return model, {"revision": revision} if revision else {}


def best_attention(precision: str) -> str:
    """FlashAttention 2 where it is installed and the GPU knows it; it has no 32 bits."""
    known = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0) and is_flash_attn_2_available()
    return "flash_attention_2" if known and precision == "bf16" else "sdpa"
