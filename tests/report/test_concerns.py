"""What should worry is said, and nothing else."""

from collections import Counter
from types import SimpleNamespace

from report_pages import TEN, page

from prox.report.concerns import concerns
from prox.report.figures import groups
from prox.runs.costs import StageCost
from prox.runs.unit_report import UnitReport


def status(pages, state="complete", failed=None, quarantined=0, costs=(), done=1, units=1):
    decisions = Counter(each.decision for each in pages) + Counter(quarantined=quarantined)
    report = UnitReport(
        decisions,
        words_before=sum(each.words_before for each in pages),
        words_after=sum(each.words_after for each in pages),
        costs=costs,
    )
    return SimpleNamespace(state=state, units_done=done, units=units, failed_units=failed or {}, report=report)


def told(pages, **of_the_run):
    kinds = [groups(pages, name) for name in (lambda p: p.domain, lambda p: p.language, lambda p: p.file)]
    return " | ".join(each.title for each in concerns(status(pages, **of_the_run), pages, *kinds))


EDITED = [page(number, TEN, "remove_lines(0, 1)\nremove_lines(9, 9)") for number in range(40)]


def test_a_run_as_it_should_be_gives_no_concern():
    assert told(EDITED) == ""


def test_a_run_that_did_nothing_or_nearly_everything():
    assert "Next to nothing" in told([page(number, TEN, decision="kept") for number in range(40)])
    assert "100% of the documents were dropped" in told(
        [page(number, TEN, "drop_doc()", "dropped") for number in range(40)]
    )
    assert "Only 10% of the words" in told(
        [page(number, TEN, "remove_lines(0, 4)\nremove_lines(6, 9)") for number in range(40)]
    )


def test_a_few_documents_conclude_nothing():
    assert told([page(number, TEN, decision="kept") for number in range(20)]) == ""


def test_ends_that_are_cut_off():
    cut = [page(number, TEN, "remove_lines(5, 9)") for number in range(10)]
    assert "10 of 50 edited documents lost their end" in told(EDITED + cut)


def test_domains_languages_and_files_that_fare_otherwise():
    spam = [page(100 + n, TEN, "drop_doc()", "dropped", url="http://spam.example/", language="xx") for n in range(30)]
    good = [page(n, TEN, "remove_lines(0, 0)", url=f"http://site-{n}.example/", language="en") for n in range(60)]
    said = told(good + spam)
    assert "spam.example (30)" in said and "than others: “xx” (100% of 30), against 33%" in said
    import dataclasses

    moved = [dataclasses.replace(each, key=("folder/other.jsonl", 0, each.key[2])) for each in spam]
    assert "other.jsonl (0%)" in told(good + moved)


def test_what_could_not_be_done():
    said = told(EDITED, state="interrupted", units=2, failed={"a.jsonl": "gone"}, quarantined=4)
    assert "interrupted: 1 of 2 work units" in said and "(a.jsonl): gone" in said and "4 of 44 records" in said
    assert "names 1 of 2 work units" in told(EDITED, units=2) and "ledger" not in told(
        EDITED, units=2, failed={"a": ""}
    )
    assert "10 of 40 programs (25.0%)" in told(EDITED, costs=(StageCost(programs=40, unusable=10),))
