"""Telling sessions what changed. Level-triggered: a hint may be lost, merged, doubled or late."""
