"""From a refiner spec, as people write it, to a refiner."""

import difflib

from prox.errors import UsageError
from prox.refiners.draft import Level, Refiner

KNOWN = ("tagger", "stored:FOLDER")


def load_refiner(spec: str, level: Level, keep_threshold: float | None = None) -> Refiner:
    """Load what a spec names.

    Args:
        spec: `tagger`, or `stored:FOLDER` with the programs of an earlier run.
        level: The level it shall work at.
        keep_threshold: Document level of scoring refiners: the score below which a document is dropped.

    Raises:
        UsageError: The spec names no refiner, or a folder without programs.
    """
    if keep_threshold is not None and not 0 <= keep_threshold <= 1:
        raise UsageError(f"keep threshold {keep_threshold} is not a probability; give one from 0 (keep all) to 1")
    kind, _, argument = spec.partition(":")
    match kind:
        case "tagger" if not argument:
            from prox.refiners.tagger import TaggerRefiner

            return TaggerRefiner(level, keep_threshold)
        case "stored" if keep_threshold is not None:
            raise UsageError("stored programs keep their decisions; leave out --keep-threshold")
        case "stored" if argument:
            from prox.refiners.stored import StoredRefiner

            return StoredRefiner(argument, level)
        case "tagger":
            raise UsageError(f'refiner "{spec}": the tagger takes no argument; write --refiner tagger')
        case "stored":
            raise UsageError('refiner "stored" needs the folder of programs: --refiner stored:OUTPUT/programs')
    nearest = difflib.get_close_matches(kind, ["tagger", "stored"], 1)
    hint = f' Did you mean "{nearest[0]}"?' if nearest else ""
    raise UsageError(f'there is no refiner "{spec}"; this prox has {" and ".join(KNOWN)}.{hint}')
