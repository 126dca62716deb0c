"""What is probably wrong when programs cannot be used."""

from collections.abc import Mapping

_CAUSES = (
    (
        ("server", "connect", "timed out", "timeout", "deadline"),
        "The server does not answer as it should: look at its log.",
    ),
    (("prompt too long", "too long"), "The context of the model is too short for its family's prompts."),
    (
        ("empty output",),
        (
            "The model ends its answer at once: that is what a prompt layout other than the one it was trained with "
            "looks like. Check --family."
        ),
    ),
    (
        ("no program", "answers something else"),
        (
            "The model answers in other words: it was not trained for this family's prompts, or is too small for "
            "few-shot prompts. Check --family, or take a model that follows instructions better."
        ),
    ),
    (
        ("no effect",),
        (
            "A wrong prompt looks like this: the model does not see what it was trained to see, and keeps all. Check "
            "--family; or the model is too weak for few-shot prompts."
        ),
    ),
    (
        ("cut off", "repeats itself"),
        ("The model goes on without end: a wrong --family or --system-prompt, or a model too weak for it."),
    ),
    (
        ("erroneous operations",),
        "The programs name lines or strings that the pages do not have: a wrong --family numbers lines in another way.",
    ),
)


def likely_cause(reasons: Mapping[str, int]) -> str:
    """A sentence on the cause of most failures, and what to do; "" if there is nothing to say.

    Args:
        reasons: Failures with their numbers.
    """
    weights = [
        sum(count for reason, count in reasons.items() if any(sign in reason for sign in signs)) for signs, _ in _CAUSES
    ]
    best = max(weights, default=0)
    return f"Likely cause: {_CAUSES[weights.index(best)][1]}" if best else ""
