"""The receiving side of SMTP (RFC 5321) and LMTP (RFC 2033): bytes in, events out, no I/O and no clock.

`connection.ServerConnection` is the way in. Rules of the part:

1. `data.py` alone knows where a message ends.
2. While an event awaits its answer, nothing behind it is read as a command.
3. Bodies are streamed; whatever else is buffered has its limit in `limits.py`.
"""
