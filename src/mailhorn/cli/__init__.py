"""The command line. `main` has the commands and their words; what they do is in the modules beside it."""
