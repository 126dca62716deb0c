"""Figures of a sample, on pages whose figures are known."""

import pytest
from report_pages import ROW, TEN, page

from prox.report import figures
from prox.report.charts import Chart
from prox.report.pages import page_of

MENU = "remove_lines(0, 0)"


def test_places_of_removals_go_from_the_beginning_to_the_end():
    shares = [
        bar.values[0] for bar in figures.positions([page(0, TEN, "remove_lines(0, 1)"), page(1, TEN, "keep_all()")])
    ]
    assert shares == [0.5, 0.5, *[0.0] * 8]


def test_every_document_is_in_one_bar_before_and_those_that_stay_in_one_after():
    pages = [page(0, TEN), page(1, TEN, "drop_doc()", "dropped"), page(2, "", decision="kept")]
    for bars in (figures.lengths(pages), figures.line_counts(pages)):
        assert sum(bar.values[0] for bar in bars) == 3
    assert sum(bar.values[1] for bar in figures.lengths(pages)) == 2
    assert [bar.values[0] for bar in figures.noise_shares(pages)] == [2, *[0] * 9, 1]


def test_words_outside_of_sentences_are_counted_before_and_after():
    text = "Home | About us | Log in\nIt flies, and “never lands.”\n它从不落地。\n"
    edited, dropped = page(0, text, "remove_lines(0, 0)"), page(1, text, "drop_doc()", "dropped")
    bars = figures.loose_shares([edited, dropped])
    assert [bar.values for bar in bars] == [(0, 1), *[(0, 0)] * 3, (2, 0), *[(0, 0)] * 5]


def test_scores_are_told_apart_by_what_they_led_to():
    scores = bytes([90, 91, *[0] * 8])
    bars = figures.line_scores([page(0, TEN, "remove_lines(0, 1)", scores=scores)])
    assert bars[18].values == (0, 2) and bars[0].values == (8, 0)
    assert figures.line_scores([page(0, TEN)]) == [] == figures.keep_scores([page(0, TEN)])
    keep = figures.keep_scores(
        [page(0, TEN, score=0.97), page(1, TEN, "drop_doc()", "dropped", score=0.1), page(2, TEN, score=1.0)]
    )
    assert keep[19].values == (2, 0) and keep[2].values == (0, 1)


def test_groups_are_the_largest_first_and_leave_out_who_has_no_name():
    pages = [
        page(n, TEN, "drop_doc()" if n == 1 else "", "dropped" if n == 1 else "kept", url="http://b.example/")
        for n in range(3)
    ]
    pages += [page(9, TEN, url="http://a.example"), page(10, TEN)]
    first, second = figures.groups(pages, lambda each: each.domain)
    assert (first.name, first.documents, first.dropped, round(first.left, 2)) == ("b.example", 3, 1, 0.67)
    assert second.name == "a.example"


def test_what_was_removed_from_most_documents_comes_first():
    pages = [
        page(n, f"Menu\nMenu\nown {n}\nPrivacy" if n else "Menu\nx", "remove_lines(0, 1)\nremove_lines(3, 3)")
        for n in range(3)
    ]
    assert [(each.text, each.documents, each.times) for each in figures.frequent_removals(pages)] == [
        ("Menu", 3, 5),
        ("Privacy", 2, 2),
    ]
    strings = figures.frequent_strings(
        [page(n, "It flies.[1] Read more", 'normalize("[1]")\nnormalize(" Read more")') for n in range(2)]
    )
    assert {each.text: each.documents for each in strings} == {"[1] Read more": 2}


def test_prose_that_was_removed_is_told_the_least_sure_first():
    prose = "one two three four five six seven eight nine ten eleven twelve thirteen."
    pages = [
        page(0, f"{prose}\nx", "remove_lines(0, 0)", scores=bytes([90, 0])),
        page(1, f"{prose}\nMenu", "remove_lines(0, 1)", scores=bytes([51, 99])),
    ]
    found = figures.removed_prose(pages)
    assert [each.page.id for each in found.most_doubtful] == ["page-1", "page-0"]
    assert (found.lines, found.words, found.documents) == (2, 26, 2)
    assert len(figures.removed_prose(pages, most=1).most_doubtful) == 1


def test_words_are_those_of_the_limits_in_every_language():
    chinese = page(0, "雨燕从不落地，它们在飞行中进食、饮水和睡觉。\nx", "remove_lines(0, 0)")
    assert chinese.lines[0].words > 12 and figures.removed_prose([chinese]).lines == 1


def test_pages_without_a_line_give_no_bars():
    unread = [page_of(ROW | {"id": "a", "record": 0, "program": MENU, "decision": "edited"}, None, {})]
    for pages in (unread, []):
        for bars in (figures.loose_shares, figures.line_counts, figures.positions, figures.line_lengths):
            assert bars(pages) == []


def test_full_stops_of_many_scripts_end_a_sentence():
    sentences = "It flies.[1]\nवह उड़ता है।\nوہ اڑتا ہے۔\nهل تطير؟\nይበራል።\nပျံသန်းသည်။\n飛びます｡\nIt “flies”.）\n"
    assert figures.loose_shares([page(0, sentences)])[0].values == (1, 1)
    assert figures.loose_shares([page(0, "It flies [1]\nHome")])[-1].values == (1, 1)


def test_groups_add_up():
    one, other = figures.Group("a", 2, 1, 100, 40), figures.Group("a", 1, 0, 10, 10)
    assert one + other == figures.Group("a", 3, 1, 110, 50)


def test_a_chart_tells_all_its_figures_to_those_who_do_not_see_it():
    bars = [figures.Bar("0–9 <words>", (3, 1)), figures.Bar("10 +", (1_200, 0))]
    svg = Chart("Length", "documents by words", bars, ("before", "after")).svg
    told = "Length, documents by words. 0–9 &lt;words&gt;: before 3; after 1. 10 +: before 1,200; after 0."
    assert f'aria-label="{told}"' in svg


@pytest.mark.parametrize(
    ("names", "folder", "within"),
    [
        (["/crawl/a/0.jsonl", "/crawl/ab/0.jsonl"], "/crawl", ["a/0.jsonl", "ab/0.jsonl"]),
        (["s3://bucket/part-1", "s3://bucket/part-2"], "s3://bucket", ["part-1", "part-2"]),
        (["/one/a", "/two/a"], "", ["/one/a", "/two/a"]),
        (["here/a.jsonl"], "here", ["a.jsonl"]),
        ([], "", []),
    ],
)
def test_files_are_named_within_the_folder_that_they_share(names, folder, within):
    shared, groups = figures.within_folder([figures.Group(name, 1, 0, 1, 1) for name in names])
    assert (shared, [group.name for group in groups]) == (folder, within)
