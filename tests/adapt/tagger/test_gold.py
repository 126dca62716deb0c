"""Gold pages: the split by site, reading, and what augmentation may do."""

import gzip
import random

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.adapt.tagger.gold import NEUTRAL, GoldPage, augmented, gold_page, part_of_site, read_pages

RECORD = {
    "id": "a",
    "source": "made",
    "site_key": "river.example",
    "language": "en",
    "raw_text": "Home\nThe river rose. [edit]\nBy A. Writer",
    "line_labels": [1, 0, 0],
    "neutral_lines": [2],
    "partials": [
        {"line": 1, "noise": "[edit]", "start": 16, "end": 22, "conf": "high"},
        {"line": 1, "noise": "rose", "start": 10, "end": 14, "conf": "low"},
    ],
    "suspect": 0.1,
}


def test_neutral_lines_and_doubtful_parts_are_marked():
    page = gold_page(RECORD)
    assert page.labels.tolist() == [1, 0, NEUTRAL]
    assert page.partials == ((1, 16, 22),) and page.unsure_lines == {1}
    assert page.site == "river.example"


def test_a_site_is_in_one_part_only_and_most_sites_train():
    parts = [part_of_site(f"site-{number}.example") for number in range(3000)]
    assert parts == [part_of_site(f"site-{number}.example") for number in range(3000)]
    shares = {name: parts.count(name) / 3000 for name in ("held-back", "development", "training")}
    assert shares == pytest.approx({"held-back": 0.12, "development": 0.06, "training": 0.82}, abs=0.02)


@pytest.mark.parametrize("name", ["gold.jsonl", "gold.jsonl.gz"])
def test_pages_with_doubtful_gold_are_left_out(tmp_path, name):
    lines = b"".join(orjson.dumps(RECORD | {"id": str(s), "suspect": s}) + b"\n" for s in (0, 0.25, 0.26))
    path = tmp_path / name
    path.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    assert [page.id for page in read_pages([path])] == ["0", "0.25"]


@given(st.lists(st.sampled_from(["Home", "• News", "A line of PROSE.", ""]), min_size=1, max_size=40), st.integers())
def test_augmentation_keeps_every_line_with_its_label(lines, seed):
    numbered = [f"{line}\t{number}" for number, line in enumerate(lines)]
    page = GoldPage("a", "made", "site", "en", "\n".join(numbered), np.arange(len(lines)) % 2, ())
    changed = augmented(page, random.Random(seed))
    kept = changed.text.split("\n")
    assert len(kept) == len(changed.labels) > 0
    for line, label in zip(kept, changed.labels, strict=True):
        text, _, number = line.rpartition("\t")
        assert label == int(number) % 2
        assert text.lower() in (lines[int(number)].lower(), lines[int(number)].lower().removeprefix("• "))
