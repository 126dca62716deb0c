"""The experiment in miniature, from labelled pages to its picture, with pages and budgets that are smaller still."""

import gzip
import importlib.util
import json
import random
import sys
from pathlib import Path

import pytest

for package in ("torch", "transformers", "accelerate", "lm_eval", "matplotlib"):
    pytest.importorskip(package)

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "miniature.py"
SAID = "the old bridge over the river was built of stone and wood by people who came from far away in winter"


def page(number):
    chance = random.Random(number)
    prose = [" ".join(chance.choices(SAID.split(), k=14)).capitalize() + "." for _ in range(8)]
    menu = ["Home", "Log in", "Share this", f"{chance.randrange(999)} comments"]
    lines = [*menu, *prose, *menu]
    labels = [1] * len(menu) + [0] * len(prose) + [1] * len(menu)
    return {
        "id": f"page-{number}",
        "source": "made",
        "language": "en",
        "site_key": f"site-{number}",
        "raw_text": "\n".join(lines),
        "gold_text": "\n".join(prose),
        "line_labels": labels,
    }


@pytest.fixture
def experiment(monkeypatch):
    """The script, with a smaller text from elsewhere."""
    spec = importlib.util.spec_from_file_location("miniature", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.pydoc_data.topics, "topics", {"assert": "An assert statement tests what holds.\n" * 20})

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["miniature.py", *map(str, arguments)])
        module.main()

    return call


def test_from_pages_to_the_report_and_again_without_doing_anything_twice(experiment, tmp_path, capfd):
    (tmp_path / "gold" / "public").mkdir(parents=True)
    lines = "".join(json.dumps(page(number)) + "\n" for number in range(120))
    (tmp_path / "gold" / "public" / "made.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    folders = ["--gold", tmp_path / "gold", "--work", tmp_path / "work", "--results", tmp_path / "results"]
    command = [*folders, "--tokens", 8192, "--seeds", 2, "--only", "c4,gold"]
    experiment(*command)
    report = json.loads((tmp_path / "results" / "miniature.json").read_text())
    assert [each["name"] for each in report["corpora"]] == ["raw", "c4", "gold"]
    assert {row["name"] for row in report["rows"]} == {"held-out-pages.jsonl", "python-reference.jsonl"}
    held = next(row for row in report["rows"] if row["name"].startswith("held"))
    means = {each["group"]: each["mean"] for each in held["groups"]}
    assert means["gold"] < means["raw"] and means["c4"] < means["raw"]
    assert (tmp_path / "results" / "miniature.svg").read_text().count("<svg") == 1
    assert report["made"]["raw"]["documents"] == report["made"]["c4"]["documents"]
    assert report["made"]["gold"]["words_after"] < report["made"]["raw"]["words_after"]
    said = capfd.readouterr().out
    assert "results were there already" not in said
    assert "| gold | 100% |" in said and "| raw | 100% | 100% | – |" in said
    experiment(*command)
    assert "results were there already" in capfd.readouterr().out


def test_without_gold_it_says_where_to_look(experiment, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        experiment("--gold", tmp_path)
    assert ended.value.code == 2 and "--gold FOLDER" in capsys.readouterr().err
