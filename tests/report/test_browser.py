"""Documents as data for the browser of a report: cut, and marked where something went."""

from report_pages import page

from prox.report.browser import LONGEST_LINE, as_data


def test_of_a_long_line_every_edit_is_shown():
    raw = f"Home | {' '.join(f'Swifts never land, said number {number}.' for number in range(99))} Read more"
    shown = as_data(page(0, raw, 'normalize("Home | ")\nnormalize(" Read more")'))
    ((_, fate, _, pieces, refined),) = shown["lines"]
    assert fate == "changed" and pieces[0] == ["Home | ", 0] and pieces[-1] == [" Read more", 0]
    left_out = int(pieces[2][0].replace(",", "").split()[1])
    assert [kept for _, kept in pieces] == [0, 1, 1, 1, 0]
    assert sum(len(text) for text, _ in pieces) - len(pieces[2][0]) + left_out == len(raw)
    assert refined.startswith("Swifts") and refined.endswith(" more characters")


def test_of_many_edits_of_a_long_line_the_first_are_shown():
    raw = " ".join(f"Swifts never land, said number {number}. [edit]" for number in range(99))
    ((_, _, _, pieces, _),) = as_data(page(0, raw, 'normalize(" [edit]")'))["lines"]
    assert sum(len(text) for text, _ in pieces[:-1]) == LONGEST_LINE
    assert pieces[-1] == [f" … {len(raw) - LONGEST_LINE:,} more characters", 1]


def test_a_short_line_is_whole():
    ((_, _, _, pieces, refined),) = as_data(page(0, "It flies. Read more", 'normalize(" Read more")'))["lines"]
    assert pieces == [["It flies.", 1], [" Read more", 0]] and refined == "It flies."


def test_a_line_that_is_pointed_at_is_never_left_out():
    text = "\n".join(f"line {number}" for number in range(2_000))
    rows = as_data(page(0, text, "remove_lines(0, 0)"), wanted=1_000)["lines"]
    numbers = [row[0] for row in rows if row[1] != "gap"]
    assert [number for number in numbers if 900 < number < 1_100] == list(range(997, 1_004))
    gaps = [row[0] for row in rows if row[1] == "gap"]
    assert len(gaps) == 2 and sum(gaps) + len(numbers) == 2_000
    plain = as_data(page(0, text, "remove_lines(0, 0)"))["lines"]
    assert sum(row[1] == "gap" for row in plain) == 1
    at_the_edge = as_data(page(0, text, "remove_lines(0, 0)"), wanted=200)["lines"]
    assert [row[0] for row in at_the_edge if row[1] != "gap"][:204] == list(range(204))
