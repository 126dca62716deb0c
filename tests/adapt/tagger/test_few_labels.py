"""Labels that are enough for some of a tagger, and not for all that could be trained or measured."""

import pytest

pytest.importorskip("torch", reason="training the tagger needs the extra train: pip install '.[train]'")
pytest.importorskip("sklearn", reason="training the tagger needs the extra train: pip install '.[train]'")

import random

from prox.adapt.labels import labelled_page
from prox.adapt.tagger.augmentation import Frames
from prox.adapt.tagger.fit import Settings, fit_tagger
from prox.adapt.tagger.gold import part_of_site
from prox.adapt.tagger.train import Plan, batches
from prox.errors import UsageError

SITES = [f"s{number}" for number in range(60) if part_of_site(f"s{number}") == "training"]
SETTINGS = Settings("embedded", 1, 0, 1)
LINE = "The river rose in the night and took the old bridge with it."


def page(number, lines, labels, **fields):
    record = {"id": str(number), "site": SITES[number % len(SITES)], "raw_text": "\n".join(lines), **fields}
    return labelled_page(record | {"line_labels": labels}, "here")


def documents(site_of):
    texts = [f"{LINE} {number} {'a lesson of physics' if number % 2 else 'buy it cheap'}" for number in range(40)]
    records = [{"id": str(n), "site": site_of(n), "text": text, "keep": n % 2} for n, text in enumerate(texts)]
    return [labelled_page(record, "here") for record in records]


def test_documents_of_few_sites_are_judged_across_them():
    scores = fit_tagger(documents(lambda n: f"s{n // 2 % 3}"), [], SETTINGS).document_scores
    assert scores.by_site and scores.auc > 0.9


@pytest.mark.parametrize("site_of", [lambda n: "one", lambda n: f"s{n % 2}"], ids=["one site", "a site for each kind"])
def test_documents_of_too_few_sites_are_judged_all_the_same_and_a_note_says_how(site_of):
    fitted = fit_tagger(documents(site_of), [], SETTINGS)
    assert not fitted.document_scores.by_site and fitted.document_scores.auc > 0.9
    assert any("too few sites" in note for note in fitted.notes)


def parts(marked, others=()):
    pages = []
    for number in range(50):
        line = f"{LINE} No {number}. Read more"
        start = line.index(marked)
        marks = [{"line": 1, "start": start, "end": start + len(marked)}]
        pages.append(page(number, ["Home | News", line, *others], [1, 0, *[0] * len(others)], partials=marks))
    return pages


def test_parts_are_trained_where_no_page_steers():
    content = [f"{LINE} It was a long night. [{n}]" for n in range(3)]
    assert fit_tagger(parts(" Read more", content), [], SETTINGS).parts == "trained"


def test_marked_parts_that_are_all_noise_leave_the_judge_as_it_is():
    fitted = fit_tagger(parts(" Read more"), [], SETTINGS)
    assert fitted.parts == "embedded" and any("parts of lines that a tagger can see" in note for note in fitted.notes)


def test_labels_of_blank_lines_are_nothing_to_learn_from():
    with pytest.raises(UsageError, match="not one line of the training pages is noise"):
        fit_tagger([page(0, ["", LINE], [1, 0])], [], SETTINGS)


def test_an_epoch_without_a_known_line_has_no_batch():
    unknown = page(0, ["Home", LINE], [1, 0])
    unknown.labels[:] = -1
    assert batches([unknown], Frames(), Plan(), random.Random(0)) == []
