"""Refiner specs, as people write them on the command line and in recipes."""

import json

import numpy as np
import pytest

from prox.chunking import Chunk
from prox.errors import UsageError
from prox.program import RemoveLines
from prox.refiners import Level, load_refiner
from prox.refiners.specs import levels_of_spec
from prox.refiners.tagger import TaggerRefiner
from prox.refiners.tagger.weights import embedded_path, weight_arrays
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus

PROSE = "The river rose in the night and took the old bridge with it. In the morning the village stood on the bank."


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
    ("spec", "advice"), [("tagger:", "names no folder"), ("stored", "needs the folder"), ("stored:", "folder")]
)
def test_a_known_family_with_the_wrong_argument_says_how_to_write_it(spec, advice):
    with pytest.raises(UsageError, match=advice) as failure:
        load_refiner(spec, Level.CHUNK)
    assert "--refiner" in str(failure.value)


@pytest.mark.parametrize("threshold", [-0.01, 1.01, float("nan"), float("inf")])
@pytest.mark.parametrize(("level", "name"), [(Level.DOCUMENT, "keep"), (Level.CHUNK, "noise")])
@pytest.mark.parametrize("spec", ["tagger", "stored:somewhere", "vllm:a"])
def test_a_threshold_that_is_no_probability_is_refused(spec, level, name, threshold):
    with pytest.raises(UsageError, match=f"{name} threshold .* not a probability"):
        load_refiner(spec, level, threshold)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("stored:p", "stored programs keep their decisions; leave out --noise-threshold"),
        ("vllm:a", "vllm:a writes programs without scores for lines; leave out --noise-threshold"),
    ],
)
def test_a_noise_threshold_is_for_refiners_that_score_lines(spec, message):
    with pytest.raises(UsageError, match=message):
        load_refiner(spec, Level.CHUNK, 0.5)


@pytest.mark.parametrize("threshold", [0, 0.0, 1, 1.0])
def test_the_ends_of_the_scale_are_thresholds(threshold):
    assert load_refiner("tagger", Level.DOCUMENT, threshold)


@pytest.mark.parametrize("level", list(Level))
def test_stored_programs_that_are_not_there_are_a_usage_error(level, tmp_path):
    with pytest.raises(UsageError) as failure:
        load_refiner(f"stored:{tmp_path / 'nothing'}", level)
    assert "nothing" in str(failure.value)


@pytest.fixture
def trained(tmp_path):
    """A folder with weights of its own: the embedded ones, told apart by another threshold."""
    return write_arrays(tmp_path / "trained", {"lines.threshold": np.array(0.6)})


def write_arrays(folder, changed, without=()):
    arrays = weight_arrays(embedded_path().read_bytes()) | changed
    folder.mkdir()
    np.savez(folder / "weights.npz", **{name: value for name, value in arrays.items() if not name.startswith(without)})
    return folder


@pytest.mark.parametrize("level", list(Level))
def test_a_trained_tagger_is_loaded_from_its_folder_or_its_file(trained, level):
    refiner = load_refiner(f"tagger:{trained}", level)
    assert isinstance(refiner, TaggerRefiner) and refiner.level == level
    assert refiner.fingerprint != load_refiner("tagger", level).fingerprint
    assert load_refiner(f"tagger:{trained}/weights.npz", level).fingerprint == refiner.fingerprint
    assert levels_of_spec(f"tagger:{trained}") == tuple(Level)


def test_the_fingerprint_follows_the_weights_and_not_their_place(trained, tmp_path):
    before = load_refiner(f"tagger:{trained}", Level.CHUNK).fingerprint
    moved = trained.rename(tmp_path / "moved")
    assert load_refiner(f"tagger:{moved}", Level.CHUNK).fingerprint == before
    (moved / "weights.npz").unlink()
    moved.rmdir()
    write_arrays(moved, {"lines.threshold": np.array(0.7)})
    assert load_refiner(f"tagger:{moved}", Level.CHUNK).fingerprint != before


def test_a_tagger_of_lines_alone_says_so_when_documents_are_to_be_judged(tmp_path):
    spec = f"tagger:{write_arrays(tmp_path / 'lines', {}, without=('documents.', 'parts.'))}"
    assert levels_of_spec(spec) == (Level.CHUNK,)
    with pytest.raises(UsageError, match=r"judges no documents.*--level chunk"):
        load_refiner(spec, Level.DOCUMENT)
    page = "Home | News | Contact us\nShare on Facebook\n" + PROSE + " [edit]\nRead more"
    (draft,) = load_refiner(spec, Level.CHUNK).refine([Chunk("a", page, 0)])
    assert {type(operation) for operation in draft.program.operations} == {RemoveLines}


class Malice:
    """Unpickling it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def broken(kind, tmp_path):
    """The path of something that is no tagger."""
    folder = tmp_path / "broken"
    if kind == "not there":
        return folder
    if kind == "empty folder":
        folder.mkdir()
        return folder
    if kind == "layout":
        return write_arrays(folder, {"layout": np.array(99)})
    if kind == "shape":
        return write_arrays(folder, {"lines.mix.0.weight": np.zeros((3, 4))})
    if kind == "missing":
        return write_arrays(folder, {}, without=("lines.leave",))
    folder.mkdir()
    file = folder / "weights.npz"
    if kind == "pickle":
        np.savez(file, layout=np.array([Malice(tmp_path / "pwned")], object))
    else:
        file.write_bytes({"text": b"no weights", "cut": embedded_path().read_bytes()[:100_000], "nothing": b""}[kind])
    return folder


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("not there", "there is no tagger at"),
        ("empty folder", "holds no weights.npz"),
        ("layout", "layout 99.*train it again"),
        ("shape", "no weights file"),
        ("missing", "no weights file"),
        ("text", "no weights file"),
        ("cut", "no weights file"),
        ("nothing", "no weights file"),
        ("pickle", "no weights file"),
    ],
)
def test_what_is_no_tagger_is_a_usage_error_with_advice_and_never_unpickled(kind, advice, tmp_path):
    path = broken(kind, tmp_path)
    with pytest.raises(UsageError, match=f"(?s){advice}.*prox adapt tagger"):
        load_refiner(f"tagger:{path}", Level.CHUNK)
    assert not (tmp_path / "pwned").exists()


def test_workers_of_a_run_find_a_trained_tagger(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = "Home | News | Contact us\nShare on Facebook\n" + PROSE + "\nRead more"
    (tmp_path / "in.jsonl").write_text("".join(f'{{"id": "{n}", "text": {json.dumps(page)}}}\n' for n in range(3)))
    recipe = make_recipe(input=("in.jsonl",), output="out", stages=("tagger:trained",), level="chunk", workers=1)
    record = refine_corpus(recipe).record
    assert record["decisions"]["edited"] == 3
    assert record["refiners"]["chunk"] == load_refiner("tagger:trained", Level.CHUNK).fingerprint
