"""The models that are trained, in shape and schedule as they were published (ProX, appendix), and a small one for CPUs.

Heads of keys and values, and whether input and output share a matrix of the vocabulary, are not in the tables; they
follow from the published counts of parameters, which fit one choice each: matrices apart, and `key_value_heads` as
below. "Without embeddings" is without the matrix of the input, which is looked up and not multiplied with.
"""

import difflib
from dataclasses import dataclass
from typing import Literal

from prox.errors import UsageError
from prox.pretrain.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Shape:
    """A transformer that is made anew.

    Attributes:
        vocabulary: Rows of its matrices; as many as the tokenizer has tokens, if None.
    """

    architecture: Literal["llama", "gpt-neox"]
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    layers: int
    vocabulary: int | None


@dataclass(frozen=True, slots=True)
class Preset:
    """A model and how it is trained.

    Attributes:
        schedule: As published.
        shape: Of a model that is trained from scratch.
        model: The name on the hub of one that is trained on.
        tokenizer: See `tokenizer.load_tokenizer`; that of the model, if None.
    """

    name: str
    schedule: Schedule
    shape: Shape | None = None
    model: str | None = None
    tokenizer: str | None = None


_LLAMA_TOKENIZER = "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T"
"""The 32,000 tokens of Llama 2, free to load."""


def _from_scratch(learning_rate: float, last: float) -> Schedule:
    return Schedule(2048, 1024, 12_500, learning_rate, last, warm_up=500)


_PYTHIA = Schedule(1024, 512, 50_200, 1e-3, 6.25e-5, warm_up=2000, form="warm-up–stable–decay", decay=200)

PRESETS: tuple[Preset, ...] = (
    Preset(
        # Not published: 3.1 million parameters, made so that two million tokens take minutes on one core of a CPU.
        "tlm-nano",
        Schedule(256, 4, 1953, 2e-3, 2e-4, warm_up=100),
        Shape("llama", 192, 512, 3, 1, 4, None),
        tokenizer="bpe:4096",
    ),
    Preset(
        "tlm-xs",
        _from_scratch(5e-4, 5e-5),
        Shape("llama", 1280, 2048, 16, 1, 24, 32_000),
        tokenizer=_LLAMA_TOKENIZER,
    ),
    Preset(
        "tlm-s",
        _from_scratch(5e-4, 5e-6),
        Shape("llama", 1536, 4864, 24, 2, 24, 32_000),
        tokenizer=_LLAMA_TOKENIZER,
    ),
    Preset(
        "tlm-m",
        _from_scratch(3e-4, 3e-5),
        Shape("llama", 2048, 8192, 32, 32, 24, 32_000),
        tokenizer=_LLAMA_TOKENIZER,
    ),
    Preset(
        "pythia-410m",
        _PYTHIA,
        Shape("gpt-neox", 1024, 4096, 16, 16, 24, 50_304),
        tokenizer="EleutherAI/pythia-410m",
    ),
    Preset(
        "pythia-1b",
        _PYTHIA,
        Shape("gpt-neox", 2048, 8192, 8, 8, 16, 50_304),
        tokenizer="EleutherAI/pythia-1b",
    ),
    Preset("tinyllama-1.1b", Schedule(2048, 1024, 7500, 8e-5, 8e-6), model=_LLAMA_TOKENIZER),
    Preset("llama-2-7b", Schedule(4096, 256, 15_000, 8e-5, 8e-6, stop=10_000), model="meta-llama/Llama-2-7b-hf"),
    Preset("codellama-7b", Schedule(4096, 1024, 3750, 3e-4, 3e-5, stop=2500), model="codellama/CodeLlama-7b-hf"),
    Preset("mistral-7b", Schedule(4096, 256, 15_000, 2e-5, 2e-6, stop=10_000), model="mistralai/Mistral-7B-v0.1"),
)


def get_preset(name: str) -> Preset:
    """The preset of that name, in any case.

    Raises:
        UsageError: There is none; the text names the nearest.
    """
    known = {preset.name: preset for preset in PRESETS}
    wanted = name.strip().lower().replace("_", "-")
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=1)
    advice = f'Did you mean "{near[0]}"? ' if near else ""
    raise UsageError(f'there is no preset "{name}" to train by. {advice}Known are {", ".join(known)}.')
