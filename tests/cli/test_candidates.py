import pytest

from prox.cli.candidates import candidates_from_options, split_specs
from prox.refiners.draft import Level

SECRET = "openai:small@http://me:secret@host:8000/v1"


def candidates(*against, refiners=None, recipe=None, uncertain=None, **model_options):
    options = {"family": None, **model_options}
    thresholds = {"keep_threshold": None, "noise_threshold": None}
    return candidates_from_options(recipe, refiners, against, options, thresholds, uncertain)


@pytest.mark.parametrize(
    ("given", "specs"),
    [
        ("tagger", ["tagger"]),
        ("tagger,tagger", ["tagger", "tagger"]),
        ("rules:c4+fineweb,tagger", ["rules:c4+fineweb", "tagger"]),
        ("stored:a,b/programs", ["stored:a,b/programs"]),
        ("stored:a,b,vllm:org/model,2", ["stored:a,b", "vllm:org/model,2"]),
        ("openai:m@http://host/v1,taggers", ["openai:m@http://host/v1,taggers"]),
    ],
)
def test_a_comma_parts_specs_only_before_the_name_of_a_refiner(given, specs):
    assert split_specs(given) == specs


def test_options_of_language_models_are_for_those_that_are_one():
    first, second, third = candidates(SECRET, "stored:here", family="instruct")
    assert [each.recipe.family for each in (first, second, third)] == [None, "instruct", None]
    assert [each.letter for each in (first, second, third)] == ["A", "B", "C"]
    first, second = candidates("tagger", refiners=[SECRET], family="instruct")
    assert [each.recipe.family for each in (first, second)] == ["instruct", None]


def test_names_hold_no_secrets():
    (_, second) = candidates(f"tagger,{SECRET}")
    assert second.name == "tagger + openai:small@http://host:8000/v1"
    assert second.of_level(Level.DOCUMENT) == "tagger"
    assert "secret" not in second.of_level(Level.CHUNK)


def test_only_the_first_can_be_a_cascade_by_option():
    first, second = candidates("tagger", refiners=["tagger", SECRET], uncertain="0.2..0.8", family="instruct")
    assert first.of_level(Level.CHUNK) == first.name == "tagger | openai:small@http://host:8000/v1"
    assert second.recipe.uncertain is None


def test_thresholds_are_not_for_rules_and_stored_programs():
    thresholds = {"keep_threshold": 0.4, "noise_threshold": 0.6}
    against = ["rules:c4", "stored:here", "tagger"]
    found = candidates_from_options(None, ["tagger"], against, {"family": None}, thresholds, None)
    kept = [(each.recipe.keep_threshold, each.recipe.noise_threshold) for each in found]
    assert kept == [(0.4, 0.6), (None, None), (None, None), (0.4, 0.6)]
