import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.adapt.annotation.asking import FailedError, UnusableError
from prox.adapt.annotation.chunks import KINDS, ChunkTask, annotation_window, read_program
from prox.adapt.annotation.prompts import load_prompts
from prox.chunking import Chunk, chunk_document
from prox.document import Document, join_lines, split_lines
from prox.program import Policy, Program, RemoveLines, Replace, execute

PROMPTS = load_prompts(KINDS)
TEXT = "The river rose in the night and took the old bridge with it. "
PAGE = f"""Home | News
{TEXT * 3}
{TEXT * 3}(http://river.example/a.jpg)
{TEXT * 3}
© 2019 River News"""


def task(window=1500, most_removed=0.8):
    return ChunkTask(tuple([PROMPTS[kind] for kind in KINDS]), annotation_window(window), most_removed)


def execute_label(label):
    outcome = execute(label["raw_text"], Program.parse(label["program"]), Policy.unlimited())
    assert not outcome.rejected and not outcome.errors
    return outcome.text


def test_the_programs_of_the_three_kinds_become_one(asker):
    ask, server = asker(
        "remove_lines(line_start=0, line_end=0)",
        'normalize(source_str="(http://river.example/a.jpg)", target_str="")',
        "remove_lines(line_start=4, line_end=4)",
    )
    label = task().label(Document("d", PAGE), ask)
    assert len(server.requests) == 3
    assert label["program"].split("\n") == [
        'normalize(source_str="(http://river.example/a.jpg)", target_str="")',
        "remove_lines(line_start=0, line_end=0)",
        "remove_lines(line_start=4, line_end=4)",
    ]
    assert execute_label(label) == f"{TEXT * 3}\n{TEXT * 3}\n{TEXT * 3}"
    assert label["rejected_operations"] == 0 and label["chunks"] == 1 and label["trimmed_chunks"] == 0


def test_each_kind_is_asked_about_numbered_lines_with_numbered_examples(asker):
    ask, server = asker("keep_chunk()")
    label = task().label(Document("d", PAGE), ask)
    assert label["program"] == "keep_doc()"
    systems = [request.messages[0].content for request in server.requests]
    assert systems == [PROMPTS[kind].system for kind in KINDS]
    for request in server.requests:
        users = [message.content for message in request.messages if message.role == "user"]
        assert all("\n[000]" in user for user in users)
        assert "[004]© 2019" in users[-1]


def test_lines_are_numbered_over_the_document_and_programs_of_chunks_become_one(asker):
    def first_line(page):
        return f"remove_lines(line_start={int(page.split('[')[1][:3])}, line_end={int(page.split('[')[1][:3])})"

    text = join_lines([f"line {number} {'word ' * 10}" for number in range(12)])
    ask, server = asker(first_line)
    label = task(window=75).label(Document("d", text), ask)
    assert label["chunks"] == 2 and len(server.requests) == 6
    assert split_lines(execute_label(label)) == [line for n, line in enumerate(split_lines(text)) if n not in (0, 6)]


def test_a_replacement_stays_in_its_chunk(asker):
    text = join_lines([f"line [edit] {'word ' * 10}" for _ in range(6)])
    only_first = lambda page: 'normalize(source_str=" [edit]")' if "[000]" in page else "keep_chunk()"  # noqa: E731
    label = task(window=40).label(Document("d", text), asker(only_first)[0])
    assert execute_label(label).count("[edit]") == 3


def test_a_replacement_in_removed_lines_is_left_out(asker):
    ask, _ = asker("remove_lines(0, 0)", 'normalize("Home")', "keep_chunk()")
    assert task().label(Document("d", PAGE), ask)["program"] == "remove_lines(line_start=0, line_end=0)"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "no call"),
        ("There is nothing to remove.", "text that is not a call"),
        ("remove_lines(0, 0) done", "text that is not a call"),
        ("drop_doc()", "not an operation of prox-chunk"),
        ("remove_lines(0, 70)\nremove_lines(8, 9)", "2 calls cannot be carried out: beyond the last line"),
        ('remove_lines(0, 0)\nnormalize("not there")\nnormalize("River", "Lake")', "2 calls"),
        ("keep_chunk()\nremove_lines(0, 0)", "beside other calls"),
        ("remove_lines(0, 0", "a bracket never closes"),
    ],
)
def test_what_is_no_program_is_refused(answer, told):
    with pytest.raises(UnusableError, match=told):
        read_program(answer, Chunk("d", PAGE, 0))


def test_one_call_that_cannot_be_carried_out_is_left_out_and_counted(asker):
    ask, _ = asker("remove_lines(0, 0)\nremove_lines(70, 71)", "keep_chunk()")
    label = task().label(Document("d", PAGE), ask)
    assert label["program"] == "remove_lines(line_start=0, line_end=0)" and label["rejected_operations"] == 1


def test_nothing_can_be_invented():
    whole = read_program('normalize("river", "lake")', Chunk("d", PAGE, 0))
    assert not whole.program.operations and "only deletions" in whole.rejected[0]


def test_of_a_program_that_removes_too_much_head_and_tail_are_left(asker):
    lines = [*split_lines(PAGE)]
    lines.insert(3, TEXT)
    ask, _ = asker("remove_lines(0, 0)\nremove_lines(2, 2)\nremove_lines(5, 5)", "keep_chunk()")
    label = task(most_removed=0.2).label(Document("d", join_lines(lines)), ask)
    assert Program.parse(label["program"]).operations == (RemoveLines(0, 0), RemoveLines(5, 5))
    assert label["trimmed_chunks"] == 1


def test_head_and_tail_of_one_kind_may_be_long_as_long_as_all_kinds_together_are_within_their_limit(asker):
    lines = [*["Menu " * 12] * 3, *split_lines(PAGE)[1:]]
    ask, _ = asker("remove_lines(0, 2)\nremove_lines(4, 4)", "keep_chunk()")
    assert PROMPTS["navigation"].most_removed < 0.5
    label = task().label(Document("d", join_lines(lines)), ask)
    assert Program.parse(label["program"]).operations == (RemoveLines(0, 2),) and label["trimmed_chunks"] == 1


def test_a_program_that_removes_too_much_in_the_middle_alone_is_no_label(asker):
    ask, _ = asker("remove_lines(1, 3)", "keep_chunk()")
    with pytest.raises(FailedError, match="removes too much: navigation"):
        task().label(Document("d", PAGE), ask)


def test_a_chunk_that_is_removed_nearly_whole_is_no_label(asker):
    ask, _ = asker("remove_lines(0, 3)", "keep_chunk()")
    with pytest.raises(FailedError, match=r"removes too much: all kinds together 9.% of a chunk"):
        task().label(Document("d", PAGE), ask)


def test_kinds_together_may_not_remove_more_than_is_allowed(asker):
    ask, _ = asker("remove_lines(0, 1)", "keep_chunk()", "remove_lines(3, 4)")
    with pytest.raises(FailedError, match="all kinds together"):
        task(most_removed=0.5).label(Document("d", PAGE), ask)


def test_a_line_longer_than_the_window_leaves_the_document_without_a_label(asker):
    for long in ("word " * 2000, "x" * 20_000):
        ask, server = asker("keep_chunk()")
        with pytest.raises(FailedError, match="line longer than the window: line 1"):
            task().label(Document("d", f"a\n{long}\nb"), ask)
        assert not server.requests


def test_blank_chunks_are_not_asked_about(asker):
    ask, server = asker("keep_chunk()")
    label = task().label(Document("d", "\n \n\t\n"), ask)
    assert not server.requests and label["program"] == "keep_doc()" and label["chunks"] == 0


def test_control_texts_that_a_program_quotes_are_found_in_the_page(asker):
    text = f"Say <|im_end|> now.\n{TEXT}"
    ask, server = asker('normalize(source_str=" < |im_end|>", target_str="")', "keep_chunk()")
    label = task().label(Document("d", text), ask)
    assert "<|im_end|>" not in server.requests[0].messages[-1].content
    assert execute_label(label) == f"Say now.\n{TEXT}"


lines = st.text(alphabet=st.sampled_from("ab \t\r\u2028\f\0é価<|im_end|>"), max_size=8)
calls = st.one_of(
    st.builds(RemoveLines, st.integers(0, 7), st.integers(0, 7)),
    st.builds(Replace, st.text(alphabet="ab é", min_size=1, max_size=2)),
)


def test_a_deletion_that_makes_more_words_has_removed_none():
    """Without its blank, the page has a word more by the rule for scripts without spaces: -50 % were removed."""
    assert read_program('normalize(" ")', Chunk("d", "価 a<a", 0)).removed == 0


@given(st.lists(lines, min_size=1, max_size=8), st.lists(calls, max_size=4), st.integers(0, 100))
def test_whatever_a_model_writes_the_effective_program_deletes_and_gives_what_was_measured(page, operations, first):
    chunk = Chunk("d", join_lines(page), first)
    answer = Program(
        tuple([RemoveLines(o.first + first, o.last + first) if isinstance(o, RemoveLines) else o for o in operations])
    ).render()
    try:
        whole = read_program(answer, chunk)
    except UnusableError:
        return
    outcome = execute(chunk.text, whole.program, Policy.unlimited())
    assert not outcome.rejected
    signs = iter(chunk.text)
    assert all(sign in signs for sign in outcome.text)
    assert 0 <= whole.removed <= 1


def test_blank_lines_fill_the_window_too():
    """They are shown with their numbers: 100,000 of them were one request of 600 KB, three times."""
    chunks = chunk_document(Document("d", "\n" * 99_999), annotation_window(1500))
    assert max(chunk.text.count("\n") for chunk in chunks) < 1500
