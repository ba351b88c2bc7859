"""Coverage-guided fuzzing of every place where bytes come in: `./dev fuzz TARGET [SECONDS]`.

Rule 1: a target takes bytes and promises; what it promises stands in its docstring, and whatever else happens is a
finding. Rule 2: the same seed gives the same run, but for what is measured in seconds. Rule 3: a finding is printed as
a literal and with the command that runs it again; it becomes a test before it is fixed. Rule 4: nothing here is needed
to run or to test mailhorn; no more than Python's own tracing is needed here.
"""
