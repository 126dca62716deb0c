import json

import pytest
from typer.testing import CliRunner

from prox.cli import app
from prox.errors import UsageError
from prox.program import DropDocument, Program, RemoveLines
from prox.refiners import specs
from prox.refiners.draft import Draft, Level

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
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(specs, "load_refiner", MenuRefiner)
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in GOLD))

    def call(*options, gold=path):
        return CliRunner().invoke(app, ["score", str(gold), *options])

    return call


def test_json_alone_is_on_standard_output(run):
    result = run("--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer.keys() == {"gold", "refiners"}
    (scored,) = answer["refiners"]
    assert scored.keys() == {"refiner", "overall", "sources", "left_out", "unusable", "fingerprints"}
    groups = [scored["overall"], *scored["sources"].values()]
    assert list(scored["sources"]) == ["[y]", "x"]
    for group in groups:
        assert group.keys() == {
            "line_pages",
            "document_pages",
            "lines",
            "content_tokens",
            "partials",
            "documents",
            "programs",
        }
    overall = scored["overall"]
    assert overall["lines"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "macro_f1": 0.5}
    assert overall["content_tokens"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert overall["documents"] == {"keep_f1": 1.0, "drop_f1": 1.0, "accuracy": 1.0, "auc": None}
    assert overall["programs"].keys() == {"count", "failure_ratio", "calls_mean"}
    assert scored["unusable"][0].keys() == {"reason", "count", "first"}
    assert scored["sources"]["x"]["documents"] is None


def test_several_refiners_stand_side_by_side(run):
    result = run("--refiner", "tagger", "--refiner", "stored:here")
    assert result.exit_code == 0, result.output
    rows = [line for line in result.stdout.splitlines() if "0.500" in line]
    assert len(rows) == 2 and "tagger" in rows[0] and "stored:here" in rows[1]
    assert "[y]" in result.stdout
    assert "1 records passed over: neither raw_text" in result.stdout
    assert "tagger: 3 pages" in result.stderr and "3 pages" not in result.stdout


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
    overall = json.loads(run("--json", *options).stdout)["refiners"][0]["overall"]
    assert (overall["line_pages"], overall["document_pages"]) == pages


def test_the_keep_threshold_reaches_the_refiner(run):
    overall = json.loads(run("--json", "--keep-threshold", "0.9").stdout)["refiners"][0]["overall"]
    assert overall["documents"]["accuracy"] == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "language"], "FIELD=VALUE"),
        (["--only", "language=fr"], "none of the 3 gold records"),
        (["--refiner", "nothing"], "no refiner"),
        (["--keep-threshold", "2"], "keep-threshold"),
    ],
)
def test_wrong_use_ends_with_2_and_advice(run, options, message):
    result = run("--json", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split()) and not result.stdout


def test_missing_gold_ends_with_2(run, tmp_path):
    assert run(gold=tmp_path / "missing.jsonl").exit_code == 2


def test_help_shows_an_example(run):
    result = CliRunner().invoke(app, ["score", "--help"])
    assert result.exit_code == 0 and "Example" in result.stdout and "prox score" in result.stdout
