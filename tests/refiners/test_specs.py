"""Refiner specs, as people write them on the command line and in recipes."""

import pytest

from prox.errors import UsageError
from prox.refiners import Level, load_refiner
from prox.refiners.tagger import TaggerRefiner


@pytest.mark.parametrize("level", list(Level))
def test_tagger_is_the_embedded_one(level):
    refiner = load_refiner("tagger", level)
    assert isinstance(refiner, TaggerRefiner)
    assert refiner.level == level
    assert refiner.fingerprint == TaggerRefiner(level).fingerprint


def test_the_keep_threshold_reaches_the_refiner():
    refiner = load_refiner("tagger", Level.DOCUMENT, 0.25)
    assert refiner.fingerprint == TaggerRefiner(Level.DOCUMENT, 0.25).fingerprint
    assert refiner.fingerprint != load_refiner("tagger", Level.DOCUMENT).fingerprint


@pytest.mark.parametrize(
    "spec",
    ["", "magic", "model", "hf:gair-prox/web-chunk", "server:http://localhost", "/a/folder", " tagger"],
)
def test_an_unknown_spec_is_named_with_what_there_is(spec):
    with pytest.raises(UsageError) as failure:
        load_refiner(spec, Level.CHUNK)
    message = str(failure.value)
    assert f'"{spec}"' in message
    assert "tagger" in message
    assert "stored:FOLDER" in message


@pytest.mark.parametrize(("spec", "meant"), [("tager", "tagger"), ("Tagger", "tagger"), ("store:x", "stored")])
def test_a_slip_of_the_pen_gets_a_hint(spec, meant):
    with pytest.raises(UsageError, match=f'Did you mean "{meant}"'):
        load_refiner(spec, Level.CHUNK)


@pytest.mark.parametrize(
    ("spec", "advice"), [("tagger:big", "takes no argument"), ("stored", "needs the folder"), ("stored:", "folder")]
)
def test_a_known_family_with_the_wrong_argument_says_how_to_write_it(spec, advice):
    with pytest.raises(UsageError, match=advice) as failure:
        load_refiner(spec, Level.CHUNK)
    assert "--refiner" in str(failure.value)


@pytest.mark.parametrize("threshold", [-0.01, 1.01, float("nan"), float("inf")])
@pytest.mark.parametrize("spec", ["tagger", "stored:somewhere"])
def test_a_keep_threshold_that_is_no_probability_is_refused(spec, threshold):
    with pytest.raises(UsageError, match="not a probability"):
        load_refiner(spec, Level.DOCUMENT, threshold)


@pytest.mark.parametrize("threshold", [0, 0.0, 1, 1.0])
def test_the_ends_of_the_scale_are_thresholds(threshold):
    assert load_refiner("tagger", Level.DOCUMENT, threshold)


@pytest.mark.parametrize("level", list(Level))
def test_stored_programs_that_are_not_there_are_a_usage_error(level, tmp_path):
    with pytest.raises(UsageError) as failure:
        load_refiner(f"stored:{tmp_path / 'nothing'}", level)
    assert "nothing" in str(failure.value)
