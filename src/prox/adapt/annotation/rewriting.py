"""Chunk labels by a copy with deletions: the model copies the text without its noise, the difference is the program."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from prox.adapt.annotation.asking import Asker, Question, UnusableError
from prox.adapt.annotation.chunks import label_chunks, limited
from prox.adapt.annotation.prompts import Prompt, conversation, copied_page
from prox.adapt.annotation.removals import Checked, checked, over_document
from prox.chunking import Chunk, Window
from prox.document import Document, join_lines, split_lines
from prox.program import Program
from prox.program.distill import Distilled, Terms, distill

Distill = Callable[[str, str], Program | str]
"""From a raw and a refined text to the program that leads from one to the other, or why there is none."""


@dataclass(frozen=True, slots=True)
class RewriteTask:
    """Asks once for each chunk.

    Attributes:
        prompt: For the copy.
        window: What is read, and copied, at once.
        most_removed: The share of a chunk's words that may be missing in the copy.
        distill: Makes the program; lines count from 0 over the chunk.
    """

    prompt: Prompt
    window: Window
    most_removed: float
    distill: Distill

    name = "chunks"

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return (self.prompt,)

    @property
    def settings(self) -> dict[str, Any]:
        return {"rewrite": True, "window": self.window.size, "most_removed": self.most_removed}

    def label(self, document: Document, asker: Asker) -> dict[str, Any]:
        """The fields of the label.

        Raises:
            FailedError: A chunk has no label, and so the document has none.
        """
        return label_chunks(document, self.window, lambda chunk: self._of_chunk(document, chunk, asker))

    def _of_chunk(self, document: Document, chunk: Chunk, asker: Asker) -> Checked:
        shown = _shown(chunk.text)
        most = most_tokens(shown)
        question = Question(
            self.prompt.name,
            document.id,
            conversation(self.prompt, shown),
            min(most, self.prompt.max_new_tokens or most),
        )
        whole = asker.ask(question, lambda answer: self._read(answer, shown, chunk))
        return limited(chunk, whole, min(self.most_removed, self.prompt.most_removed), self.prompt.name)

    def _read(self, answer: str, shown: str, chunk: Chunk) -> Checked:
        refined = copied_page(answer, shown)
        if refined is None:
            raise UnusableError("it is not one page between <page> and </page>")
        program = self.distill(shown, refined)
        if isinstance(program, str):
            raise UnusableError(f"it is not the page with deletions only: {program}")
        whole = checked(chunk, [Program(tuple(over_document(chunk, program)))])
        if whole.rejected:
            raise UnusableError(f"it is not the page with deletions only: {whole.rejected[0]}")
        return replace(whole, program=program)  # as it was distilled: `replace_str` names one place


def _shown(text: str) -> str:
    r"""Without white space at the ends of lines, `\r` among it: models do not copy it, and it is no noise to remove."""
    return join_lines([line.rstrip() for line in split_lines(text)])


def most_tokens(text: str) -> int:
    """Enough for a copy in any language: tokens of two and a half bytes, and the tags."""
    return len(text.encode("utf-8", "surrogatepass")) * 2 // 5 + 64


def distilled(raw: str, refined: str) -> Program | str:
    """The smallest program from one text to the other, or why there is none. Any number of deletions is taken."""
    result = distill(raw, refined, Terms(least_deleted=0))
    return result.program if isinstance(result, Distilled) else f"{result.reason} {result.detail}".strip()
