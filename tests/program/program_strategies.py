"""Pages, operations, programs and what models write, rich in the characters that break things."""

from hypothesis import strategies as st

from prox.program import (
    DropDocument,
    InsertLine,
    KeepDocument,
    ParseError,
    Policy,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
    Scope,
)

AWKWARD = list("\r\f\v\t\x00\x1c\x85\u2028\u2029\ud800\udfff\ufeff\"'\\()[]{}=,;#`“”€没ก 0aé")
FRAGMENTS = [
    "Share (12)",
    "[edit]",
    "\\frac{a}{b}",
    'say "hi"',
    "it's",
    "a=b, c",
    "#tag",
    "```",
    "remove_lines(0, 1)",
    "no",
]

characters = st.one_of(st.sampled_from([*AWKWARD, *"aabb  "]), st.characters())
strings = st.lists(st.one_of(characters, st.sampled_from(FRAGMENTS)), max_size=8).map("".join)
any_strings = st.lists(st.one_of(characters, st.just("\n"), st.sampled_from(FRAGMENTS)), max_size=8).map("".join)
pages = st.lists(st.one_of(strings, st.sampled_from(["", "ab", "a", "a b a b", *FRAGMENTS])), max_size=9).map("\n".join)

numbers = st.one_of(st.integers(0, 9), st.integers(-2, 12), st.sampled_from([10**18, -(10**18), 10**9]))
bounds = st.one_of(st.none(), numbers)
scopes = st.one_of(
    st.none(), st.builds(Scope, numbers, numbers), st.builds(Scope, st.integers(0, 3), st.integers(3, 9))
)
sources = st.one_of(any_strings, st.sampled_from(["a", "b", "ab", " ", "\n", "b\na", "a\n", "\n\n", *FRAGMENTS]))
removals = st.builds(RemoveLines, numbers, numbers)
replacements = st.builds(Replace, sources, st.one_of(st.just(""), any_strings, sources), bounds, bounds)
single_replacements = st.builds(ReplaceOnce, numbers, sources, st.one_of(st.just(""), any_strings, sources))
insertions = st.builds(InsertLine, numbers, any_strings, st.one_of(st.integers(0, 2), numbers))
edits = st.one_of(removals, replacements, single_replacements, insertions)
operations = st.one_of(edits, edits, st.builds(KeepDocument), st.builds(DropDocument))
programs = st.builds(
    Program,
    st.lists(st.one_of(edits, edits, edits, operations), max_size=5).map(tuple),
    st.one_of(st.just(()), st.just(()), st.just((ParseError(0, 0, "text that is not a call", "no"),))),
    scopes,
)
# Small pages and programs that meet: most operations hit, lines are joined, removed and replaced in turn.
dense_pages = st.lists(st.sampled_from(["", "a", "b", "ab", "a b a"]), min_size=1, max_size=6).map("\n".join)
near = st.integers(0, 4)
dense_sources = st.sampled_from(["a", "b", "ab", "\n", "a\n", "\nb", "b\na", "\n\n"])
dense_targets = st.sampled_from(["", "", "a", "\n", "ba"])
dense_operations = st.one_of(
    st.builds(lambda first, more: RemoveLines(first, first + more), near, st.integers(0, 1)),
    st.builds(Replace, dense_sources, dense_targets),
    st.builds(Replace, dense_sources, dense_targets, st.one_of(st.none(), near), st.one_of(st.none(), near)),
    st.builds(
        ReplaceOnce, near, st.sampled_from(["a", "b", "ab", " ", "b a"]), st.sampled_from(["", "a", "\n", "bab"])
    ),
    st.builds(InsertLine, st.integers(-1, 4), st.sampled_from(["", "a", "b\na"]), st.integers(0, 2)),
)
dense_programs = st.builds(
    Program,
    st.lists(dense_operations, min_size=1, max_size=5).map(tuple),
    st.just(()),
    st.one_of(st.none(), st.builds(Scope, st.integers(0, 2), st.integers(2, 6))),
)

policies = st.one_of(
    st.sampled_from([Policy(), Policy.released(), Policy.unlimited(), Policy(least_share=None, least_words=None)]),
    st.builds(
        Policy,
        st.one_of(st.none(), st.integers(0, 5)),
        st.one_of(st.none(), st.floats(0, 0.99)),
        st.one_of(st.none(), st.integers(0, 12)),
        st.booleans(),
        st.booleans(),
    ),
)


@st.composite
def broken_programs(draw: st.DrawFn) -> str:
    """A canonical program after a few random cuts, doublings and insertions."""
    text = draw(programs).render()
    for _ in range(draw(st.integers(1, 4))):
        first, last = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(
            st.one_of(st.just(""), st.just(text[first:last] * 2), any_strings, st.sampled_from(['"', "(", ")"]))
        )
        text = text[:first] + piece + text[last:]
    return text


def without_bounds(program: Program) -> Program:
    """What is left of a program in the dialect of ProX chunks."""
    unknown = DropDocument | ReplaceOnce | InsertLine
    kept = [operation for operation in program.operations if not isinstance(operation, unknown)]
    return Program(tuple(Replace(o.source, o.target) if isinstance(o, Replace) else o for o in kept))


def is_subsequence(part: str, whole: str) -> bool:
    remaining = iter(whole)
    return all(character in remaining for character in part)
