"""Which model belongs to which family, and what a family asks for."""

import json
from importlib.util import find_spec

import pytest

from prox.errors import UsageError
from prox.refiners import Level
from prox.refiners.language_model.families import FAMILIES, family_of_name, make_family
from prox.refiners.language_model.loading import ModelOptions, ModelSpec, levels_of, load_language_model, parse_spec


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gair-prox/web-doc-refining-lm", "prox-document"),
        ("gair-prox/web-chunk-refining-lm", "prox-chunk"),
        ("gair-prox/math-doc-refining-lm", "prox-document"),
        ("gair-prox/math-chunk-refining-lm", "prox-chunk"),
        ("openbmb/UltraX-0.6B-Preview", "ultrax"),
        ("/models/ultrax-own/", "ultrax"),
        ("Qwen/Qwen3-0.6B", None),
        ("ultrax-data/llama", None),
    ],
)
def test_released_models_are_known_by_their_names(name, family):
    assert family_of_name(name) == family


def test_the_config_of_a_model_can_name_its_family(tmp_path):
    config = tmp_path / "config.json"
    spec = ModelSpec("transformers", str(tmp_path))
    config.write_text(json.dumps({"prox_family": "prox-chunk"}))
    assert levels_of(spec, ModelOptions()) == (Level.CHUNK,)
    assert levels_of(spec, ModelOptions(family="prox-document")) == (Level.DOCUMENT,)
    config.write_text(json.dumps({"_name_or_path": "gair-prox/web-doc-refining-lm"}))
    assert levels_of(spec, ModelOptions()) == (Level.DOCUMENT,)
    config.write_text("{}")
    assert levels_of(spec, ModelOptions()) == tuple(Level)
    config.write_text(json.dumps({"prox_family": "nonsense"}))
    with pytest.raises(UsageError, match="prox-chunk"):
        levels_of(spec, ModelOptions())
    config.write_text("{")
    with pytest.raises(UsageError, match="no JSON"):
        levels_of(spec, ModelOptions())


def test_a_family_asked_for_the_other_level_says_so():
    for family, level in (("prox-document", Level.CHUNK), ("prox-chunk", Level.DOCUMENT), ("ultrax", Level.DOCUMENT)):
        with pytest.raises(UsageError, match=f"not at {level} level"):
            make_family(family, level, "system")
    with pytest.raises(UsageError, match="not at chunk level"):
        load_language_model(ModelSpec("vllm", "gair-prox/web-doc-refining-lm"), Level.CHUNK, ModelOptions())


def test_ultrax_asks_for_its_system_text_before_anything_is_loaded(tmp_path):
    spec = ModelSpec("vllm", "openbmb/UltraX-0.6B-Preview")
    with pytest.raises(UsageError, match="--system-prompt FILE"):
        load_language_model(spec, Level.CHUNK, ModelOptions())
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    for path, message in ((empty, "is empty"), (tmp_path / "none.txt", "cannot read")):
        with pytest.raises(UsageError, match=message):
            load_language_model(spec, Level.CHUNK, ModelOptions(system_prompt=str(path)))


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_a_missing_engine_is_told_before_a_hub_is_asked():
    with pytest.raises(UsageError, match="pip install vllm"):
        load_language_model(ModelSpec("vllm", "gair-prox/web-doc-refining-lm"), Level.DOCUMENT, ModelOptions())


@pytest.mark.parametrize("name", FAMILIES)
def test_windows_leave_room_for_programs(name):
    for level in FAMILIES[name]:
        family = make_family(name, level, "system")
        assert family.level == level
        assert (family.window is None) == (level == Level.DOCUMENT)
        assert family.max_new_tokens > 0


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("vllm:gair-prox/web-doc-refining-lm", ("vllm", "gair-prox/web-doc-refining-lm", None, "")),
        ("transformers:a/b@v1.0", ("transformers", "a/b", "v1.0", "")),
        ("transformers:/some/folder", ("transformers", "/some/folder", None, "")),
        ("openai:m@https://host/v1", ("openai", "m", None, "https://host/v1")),
        ("openai:a@b/c:1@http://u:p@host:8000", ("openai", "a@b/c:1", None, "http://u:p@host:8000")),
    ],
)
def test_specs_are_taken_apart(spec, parts):
    assert parse_spec(spec) == ModelSpec(*parts)


def test_a_folder_with_an_at_sign_is_a_folder(tmp_path):
    folder = tmp_path / "model@home"
    folder.mkdir()
    assert parse_spec(f"vllm:{folder}") == ModelSpec("vllm", str(folder))


@pytest.mark.parametrize("spec", ["openai:model", "openai:@http://host", "openai:", "vllm:", "transformers:"])
def test_half_a_spec_gets_an_example(spec):
    with pytest.raises(UsageError, match="--refiner"):
        parse_spec(spec)


@pytest.mark.parametrize("spec", ["tagger", "stored:x", "", "vllm", "Vllm:x"])
def test_other_specs_are_no_language_models(spec):
    if spec == "vllm":
        with pytest.raises(UsageError):
            parse_spec(spec)
    else:
        assert parse_spec(spec) is None
