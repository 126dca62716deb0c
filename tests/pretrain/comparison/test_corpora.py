"""How corpora are named, and what is known of them."""

import json

import pytest

from prox.errors import UsageError
from prox.pretrain.comparison.corpora import Corpus, corpora_of, facts, refining_of


def test_corpora_keep_their_order_and_paths_may_hold_equals_signs():
    assert corpora_of(["raw=a/b.jsonl", "new=s3://bucket/run=3"]) == (
        Corpus("raw", "a/b.jsonl"),
        Corpus("new", "s3://bucket/run=3"),
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["raw=a"], "two corpora or more"),
        (["raw=a", "b"], "is not NAME=PATH"),
        (["raw=a", "=b"], "cannot name a corpus"),
        (["raw=a", "new="], "is not NAME=PATH"),
        (["raw=a", "a/b=c"], "cannot name a corpus"),
        (["raw=a", "..=c"], "cannot name a corpus"),
        (["raw=a", "Raw=b"], 'two corpora are named "raw"'),
    ],
)
def test_names_that_make_no_folders_and_tables_are_refused(given, told):
    with pytest.raises(UsageError, match=told):
        corpora_of(given)


def test_a_corpus_that_no_run_has_made_cost_nothing_that_is_known(tmp_path):
    (tmp_path / "crawl.jsonl").write_text('{"text": "a"}\n')
    assert refining_of(Corpus("raw", str(tmp_path / "crawl.jsonl"))) is None
    assert refining_of(Corpus("raw", str(tmp_path))) is None


def test_a_record_that_is_no_record_of_a_run_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(UsageError, match=r"run\.json"):
        refining_of(Corpus("refined", str(tmp_path)))


def record(documents, tokens, whole, epochs, loss):
    corpus = {"documents": documents, "tokens": tokens, "read_to_the_end": whole}
    return {"corpus": corpus, "epochs": epochs, "flops": 60, "loss": loss}


def test_facts_are_those_of_all_trainings_of_a_corpus(tmp_path):
    found = facts(Corpus("raw", str(tmp_path)), [record(6, 100, True, 1.0, 3.0), record(6, 100, True, 2.0, 2.0)])
    assert json.loads(json.dumps(found)) == {
        "name": "raw",
        "path": str(tmp_path),
        "read_to_the_end": True,
        "documents": 6,
        "tokens": 100,
        "epochs": 1.5,
        "training_flops": 60,
        "refining_flops": None,
        "refining_seconds": None,
        "final_losses": [3.0, 2.0],
    }


def test_of_a_corpus_that_was_read_in_part_nobody_knows_the_size(tmp_path):
    found = facts(Corpus("raw", str(tmp_path)), [record(5, 90, False, 1.0, 3.0), record(6, 100, True, 2.0, 2.0)])
    assert (found["read_to_the_end"], found["documents"], found["tokens"], found["epochs"]) == (False, None, None, None)
