"""The little of writing mail that scripts cause: fields with encoded words (RFC 2047), and texts in UTF-8. Pure."""

from binascii import b2a_base64

FOLD = 76
"""Octets in a line of a header (RFC 5322 §2.1.1 wants 78)."""
_WORD_OCTETS = 45
"""Octets in an encoded word before they are encoded: with charset and fold it stays below 75 (RFC 2047 §2)."""


def encoded_words(text: str) -> str:
    """Return a text for a header: itself if it is ASCII, else encoded words with a fold between them."""
    text = " ".join(text.split()) if any(char in text for char in "\r\n\0") else text
    if text.isascii() and text.isprintable():
        return text
    pieces: list[bytes] = [b""]
    for char in text:
        octets = char.encode("utf-8", "replace")
        if len(pieces[-1]) + len(octets) > _WORD_OCTETS:
            pieces.append(b"")
        pieces[-1] += octets
    words = [f"=?utf-8?b?{b2a_base64(piece, newline=False).decode('ascii')}?=" for piece in pieces]
    return "\r\n ".join(words)


def encoded_field(name: str, value: str) -> bytes:
    """Return a header field with its line end, folded at spaces."""
    words = encoded_words(value)
    if "\r\n" in words:
        return f"{name}: {words}\r\n".encode("ascii", "replace")
    lines: list[str] = []
    line = f"{name}:"
    for word in words.split(" "):
        if len(line) + 1 + len(word) > FOLD and len(line) > len(name) + 1 and line.strip():
            lines.append(line)
            line = ""
        line += f" {word}"
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("ascii", "replace")


def text_entity(text: str) -> bytes:
    """Return a text/plain entity in UTF-8: its MIME header, the empty line, the text with CRLF."""
    body = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    octets = body.encode("utf-8", "replace")
    transfer = "7bit" if octets.isascii() else "8bit"
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n"
    return head.encode() + octets + (b"" if octets.endswith(b"\r\n") else b"\r\n")
