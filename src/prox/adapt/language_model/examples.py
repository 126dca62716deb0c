"""From labelled documents to what a model is shown and what it shall write."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prox.adapt.labels import NEUTRAL, LabelledPage
from prox.chunking import Chunk, chunk_document
from prox.document import Document, split_lines
from prox.errors import UsageError
from prox.program import (
    Dialect,
    DropDocument,
    InsertLine,
    KeepDocument,
    Operation,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
)
from prox.program.from_labels import program_from_labels
from prox.refiners.draft import Level
from prox.refiners.language_model.refiner import LanguageModelRefiner


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt and its answer.

    Attributes:
        document_id: The document it is from.
        site: Of that document.
        prompt: Rendered, whole, with the text of the token that begins every text.
        body: The part of it that is the document's.
        program: What the model shall write, in its dialect.
        touched: Whether the program changes anything.
        tokens_in: Of the prompt.
        tokens_out: Of the program with the token that ends it.
    """

    document_id: str
    site: str
    prompt: str
    body: str
    program: str
    touched: bool
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A chunk that is not trained on, and why."""

    reason: str


def examples_of(page: LabelledPage, writer: LanguageModelRefiner) -> list[Example | Passed]:
    """The examples of a document, cut and shown as the model will see them.

    Args:
        page: The document with its program.
        writer: From `prompts.prompt_writer`.
    """
    program = program_of(page, writer.level)
    chunks = chunk_document(Document(page.id, page.text), writer.window)
    out: list[Example | Passed] = []
    for chunk in chunks:
        if chunk.skipped:
            out.append(Passed("a line longer than the window"))
        elif not chunk.text.strip():
            out.append(Passed("blank"))
        else:
            out.append(_example(page, program, chunk, writer))
    return out


def program_of(page: LabelledPage, level: Level) -> Program:
    """The program that a page should get; its labels must be of that level."""
    if level == Level.DOCUMENT:
        return Program((KeepDocument() if page.keep else DropDocument(),))
    if page.program is not None:
        return page.program
    partials: dict[int, list[tuple[int, int]]] = {}
    for line, start, end in page.partials:
        partials.setdefault(line, []).append((start, end))
    noise = (page.labels == 1).astype(int).tolist()
    neutral = frozenset((page.labels == NEUTRAL).nonzero()[0].tolist())
    return program_from_labels(split_lines(page.text), noise, neutral, partials)


def _example(page: LabelledPage, wanted: Program, chunk: Chunk, writer: LanguageModelRefiner) -> Example | Passed:
    dialect = writer.family.dialect
    try:
        operations = list(wanted.operations) if writer.level == Level.DOCUMENT else said(wanted, chunk, dialect)
        program = dialect.render(Program(tuple(operations)))
    except UsageError:
        return Passed(f"{dialect.name} cannot say the program")
    request = writer.request(chunk)
    tokens = writer.engine.tokens
    tokens_in = tokens.count(request.begin + request.prompt)
    tokens_out = tokens.count(program) + 1
    if tokens_out > writer.max_new_tokens:
        return Passed(f"a program of more than {writer.max_new_tokens} tokens")
    if writer.engine.context is not None and tokens_in + writer.max_new_tokens > writer.engine.context:
        return Passed("a prompt that does not fit the model's context")
    layout = writer.family.layout
    body = (
        request.prompt
        if layout is None
        else request.prompt[len(layout.before) : len(request.prompt) - len(layout.after)]
    )
    touched = any(not isinstance(each, KeepDocument) for each in operations)
    return Example(page.id, page.site, request.begin + request.prompt, body, program, touched, tokens_in, tokens_out)


def said(program: Program, chunk: Chunk, dialect: Dialect) -> list[Operation]:
    """What a document's program does to a chunk, in operations of a dialect, in the order of the lines.

    Raises:
        UsageError: The dialect has no words for one of them.
    """
    first, last = chunk.first_line, chunk.last_line
    lines = split_lines(chunk.text)
    placed: list[tuple[int, Operation]] = []
    for each in program.operations:
        match each:
            case RemoveLines(start, end) if start <= last and end >= first:
                placed.append((max(start, first), RemoveLines(max(start, first), min(end, last))))
            case ReplaceOnce(line) if first <= line <= last:
                placed.append((line, _replacement(each, chunk.text, dialect)))
            case Replace(source) if source in chunk.text:
                placed += _in_lines(each, lines, first, dialect)
            case InsertLine(after) if first <= max(after, 0) <= last:  # -1 stands before the first line
                placed.append((after, each))
            case DropDocument():
                placed.append((first, RemoveLines(first, last)))
    operations = [operation for _, operation in sorted(placed, key=lambda pair: pair[0])]
    return list(dict.fromkeys(operations)) or [KeepDocument()]


def _replacement(operation: ReplaceOnce, text: str, dialect: Dialect) -> Operation:
    if dialect.name != "prox-chunk":
        return operation
    if text.count(operation.source) != 1:
        raise UsageError("the same string stands elsewhere in the chunk, and this dialect names no line")
    return Replace(operation.source, operation.target)


def _in_lines(operation: Replace, lines: Sequence[str], first: int, dialect: Dialect) -> list[tuple[int, Operation]]:
    """A replacement within its bounds, line by line where the dialect wants it so."""
    begin = max(first, operation.first or 0)
    end = min(first + len(lines) - 1, first + len(lines) - 1 if operation.last is None else operation.last)
    if "\n" in operation.source:
        raise UsageError("a string that spans lines has no line, and its places cannot be told from others")
    found = [number for number in range(begin, end + 1) if operation.source in lines[number - first]]
    if dialect.name == "prox-chunk":
        if any(operation.source in line for number, line in enumerate(lines, first) if not begin <= number <= end):
            raise UsageError("the same string stands outside the lines that it is to be replaced in")
        return [(found[0], Replace(operation.source, operation.target))] if found else []
    if any(lines[number - first].count(operation.source) > 1 for number in found):
        raise UsageError("the string stands in a line more than once, and this dialect replaces one that is alone")
    return [(number, ReplaceOnce(number, operation.source, operation.target)) for number in found]


def total(examples: Iterable[Example]) -> tuple[int, int]:
    """Tokens of all prompts, and of all programs."""
    tokens_in = tokens_out = 0
    for each in examples:
        tokens_in += each.tokens_in
        tokens_out += each.tokens_out
    return tokens_in, tokens_out
