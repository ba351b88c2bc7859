"""SASLprep (RFC 4013): names and passwords of people in the one form in which they compare."""

import unicodedata


def saslprep(text: str) -> str:
    """
    Return the text prepared, as a query: characters that Unicode 3.2 did not know are let through (RFC 3454 §7).

    Args:
        text: A name or a password.

    Raises:
        ValueError: A character is not allowed, or the directions are mixed (RFC 4013 §2.3, §2.4).

    """
    if text.isascii() and text.isprintable():
        return text
    from stringprep import (  # tables for the few who need them
        in_table_b1,
        in_table_c3,
        in_table_c4,
        in_table_c5,
        in_table_c6,
        in_table_c7,
        in_table_c8,
        in_table_c9,
        in_table_c12,
        in_table_c21_c22,
        in_table_d1,
        in_table_d2,
    )

    prohibited = (
        in_table_c12,
        in_table_c21_c22,
        in_table_c3,
        in_table_c4,
        in_table_c5,
        in_table_c6,
        in_table_c7,
        in_table_c8,
        in_table_c9,
    )
    mapped = "".join([" " if in_table_c12(c) else c for c in text if not in_table_b1(c)])
    prepared = unicodedata.normalize("NFKC", mapped)
    for character in prepared:
        if any(within(character) for within in prohibited):
            raise ValueError(f"the character U+{ord(character):04X} is not allowed")
    if any(map(in_table_d1, prepared)):
        if any(map(in_table_d2, prepared)):
            raise ValueError("letters of both directions are mixed")
        if not (in_table_d1(prepared[0]) and in_table_d1(prepared[-1])):
            raise ValueError("text from right to left must begin and end so")
    return prepared
