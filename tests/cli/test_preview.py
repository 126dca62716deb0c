"""`prox preview`: documents before and after, on any terminal, whatever a page holds."""

import json
import unicodedata
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from prox.cli.sides import show
from prox.corpora import Quarantined
from prox.document import Document
from prox.program import DropDocument, InsertLine, Program, RemoveLines, Replace, ReplaceOnce
from prox.runs.stages import Refined, StageResult

EXAMPLES = Path(__file__).parents[2] / "examples" / "pages.jsonl"

PROSE = (
    "The river rose in the night and took the old bridge with it. In the morning half the village stood on the bank."
)


def refined(text, result, *operations, decision="edited", reason="", score=None, line_scores=None, id="a"):
    stage = StageResult(
        "tagger", "chunk", Program(operations), score, line_scores, 3, 2, (), (), 0, 0,
    )  # fmt: skip
    return Refined(Document(id, text), result, decision, reason, 3, 2, (stage,))


def shown(entry, width=80, colours=False, full=False):
    console = Console(width=width, force_terminal=colours, color_system="standard" if colours else None)
    with console.capture() as capture:
        show(entry, console, full)
    return capture.get()


def test_removed_lines_carry_a_minus_sign_without_colours():
    out = shown(refined("menu\nprose\nfooter", "prose", RemoveLines(0, 0), RemoveLines(2, 2)))
    lines = [line.split() for line in out.splitlines()]
    assert ["0", "-", "menu"] in lines
    assert ["1", "prose", "prose"] in lines
    assert ["2", "-", "footer"] in lines
    assert "remove_lines(line_start=0, line_end=0)" in out


def test_removed_lines_are_red_on_a_terminal():
    assert "\x1b[31m-\x1b[0m  \x1b[31mmenu" in shown(refined("menu\nprose", "prose", RemoveLines(0, 0)), colours=True)


def test_every_line_of_a_dropped_document_is_removed():
    out = shown(refined("a\nb", None, DropDocument(), decision="dropped", reason="tagger, keep score 0.10"))
    assert "-  a" in out and "-  b" in out and "dropped" in out and "tagger, keep score 0.10" in out


def test_of_a_document_in_quarantine_nothing_stands_on_the_right():
    out = shown(refined("one line", None, decision="quarantined", reason="no stored program for this id"))
    assert ["0", "-", "one", "line"] in [line.split() for line in out.splitlines()]


def test_replacements_that_build_on_each_other_are_shown_as_they_end():
    edits = [Replace("foo", "bar", 0, 0), Replace("bar ", "", 0, 0)]
    out = shown(refined("foo x y z", "x y z", *edits))
    assert ["0", "~", "[-foo", "-]x", "y", "z", "x", "y", "z"] in [line.split() for line in out.splitlines()]


def test_a_replaced_string_is_gone_on_the_right():
    out = shown(refined("text [edit] more", "text more", Replace(" [edit]", "", 0, 0)))
    assert ["0", "~", "text", "[-[edit]", "-]more", "text", "more"] in [line.split() for line in out.splitlines()]


def test_every_string_that_goes_from_a_line_is_marked_once():
    edits = [Replace("[edit]", "", 0, 0), Replace("-", "", 0, 0), Replace("[edit]", "", 0, 0)]
    out = shown(refined("a-b [edit] c", "ab  c", *edits))
    assert "a[---]b [-[edit]-] c" in out
    assert "\x1b[30;43m[edit]" in shown(refined("a-b [edit] c", "ab  c", *edits), colours=True)


def test_a_string_that_is_replaced_once_is_shown_like_one_that_is_replaced_everywhere():
    out = shown(refined("teh cat\nteh end", "teh cat\nthe end", ReplaceOnce(1, "teh", "the")))
    lines = [line.split() for line in out.splitlines()]
    assert ["0", "teh", "cat", "teh", "cat"] in lines and ["1", "~", "te[-h-]", "end", "the", "end"] in lines


def test_new_lines_stand_on_the_right_with_a_plus_sign():
    edits = [InsertLine(-1, "Title"), InsertLine(0, "second\nthird", 1), InsertLine(0, "first"), RemoveLines(0, 0)]
    out = shown(refined("menu\nprose", "Title\nfirst\nsecond\nthird\nprose", *edits))
    lines = [line.split() for line in out.splitlines()]
    start = lines.index(["+", "Title"])
    assert lines[start : start + 6] == [
        ["+", "Title"],
        ["0", "-", "menu"],
        ["+", "first"],
        ["+", "second"],
        ["+", "third"],
        ["1", "prose", "prose"],
    ]
    assert next(line for line in out.splitlines() if "+ Title" in line).index("+") > 30


def test_new_lines_are_green_on_a_terminal():
    assert "\x1b[32m+ Title" in shown(refined("a", "Title\na", InsertLine(-1, "Title")), colours=True)


def test_line_scores_stand_beside_their_lines():
    out = shown(refined("menu\nprose", "prose", RemoveLines(0, 0), line_scores=bytes([97, 3])))
    assert "0  97%" in out and "1   3%" in out


def test_the_reason_of_a_drop_is_shown_beside_a_score():
    """A document that the policy dropped looked as if its good score had dropped it."""
    reason = "too few words left: 3, the limit is 10"
    out = shown(refined("a", None, DropDocument(), decision="dropped", reason=reason, score=0.9))
    assert "keep score 0.90" in out and reason in " ".join(out.split())


HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp.exe\u2066 \u200b\ufeff \x00 \r [bold]x[/bold] [/nothing]"


@pytest.mark.parametrize("where", ["kept", "removed", "replaced", "added", "dropped", "id", "reason"])
@pytest.mark.parametrize("colours", [False, True])
def test_a_hostile_page_does_not_steer_the_terminal(where, colours):
    text = f"{HOSTILE}\nlast"
    entry = {
        "kept": refined(text, text, decision="kept"),
        "removed": refined(text, "last", RemoveLines(0, 0)),
        "replaced": refined(text, text.replace("red", "x"), Replace("\x1b[31mred", HOSTILE, 0, 0)),
        "added": refined("red", f"{text}\nred", InsertLine(-1, text)),
        "dropped": refined(text, None, DropDocument(), decision="dropped"),
        "id": refined("x", "x", decision="kept", id=HOSTILE),
        "reason": refined("x", None, decision="quarantined", reason=HOSTILE),
    }[where]
    assert_harmless(shown(entry, colours=colours), colours)


@pytest.mark.parametrize("colours", [False, True])
def test_a_hostile_quarantined_record_does_not_steer_the_terminal(colours):
    assert_harmless(shown(Quarantined(f"/in/{HOSTILE}", 3, f"invalid JSON: {HOSTILE}", b""), colours=colours), colours)


def assert_harmless(out, colours):
    import re

    if colours:
        out = re.sub(r"\x1b\[[0-9;]*m", "", out)  # what the preview itself writes; the page's \x1b[31m must be text
        assert "\\x1b[31m" in out or "red" not in out
    bad = [c for c in out if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert bad == []


@pytest.mark.parametrize("width", [40, 80, 300])
def test_no_line_is_wider_than_the_terminal(width):
    texts = ["word " * 100, "x" * 1000, "鳥" * 300, "a\tb", ""]
    out = shown(refined("\n".join(texts), "\n".join(texts[1:]), RemoveLines(0, 0), line_scores=bytes(5)), width=width)
    assert max(cell_len(line) for line in out.splitlines()) <= width


@pytest.mark.parametrize("id", ["http://example.org/" + "x" * 200, "鳥" * 200])
def test_a_long_id_stands_whole_above_the_figures(id):
    lines = shown(refined("word\nx", "x", RemoveLines(0, 0), id=id), width=60).splitlines()
    rule = next(place for place, line in enumerate(lines) if line.startswith("edited · 3 → 2 words"))
    assert "".join(line.strip() for line in lines[:rule]) == id and max(map(cell_len, lines)) <= 60


def test_a_long_reason_is_whole_at_any_width():
    reason = "the program for lines 32 to 42 is ignored: erroneous operations 3, allowed 1"
    for width in (40, 80, 200):
        assert reason in " ".join(shown(refined("a\nb", "a\nb", reason=reason), width=width).split())


def test_the_sign_stands_beside_its_text_however_narrow():
    out = shown(refined("公民读本与先贤论著的一行没有空格的文字\nx", "x", RemoveLines(0, 0)), width=40)
    (line,) = [line for line in out.splitlines() if line.split()[:2] == ["0", "-"]]
    assert "公民" in line


def test_a_blank_line_has_no_score():
    out = shown(refined("menu\n\nprose", "prose", RemoveLines(0, 1), line_scores=bytes([97, 0, 3])))
    assert ["1", "-"] in [line.split() for line in out.splitlines()]


@pytest.mark.parametrize("full", [False, True])
def test_long_documents_are_shortened_unless_asked_for(full):
    text = "\n".join(f"line {i}" for i in range(1000))
    out = shown(refined(text, text, decision="kept"), full=full)
    assert ("line 500" in out) == full
    assert ("940 more lines" in out) != full
    assert "line 0 " in out and "line 999" in out


def test_one_very_long_line_does_not_fill_the_screen():
    text = "word " * 200_000
    assert len(shown(refined(text, text, decision="kept"))) < 200_000


def test_the_empty_document_is_shown():
    assert "kept" in shown(refined("", "", decision="kept"))


@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_examples_are_shown_on_any_width(prox, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    code, out, err = prox("preview", EXAMPLES, "-n", "3")
    assert (code, err) == (0, "")
    assert out.count("program") == 3 and "\x1b" not in out
    assert max(map(cell_len, out.splitlines())) <= int(columns)


def test_quarantined_records_are_shown_in_their_place(prox, tmp_path):
    page = json.loads(EXAMPLES.read_text().splitlines()[0])
    (tmp_path / "in.jsonl").write_text(f'{json.dumps(page)}\n{{broken\n{{"id": "b"}}\n')
    code, out, _ = prox("preview", tmp_path / "in.jsonl")
    out = " ".join(out.replace("│", " ").split())
    assert code == 0
    assert out.count("─ quarantined ─") == 2
    assert out.index(page["id"]) < out.index("invalid JSON") < out.index("no text")


def test_a_file_that_is_broken_is_shown_as_such(prox, tmp_path):
    (tmp_path / "in.jsonl.gz").write_bytes(b"no gzip")
    code, out, _ = prox("preview", tmp_path / "in.jsonl.gz")
    assert code == 0 and "broken file" in out


def test_only_as_many_documents_are_shown_as_asked_for(prox):
    for count in (1, 4):
        assert prox("preview", EXAMPLES, "-n", count)[1].count("╭─ program") == count


def test_preview_writes_nothing(prox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prox("preview", EXAMPLES, "-n", "1")
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_line_for_each_document(prox, tmp_path):
    path = tmp_path / "pages.jsonl"
    path.write_text('{"id": "a", "text": "Home\\nNews\\n' + PROSE + '"}\nnothing\n')
    code, out, _ = prox("preview", path, "--json", "--level", "chunk")
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert first["raw"].startswith("Home") and first["refined"] in first["raw"] and "remove_lines" in first["program"]
    assert len(first["stages"][0]["line_scores"]) == 3
    assert second["decision"] == "quarantined" and second["reason"].startswith("invalid JSON")
