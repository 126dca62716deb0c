"""A language model as a refiner: chunks to prompts, what it wrote to programs, and each failure to its one chunk."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from prox.chunking import Chunk, Window
from prox.document import join_lines, split_lines
from prox.errors import UsageError
from prox.program import (
    DropDocument,
    InsertLine,
    KeepDocument,
    Operation,
    ParseError,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
    Scope,
)
from prox.refiners.draft import Draft, Level
from prox.refiners.language_model.engine import Comparison, Completion, Engine, Message, Request
from prox.refiners.language_model.families import Family
from prox.refiners.language_model.layouts import PLACE, USUAL_CONTROL

LEAST_MASS = 0.01
"""If the two answers together are less probable, the model has not understood that it is asked for one of them."""

LEAST_ROOM = 64
"""Tokens of a page that a prompt must have room for."""

MOST_ERRORS = 3
"""Failures of the parts of one chunk that are told one by one."""

MOST_REPEATS = 3
"""A model that writes the same operation more often than this is going round in circles."""

SNIPPET = 60
"""Characters of an output that an error quotes."""


class LanguageModelRefiner:
    """Asks a model of a family, through an engine.

    Document level: the probabilities of the two answers are compared in one forward step. Chunk level: the program is
    generated greedily.
    """

    def __init__(
        self, engine: Engine, family: Family, *, keep_threshold: float | None = None, constrain: bool = False
    ) -> None:
        """`constrain`: only programs of the dialect's grammar for the chunk can be written."""
        self.engine = engine
        self.family = family
        self.level = family.level
        self.window = None if family.window is None else Window(family.window, self.measure, family.overlap)
        self.policy = family.policy
        self.parameters = engine.parameters
        self._keep_threshold = 0.5 if keep_threshold is None else keep_threshold
        self.threshold = self._keep_threshold if self.level == Level.DOCUMENT else None
        self._constrain = constrain
        most = family.max_new_tokens
        self.max_new_tokens = most if engine.context is None else max(1, min(most, engine.context // 2))
        self._check_room()
        self._prefix = family.dialect.number([""], 0)
        layout = family.layout
        self._control = tuple(
            sorted(
                {*(layout.control if layout else USUAL_CONTROL), *engine.tokens.special} - {""},
                key=lambda text: (-len(text), text),
            )
        )
        threshold = f":keep={self._keep_threshold!r}" if self.level == Level.DOCUMENT else ""
        tokens = "exact" if engine.tokens.exact else "estimated"
        self.fingerprint = (
            f"{engine.fingerprint}:{family_fingerprint(family)}:context={engine.context}:{tokens}{threshold}"
            + (":constrained" if constrain else "")
        )

    def _check_room(self) -> None:
        """
        Raises:
            UsageError: The prompt leaves a document so little room that nothing could be said of it.
        """
        context = self.engine.context
        if context is None:
            return
        room = context - self._around() - self.max_new_tokens
        if room < LEAST_ROOM:
            raise UsageError(
                f"the model's context of {context} tokens is too short for the family {self.family.name}: its prompts "
                f"take {self._around()}, programs up to {self.max_new_tokens}, and pages need {LEAST_ROOM} at least"
            )

    def _around(self) -> int:
        """The tokens of a prompt without a document."""
        layout, messages = self.family.layout, self.family.messages
        if layout is not None:
            return self.engine.tokens.count(layout.begin + layout.before + layout.after) + 2
        turns = 8 * len(messages)  # what a chat server puts around them
        return self.engine.tokens.count("".join(each.role + each.content for each in messages)) + turns + 2

    def measure(self, line: str) -> int:
        """The size of a line in a window, with its number and its line break."""
        if self.family.window_unit == "characters":
            return len(self._prefix) + len(line) + 1
        return self.engine.tokens.count(self._prefix + line) + 1

    def request(self, chunk: Chunk) -> Request:
        """What the model is asked about a chunk, or about a document at document level."""
        return self._request(chunk, constrained=self._constrain and self.level == Level.CHUNK)

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        drafts: list[Draft] = [Draft(Program((KeepDocument(),)), asked=False)] * len(chunks)
        asked = [place for place, chunk in enumerate(chunks) if chunk.text and not chunk.text.isspace()]
        work = self._judge if self.level == Level.DOCUMENT else self._edit
        for place, draft in zip(asked, work([chunks[place] for place in asked]), strict=True):
            drafts[place] = draft
        return drafts

    # Document level

    def _judge(self, chunks: Sequence[Chunk]) -> list[Draft]:
        requests = [self.request(chunk) for chunk in chunks]
        comparisons = self.engine.compare(requests, self.family.answers)
        for place, comparison in enumerate(comparisons):
            if comparison.too_long:  # only a server says so after the fact: its tokens were estimated
                comparisons[place] = self._ask_with_less(chunks[place])
        return [self._decide(comparison) for comparison in comparisons]

    def _ask_with_less(self, chunk: Chunk) -> Comparison:
        while True:
            chunk = replace(chunk, text=chunk.text[: min(len(chunk.text), len(self._body(chunk))) * 2 // 3])
            (comparison,) = self.engine.compare([self.request(chunk)], self.family.answers)
            if not comparison.too_long or len(chunk.text) < SNIPPET:
                return comparison

    def _decide(self, comparison: Comparison) -> Draft:
        draft = Draft(Program(), tokens_in=comparison.tokens_in, tokens_out=comparison.tokens_out)
        if comparison.error:
            return replace(draft, errors=(comparison.error,), finish_reason="error")
        if comparison.text is not None:
            written = Completion(comparison.text, tokens_in=comparison.tokens_in, tokens_out=comparison.tokens_out)
            return self._draft(written, None, constrained=False)
        keep, drop = comparison.probabilities
        if keep + drop < LEAST_MASS:
            error = (
                f"the model answers something else: its two answers together have a probability of {keep + drop:.1g}"
            )
            return replace(draft, errors=(error,))
        score = keep / (keep + drop)
        decision: Operation = KeepDocument() if score >= self._keep_threshold else DropDocument()
        return replace(draft, program=Program((decision,)), score=score)

    # Chunk level

    def _edit(self, chunks: Sequence[Chunk]) -> list[Draft]:
        """Chunks that turn out too long for the model are halved between lines until their parts fit."""
        parts: list[list[tuple[Chunk, Completion]]] = [[] for _ in chunks]
        waiting = list(enumerate(chunks))
        while waiting:
            completions = self.engine.generate([self.request(part) for _, part in waiting])
            halves: list[tuple[int, Chunk]] = []
            for (place, part), completion in zip(waiting, completions, strict=True):
                if completion.too_long and (part.context or part.last_line > part.first_line):
                    halves += [(place, half) for half in _halves(part)]
                else:
                    parts[place].append((part, completion))
            waiting = halves
        return [self._joined(chunk, own) for chunk, own in zip(chunks, parts, strict=True)]

    def _joined(self, chunk: Chunk, parts: list[tuple[Chunk, Completion]]) -> Draft:
        drafts = [self._draft(completion, part, self._constrain) for part, completion in parts]
        if len(drafts) == 1:
            return drafts[0]
        placed = sorted(zip([part for part, _ in parts], drafts, strict=True), key=lambda pair: pair[0].first_line)
        operations: list[Operation] = []
        errors: list[ParseError] = []
        for part, draft in placed:
            for operation in draft.program.operations:
                if _within(operation, part.scope):
                    operations.append(_bounded(operation, part.scope))
                else:
                    errors.append(ParseError(0, 0, "outside the lines that the model was shown", str(operation)))
            errors += draft.program.errors
        return Draft(
            Program(tuple(operations), tuple(errors)),
            raw_output="\n".join(draft.raw_output or "" for _, draft in placed),
            finish_reason=placed[-1][1].finish_reason,
            tokens_in=sum(draft.tokens_in for draft in drafts),
            tokens_out=sum(draft.tokens_out for draft in drafts),
            errors=_shortened([error for _, draft in placed for error in draft.errors]),
        )

    def _draft(self, completion: Completion, chunk: Chunk | None, constrained: bool) -> Draft:
        draft = Draft(
            Program(),
            raw_output=completion.text,
            finish_reason=completion.finish_reason,
            tokens_in=completion.tokens_in,
            tokens_out=completion.tokens_out,
        )
        if completion.error:
            return replace(draft, raw_output=None, errors=(completion.error,))
        if not completion.text.strip():
            return replace(draft, errors=("empty output",))
        text = _PAIR.sub(_character, completion.text)
        program = self.family.dialect.parse(text, None if chunk is None else chunk.scope)
        cut_off = completion.finish_reason == "length"
        if cut_off and constrained:  # whatever comes before the cut is a sound program, only its last call is not
            program = replace(program, errors=())
        elif cut_off:
            return replace(draft, errors=(f"the program is cut off after {completion.tokens_out} tokens",))
        if not program.operations and cut_off:
            return replace(draft, errors=(f"the program is cut off before its first call is whole: {_snippet(text)}",))
        if not program.operations:
            return replace(draft, errors=(f"the output is no program: {_snippet(completion.text)}",))
        operation, repeats = Counter(program.operations).most_common(1)[0]
        if repeats > MOST_REPEATS and not constrained:
            repeated = _snippet(str(Program((operation,))))
            return replace(draft, errors=(f"the program repeats itself: {repeats} times {repeated}",))
        operations = dict.fromkeys(program.operations)  # each once, in order
        if chunk is not None and chunk.context:
            operations = dict.fromkeys(_without_context(list(operations), chunk))
        return replace(draft, program=replace(program, operations=tuple(operations)))

    # Prompts

    def _request(self, chunk: Chunk, constrained: bool) -> Request:
        body = self._body(chunk)
        layout = self.family.layout
        messages = None
        if layout is None:
            *turns, last = self.family.messages
            messages = (*turns, Message(last.role, last.content.replace(PLACE, body)))
        return Request(
            prompt=body if layout is None else layout.before + body + layout.after,
            begin="" if layout is None else layout.begin,
            messages=messages,
            max_new_tokens=self.max_new_tokens,
            stop=self.family.stop,
            grammar=self._grammar(chunk) if constrained else None,
        )

    def _grammar(self, chunk: Chunk) -> str:
        return self.family.dialect.grammar(chunk.text, chunk.first_line, self.policy.deletions_only)

    def _body(self, chunk: Chunk) -> str:
        lines = [*chunk.context, *split_lines(chunk.text)]
        if self.level == Level.DOCUMENT:
            body = self._without_control(join_lines(lines))
            most = self._most_document_tokens()
            if most is not None:
                body = self.engine.tokens.cut(body, most)
        else:
            body = self._without_control(self.family.dialect.number(lines, chunk.first_line - len(chunk.context)))
        layout = self.family.layout
        return body.rstrip() if layout is not None and layout.strip_end else body

    def _most_document_tokens(self) -> int | None:
        """The room that the context leaves a document, if that is less than what the family shows of one."""
        most, context = self.family.most_document_tokens, self.engine.context
        if context is None:
            return most
        room = context - self._around() - self.max_new_tokens
        return room if most is None else min(most, room)

    def _without_control(self, body: str) -> str:
        """A page must not end the prompt: texts that steer the model are broken by a space."""
        for text in self._control:
            if text in body:
                body = body.replace(text, f"{text[0]} {text[1:]}" if len(text) > 1 else " ")
        return body


def shown_prompt(refiner: object) -> dict[str, object] | None:
    """What `run.json` says about the prompts of a refiner; None for one without."""
    model = getattr(refiner, "second", refiner)
    if not isinstance(model, LanguageModelRefiner):
        return None
    family, layout = model.family, model.family.layout
    return {
        "family": family.name,
        "fingerprint": family_fingerprint(family),
        "dialect": family.dialect.name,
        "before": None if layout is None else layout.begin + layout.before,
        "after": None if layout is None else layout.after,
        "messages": [[message.role, message.content] for message in family.messages] if layout is None else None,
        "max_new_tokens": model.max_new_tokens,
        "tokens": "exact" if model.engine.tokens.exact else "estimated",
    }


_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


def _character(pair: re.Match[str]) -> str:
    """Models write characters beyond the first plane as JSON does: as two halves."""
    return bytes.fromhex(pair[1] + pair[2]).decode("utf-16-be")


def family_fingerprint(family: Family) -> str:
    """Changes with everything that the model is shown, and how its answer is read."""
    shown = repr((family.layout, family.messages, family.window, family.window_unit, family.overlap))
    limits = repr((family.most_document_tokens, family.max_new_tokens, family.stop, family.answers))
    digest = hashlib.sha256(f"{family.dialect.name}\0{shown}\0{limits}".encode("utf-8", "surrogatepass"))
    return f"{family.name}-{digest.hexdigest()[:12]}"


def _halves(chunk: Chunk) -> list[Chunk]:
    """Less of it: without its context, or else its two halves."""
    if chunk.context:
        return [replace(chunk, context=())]
    lines = split_lines(chunk.text)
    middle = len(lines) // 2
    return [
        replace(chunk, text=join_lines(lines[:middle])),
        replace(chunk, text=join_lines(lines[middle:]), first_line=chunk.first_line + middle),
    ]


def _within(operation: Operation, scope: Scope) -> bool:
    match operation:
        case RemoveLines(first, last):
            return scope.first <= first <= last <= scope.last
        case ReplaceOnce(line=line):
            return scope.first <= line <= scope.last
        case InsertLine(after=after):
            return scope.first - 1 <= after <= scope.last
        case _:
            return True


def _bounded(operation: Operation, scope: Scope) -> Operation:
    """A replacement without bounds is about the lines that the model was shown."""
    if not isinstance(operation, Replace):
        return operation
    first = scope.first if operation.first is None else operation.first
    last = scope.last if operation.last is None else operation.last
    return replace(operation, first=first, last=last)


def _without_context(operations: list[Operation], chunk: Chunk) -> list[Operation]:
    """Lines of the context were decided by the program of the window before; what is left may be nothing."""
    kept: list[Operation] = []
    for operation in operations:
        match operation:
            case RemoveLines(first, last) if 0 <= first < chunk.first_line and first <= last:
                if last >= chunk.first_line:
                    kept.append(RemoveLines(chunk.first_line, last))
            case ReplaceOnce(line=line) if 0 <= line < chunk.first_line:
                pass
            case InsertLine(after=line) if -1 <= line < chunk.first_line:
                pass
            case _:
                kept.append(operation)
    return kept or [KeepDocument()]


def _shortened(errors: Sequence[str]) -> tuple[str, ...]:
    rest = len(errors) - MOST_ERRORS
    return tuple(errors[:MOST_ERRORS]) + ((f"and {rest} more parts of it failed",) if rest > 0 else ())


def _snippet(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SNIPPET else line[:SNIPPET] + " …"
