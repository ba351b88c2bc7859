"""managesieve/responses.py: what is sent, and that a strict client can read it."""

import pytest
from tests.kit.managesieve import Answer, Reader

from mailhorn.managesieve.responses import (
    DONE,
    Code,
    Condition,
    Response,
    no,
    write_capabilities,
    write_response,
    write_script,
    write_scripts,
)


def read(data: bytes) -> Answer:
    reader = Reader(lambda: b"")
    reader.buffer = data
    answer = reader.answer()
    assert not reader.buffer
    return answer


@pytest.mark.parametrize(
    ("response", "data"),
    [
        (DONE, b"OK\r\n"),
        (
            no("There is no script by that name", Code.NONEXISTENT),
            b'NO (NONEXISTENT) "There is no script by that name"\r\n',
        ),
        (no("Quota exceeded", Code.MAXSIZE), b'NO (QUOTA/MAXSIZE) "Quota exceeded"\r\n'),
        (
            Response(Condition.OK, "Done", Code.TAG, b"STARTTLS-SYNC-42"),
            b'OK (TAG "STARTTLS-SYNC-42") "Done"\r\n',
        ),
        (Response(Condition.OK, "Done", Code.TAG, b'a"b'), rb'OK (TAG "a\"b") "Done"' + b"\r\n"),
        (Response(Condition.OK, "Done", Code.TAG, b"\xff"), b'OK (TAG {1}\r\n\xff) "Done"\r\n'),
        (Response(Condition.OK, "", Code.SASL, b"cnNw"), b'OK (SASL "cnNw")\r\n'),
        (no("line 1: a\nline 2: b\n"), b"NO {20}\r\nline 1: a\r\nline 2: b\r\n"),
        (no("\udcff"), b'NO "?"\r\n'),
    ],
)
def test_responses_are_as_the_grammar_wants(response: Response, data: bytes) -> None:
    """Short strings are quoted, what has lines is a literal."""
    assert write_response(response) == data
    answer = read(data)
    assert answer.condition == response.condition.value
    assert answer.code == ("" if response.code is None else response.code.value)
    assert answer.argument == response.argument


def test_lists_are_as_the_examples_of_the_rfc() -> None:
    """§1.7, §2.7, §2.9."""
    capabilities = write_capabilities([("IMPLEMENTATION", "x"), ("SASL", ""), ("STARTTLS", None)])
    assert capabilities == b'"IMPLEMENTATION" "x"\r\n"SASL" ""\r\n"STARTTLS"\r\n'
    scripts = write_scripts([("summer_script", False), ('clever"script', False), ("main_script", True)])
    assert scripts == b'"summer_script"\r\n"clever\\"script"\r\n"main_script" ACTIVE\r\n'
    script = b'#this is my wonderful script\r\nreject "I reject all";\r\n'
    assert write_script(script) == b"{54}\r\n" + script + b"\r\n"
    assert read(scripts + b"OK\r\n").lines == ((b"summer_script",), (b'clever"script',), (b"main_script", "ACTIVE"))


def test_a_long_string_is_a_literal() -> None:
    """A quoted one has 1,024 octets at most (§4)."""
    for text in ("x" * 1024, "x" * 1025, '"' * 512, '"' * 513, "\\" * 512):
        assert read(write_response(no(text))).text == text
    assert write_response(no('"' * 512)).startswith(b'NO "')
    assert write_response(no('"' * 513)).startswith(b"NO {513}\r\n")
    assert write_response(no("x" * 1025)).startswith(b"NO {1025}\r\n")
