"""A server's URL and the key to it: what may be shown of them, and what is masked wherever it turns up."""

import base64
import ipaddress
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from prox.errors import UsageError

KEY_VARIABLES = ("PROX_API_KEY", "OPENAI_API_KEY")
"""Where the API key comes from, and nowhere else; the first one set counts."""

ERROR_LENGTH = 200
"""Characters of an error text; it is stored with each document."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A URL and the key, taken apart.

    Attributes:
        shown: The URL without what may not be shown.
        query: The rest of it, to be sent.
        authorization: The header; "" without one.
        secrets: What to mask, the longest first.
        key_variable: Where the key was found; "" without one.
        local: The server runs on this machine.
    """

    shown: str
    query: str = field(repr=False)
    authorization: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    key_variable: str = ""
    local: bool = False

    def masked(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def line(self, text: str) -> str:
        """Anything as a short printable line without secrets."""
        text = self.masked(text)  # first: a secret that is cut off would not be recognised
        text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
        return text if len(text) <= ERROR_LENGTH else text[: ERROR_LENGTH - 1] + "…"

    def log_filter(self, record: logging.LogRecord) -> bool:
        """For a logger: httpx logs the URL of each request, with its query."""
        record.msg, record.args = self.masked(record.getMessage()), ()
        return True


def parse_address(url: str, environment: Mapping[str, str]) -> ServerAddress:
    """Take a URL apart, and look for the key.

    Raises:
        UsageError: It is none, or the key in the environment cannot be one.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is none raises
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        harmless = re.sub(r"^.*@|[?#].*$", "", url, flags=re.DOTALL)
        raise UsageError(f"{harmless!r} is not the URL of a server; an example: http://127.0.0.1:8000/v1")
    key_variable = next((each for each in KEY_VARIABLES if environment.get(each, "").strip()), "")
    key = environment.get(key_variable, "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(f"the environment variable {key_variable} holds signs that no API key has")
    user, _, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    basic = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode() if user else ""
    authorization = f"Basic {basic}" if basic else f"Bearer {key}" if key else ""
    secrets = {key, basic, password or name, unquote(password or name)}
    secrets |= {pair.partition("=")[2] for pair in parts.query.split("&")}
    secrets |= {value for _, value in parse_qsl(parts.query)}
    # What is shorter protects nothing ("none", as a key, is usual), and masking it would garble the texts.
    hidden = sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True)
    shown = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    return ServerAddress(shown, parts.query, authorization, tuple(hidden), key_variable, _is_local(host))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
