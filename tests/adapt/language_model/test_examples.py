import pytest

pytest.importorskip("transformers", reason="needs the extra transformers")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import page, with_program

from prox.adapt.language_model.examples import Example, Passed, examples_of, program_of, said
from prox.adapt.language_model.prompts import family_to_train, prompt_writer
from prox.chunking import Chunk
from prox.errors import UsageError
from prox.program import Policy, Program, execute, get_dialect
from prox.refiners.draft import Level
from prox.refiners.language_model.refiner import LanguageModelRefiner


def writer_for(tokens, dialect="refinex", window=96, level=Level.CHUNK) -> LanguageModelRefiner:
    return prompt_writer(family_to_train(level, None, dialect, window, None, None), tokens, 2048)


def test_a_prompt_shows_the_lines_of_its_chunk_with_their_numbers_in_the_document(tokens):
    long = page(
        0, text="\n".join(f"Line {n} of a long page about rivers." for n in range(40)), labels=np.zeros(40, int)
    )
    examples = [each for each in examples_of(long, writer_for(tokens)) if isinstance(each, Example)]
    assert len(examples) > 3
    assert "[000]Line 0 of" in examples[0].body and "[000]" not in examples[1].body
    assert all(each.body in each.prompt and each.prompt.startswith("<s>[INST]") for each in examples)
    shown = "\n".join(each.body for each in examples).split("\n")
    assert shown == [f"[{n:03d}]Line {n} of a long page about rivers." for n in range(40)]


def test_noise_lines_become_the_shortest_program_and_clean_chunks_say_so(tokens):
    noisy = page(0)
    [example] = examples_of(noisy, writer_for(tokens, window=400))
    assert (example.program, example.touched) == ("remove_lines(0, 0)", True)
    [example] = examples_of(page(0, labels=np.array([0, 0, 0])), writer_for(tokens, "prox-chunk", 400))
    assert (example.program, example.touched) == ("keep_chunk()", False)
    assert example.tokens_out == tokens.count("keep_chunk()") + 1


def test_a_line_longer_than_the_window_is_left_out_and_told(tokens):
    labelled = page(0, text="short\n" + "very " * 300, labels=np.array([0, 1]))
    assert [each.reason for each in examples_of(labelled, writer_for(tokens)) if isinstance(each, Passed)] == [
        "a line longer than the window"
    ]


def test_a_program_that_would_be_cut_off_is_left_out_and_told(tokens):
    text = "\n".join("ab" for _ in range(120))
    labels = np.array([n % 2 for n in range(120)])
    assert [
        each.reason for each in examples_of(page(0, text=text, labels=labels), writer_for(tokens, window=1800))
    ] == ["a program of more than 256 tokens"]


def test_a_string_that_a_dialect_cannot_place_leaves_its_chunk_out(tokens):
    twice = with_program('replace_str(line=1, source_str=" [edit]", target_str="")', "One [edit]\nTwo [edit]")
    assert [type(each) for each in examples_of(twice, writer_for(tokens, "prox-chunk"))] == [Passed]
    [example] = examples_of(twice, writer_for(tokens, "refinex"))
    assert example.program == 'remove_str(1, " [edit]")'


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ('normalize(source_str="One\\nTwo", target_str="One")', "One\nTwo\nThree"),
        ('normalize(source_str="x", target_str="")', "x and x\nTwo"),
    ],
)
def test_what_a_dialect_cannot_say_is_never_left_out_of_a_program_in_silence(tokens, program, text):
    assert [type(each) for each in examples_of(with_program(program, text), writer_for(tokens, "refinex"))] == [Passed]


def test_a_line_before_the_first_is_part_of_the_first_chunk(tokens):
    labelled = with_program('add_line(line_after=-1, place=0, text="Title")', "One\nTwo")
    [example] = examples_of(labelled, writer_for(tokens, "ultrax"))
    assert get_dialect("ultrax").parse(example.program).operations == labelled.program.operations


def test_document_labels_ask_for_one_of_two_answers(tokens):
    writer = writer_for(tokens, "prox-document", 96, Level.DOCUMENT)
    [kept], [dropped] = (examples_of(page(0, keep=keep), writer) for keep in (True, False))
    assert (kept.program, dropped.program) == ("keep_doc()", "drop_doc()")
    assert "[000]" not in kept.body and not kept.touched and dropped.touched


def test_partial_noise_of_human_labels_is_in_the_program():
    labelled = page(0, text="Menu\nIt rains. [edit]", labels=np.array([1, 0]), partials=((1, 9, 16),))
    assert str(program_of(labelled, Level.CHUNK)).split("\n")[1] == (
        'replace_str(line=1, source_str=" [edit]", target_str="")'
    )


LINES = st.lists(st.sampled_from(["Home", "It rains. [edit]", "A line.", "", "©"]), min_size=1, max_size=12)


@given(lines=LINES, noise=st.lists(st.integers(0, 1), min_size=12, max_size=12), cut=st.integers(1, 11))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("dialect", ["prox-chunk", "refinex", "ultrax"])
def test_the_parts_of_a_program_that_a_dialect_says_for_the_chunks_do_together_what_the_whole_does(
    dialect, lines, noise, cut
):
    labelled = page(0, text="\n".join(lines), labels=np.array(noise[: len(lines)]))
    whole = program_of(labelled, Level.CHUNK)
    spoken = get_dialect(dialect)
    parts = []
    for first in range(0, len(lines), cut):
        chunk = Chunk("a", "\n".join(lines[first : first + cut]), first)
        written = spoken.render(Program(tuple(said(whole, chunk, spoken))))
        parts.append(spoken.parse(written, chunk.scope))
    limits = Policy.unlimited()
    assert execute(labelled.text, parts, limits).text == execute(labelled.text, whole, limits).text


def test_options_that_do_not_go_together_are_refused_with_what_to_do():
    for arguments, message in (
        ((Level.CHUNK, "instruct", None, None, None), "not trained; leave out --family"),
        ((Level.CHUNK, "prox-chunk", "refinex", None, None), "leave out --dialect and --window"),
        ((Level.CHUNK, None, "prox-document", None, None), "no dialect prox-document at chunk level"),
        ((Level.DOCUMENT, None, "refinex", None, None), "no dialect refinex at document level"),
        ((Level.CHUNK, None, None, 3, None), "holds next to nothing"),
        ((Level.CHUNK, "nobody", None, None, None), "choose one of prox-document, prox-chunk, ultrax"),
    ):
        with pytest.raises(UsageError, match=message):
            family_to_train(*arguments, None)
