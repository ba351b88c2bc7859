"""Every limit of the part, with its reason. What is beyond a limit is kept, but not looked into."""

MAX_DEPTH = 100
"""Levels of parts within parts; a deeper one is a leaf. Dovecot's default too; real mail stays below 20."""

MAX_PARTS = 10_000
"""Parts of one message; what follows is part of the last one. Dovecot's default too."""

MAX_FALSE_DELIMITERS = 10_000
"""Lines that begin like a boundary and go on differently, in one multipart. Each costs half a microsecond."""

MAX_SEARCHES = 16
"""How many times over the message may be searched for boundaries: parts within parts search the same octets again."""

FREE_SEARCH = 4 << 20
"""Octets that may be searched however small the message is, so that small messages never meet MAX_SEARCHES."""

SEARCHED = 1 << 20
"""Octets that are searched for a boundary in one go: a tenth of a millisecond, half of one if it is a short one."""

PIECE = 64 << 10
"""Octets that are copied to be counted: they stay in the heap and in the processor's cache. Much larger copies would be
mapped, zeroed and unmapped each time."""

MAX_HEADER = 256 << 10
"""Octets of one header that are looked into; its end is found wherever it is. 5,000 recipients fit."""

MAX_HEADERS = 2 << 20
"""Octets of all headers of a message that are looked into, in their order: MAX_PARTS headers of 200 each."""

MAX_PARAMS = 200
"""Parameters of one field, continuations included (RFC 2231)."""

MAX_ADDRESSES = 10_000
"""Addresses of one field, or of several of the same name together."""

MAX_PREVIEW = 16 << 10
"""Octets of one part, encoded, that are looked at for a preview: newsletters begin with this much of style at most."""

MAX_TEXT = 16 << 20
"""Octets of one part that are decoded to be searched."""
