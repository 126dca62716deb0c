from dataclasses import replace

import pytest
from annotation_fakes import asker_of
from hypothesis import given
from hypothesis import strategies as st

from prox.adapt.annotation.asking import FailedError
from prox.adapt.annotation.chunks import annotation_window
from prox.adapt.annotation.prompts import load_prompts
from prox.adapt.annotation.rewriting import RewriteTask, distilled, most_tokens
from prox.document import Document, join_lines, split_lines
from prox.program import Policy, Program, RemoveLines, ReplaceOnce, execute

PROMPT = load_prompts(("rewrite",))["rewrite"]
PAGE = join_lines(
    ["Home | News", *[f"The river rose in the night of day {n}, and the bridge fell." for n in range(8)], "©"]
)


def by_lines(raw, refined):
    """A distillation for tests: whole lines, each of them once in the page."""
    lines, left = split_lines(raw), split_lines(refined) if refined else []
    if any(line not in lines for line in left):
        return "an insertion"
    return Program(tuple([RemoveLines(n, n) for n, line in enumerate(lines) if line not in left]))


def task(window=1500, most_removed=0.6):
    return RewriteTask(PROMPT, annotation_window(window), most_removed, by_lines)


def copy(*removed):
    def answer(turn):
        return join_lines([line for line in split_lines(turn) if line not in removed])

    return answer


def test_the_difference_of_the_copy_is_the_program(asker):
    ask, server = asker(copy("Home | News", "©"))
    label = task().label(Document("d", PAGE), ask)
    assert Program.parse(label["program"]).operations == (RemoveLines(0, 0), RemoveLines(9, 9))
    assert label["raw_text"] == PAGE and len(server.requests) == 1
    assert server.requests[0].max_new_tokens == most_tokens(PAGE)


def test_programs_of_chunks_become_one(asker):
    ask, server = asker(copy("Home | News", "©"))
    label = task(window=30).label(Document("d", PAGE), ask)
    assert len(server.requests) == label["chunks"] == 4
    outcome = execute(PAGE, Program.parse(label["program"]), Policy.unlimited())
    assert outcome.text == join_lines(split_lines(PAGE)[1:-1])


def test_a_copy_with_new_words_is_asked_for_again_and_then_no_label(asker):
    ask, server = asker(lambda turn: turn.replace("river", "lake"), copy())
    assert task().label(Document("d", PAGE), ask)["program"] == "keep_doc()"
    assert "deletions only: an insertion" in server.requests[1].messages[-1].content
    other = Document("e", PAGE + "!")
    with pytest.raises(FailedError, match="unusable answer to rewrite"):
        task().label(other, asker(lambda turn: turn.replace("river", "lake"))[0])


def test_words_around_the_copy_are_no_copy(asker):
    ask, server = asker(lambda turn: "Here it is:\n" + turn, copy())
    task().label(Document("d", PAGE), ask)
    assert "between <page> and </page>" in server.requests[1].messages[-1].content


def test_a_copy_that_lacks_too_much_is_no_label(asker):
    ask, _ = asker("<page>\n</page>")
    with pytest.raises(FailedError, match="removes too much: rewrite 100%"):
        task().label(Document("d", PAGE), ask)


def real(window=1500):
    return RewriteTask(PROMPT, annotation_window(window), 0.6, distilled)


def test_parts_of_lines_become_operations_that_name_their_line(asker):
    page = PAGE.replace("day 3, and", "day 3 [edit], and")
    ask, _ = asker(lambda turn: copy("©")(turn).replace(" [edit]", ""))
    label = real().label(Document("d", page), ask)
    assert Program.parse(label["program"]).operations == (ReplaceOnce(4, " [edit]"), RemoveLines(9, 9))


def test_white_space_at_the_ends_of_lines_is_neither_shown_nor_noise(asker):
    page = PAGE.replace("\n", " \t\r\n")
    ask, server = asker(copy("Home | News"))
    label = real().label(Document("d", page), ask)
    assert "\r" not in server.requests[0].messages[-1].content
    assert Program.parse(label["program"]).operations == (RemoveLines(0, 0),)


@pytest.mark.parametrize("old, new", [("river", "brook"), ("river", "river, wide and brown,"), ("The", "THE")])
def test_no_word_can_be_changed_or_added(asker, old, new):
    with pytest.raises(FailedError, match="not the page with deletions only"):
        real().label(Document("d", PAGE), asker(lambda turn: turn.replace(old, new))[0])


@given(st.lists(st.text(alphabet="ab [1]\u2028价", max_size=12), min_size=1, max_size=8), st.data())
def test_whatever_is_deleted_the_label_gives_the_copy(tmp_path_factory, lines, data):
    page = join_lines([line.rstrip() for line in ["heading", *lines]])
    kept = [sign for sign in page if data.draw(st.booleans(), label=sign)]
    refined = "".join(kept)
    ask, _ = asker_of(tmp_path_factory.mktemp("answers"), f"<page>\n{refined}\n</page>")
    task = RewriteTask(replace(PROMPT, most_removed=1.0), annotation_window(1500), 1.0, distilled)
    label = task.label(Document("d", page), ask)
    outcome = execute(page, Program.parse(label["program"]), Policy.unlimited())
    assert outcome.text == refined
