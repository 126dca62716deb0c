"""Text of a page for a terminal."""


def visible(text: str) -> str:
    """Control characters and bidi controls as escapes: a page must not steer the terminal."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\t":
        return "    "
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
