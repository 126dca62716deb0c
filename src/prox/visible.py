"""Text of a page for a terminal."""

import re

_JOINED = re.compile("(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])")
"""Within words of Persian and other languages and within emoji, where they are plain writing."""


def visible(text: str) -> str:
    """Control characters and bidi controls as escapes: a page must not steer the terminal."""
    if text.isprintable():
        return text
    joiners = {match.start() for match in _JOINED.finditer(text)}
    return "".join([each if place in joiners else _shown(each) for place, each in enumerate(text)])


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\t":
        return "    "
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
