"""The split by site, and what augmentation may do."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.adapt.labels import LabelledPage
from prox.adapt.tagger.gold import augmented, part_of_site


def test_a_site_is_in_one_part_only_and_most_sites_train():
    parts = [part_of_site(f"site-{number}.example") for number in range(3000)]
    assert parts == [part_of_site(f"site-{number}.example") for number in range(3000)]
    shares = {name: parts.count(name) / 3000 for name in ("held-back", "development", "training")}
    assert shares == pytest.approx({"held-back": 0.12, "development": 0.06, "training": 0.82}, abs=0.02)


@given(st.lists(st.sampled_from(["Home", "• News", "A line of PROSE.", ""]), min_size=1, max_size=40), st.integers())
def test_augmentation_keeps_every_line_with_its_label(lines, seed):
    numbered = [f"{line}\t{number}" for number, line in enumerate(lines)]
    page = LabelledPage("a", "made", "site", "en", "\n".join(numbered), np.arange(len(lines)) % 2, ())
    changed = augmented(page, random.Random(seed))
    kept = changed.text.split("\n")
    assert len(kept) == len(changed.labels) > 0
    for line, label in zip(kept, changed.labels, strict=True):
        text, _, number = line.rpartition("\t")
        assert label == int(number) % 2
        assert text.lower() in (lines[int(number)].lower(), lines[int(number)].lower().removeprefix("• "))
