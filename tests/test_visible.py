"""Text of a page for a terminal: nothing that steers, and plain writing as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.visible import visible


@pytest.mark.parametrize("text", ["می\u200cگذرانند", "👩\u200d👩\u200d👧", "क्\u200dष", "héllo 東京 שלום"])
def test_plain_writing_stays_as_it_is(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\tb", "a    b"),
        ("right \u202e to left", "right \\u202e to left"),
        ("pay\u200dpal", "pay\\u200dpal"),
        ("\u200c", "\\u200c"),
        ("é\u200c\u200cé", "é\u200c\u200cé"),
        ("\u2028\xa0\x00", "\\u2028\\xa0\\x00"),
    ],
)
def test_what_steers_or_hides_is_an_escape(text, shown):
    assert visible(text) == shown


@given(st.text())
def test_nothing_but_joiners_is_left_that_does_not_print(text):
    shown = visible(text)
    assert shown.replace("\u200c", "").replace("\u200d", "").isprintable()
    assert visible(shown) == shown
