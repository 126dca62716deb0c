"""Runs to report on: small corpora, really refined."""

import json
from html.parser import HTMLParser
from pathlib import Path

from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus

PROSE = "The old bridge over the river was built of stone by people who came from far away."
HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    "<!-- <img src=x onerror='window.hacked = 2'>",
    "{{ 7 * 7 }} {% raw %} &lt;b&gt; ${window.hacked = 3}",
    "right \u202eto left\u202c \x1b[31m \x00 \u2028 end",
    "'\"><svg onload=window.hacked=4>",
]


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def records(count=40):
    """Pages with menus that C4's rules remove; every fourth is too short and dropped."""
    for number in range(count):
        prose = [
            f"{PROSE} Page {number} has a sentence of its own, {place}." for place in range(6 if number % 4 else 1)
        ]
        lines = ["Home", "Log in", f"Read {number} comments", *prose, f"It was cited.[{number}]", "Privacy policy"]
        site = f"https://www.site-{number % 5}.example/{number}"
        yield {"id": f"page-{number}", "text": "\n".join(lines), "url": site, "language": "de" if number % 3 else "en"}


def refine(source, output, refiner="rules:c4", **fields):
    recipe = make_recipe(input=(str(source),), output=str(output), stages=(refiner,), workers=1, **fields)
    return refine_corpus(recipe, lambda progress: None)


class Parsed(HTMLParser):
    """Tags with their attributes, and what stands in scripts and styles."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.inside, self._open = [], [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside.append([tag, dict(attrs), ""])
            self._open = tag

    def handle_endtag(self, tag):
        self._open = None if tag == self._open else self._open

    def handle_data(self, data):
        if self._open:
            self.inside[-1][2] += data


def read(path):
    html = Path(path).read_text(encoding="utf-8")
    parsed = Parsed(html)
    (data,) = [text for tag, attributes, text in parsed.inside if attributes.get("type") == "application/json"]
    return html, parsed, json.loads(data)
