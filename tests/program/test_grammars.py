"""Grammars: whatever they allow is a sound program for its lines, and nothing else is allowed.

They are compiled and walked with llguidance, byte by byte. Where that is not installed, these tests are skipped.
"""

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_strategies import pages

from prox.document import join_lines, split_lines
from prox.program import (
    DropDocument,
    InsertLine,
    KeepDocument,
    Policy,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
    Scope,
    execute,
    get_dialect,
)

llguidance = pytest.importorskip("llguidance", reason="grammars are tested with llguidance, which is not installed")
TOKENIZER = llguidance.LLTokenizer("byte")
LINES = ["prox-chunk", "refinex", "ultrax"]
ALL = ["prox-document", *LINES]
ANYTHING = Policy(errors_allowed=None, least_share=None, least_words=None, deletions_only=False)
first_lines = st.sampled_from([0, 0, 1, 8, 95, 998])


def matcher(grammar):
    made = llguidance.LLMatcher(TOKENIZER, grammar)
    assert not made.is_error(), made.get_error()
    return made


def accepts(grammar, text):
    tokens = list(text.encode())
    made = matcher(grammar)
    return made.try_consume_tokens(tokens) == len(tokens) and made.is_accepting()


def walk(grammar, chance):
    """A random sentence: of the bytes that are allowed next, quotes and the end are preferred."""
    made = matcher(grammar)
    tokens = []
    while not made.is_stopped():
        allowed = [token for token, bias in enumerate(made.compute_logit_bias()) if bias]
        preferred = [token for token in allowed if token in (TOKENIZER.eos_token, *b"\"'")]
        token = chance.choice(preferred if preferred and chance.random() < 0.3 else allowed)
        assert made.consume_token(token)
        tokens.append(token)
    if tokens[-1] == TOKENIZER.eos_token:
        tokens.pop()
    return bytes(tokens).decode()


def reads(name, sentence, text, first):
    """Read a sentence for a chunk whose document begins with other lines; give the program and its outcome."""
    last = first + text.count("\n")
    program = get_dialect(name).parse(sentence, Scope(first, last))
    return program, execute("\n" * first + text, program, ANYTHING)


NOT_KNOWN = re.compile("source occurs [0-9]+ times in its line, not once|the text would grow to more than 10 times .*")
"""Why a program of a grammar may be rejected still: a grammar does not count."""


@pytest.mark.parametrize("name", LINES)
@given(pages, first_lines, st.integers(0, 2**32))
def test_every_sentence_is_a_sound_program_for_its_lines(name, text, first, seed):
    sentence = walk(get_dialect(name).grammar(text, first), random.Random(seed))
    program, outcome = reads(name, sentence, text, first)
    assert program.errors == ()
    assert 1 <= len(program.operations) == sentence.count("\n") + 1 <= 64
    assert [entry for entry in outcome.rejected if not NOT_KNOWN.fullmatch(entry.reason)] == []
    if KeepDocument() in program.operations:
        assert len(program.operations) == 1


@pytest.mark.parametrize("name", LINES)
def test_long_walks_through_a_page_give_sound_programs(name):
    text = 'Home | "About"\r\n\nThe river \\rose\\ again.\n没有空格的文字\t😀\n\'it\'s\' a "quote"\n\n'
    grammar = get_dialect(name).grammar(text, 7)
    kinds = set()
    for seed in range(150):
        program, outcome = reads(name, walk(grammar, random.Random(seed)), text, 7)
        assert program.errors == ()
        assert all(NOT_KNOWN.fullmatch(entry.reason) for entry in outcome.rejected)
        kinds |= set(map(type, program.operations))
    edits = {"prox-chunk": {Replace}, "refinex": {ReplaceOnce}, "ultrax": {ReplaceOnce, InsertLine}}
    assert kinds == {KeepDocument, RemoveLines, *edits[name]}


@pytest.mark.parametrize("seed", range(4))
def test_a_document_is_dropped_or_kept(seed):
    grammar = get_dialect("prox-document").grammar("any text", 0)
    assert walk(grammar, random.Random(seed)) in ("drop_doc()", "keep_doc()")
    assert accepts(grammar, "drop_doc()") and accepts(grammar, "keep_doc()")
    assert not any(accepts(grammar, text) for text in ("", "drop_doc()\n", "drop_doc()\nkeep_doc()", "keep_chunk()"))


replacing = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=9)


@st.composite
def sound_programs(draw, name, text, first):
    """Operations that can be carried out on a chunk, as a dialect writes them."""
    lines = [line.removesuffix("\r") for line in split_lines(text)]
    operations = []
    for _ in range(draw(st.integers(1, 5))):
        number = draw(st.integers(0, len(lines) - 1))
        line = lines[number]
        start = draw(st.integers(0, max(0, len(line) - 1)))
        source = line[start : draw(st.integers(start + 1, max(start + 1, len(line))))]
        choice = draw(st.integers(0, 2))
        if choice == 0 and name == "ultrax":
            after = draw(st.integers(0 if first else -1, len(lines) - 1))
            operations.append(InsertLine(first + after, draw(replacing), draw(st.integers(0, 99))))
        elif choice == 1 and source:
            target = "" if name == "refinex" else draw(replacing)
            once = ReplaceOnce(first + number, source, target)
            operations.append(Replace(source, target) if name == "prox-chunk" else once)
        else:
            operations.append(RemoveLines(first + number, first + draw(st.integers(number, len(lines) - 1))))
    return Program(tuple(operations))


@pytest.mark.parametrize("name", LINES)
@given(pages, first_lines, st.data())
def test_every_sound_program_is_a_sentence_as_its_dialect_writes_it(name, text, first, data):
    sentence = get_dialect(name).render(data.draw(sound_programs(name, text, first)))
    assert accepts(get_dialect(name).grammar(text, first), sentence)


PAGE = 'Home | "About"\n\nx\\y\r\nit\'s'
"""Lines 4 to 7 of a document."""
WORD = {
    "prox-chunk": ('normalize(source_str="{}", target_str="{}")', "remove_lines(line_start={}, line_end={})"),
    "refinex": ('remove_str(4, "{}")', "remove_lines({}, {})"),
    "ultrax": ('replace_str(5, "{}", "{}")', "remove_lines({}, {})"),
}


@pytest.mark.parametrize("name", LINES)
def test_only_the_lines_of_the_chunk_have_numbers_and_ranges_do_not_run_backwards(name):
    grammar = get_dialect(name).grammar(PAGE, 4)
    base = 5 if name == "ultrax" else 4
    for first in range(12):
        for last in range(12):
            sentence = WORD[name][1].format(first, last)
            assert accepts(grammar, sentence) == (base <= first <= last <= base + 3)
    for wrong in ("-4", "04", "40", ""):
        assert not accepts(grammar, WORD[name][1].format(wrong, "7"))


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("Home", True),
        (r"| \"About\"", True),
        (r"\"", True),
        (" ", True),
        ("", False),
        ("Hume", False),
        ('"', False),
        ("\\", False),
        (r"\n", False),
        ("home", False),
        ("Home  |", False),
    ],
)
def test_only_strings_of_the_chunk_are_replaced(name, source, allowed):
    assert accepts(get_dialect(name).grammar(PAGE, 4), WORD[name][0].format(source, "")) == allowed


def test_a_string_is_one_of_a_single_line_or_of_its_own_line():
    prox = get_dialect("prox-chunk").grammar(PAGE, 4)
    text = 'normalize(source_str="{}", target_str="")'
    assert [accepts(prox, text.format(source)) for source in (r"x\\y", "it's", r"yit", r"y\nit", r"\"x")] == [
        *(True, True),
        *(False, False, False),
    ]
    refinex = get_dialect("refinex").grammar(PAGE, 4)
    texts = [r'remove_str(6, "x\\y")', r'remove_str(6, "Home")', r'remove_str(5, " ")', r'remove_str(6, "y\r")']
    assert [accepts(refinex, text) for text in texts] == [True, False, False, False]


@pytest.mark.parametrize(
    ("sentence", "allowed"),
    [
        ("replace_str(8, 'it', 'It')", True),
        (r"replace_str(8, 'it\'s', 'It is')", True),
        (r"replace_str(8, 'it's', 'It is')", False),
        ("replace_str(8, \"it's\", 'It is')", True),
        ('replace_str(5, \'"About"\', "")', True),
        ("replace_str(6, '', 'x')", False),
        ("replace_str(9, 'it', '')", False),
        ("replace_str(8, 'it')", False),
        ("replace_str(8, 'Home', '')", False),
        ("add_line(5, 0, 'x')", True),
        ('add_line(8, 99, "it\'s")', True),
        ("add_line(4, 0, 'x')", False),
        ("add_line(9, 0, 'x')", False),
        ("add_line(5, 100, 'x')", False),
        ("add_line(5, -1, 'x')", False),
        ("add_line(5, 0, 'a\nb')", False),
        ("add_line(5, 0, 'a\tb')", False),
        ("add_line(5, 0, 'a\u2028b')", False),
        (r"add_line(5, 0, 'a\qb')", False),
        (f"add_line(5, 0, '{'é' * 200}')", True),
        (f"add_line(5, 0, '{'é' * 201}')", False),
        ("remove_all()", True),
        ("remove_all()\nkeep_all()", False),
        ("remove_lines(5, 5)\nremove_all()", False),
    ],
)
def test_ultrax_sentences(sentence, allowed):
    assert accepts(get_dialect("ultrax").grammar(PAGE, 4), sentence) == allowed


def test_ultrax_may_add_a_line_before_the_first_one_of_the_document():
    grammar = get_dialect("ultrax").grammar(PAGE)
    assert accepts(grammar, "add_line(0, 0, 'x')") and not accepts(grammar, "remove_lines(0, 0)")


@pytest.mark.parametrize(
    ("name", "keep"), [("prox-chunk", "keep_chunk()"), ("refinex", "keep_all()"), ("ultrax", "keep_all()")]
)
def test_keep_stands_alone_and_a_program_has_1_to_64_calls(name, keep):
    grammar = get_dialect(name).grammar(PAGE, 4)
    call = WORD[name][1].format(5, 6)
    assert accepts(grammar, keep) and accepts(grammar, call) and accepts(grammar, "\n".join([call] * 64))
    for wrong in ("", f"{keep}\n{keep}", f"{keep}\n{call}", f"{call}\n{keep}", f"{call}\n", f"{call}\n\n{call}"):
        assert not accepts(grammar, wrong)
    assert not accepts(grammar, "\n".join([call] * 65))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "text", ["", "\n", "\r\n\r", "\ud800", "a\ud800b", "\x00\x1b", "漢字😀", '\\\\"\'"', "/|%&{}[]()"]
)
def test_texts_without_letters_or_with_strange_ones_have_grammars(name, text):
    grammar = get_dialect(name).grammar(text, 3)
    assert grammar.encode("utf-8")
    for seed in range(10):
        assert get_dialect(name).parse(walk(grammar, random.Random(seed))).errors == ()


@pytest.mark.parametrize("name", LINES)
def test_what_cannot_be_encoded_is_written_as_an_escape(name):
    program, outcome = reads(name, WORD[name][0].format(r"a\ud800", ""), "a\ud800b", 5 if name != "refinex" else 4)
    assert accepts(get_dialect(name).grammar("a\ud800b", 4), WORD[name][0].format(r"a\ud800", ""))
    assert program.errors == () and (outcome.text or "").endswith("b")


def big_page(lines, length, seed=1):
    chance = random.Random(seed)
    alphabet = "abcdefghijklmnopqrstuvwxyz     \"\\',.é漢😀"
    return join_lines(["".join(chance.choices(alphabet, k=length)) for _ in range(lines)])


@pytest.mark.parametrize("name", LINES)
def test_a_grammar_is_compiled_in_little_time(name):
    text, dialect = big_page(200, 40), get_dialect(name)
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        matcher(dialect.grammar(text, 100)).compute_logit_bias()
        best = min(best, time.process_time() - start)
    assert best < 0.2  # about 0.02 on a free machine


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(("lines", "length"), [(1, 20_000), (1000, 40), (4000, 12)])
def test_large_pages_have_grammars(name, lines, length):
    """llguidance refuses grammars beyond a size; the windows of all models stay below it."""
    text = big_page(lines, length)
    program, _ = reads(name, walk(get_dialect(name).grammar(text, 0), random.Random(3)), text, 0)
    assert program.errors == ()


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_no_sentence_of_a_chunk_drops_the_document(seed):
    for name in LINES:
        program, _ = reads(name, walk(get_dialect(name).grammar("a b\nc", 2), random.Random(seed)), "a b\nc", 2)
        assert DropDocument() not in program.operations
