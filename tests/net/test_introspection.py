"""What an authorization server may answer, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mailhorn.net.introspection import MAX_ANSWER, Introspection, IntrospectionFailed


@asynccontextmanager
async def answering(answer: bytes | None, **more: object) -> AsyncIterator[tuple[Introspection, list[bytes]]]:
    """Run a server that answers every request so, or not at all."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        asked.append(head + await reader.readexactly(length))
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = Introspection(f"http://127.0.0.1:{port}/ask?a=b", **more)  # type: ignore[arg-type]
    try:
        yield endpoint, asked
    finally:
        endpoint.close()
        server.close()


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


async def test_a_question() -> None:
    """Is asked as RFC 7662 §2.1 says, with the secret encoded as RFC 6749 §2.3.1 says."""
    async with answering(answer(b'{"active": true, "sub": "x"}'), client_id="me", client_secret="p&w") as (to, asked):
        assert await to.ask("to+ken") == {"active": True, "sub": "x"}
    assert asked[0].startswith(b"POST /ask?a=b HTTP/1.1\r\n")
    assert b"Authorization: Basic bWU6cCUyNnc=\r\n" in asked[0]
    assert asked[0].endswith(b"\r\n\r\ntoken=to%2Bken&token_type_hint=access_token")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nonsense\r\n\r\n",
        answer(b"{}"),
        answer(b"[]"),
        answer(b'{"active": "true"}'),
        answer(b"[" * 20_000),
        answer(b'{"active": true}', b"401 Unauthorized"),
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        answer(b" " * (MAX_ANSWER + 1)),
        answer(b'{"active": true}')[:-1],
    ],
)
async def test_answers_that_say_nothing(said: bytes) -> None:
    """No answer of a kind lets anybody in, and the token is in no error."""
    async with answering(said) as (to, _):
        with pytest.raises(IntrospectionFailed) as problem:
            await to.ask("sesame")
    assert "sesame" not in str(problem.value)


async def test_no_answer_in_time() -> None:
    """Who does not answer is not waited for."""
    async with answering(None, timeout=0.1) as (to, _):
        with pytest.raises(IntrospectionFailed):
            await to.ask("sesame")


async def test_nobody_there() -> None:
    """That is known at once."""
    with pytest.raises(IntrospectionFailed):
        await Introspection("http://127.0.0.1:1/").ask("sesame")


@pytest.mark.parametrize("url", ["", "ftp://x/", "https://", "localhost:80"])
def test_urls_that_are_none(url: str) -> None:
    """Are refused at the start."""
    with pytest.raises(ValueError, match="URL"):
        Introspection(url)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://a.example/", True),
        ("http://localhost:8080/", True),
        ("http://[::1]/", True),
        ("http://localhost.evil.example/", False),
        ("http://a.example/", False),
    ],
)
def test_what_nobody_can_read_on_the_way(url: str, private: bool) -> None:
    """Only that may be asked about tokens."""
    assert Introspection(url).private is private
