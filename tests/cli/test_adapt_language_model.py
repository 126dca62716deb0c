"""`prox adapt data` and `prox adapt language-model`, as they are called."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "refiners/language_model"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    pytest.importorskip("trl", reason="needs the extra adapt")
    from tiny_models import make_tiny_llama

    return make_tiny_llama(tmp_path_factory.mktemp("models") / "tiny", chat_template=True)


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.jsonl"
    pages = [
        {
            "id": str(n),
            "site": f"site-{n}.example",
            "raw_text": f"Home | Log in\nPage {n} is about rivers.\nThat is all.",
            "line_labels": [1, 0, 0],
        }
        for n in range(40)
    ]
    path.write_text("".join(json.dumps(page) + "\n" for page in pages) + "not json\n")
    return path


def test_training_prints_nothing_but_json_on_standard_output_if_asked_to(prox, base, labels, tmp_path):
    options = ["--base", base, "--gold", labels, "--dialect", "refinex", "--window", "96", "--epochs", "1"]
    options += ["--batch", "8", "--validation-documents", "2", "--json"]
    code, out, err = prox("adapt", "language-model", tmp_path / "new", *options)
    assert code == 0
    figures = json.loads(out)
    assert figures["data"]["training_documents"] + 4 >= 30 and figures["scores"]["failure_ratio"] <= 1
    assert "step 1 of" in err and "1 records passed over" in err
    assert (tmp_path / "new/prox.json").is_file()
    again = prox("adapt", "language-model", tmp_path / "new", *options)
    assert again[0] == 2 and "holds a model already" in again[2]


def launched(launcher, *arguments):
    command = [sys.executable, "-m", *launcher, "-m", "prox", "adapt", "language-model", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", timeout=1200)


ACCELERATE = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1")
ACCELERATE += ("--mixed_precision", "bf16", "--dynamo_backend", "no", "--main_process_port", "0")
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_of_two_processes_of_a_launcher_one_speaks(base, labels, tmp_path):
    options = ["--base", base, "--gold", labels, "--dialect", "refinex", "--window", "96", "--epochs", "1"]
    options += ["--batch", "3", "--validation-documents", "2", "--json"]
    process = launched(ACCELERATE, tmp_path / "new", *options)
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["data"]["training_documents"] + 4 >= 30
    told = process.stderr.splitlines()
    assert sum("1 records passed over" in line for line in told) == 1
    assert sum("documents to train on" in line for line in told) == 1
    assert any(line.startswith("4 examples between two steps, not 3") for line in told)
    assert json.loads((tmp_path / "new/training/settings.json").read_text())["processes"] == "2"

    process = launched(TORCHRUN, tmp_path / "new", *options)
    assert process.returncode != 0 and process.stdout == ""
    assert "prox adapt: " in process.stderr and "holds a model already; name a new folder" in process.stderr
    assert "adapt_language_model.py" not in process.stderr, "a traceback of ours, not of the launcher"


def test_a_training_set_can_be_scored_and_says_how_its_model_is_asked(prox, base, labels, tmp_path):
    options = ["--base", base, "--gold", labels, "--window", "96", "--format", "llama-factory"]
    code, out, _ = prox("adapt", "data", tmp_path / "sft", *options)
    assert code == 0 and "split by site" in out and "tokens of programs" in out
    names = {path.name for path in (tmp_path / "sft").iterdir()}
    assert names == {"train.jsonl", "validation.jsonl", "validation-gold.jsonl", "prox.json", "dataset_info.json"}
    code, out, _ = prox("score", tmp_path / "sft/validation-gold.jsonl", "--json")
    assert code == 0 and json.loads(out)["line_pages"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--level", "line"], "neither document nor chunk"),
        (["--level", "document"], "labelled at document level"),
        (["--dialect", "prox-document"], "no dialect prox-document at chunk level"),
        (["--family", "instruct"], "leave out --family"),
        (["--window", "5"], "holds next to nothing"),
        (["--untouched", "1.5"], "share of untouched examples"),
        (["--validation-share", "0"], "above 0 and below 1"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_makes_nothing(prox, base, labels, tmp_path, options, message):
    for verb in ("data", "language-model"):
        code, out, err = prox("adapt", verb, tmp_path / "new", "--base", base, "--gold", labels, *options)
        assert (code, out) == (2, "") and message in err and "Traceback" not in err
        assert not (tmp_path / "new").exists()


def test_a_base_that_is_not_there_is_told_before_anything_else(prox, base, labels, tmp_path):
    code, _, err = prox("adapt", "language-model", tmp_path / "new", "--base", tmp_path / "none", "--gold", labels)
    assert code == 2 and "there is no folder" in err


def test_a_model_that_writes_no_usable_program_is_not_recommended(prox, base, labels, tmp_path):
    """Story: after a training of no use, the last line and the model card said how to refine with it."""
    options = ["--base", base, "--gold", labels, "--dialect", "refinex", "--window", "96", "--epochs", "0.1"]
    code, out, _ = prox("adapt", "language-model", tmp_path / "new", *options, "--validation-documents", "2")
    assert code == 0 and "do not refine with it" in out and "use it with" not in out
    assert "noise-line F1" in out and "document F1" not in out
    card = (tmp_path / "new/README.md").read_text()
    assert "not one program that can be used" in card and "| noise-line F1 |" in card


def test_prompts_that_do_not_fit_are_told_with_what_to_do(prox, base, tmp_path):
    path = tmp_path / "labels.jsonl"
    text = "Home | Log in\n" + "All about rivers and how they flow. " * 400
    path.write_text(
        "".join(json.dumps({"id": str(n), "raw_text": text, "line_labels": [1, 0]}) + "\n" for n in range(9))
    )
    options = ["--base", base, "--gold", path, "--window", "100000", "--validation-documents", "2"]
    code, _, err = prox("adapt", "language-model", tmp_path / "new", *options)
    assert code == 2 and "no training example could be made: " in err and "smaller --window" in err and "{" not in err
