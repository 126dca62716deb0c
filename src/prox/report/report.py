"""`report.html` of a run."""

from collections.abc import Sequence
from typing import Any

from prox.corpora import write_atomically
from prox.refiners.rules import MEANINGS
from prox.report import figures
from prox.report.browser import anchored, as_data, chosen
from prox.report.charts import Chart
from prox.report.concerns import Concern, concerns
from prox.report.pages import Page
from prox.report.render import render
from prox.report.sample import Sample, sample_run
from prox.runs.record import REPORT_FILE


def write_report(output: str, to: str | None = None, sample: Sample | None = None) -> str:
    """Write the report of a run into its output folder, or elsewhere; where it is.

    Args:
        sample: Of this run, if it has been taken already.

    Raises:
        UsageError: The folder holds no run.
        RunError: What the run left cannot be read.
        OSError: The report cannot be written.
    """
    path = to or f"{output.rstrip('/')}/{REPORT_FILE}"
    write_atomically(path, report_html(sample or sample_run(output)))
    return path


def concerns_of(sample: Sample) -> list[Concern]:
    """What the report of this run begins with."""
    pages = figures.refined_pages(sample.pages)
    return concerns(sample.status, pages, _domains(pages), _languages(pages), figures.within_folder(sample.files)[1])


def _domains(pages: Sequence[Page]) -> list[figures.Group]:
    return figures.groups(pages, lambda page: page.domain)


def _languages(pages: Sequence[Page]) -> list[figures.Group]:
    return figures.groups(pages, lambda page: page.language)


def report_html(sample: Sample) -> bytes:
    pages = figures.refined_pages(sample.pages)
    prose = figures.removed_prose(pages)
    shown = chosen(sample.pages, prose.most_doubtful)
    pointed_at = {each.page.key: each.line.number for each in prose.most_doubtful}
    documents = anchored([as_data(page, pointed_at.get(page.key)) for page in shown])
    record = sample.status.record
    return render(
        "report.html",
        documents,
        status=sample.status,
        record=record,
        sample=sample,
        known_flops=sum(cost["flops"] or 0 for cost in record["costs"]),
        concerns=concerns_of(sample),
        charts=_charts(pages, record),
        groups=_groups(_domains(pages), _languages(pages), sample.files),
        frequent=figures.frequent_removals(pages),
        strings=figures.frequent_strings(pages),
        prose=prose,
        refined=len(pages),
        anchors={page.key: each["anchor"] for page, each in zip(shown, documents, strict=True)},
        operation_kinds=figures.operation_kinds(pages),
        failure_kinds=figures.failure_kinds(pages),
        meanings=MEANINGS,
    )


def _charts(pages: Sequence[Page], record: dict[str, Any]) -> list[Chart]:
    """Those that have something to show."""
    both = ("before", "after")
    keep, noise = _threshold(record, "document"), _threshold(record, "chunk")
    all_of_them = (
        Chart(
            "Length of documents", "documents by words; dropped ones are not there after", figures.lengths(pages), both
        ),
        Chart(
            "Lines of documents",
            "documents by lines that are not blank, in the same way",
            figures.line_counts(pages),
            both,
        ),
        Chart(
            "Words outside of sentences",
            "documents by words in lines that end no sentence",
            figures.loose_shares(pages),
            both,
        ),
        Chart("How much of a document goes", "documents by the share of words that goes", figures.noise_shares(pages)),
        Chart("Operations of a program", "documents by operations", figures.operation_counts(pages)),
        Chart(
            "Where edits remove text: place in the document",
            "share of the words removed, from beginning to end",
            figures.positions(pages),
            percent=True,
        ),
        Chart(
            "Where edits remove text: length of the line",
            "share of the lines removed, by their words",
            figures.line_lengths(pages),
            percent=True,
        ),
        Chart(
            f"Keep scores of documents{keep}",
            "documents by score",
            figures.keep_scores(pages),
            ("stays", "dropped"),
            stacked=True,
        ),
        Chart(
            f"Noise scores of lines{noise}",
            "lines of documents that stay, by score",
            figures.line_scores(pages),
            ("stays", "removed"),
            stacked=True,
        ),
    )
    return [chart for chart in all_of_them if chart.bars]


def _threshold(record: dict[str, Any], level: str) -> str:
    """The refiner's own where the recipe names none; "" where no score decides."""
    found = [cost.get("threshold") for cost in record["costs"] if cost["level"] == level]
    return f" (threshold {found[0]:g})" if found and found[0] is not None else ""


def _groups(
    domains: Sequence[figures.Group], languages: Sequence[figures.Group], files: Sequence[figures.Group]
) -> list[tuple[str, Sequence[figures.Group], int]]:
    """By what, the largest, and how many there are; a single file says nothing."""
    folder, within = figures.within_folder(files)
    named = {"domain": domains, "language": languages, f"file in {folder}" if folder else "file": within}
    if len(files) == 1:
        named.popitem()
    return [(name, groups[: figures.MOST_GROUPS], len(groups)) for name, groups in named.items() if groups]
