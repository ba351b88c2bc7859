"""smtp/events.py: events may be logged."""

from mailhorn.smtp.events import AuthResponse, AuthStart, DataChunk


def test_secrets_and_bodies_are_not_shown() -> None:
    """What a password or a message may be in is left out of repr."""
    for event in (AuthStart("PLAIN", b"secret"), AuthResponse(b"secret"), DataChunk(b"secret")):
        assert "secret" not in repr(event)
