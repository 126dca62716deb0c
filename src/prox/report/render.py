"""From figures to a page of HTML that stands alone: nothing is loaded, and nothing in a document can run.

Templates escape what they are given; documents travel as JSON in a block that no browser executes, and are shown as
text; and a Content-Security-Policy names the one style and the one script by their hashes.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from prox.readable import duration, short
from prox.visible import visible


def render(template: str, documents: Any, **values: Any) -> bytes:
    """Args:
    documents: What the browser of documents gets as JSON.
    """
    style, script = _asset("style.css"), _asset("browser.js")
    allowed = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    html = (
        _environment()
        .get_template(template)
        .render(policy=policy, style=Markup(style), script=Markup(script), data=Markup(as_json(documents)), **values)
    )
    return html.encode("utf-8", "replace")


def as_json(value: Any) -> str:
    """JSON that ends no script block and opens no comment, whatever is in it.

    >>> as_json("</script><!--")
    '"\\\\u003c/script\\\\u003e\\\\u003c!--"'
    """
    text = orjson.dumps(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _asset(name: str) -> str:
    return files("prox.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("prox.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": visible,
        "number": _number,
        "percent": _percent,
        "flops": _flops,
        "duration": duration,
        "short": short,
    }
    return environment


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _flops(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
