"""The split by site."""

import pytest

from prox.adapt.tagger.gold import part_of_site


def test_a_site_is_in_one_part_only_and_most_sites_train():
    parts = [part_of_site(f"site-{number}.example") for number in range(3000)]
    assert parts == [part_of_site(f"site-{number}.example") for number in range(3000)]
    shares = {name: parts.count(name) / 3000 for name in ("held-back", "development", "training")}
    assert shares == pytest.approx({"held-back": 0.12, "development": 0.06, "training": 0.82}, abs=0.02)
