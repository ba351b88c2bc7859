"""The command line. `main` is the way in, `commands` has the commands and their words; the modules beside it do it."""
