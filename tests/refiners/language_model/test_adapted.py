import json

import pytest

from prox.errors import UsageError
from prox.program import get_dialect
from prox.refiners.draft import Level
from prox.refiners.language_model.adapted import FILE, has_family, read_family, write_family
from prox.refiners.language_model.families import adapted_family, make_family
from prox.refiners.language_model.loading import ModelOptions, levels_of, parse_spec

FAMILIES = [
    adapted_family(Level.CHUNK, get_dialect("refinex"), 400, None),
    adapted_family(Level.CHUNK, get_dialect("ultrax"), 800, None),
    adapted_family(Level.DOCUMENT, get_dialect("prox-document"), 2000, None),
    make_family("prox-chunk", Level.CHUNK),
    make_family("prox-document", Level.DOCUMENT),
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.name}-{family.dialect.name}")
def test_a_family_comes_back_as_it_was_written(tmp_path, family):
    write_family(tmp_path, family, {"scores": {"f1": 0.5}})
    again = read_family(str(tmp_path))
    for name in ("level", "dialect", "layout", "window", "max_new_tokens", "answers", "policy", "overlap", "stop"):
        assert getattr(again, name) == getattr(family, name)
    assert json.loads((tmp_path / FILE).read_text())["scores"] == {"f1": 0.5}


def test_the_folder_decides_the_level_and_a_served_model_is_asked_as_a_folder_says(tmp_path):
    write_family(tmp_path, FAMILIES[0], {})
    assert has_family(str(tmp_path)) and not has_family(str(tmp_path / "nowhere"))
    spec = parse_spec(f"transformers:{tmp_path}")
    assert levels_of(spec, ModelOptions()) == (Level.CHUNK,)
    assert levels_of(spec, ModelOptions(family="instruct")) == (Level.DOCUMENT, Level.CHUNK)
    served = parse_spec("openai:mine@http://127.0.0.1:8000/v1")
    assert levels_of(served, ModelOptions(family=str(tmp_path))) == (Level.CHUNK,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stored: stored.update(format=99), "not of the format"),
        (lambda stored: stored.pop("family"), "Input should be a valid dictionary"),
        (lambda stored: stored["family"].pop("dialect"), "dialect: Field required"),
        (lambda stored: stored["family"].update(dialect="klingon"), "no dialect is called 'klingon'"),
        (lambda stored: stored["family"].update(window="wide"), "window"),
        (lambda stored: stored["family"].update(window_unit="miles"), "'tokens' or 'characters'"),
        (lambda stored: stored["family"]["policy"].update(mercy=1), "mercy"),
        (lambda stored: stored["family"]["policy"].update(least_share=7), "least_share is 7"),
        (lambda stored: stored["family"].update(surprise=1), "surprise"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path, change, message):
    write_family(tmp_path, FAMILIES[0], {})
    stored = json.loads((tmp_path / FILE).read_text())
    change(stored)
    (tmp_path / FILE).write_text(json.dumps(stored))
    with pytest.raises(UsageError, match=message):
        read_family(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"null"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UsageError, match=r"prox\.json"):
        read_family(str(tmp_path))
