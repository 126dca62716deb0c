"""What the documentation shows works: blocks are run or say why not, every command is one that prox takes."""

import ast
import doctest
import gzip
import importlib
import importlib.util
import inspect
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
from prox.runs.recipe import PolicyFields, Recipe, StageRecipe, make_recipe

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "src/prox/refiners/tagger/MODEL_CARD.md")
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *(ROOT / name for name in ELSEWHERE)]

FENCE = re.compile(
    r"(<!-- not run: (?P<why>[^>]+) -->\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$", re.DOTALL | re.M
)
USAGE_ERROR = typer.BadParameter.__base__
SHELL = ("", "sh", "bash", "console")
CALLS = re.compile(r"(?:^|[ :])(?:python -m |-m )?(prox(?: .*)?)$")
PROGRAMS = ("prox", "python", "pip", "make", "torchrun", "accelerate", "srun", "ls")
"""First words of lines that make a block one of commands, not of output or a drawing."""


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    return [found.groupdict() for found in FENCE.finditer(page.read_text(encoding="utf-8"))]


def lines_of(block):
    """Of a shell block: continued lines joined; of a session with prompts, what was typed."""
    lines = [line.strip() for line in block["text"].replace("\\\n", " ").splitlines()]
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return typed or [line for line in lines if line]


def has_commands(block):
    return block["kind"] in SHELL and any(line.split()[0] in PROGRAMS for line in lines_of(block))


def commands(page):
    """Every call of prox on a page, in blocks and in the middle of a sentence, whether it is run here or not."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block["kind"] in (*SHELL, "yaml", "text"):
            for line in lines_of(block):
                if found := CALLS.search(line.partition(" #")[0].rstrip()):
                    # In a text block, what a command is for stands beside it, after a gap.
                    yield found[1].partition("  ")[0] if block["kind"] == "text" else found[1]
    yield from re.findall(r"`(prox [^`\n]+)`", FENCE.sub("", text))


def check(line):
    """Parse a call as prox does, up to the point where it would begin.

    Where a line leaves something out (`…`, or a verb alone in a sentence), what it does say has to be right.
    """
    words = [word.strip("…") for word in shlex.split(line) if word.strip("…")][1:]
    command, names = typer.main.get_command(app), []
    while hasattr(command, "commands"):
        if not words or words[0].startswith("-"):
            break
        names.append(words.pop(0))
        command = command.commands[names[-1]]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in options | {"--help", "-h"}, f"{' '.join(names)} has no option {word}"
    named_only = not words or (words[-1].startswith("--") and len(words) == 1)  # `prox adapt tagger --programs`
    if "…" not in line and not named_only and not hasattr(command, "commands"):
        command.make_context(names[-1], words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_ones_that_prox_takes(page):
    for line in commands(page):
        try:
            check(line)
        except KeyError as error:
            pytest.fail(f"{line}: there is no command {error}")
        except (AssertionError, USAGE_ERROR) as error:
            pytest.fail(f"{line}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_recipes_are_recipes(page):
    for block in blocks(page):
        if block["kind"] == "yaml":
            fields = yaml.safe_load(block["text"])
            if isinstance(fields, dict) and "stages" in fields:
                make_recipe(**({"input": ("i",), "output": "o"} | fields))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Where the many commands find the package compiled, whatever the environment says."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def folder(tmp_path, compiled, monkeypatch):
    """Small data under the names that the pages use."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    pages = (ROOT / "examples" / "pages.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:3]
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "a.jsonl.gz").write_bytes(gzip.compress("".join(pages).encode()))
    records = [json.loads(line) for line in pages]
    own = "".join(json.dumps({"content": record["text"]}) + "\n" for record in records)
    (tmp_path / "own.jsonl").write_text(own)
    (tmp_path / "page.txt").write_text(records[0]["text"], encoding="utf-8")
    (tmp_path / "gold").mkdir()
    labels = [int(len(line) < 40) for line in records[0]["text"].split("\n")]
    gold = {"id": records[0]["id"], "raw_text": records[0]["text"], "line_labels": labels}
    (tmp_path / "gold" / "gold.jsonl.gz").write_bytes(gzip.compress(json.dumps(gold).encode() + b"\n"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "prox").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m prox "$@"\n')
    (tmp_path / "bin" / "prox").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(compiled))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words):
    ended = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, f"{words}\n{ended.stdout[-500:]}\n{ended.stderr[-1500:]}"
    return ended.stdout


BEFORE = {
    "docs/formats.md": "prox refine crawl refined",
    "docs/score.md": "prox refine crawl refined",
    "docs/cost.md": "prox refine crawl refined",
}
"""What a page takes for granted."""


NAMED_FILE = re.compile(r"\(`(\S+\.yaml)`\):\n\n```yaml\n(.*?)^```$", re.DOTALL | re.M)
"""A file that commands further down read."""


# Blocks without such a comment before them are run: <!-- not run: the reason -->
def run_blocks(page):
    return [block for block in blocks(page) if has_commands(block) and not block["why"]]


@pytest.mark.parametrize("page", [page for page in PAGES if run_blocks(page)], ids=name_of)
def test_a_page_can_be_followed_from_top_to_bottom(page, folder, monkeypatch):
    if page.name == "compare.md":
        pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'prox-refine[compare]'")
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
    if before := BEFORE.get(name_of(page)):
        call("sh", "-c", before)
    for name, text in NAMED_FILE.findall(page.read_text(encoding="utf-8")):
        (folder / name).write_text(text)
    for block in run_blocks(page):
        for line in lines_of(block):
            shown = call("bash", "-c", line)
            assert_same_but_for_speed(block["text"], line, shown)


def assert_same_but_for_speed(block, line, shown):
    """Where the output of a command stands below it, it is the output."""
    _, typed, rest = block.partition(f"$ {line}\n")
    expected = rest.partition("$ ")[0].split("\n")[:-1] if typed else []
    if expected and line.startswith("ls"):
        expected, shown = expected[0].split(), " ".join(shown.split()) + "\n"
        assert expected == shown.split()
        return
    measured = re.compile(r"\d+\.\d s\b|\d+\.\d MB/s")
    assert [measured.sub("…", each.strip()) for each in expected] == [
        measured.sub("…", each.strip()) for each in shown.splitlines()[: len(expected)]
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_on_a_page_runs(page, folder):
    python = [block["text"] for block in blocks(page) if block["kind"] == "python" and not block["why"]]
    if not python:
        return
    if page.name == "datatrove.md":
        pytest.importorskip("datatrove", reason="needs datatrove: pip install 'prox-refine[datatrove]'")
    if before := BEFORE.get(name_of(page)):
        call("sh", "-c", before)
    text = (folder / "page.txt").read_text(encoding="utf-8")
    call(sys.executable, "-c", f"page = {text!r}\n" + "".join(f"{block}\n" for block in python))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_calls_of_python_in_sentences_are_ones_that_prox_takes(page):
    for code in re.findall(r"`(prox\.[^`\n]+\))`", FENCE.sub("", page.read_text(encoding="utf-8"))):
        call = ast.parse(code, mode="eval").body
        assert isinstance(call, ast.Call), code
        module, _, name = ast.unparse(call.func).rpartition(".")
        function = getattr(importlib.import_module(module), name)
        try:
            inspect.signature(function).bind_partial(*call.args, **{each.arg: each.value for each in call.keywords})
        except TypeError as error:
            pytest.fail(f"{code}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_that_is_not_run_is_python(page):
    for block in blocks(page):
        if block["kind"] == "python":
            compile(block["text"], name_of(page), "exec")


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
    for page in pages:
        assert " at 0x" not in (tmp_path / "site" / page).read_text(encoding="utf-8"), f"{page} shows an object"


def test_generated_pages_say_every_field_of_a_recipe_in_words():
    pytest.importorskip("mkdocs", reason="needs mkdocs: pip install 'prox-refine[docs]'")
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "scripts" / "docs_hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    assert doctest.testmod(hooks).failed == 0
    rows = [line.split(" | ") for line in hooks.recipe_fields().splitlines() if line.startswith("| `")]
    assert {row[0].strip("| `") for row in rows} >= {*Recipe.model_fields} - {"replay"}
    assert all(row[3].strip(" |") for row in rows)


def test_the_page_about_recipes_names_every_field():
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    fields = {*Recipe.model_fields, *StageRecipe.model_fields, *PolicyFields.model_fields} - {"replay"}
    assert [name for name in fields if f"`{name}`" not in text] == []
