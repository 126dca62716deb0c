"""Training from end to end on a few made pages, by the command itself (needs PyTorch and scikit-learn)."""

import gzip
import json

import numpy as np
import orjson
import pytest

torch = pytest.importorskip("torch", reason="training the tagger needs the extra train: pip install '.[train]'")
pytest.importorskip("sklearn", reason="training the tagger needs the extra train: pip install '.[train]'")

from made_pages import line_record, make_page
from typer.testing import CliRunner

from prox.adapt.tagger.export import line_arrays, line_network
from prox.adapt.tagger.network import LineNetwork, Shape, make_batch
from prox.chunking import Chunk
from prox.cli import app
from prox.refiners import Level, load_refiner
from prox.refiners.tagger.features import line_features
from prox.refiners.tagger.network import line_logits, line_states
from prox.refiners.tagger.part_judge import BINS, ROWS, WORDS_BEFORE
from prox.refiners.tagger.parts import KINDS
from prox.refiners.tagger.weights import embedded_path, load_weights, read_weights, weight_arrays
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus


@pytest.fixture(scope="module")
def gold(tmp_path_factory):
    """120 pages with labelled lines, each a site, and 80 documents with labels."""
    folder = tmp_path_factory.mktemp("gold")
    pages = [make_page(number) for number in range(120)]
    lines = b"".join(orjson.dumps(line_record(page)) + b"\n" for page in pages)
    (folder / "lines.jsonl.gz").write_bytes(gzip.compress(lines))
    good = [{"text": "\n".join(page.text.split("\n")[5:9]), "keep": 1} for page in pages[:40]]
    bad = [{"text": "Buy now\nHome\n" + str(number), "keep": 0} for number in range(40)]
    (folder / "documents.jsonl").write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in good + bad))
    return folder


def adapt(*arguments):
    """`prox adapt tagger` in this process; gives what it prints."""
    answer = CliRunner().invoke(app, ["adapt", "tagger", *map(str, arguments)])
    assert answer.exception is None, answer.exception
    return answer.stdout


@pytest.fixture(scope="module")
def from_scratch(gold, tmp_path_factory):
    """A tagger trained by the command itself on everything in a folder of gold."""
    output = tmp_path_factory.mktemp("taggers") / "scratch"
    record = json.loads(adapt("--gold", gold, output, "--from", "scratch", "--epochs", 25, "--json"))
    return output, record


@pytest.fixture(scope="module")
def student(gold, tmp_path_factory):
    """A tagger trained from the embedded one on the programs of a run alone."""
    folder = tmp_path_factory.mktemp("student")
    pages = [make_page(number) for number in range(60)]
    rows = [{"id": page.id, "text": page.text, "url": f"https://{page.site}/"} for page in pages]
    (folder / "in.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    recipe = make_recipe(input=(str(folder / "in.jsonl"),), output=str(folder / "out"), level="chunk", workers=0)
    refine_corpus(recipe)
    shown = adapt("--programs", folder / "out" / "programs", "--input", folder / "in.jsonl", folder / "new")
    return folder / "new", shown


def test_a_trained_tagger_tells_menus_from_prose(from_scratch):
    page = make_page(500)
    (draft,) = load_refiner(f"tagger:{from_scratch[0]}", Level.CHUNK).refine([Chunk("a", page.text, 0)])
    scores = np.frombuffer(draft.line_scores, np.uint8)
    assert (scores >= 50).tolist() == (page.labels == 1).tolist()


def test_a_trained_tagger_judges_documents(from_scratch):
    judge = load_refiner(f"tagger:{from_scratch[0]}", Level.DOCUMENT)
    prose = "The river rose again on day 7, and nobody slept.\n" * 4
    good, bad = judge.refine([Chunk("a", prose, 0), Chunk("b", "Buy now\nHome\n9", 0)])
    assert good.score > bad.score


def test_the_record_says_what_was_done_and_how_good_it_is_on_other_sites(from_scratch):
    output, record = from_scratch
    assert orjson.loads((output / "adapt.json").read_bytes()) == record
    assert record["levels"] == {"lines": "trained", "parts": "none", "documents": "trained"}
    pages = record["pages"]
    assert pages["gold"] == 200 and pages["training"] + pages["development"] + pages["held-back"] == 120
    assert record["training_lines"] == {"noise": 7 * pages["training"], "content": 4 * pages["training"]}
    scores = record["scores"]["tagger"]
    assert scores["pages"] == pages["held-back"] == scores["sources"]["made"]["pages"] > 0
    assert scores["line_f1"] == 1.0 and record["scores"]["embedded"]["line_f1"] <= 1.0
    assert record["documents"]["count"] == 80 and record["documents"]["tagger"]["auc"] > 0.9
    card = (output / "MODEL_CARD.md").read_text()
    assert f"| this one | {pages['held-back']} | 1.000 |" in card and "none: it does without" in card
    tables = [line.count("|") for line in card.splitlines() if line.startswith(("| lines |", "| documents |", "| ---"))]
    assert tables == [6, 6, 5, 5], "a head has as many cells as the row of dashes below it"
    assert record["fingerprint"] == load_weights(output).fingerprint


def test_from_the_embedded_tagger_what_has_no_labels_stays(student):
    arrays, embedded = (weight_arrays(read_weights(str(path))) for path in (student[0], embedded_path()))
    assert arrays.keys() == embedded.keys()
    same = {name.partition(".")[0] for name in arrays if np.array_equal(arrays[name], embedded[name])}
    changed = {name.partition(".")[0] for name in arrays if not np.array_equal(arrays[name], embedded[name])}
    assert {"parts", "documents"} <= same and changed == {"lines"}
    assert "lines: trained, parts of lines: embedded, documents: embedded" in student[1]


def test_a_student_does_as_its_teacher_on_other_sites(student):
    record = orjson.loads((student[0] / "adapt.json").read_bytes())
    assert 40 < record["pages"]["run"] <= 60 and record["pages"]["held-back"] > 0  # it drops a few documents
    assert record["scores"]["tagger"]["line_f1"] > 0.95
    assert "Lines: agreement with the labels on held-back sites" in student[1]


def test_document_labels_alone_train_the_judge_and_leave_the_lines(gold, tmp_path):
    adapt("--gold", gold / "documents.jsonl", tmp_path / "new")
    arrays, embedded = (weight_arrays(read_weights(str(path))) for path in (tmp_path / "new", embedded_path()))
    changed = {name for name in arrays if not np.array_equal(arrays[name], embedded[name])}
    assert changed and all(name.startswith("documents.") for name in changed)


def test_the_same_call_gives_the_same_weights(gold, tmp_path):
    for name in ("a", "b"):
        adapt("--gold", gold / "lines.jsonl.gz", tmp_path / name, "--from", "scratch", "--epochs", 1)
    first, second = ((tmp_path / name / "weights.npz").read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_network_read_back_from_its_weights_file_is_the_same(from_scratch):
    arrays = weight_arrays(read_weights(str(from_scratch[0])))
    again = line_arrays(line_network(arrays), 0.5)
    assert all(np.allclose(arrays[name], again[name], atol=1e-6) for name in again)


def test_numpy_runs_the_network_that_pytorch_trained(tmp_path):
    """What export rounds (8 bits for words, 16 for matrices) moves a logit by a few hundredths at most."""
    torch.manual_seed(0)
    network = LineNetwork(Shape(hidden=16, near=8, mixed=12, dilations=(1, 2, 1), context=8)).eval()
    arrays = line_arrays(network, 0.5)
    arrays |= {"parts.words": np.zeros(1 << 16), "parts.words_before": np.zeros(WORDS_BEFORE)}
    arrays |= {"parts.table": np.zeros((ROWS, BINS))}
    arrays |= {
        "parts.thresholds": np.full(KINDS, 0.5),
        "documents.threshold": np.array(0.5),
        "documents.bias": np.array(0.0),
    }
    arrays |= {f"documents.{name}": np.zeros(25) for name in ("statistics", "mean", "scale")}
    arrays |= {f"documents.{name}": np.zeros((2, 1 << 16)) for name in ("words", "idf")}
    np.savez(tmp_path / "weights.npz", **arrays)
    weights = load_weights(tmp_path / "weights.npz").lines
    for number in range(5):
        features = line_features(make_page(number).text * 3)
        with torch.no_grad():
            expected = network(make_batch([features])).numpy()
        assert line_logits(line_states(features, weights), weights) == pytest.approx(expected, abs=0.05)


def test_a_tagger_that_is_no_better_than_the_embedded_one_says_so(gold, tmp_path):
    """A table of two rows said it, above a line that said how to use the tagger: it was used."""
    out = adapt("--gold", gold / "lines.jsonl.gz", tmp_path / "poor", "--from", "scratch", "--epochs", 1)
    assert "no better than the embedded tagger. More labels help" in out
    assert f"prox score GOLD --refiner tagger:{tmp_path / 'poor'} --against tagger" in out


def test_hidden_words_are_hidden_on_the_whole_page_and_on_some_pages_only():
    from prox.adapt.tagger.network import make_batch
    from prox.refiners.tagger.features import line_features

    pages = [line_features("one two three\nthree two one\n" * 20)] * 60
    assert make_batch(pages, generator=np.random.default_rng(0)).known.all()
    batch = make_batch(pages, unknown=0.5, generator=np.random.default_rng(0))
    hidden = 0
    for known, buckets in zip(batch.known.view(60, -1).numpy(), batch.buckets.view(60, -1).numpy(), strict=True):
        assert len({(word, value) for word, value in zip(buckets, known, strict=True)}) == len(set(buckets))
        hidden += not known.all()
    assert 20 < hidden < 40
