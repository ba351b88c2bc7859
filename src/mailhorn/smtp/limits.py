"""Every limit of the part, with its reason. RFC 5321 §4.5.3 says what the least of each may be."""

MAX_LINE = 12_288
"""Octets of a command line. RFC 5321 asks for 512 and more with extensions; AUTH asks for 12,288 (RFC 4954 §4)."""

MAX_PENDING = 65_536
"""Octets of pipelined commands kept while one awaits its answer; beyond it `wants_data` turns false."""

MAX_LOCAL_PART = 255
"""Octets. RFC 5321 §4.5.3.1.1 says 64, but VERP, SRS and BATV senders are longer, and losing mail helps nobody."""

MAX_DOMAIN = 255
"""Octets, as in RFC 5321 §4.5.3.1.2 and in the DNS."""

MAX_PATH = 1_024
"""Octets between the angle brackets, source route included; the route is ignored, so it may not be long."""

MAX_BAD_COMMANDS = 20
"""Commands that made no sense before we hang up: a person's typos pass, another protocol or a scanner does not."""

MAX_AUTH_EXCHANGES = 10
"""Challenges in one AUTH; no mechanism needs more than four."""

MAX_BDAT_DIGITS = 20
"""Digits of a chunk size (RFC 3030: 1*DIGIT): 2^64 has as many, and Python need not convert more."""
