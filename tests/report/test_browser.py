"""Documents as data for the browser of a report: cut, and marked where something went."""

from report_pages import page

from prox.report.browser import LONGEST_LINE, as_data


def test_a_long_line_is_cut_after_it_was_marked():
    raw = f"Home | {' '.join(f'Swifts never land, said number {number}.' for number in range(99))} Read more"
    shown = as_data(page(0, raw, 'normalize("Home | ")\nnormalize(" Read more")'))
    ((_, fate, _, pieces, refined),) = shown["lines"]
    assert fate == "changed" and pieces[0] == ["Home | ", 0] and pieces[1][1] == 1
    assert sum(len(text) for text, _ in pieces[:-1]) == LONGEST_LINE
    assert pieces[-1] == [f" … {len(raw) - LONGEST_LINE:,} more characters", 1]
    assert refined.startswith("Swifts") and refined.endswith(" more characters")


def test_a_short_line_is_whole():
    ((_, _, _, pieces, refined),) = as_data(page(0, "It flies. Read more", 'normalize(" Read more")'))["lines"]
    assert pieces == [["It flies.", 1], [" Read more", 0]] and refined == "It flies."
