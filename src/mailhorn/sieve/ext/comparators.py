"""
The comparators that must be required (RFC 5228 §2.7.3): comparator-i;ascii-numeric (RFC 4790 §9.1) and
comparator-i;unicode-casemap (RFC 5051). The two of the base language may be required as well.
"""

from ..comparator import ASCII_NUMERIC, UNICODE_CASEMAP
from ..language import Extension
from ..match import COMPARATORS

EXTENSIONS: tuple[Extension, ...] = (
    *(Extension(f"comparator-{one.name}", rfc="RFC 4790 §9") for one in COMPARATORS),
    Extension(f"comparator-{ASCII_NUMERIC.name}", comparators=(ASCII_NUMERIC,), rfc="RFC 4790 §9.1"),
    Extension(f"comparator-{UNICODE_CASEMAP.name}", comparators=(UNICODE_CASEMAP,), rfc="RFC 5051"),
)
