"""What is made from pages stays labelled line by line, and the noise of the page stays what it was."""

import random

import numpy as np
import pytest

from prox.adapt.tagger import strange_content
from prox.adapt.tagger.strange_content import with_strange_content

LINES = [
    "Home",
    "Log in",
    "The swift is a bird. It flies all day, and it never lands! Why?",
    "It eats what flies.",
    "Top",
]
LABELS = np.array([1.0, 1.0, 0.0, 0.2, -1.0])
CONTENT = np.array([False, False, True, True, False])
KINDS = ("wrapped", "chat", "code", "formulas", "numbers")


def made(kind, seed, monkeypatch):
    monkeypatch.setattr(strange_content, "CHANCES", tuple(float(kind == name) for name in KINDS))
    return with_strange_content(LINES, LABELS, CONTENT, random.Random(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_has_a_label_and_noise_stays_as_it_was(kind, monkeypatch):
    for seed in range(40):
        lines, labels = made(kind, seed, monkeypatch)
        assert len(lines) == len(labels) and not any("\n" in line for line in lines)
        assert [line for line, label in zip(lines, labels, strict=True) if label in (1, -1)] == [
            "Home",
            "Log in",
            "Top",
        ]


@pytest.mark.parametrize("kind", ["wrapped", "chat"])
def test_no_word_of_the_content_is_lost(kind, monkeypatch):
    for seed in range(20):
        said = " ".join(made(kind, seed, monkeypatch)[0]).lower()
        assert all(word.strip(".!?,").lower() in said for line in LINES for word in line.split())


def test_code_and_formulas_are_content_beside_or_instead_of_the_page(monkeypatch):
    alone = 0
    for seed in range(40):
        lines, labels = made("code", seed, monkeypatch)
        strange = [label for line, label in zip(lines, labels, strict=True) if line not in LINES]
        assert strange and all(0 <= label < 0.5 for label in strange)
        alone += LINES[2] not in lines
    assert 0 < alone < 30
    formulas = "\n".join(line for seed in range(20) for line in made("formulas", seed, monkeypatch)[0])
    numbers = [line for line in made("numbers", 3, monkeypatch)[0] if line not in LINES]
    assert len(numbers) >= 4 and all(any(sign.isdigit() for sign in line) for line in numbers)
    assert "\\frac{" in formulas and "$$" in formulas and "\\end{" in formulas


def test_the_same_draws_make_the_same_page(monkeypatch):
    for kind in KINDS:
        assert made(kind, 7, monkeypatch)[0] == made(kind, 7, monkeypatch)[0]


def test_a_page_without_content_and_most_other_pages_stay_as_they_are():
    nothing = np.zeros(len(LINES), bool)
    assert with_strange_content(LINES, LABELS, nothing, random.Random(0)) == (LINES, LABELS)
    same = sum(with_strange_content(LINES, LABELS, CONTENT, random.Random(seed))[0] is LINES for seed in range(500))
    assert 390 < same < 470
