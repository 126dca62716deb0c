"""What should worry whoever reads a report, with figures and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass

from prox.report.figures import Group, lost_tails
from prox.report.pages import Page
from prox.runs.status import Status

FEWEST = 30
"""Documents from which anything is concluded."""

NEAR_ZERO = 0.01
MASS_DROPS = 0.8
FEW_WORDS = 0.2
CUT_TAILS = 0.1
WHOLE_DOMAIN = 8
DRIFT = 0.25
FAILURES = 0.05
QUARANTINED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Concern:
    """Attributes:
    title: What is the matter, with figures.
    advice: What to look at or do.
    """

    title: str
    advice: str


def concerns(
    status: Status,
    pages: Sequence[Page],
    domains: Sequence[Group],
    languages: Sequence[Group],
    files: Sequence[Group],
) -> list[Concern]:
    """The worst first."""
    found = [*_of_the_run(status), *_of_the_whole(status), *_of_tails(pages)]
    share = _drop_share(pages)
    found += _of_domains(domains, share) + _of_languages(languages, share) + _of_files(files)
    return found


def _drop_share(pages: Sequence[Page]) -> float:
    return sum(page.decision == "dropped" for page in pages) / len(pages) if pages else 0.0


def _of_the_run(status: Status) -> list[Concern]:
    found = []
    if status.state != "complete":
        found.append(
            Concern(
                f"The run is {status.state}: {status.units_done:,} of {status.units:,} work units are done.",
                "This page shows what is done so far. The same command goes on with the rest.",
            )
        )
    elif status.units_done + len(status.failed_units) < status.units:
        found.append(
            Concern(
                f"The ledger names {status.units_done:,} of {status.units:,} work units, though the run is complete.",
                "Entries in ledger/ are missing or broken, so this page leaves their documents out. "
                "The same command does those work units again.",
            )
        )
    if status.failed_units:
        unit, reason = next(iter(status.failed_units.items()))
        found.append(
            Concern(
                f"{len(status.failed_units):,} work units failed, the first ({unit}): {reason}",
                "Mend that, and run again.",
            )
        )
    records = status.report.records
    quarantined = status.report.decisions["quarantined"]
    if quarantined and quarantined >= QUARANTINED_SHARE * records:
        found.append(
            Concern(
                f"{quarantined:,} of {records:,} records ({quarantined / records:.1%}) are in quarantine.",
                "The reasons are below and in quarantine/: a wrong text field, broken files, a refiner that failed.",
            )
        )
    programs = sum(cost.programs for cost in status.report.costs)
    unusable = sum(cost.unusable for cost in status.report.costs)
    if programs and unusable >= FAILURES * programs:
        found.append(
            Concern(
                f"{unusable:,} of {programs:,} programs ({unusable / programs:.1%}) could not be used.",
                "prox doctor says whether the refiner is asked in the right way; the kinds of failures are below.",
            )
        )
    return found


def _of_the_whole(status: Status) -> list[Concern]:
    report = status.report
    counts = report.decisions
    refined = report.records - counts["quarantined"]
    if refined < FEWEST:
        return []
    touched = (counts["edited"] + counts["dropped"]) / refined
    left = report.words_after / report.words_before if report.words_before else 1.0
    if touched < NEAR_ZERO:
        return [
            Concern(
                f"Next to nothing was done: {counts['edited'] + counts['dropped']:,} of {refined:,} documents changed.",
                "Either the corpus is clean, or the refiner was asked in the wrong way (a wrong prompt template gives "
                "programs that do nothing). prox doctor --refiner SPEC tells the two apart.",
            )
        ]
    dropped = counts["dropped"] / refined
    if dropped > MASS_DROPS:
        return [
            Concern(
                f"{dropped:.0%} of the documents were dropped.",
                "Read a few of them below. If they are good, lower --keep-threshold or take --level chunk.",
            )
        ]
    if left < FEW_WORDS:
        return [
            Concern(
                f"Only {left:.0%} of the words are left.",
                "Read a few documents below. If good text is gone, raise --noise-threshold.",
            )
        ]
    return []


def _of_tails(pages: Sequence[Page]) -> list[Concern]:
    cut, edited = lost_tails(pages)
    if edited < FEWEST or cut < CUT_TAILS * edited:
        return []
    return [
        Concern(
            f"{cut:,} of {edited:,} edited documents lost their end, 30 % of their words or more, and little else.",
            "That is how a refiner looks that sees only the beginning of long documents, or removes all that follows. "
            "Look at where text was removed, and at the window of the refiner.",
        )
    ]


def _of_domains(domains: Sequence[Group], share: float) -> list[Concern]:
    whole = [group for group in domains if group.dropped == group.documents >= WHOLE_DOMAIN]
    if not whole or share > 0.6:
        return []
    names = ", ".join(f"{group.name} ({group.documents:,})" for group in whole[:5])
    return [
        Concern(
            f"Every document of the sample was dropped from: {names}{_others(len(whole) - 5)} "
            f"(of domains with {WHOLE_DOMAIN} documents or more).",
            "Spam, perhaps, or a kind of page that the refiner does not know. Filter the documents below by domain.",
        )
    ]


def _of_languages(languages: Sequence[Group], share: float) -> list[Concern]:
    known = [group for group in languages if group.documents >= FEWEST]
    apart = [group for group in known if group.drop_share > share + 0.15 and group.drop_share > 1.5 * share]
    if len(known) < 2 or not apart:
        return []
    names = ", ".join(f"“{group.name}” ({group.drop_share:.0%} of {group.documents:,})" for group in apart[:5])
    return [
        Concern(
            f"Some languages are dropped more often than others: {names}{_others(len(apart) - 5)}, against {share:.0%} "
            "of all documents of the sample.",
            "A judge or rule that was made for another language says little here. --level chunk only edits lines.",
        )
    ]


def _others(more: int) -> str:
    return f" and {more:,} more" if more > 0 else ""


def _of_files(files: Sequence[Group]) -> list[Concern]:
    known = [group for group in files if group.documents >= FEWEST]
    words = sum(group.words_before for group in files)
    if len(known) < 2 or not words:
        return []
    left = sum(group.words_after for group in files) / words
    apart = [group for group in known if abs(group.left - left) > DRIFT]
    apart.sort(key=lambda group: -abs(group.left - left))
    if not apart:
        return []
    names = ", ".join(f"{group.name} ({group.left:.0%})" for group in apart[:5])
    return [
        Concern(
            f"Parts of the corpus differ: {left:.0%} of the words are left, but of {names}{_others(len(apart) - 5)}.",
            "Another kind of text, or another extractor. One refiner may not suit both.",
        )
    ]
