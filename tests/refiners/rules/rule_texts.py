"""Texts on which rules decide this way and that way."""

from itertools import islice, product
from string import ascii_lowercase

from hypothesis import strategies as st

from prox.refiners.rules.english import english

STORY = (
    "Stand in any old town square on a warm June evening and you will hear them before you see them.",
    "Swifts come back to the same nest every spring, after a journey of some 10,000km over desert and sea.[1]",
    "For most of their life they do not land at all: they eat, drink and even sleep on the wing. Don't they?",
    "Researchers in Sweden fitted small data loggers to thirteen adult birds [citation needed] and waited…",
    'Others came down for a few nights in winter, "but none of them for longer than that!"',
    "The nest itself is a shallow cup of straw and feathers, glued together with saliva (e.g. in May).",
    "When old roofs are repaired in summer, the holes are often closed, and the birds circle in front of the wall.",
)
MENU = (
    "Home | News | Contact us",
    "- Log in",
    "• Sign up #news #swifts",
    "Read more...",
    "3 items in cart",
    "sign-in to your account",
    "1,204 likes",
    "SHARE ON FACEBOOK",
    "2023",
    "We use cookies to make this site better. See our privacy policy.",
    "Please switch on JavaScript to read this page.",
    "[edit]",
    "[[1]2] one two three.",
    "Next… Next… Next…",
    "Lorem ipsum dolor sit amet is what printers set.",
    "if (a) { b(); } is not what they set.",
    "a. b. c. d. e.",
    "x" * 1001 + " is a long word.",
    "",
    "  ",
    "\t indented by a tab, and not without an end. ",
)
BREAKS = ("\n", "\n", "\n", "\n", "\n\n", "\r\n", "\r", "\u2028", "\x0b", "\x85")
ODD = "aZ09.,:;!?'\"()[]{}-–—~_#*&%$€§+=<>/@\\^’“…°²µмЯ中。！؟ك\u00a0\u2028\r\n\t \x85\x1c\x00\u200b\u0301é\U0001f600©"
UNITS = (
    "km", "km²", "m/s", "US$", "5", "10", "'s", "’S", "...", "……", "http://", "www.", ".com", "a@b.co", "u:p@h.org/x",
    "8.8.8.8", "e.g.", "U.S.", ":)", "8)", "<3", "(^_^)", "-_-", "It's", "don't", "o'clock", " ", "  ",
)  # fmt: skip

MARKS = st.sampled_from(sorted(english().exceptions)) | st.sampled_from(UNITS) | st.sampled_from(ODD)
MARKED = st.lists(MARKS, max_size=30).map("".join)
"""Texts that are hard to split into words."""

LINES = (
    st.sampled_from(STORY) | st.sampled_from(STORY + MENU) | st.builds("{} {}".format, st.sampled_from(MENU), MARKED)
)


@st.composite
def pages(draw: st.DrawFn) -> str:
    """Pages of stories, menus and noise, on which rules may agree or not."""
    lines = draw(st.lists(LINES, max_size=12))
    times = draw(st.sampled_from([1, 1, 1, 2, 9]))
    joined = [each for line in lines * times for each in (line, draw(st.sampled_from(BREAKS)) if times < 9 else "\n")]
    return "".join(joined)


KEPT = "\n".join(STORY)
"""A page that all rules keep."""


def with_passage_twice(total: int) -> str:
    """So many words, all of eight letters and no two the same, but for a passage of 60 that comes twice."""
    words = ["word" + "".join(each) for each in islice(product(ascii_lowercase, repeat=4), total - 60)]
    return " ".join(words + words[:60])


def with_run(run: str, filler: str) -> str:
    """A run of words that comes 30 times, each time before another word."""
    return " ".join(f"{run} {filler}{letter}{number}" for letter in "abcdef" for number in range(5))


DROPPED = {
    "gopher-quality": {
        "gopher_short_doc": "Too short to say much.",
        "gopher_long_doc": "and that is the end " * 21_000,
        "gopher_below_avg_threshold": "a to b of c it " * 20,
        "gopher_above_avg_threshold": "incomprehensibilities " * 60,
        "gopher_too_many_hashes": "word " * 50 + "# " * 20,
        "gopher_too_many_ellipsis": "word… " * 50,
        "gopher_too_many_bullets": "- one of the many lines\n• another one of them\n" * 20,
        "gopher_too_many_end_ellipsis": ("and so they went on to the next one of the many towns...\n" + "Then.\n") * 9,
        "gopher_below_alpha_threshold": "1234 5678 word " * 30,
        "gopher_enough_stop_words": "Keine dieser langen Zeilen spricht englisch " * 12,
    },
    "gopher-repetition": {
        "empty": "",
        "dup_para_frac": "Once more.\n\n" * 3 + "Only once.",
        "dup_para_char_frac": "\n\n".join([KEPT, "one", "two", "three", KEPT]),
        "dup_line_frac": "Once more.\n" * 3 + "Only once.",
        "dup_line_char_frac": "\n".join([STORY[0], "one", "two", "three", STORY[0]]),
        "top_2_gram": "the cat " * 30,
        "top_3_gram": with_run("a b incomprehensible", "number"),
        "top_4_gram": with_run("a b c incomprehensible", "numbernumber"),
        "duplicated_5_n_grams": with_passage_twice(200),
        "duplicated_6_n_grams": with_passage_twice(368),
        "duplicated_7_n_grams": with_passage_twice(382),
        "duplicated_8_n_grams": with_passage_twice(395),
        "duplicated_9_n_grams": with_passage_twice(427),
        "duplicated_10_n_grams": with_passage_twice(508),
    },
    "c4": {
        "lorem_ipsum": f"{KEPT}\nThe printers wrote Lorem Ipsum there.",
        "curly_bracket": f"{KEPT}\nThe program begins with {{ there.",
        "too_few_sentences": "One of them. Two of them. Three of them.\nFour of them.\nHome | News",
    },
    "fineweb": {
        "empty": " \n\t\n",
        "line_punct_ratio": "\n".join(["A line of menus that has no end and is long"] + ["More of the same"] * 9),
        "short_line_ratio": "\n".join([*STORY[:2], "One.", "Two.", "Three.", "Four.", "Five."]),
        "char_dup_ratio": "\n".join([*STORY, STORY[0]]),
        "list_ratio": "\n".join("x" * (40 + number) + "." for number in range(20)),
    },
    "refinedweb": {"too_many_flagged_words": "\n".join([STORY[0], "SHARE ON FACEBOOK"])},
}
"""By rules and reason: a page that they drop for it."""
