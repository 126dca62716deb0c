"""Is this refiner asked in the right way? It refines pages whose noise is known, and every doubt is named."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prox.chunking import Chunk, chunk_document
from prox.document import Document, split_lines
from prox.program import DropDocument, Outcome, Policy, Program, RemoveLines, execute
from prox.refiners import Draft, Level
from prox.refiners.cascade import CascadeRefiner
from prox.refiners.language_model.causes import likely_cause
from prox.refiners.language_model.refiner import LanguageModelRefiner
from prox.runs.stages import Stage

WORST_LOSS = 0.2
"""A refiner that takes away a larger share of the content words of these pages is worth a warning."""


LEAST_FOUND = 0.5
"""A refiner that finds a smaller share of the noise lines of these pages is worth a warning, too."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page with known noise.

    Attributes:
        noise: The numbers of its noise lines.
        worthless: Nothing in it is worth keeping.
    """

    name: str
    text: str
    noise: frozenset[int]
    worthless: bool = False


def _page(name: str, marked: str, worthless: bool = False) -> Page:
    """Noise lines are marked by a `~` in front."""
    lines = split_lines(marked)
    noise = frozenset(number for number, line in enumerate(lines) if line.startswith("~"))
    return Page(name, "\n".join(line.removeprefix("~") for line in lines), noise, worthless)


PAGES = (
    _page(
        "an article among menus",
        """\
~Home | News | Sport | Weather | Log in
~You are here: Home > News > Science
Why the harbour seals came back
Forty years ago there were fewer than two hundred seals left in the bay, and most people thought that they had gone \
for good. Last winter the volunteers counted more than three thousand.
~Share this article: Facebook Twitter E-mail
The change began with the water. When the paper mill closed in 1994, the cod returned, and after the cod came the \
seals. Nobody had planned it, and nobody is quite sure that it will last.
~Advertisement
"We only watch and write down what we see," says Marta Lind, who has led the count since the beginning. She was a \
schoolteacher then, and the first list of animals hung on the wall of her classroom, with a pencil on a string beside \
it. Her pupils learned to tell a bull from a cow by the shape of the head, and to stay away from a pup that lies \
alone on the sand, because its mother is nearly always close by.
Not everybody is glad. The fishermen of the north shore say that a grown seal eats five kilograms of fish a day, and \
that nobody asked them. A study of the university found that most of what the seals eat is sand eel, which no boat in \
the bay has landed for thirty years, but the nets are torn all the same, and a torn net costs a week. Since last year \
the county pays for stronger ones, and the quarrel has become quieter.
What happens next depends on the ice. In mild winters there is none in the inner bay, and the pups are born on rocks \
that the autumn storms can reach. For now the numbers grow by a tenth every year, and the volunteers need a second \
notebook.
~Related articles: Ten beaches you must see | Best hotels by the sea | Subscribe to our newsletter
~© 2023 Bay Herald. All rights reserved. Privacy policy | Terms of use | Contact us""",
    ),
    _page(
        "a recipe with buttons",
        """\
~Skip to main content
~Print | Save | Rate this recipe (128 votes)
Barley soup with leeks
Rinse 150 g of pearl barley and let it soak for an hour. Cut two leeks into rings, and dice a carrot and some celery.
Sweat the vegetables in a little butter until they are soft, add the barley and a litre and a half of broth, and \
simmer everything gently for forty minutes. Season with nutmeg and a spoonful of vinegar.
The soup is thin when it is fresh and thick on the next day, when many people like it better. Let it cool before you \
put it away, and add a little water when you warm it up again, because the barley goes on drinking. If you want to \
cook it for guests who eat no butter, take oil from rapeseed instead, and roast the barley dry in the pot for a \
minute before you add anything else: that gives a taste of nuts which the butter would otherwise bring.
My grandmother served it with rye bread and a bowl of sour cream, and never without a sprig of lovage from the bed \
beside the kitchen door. In the war she had made it from barley alone, with an onion if there was one, and she used \
to say that the leeks were her peace. The quantities are enough for four people, or for two who come home from the \
forest.
~Click here to leave a comment
~Next recipe >>
~Follow us on Instagram! Cookies help us deliver our services.""",
    ),
    _page(
        "nothing but links",
        """\
~Cheap shoes online - best prices - free shipping
~Men | Women | Kids | Sale | Outlet
~Add to cart  Add to wishlist  Compare
~cheap shoes, buy shoes, shoes online, discount shoes, shoes sale, best shoes 2023
~Sort by: price | popularity | newest
~1 2 3 4 5 ... 118 Next
~Sign up for our newsletter and get 10 % off!""",
        worthless=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What happened to one page.

    Attributes:
        page: Its name.
        prompt: What the language model was shown; "" for other refiners.
        written: What it wrote; at document level, what it would write if it were left to write.
        score: The keep score at document level, if there is one.
        outcome: Of the program, without word limits.
        failures: Why there is no usable program.
        cut_off: The model was still writing at its limit of tokens.
        noise_found: Share of the noise lines that were removed; 1.0 if the page was dropped.
        content_lost: Share of the content words that were removed.
        words: Of the page and of what is left.
    """

    page: str
    prompt: str
    written: str | None
    score: float | None
    outcome: Outcome
    failures: tuple[str, ...]
    cut_off: bool
    noise_found: float
    content_lost: float
    words: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is to be said of one stage.

    Attributes:
        facts: Name and value of what was found out about the model.
        problems: It must not be used like this; the last one names the likely cause.
        warnings: It can be used, but look first.
    """

    stage: str
    level: Level
    facts: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def examine(stage: Stage) -> Diagnosis:
    """Let a stage refine the built-in pages."""
    policy = replace(stage.policy, least_share=None, least_words=None)
    refiner = stage.refiner
    window = refiner.window if refiner.level == Level.CHUNK else None
    chunks = [
        next(chunk for chunk in chunk_document(Document(page.name, page.text), window) if not chunk.skipped)
        for page in PAGES
    ]
    model = refiner.second if isinstance(refiner, CascadeRefiner) else refiner
    drafts = model.refine(chunks)
    written = _written(model, chunks, drafts) if isinstance(model, LanguageModelRefiner) else [("", None)] * len(PAGES)
    findings = tuple(
        _finding(page, draft, shown, policy) for page, draft, shown in zip(PAGES, drafts, written, strict=True)
    )
    problems, warnings = _judge(refiner.level, findings)
    facts = _facts(model) if isinstance(model, LanguageModelRefiner) else ()
    return Diagnosis(stage.name, refiner.level, facts, findings, tuple(problems), tuple(warnings))


def _written(
    model: LanguageModelRefiner, chunks: Sequence[Chunk], drafts: Sequence[Draft]
) -> list[tuple[str, str | None]]:
    """Prompt and output of each chunk. A comparison of answers writes nothing, so the model is asked to."""
    requests = [model.request(chunk) for chunk in chunks]
    prompts = [
        request.prompt and request.begin + request.prompt
        if request.messages is None
        else "\n".join(f"{message.role}: {message.content}" for message in request.messages)
        for request in requests
    ]
    if model.level == Level.CHUNK:
        return list(zip(prompts, [draft.raw_output for draft in drafts], strict=True))
    completions = model.engine.generate(requests)
    return [(prompt, each.error or each.text) for prompt, each in zip(prompts, completions, strict=True)]


def _facts(model: LanguageModelRefiner) -> tuple[tuple[str, str], ...]:
    engine, family = model.engine, model.family
    parameters = "unknown" if engine.parameters is None else f"{engine.parameters / 1e6:,.0f} million"
    return (
        ("family", f"{family.name} ({family.dialect.name} programs)"),
        ("engine", engine.fingerprint),
        ("context", "unknown" if engine.context is None else f"{engine.context:,} tokens"),
        ("parameters without embeddings", parameters),
        ("tokens", "counted by the model's own tokenizer" if engine.tokens.exact else "estimated by bytes"),
    )


def _finding(page: Page, draft: Draft, shown: tuple[str, str | None], policy: Policy) -> Finding:
    outcome = execute(page.text, draft.program, policy)
    lines = split_lines(page.text)
    removed = set(range(len(lines))) if outcome.dropped else set()
    for operation in outcome.program.operations:
        if isinstance(operation, RemoveLines):
            removed.update(range(operation.first, operation.last + 1))
    content = [number for number in range(len(lines)) if number not in page.noise]
    words = {number: len(lines[number].split()) for number in content}
    lost = sum(count for number, count in words.items() if number in removed)
    return Finding(
        page=page.name,
        prompt=shown[0],
        written=shown[1],
        score=draft.score,
        outcome=outcome,
        failures=draft.errors,
        cut_off=draft.finish_reason == "length",
        noise_found=len(removed & page.noise) / len(page.noise),
        content_lost=lost / max(1, sum(words.values())),
        words=(len(page.text.split()), len((outcome.text or "").split())),
    )


def _judge(level: Level, findings: Sequence[Finding]) -> tuple[list[str], list[str]]:
    problems = [f"{each.page}: {failure}" for each in findings for failure in each.failures]
    problems += [
        f"{each.page}: the program is cut off at the limit of tokens"
        for each in findings
        if each.cut_off and not each.failures
    ]
    warnings = [
        f"{each.page}: {rejected.reason}: {Program((rejected.operation,))}"
        for each in findings
        for rejected in each.outcome.rejected
    ]
    warnings += [f"{each.page}: {error.message}: {error.snippet}" for each in findings for error in each.outcome.errors]
    ignored = [each for each in findings if "ignored" in each.outcome.reason]
    problems += [f"{each.page}: {each.outcome.reason}" for each in ignored]
    if not problems:
        problems += _no_effect(level, findings)
        found = sum(each.noise_found for each in findings) / len(findings)
        if level == Level.CHUNK and found < LEAST_FOUND:
            warnings.append(f"only {found:.0%} of the noise lines are removed, on average")
        for each, page in zip(findings, PAGES, strict=True):
            if level == Level.CHUNK and each.content_lost > WORST_LOSS:
                warnings.append(f"{each.page}: {each.content_lost:.0%} of its content is removed")
            if level == Level.DOCUMENT and each.outcome.dropped and not page.worthless:
                warnings.append(f"{each.page}: it is dropped, although it is worth keeping")
    if cause := likely_cause(dict.fromkeys(problems, 1)):
        problems.append(cause)
    return problems, warnings


def _no_effect(level: Level, findings: Sequence[Finding]) -> list[str]:
    if level == Level.DOCUMENT:
        drops = [any(isinstance(each, DropDocument) for each in finding.outcome.applied) for finding in findings]
        if not any(drops):
            return ["no effect: it keeps every page, even one that is nothing but links"]
        return ["it drops every page, even an article and a recipe"] if all(drops) else []
    if not any(finding.outcome.edited or finding.outcome.dropped for finding in findings):
        return ["no effect: it removes nothing from any page, although they are full of noise"]
    return []
