"""What a script may be called (RFC 5804 §1.6). Where it is stored is not a matter of this package."""

from unicodedata import normalize

from .limits import MAX_NAME


class BadName(Exception):
    """No script can be called that; the text says why, for people."""


def script_name(raw: bytes) -> str:
    """
    Return a name that a client sent, in Net-Unicode (RFC 5198 §2): composed, so it is one name however it is typed.

    Raises:
        BadName: It is empty, too long, no UTF-8, or has a character that RFC 5804 §1.6 forbids.

    """
    try:
        return valid_name(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadName("The name is not UTF-8") from error


def valid_name(text: str) -> str:
    """Return the name in Net-Unicode. Raises BadName."""
    name = normalize("NFC", text)
    if not name:
        raise BadName("The name is empty")
    if len(name) > MAX_NAME:
        raise BadName(f"The name has more than {MAX_NAME} characters")
    if any(_forbidden(character) for character in name):
        raise BadName("The name has a control character, a line or paragraph separator, or half a character")
    return name


def _forbidden(character: str) -> bool:
    """Say whether it is a control character, a separator, half a surrogate pair or a byte order mark (RFC 5198 §2)."""
    return (
        character < " "
        or "\x7f" <= character <= "\x9f"
        or "\ud800" <= character <= "\udfff"
        or character in "\u2028\u2029\ufeff"
    )


__all__ = ["BadName", "script_name", "valid_name"]
