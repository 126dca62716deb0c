"""`prox adapt`: wrong calls. What training gives is tested beside the trainer."""

import importlib.util
import json

import pytest

PAGE = {"raw_text": "Home\nThe river rose.", "line_labels": [1, 0]}


@pytest.fixture
def labels(tmp_path):
    """Writes records as a file of labels."""

    def write(*records):
        path = tmp_path / "labels.jsonl"
        path.write_text("".join(json.dumps({"id": str(n)} | record) + "\n" for n, record in enumerate(records)))
        return path

    return write


def test_help_has_an_example(prox):
    code, out, _ = prox("adapt", "tagger", "--help")
    assert code == 0 and "Example: prox adapt tagger" in " ".join(out.split())
    assert prox("adapt")[0] == 2 and "tagger" in prox("adapt", "--help")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to learn from"),
        (["--programs", "p"], "--programs and --input belong together"),
        (["--gold", "g", "--input", "p"], "--programs and --input belong together"),
        (["--gold", "g", "--from", "nothing"], "--from"),
        (["--gold", "g", "--epochs", "0"], "--epochs"),
        (["--gold", "not-there.jsonl"], "not-there.jsonl does not exist"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_makes_nothing(prox, tmp_path, options, message):
    code, out, err = prox("adapt", "tagger", tmp_path / "new", *options)
    assert (code, out) == (2, "") and message in err and "Traceback" not in err
    assert not (tmp_path / "new").exists()


def test_a_missing_package_is_named_with_its_extra(prox, tmp_path, labels, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest)
    )
    code, _, err = prox("adapt", "tagger", "--gold", labels(PAGE), tmp_path / "new")
    assert code == 2 and "training needs torch: pip install 'prox-refine[train]'" in err


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"nothing": 1}], "nothing to learn from"),
        ([{"text": "a", "keep": 1}], "1 documents to keep and 0 to drop"),
        ([PAGE | {"line_labels": [0, 0], "site": f"site-{n}"} for n in range(20)], "not one line"),
    ],
)
def test_labels_that_teach_nothing_are_a_usage_error(prox, tmp_path, labels, records, message):
    pytest.importorskip("torch", reason="training the tagger needs the extra train: pip install '.[train]'")
    pytest.importorskip("sklearn", reason="training the tagger needs the extra train: pip install '.[train]'")
    code, _, err = prox("adapt", "tagger", "--gold", labels(*records), tmp_path / "new")
    assert code == 2 and message in err


def test_a_folder_with_something_in_it_is_refused(prox, tmp_path, labels):
    pytest.importorskip("torch", reason="training the tagger needs the extra train: pip install '.[train]'")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").touch()
    code, _, err = prox("adapt", "tagger", "--gold", labels(PAGE), tmp_path / "new")
    assert code == 2 and "new is not empty; name a new folder" in err


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_no_generator_takes_is_refused_at_once(prox, tmp_path, seed):
    code, _, err = prox("adapt", "tagger", tmp_path / "out", "--gold", "none", "--seed", seed)
    assert code == 2 and "--seed" in err and not (tmp_path / "out").exists()
