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

    def __init__(self, spec, level, threshold=None):
        if spec not in ("tagger", "stored:here", "stored:silent"):
            raise UsageError(f'there is no refiner "{spec}"')
        self.level = level
        self.fingerprint = spec
        self.threshold = threshold or 0.5

    def refine(self, chunks):
        if self.level is Level.DOCUMENT:
            score = 0.7 if self.fingerprint == "tagger" else None
            return [Draft(Program((DropDocument(),) if self.threshold > 0.7 else ()), score=score) for _ in chunks]
        if self.fingerprint == "stored:silent":
            return [Draft(Program(), errors=("no words today",)) for _ in chunks]
        if self.fingerprint == "stored:here":
            return [Draft(Program((RemoveLines(7, 7),))) for _ in chunks]
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


GROUP = {
    "line_pages",
    "program_pages",
    "document_pages",
    "lines",
    "content_tokens",
    "partials",
    "documents",
    "programs",
    "costs",
}
OF_A_REFINER = GROUP | {"refiners", "fingerprints", "sources", "intervals"}


def test_json_alone_is_on_standard_output(run):
    code, out, _ = run("--json")
    assert code == 0
    answer = json.loads(out)
    assert answer.keys() == OF_A_REFINER | {"gold", "left_out", "unusable", "bootstrap", "against"}
    assert answer["refiners"] == {"document": "tagger", "chunk": "tagger"}
    assert list(answer["sources"]) == ["[y]", "x"]
    assert all(group.keys() == GROUP for group in answer["sources"].values())
    of_lines = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "macro_f1": 0.5, "noisy_macro_f1": 0.5}
    of_words = {"noise_words_found": 0.5, "content_words_lost": 0.5, "words_kept": 0.5}
    assert answer["lines"] == of_lines | of_words
    assert answer["content_tokens"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert answer["documents"] == {"keep_f1": 1.0, "drop_f1": 1.0, "accuracy": 1.0, "auc": None, "words_kept": 1.0}
    assert answer["programs"].keys() == {"count", "failure_ratio", "failure_kinds", "calls_mean"}
    assert answer["intervals"]["lines.f1"] == {"low": 0.0, "high": 1.0}
    assert answer["bootstrap"]["clusters"] == 3 and answer["against"] == []
    assert answer["unusable"][0].keys() == {"reason", "count", "first"}
    assert answer["sources"]["x"]["documents"] is None


def test_a_person_gets_tables(run):
    code, out, err = run()
    assert code == 0
    assert any(line.split()[1:6] == ["noise-line", "F1", "│", "0.500", "│"] for line in out.splitlines())
    assert "[y]" in out
    assert "1 records passed over: neither raw_text" in out
    assert "95 %: of 1,000 draws with replacement, of 0 sites and 3 pages that name none" in out
    assert "tagger: 3 pages" in err and "3 pages" not in out.replace("3 pages that", "")


def test_refiners_stand_side_by_side(run):
    code, out, err = run("--against", "stored:here")
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == ["A  tagger", "B  stored:here"]
    (below,) = [lines[place + 1] for place, line in enumerate(lines) if "noise-line F1" in line]
    assert below.split()[2:] == ["B", "│", "0.000", "│", "0.000…0.000", "│", "-0.500", "│", "-1.000…+0.000", "│"]
    assert "   faults: lines out of bounds 2" in lines
    assert "tagger: 3 pages" in err and "stored:here: 3 pages" in err


def test_the_tables_fit_into_80_columns(run, monkeypatch):
    monkeypatch.setattr("prox.cli.tables._LOG_WIDTH", 80)
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("--against", "stored:here", "--against", "tagger,stored:here")
    tables = [line for line in out.splitlines() if "│" in line or "─" in line]
    assert len(tables) > 20 and max(map(len, tables)) <= 80
    assert not any("… │" in line for line in tables)  # no cell is cut off
    assert "-1.000…+0.000" in out


def test_a_figure_that_the_first_refiner_lacks_has_its_name(run, tmp_path):
    path = tmp_path / "documents.jsonl"
    path.write_text("".join(json.dumps({"text": "prose", "keep": keep}) + "\n" for keep in (0, 1)))
    _, out, _ = run("--refiner", "stored:here", "--against", "tagger", gold=path)
    assert any(line.split()[1:4] == ["AUC", "│", "B"] for line in out.splitlines())


def test_json_has_all_that_is_said_of_each_refiner(run):
    answer = json.loads(run("--json", "--against", "stored:here", "--against", "tagger,stored:here")[1])
    second, third = answer["against"]
    assert second.keys() == third.keys() == OF_A_REFINER | {"differences"}
    assert second["refiners"] == {"document": "stored:here", "chunk": "stored:here"}
    assert third["refiners"] == {"document": "tagger", "chunk": "stored:here"}
    assert second["differences"]["lines.f1"] == {"value": -0.5, "low": -1.0, "high": 0.0}
    assert second["programs"]["failure_kinds"] == {"lines out of bounds": 2}
    assert second["lines"] == third["lines"]


def test_a_recipe_file_can_stand_against(run, tmp_path):
    path = tmp_path / "strict.yaml"
    path.write_text("stages: [tagger]\nkeep_threshold: 0.9\n")
    _, out, err = run("--json", "--against", path)
    assert f"tagger ({path}): 3 pages" in err.replace("\n", "")
    answer = json.loads(out)
    assert answer["documents"]["accuracy"] == 1.0 and answer["against"][0]["documents"]["accuracy"] == 0.0


def test_a_keep_threshold_is_for_those_that_take_it(run):
    answer = json.loads(run("--json", "--keep-threshold", "0.9", "--against", "stored:here", "--against", "tagger")[1])
    assert [each["documents"]["accuracy"] for each in (answer, *answer["against"])] == [0.0, 1.0, 0.0]


def test_a_noise_threshold_is_for_those_that_take_it(run):
    code, out, _ = run("--json", "--noise-threshold", "0.9", "--against", "stored:here", "--against", "tagger")
    assert code == 0 and len(json.loads(out)["against"]) == 2


def test_a_refiner_that_always_fails_is_named(run):
    code, out, err = run("--json", "--against", "stored:silent")
    assert (code, out) == (1, "")
    assert "stored:silent: the refiner wrote no usable program at chunk level: no words today" in " ".join(err.split())


def test_labels_of_a_program_are_called_so(run, tmp_path):
    path = tmp_path / "taught.jsonl"
    path.write_text(json.dumps({"raw_text": "menu\nprose", "program": "remove_lines(0, 0)"}) + "\n")
    code, out, _ = run(gold=path)
    assert code == 0
    assert "1 pages are labelled by programs: agreement with who wrote them" in out


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
        (["--against", "taggr"], 'there is no refiner "taggr"'),
        (["--against", "tagger,tagger,tagger"], "--against tagger,tagger,tagger: give one refiner for all levels"),
        (["--against", "missing.yaml"], "cannot read the recipe missing.yaml"),
        (["--against", "tagger", "--family", "ultrax"], "leave out --family"),
        (["--keep-threshold", "2"], "--keep-threshold: Input should be less than or equal to 1"),
    ],
)
def test_wrong_use_ends_with_2_and_advice(run, options, message):
    code, out, err = run("--json", *options)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())


def test_missing_gold_ends_with_2(run, tmp_path):
    assert run(gold=tmp_path / "missing.jsonl")[0] == 2


def test_json_names_files_that_are_called_in_no_utf_8(run, tmp_path):
    path = tmp_path / "gold\udcff.jsonl"
    path.write_text(json.dumps(GOLD[1]) + "\n")
    code, out, _ = run("--json", gold=path)
    assert code == 0 and json.loads(out)["gold"][0].endswith("gold\\udcff.jsonl")
