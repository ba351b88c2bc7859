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
    import stringprep  # tables for the few who need them

    prohibited = (
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    mapped = "".join([" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c)])
    prepared = unicodedata.normalize("NFKC", mapped)
    for character in prepared:
        if any(within(character) for within in prohibited):
            raise ValueError(f"the character U+{ord(character):04X} is not allowed")
    if any(map(stringprep.in_table_d1, prepared)):
        if any(map(stringprep.in_table_d2, prepared)):
            raise ValueError("letters of both directions are mixed")
        if not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])):
            raise ValueError("text from right to left must begin and end so")
    return prepared
