"""Loops over the parts of a message; what they say is in the suites (`tests/sieve/suites`)."""

from collections.abc import Sequence

from mailhorn.mime.entity import Entity
from mailhorn.sieve import Actions, HeaderFacts, compile_script, evaluate
from mailhorn.sieve.questions import Structure

MESSAGE = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\non<b>e</b>\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b--\r\n"
)


class Counted:
    """A part that knows how often its text was read."""

    def __init__(self, entity: Entity, read: list[str]) -> None:
        self._entity, self._read = entity, read
        self.children: Sequence[Counted] = [Counted(child, read) for child in entity.children]

    def __getattr__(self, name: str) -> object:
        return getattr(self._entity, name)

    def plain(self) -> str:
        """Return the text."""
        self._read.append(self._entity.subtype)
        return self._entity.plain()


def test_a_part_is_read_once_however_often_its_text_is_extracted() -> None:
    """To take the markup out of a large part costs more than all that is counted of what a script does."""
    read: list[str] = []
    entity = Counted(Entity(MESSAGE), read)
    script = (
        'require ["foreverypart", "variables", "extracttext", "fileinto"];\nset "all" "";\nforeverypart {\n'
        + 'extracttext "a"; extracttext :first 2 :upper "b"; set "all" "${all}${a}-${b},";\n' * 3
        + '}\nfileinto "${all}";'
    )
    program = compile_script(script)
    decision = evaluate(
        program, HeaderFacts([], answers=lambda question: entity if isinstance(question, Structure) else None)
    )
    assert isinstance(decision, Actions)
    (step,) = decision.steps
    assert step.mailbox == "-," * 3 + "one-ON," * 3 + "two-TW," * 3
    assert read == ["html", "plain"]
