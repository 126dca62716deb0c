"""Lines full of what may be a part, and of what only looks like one."""

from hypothesis import strategies as st
from tagger_texts import characters

pieces = st.one_of(
    st.text(characters, max_size=6),
    st.sampled_from(
        [
            "[edit]",
            " [1]",
            "(opens in new window)",
            "【编辑】",
            "（英语：a (b)）",
            "A sentence. ",
            "Read more",
            "\t",
            "    ",
            "[",
            "(",
            ")",
            " | ",
            " - ",
            "... ",
            "https://river.example/a?b=1",
            " www.river.example.",
            " at http://a.b",
            "a.com",
        ]
    ),
    st.sampled_from(
        ["f(x) = [0, 1]", r"\left( \tfrac{1}{2} \right)", "[[a]]", "((b))", "(a [b] c)", ". \u200b\u200b", "? \x00\x00"]
    ),
)
pages = st.lists(st.lists(pieces, max_size=8).map("".join), min_size=1, max_size=6)
