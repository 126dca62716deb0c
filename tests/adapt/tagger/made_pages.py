"""Gold pages made up for the tests."""

import numpy as np

from prox.adapt.tagger.gold import GoldPage

MENU = ["Home", "News", "Log in", "Read more", "Share this page"]


def make_page(number: int) -> GoldPage:
    """A page of a site of its own: a menu, prose, and two lines of a footer."""
    prose = [f"The river rose again (on day {number + i}), and nobody in the town had slept." for i in range(4)]
    lines = [*MENU, *prose, "Read more", f"© 20{number % 90 + 10} All rights reserved"]
    labels = np.array([1] * 5 + [0] * 4 + [1] * 2)
    return GoldPage(f"page-{number}", "made", f"site-{number}.example", "en", "\n".join(lines), labels, ())
