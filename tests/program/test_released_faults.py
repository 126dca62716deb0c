"""Faults of released refining code that concern the reading and execution of programs, one story each.

Every test shows what this project does with the input on which the released code of ProX, UltraX or ReScraper went
wrong.
"""

import sys
import time

import pytest

from prox.program import (
    PROX_CHUNK,
    PROX_DOCUMENT,
    ULTRAX,
    DropDocument,
    KeepDocument,
    Policy,
    Program,
    RemoveLines,
    Replace,
    Scope,
    execute,
)

BODY = "\n".join(f"This is line {number} of a page that people wrote and want to read." for number in range(1, 9))
PAGE = f"Home | About | Contact\n{BODY}\nShare this page"


def refine(text, program, policy=Policy.released(), scope=None):  # noqa: B008 - a frozen value
    return execute(text, PROX_CHUNK.parse(program, scope), policy)


@pytest.mark.parametrize(
    "noise", ["Share (12)", "a, b", "x=1", "Read more)", "f(x, y=2)", "([{", '"quoted", she said', "it's, well"]
)
def test_prox_a_comma_bracket_or_equals_sign_in_a_string_broke_parsing(noise):
    """The arguments were found by splitting at commas and brackets.

    So the call was ignored, or a wrong and shorter string was deleted: "Share (12" instead of "Share (12)".
    """
    quoted = noise.replace('"', '\\"')
    outcome = refine(f"{BODY}\nbefore {noise} after", f'normalize(source_str="{quoted}", target_str="")')
    assert outcome.text == f"{BODY}\nbefore  after"
    assert outcome.applied == (Replace(noise),)


def test_prox_a_replacement_ran_over_the_whole_document_instead_of_the_chunk():
    """A model that saw only lines 5 to 9 also edited the others, which it had never read."""
    outcome = refine(PAGE, 'normalize(source_str="page", target_str="")', scope=Scope(5, 9))
    before, after = PAGE.split("\n"), outcome.text.split("\n")
    assert after[:5] == before[:5]
    assert after[5:] == [line.replace("page", "") for line in before[5:]]


def test_prox_negative_line_numbers_were_accepted():
    """`remove_lines(-3, -1)` counted from the end, as Python does; a model never means that."""
    outcome = refine(PAGE, "remove_lines(-3, -1)")
    assert outcome.text == PAGE
    assert outcome.rejected[0].reason == "negative line number"


def test_prox_unknown_operations_were_silently_ignored():
    """Nobody saw that a model (or a wrong prompt) wrote calls that do not exist; now each is a counted error."""
    program = PROX_CHUNK.parse("delete_lines(0, 1)\nremove_lines(0, 0)")
    assert [error.message for error in program.errors] == ["delete_lines() is not an operation of prox-chunk"]
    assert "ignored" in refine(PAGE, "delete_lines(0, 1)\nrewrite()\nremove_lines(0, 0)").reason


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\t\u2028\x85 \n"])
def test_prox_text_of_white_space_only_divided_by_zero(text):
    """The share of words left was computed from no words at all."""
    for program in ("keep_chunk()", "remove_lines(0, 0)", 'normalize(source_str=" ")'):
        for policy in (Policy(), Policy.released(), Policy.unlimited(), Policy(least_words=None)):
            refine(text, program, policy)
    assert refine(text, "keep_chunk()", Policy()).text == text


def test_prox_a_huge_line_number_burned_seconds_of_processor_time():
    """`remove_lines(0, 30000000)` built the list of all these numbers: 12 s for one call."""
    start = time.process_time()
    outcome = refine(PAGE, "remove_lines(0, 30000000)\nremove_lines(5, 9" + "9" * 10_000 + ")")
    assert time.process_time() - start < 0.5
    assert outcome.text == PAGE
    assert len(outcome.rejected) == 2


def test_prox_one_chunk_blanked_the_document():
    """`remove_lines(all=True)` in the program of one chunk removed all lines of the document."""
    program = PROX_CHUNK.parse("remove_lines(all=True)", Scope(0, 4))
    assert program.operations == ()
    assert len(program.errors) == 1
    assert execute(PAGE, [program, Program(scope=Scope(5, 9))]).text == PAGE


@pytest.mark.parametrize(
    "output",
    [
        "drop",
        "I would not drop this page.",
        "keep, don't drop_doc()",
        "drop_doc() is wrong",
        "drop_doc(",
        "drop_doc",
    ],
)
def test_prox_the_word_drop_anywhere_dropped_the_document(output):
    """The output was searched for "drop"; only the call, on a line without prose, drops."""
    program = PROX_DOCUMENT.parse(output)
    assert DropDocument() not in program.operations
    assert len(program.errors) == 1
    assert execute(PAGE, program).text == PAGE


def test_prox_the_released_limits_themselves_are_kept():
    """What was no fault: two errors leave the text as it was, and too few words left drop the document."""
    assert refine(PAGE, "remove_lines(0, 0)\nremove_lines(0, 99)\nsee above").text == PAGE
    assert refine(PAGE, "remove_lines(0, 0)\nremove_lines(0, 99)").text == PAGE[len("Home | About | Contact\n") :]
    assert refine(PAGE, "remove_lines(1, 8)").dropped
    assert refine("only ten words are in this text and not more", "keep_chunk()").dropped


@pytest.mark.parametrize("separator", ["\f", "\u2028", "\u2029", "\x85", "\r", "\x0b", "\x1c"])
def test_ultrax_lines_were_numbered_one_way_and_executed_another(separator):
    """Prompts were numbered by `split("\\n")`, programs executed on `splitlines()`.

    A form feed or U+2028 in the text shifted every later operation by one line.
    """
    text = PAGE.replace("line 2", f"line{separator}2")
    outcome = refine(text, "remove_lines(9, 9)")
    assert outcome.text == text[: -len("\nShare this page")]
    shown = ULTRAX.number(text.split("\n"), 0).split("\n")
    assert shown[-1] == "<lid:10>Share this page" and f"line{separator}2" in shown[2]
    program = "replace_str(10, ' this page', '')\nadd_line(9, 0, 'The end.')\nremove_lines(1, 1)"
    outcome = execute(text, ULTRAX.parse(program), Policy.unlimited())
    assert outcome.text == text[len("Home | About | Contact\n") : -len("Share this page")] + "The end.\nShare"


def test_ultrax_every_edited_document_lost_its_blank_lines():
    """Blank lines went with any edit and stayed without one, so paragraphs vanished from exactly the edited pages."""
    text = PAGE.replace("\n", "\n\n") + "\n \n"
    outcome = refine(text, "remove_lines(0, 0)")
    assert outcome.text == text[len("Home | About | Contact\n") :]
    outcome = execute(text, ULTRAX.parse("replace_str(19, ' this page', '')\nadd_line(0, 0, '')"), Policy.unlimited())
    assert outcome.text == "\n" + text.replace("Share this page", "Share")


@pytest.mark.parametrize(
    "output",
    [
        "__import__('sys').modules['prox_was_here'] = 1",
        "exec('import sys; sys.modules[\"prox_was_here\"] = 1')",
        "import sys\nsys.modules['prox_was_here'] = 1",
        "remove_lines(0, __import__('sys').modules.update(prox_was_here=1))",
        "[remove_lines(i, i) for i in range(9)]",
        "while True: keep_chunk()",
    ],
)
def test_ultrax_generated_source_was_executed(output):
    """The executor ran what the model wrote with `exec`. Here a program is data; anything but a call is an error."""
    for program in (PROX_CHUNK.parse(output), ULTRAX.parse(output), Program.parse(output)):
        outcome = execute(PAGE, program, Policy.unlimited())
        assert outcome.text == PAGE
        assert outcome.errors
    assert "prox_was_here" not in sys.modules


@pytest.mark.parametrize("source", ["__import__('sys').exit()", "{exit()}", "%s", "{0}", "\\g<0>", "$(reboot)"])
def test_ultrax_source_in_a_string_is_a_string(source):
    """Strings of a program went through the interpreter too; they are compared and inserted as they are."""
    text = f"{PAGE}\n{source}"
    quoted = source.replace("\\", "\\\\")
    program = ULTRAX.parse(f'replace_str(11, "{quoted}", "")\nadd_line(10, 0, "{quoted}")')
    outcome = execute(text, program, Policy.unlimited())
    assert outcome.text == f"{PAGE}\n{source}\n" and outcome.rejected == ()


@pytest.mark.parametrize(
    "output",
    ["", " ", "\n\n", "<think></think>", "keep", "keep_", "keep_all", "keep_all(", "keep_d", "CUDA error", "None"],
)
@pytest.mark.parametrize("dialect", [PROX_DOCUMENT, PROX_CHUNK, ULTRAX], ids=lambda dialect: dialect.name)
def test_ultrax_a_crashed_batch_was_written_out_as_keep(dialect, output):
    """An empty or broken output is not a decision to keep: it has no operation, and broken ones have errors."""
    program = dialect.parse(output)
    assert program.operations == ()
    assert program.errors or not output.strip() or output == "<think></think>"
    for policy in (Policy(), Policy.unlimited()):
        outcome = execute(PAGE, program, policy)
        assert outcome.applied == () and KeepDocument() not in outcome.program.operations
    assert dialect.render(program) == str(program) == ""


def test_rescraper_programs_cut_off_in_the_middle_ended_up_as_text():
    """A program that hit the token limit was taken for the text of the page; on 0.085 % of the pages.

    Nothing of a program can get into a text here, and a call that is cut off does nothing, wherever the cut is.
    """
    program = 'remove_lines(line_start=0, line_end=0)\nnormalize(source_str="Share this page", target_str="Share")'
    first_call = program.index("\n")
    for end in range(len(program)):
        parsed = PROX_CHUNK.parse(program[:end])
        assert set(parsed.operations) <= {RemoveLines(0, 0)}
        assert bool(parsed.operations) == (end >= first_call)
        outcome = execute(PAGE, parsed)
        assert outcome.text in (PAGE, PAGE[PAGE.index("\n") + 1 :])
