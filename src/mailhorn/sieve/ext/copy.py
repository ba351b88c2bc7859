"""
copy: file or redirect a copy without cancelling the implicit keep (RFC 3894 §3).

Adds: fileinto [:copy], redirect [:copy]
"""

from ..language import Extension, Tagged

_COPY = (Tagged("copy", "copy"),)

EXTENSION: Extension = Extension("copy", tags={"fileinto": _COPY, "redirect": _COPY}, rfc="RFC 3894")
