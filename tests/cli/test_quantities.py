"""Numbers of the command line: read exactly, or refused in one line."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.cli.quantities import amount, count, share
from prox.errors import UsageError
from prox.readable import short

SUFFIXES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@given(st.decimals(1, 1000, places=3), st.sampled_from(sorted(SUFFIXES)), st.booleans(), st.booleans())
def test_a_number_with_a_suffix_is_exact(number, suffix, lower, apart):
    text = f"{number}{' ' * apart}{suffix.lower() if lower else suffix}"
    assert count("tokens", text) == round(Fraction(number) * SUFFIXES[suffix])
    assert amount("price-per-hour", text) == Fraction(number) * SUFFIXES[suffix]


@given(st.integers(1, 10**24))
def test_a_whole_number_is_itself(number):
    assert count("tokens", str(number)) == number
    assert count("tokens", f" {number}\n") == number


@given(st.decimals(1, 10, places=5), st.integers(0, 23))
def test_an_exponent_is_what_it_is_in_python(number, exponent):
    assert count("tokens", f"{number}e{exponent}") == round(Fraction(Decimal(f"{number}e{exponent}")))
    assert count("tokens", f"{number}E+{exponent}") == count("tokens", f"{number}e{exponent}")


@given(st.text(max_size=30))
def test_any_text_is_a_number_in_range_or_one_line_of_advice(text):
    for reading in (
        lambda: count("tokens", text),
        lambda: amount("price-per-hour", text),
        lambda: share("kept", text, True),
    ):
        try:
            assert 0 < reading() <= 10**24
        except UsageError as error:
            assert str(error).startswith("--") and "Write for example" in str(error) and str(error).isprintable()


NO_COUNTS = ("", " ", "60X", "1e400", "nan", "inf", "-5", "0", "0.4", "1e-5", "1,000", "0,7B", "6 0B", "60BB", "1e")
NO_COUNTS += ("1e9999999999", "0x10", "1_000", "٣", "½", "60B\0", "1/3", "50%", "9" * 41, "1e25", "9" * 10_000, "1T1T")


@pytest.mark.parametrize("text", NO_COUNTS)
def test_what_is_no_count_is_refused(text):
    with pytest.raises(UsageError, match=r"^--tokens: .*Write for example 60B") as refusal:
        count("tokens", text)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("text", ["0", "0%", "1.01", "101%", "-0.2", "nan", "20B", "0.2M", "1e-9", "", "%"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(UsageError, match=r"^--kept: .*0\.2 or 20%"):
        share("kept", text, whole=True)


@given(st.decimals("0.00001", 1, places=5))
def test_a_share_and_its_percentage_are_the_same(number):
    assert (
        share("kept", str(number), whole=True) == share("kept", f"{number * 100:f} %", whole=True) == Fraction(number)
    )


def test_the_whole_is_a_share_only_where_it_makes_sense():
    assert share("kept", "1", whole=True) == share("kept", "100%", whole=True) == 1
    with pytest.raises(UsageError, match="below 1"):
        share("saving", "100%", whole=False)


@given(st.integers(1, 10**24))
def test_a_short_number_reads_back_to_three_digits(number):
    shown = short(number)
    assert len(shown) <= 9
    assert count("tokens", shown) == pytest.approx(number, rel=0.005)
