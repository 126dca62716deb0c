"""What the reasons of rules mean: their names are datatrove's, and say little to who does not know its code."""

from collections.abc import Mapping
from types import MappingProxyType

from prox.refiners.rules import c4, fineweb, gopher, refinedweb


def _share(value: float) -> str:
    return f"{100 * value:g} %"


def _meanings() -> dict[str, str]:
    letters = f"{_share(gopher.MOST_REPEATED_CHARACTERS)} of the characters"
    meanings = {
        "gopher_short_doc": f"fewer than {gopher.FEWEST_WORDS} words",
        "gopher_long_doc": f"more than {gopher.MOST_WORDS:,} words",
        "gopher_below_avg_threshold": f"words of fewer than {gopher.SHORTEST_MEAN} characters on average",
        "gopher_above_avg_threshold": f"words of more than {gopher.LONGEST_MEAN} characters on average",
        "gopher_too_many_hashes": f"more than {gopher.MOST_SYMBOLS * 100:g} number signs for 100 words",
        "gopher_too_many_ellipsis": f"more than {gopher.MOST_SYMBOLS * 100:g} ellipses for 100 words",
        "gopher_too_many_bullets": f"more than {_share(gopher.MOST_BULLETS)} of the lines begin with a bullet",
        "gopher_too_many_end_ellipsis": f"more than {_share(gopher.MOST_ELLIPSES)} of the lines end in an ellipsis",
        "gopher_below_alpha_threshold": f"fewer than {_share(gopher.LEAST_ALPHABETIC)} of the words have a letter",
        "gopher_enough_stop_words": f"fewer than {gopher.FEWEST_STOP_WORDS} of the words {_listed(gopher.STOP_WORDS)}",
        "empty": "no text, or white space alone",
        "lorem_ipsum": "the printers' “lorem ipsum” is in it",
        "curly_bracket": "a curly bracket is in it, as in code",
        "too_few_sentences": f"fewer than {c4.LEAST_SENTENCES} sentences in the lines that end like one",
        "line_punct_ratio": f"fewer than {_share(fineweb.LEAST_ENDED_LINES)} of the lines end in punctuation",
        "short_line_ratio": f"more than {_share(fineweb.MOST_SHORT_LINES)} of the lines have "
        f"{fineweb.SHORT_LINE} characters or fewer",
        "char_dup_ratio": f"more than {_share(fineweb.MOST_REPEATED_CHARACTERS)} of the characters are in lines that "
        "repeat others",
        "list_ratio": f"more than {fineweb.MOST_LINE_BREAKS * 100:g} line breaks for 100 words",
        "too_many_flagged_words": f"more than {_share(refinedweb.MOST_FLAGGED)} of the words are in lines that had to "
        "be removed or edited",
    }
    for name, pieces, most in (
        ("para", "paragraphs", gopher.MOST_REPEATED_PARAGRAPHS),
        ("line", "lines", gopher.MOST_REPEATED_LINES),
    ):
        meanings[f"dup_{name}_frac"] = f"more than {_share(most)} of the {pieces} repeat others"
        meanings[f"dup_{name}_char_frac"] = f"more than {letters} are in {pieces} that repeat others"
    for n, most in gopher.TOP_N_GRAMS:
        meanings[f"top_{n}_gram"] = f"one run of {n} words makes up more than {_share(most)} of the characters"
    for n, most in gopher.REPEATED_N_GRAMS:
        meanings[f"duplicated_{n}_n_grams"] = (
            f"more than {_share(most)} of the characters are in runs of {n} words that repeat others"
        )
    return meanings


def _listed(words: frozenset[str]) -> str:
    *most, last = sorted(words)
    return f"{', '.join(most)} and {last}"


MEANINGS: Mapping[str, str] = MappingProxyType(_meanings())
"""By reason, with the figures that the rules have."""
