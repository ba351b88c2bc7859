"""What the README promises, measured on this machine: `./dev bench`, and `./dev bench soak` for an hour of it.

Rule 1: the clients are a process of their own and do as little as they can, since they share the processors with the
server. Rule 2: what is waited for is an event, with a limit; only a quiet processor has to be looked for. Rule 3: every
server is measured by the same code, in turns, in one run; what counts is the ratio. Rule 4: everything started here
is ended here, by its number, also after Ctrl-C.
"""
