"""Whole trainings: what they leave, and that nothing but the seed decides about it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra pretrain")
pytest.importorskip("accelerate", reason="needs the extra pretrain")

from safetensors.torch import load_file
from small_corpus import small, write_corpus
from tiny_models import make_tiny_llama
from torch.distributed.checkpoint import filesystem
from transformers import AutoModelForCausalLM, AutoTokenizer

from prox.errors import RunError, UsageError
from prox.pretrain import devices
from prox.pretrain.training import pretrain

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture(scope="module")
def unbroken(corpus, tmp_path_factory):
    return pretrain(small(corpus, tmp_path_factory.mktemp("unbroken") / "model"))


def weights(result):
    return load_file(result.model / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def way(one, other):
    """How far apart two models are, as a share of their size."""
    return float(sum((one[name] - other[name]).norm() for name in one) / sum(one[name].norm() for name in one))


def test_a_training_lowers_the_loss_and_leaves_an_ordinary_model(unbroken):
    losses = [line["loss"] for line in unbroken.losses]
    assert [line["step"] for line in unbroken.losses] == list(range(1, 25))
    assert 5.5 < losses[0] < 6.0 and sum(losses[-3:]) / 3 < losses[0] - 0.7
    model = AutoModelForCausalLM.from_pretrained(unbroken.model)
    tokenizer = AutoTokenizer.from_pretrained(unbroken.model)
    assert model.config.eos_token_id == tokenizer.eos_token_id and len(tokenizer) == model.config.vocab_size == 300
    ids = tokenizer("The river crosses", return_tensors="pt").input_ids
    assert model(input_ids=ids).logits.shape[-1] == 300
    assert sorted(path.name for path in unbroken.model.parent.iterdir()) == ["losses.jsonl", "model", "pretrain.json"]


def test_the_record_says_what_was_trained_on_what(unbroken, corpus):
    record = json.loads((unbroken.model.parent / "pretrain.json").read_text())
    assert record == unbroken.record and record["state"] == "done" and record["sessions"] == 1
    assert record["tokens"] == 24 * 4 * 24 == unbroken.losses[-1]["tokens"]
    assert record["corpus"]["documents"] <= 300 and record["corpus"]["tokens"] == record["tokens"] + 1
    assert record["epochs"] == 1.0 and not record["corpus"]["read_to_the_end"]
    total = sum(each.numel() for each in weights(unbroken).values())
    embeddings = weights(unbroken)["model.embed_tokens.weight"].numel()
    assert record["model"]["parameters"] == total
    assert record["flops"] == 6 * (total - embeddings) * record["tokens"]
    assert record["settings"]["input"] == [corpus] and record["schedule"]["steps"] == 24
    assert record["tokenizer"]["name"] == "bpe:300" and "accelerate" in record["versions"]


def test_a_training_that_is_killed_twice_goes_on_to_the_same_weights_and_losses(unbroken, corpus, tmp_path):
    output = tmp_path / "killed"
    for when, number, left in (("step", 8, ["step-00000005"]), ("saving", 15, ["step-00000010", "step-00000015.tmp"])):
        command = [sys.executable, str(HERE / "killed.py"), corpus, str(output), when, str(number)]
        process = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
        assert process.returncode == -9, process.stderr
        assert sorted(path.name for path in (output / "checkpoints").iterdir()) == left
    assert len((output / "losses.jsonl").read_text().splitlines()) == 15
    reports = []
    result = pretrain(small(corpus, output), reports.append)
    assert min(progress.step for progress in reports if progress.loss is not None) == 11, "it began anew"
    assert same(weights(result), weights(unbroken)) and result.losses == unbroken.losses
    assert (output / "losses.jsonl").read_bytes() == (unbroken.model.parent / "losses.jsonl").read_bytes()
    assert result.record["sessions"] == 3


def test_a_training_that_is_done_is_not_done_again(unbroken, corpus):
    reports = []
    again = pretrain(small(corpus, unbroken.model.parent), reports.append)
    assert again == unbroken and not reports


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": 1}, "seed: 0 → 1"),
        ({"tokens": 9999}, "schedule steps: 24 → 104"),
        ({"learning_rate": 1e-4}, "schedule learning_rate"),
        ({"tokenizer": "bpe:400"}, "tokenizer: bpe:300 → bpe:400"),
        ({"precision": "bf16"}, "precision: fp32 → bf16"),
    ],
)
def test_a_folder_of_another_training_is_left_alone(unbroken, corpus, fields, message):
    with pytest.raises(UsageError, match=message) as error:
        pretrain(replace(small(corpus, unbroken.model.parent), **fields))
    assert "--start-over" in str(error.value) and (unbroken.model / "model.safetensors").is_file()


def test_another_corpus_is_noticed_and_start_over_removes_the_first_model(tmp_path):
    corpus = write_corpus(tmp_path / "pages.jsonl", 60)
    settings = small(str(corpus), tmp_path / "model", tokens=24 * 4 * 2)
    first = weights(pretrain(settings))
    write_corpus(corpus, 60, seed=1)
    with pytest.raises(UsageError, match="corpus_files"):
        pretrain(settings)
    assert not same(first, weights(pretrain(settings, start_over=True)))


def test_what_is_no_training_is_not_overwritten(corpus, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        pretrain(small(corpus, tmp_path), start_over=True)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write into"):
        pretrain(small(corpus, tmp_path / "file/model"))
    (tmp_path / "thesis.txt").rename(tmp_path / "pretrain.json")
    (tmp_path / "file").unlink()
    with pytest.raises(UsageError, match="not from a training"):
        pretrain(small(corpus, tmp_path))


def test_the_seed_decides_about_weights_and_order(unbroken, corpus, tmp_path):
    same_again = pretrain(small(corpus, tmp_path / "same", checkpoint_every=7))
    other = pretrain(small(corpus, tmp_path / "other", seed=1, tokens=24 * 4))
    assert same(weights(same_again), weights(unbroken))
    assert other.losses[0]["loss"] != unbroken.losses[0]["loss"]


def test_sequences_at_once_change_nothing_but_rounding(unbroken, corpus, tmp_path):
    together = pretrain(small(corpus, tmp_path / "together", device_batch=4))
    assert way(weights(together), weights(unbroken)) < 1e-3
    assert together.losses[-1]["loss"] == pytest.approx(unbroken.losses[-1]["loss"], rel=1e-4)


def test_a_small_corpus_is_repeated_and_that_is_told(tmp_path):
    corpus = write_corpus(tmp_path / "pages.jsonl", 10)
    reports = []
    result = pretrain(small(str(corpus), tmp_path / "model", tokens=24 * 4 * 30), reports.append)
    record = result.record
    assert record["corpus"]["read_to_the_end"] and record["corpus"]["documents"] == 10
    sequences = (record["corpus"]["tokens"] - 1) // 24
    assert record["epochs"] == pytest.approx(30 * 4 / sequences) and record["epochs"] > 1
    assert reports[-1].epochs == record["epochs"]


def test_half_precision_computes_in_16_bits_and_keeps_32(corpus, tmp_path):
    halves = pretrain(small(corpus, tmp_path / "bf16", precision="bf16", tokens=24 * 4 * 3))
    whole = pretrain(small(corpus, tmp_path / "fp32", precision="fp32", tokens=24 * 4 * 3))
    assert halves.losses[0]["loss"] != whole.losses[0]["loss"]
    assert halves.losses[0]["loss"] == pytest.approx(whole.losses[0]["loss"], rel=0.01)
    assert {each.dtype for each in weights(halves).values()} == {torch.float32}


def test_a_model_is_trained_on_with_its_own_tokenizer(corpus, tmp_path):
    base = str(make_tiny_llama(tmp_path / "base"))
    settings = small(corpus, tmp_path / "on", model=base, preset="tinyllama-1.1b", tokenizer=None, tokens=24 * 4 * 4)
    result = pretrain(replace(settings, learning_rate=1e-3))
    before = load_file(Path(base) / "model.safetensors")
    assert before.keys() == weights(result).keys() and not same(before, weights(result))
    assert result.record["tokenizer"]["name"] == base and result.record["settings"]["model"] == base
    assert AutoTokenizer.from_pretrained(result.model).get_vocab() == AutoTokenizer.from_pretrained(base).get_vocab()
    make_tiny_llama(Path(base), seed=1)
    (Path(base) / "config.json").write_text((Path(base) / "config.json").read_text() + " ")
    with pytest.raises(UsageError, match="weights"):
        pretrain(replace(settings, learning_rate=1e-3))


def test_a_model_to_train_on_needs_a_schedule(corpus, tmp_path):
    with pytest.raises(UsageError, match="needs a preset as well"):
        pretrain(small(corpus, tmp_path / "new", model="some/model"))


def test_a_loss_that_is_no_number_ends_the_training(corpus, tmp_path):
    with pytest.raises(RunError, match="lower --learning-rate"):
        pretrain(small(corpus, tmp_path / "new", learning_rate=1e30, warm_up=0))


def test_a_full_disk_leaves_the_checkpoint_before(unbroken, corpus, tmp_path, monkeypatch):
    def full(*_, **__):
        if (tmp_path / "model/checkpoints/step-00000005").exists():
            raise OSError(28, "No space left on device")
        return write(*_, **__)

    write = filesystem._write_item
    monkeypatch.setattr(filesystem, "_write_item", full)
    with pytest.raises(RunError, match=r"step 10 cannot be written.*no space left.*Make room"):
        pretrain(small(corpus, tmp_path / "model"))
    assert [path.name for path in (tmp_path / "model/checkpoints").iterdir()] == ["step-00000005"]
    monkeypatch.undo()
    assert same(weights(pretrain(small(corpus, tmp_path / "model"))), weights(unbroken))


def test_only_one_training_at_a_time_works_in_a_folder(corpus, tmp_path):
    from prox.runs.lock import locked

    (tmp_path / "model").mkdir()
    with locked(str(tmp_path / "model")), pytest.raises(UsageError, match="at work in"):
        pretrain(small(corpus, tmp_path / "model"))


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert devices.share_of(9) == 3
    with pytest.raises(UsageError, match="--batch 1023 or 1026"):
        devices.share_of(1024)


@pytest.mark.parametrize(
    ("variable", "advice"), [("ACCELERATE_USE_DEEPSPEED", "DDP or FSDP"), ("ACCELERATE_USE_FSDP", "fsdp_version: 2")]
)
def test_what_a_launcher_can_do_and_training_cannot_is_refused(monkeypatch, corpus, tmp_path, variable, advice):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv(variable, "true")
    with pytest.raises(UsageError, match=advice):
        pretrain(small(corpus, tmp_path / "new"))


def together(*arguments):
    """Two processes over gloo, on CPUs: as GPUs train together, but for what computes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    process = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=900)
    assert process.returncode == 0, process.stderr
    return process


def test_two_processes_reach_the_weights_of_one(unbroken, corpus, tmp_path):
    options = ["--tokenizer", "bpe:300", "--context", "24", "--batch", "4", "--tokens", str(24 * 4 * 24)]
    options += ["--device-batch", "1", "--checkpoint-every", "9", "--json"]
    process = together("-m", "prox", "pretrain", corpus, str(tmp_path / "two"), *options)
    record = json.loads(process.stdout)
    assert record["devices"] == 2 and record["tokens"] == unbroken.record["tokens"]
    assert way(load_file(tmp_path / "two/model/model.safetensors"), weights(unbroken)) < 1e-3
    assert process.stderr.count("step 24 of 24") == 1, "both processes speak"


def test_a_model_in_shards_reaches_the_same_weights_and_is_saved_whole(unbroken, corpus, tmp_path):
    process = together(str(HERE / "sharded.py"), corpus, str(tmp_path / "sharded"))
    assert process.stdout.count("24") == 2, "each process gets the result"
    assert way(load_file(tmp_path / "sharded/model/model.safetensors"), weights(unbroken)) < 1e-3
    assert json.loads((tmp_path / "sharded/pretrain.json").read_text())["identity"]["sharded"] is True
    assert len(AutoTokenizer.from_pretrained(tmp_path / "sharded/model")) == 300
