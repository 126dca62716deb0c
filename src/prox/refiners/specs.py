"""From a refiner spec, as people write it, to a refiner."""

import difflib
import re

from prox.errors import UsageError
from prox.refiners.draft import Level, Refiner
from prox.refiners.language_model.loading import ModelOptions, levels_of, load_language_model, parse_spec

KNOWN = (
    "tagger",
    "tagger:FOLDER",
    "rules:NAME+NAME",
    "transformers:MODEL",
    "vllm:MODEL",
    "openai:MODEL@URL",
    "stored:FOLDER",
)
NO_OPTIONS = ModelOptions()


def is_language_model(spec: str) -> bool:
    """Whether a spec names a language model.

    Raises:
        UsageError: It names one, but not well.
    """
    return parse_spec(spec) is not None


def has_scores(spec: str) -> bool:
    """Whether a spec names a refiner that scores, so that thresholds mean something to it."""
    return spec.partition(":")[0] not in ("rules", "stored")


def shown_spec(spec: str) -> str:
    """A spec without the secrets that the address of a server may hold.

    >>> shown_spec("openai:model@http://me:secret@host:8000/v1?key=secret")
    'openai:model@http://host:8000/v1'
    """
    model, separator, url = spec.partition("@http")
    if not separator or not spec.startswith("openai:"):
        return spec
    return f"{model}@http" + re.sub(r"(?<=//)[^/?#]*@|[?#].*", "", url)


def levels_of_spec(spec: str, options: ModelOptions = NO_OPTIONS) -> tuple[Level, ...]:
    """The levels at which a refiner can work.

    Raises:
        UsageError: The spec names a language model or rules, but not well, or a trained tagger that is not there.
    """
    model = parse_spec(spec)
    if model is not None:
        return levels_of(model, options)
    kind, _, path = spec.partition(":")
    if kind == "tagger" and path:
        from prox.refiners.tagger.refiner import load_tagger

        return tuple(Level) if load_tagger(path).weights.documents else (Level.CHUNK,)
    if kind == "rules":
        from prox.refiners.rules import levels_of_rules

        return levels_of_rules(path)
    return tuple(Level)


def check_spec(
    spec: str, level: Level = Level.DOCUMENT, threshold: float | None = None, options: ModelOptions = NO_OPTIONS
) -> None:
    """Find what is wrong with a spec and its options without loading anything; the arguments of `load_refiner`.

    Raises:
        UsageError: The spec names no refiner, or the options are not for it.
    """
    name, least = ("keep", "keep all") if level == Level.DOCUMENT else ("noise", "remove all")
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"{name} threshold {threshold} is not a probability; give one from 0 ({least}) to 1")
    if parse_spec(spec) is not None:
        if threshold is not None and level == Level.CHUNK:
            raise UsageError(
                f"{shown_spec(spec)} writes programs without scores for lines; leave out --noise-threshold, or put the "
                "tagger before it with --uncertain"
            )
        return
    if options != NO_OPTIONS:
        raise UsageError(
            f'refiner "{spec}" is no language model: leave out --family, --system-prompt, --constrain and '
            "--engine-option, or give them to the language model of a recipe file"
        )
    kind, _, argument = spec.partition(":")
    match kind:
        case "tagger" if argument or spec == kind:
            return
        case "tagger":
            raise UsageError(
                f'refiner "{spec}" names no folder: write --refiner tagger for the embedded one, or tagger:FOLDER for '
                "one that prox adapt tagger trained"
            )
        case "rules":
            from prox.refiners.rules import check_names

            check_names(argument, level)
            if threshold is not None:
                raise UsageError(f"rules have limits of their own, and no scores; leave out --{name}-threshold")
            return
        case "stored" if threshold is not None:
            raise UsageError(f"stored programs keep their decisions; leave out --{name}-threshold")
        case "stored" if argument:
            return
        case "stored":
            raise UsageError('refiner "stored" needs the folder of programs: --refiner stored:OUTPUT/programs')
    names = sorted({known.partition(":")[0] for known in KNOWN})
    nearest = difflib.get_close_matches(kind, names, 1)
    hint = f' Did you mean "{nearest[0]}"?' if nearest else ""
    raise UsageError(f'there is no refiner "{spec}"; this prox has {", ".join(KNOWN)}.{hint}')


def load_refiner(
    spec: str, level: Level, threshold: float | None = None, options: ModelOptions = NO_OPTIONS
) -> Refiner:
    """Load what a spec names.

    Args:
        spec: `tagger`, `tagger:FOLDER` (one that `prox adapt tagger` trained), `rules:NAME+NAME` (rules of known
            corpora), a language model (`transformers:MODEL`, `vllm:MODEL`, `openai:MODEL@URL`), or `stored:FOLDER` with
            the programs of an earlier run.
        level: The level it shall work at.
        threshold: Of refiners that score: the score below which a document is dropped, or from which a line is removed;
            the refiner's own if None.
        options: Of a language model.

    Raises:
        UsageError: The spec names no refiner, or one that cannot be loaded.
        RunError: A server cannot be reached.
    """
    check_spec(spec, level, threshold, options)
    model = parse_spec(spec)
    if model is not None:
        return load_language_model(model, level, options, threshold)
    kind, _, argument = spec.partition(":")
    if kind == "tagger":
        from prox.refiners.tagger import TaggerRefiner
        from prox.refiners.tagger.refiner import load_tagger

        return TaggerRefiner(level, threshold, load_tagger(argument) if argument else None)
    if kind == "rules":
        from prox.refiners.rules import RulesRefiner

        return RulesRefiner(argument, level)
    from prox.refiners.stored import StoredRefiner

    return StoredRefiner(spec.removeprefix("stored:"), level)
