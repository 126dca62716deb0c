"""Gold pages made up for the tests."""

import numpy as np

from prox.adapt.labels import LabelledPage

MENU = ["Home", "News", "Log in", "Read more", "Share this page"]


def make_page(number: int) -> LabelledPage:
    """A page of a site of its own: a menu, prose, and two lines of a footer."""
    prose = [f"The river rose again (on day {number + i}), and nobody in the town had slept." for i in range(4)]
    lines = [*MENU, *prose, "Read more", f"© 20{number % 90 + 10} All rights reserved"]
    labels = np.array([1] * 5 + [0] * 4 + [1] * 2)
    return LabelledPage(f"page-{number}", "made", f"site-{number}.example", "en", "\n".join(lines), labels, ())


def line_record(page: LabelledPage) -> dict[str, object]:
    """The page as human line gold."""
    return {
        "id": page.id,
        "source": page.source,
        "site_key": page.site,
        "language": "en",
        "raw_text": page.text,
        "line_labels": page.labels.tolist(),
    }
