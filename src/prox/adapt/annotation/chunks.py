"""Chunk labels: the three kinds of noise asked for one by one, and their programs as one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from prox.adapt.annotation.asking import Asker, FailedError, Question, UnusableError
from prox.adapt.annotation.prompts import Example, Prompt, conversation, mended
from prox.adapt.annotation.removals import Checked, checked, document_program, over_document, trimmed
from prox.chunking import Chunk, Window, chunk_document
from prox.document import Document, split_lines
from prox.program import PROX_CHUNK, KeepDocument, Operation, Policy, Program, count_words, execute

KINDS = ("navigation", "urls", "footers")

REJECTED_ALLOWED = 1
"""Operations of one answer that cannot be carried out; with more, the model is asked again (ProX: two make a program
invalid)."""

_CHARACTERS_A_WORD = 10
"""A line with fewer blanks than that counts as longer: a picture in base64 is no single word."""


def annotation_window(words: int) -> Window:
    """How much of a document a strong model reads at once. A blank line counts as a word: it has a number."""
    return Window(words, lambda line: max(count_words(line), len(line) // _CHARACTERS_A_WORD, 1))


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """Asks three times for each chunk, once for each kind of noise.

    A program that removes more than its kind may is trimmed to head and tail; so is what they remove together, and if
    that is still too much, there is no label.

    Attributes:
        by_kind: The prompts, in the order of `KINDS`.
        window: What is read at once.
        most_removed: The share of a chunk's words that all kinds together may remove.
    """

    by_kind: tuple[Prompt, ...]
    window: Window
    most_removed: float

    name = "chunks"

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return self.by_kind

    @property
    def settings(self) -> dict[str, Any]:
        return {"rewrite": False, "window": self.window.size, "most_removed": self.most_removed}

    def label(self, document: Document, asker: Asker) -> dict[str, Any]:
        """The fields of the label.

        Raises:
            FailedError: A chunk has no label, and so the document has none.
        """
        return label_chunks(document, self.window, lambda chunk: self._of_chunk(document, chunk, asker))

    def _of_chunk(self, document: Document, chunk: Chunk, asker: Asker) -> Checked:
        parts = [self._of_kind(prompt, document, chunk, asker) for prompt in self.by_kind]
        programs = [Program(tuple(over_document(chunk, part.program))) for part in parts]
        merged = checked(chunk, programs)
        within = limited(chunk, merged, self.most_removed, "all kinds together")
        rejected = tuple([reason for part in parts for reason in part.rejected]) + merged.rejected
        return replace(within, rejected=rejected, trimmed=within.trimmed or any(part.trimmed for part in parts))

    def _of_kind(self, prompt: Prompt, document: Document, chunk: Chunk, asker: Asker) -> Checked:
        page = PROX_CHUNK.number(split_lines(chunk.text), chunk.first_line)
        examples = tuple(
            [Example(PROX_CHUNK.number(split_lines(each.page), 0), each.answer) for each in prompt.examples]
        )
        question = Question(prompt.name, document.id, conversation(prompt, page, examples), prompt.max_new_tokens or 1)
        whole = asker.ask(question, lambda answer: read_program(answer, chunk))
        if whole.removed <= prompt.most_removed:
            return whole
        return trimmed(chunk, whole) or _too_much(chunk, whole, prompt.name)


def limited(chunk: Chunk, whole: Checked, most_removed: float, what: str) -> Checked:
    """A program as it is, or trimmed, so that it removes no larger share of the words than allowed.

    Raises:
        FailedError: Even what it removes at head and tail is too much, or that is nothing.
    """
    if whole.removed <= most_removed:
        return whole
    part = trimmed(chunk, whole)
    return part if part and part.removed <= most_removed else _too_much(chunk, whole, what)


def _too_much(chunk: Chunk, whole: Checked, what: str) -> NoReturn:
    program = Program(tuple(over_document(chunk, whole.program)))  # for a person: is the page like that, or the model?
    raise FailedError(
        f"removes too much: {what} {whole.removed:.0%} of a chunk, that from line {chunk.first_line} on",
        program.render(),
    )


def read_program(answer: str, chunk: Chunk) -> Checked:
    """Read ProX calls and nothing else, and carry them out on the chunk.

    Raises:
        UnusableError: There is other text, no call, or more than one call that cannot be carried out.
    """
    program = PROX_CHUNK.parse(mended(answer, chunk.text))
    if program.errors:
        error = program.errors[0]
        raise UnusableError(f"{error.message}: {error.snippet}")
    if not program.operations:
        raise UnusableError("it has no call; keep_chunk() says that there is nothing to remove")
    if KeepDocument() in program.operations and len(set(program.operations)) > 1:
        raise UnusableError("keep_chunk() stands beside other calls")
    whole = checked(chunk, [program])
    if len(whole.rejected) > REJECTED_ALLOWED:
        raise UnusableError(f"{len(whole.rejected)} calls cannot be carried out: {'; '.join(whole.rejected[:3])}")
    return whole


def label_chunks(document: Document, window: Window, of_chunk: Callable[[Chunk], Checked]) -> dict[str, Any]:
    """One program for a document from those of its chunks; blank chunks are not asked about.

    Raises:
        FailedError: A chunk has none: then nobody knows what its lines are, and the document has no label.
    """
    chunks = chunk_document(document, window)
    if long := [chunk for chunk in chunks if chunk.skipped]:
        raise FailedError(f"line longer than the window: line {long[0].first_line}")
    parts = [(chunk, of_chunk(chunk)) for chunk in chunks if chunk.text.strip()]
    operations: list[Operation] = []
    for chunk, part in parts:
        operations += over_document(chunk, part.program)
    program = document_program(document.text, operations)
    outcome = execute(document.text, program, Policy.unlimited())
    if outcome.rejected:  # each was carried out on its chunk before
        raise FailedError(f"programs do not fit together: {outcome.rejected[0].reason}")
    before, after = count_words(document.text), count_words(outcome.text or "")
    return {
        "raw_text": document.text,
        "program": program.render(),
        "words_before": before,
        "words_after": after,
        "chunks": len(parts),
        "rejected_operations": sum(len(part.rejected) for _, part in parts),
        "trimmed_chunks": sum(part.trimmed for _, part in parts),
    }
