"""How long rules take: compiling a script, running it over a message, and refusing what is made to cost. No server."""

import time
from collections.abc import Callable, Iterator
from functools import partial

from mailhorn.mime.decode import decoded_header
from mailhorn.mime.entity import Entity
from mailhorn.sieve import HeaderFacts, Program, SieveError, SieveRuntimeError, compile_script, evaluate
from mailhorn.sieve.questions import Structure

from .figures import Figure, milliseconds
from .servers import Server

RULES = 200
ROUNDS = 40
"""The best of so many counts: the others were disturbed."""
REQUIRE = 'require ["fileinto", "body", "regex", "variables", "include", "foreverypart"];\n'


def rules(tests: Callable[[int], str]) -> str:
    """Return a script of rules that no message fits, so that all are tried."""
    return REQUIRE + "".join(
        f'# rule {n}\nif {tests(n)} {{\n    fileinto "folder-{n}";\n    stop;\n}}\n' for n in range(RULES)
    )


def headers(number: int) -> str:
    """Return a test of the header."""
    return (
        f'header :contains ["List-Id", "X-List"] "list-{number}.example.org"',
        f'address :is :domain "from" ["sender{number}.example.com", "other{number}.example.net"]',
        f'anyof (header :is "subject" "topic {number}", header :matches "subject" "[team-{number}]*")',
        f'allof (header :contains "from" "bot{number}", not exists "x-urgent-{number}")',
    )[number % 4]


def mixed(number: int) -> str:
    """Return a test: one in ten looks into the body, one in ten has a regular expression."""
    if number % 10 == 4:
        return f'header :regex "subject" "(ticket|case) #{number}[0-9]+"'
    return f'body :text :contains "invoice {number}"' if number % 10 == 9 else headers(number)


def mail(octets: int = 50 * 1024) -> bytes:
    """Return a message of that size."""
    head = b"".join(
        b"Received: from mx%d.example.org by mail.example.com; Mon, 1 Jan 2024 00:00:0%d +0000\r\n" % (n, n)
        for n in range(8)
    )
    head += b"From: Ann <ann@example.org>\r\nTo: me@example.com\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?= about it\r\n"
    head += b"List-Id: <dev.example.org>\r\nMessage-ID: <1@example.org>\r\n\r\n"
    line = b"The quick brown fox jumps over the lazy dog again and again. \r\n"
    return head + line * ((octets - len(head)) // len(line))


def facts(data: bytes) -> HeaderFacts:
    """Return what a script gets to know of a message."""
    entity = Entity(data)
    return HeaderFacts(
        entity.fields(),
        size=len(data),
        mailboxes=("INBOX",),
        decode=lambda value: decoded_header(value.encode("utf-8", "surrogateescape")),
        answers=lambda question: entity if isinstance(question, Structure) else None,
    )


def best(what: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the processor time of the quickest round, in seconds."""
    found = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        what()
        found = min(found, time.process_time() - began)
    return found


def hostile() -> dict[str, Callable[[], object]]:
    """Return what is made to cost, by what it is made of."""
    doubling = {f"s{n}": f'require "include"; include "s{n + 1}"; include "s{n + 1}"; keep;' for n in range(9)}
    doubling["s9"] = "keep; " * 400
    long = b"Subject: " + b"a" * 50_000 + b"\r\n\r\nx\r\n"

    def refused(text: str) -> Callable[[], object]:
        def compiles() -> object:
            try:
                return compile_script(text, scripts=lambda place, name: doubling.get(name))
            except SieveError as error:
                return error

        return compiles

    def runs(text: str, data: bytes) -> Callable[[], object]:
        program: Program = compile_script(REQUIRE + text, scripts=lambda place, name: doubling.get(name))

        def evaluates() -> object:
            try:
                return evaluate(program, facts(data))
            except SieveRuntimeError as error:
                return error

        return evaluates

    return {
        "a megabyte of commands": refused("keep;\n" * 160_000),
        "a megabyte of nested blocks": refused("if true {\n" * 100_000),
        "a megabyte of noise": refused("$ " * 500_000),
        "a regular expression that would backtrack": runs('if header :regex "subject" "(a|aa)+$" { stop; }', long),
        "a pattern of a thousand stars": runs(f'if header :matches "subject" "{"*a" * 1000}b" {{ stop; }}', long),
        "scripts that include each other": runs('include "s0";', long),
    }


def _next(program: Program, known: Iterator[HeaderFacts]) -> object:
    """Run a script over the next message, of which nothing was looked at before."""
    return evaluate(program, next(known))


async def sieve(server: Server) -> list[Figure]:
    """Measure; the server has nothing to do with it."""
    data = mail()
    found: dict[str, float] = {}
    for name, text in (("tests of the header", rules(headers)), ("body and regex among them", rules(mixed))):
        found[f"compile {RULES} rules, {name}"] = best(partial(compile_script, text))
        known = iter([facts(data) for _ in range(ROUNDS)])
        found[f"{RULES} rules on 50 KiB, {name}"] = best(partial(_next, compile_script(text), known))
    for name, what in hostile().items():
        found[f"refuse {name}"] = best(what, 3)
    return [Figure(label, value, f"{milliseconds(value)} ms CPU") for label, value in found.items()]
