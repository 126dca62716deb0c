"""What the documentation shows works: commands are called or at least parsed, Python runs, recipes are recipes."""

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from prox.cli import app
from prox.runs.recipe import make_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "benchmarks" / "README.md"])
WALKED = ("index.md", "corpus.md", "resume.md", "threshold.md", "report.md")
"""Pages whose commands are called, one after the other, in a folder with small data under the names that they use."""

FENCE = re.compile(
    r"(<!-- not run: (?P<why>[^>]+) -->\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$", re.DOTALL | re.M
)


def blocks(page):
    return [found.groupdict() for found in FENCE.finditer(page.read_text(encoding="utf-8"))]


def commands(page):
    """Lines that call prox, continued ones joined; a prompt before them goes."""
    for block in blocks(page):
        if block["kind"] in ("", "sh", "bash", "console") and not block["why"]:
            for line in block["text"].replace("\\\n", " ").splitlines():
                line = line.strip().removeprefix("$ ")
                if (
                    line.startswith("prox ") and "   " not in line.partition("#")[0].strip()
                ):  # a table of verbs has gaps
                    yield line


def words_of(line):
    words = [word for word in shlex.split(line, comments=True) if word not in ("…", "...")]
    return [word.replace("…", "") for word in words][1:]


def parse(words):
    """As the command does, up to its call; raises what it would tell."""
    command, path = typer.main.get_command(app), "prox"
    context = command.make_context(path, [words[0]] if hasattr(command, "commands") else words, resilient_parsing=True)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in parameter.opts + parameter.secondary_opts}
    for word in words:
        name = word.partition("=")[0]
        if re.match(r"--?[a-z]", name):
            assert name in known or name in ("--help", "-h"), f"no option {name}"
    return context


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_ones_that_prox_has(page):
    for line in commands(page):
        try:
            parse(words_of(line))
        except (KeyError, AssertionError) as error:
            pytest.fail(f"{page.name}: {line}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_recipes_are_recipes(page):
    for block in blocks(page):
        if block["kind"] == "yaml":
            fields = yaml.safe_load(block["text"])
            if isinstance(fields, dict) and "stages" in fields:
                make_recipe(**({"input": ("i",), "output": "o"} | fields))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Small data under the names that the pages use."""
    pages = (ROOT / "examples" / "pages.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:6]
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "pages.jsonl", tmp_path / "examples")
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "a.jsonl.gz").write_bytes(gzip.compress("".join(pages).encode()))
    records = [json.loads(line) for line in pages]
    own = "".join(json.dumps({"content": record["text"]}) + "\n" for record in records)
    (tmp_path / "own.jsonl").write_text(own)
    (tmp_path / "page.txt").write_text(records[0]["text"], encoding="utf-8")
    (tmp_path / "gold").mkdir()
    lines = records[0]["text"].split("\n")
    gold = {"id": "a", "raw_text": records[0]["text"], "line_labels": [int(len(line) < 40) for line in lines]}
    (tmp_path / "gold" / "gold.jsonl").write_text(json.dumps(gold) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(words, folder):
    environment = os.environ | {"COLUMNS": "100"}
    command = [sys.executable, "-m", "prox", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", WALKED)
def test_a_page_can_be_followed_from_top_to_bottom(name, folder):
    (folder / "other").mkdir()
    if name == "report.md":
        assert call(["refine", "examples/pages.jsonl", "other", "--refiner", "rules:c4"], folder).returncode == 0
    called = 0
    for line in commands(ROOT / "docs" / name):
        ended = call(words_of(line), folder)
        assert ended.returncode == 0, f"{line}\n{ended.stdout[-500:]}\n{ended.stderr[-1500:]}"
        called += 1
    assert called >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_runs(page, folder):
    python = [block["text"] for block in blocks(page) if block["kind"] == "python" and not block["why"]]
    if not python:
        return
    if page.name == "datatrove.md":
        pytest.importorskip("datatrove", reason="needs datatrove: pip install 'prox-refine[datatrove]'")
    if page.name == "formats.md":
        assert call(["refine", "crawl", "refined"], folder).returncode == 0
    text = (folder / "page.txt").read_text(encoding="utf-8")
    script = "".join(f"{block}\n" for block in python)
    ended = subprocess.run(
        [sys.executable, "-c", f"page = {text!r}\n{script}"], cwd=folder, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs mkdocs: pip install 'prox-refine[docs]'")
    pytest.importorskip("mkdocstrings", reason="needs mkdocstrings: pip install 'prox-refine[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {
        "index.html",
        "reference/cli.html",
        "reference/recipe.html",
        "reference/python.html",
        "figures.html",
    } <= pages
    html = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="https?://(?!squidfunk)', html), "the site loads nothing from elsewhere"
    commands_page = (tmp_path / "site" / "reference" / "cli.html").read_text(encoding="utf-8")
    assert "prox refine" in commands_page and "--noise-threshold" in commands_page
