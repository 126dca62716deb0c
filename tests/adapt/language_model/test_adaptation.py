import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the extra adapt")

import torch
from pages import page
from safetensors.torch import load_file

import prox
from prox.adapt.language_model.adaptation import Material, adapt_language_model
from prox.adapt.language_model.fine_tuning import Settings, last_checkpoint
from prox.errors import UsageError

MATERIAL = Material(dialect="refinex", window=96, validation_share=0.2, validation_documents=20)
QUICK = Settings(epochs=10, batch=4, device_batch=4, learning_rate=3e-3, last_learning_rate=3e-4, evaluate_every=120)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def adapted(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapted") / "refiner"
    heard = []
    result = adapt_language_model([page(n) for n in range(60)], base, None, folder, MATERIAL, QUICK, heard.append)
    return folder, result, heard


def test_a_model_that_knew_nothing_learns_to_write_the_program_of_pages_it_has_not_seen(adapted):
    _, result, _ = adapted
    assert result.before["f1"] == 0 and result.before["failure_ratio"] == 1
    assert result.scores["f1"] == 1 and result.scores["content_f1"] == 1 and result.scores["failure_ratio"] == 0


def test_the_folder_needs_no_further_option_to_refine(adapted):
    folder, _, _ = adapted
    unseen = page(99).text  # as the pages on which it is examined: what it makes of others depends on the processor
    [result] = prox.refine([unseen], refiner=f"transformers:{folder}")
    assert result.text == unseen.partition("\n")[2]
    with pytest.raises(UsageError, match="works at chunk level; leave out --level document"):
        prox.refine([unseen], refiner=f"transformers:{folder}", level="document")


def test_the_folder_says_what_it_was_made_of_and_how_well_it_does(adapted):
    folder, result, heard = adapted
    stored = json.loads((folder / "prox.json").read_text())
    assert stored["family"]["dialect"] == "refinex" and stored["family"]["window"] == 96
    assert stored["scores"] == result.scores
    assert (
        stored["data"]["examples"]
        == stored["data"]["training_documents"]
        == 60 - stored["data"]["validation_documents"]
    )
    card = (folder / "README.md").read_text()
    assert "| noise-line F1 | 0.000 | 1.000 |" in card and "not one program" not in card and "dialect `refinex`" in card
    assert any("loss" in each for each in heard) and not (folder / "training/checkpoints").exists()


def test_a_folder_with_a_model_is_not_written_over(adapted, base):
    with pytest.raises(UsageError, match="holds a model already"):
        adapt_language_model([page(n) for n in range(60)], base, None, adapted[0], MATERIAL, QUICK)


def test_another_training_does_not_go_on_from_foreign_checkpoints(base, tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training/settings.json").write_text(json.dumps({"epochs": 3}))
    with pytest.raises(UsageError, match="holds a training with epochs 3, not 10"):
        adapt_language_model([page(n) for n in range(60)], base, None, tmp_path, MATERIAL, QUICK)


SCRIPT = """
import sys
sys.path[:0] = [{here!r}, {models!r}]
import torch
torch.set_num_threads(1)
from pathlib import Path
from pages import page
from safetensors.torch import load_file
from test_adaptation import MATERIAL, QUICK
from prox.adapt.language_model.adaptation import adapt_language_model
adapt_language_model([page(n) for n in range(60)], {base!r}, None, Path({folder!r}), MATERIAL, QUICK,
                     lambda figures: print(figures.get("step"), flush=True))
"""


def test_training_that_is_killed_goes_on_from_its_last_checkpoint_to_the_same_weights(adapted, base, tmp_path):
    here = Path(__file__).resolve().parent
    script = SCRIPT.format(
        here=str(here),
        models=str(here.parents[1] / "refiners/language_model"),
        base=base,
        folder=str(tmp_path / "again"),
    )
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while last_checkpoint(tmp_path / "again/training") is None:  # what is written in part does not count
        assert process.poll() is None and time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    heard = []
    again = adapt_language_model(
        [page(n) for n in range(60)], base, None, tmp_path / "again", MATERIAL, QUICK, heard.append
    )
    steps = [each["step"] for each in heard if "loss" in each]
    assert steps and min(steps) > 1, "it began anew"
    assert again.scores == adapted[1].scores
    one, other = (load_file(folder / "model.safetensors") for folder in (adapted[0], tmp_path / "again"))
    assert all(torch.equal(one[name], other[name]) for name in one)
