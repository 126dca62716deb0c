"""The worked example of docs/teach.md, command by command as it stands there."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prox.cli import app

ROOT = Path(__file__).parents[1]
FORUM = ROOT / "examples/forum"


def commands():
    """Of the first block of the section, without comments."""
    section = (ROOT / "docs/teach.md").read_text("utf-8").partition("\n## The road in a minute\n")[2]
    block = section.partition("```sh\n")[2].partition("```")[0]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def figures_told():
    """What the page says: line F1 before and after, content-word F1 before and after."""
    (told,) = re.findall(
        r"noise-line F1 goes from (\.\d+) to (\.\d+) and content-word F1 from (\.\d+) to (\.\d+)",
        (ROOT / "docs/teach.md").read_text("utf-8"),
    )
    return [float(each) for each in told]


def records(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def run(command, *more):
    name, *arguments = command
    assert name == "prox"
    ended = CliRunner().invoke(app, [*arguments, *more])
    assert ended.exit_code == 0, (command, ended.output)
    return ended.stdout


def test_the_judge_sees_forums_that_teach_nothing():
    taught, judged = (
        {row["url"].split("/")[2] for row in records(FORUM / name)} for name in ("pairs.jsonl", "judge.jsonl")
    )
    assert (len(taught), len(judged)) == (22, 6) and not taught & judged


def test_the_commands_of_the_worked_example_teach_a_better_refiner(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="training the tagger needs the extra train: pip install '.[train]'")
    pytest.importorskip("sklearn", reason="training the tagger needs the extra train: pip install '.[train]'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    distil, adapt, score, preview, refine = commands()

    run(distil)
    assert len(records(tmp_path / "labels.jsonl")) == len(records(FORUM / "pairs.jsonl")) == 26

    out = run(adapt)
    assert "use it with --level chunk --refiner tagger:forum-tagger. Without --level chunk the embedded judge" in out

    figures = json.loads(run(score, "--json"))
    assert figures["bootstrap"]["sites"] == 6
    (embedded,) = figures["against"]
    for key in ("lines", "content_tokens"):
        assert figures[key]["f1"] > embedded[key]["f1"] + 0.02
    measured = [row["lines"]["f1"] for row in (embedded, figures)]
    measured += [row["content_tokens"]["f1"] for row in (embedded, figures)]
    assert figures_told() == pytest.approx(measured, abs=0.02)  # another processor rounds otherwise

    assert "remove_lines" in run(preview)
    run(refine)
    decisions = json.loads((tmp_path / "refined/run.json").read_text())["decisions"]
    assert decisions == {"kept": 0, "edited": 8, "dropped": 0, "quarantined": 0}
