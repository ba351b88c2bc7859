"""Messages: where their parts begin and end, and what they say. No I/O and no clock.

Rules of the part:

1. Bytes in, offsets out: a message is never copied, changed or written again.
2. Anything can be read, nothing raises: what makes no sense is text, or a leaf nobody looks into.
3. The work is linear in the size of the message; `limits.py` says what it may cost beyond that.
"""
