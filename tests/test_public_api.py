"""`import prox`: what it offers, and what it must not cost."""

import subprocess
import sys

import pytest

import prox

PUBLIC = """
Distilled Document DropDocument InsertLine KeepDocument Operation Outcome ParseError Policy Program ProxError Refined
Refused Rejected RemoveLines Replace ReplaceOnce RunError Scope StageResult Terms UsageError distill execute get_dialect
refine
"""
HEAVY = "torch transformers vllm ray datatrove sklearn scipy matplotlib numpy pyarrow pydantic rich typer fsspec orjson"


def test_the_public_names_are_these():
    assert sorted(prox.__all__) == sorted(PUBLIC.split())
    assert all(hasattr(prox, name) for name in prox.__all__)


def test_every_public_function_and_class_says_what_it_does():
    assert [name for name in prox.__all__ if name != "Operation" and not getattr(prox, name).__doc__] == []


def test_importing_it_loads_nothing_but_the_standard_library():
    code = f"import sys, prox; print(*set({HEAVY.split()!r}) & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\n", "")


def test_the_errors_are_one_tree():
    assert issubclass(prox.UsageError, prox.ProxError) and issubclass(prox.RunError, prox.ProxError)


def test_the_refiners_of_the_command_are_those_of_python():
    prose = "The river rose in the night and took the old bridge with it. In the morning the village stood on the bank."
    page = f"Home | News | Contact us\nShare on Facebook\n{prose}\nRead more"
    (refined,) = prox.refine([page], level="chunk")
    again = prox.execute(page, refined.program)
    assert refined.decision == "edited" and again.text == refined.text
    assert refined.text is not None and "Share on Facebook" not in refined.text


def test_texts_come_back_in_order_whatever_happens_to_them():
    texts = ["", "x", "\n\n", "A line with some words that make sense.\n" * 20]
    refined = prox.refine(iter(texts))
    assert [each.document.text for each in refined] == texts
    assert all(each.text is None or each.decision in ("kept", "edited") for each in refined)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prox.refine("one text"), r"refine\(\[text\]\)"),
        (lambda: prox.refine(["x", None]), "text 1 is not a string"),
        (lambda: prox.refine(["x"], "taggr"), 'Did you mean "tagger"'),
        (lambda: prox.refine(["x"], level="line"), "level: Input should be"),
        (lambda: prox.refine(["x"], keep_threshold=2), "keep_threshold: "),
        (lambda: prox.refine(["x"], ["tagger"] * 3), "one refiner for all levels"),
    ],
)
def test_a_wrong_call_says_what_to_do(call, message):
    with pytest.raises(prox.UsageError, match=message):
        call()
