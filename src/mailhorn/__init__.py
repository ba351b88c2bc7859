"""Instant mail: a server that pushes within a millisecond, a watcher that is never deaf, and what both are made of."""

__version__ = "0.1.0"
