"""Pages of web archives to records with a text."""

import codecs
import importlib
import logging
import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Literal

from prox.corpora import json_text
from prox.corpora.records import Block
from prox.errors import UsageError

HtmlToText = Literal["resiliparse", "trafilatura"]

EXAMPLE: dict[str, Any] = {
    "id": "<urn:uuid:…>",
    "text": "…",
    "url": "https://…",
    "date": "2024-05-18T01:58:10Z",
    "record_type": "response",
    "status": 200,
    "content_type": "text/html",
    "charset": "utf-8",
    "language": "eng",
    "truncated": "length",
}
"""A record as `page_records` gives it, with a value for each field; what a page does not tell is None."""

_ESCAPING = ("iso2022", "iso-2022", "hz")
"""Charsets that write everything in ASCII, so that it passes for UTF-8."""


class NoTextError(ValueError):
    """A page that has no text; the message is a quarantine reason."""

    def __init__(self, reason: str, id: str | None) -> None:
        super().__init__(reason)
        self.id = id


def check_packages(html_to_text: HtmlToText = "resiliparse") -> None:
    """Make sure that web archives can be read.

    Raises:
        UsageError: A package is missing.
    """
    for package in dict.fromkeys(("fastwarc", "resiliparse", html_to_text)):
        try:
            importlib.import_module(package)
        except ImportError as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise UsageError(
                f"web archives (WARC, WET) need a package that is not installed: {reason}. "
                "Install it with: pip install 'prox-refine[warc]'"
            ) from error


def page_records(block: Block, html_to_text: HtmlToText) -> Iterator[tuple[int, bytes, Any]]:
    """Number, raw bytes and record of each page of a block; the record is a `NoTextError` where there is no text."""
    for number, raw in enumerate(block.payload, block.first_record):
        if isinstance(raw, bytes) and raw:
            yield number, raw, _record(raw, html_to_text)


def _record(raw: bytes, html_to_text: HtmlToText) -> dict[str, Any] | NoTextError:
    head, _, body = raw.partition(b"\n")
    fields: dict[str, Any] = json_text.loads(head)
    id = fields.pop("id")
    is_html = fields["content_type"] != "text/plain"
    try:
        text, fields["charset"] = decoded(body, fields["charset"], is_html)
        text = text.replace("\r\n", "\n")
        if is_html:
            text = _EXTRACTORS[html_to_text](text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of compiled code is no Exception
        reason = " ".join(str(error).split())[:200]
        return NoTextError(f"no text: {html_to_text} failed: {type(error).__name__}: {reason}", id)
    if not text or text.isspace():
        what = f"{html_to_text} finds none in the page" if is_html and body.strip() else "the page is empty"
        return NoTextError(f"no text: {what}", id)
    return {"id": id, "text": text, **fields}


def decoded(body: bytes, declared: str | None, is_html: bool) -> tuple[str, str]:
    """The characters of a page and the charset that gave them; nothing raises.

    What a server declares is often the charset of its configuration, while text that is valid UTF-8 and not ASCII is
    hardly ever anything else. So: a byte order mark, UTF-8 if it is valid, what the server says, what the page says,
    what its bytes look like.
    """
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

    for mark, charset in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if body.startswith(mark):
            return body[len(mark) :].decode(charset, "replace"), charset
    own = (map_encoding_to_html5(declared, fallback_utf8=False) if declared else None) or ""
    in_page = (detect_encoding(body, from_html_meta=True) if is_html else None) or ""
    for charset in (own, in_page):
        escaping = charset.startswith(_ESCAPING) or (charset.startswith("utf-16") and b"\0" in body[:1024])
        if escaping and (text := _strictly(body, charset)) is not None:
            return text, charset
    if (text := _strictly(body, "utf-8")) is not None:
        return text, "utf-8"
    found = detect_encoding(body) or "utf-8"
    for charset in (own, in_page, found):
        if charset and (text := _strictly(body, charset)) is not None:
            return text, charset
    charset = next((charset for charset in (own, in_page, found) if charset and _is_known(charset)), "utf-8")
    return bytes_to_str(body, charset, errors="replace", fallback_encodings=()), charset


_WIDER = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
}
"""What browsers read under these names (WHATWG, Encoding Standard, section 4.2) by its name in Python."""


def _strictly(body: bytes, charset: str) -> str | None:
    try:
        return body.decode(_WIDER.get(charset, charset))
    except (UnicodeError, LookupError):
        return None


def _is_known(charset: str) -> bool:
    try:
        b"".decode(charset)
    except (UnicodeError, LookupError):
        return False
    return True


def _by_resiliparse(html: str) -> str:
    """As DCLM did it (Li et al. 2024, section 4.2)."""
    from resiliparse.extract.html2text import extract_plain_text

    if _depth(html) > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST:,} elements inside one another")
    text: str = extract_plain_text(html, main_content=True, alt_texts=False)
    return text


_DEEPEST = 2000
_NESTED = re.compile(r"<(/?)(?:div|article)\b", re.IGNORECASE)


def _depth(html: str) -> int:
    """How deep those elements are nested for which resiliparse takes quadratic time: 16,000 take seconds."""
    tags = _NESTED.findall(html)
    if len(tags) <= _DEEPEST:
        return 0
    return max(accumulate(tags, lambda depth, tag: max(0, depth - 1) if tag else depth + 1, initial=0))


def _by_trafilatura(html: str) -> str:
    """As FineWeb did it (Penedo et al. 2024, section 3.2), but for `deduplicate`: it remembers other pages."""
    from trafilatura import extract

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what fails is told by the result
    text: str | None = extract(html, favor_precision=True, include_comments=False, deduplicate=False)
    return text or ""


_EXTRACTORS: dict[HtmlToText, Callable[[str], str]] = {
    "resiliparse": _by_resiliparse,
    "trafilatura": _by_trafilatura,
}
