"""The command as a whole: exit codes, and one clear line instead of a traceback."""

import subprocess
import sys

import pytest

VERBS = ("refine", "preview", "execute", "score")
RECORD = '{"id": "a", "text": "Swifts spend almost their whole life on the wing and come down to breed."}\n'


@pytest.fixture
def pages(tmp_path):
    path = tmp_path / "pages.jsonl"
    path.write_text(RECORD)
    return path


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_has_help_with_an_example(prox, verb, flag):
    code, out, _ = prox(verb, flag)
    assert code == 0
    assert f"Example: prox {verb}" in " ".join(out.split())


def test_help_names_every_verb(prox):
    code, out, _ = prox("--help")
    assert code == 0
    assert all(verb in out for verb in VERBS)


def test_help_loads_nothing_that_takes_time():
    heavy = "numpy pyarrow orjson pydantic yaml fsspec zstandard jinja2 torch transformers ray datatrove matplotlib"
    code = f"""
import sys
from prox import cli
sys.argv = ["prox", "--help"]
try:
    cli.main()
except SystemExit:
    print(*set({heavy.split()!r}) & set(sys.modules), file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.strip()) == (0, "")


def test_shells_can_complete_it(prox, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # there need not be one above the tests
    code, out, _ = prox("--show-completion", "bash")
    assert code == 0 and "complete_bash" in out and "COMPREPLY" in out


@pytest.mark.parametrize(
    ("begun", "values"),
    [
        (["refine", "in", "out", "--level", "d"], {"document"}),
        (["refine", "in", "out", "--engine", ""], {"local", "ray"}),
        (["preview", "in", "--corpus", "fine"], {"fineweb", "fineweb-edu"}),
        (["pretrain", "in", "out", "--preset", "tlm-"], {"tlm-nano", "tlm-xs", "tlm-s", "tlm-m"}),
        (["evaluate", "model", "--suite", "m"], {"math"}),
    ],
)
def test_shells_know_the_values_of_options(prox, monkeypatch, begun, values):
    words = ["prox", *begun]
    monkeypatch.setenv("_PROX_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    _, out, _ = prox()
    assert set(out.split()) == values


def test_version_is_the_installed_one(prox):
    import importlib.metadata

    assert prox("--version") == (0, f"prox {importlib.metadata.version('prox-refine')}\n", "")


@pytest.mark.parametrize("arguments", [["refin"], ["refine", "--wrong"], ["execute", "a"], ["preview", "x", "-n", "0"]])
def test_a_call_that_no_verb_has_is_exit_2_without_a_traceback(prox, arguments):
    code, out, err = prox(*arguments)
    assert (code, out) == (2, "")
    assert err and "Traceback" not in err


WRONG = {
    "refiner": (["--refiner", "taggr"], 'there is no refiner "taggr"'),
    "refiner argument": (["--refiner", "tagger:x"], "there is no tagger at x"),
    "refiner without folder": (["--refiner", "stored"], "needs the folder of programs"),
    "three refiners": (["--refiner", "tagger"] * 3, "one refiner for all levels"),
    "level": (["--level", "line"], "--level: "),
    "two refiners, one level": (
        ["--refiner", "tagger", "--refiner", "tagger", "--level", "chunk"],
        "leave out --level",
    ),
    "keep threshold": (["--keep-threshold", "7"], "--keep-threshold: "),
    "noise threshold": (["--noise-threshold", "1.5"], "--noise-threshold: "),
    "keep threshold below": (["--keep-threshold", "-1"], "--keep-threshold: "),
    "corpus": (["--corpus", "c5"], 'there is no corpus preset "c5"'),
    "text field": (["--text-field", "body"], 'has no field "body"'),
}
WRONG_OUTPUT = {
    "format": (["--format", "csv"], "--format: "),
    "engine": (["--engine", "spark"], "--engine: "),
    "unit bytes": (["--unit-bytes", "many"], "--unit-bytes: "),
    "unit documents": (["--unit-documents", "0"], "--unit-documents: "),
    "memory": (["--memory", "4 XB"], "--memory: "),
    "time limit": (["--time-limit", "0"], "--time-limit: "),
    "negative workers": (["--workers", "-3"], "--workers: "),
}


@pytest.mark.parametrize("name", [*WRONG, *WRONG_OUTPUT])
def test_a_wrong_option_of_refine_is_one_clear_line_and_exit_2(prox, pages, tmp_path, name):
    options, message = (WRONG | WRONG_OUTPUT)[name]
    code, out, err = prox("refine", pages, tmp_path / "out", *options)
    assert (code, out) == (2, "")
    assert err.startswith("prox refine: ") and message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_option_of_preview_is_one_clear_line_and_exit_2(prox, pages, name):
    options, message = WRONG[name]
    code, out, err = prox("preview", pages, *options)
    assert (code, out) == (2, "")
    assert err.startswith("prox preview: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize("verb", ["refine", "preview", "execute"])
def test_an_input_that_is_not_there_is_answered_with_what_is(prox, pages, tmp_path, verb):
    rest = {"refine": [tmp_path / "out"], "preview": [], "execute": [tmp_path / "programs", tmp_path / "out"]}[verb]
    code, _, err = prox(verb, tmp_path / "page.jsonl", *rest)
    assert code == 2
    assert err.startswith(f"prox {verb}: ") and "page.jsonl does not exist" in err and "pages.jsonl" in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"id": 1, "content": "Swifts spend their life on the wing."}, 'it has "id", "content". Say which one with'),
    ],
)
def test_a_corpus_without_a_text_field_is_answered_with_advice(prox, tmp_path, content, message):
    import json

    (tmp_path / "in.jsonl").write_text(json.dumps(content) + "\n")
    code, _, err = prox("refine", tmp_path / "in.jsonl", tmp_path / "out")
    assert code == 2
    assert message in err and "--text-field content" in err and err.count("\n") == 1
    code, _, err = prox("refine", tmp_path / "in.jsonl", tmp_path / "out", "--text-field", "content", "--workers", "1")
    assert code == 0


def test_a_closed_pipe_is_no_traceback(pages, tmp_path):
    """`prox preview … | head -1`."""
    pages.write_text(RECORD * 2000)
    command = [sys.executable, "-c", "from prox.cli import main; main()", "preview", str(pages), "-n", "2000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(30) in (0, 1)
