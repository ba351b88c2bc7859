"""Rules that a message cannot fit are passed over, and nobody can tell but by the time it takes."""

from random import Random

import pytest

from mailhorn.sieve import Actions, HeaderFacts, Program, SieveRuntimeError, compile_script, evaluate
from mailhorn.sieve.glob import longest_piece
from mailhorn.sieve.limits import MAX_OCTETS_COMPARED

REQUIRE = 'require ["fileinto", "imap4flags", "variables", "editheader", "relational", "envelope", "regex"];\n'
WORDS = ("", "a", "b", "ab", "Ba", "sale", "list", "a@b.c", "x.y")
PATTERNS = ("*", "a*", "*b*", "?a", "*a?e*", "list", "", "\\\\*")


def both(program: Program, fields: list[tuple[str, str]]) -> Actions:
    """Return what is decided, after looking that it is the same with a trace and without one."""
    facts = HeaderFacts(fields, size=100, envelope={"from": ["a@b.c"], "to": ["b@x.y"]})
    shown, quick = evaluate(program, facts), evaluate(program, facts, traced=False)
    assert isinstance(shown, Actions)
    assert isinstance(quick, Actions)
    assert quick.trace == ()
    assert (shown.steps, shown.implicit_keep, shown.implicit_flags, shown.edits) == (
        quick.steps,
        quick.implicit_keep,
        quick.implicit_flags,
        quick.edits,
    )
    return quick


def a_test(random: Random, depth: int = 0) -> str:
    """Return some test."""
    kind = random.randrange(10 if depth < 2 else 7)
    keys = "[" + ", ".join(f'"{random.choice(WORDS)}"' for _ in range(random.randint(1, 3))) + "]"
    names = random.choice(('"subject"', '["X-A", "list-id"]', '"from"', '"x-a"'))
    how = random.choice(("", ":is", ":contains", ':comparator "i;octet" :is', ':value "gt"', ':count "eq"'))
    if kind == 0:
        return f'address {random.choice(("", ":domain", ":localpart"))} :contains ["from", "to"] {keys}'
    if kind == 1:
        return f'header :matches {names} "{random.choice(PATTERNS)}"'
    if kind == 2:
        return random.choice(('header :regex "subject" "(a|b)+"', 'exists "x-a"', "true", "false"))
    if kind == 3:
        return f'envelope :domain :is "from" {keys}'
    if kind < 7:
        return f"header {how} {names} {keys}"
    inner = [a_test(random, depth + 1) for _ in range(random.randint(1, 3))]
    return f"not {inner[0]}" if kind == 7 else f"{random.choice(('anyof', 'allof'))} ({', '.join(inner)})"


def an_action(random: Random) -> str:
    """Return something to do that a later rule, or who looks at the decision, can notice."""
    number = random.randrange(100)
    return random.choice(
        (
            f'fileinto "m{number}-${{1}}";',
            f'addflag "f{number}";',
            f'addheader "X-A" "{random.choice(WORDS)}";',
            'deleteheader "subject";',
            f'fileinto "m{number}"; stop;',
            'set "s" "${0}${s}";',
        )
    )


def a_script(random: Random) -> str:
    """Return a script of rules, with other commands between them."""
    lines = [REQUIRE]
    for _ in range(30):
        rule = f"if {a_test(random)} {{ {an_action(random)} }}"
        if not random.randrange(4):
            rule += f" elsif {a_test(random)} {{ {an_action(random)} }}"
        if not random.randrange(8):
            rule += f" else {{ {an_action(random)} }}"
        lines.append(rule if random.randrange(10) else an_action(random))
    return "\n".join(lines)


def some_fields(random: Random) -> list[tuple[str, str]]:
    """Return a header."""
    names = ("Subject", "X-A", "List-Id", "From", "To")
    return [(random.choice(names), random.choice((*WORDS, "Ann <a@b.c>", "b@x.y, list@a"))) for _ in range(5)]


@pytest.mark.parametrize("seed", range(60))
def test_decides_the_same(seed: int) -> None:
    """Rules of every kind decide the same whether they are passed over or looked at."""
    random = Random(seed)
    program = compile_script(a_script(random))
    for _ in range(10):
        both(program, some_fields(random))


def test_rule_among_many() -> None:
    """Of a hundred rules the one that fits is found, in its place, and what it changes is seen by the next ones."""
    rules = [f'if header :is "subject" "s{n}" {{ fileinto "m{n}"; }}' for n in range(100)]
    rules[40] = 'if header :contains "subject" "7" { deleteheader "subject"; addheader "Subject" "s90"; }'
    decided = both(compile_script(REQUIRE + "\n".join(rules)), [("Subject", "s17")])
    assert [getattr(step, "mailbox", "") for step in decided.steps] == ["m17", "m90"]


def test_costs_too_much() -> None:
    """A message that costs too much fails at the rule that is one too many, and not if a rule before it ends it."""
    value = "b" * (MAX_OCTETS_COMPARED // 50)
    rules = "".join(f'if header :contains "subject" "a{n}" {{ keep; }}\n' for n in range(60))
    facts = HeaderFacts([("Subject", value)], size=100)
    lines = []
    for traced in (True, False):
        with pytest.raises(SieveRuntimeError) as caught:
            evaluate(compile_script(rules), facts, traced=traced)
        lines.append(caught.value.line)
    assert lines[0] == lines[1]
    both(compile_script("if true { stop; }\n" + rules), [("Subject", value)])


@pytest.mark.parametrize(
    ("pattern", "piece"),
    [
        (b"*", b""),
        (b"a*", b"a"),
        (b"*ab?abc*", b"abc"),
        (b"\\*\\?", b"*?"),
        (b"ab", b"ab"),
        (b"", b""),
        (b"x\\", b"x\\"),
    ],
)
def test_longest_piece(pattern: bytes, piece: bytes) -> None:
    """What every value that fits a pattern has in it."""
    assert longest_piece(pattern) == piece
