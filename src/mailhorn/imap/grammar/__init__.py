"""IMAP's grammar for both roles: one function per ABNF rule, `parse_x` beside `write_x`.

A server uses `command.parse_command` and `response.write_response`, a client the other two. What they do
differently is data: a `Dialect`. Frames come whole from `imap.framing`; nothing here waits or keeps state.

Errors: a parser raises SyntaxProblem and nothing else, whatever the bytes are; a writer raises Unwritable
(a ValueError) for a value that IMAP cannot express.
"""
