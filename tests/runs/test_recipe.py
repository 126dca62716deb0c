"""Recipes: which refiner works where, and what no recipe may say."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from prox.errors import UsageError
from prox.program import Policy
from prox.refiners import Level
from prox.runs import recipe as recipe_module
from prox.runs.recipe import Recipe, check_recipe, load_stages, make_recipe, read_recipe


def recipe(**fields):
    return Recipe(**{"input": ("in.jsonl",), "output": "out"} | fields)


@pytest.fixture
def loaded(monkeypatch):
    """What the refiners are asked for, instead of the refiners."""

    class Loaded:
        def __init__(self, spec, level, threshold=None):
            self.spec, self.level, self.threshold = spec, level, threshold

    monkeypatch.setattr(recipe_module, "load_refiner", Loaded)
    return lambda **fields: [
        (stage.refiner.spec, stage.refiner.level, stage.refiner.threshold) for stage in load_stages(recipe(**fields))
    ]


def test_one_refiner_does_both_levels_documents_first(loaded):
    assert loaded() == [("tagger", Level.DOCUMENT, None), ("tagger", Level.CHUNK, None)]


def test_two_refiners_are_for_documents_and_then_for_chunks(loaded):
    assert loaded(stages=("a", "b")) == [("a", Level.DOCUMENT, None), ("b", Level.CHUNK, None)]


@pytest.mark.parametrize("level", list(Level))
def test_a_level_limits_the_run_to_it(loaded, level):
    assert loaded(level=str(level)) == [("tagger", level, None)]


def test_two_refiners_for_one_level_are_refused():
    with pytest.raises(UsageError, match=r"two refiners, but only the chunk level: leave out --level or one --refiner"):
        recipe(stages=("a", "b"), level="chunk").levels()


def test_each_level_has_its_threshold(loaded):
    assert loaded(keep_threshold=0.0) == [("tagger", Level.DOCUMENT, 0.0), ("tagger", Level.CHUNK, None)]
    assert loaded(noise_threshold=0.9) == [("tagger", Level.DOCUMENT, None), ("tagger", Level.CHUNK, 0.9)]
    own = ({"refiner": "a", "keep_threshold": 0.1}, {"refiner": "b", "noise_threshold": 0.2})
    assert loaded(stages=own, noise_threshold=0.9) == [("a", Level.DOCUMENT, 0.1), ("b", Level.CHUNK, 0.2)]


def test_in_a_cascade_the_noise_threshold_is_for_the_refiner_that_scores_lines():
    made = recipe(stages=("tagger", "vllm:a"), uncertain="0.2..0.8", noise_threshold=0.9)
    check_recipe(made)
    assert [made.completed(each).noise_threshold for each in made.stages] == [0.9, None]
    with pytest.raises(UsageError, match="leave out --noise-threshold"):
        check_recipe(recipe(stages=("tagger", "vllm:a/ultrax"), noise_threshold=0.9))


def test_a_replay_is_one_stage_without_limits(monkeypatch):
    monkeypatch.setattr(recipe_module, "StoredRefiner", lambda folder, level, whole: (folder, whole))
    (stage,) = load_stages(recipe(stages=("stored:p",), replay=True))
    assert stage.policy == Policy.unlimited()
    assert (stage.name, stage.refiner) == ("stored:p", ("p", True))


@pytest.mark.parametrize(
    "fields",
    [
        {"stages": ()},
        {"stages": ("a", "b", "c")},
        {"refiners": ("a",)},
        {"level": "line"},
        {"keep_threshold": 7},
        {"keep_threshold": -0.1},
        {"keep_threshold": float("nan")},
        {"noise_threshold": 1.01},
        {"stages": ({"refiner": "tagger", "noise_threshold": "a"},)},
        {"format": "csv"},
        {"workers": -1},
        {"workers": 1.5},
        {"engine": "spark"},
        {"engine": {"dtype": "float16"}},
        {"unit_bytes": 0},
        {"unit_bytes": "many"},
        {"unit_bytes": True},
        {"unit_documents": 0},
        {"memory": "4 XB"},
        {"time_limit": 0},
        {"gpus": -1},
        {"stages": ({"refiner": "a", "level": "line"},)},
        {"stages": ({"refiner": "a", "policy": {"errors_allowed": -1}},)},
        {"stages": ({"refiner": "a", "workers": 2},)},
        {"threshold": 0.5},
    ],
)
def test_a_value_that_no_recipe_has_is_refused(fields):
    with pytest.raises(ValidationError):
        recipe(**fields)


def test_a_recipe_comes_back_from_its_json_form():
    full = recipe(stages=("a", "b"), keep_threshold=0.5, text_field="body", corpus="c4", workers=2, format="jsonl")
    assert Recipe.model_validate_json(full.model_dump_json()) == full


@pytest.mark.parametrize(
    ("given", "bytes"), [("64MB", 64_000_000), ("1.5 GiB", 3 << 29), (4096, 4096), ("10k", 10_000), ("7b", 7)]
)
def test_sizes_are_written_as_people_write_them(given, bytes):
    made = recipe(unit_bytes=given, memory=given)
    assert (made.unit_bytes, made.memory) == (bytes, bytes)


def test_a_threshold_of_one_stage_goes_before_that_of_the_recipe(loaded):
    stages = ({"refiner": "a", "keep_threshold": 0.3}, "b")
    assert loaded(stages=stages, keep_threshold=0.9)[0] == ("a", Level.DOCUMENT, 0.3)


def test_a_stage_may_say_its_level(loaded):
    assert loaded(stages=({"refiner": "tagger", "level": "chunk"},)) == [("tagger", Level.CHUNK, None)]
    with pytest.raises(UsageError, match="the refiner for documents comes first"):
        recipe(stages=({"refiner": "tagger", "level": "chunk"}, "tagger")).levels()
    with pytest.raises(UsageError, match="works at document level"):
        recipe(stages=({"refiner": "vllm:a/web-doc-refining-lm", "level": "chunk"},)).levels()


def test_a_policy_of_a_stage_changes_what_it_names_only(loaded):
    (document, chunk) = load_stages(
        recipe(stages=("a", {"refiner": "b", "policy": {"least_words": None, "deletions_only": False}}))
    )
    assert document.policy == Policy()
    assert chunk.policy == Policy(least_words=None, deletions_only=False)


RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_ship_are_recipes(path):
    made = make_recipe(input=("in.jsonl",), output="out", **read_recipe(str(path)))
    plan = made.cascade() if made.uncertain else made.levels()
    assert plan
    assert made.has_language_model == (path.stem != "tagger")


def test_the_prox_recipe_judges_with_one_model_and_edits_with_the_other():
    (path,) = [each for each in RECIPES if each.stem == "prox-general"]
    made = make_recipe(input=("in.jsonl",), output="out", **read_recipe(str(path)))
    assert [(each.refiner, level) for each, level in made.levels()] == [
        ("vllm:gair-prox/web-doc-refining-lm", Level.DOCUMENT),
        ("vllm:gair-prox/web-chunk-refining-lm", Level.CHUNK),
    ]


def test_one_model_works_at_the_levels_that_it_knows():
    assert [level for _, level in recipe(stages=("vllm:a/web-doc-refining-lm",)).levels()] == [Level.DOCUMENT]
    assert [level for _, level in recipe(stages=("vllm:a/ultrax",)).levels()] == [Level.CHUNK]
    assert [level for _, level in recipe(stages=("vllm:a/chat",)).levels()] == list(Level)
    with pytest.raises(UsageError, match="works at document level"):
        recipe(stages=("vllm:a/web-doc-refining-lm",), level="chunk").levels()


def test_models_in_the_wrong_order_are_told():
    wrong = recipe(stages=("vllm:a/web-chunk-refining-lm", "vllm:a/web-doc-refining-lm"))
    with pytest.raises(UsageError, match="documents comes first"):
        wrong.levels()


def test_what_is_said_of_one_refiner_goes_before_what_is_said_of_all():
    made = recipe(
        stages=({"refiner": "vllm:a", "family": "prox-document", "engine_options": {"dtype": "float16"}}, "vllm:b"),
        family="prox-chunk",
        engine_options={"dtype": "bfloat16", "max_model_len": 2048},
    )
    (one, _), (other, _) = made.levels()
    assert (one.family, one.engine_options) == ("prox-document", {"dtype": "float16", "max_model_len": 2048})
    assert (other.family, other.engine_options) == ("prox-chunk", {"dtype": "bfloat16", "max_model_len": 2048})


def test_options_of_a_language_model_are_for_the_language_model_of_a_cascade():
    made = recipe(stages=("tagger", "vllm:a"), uncertain="0.2..0.8", family="instruct", constrain=True)
    tagger, model = (made.completed(each) for each in made.stages)
    assert (tagger.family, tagger.constrain) == (None, False)
    assert (model.family, model.constrain) == ("instruct", True)
    with pytest.raises(UsageError, match="is no language model"):
        load_stages(recipe(family="instruct"))


def test_a_cascade_works_where_both_refiners_can():
    plan = recipe(stages=("tagger", "vllm:a/web-chunk-refining-lm"), uncertain="0.2..0.8").cascade()
    assert [([each.refiner for each in able], level) for able, level in plan] == [
        (["tagger"], Level.DOCUMENT),
        (["tagger", "vllm:a/web-chunk-refining-lm"], Level.CHUNK),
    ]
    with pytest.raises(UsageError, match="no level in common"):
        recipe(stages=("vllm:a/web-doc-refining-lm", "vllm:a/ultrax"), uncertain="0.2..0.8").cascade()


@pytest.mark.parametrize("uncertain", ["0.8..0.2", "0.2", "a..b", "0.2..1.5", "-1..0.5", ""])
def test_a_range_that_is_none_gets_an_example(uncertain):
    with pytest.raises(UsageError, match=r"0\.2\.\.0\.8"):
        make_recipe(input=(), output="", stages=("tagger", "vllm:a"), uncertain=uncertain)


def test_a_range_needs_two_refiners():
    with pytest.raises(UsageError, match="needs two refiners"):
        make_recipe(input=(), output="", uncertain="0.2..0.8")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stage": ["tagger"]}, 'there is no field "stage"; did you mean "stages"?'),
        ({"stages": [{"refiner": "vllm:a", "familly": "x"}]}, 'did you mean "family"?'),
        ({"stages": [{"refiner": "vllm:a", "policy": {"least_word": 3}}]}, 'did you mean "least_words"?'),
        ({"wurst": 1}, 'there is no field "wurst"; it may have family'),
        ({"most_unusable": 2}, "most_unusable: "),
        ({"on_failure": "drop"}, "on_failure: "),
    ],
)
def test_a_wrong_field_is_named_with_the_nearest_right_one(fields, message):
    with pytest.raises(UsageError) as failure:
        make_recipe(**({"input": ("a",), "output": "b"} | fields))
    assert message in str(failure.value) and "replay" not in str(failure.value)


def test_a_wrong_value_within_a_stage_is_named_with_its_field():
    with pytest.raises(UsageError, match=r"^stages: policy: least_words: "):
        make_recipe(input=("a",), output="b", stages=[{"refiner": "vllm:a", "policy": {"least_words": "many"}}])


def test_a_recipe_of_earlier_days_is_told_what_has_changed(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("stages: [tagger]\nengine: {dtype: float16}\n")
    with pytest.raises(UsageError, match="engine is local or ray; options of a language model are engine_options"):
        read_recipe(str(path))
    path.write_text("refiners: [tagger]\n")
    with pytest.raises(UsageError, match='there is no field "refiners"'):
        make_recipe(input=("a",), output="b", **read_recipe(str(path)))


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2]", "no list of fields"), ("a: [", "no YAML"), ("", "no list of fields"), ("1: 2", "fields")],
)
def test_a_file_that_is_no_recipe_is_told(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_recipe(str(path))
    with pytest.raises(UsageError, match="cannot read"):
        read_recipe(str(tmp_path / "missing.yaml"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"level": "chunk", "keep_threshold": 0.3},
            "no refiner works at document level, so leave out --keep-threshold",
        ),
        ({"level": "document", "noise_threshold": 0.3}, "no refiner works at chunk level, so leave out --noise-thresh"),
        ({"stages": ("rules:c4",), "level": "chunk", "keep_threshold": 0.3}, "no refiner works at document level"),
    ],
)
def test_a_threshold_without_effect_is_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        load_stages(recipe(**fields))
