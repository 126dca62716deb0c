"""Words and sentences; that they are spaCy's is tested in test_agreement.py."""

import threading
import time

import pytest

from prox.refiners.rules import english as module
from prox.refiners.rules.english import English, english, sentence_count, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\u2028 ", []),
        ("I don't (can't) know.", ["I", "do", "n't", "(", "ca", "n't", ")", "know", "."]),
        (
            "well-known 5km, or 7km/h at 3.5.",
            ["well", "-", "known", "5", "km", ",", "or", "7", "km/h", "at", "3.5", "."],
        ),
        ("See http://a.example/b?c=(d) now", ["See", "http://a.example/b?c=(d", ")", "now"]),
        ("the end.Then more", ["the", "end", ".", "Then", "more"]),
        ("wait....", ["wait", "...."]),
        ("schön 没有空格。", ["schön", "没有空格", "。"]),
    ],
)
def test_affixes_exceptions_and_infixes_are_words(text, expected):
    assert words(text) == expected


def test_an_exception_that_affixes_tear_apart_is_put_together_again():
    assert words("it's:)") == ["it", "'s", ":)"]
    assert words("smile:):)") == ["smile", ":)", ":", ")"]  # "):" is one too, and keeps the second from being one


def test_words_do_not_depend_on_what_was_read_before(monkeypatch):
    texts = ["Don't stop :):).", "smile:):) it's 5km", "a-b c...d " * 20, "(8) 8) (8"]
    fresh = [list(_read_by(English(), text)) for text in texts]
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    tokenizer = English()
    for _ in range(3):
        assert [list(_read_by(tokenizer, text)) for text in texts] == fresh


def _read_by(tokenizer, text):
    return [token for token in tokenizer.tokens(text) if not token.isspace()]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_REMEMBERED", 50)
    for number in range(100):
        words(f"word{number} and x{number}:)")
    memory = english().memory()
    assert memory.characters <= 50 + len("word99and99:)")
    assert len(memory._earlier) <= 15


def test_threads_read_the_same(monkeypatch):
    monkeypatch.setattr(module, "MOST_REMEMBERED", 5)
    texts = [f"smile:):) number{number} it's" for number in range(200)]
    expected = [words(text) for text in texts]
    found = {}

    def read(name):
        found[name] = [words(text) for text in texts]

    threads = [threading.Thread(target=read, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[name] == expected for name in range(4))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("no end", 1),
        ("One. Two! Three?", 3),
        ('He said "Stop." Then he went.', 2),
        ("Mr. Smith lives in the U.S. now.", 1),
        ("What?! No…", 2),
        ("One...  two", 1),
        ("One。 two。", 2),
    ],
)
def test_sentences_are_counted_at_full_stops_that_are_words(text, count):
    assert sentence_count(text) == count


HOSTILE = {
    "brackets": "(",
    "full stops": ".",
    "full stops and marks": "................!",
    "colons": "a:",
    "colons and full stops": "a:.",
    "schemes": "a.b://",
    "mails": "a@",
    "domains": "a.b",
    "domains in mails": "a.b@",
    "quotes": "'",
    "exceptions": "o_o",
    "smileys": ":)",
    "smileys apart": ":) ",
    "letters": "x",
    "units": "5km",
    "hyphens": "-",
    "signs": "°",
    "spaces": "  ",
    "breaks": "\r\n",
    "NUL": "\x00",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_time_is_linear_in_the_length_of_a_text(kind):
    """Four times the text takes eight times as long at most; quadratic time would be sixteen."""
    pattern = HOSTILE[kind]

    def seconds(size):
        english.cache_clear()  # nothing is remembered
        english()
        text = "q" + pattern * (size // len(pattern))
        begun = time.process_time()
        words(text)
        sentence_count(text)
        return time.process_time() - begun

    small = min(seconds(20_000) for _ in range(2))
    assert seconds(80_000) < 8 * small + 0.1
