import json

import pytest

from prox.errors import UsageError
from prox.program import DropDocument, Program, RemoveLines
from prox.refiners.draft import Draft, Level
from prox.runs import recipe

GOLD = [
    {"id": "1", "source": "x", "language": "en", "raw_text": "menu\nprose", "line_labels": [1, 0], "suspect": 0.5},
    {"id": "2", "source": "[y]", "language": "de", "raw_text": "menu\nprose", "line_labels": [0, 1]},
    {"id": "3", "text": "prose", "keep": 1, "language": "en", "checked": True},
    {"id": "4"},
]


class MenuRefiner:
    window = None

    def __init__(self, spec, level, keep_threshold=None):
        if spec not in ("tagger", "stored:here"):
            raise UsageError(f'there is no refiner "{spec}"')
        self.level = level
        self.fingerprint = spec
        self.threshold = keep_threshold or 0.5

    def refine(self, chunks):
        if self.level is Level.DOCUMENT:
            return [Draft(Program((DropDocument(),) if self.threshold > 0.7 else ()), score=0.7) for _ in chunks]
        return [Draft(Program((RemoveLines(0, 0),))) for _ in chunks]


@pytest.fixture
def run(tmp_path, monkeypatch, prox):
    """Score the gold above; gives exit code, standard output and standard error."""
    monkeypatch.setattr(recipe, "load_refiner", MenuRefiner)
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in GOLD))

    def call(*options, gold=path):
        return prox("score", gold, *options)

    return call


GROUP = {"line_pages", "document_pages", "lines", "content_tokens", "partials", "documents", "programs"}


def test_json_alone_is_on_standard_output(run):
    code, out, _ = run("--json")
    assert code == 0
    answer = json.loads(out)
    assert answer.keys() == GROUP | {"gold", "refiners", "fingerprints", "sources", "left_out", "unusable"}
    assert answer["refiners"] == {"document": "tagger", "chunk": "tagger"}
    assert list(answer["sources"]) == ["[y]", "x"]
    assert all(group.keys() == GROUP for group in answer["sources"].values())
    assert answer["lines"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "macro_f1": 0.5}
    assert answer["content_tokens"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert answer["documents"] == {"keep_f1": 1.0, "drop_f1": 1.0, "accuracy": 1.0, "auc": None}
    assert answer["programs"].keys() == {"count", "failure_ratio", "calls_mean"}
    assert answer["unusable"][0].keys() == {"reason", "count", "first"}
    assert answer["sources"]["x"]["documents"] is None


def test_a_person_gets_tables(run):
    code, out, err = run()
    assert code == 0
    assert len([line for line in out.splitlines() if "0.500" in line]) == 1
    assert "[y]" in out
    assert "1 records passed over: neither raw_text" in out
    assert "tagger: 3 pages" in err and "3 pages" not in out


def test_each_level_can_have_its_own_refiner(run):
    _, out, _ = run("--json", "--refiner", "tagger", "--refiner", "stored:here")
    answer = json.loads(out)
    assert answer["fingerprints"] == answer["refiners"] == {"document": "tagger", "chunk": "stored:here"}


@pytest.mark.parametrize(
    ("options", "pages"),
    [
        (["--only", "language=en"], (1, 1)),
        (["--only", "language=en", "--only", "source=x"], (1, 0)),
        (["--only", "source=x", "--only", "source=[y]"], (2, 0)),
        (["--only", "checked=true"], (0, 1)),
        (["--most-suspect", "0.25"], (1, 1)),
    ],
)
def test_filters_choose_the_records(run, options, pages):
    answer = json.loads(run("--json", *options)[1])
    assert (answer["line_pages"], answer["document_pages"]) == pages


def test_the_keep_threshold_reaches_the_refiner(run):
    assert json.loads(run("--json", "--keep-threshold", "0.9")[1])["documents"]["accuracy"] == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "language"], "FIELD=VALUE"),
        (["--only", "language=fr"], "none of the 4 gold records"),
        (["--refiner", "nothing"], "no refiner"),
        (["--refiner", "tagger"] * 3, "one refiner for all levels"),
        (["--keep-threshold", "2"], "--keep-threshold: Input should be less than or equal to 1"),
    ],
)
def test_wrong_use_ends_with_2_and_advice(run, options, message):
    code, out, err = run("--json", *options)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())


def test_missing_gold_ends_with_2(run, tmp_path):
    assert run(gold=tmp_path / "missing.jsonl")[0] == 2
