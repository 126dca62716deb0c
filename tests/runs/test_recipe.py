"""Recipes: which refiner works where, and what no recipe may say."""

import pytest
from pydantic import ValidationError

from prox.errors import UsageError
from prox.program import Policy
from prox.refiners import Level
from prox.runs import recipe as recipe_module
from prox.runs.recipe import Recipe, load_stages


def recipe(**fields):
    return Recipe(**{"input": ("in.jsonl",), "output": "out"} | fields)


@pytest.fixture
def loaded(monkeypatch):
    """What the refiners are asked for, instead of the refiners."""

    class Loaded:
        def __init__(self, spec, level, keep_threshold=None):
            self.spec, self.level, self.keep_threshold = spec, level, keep_threshold

    monkeypatch.setattr(recipe_module, "load_refiner", Loaded)
    return lambda **fields: [
        (stage.refiner.spec, stage.refiner.level, stage.refiner.keep_threshold)
        for stage in load_stages(recipe(**fields))
    ]


def test_one_refiner_does_both_levels_documents_first(loaded):
    assert loaded() == [("tagger", Level.DOCUMENT, None), ("tagger", Level.CHUNK, None)]


def test_two_refiners_are_for_documents_and_then_for_chunks(loaded):
    assert loaded(refiners=("a", "b")) == [("a", Level.DOCUMENT, None), ("b", Level.CHUNK, None)]


@pytest.mark.parametrize("level", list(Level))
def test_a_level_limits_the_run_to_it(loaded, level):
    assert loaded(level=str(level)) == [("tagger", level, None)]


def test_two_refiners_for_one_level_are_refused():
    with pytest.raises(UsageError, match=r"two refiners, but only the chunk level: leave out --level or one --refiner"):
        recipe(refiners=("a", "b"), level="chunk").levels()


def test_the_keep_threshold_is_for_documents_only(loaded):
    assert loaded(keep_threshold=0.0) == [("tagger", Level.DOCUMENT, 0.0), ("tagger", Level.CHUNK, None)]


def test_a_replay_is_one_stage_without_limits(monkeypatch):
    monkeypatch.setattr(recipe_module, "StoredRefiner", lambda folder, level, whole: (folder, whole))
    (stage,) = load_stages(recipe(refiners=("stored:p",), replay=True))
    assert stage.policy == Policy.unlimited()
    assert (stage.name, stage.refiner) == ("stored:p", ("p", True))


@pytest.mark.parametrize(
    "fields",
    [
        {"refiners": ()},
        {"refiners": ("a", "b", "c")},
        {"level": "line"},
        {"keep_threshold": 7},
        {"keep_threshold": -0.1},
        {"keep_threshold": float("nan")},
        {"format": "csv"},
        {"workers": 0},
        {"workers": -1},
        {"threshold": 0.5},
    ],
)
def test_a_value_that_no_recipe_has_is_refused(fields):
    with pytest.raises(ValidationError):
        recipe(**fields)


def test_a_recipe_comes_back_from_its_json_form():
    full = recipe(refiners=("a", "b"), keep_threshold=0.5, text_field="body", corpus="c4", workers=2, format="jsonl")
    assert Recipe.model_validate_json(full.model_dump_json()) == full
