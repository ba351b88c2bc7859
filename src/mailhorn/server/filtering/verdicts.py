"""What checkers said of a message: read as the watcher reads it."""

from ...sieve.verdicts import Verdicts

__all__ = ["Verdicts"]
