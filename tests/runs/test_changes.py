"""What decides about the output of a run, and what a person is told when it is another."""

import json

import pytest

from prox.runs.changes import differing_fields, identity, refusal
from prox.runs.recipe import Recipe


def recipe(**fields):
    return Recipe(**{"input": ("in",), "output": "out", "stages": ("tagger",)} | fields)


def differ(before, now):
    """As a run compares them: one comes back from run.json."""
    return differing_fields(json.loads(json.dumps(identity(before))), identity(now), "recipe")


@pytest.mark.parametrize(
    "fields",
    [
        {"input": ("elsewhere", "too")},
        {"output": "moved"},
        {"engine": "ray"},
        {"workers": 7},
        {"workers": 0},
        {"memory": "4GB"},
        {"time_limit": 5},
        {"gpus": 1},
        {"most_unusable": 1},
        {"engine_options": {"concurrency": 3}},
        {"stages": ({"refiner": "tagger"},)},
        {"stages": ({"refiner": "tagger", "engine_options": {"concurrency": 3}},)},
        {"stages": ({"refiner": "tagger", "family": None, "constrain": False},)},
    ],
)
def test_where_and_with_what_a_run_works_is_no_change(fields):
    assert differ(recipe(), recipe(**fields)) == []


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"corpus": "c4"}, "recipe corpus: not given → c4"),
        ({"text_field": "body"}, "recipe text_field: not given → body"),
        ({"level": "chunk"}, "recipe level: not given → chunk"),
        ({"keep_threshold": 0.5}, "recipe keep_threshold: not given → 0.5"),
        ({"on_failure": "quarantine"}, "recipe on_failure: keep → quarantine"),
        ({"format": "jsonl"}, "recipe format: parquet → jsonl"),
        ({"unit_bytes": "1MB"}, "recipe unit_bytes: not given → 1000000"),
        ({"unit_documents": 5}, "recipe unit_documents: not given → 5"),
        ({"family": "ultrax"}, "recipe family: not given → ultrax"),
        ({"system_prompt": "be kind"}, "recipe system_prompt: not given → be kind"),
        ({"constrain": True}, "recipe constrain: False → True"),
        ({"stages": ("vllm:a",)}, "recipe stages 1 refiner: tagger → vllm:a"),
        ({"stages": ({"refiner": "tagger", "level": "chunk"},)}, "recipe stages 1 level: not given → chunk"),
        (
            {"stages": ({"refiner": "tagger", "keep_threshold": 0.1},)},
            "recipe stages 1 keep_threshold: not given → 0.1",
        ),
    ],
)
def test_what_decides_about_the_output_is_told_field_by_field(fields, line):
    assert differ(recipe(), recipe(**fields)) == [line]


def test_a_policy_is_compared_field_by_field():
    before = recipe(stages=({"refiner": "tagger", "policy": {"least_words": 5}},))
    now = recipe(stages=({"refiner": "tagger", "policy": {"least_words": 7}},))
    assert differ(before, now) == ["recipe stages 1 policy least_words: 5 → 7"]


def test_a_stage_more_is_one_change():
    (line,) = differ(recipe(), recipe(stages=("tagger", "vllm:a")))
    assert line.startswith("recipe stages: ") and "vllm:a" in line


def test_secrets_in_addresses_are_in_no_identity_and_no_message():
    before = recipe(stages=("openai:m@http://me:SECRETPW@host/v1?key=SECRETKEY",))
    now = recipe(stages=("openai:m@http://me:SECRETNEW@other/v1",))
    assert "SECRET" not in json.dumps(identity(before))
    assert "SECRET" not in str(refusal("out", differ(before, now)))


def test_a_fieldless_difference_is_told_with_its_values():
    assert differing_fields(1, 2, "x") == ["x: 1 → 2"]
    assert differing_fields(None, 2, "x") == ["x: not given → 2"]
    assert differing_fields([1, 2], [1, 3], "x") == ["x 2: 2 → 3"]
    assert differing_fields({"a": 1}, {"a": 1, "b": [2]}, "x") == ["x b: not given → [2]"]
    assert differing_fields({"a": {"b": 1.0}}, {"a": {"b": 1}}, "x") == []


def test_a_refusal_says_what_to_do_and_is_not_endless():
    text = str(refusal("out", [f"input: new file {number}" for number in range(30)]))
    assert text.startswith("out holds a run that was begun otherwise")
    assert "new file 9\n" in text and "new file 10" not in text and "… and 20 more" in text
    assert all(word in text for word in ("new folder", "--despite-changes", "--start-over"))
    assert "more" not in str(refusal("out", ["one"]))
