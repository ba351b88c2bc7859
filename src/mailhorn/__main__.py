"""`python -m mailhorn` is `mailhorn`."""

from .cli.main import main

main()
