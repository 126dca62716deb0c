"""Training from end to end on a few made pages (needs PyTorch and scikit-learn)."""

import gzip

import numpy as np
import orjson
import pytest

torch = pytest.importorskip("torch", reason="training the tagger needs the extra train: pip install '.[train]'")
pytest.importorskip("sklearn", reason="training the tagger needs the extra train: pip install '.[train]'")

from made_pages import make_page

from prox.adapt.tagger import __main__ as program
from prox.adapt.tagger.export import line_arrays
from prox.adapt.tagger.network import LineNetwork, Shape, make_batch
from prox.chunking import Chunk
from prox.refiners import Level
from prox.refiners.tagger import TaggerRefiner
from prox.refiners.tagger.features import line_features
from prox.refiners.tagger.network import line_logits, line_states
from prox.refiners.tagger.refiner import Tagger
from prox.refiners.tagger.weights import load_weights


@pytest.fixture(scope="module")
def weights_path(tmp_path_factory):
    """Weights trained by the program itself, as its help says."""
    folder = tmp_path_factory.mktemp("gold")
    lines, documents = folder / "lines.jsonl.gz", folder / "documents.jsonl"
    pages = [make_page(number) for number in range(120)]
    records = [
        {"id": p.id, "site_key": p.site, "language": "en", "raw_text": p.text, "line_labels": p.labels.tolist()}
        for p in pages
    ]
    lines.write_bytes(gzip.compress(b"".join(orjson.dumps(record) + b"\n" for record in records)))
    good = [{"text": "\n".join(page.text.split("\n")[5:9]), "keep": 1} for page in pages[:40]]
    bad = [{"text": "Buy now\nHome\n" + str(number), "keep": 0} for number in range(40)]
    documents.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in good + bad))
    output = folder / "weights.npz"
    arguments = [str(lines), "--documents", str(documents), "--output", str(output), "--epochs", "40"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train", *arguments])
        program.main()
    return output


def test_trained_weights_tell_menus_from_prose(weights_path):
    tagger = Tagger(load_weights(weights_path))
    page = make_page(500)
    (draft,) = TaggerRefiner(Level.CHUNK, tagger=tagger).refine([Chunk("a", page.text, 0)])
    scores = np.frombuffer(draft.line_scores, np.uint8)
    assert (scores >= 50).tolist() == (page.labels == 1).tolist()


def test_trained_weights_judge_documents(weights_path):
    judge = TaggerRefiner(Level.DOCUMENT, tagger=Tagger(load_weights(weights_path)))
    prose = "The river rose again on day 7, and nobody slept.\n" * 4
    good, bad = judge.refine([Chunk("a", prose, 0), Chunk("b", "Buy now\nHome\n9", 0)])
    assert good.score > bad.score


def test_numpy_runs_the_network_that_pytorch_trained(tmp_path):
    """What export rounds (8 bits for words, 16 for matrices) moves a logit by a few hundredths at most."""
    torch.manual_seed(0)
    network = LineNetwork(Shape(hidden=16, dilations=(1, 2, 1), context=8)).eval()
    arrays = line_arrays(network, 0.5)
    arrays |= {"parts.words": np.zeros(1 << 16), "parts.context": np.zeros(55), "parts.bias": np.array(0.0)}
    arrays |= {"parts.threshold": np.array(0.5), "documents.threshold": np.array(0.5), "documents.bias": np.array(0.0)}
    arrays |= {f"documents.{name}": np.zeros(25) for name in ("statistics", "mean", "scale")}
    arrays |= {f"documents.{name}": np.zeros((2, 1 << 16)) for name in ("words", "idf")}
    np.savez(tmp_path / "weights.npz", **arrays)
    weights = load_weights(tmp_path / "weights.npz").lines
    for number in range(5):
        features = line_features(make_page(number).text * 3)
        with torch.no_grad():
            expected = network(make_batch([features])).numpy()
        assert line_logits(line_states(features, weights), weights) == pytest.approx(expected, abs=0.05)
