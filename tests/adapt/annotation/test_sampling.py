import heapq
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.adapt.annotation import sampling
from prox.adapt.annotation.sampling import check_strata, draw
from prox.document import Document
from prox.errors import UsageError


def documents(count, **fields):
    return [
        Document(str(n), f"text {n}", {name: values[n % len(values)] for name, values in fields.items()})
        for n in range(count)
    ]


corpora = st.lists(st.integers(0, 40), max_size=80).map(
    lambda numbers: [Document(str(n), "t", {"url": f"http://site{n * n % 7}.example/{n}"}) for n in numbers]
)


@given(corpora, st.integers(1, 30), st.randoms())
def test_the_order_of_the_corpus_does_not_matter(corpus, count, chance):
    for stratify in ((), ("domain",)):
        sample = draw(corpus, count, 0, stratify)
        shuffled = chance.sample(corpus, len(corpus))
        assert draw(shuffled, count, 0, stratify) == sample


@given(corpora, st.integers(1, 30))
def test_a_larger_sample_begins_with_the_smaller_one(corpus, count):
    for stratify in ((), ("domain",)):
        small, large = (draw(corpus, size, 5, stratify).documents for size in (count, count + 7))
        assert large[: len(small)] == small
        assert len(small) == min(count, len({document.id for document in corpus}))


@given(corpora, st.integers(1, 30))
def test_strata_get_the_same_number_as_far_as_they_have_it(corpus, count):
    there = Counter(document.metadata["url"].split("/")[2] for document in {each.id: each for each in corpus}.values())
    drawn = {stratum: size for (stratum,), size in draw(corpus, count, 0, ("domain",)).strata.items()}
    for domain, size in there.items():
        if drawn.get(domain, 0) < size:  # it has more to give, so no other one got two more
            assert max(drawn.values()) <= drawn.get(domain, 0) + 1


def test_no_more_documents_are_held_than_are_drawn():
    class Watched(Document):
        alive = 0

        def __init__(self, number):
            super().__init__(str(number), f"text {number}", {"url": f"http://{number % 300}.example"})
            Watched.alive += 1

        def __del__(self):
            Watched.alive -= 1

    most = 0

    def corpus():
        nonlocal most
        for number in range(3000):
            yield Watched(number)
            most = max(most, Watched.alive)

    for stratify in ((), ("domain",)):
        draw(corpus(), 20, 0, stratify)
    assert most <= 25


def test_another_seed_draws_other_documents():
    corpus = documents(1000)
    one, other = ({document.id for document in draw(corpus, 100, seed).documents} for seed in (0, 1))
    assert len(one & other) < 40
    assert draw(corpus, 100, 0) == draw(corpus, 100, 0)


def test_every_document_has_the_same_chance():
    corpus = documents(50)
    counts = Counter(document.id for seed in range(400) for document in draw(corpus, 10, seed).documents)
    assert len(counts) == 50
    assert min(counts.values()) > 50 and max(counts.values()) < 115  # 80 each; 8 is the standard deviation


def test_domain_language_and_length_are_found_where_corpora_keep_them():
    corpus = [
        Document("1", "x" * 999, {"url": "https://www.Site.example:8080/a", "language": "EN"}),
        Document("2", "x" * 5000, {"metadata": {"url": "http://site.example/b", "lang": "de"}}),
        Document("3", "x" * 70_000, {"source_domain": "Other.example", "url": None}),
        Document("4", "x", {"url": "http://[broken"}),
        Document("5", "x", {"url": 7, "language": ["en"]}),
    ]
    strata = draw(corpus, 9, 0, ("length", "domain", "language")).strata
    assert strata == {
        ("from 64,000 characters", "other.example", ""): 1,
        ("under 1,000 characters", "", ""): 2,
        ("under 1,000 characters", "site.example", "en"): 1,
        ("under 16,000 characters", "site.example", "de"): 1,
    }


def test_many_small_strata_leave_room_for_all_of_them():
    corpus = documents(2000, url=["http://big.example"] * 19 + ["http://small.example"])
    random.Random(0).shuffle(corpus)
    assert set(draw(corpus, 100, 0, ("domain",)).strata.values()) == {50}


def test_an_unknown_stratum_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match='length, domain, language, not "site"'):
        check_strata(["length", "site"])


def test_memory_is_for_the_sample_alone(monkeypatch):
    """The heap of strata kept an entry for every document of the corpus."""
    monkeypatch.setattr(sampling, "_OLD_ENTRIES", 100)
    sizes, push = [0], heapq.heappush

    def watched(heap, entry):
        push(heap, entry)
        sizes.append(len(heap))

    monkeypatch.setattr(heapq, "heappush", watched)
    for stratify in ((), ("domain",)):
        corpus = documents(3000, url=[f"http://s{n}.example/" for n in range(9)])
        expected = draw(reversed(corpus), 50, 0, stratify)
        assert draw(corpus, 50, 0, stratify) == expected
    assert max(sizes) < 200
