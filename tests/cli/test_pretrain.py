"""`prox pretrain`, as it is called."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("accelerate", reason="needs the extra pretrain")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretrain"))

SMALL = ("--tokenizer", "bpe:300", "--context", "24", "--batch", "4", "--tokens", "480")


@pytest.fixture
def corpus(tmp_path):
    from small_corpus import write_corpus

    return write_corpus(tmp_path / "pages.jsonl", 20)


def test_a_model_is_trained_and_the_same_command_finds_it_done(prox, corpus, tmp_path):
    with corpus.open("a") as file:
        file.write("not json\n")
    code, out, err = prox("pretrain", corpus, tmp_path / "model", *SMALL)
    assert code == 0 and "step 5 of 5, loss" in err and "tokens/s" in err
    for shown in (
        "documents read",
        "left out: invalid JSON",
        "epochs",
        "FLOPs (6 N D)",
        f"→ {tmp_path / 'model/model'}",
    ):
        assert shown in out, out
    before = (tmp_path / "model/model/model.safetensors").stat().st_mtime_ns
    code, out, err = prox("pretrain", corpus, tmp_path / "model", *SMALL, "--json")
    assert code == 0 and json.loads(out)["state"] == "done" and not err
    assert (tmp_path / "model/model/model.safetensors").stat().st_mtime_ns == before


def test_a_corpus_that_is_repeated_says_so_before_it_is(prox, corpus, tmp_path):
    _, out, err = prox("pretrain", corpus, tmp_path / "model", *SMALL[:-1], "9600", "--json")
    record = json.loads(out)
    assert f"they are repeated, {record['epochs']:.2f} epochs in all" in err and record["epochs"] > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{corpus}"], "name the corpus and then the output folder"),
        (["{corpus}", "{tmp}/new", "--preset", "tlm-xl"], 'no preset "tlm-xl"'),
        (["{corpus}", "{tmp}/new", "--precision", "fp8"], "none of fp32, bf16"),
        (["{corpus}", "{tmp}/new", "--tokenizer", "bpe:5"], "Write bpe:4096"),
        (["{corpus}", "{tmp}/new", "--from", "{tmp}/none", "--preset", "tinyllama-1.1b"], "there is no folder"),
        (["{tmp}/none.jsonl", "{tmp}/new"], "does not exist"),
        (["{corpus}", "{corpus}"], "cannot write into"),
        (["{tmp}", "{tmp}/new"], "lies in the input"),
        (["{corpus}", "s3://bucket/model"], "is not on this machine"),
        (["{corpus}", "{tmp}/new", "--text-field", "body"], 'no field "body"'),
        (["{corpus}", "{tmp}/new", "--context", "99999"], "not one sequence of 99,999"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(prox, corpus, tmp_path, arguments, message):
    given = [each.format(corpus=corpus, tmp=tmp_path) for each in arguments]
    code, out, err = prox("pretrain", *given)
    assert (code, out) == (2, "") and message in err and "Traceback" not in err
    assert not (tmp_path / "new").exists()


def test_help_has_an_example(prox):
    code, out, _ = prox("pretrain", "--help")
    assert code == 0 and "Example: prox pretrain" in out
