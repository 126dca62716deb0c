"""Prompts of our own that turn any chat model into a refiner, without training."""

from prox.document import split_lines
from prox.program import PROX_CHUNK
from prox.refiners.draft import Level
from prox.refiners.language_model.engine import Message
from prox.refiners.language_model.layouts import PLACE

_JUDGE = """\
You decide which web pages are worth reading for a language model that learns from text.
Keep a page whose main part is real content: an article, an explanation, a story, a discussion, a recipe, a manual.
Keep it although menus, links or advertisements stand around that content: they are removed later.
Drop a page that has little but menus, lists of links, product listings, error messages, login forms, keywords or spam.
Answer with one call and nothing else: keep_doc() or drop_doc()."""

_EDIT = """\
You remove noise from web pages so that a language model can learn from the rest. Each line of a page begins with its
number in brackets.
Noise is what a page says about itself and not about its subject: menus, breadcrumbs, share and login buttons, cookie
notices, advertisements, lists of related pages, tags, counters, copyright lines, footers.
Never remove sentences of the content, headings, quotes, lists, tables, code or formulas. In doubt, keep the line.
Answer with calls and nothing else, one a line:
remove_lines(line_start=A, line_end=B) removes lines A to B, both included
normalize(source_str="S", target_str="") removes the string S from a line that is otherwise good
keep_chunk() if there is nothing to remove"""

_GARDEN = """\
Home
Forum
Gardening tips
How to sow carrots
Carrots do not like to be moved, so sow them where they shall grow. Wait until the soil has warmed to about eight \
degrees, draw a shallow furrow and mix the fine seed with dry sand to spread it evenly. Keep the bed moist for three \
weeks, because the seeds are slow to wake.
Share
Privacy"""

_FLIGHTS = """\
Cheap flights
Cheap hotels
Cheap cars
Flights to Rome
Flights to Oslo
Flights to Lima
Sign in
Register
Best price guaranteed!!! Book now
Flights to Rome cheap flights Rome low cost Rome flight deals"""

_BRIDGE = """\
In 1911 the town built its second bridge. The first one had been carried away by the flood two winters before, and for \
a while a ferry was the only way across. The engineer, a quiet man named Holm, chose stone."""

_MISSING = """\
404
The page you are looking for does not exist.
Go back to the home page"""

_LIGHTHOUSE = """\
Home | News | Shop | Contact
Log in
The lighthouse keeper's last winter
When the automatic lamp was installed in 1968, nobody told the keeper that he could leave. He stayed until April.
Share on Twitter
His diary, found under the stairs, lists the weather and the ships. [edit]
Related: Ten lighthouses you should see
© 2019 Coast Magazine. All rights reserved."""

_LIGHTHOUSE_EDITED = """\
remove_lines(line_start=0, line_end=1)
remove_lines(line_start=4, line_end=4)
normalize(source_str=" [edit]", target_str="")
remove_lines(line_start=6, line_end=7)"""

_DOUGH = """\
To fold the dough, wet your hands, take one edge, stretch it upwards and lay it over the middle.
Turn the bowl by a quarter and do the same again, four times in all.
Let it rest for half an hour."""

_JUDGED = (
    (_GARDEN, "keep_doc()"),
    (_FLIGHTS, "drop_doc()"),
    (_BRIDGE, "keep_doc()"),
    (_MISSING, "drop_doc()"),
)
_EDITED = ((_DOUGH, "keep_chunk()"), (_LIGHTHOUSE, _LIGHTHOUSE_EDITED))


def conversation(level: Level, system: str | None = None) -> tuple[Message, ...]:
    """The examples, and last the turn in which `PLACE` stands for the document or the numbered lines of a chunk.

    Args:
        level: Judge documents or edit chunks.
        system: Instructions instead of ours.
    """
    document = level == Level.DOCUMENT
    examples = _JUDGED if document else _EDITED
    turns = [Message("system", system or (_JUDGE if document else _EDIT))]
    for text, answer in examples:
        shown = text if document else PROX_CHUNK.number(split_lines(text), 0)
        turns += [Message("user", _asked(shown)), Message("assistant", answer)]
    return (*turns, Message("user", _asked(PLACE)))


def _asked(text: str) -> str:
    return f"<page>\n{text}\n</page>"
