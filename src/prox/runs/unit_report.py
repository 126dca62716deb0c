"""What work units come to: counts that add up."""

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from typing import Any

from prox.corpora import Extent
from prox.runs.costs import StageCost
from prox.runs.stages import DECISIONS


@dataclass(frozen=True, slots=True)
class UnitReport:
    """What a work unit came to: documents by decision, words, reasons.

    Attributes:
        problems: With files.
        extent: What was read of the file; of one unit only, sums have none.
    """

    decisions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    words_before: int = 0
    words_after: int = 0
    text_bytes: int = 0
    failures: int = 0
    rejected: int = 0
    operations: int = 0
    costs: tuple[StageCost, ...] = ()
    problems: tuple[str, ...] = ()
    extent: Extent = field(default_factory=Extent)

    def __add__(self, other: "UnitReport") -> "UnitReport":
        return UnitReport(
            self.decisions + other.decisions,
            self.reasons + other.reasons,
            self.words_before + other.words_before,
            self.words_after + other.words_after,
            self.text_bytes + other.text_bytes,
            self.failures + other.failures,
            self.rejected + other.rejected,
            self.operations + other.operations,
            tuple(a + b for a, b in zip_longest(self.costs, other.costs, fillvalue=StageCost())),
            (self.problems + other.problems)[:MOST_PROBLEMS],
        )

    @property
    def records(self) -> int:
        """Every record has one decision."""
        return sum(self.decisions.values())

    def counts(self) -> dict[str, Any]:
        """For people and machines: records by decision, words, and bytes of raw text."""
        return {
            "records": self.records,
            "decisions": {name: self.decisions[name] for name in DECISIONS},
            "words_before": self.words_before,
            "words_after": self.words_after,
            "text_bytes": self.text_bytes,
        }

    def as_fields(self) -> dict[str, Any]:
        """For JSON."""
        counts = {"decisions": dict(self.decisions), "reasons": dict(self.reasons)}  # asdict makes nonsense of counters
        return asdict(replace(self, decisions=Counter(), reasons=Counter())) | counts

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "UnitReport":
        """From JSON.

        Raises:
            TypeError: These are not the fields of a report.
        """
        own = fields | {"decisions": Counter(fields["decisions"]), "reasons": Counter(fields["reasons"])}
        own |= {"costs": tuple([StageCost(**cost) for cost in fields["costs"]]), "problems": tuple(fields["problems"])}
        own |= {"extent": Extent(**fields["extent"])}
        return cls(**own)


MOST_PROBLEMS = 1000
"""Problems with files that are told one by one."""
