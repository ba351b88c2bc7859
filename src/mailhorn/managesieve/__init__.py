"""ManageSieve (RFC 5804): how a client manages its Sieve scripts on a server; the server's side, without I/O.

`server` has the four verbs. `framing` finds whole commands, `grammar` reads and writes, `names` says what a script
may be called.
"""
