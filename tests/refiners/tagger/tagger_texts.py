"""Texts that a line tagger may meet, the sample pages, and a stopwatch for its promises of linear time."""

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

ODD = "\r\f\v\t\x00\x1f\x85\xa0\u200b\u200d\u2028\u2029\ufeff\ud83d\udc00\ufffe\U000e0001"
SCRIPTS = "àßẞİſΣέЖж没有。,กำที่ກကខあカ가שלוםقال१٣²ⅧǅʰªU\u0301\u0e33\U00020000\U0001d7ce\U00010400"
SIGNS = ".!?…,;:،()[]{}<>|\\/$_-–—»«\"'’+=#@*^~`§€°😀👩\u200d🔬🏳\ufe0f"

characters = st.one_of(
    st.sampled_from("aAbB zZ09 "), st.sampled_from(ODD), st.sampled_from(SCRIPTS), st.sampled_from(SIGNS)
)
words = st.sampled_from(["the", "The", "HOME", "Log", "in", "2024", "1999", "没有", "กำ", "e-mail", "f(x)", "👩‍🔬"])
lines = st.one_of(
    st.just(""),
    st.text(characters, max_size=20),
    st.lists(words, max_size=45).map(" ".join),
    st.text(st.characters(codec=None, exclude_characters="\n"), max_size=10),
)
texts = st.lists(lines, max_size=8).map("\n".join)


@cache
def sample_pages() -> dict[str, str]:
    path = Path(__file__).parents[3] / "examples" / "pages.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {record["id"]: record["text"] for record in records}


def growth(work: Callable[[str], object], small: str, large: str) -> float:
    """How many times as long the large input takes; the best of three runs each, as the machine may be busy."""

    def best(text: str) -> float:
        seconds = []
        for _ in range(3):
            begin = time.process_time()
            work(text)
            seconds.append(time.process_time() - begin)
        return min(seconds)

    return best(large) / max(best(small), 0.002)
