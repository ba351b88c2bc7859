"""Gmail's filters: what they become, and that they match what Gmail would have matched."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.sieve_mail import Outcome, outcome_of

from mailhorn.sieve import compile_script
from mailhorn.sieve.convert import ConvertError, from_gmail
from mailhorn.sieve.convert.limits import MAX_RULES
from mailhorn.sieve.formatting import formatted

HEAD = (
    "<?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom'"
    " xmlns:apps='http://schemas.google.com/apps/2006'>\n\t<title>Mail Filters</title>\n"
)


def exported(*filters: dict[str, str]) -> bytes:
    """A mailFilters.xml with these filters."""
    entries = [
        "\t<entry>\n\t\t<category term='filter'></category>\n\t\t<title>Mail Filter</title>\n"
        + "".join(f"\t\t<apps:property name={quoteattr(k)} value={quoteattr(v)}/>\n" for k, v in one.items())
        + "\t</entry>\n"
        for one in filters
    ]
    return (HEAD + "".join(entries) + "</feed>\n").encode()


def converted(**properties: str) -> str:
    """The rule that a filter becomes: without what stands above it."""
    script = from_gmail(exported(properties)).script
    return script.partition("]\n")[2] if "# rule" in script and "require" not in script else script.split("]\n", 2)[-1]


def test_a_filter_of_each_kind() -> None:
    """Criteria and actions as people have them."""
    assert converted(**{"from": "ann@example.org", "label": "Friends/Ann"}) == (
        'if address "from" "ann@example.org" {\n    fileinto :copy :create "Friends/Ann";\n}\n'
    )
    assert converted(**{"from": "example.org", "label": "X", "shouldArchive": "true"}) == (
        'if address :domain :matches "from" ["example.org", "*.example.org"] {\n    fileinto :create "X";\n}\n'
    )
    assert converted(subject="invoice", shouldMarkAsRead="true", shouldStar="true") == (
        'if header :regex "subject" "(^|\\\\W)invoice(\\\\W|$)" {\n    addflag ["\\\\Seen", "\\\\Flagged"];\n}\n'
    )
    assert converted(to="ann@example.org", forwardTo="bob@example.net") == (
        'if address ["to", "cc", "bcc"] "ann@example.org" {\n    redirect :copy "bob@example.net";\n}\n'
    )
    assert converted(size="3", sizeOperator="s_sl", sizeUnit="s_smb", shouldTrash="true") == (
        'if size :over 3M {\n    fileinto :create "Trash";\n    stop;\n}\n'
    )
    assert converted(hasTheWord="list:dev.example.org", shouldArchive="true") == (
        'if header :regex "list-id" "(^|\\\\W)dev\\\\W+example\\\\W+org(\\\\W|$)" {\n'
        '    fileinto :create "Archive";\n}\n'
    )


def test_what_cannot_be_said_is_told() -> None:
    """Where it stands and in a list; a rule whose condition is lost is left out, and none matches more than it did."""
    found = from_gmail(
        exported(
            {"hasTheWord": "in:inbox from:ann@example.org", "shouldTrash": "true"},
            {"hasTheWord": "category:social OR from:bob@example.org", "label": "B", "shouldNeverSpam": "true"},
            {"hasTheWord": "from:eve@example.org -in:chats", "label": "E"},
            {"from": "x@example.org", "smartLabelToApply": "^smartlabel_social"},
        )
    )
    assert [str(one) for one in found.unsaid] == [
        "from x@example.org: not in Sieve: smartLabelToApply ^smartlabel_social",
        "from x@example.org: left out, as nothing that it does can be said",
        "in:inbox from:ann@example.org: not in Sieve: in:inbox",
        "in:inbox from:ann@example.org: left out, as its condition cannot be said",
        "category:social OR from:bob@example.org: not in Sieve: never send it to spam: that is decided before rules"
        " are asked",
        "category:social OR from:bob@example.org: not in Sieve: category:social",
        "from:eve@example.org -in:chats: not in Sieve: in:chats",
        "from:eve@example.org -in:chats: left out, as its condition cannot be said",
    ]
    for one in found.unsaid:
        assert f"# {one.what}\n" in found.script
    assert 'if address "from" "bob@example.org" {' in found.script and "Trash" not in found.script.split("#     ")[0]


@pytest.mark.parametrize(
    ("query", "test"),
    [
        ("subject:{a b}", 'header :regex "subject" ["(^|\\\\W)a(\\\\W|$)", "(^|\\\\W)b(\\\\W|$)"]'),
        ("subject:a OR subject:b", 'header :regex "subject" ["(^|\\\\W)a(\\\\W|$)", "(^|\\\\W)b(\\\\W|$)"]'),
        ('-subject:"a b"', 'not header :regex "subject" "(^|\\\\W)a\\\\W+b(\\\\W|$)"'),
        ("from:(ann@x.org OR bob@x.org)", 'address "from" ["ann@x.org", "bob@x.org"]'),
        ("from:*@x.org", 'address :domain :matches "from" ["x.org", "*.x.org"]'),
        ("has:attachment", 'header :mime :anychild :contains "content-disposition" "attachment"'),
        ("larger:5M smaller_than:10mb", "allof (size :over 5M, size :under 10M)"),
        ("from:me OR subject:a AROUND 5 b", "left out"),
        ("from:me OR from:ann@x.org", 'address "from" "ann@x.org"'),
        ("rfc822msgid:<1@x.org>", 'header "message-id" ["<1@x.org>", "1@x.org"]'),
        ("deliveredto:ann@x.org", 'address "delivered-to" "ann@x.org"'),
        ("subject:É", 'header :regex "subject" "(^|\\\\W)[Éé](\\\\W|$)"'),
        ("is:unread subject:a", 'header :regex "subject" "(^|\\\\W)a(\\\\W|$)"'),
    ],
)
def test_the_search_language(query: str, test: str) -> None:
    """Each operator by itself."""
    script = from_gmail(exported({"hasTheWord": query, "label": "X"})).script
    assert f"if {test} {{" in script or (test == "left out" and "# left out" in script)


def test_no_order_is_lost() -> None:
    """All filters act: a flag of the last one is on the copies of the first one, and the trash takes all."""
    filters = (
        {"subject": "a", "label": "A", "shouldArchive": "true"},
        {"subject": "b", "label": "B", "shouldMarkAsRead": "true"},
        {"subject": "c", "shouldTrash": "true"},
        {"subject": "d", "forwardTo": "bob@example.net", "shouldStar": "true", "label": "D", "shouldArchive": "true"},
    )
    script = from_gmail(exported(*filters)).script

    def done(subject: str) -> Outcome:
        return outcome_of(script, [("Subject", subject)])

    assert done("a b").filed == {"A": {"\\Seen"}, "B": {"\\Seen"}}
    assert done("b").filed == {"B": {"\\Seen"}, "INBOX": {"\\Seen"}}
    assert done("a b c d").filed == {"Trash": {"\\Seen", "\\Flagged"}}
    assert done("a b c d").sent == {"bob@example.net"}
    assert done("a d").filed == {"A": {"\\Flagged"}, "D": {"\\Flagged"}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no XML"),
        (b"From: x\n", "no XML"),
        (b"<html></html>", "does not begin with <feed>"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><feed>&b;</feed>', "document type"),
        (b"<feed>" + b"<a>" * 100, "nested too deep"),
        (b"<feed><entry></feed>", "no XML: line 1"),
        (b"\xff\xfe\x00", "no XML"),
        (HEAD.encode() + b"<entry><p name='from' value='a'/></entry>" * 1, "no XML"),
    ],
)
def test_what_is_no_filter_file(content: bytes, why: str) -> None:
    """One line says what was expected."""
    with pytest.raises(ConvertError, match=re.escape(why)):
        from_gmail(content)


def test_limits() -> None:
    """Too many filters, a query that is nested too deep or too long."""
    with pytest.raises(ConvertError, match="more than 5000 filters"):
        from_gmail(exported(*[{"from": "a@b.org", "label": "x"}] * (MAX_RULES + 1)))
    with pytest.raises(ConvertError, match="nested parentheses"):
        from_gmail(exported({"hasTheWord": "(" * 500, "label": "x"}))
    with pytest.raises(ConvertError, match="nested parentheses"):
        from_gmail(exported({"hasTheWord": "from:" * 1500 + "x", "label": "x"}))
    for hostile in ("a" * 10**6, '"' * 1000, ". " * 900, "-" * 10**5, "( " * 20, "a" + " " * 10**6 + "b"):
        compile_script(from_gmail(exported({"hasTheWord": hostile, "label": hostile})).script)
    with pytest.raises(ConvertError, match="terms"):
        from_gmail(exported({"hasTheWord": "a " * 5000, "label": "x"}))


def test_more_filters_than_a_script_can_have_twice() -> None:
    """They are a script nevertheless, though flags are then only on what the filters have filed themselves."""
    others = " ".join(f"-{field}:{name}@example.net" for field in ("from", "to", "cc") for name in "abc")
    many = [
        {"subject": "a", "label": "L", "shouldArchive": "true", "shouldMarkAsRead": "true"}
        | {"hasTheWord": f"{others} -bcc:u{number}@example.org"}
        for number in range(300)
    ]
    found = from_gmail(exported(*many))
    assert found.rules == 300 and [one.rule for one in found.unsaid] == ["all"]
    assert outcome_of(found.script, [("Subject", "a")]).filed == {"L": {"\\Seen"}}


PIECES = st.sampled_from(
    'a b "x y" -c OR AND | { } ( ) from: to: subject: list: size: larger:3M is:unread in:x ${a} \\ * "open é a@b.c b.c'
    " @b.c has:attachment filename:pdf - -( :: a:b rfc822msgid:".split(" ")
)
QUERIES = st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=30).filter(
    lambda text: all(sign.isprintable() for sign in text)
)
FILTERS = st.dictionaries(
    st.sampled_from(["from", "to", "subject", "hasTheWord", "doesNotHaveTheWord", "label", "forwardTo", "size"]),
    QUERIES,
    max_size=5,
)
SWITCHES = st.dictionaries(
    st.sampled_from(
        ["shouldArchive", "shouldMarkAsRead", "shouldStar", "shouldTrash", "shouldNeverSpam", "sizeOperator"]
    ),
    st.sampled_from(["true", "false", "s_sl", "s_ss"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.builds(lambda a, b: a | b, FILTERS, SWITCHES), max_size=3))
def test_whatever_is_in_it_compiles(filters: list[dict[str, str]]) -> None:
    """And it is written as `mailhorn sieve format` writes it."""
    script = from_gmail(exported(*filters)).script
    compile_script(script)
    assert formatted(script) == script


# A model of what Gmail means, for messages made of few words: on purpose nothing of the converter is in it.

WORDS = ("red", "blue", "redder", "green", "Grün")
ADDRESSES = ("ann@example.org", "bob@lists.example.org", "eve@example.net", "ann@example.organic")
DOMAINS = ("example.org", "lists.example.org", "example.net")


@dataclass
class Letter:
    """A message."""

    sender: str
    to: list[str]
    cc: list[str]
    subject: list[str]
    body: list[str]
    list_id: str = ""
    size: int = 0
    words: dict[str, list[str]] = field(default_factory=dict)

    def fields(self) -> list[tuple[str, str]]:
        found = [("From", f"Some {self.sender}"), ("To", ", ".join(self.to)), ("Subject", " ".join(self.subject))]
        found += [("Cc", ", ".join(self.cc))] if self.cc else []
        return found + ([("List-Id", f"<{self.list_id}>")] if self.list_id else [])


Meaning = Callable[[Letter], bool]


def _people(letter: Letter, where: str) -> list[str]:
    return [letter.sender.strip("<>")] if where == "from" else [one.strip("<>") for one in letter.to + letter.cc]


def _has_words(text: str, words: list[str]) -> bool:
    found = [one.lower() for one in re.findall(r"\w+", text)]
    wanted = [one.lower() for one in words]
    return any(found[at : at + len(wanted)] == wanted for at in range(len(found)))


def _meant(choose: Random, depth: int = 0) -> tuple[str, Meaning]:
    """A query, and what it means."""
    kind = choose.randrange(9 if depth < 3 else 6)
    if kind == 0:
        where, who = choose.choice(("from", "to")), choose.choice(ADDRESSES)
        return f"{where}:{who}", lambda letter: who in _people(letter, where)
    if kind == 1:
        where, domain = choose.choice(("from", "to")), choose.choice(DOMAINS)
        sign = choose.choice(("", "@", "*@"))

        def below(letter: Letter) -> bool:
            hosts = [one.partition("@")[2] for one in _people(letter, where)]
            return any(host == domain or host.endswith(f".{domain}") for host in hosts)

        return f"{where}:{sign}{domain}", below
    if kind == 2:
        words = choose.choices(WORDS, k=choose.choice((1, 1, 2)))
        text = f'"{" ".join(words)}"' if len(words) > 1 else words[0]
        return f"subject:{text}", lambda letter: _has_words(" ".join(letter.subject), words)
    if kind == 3:
        word = choose.choice(WORDS)

        def anywhere(letter: Letter) -> bool:
            return any(_has_words(value, [word]) for _, value in letter.fields() if _ != "List-Id") or _has_words(
                " ".join(letter.body), [word]
            )

        return word, anywhere
    if kind == 4:
        limit = choose.choice((1, 2, 3))
        over = choose.random() < 0.5
        return (
            f"{'larger' if over else 'smaller'}:{limit}K",
            lambda letter: letter.size > limit * 1024 if over else letter.size < limit * 1024,
        )
    if kind == 5:
        return "list:dev.example.org", lambda letter: letter.list_id == "dev.example.org"
    if kind == 6:
        text, inner = _meant(choose, depth + 1)
        return f"-({text})" if " " in text or text.startswith("-") else f"-{text}", lambda letter: not inner(letter)
    several = [_meant(choose, depth + 1) for _ in range(choose.choice((2, 2, 3)))]
    if kind == 7:
        joined = " OR ".join(text for text, _ in several)
        return choose.choice(("({})", "{{{}}}")).format(joined), lambda letter: any(one(letter) for _, one in several)
    return f"({' '.join(text for text, _ in several)})", lambda letter: all(one(letter) for _, one in several)


def _letter(choose: Random) -> Letter:
    def people(most: int) -> list[str]:
        return [f"<{one}>" for one in choose.choices(ADDRESSES, k=choose.randint(0, most))]

    def words() -> list[str]:
        return choose.choices((*WORDS, "blue-red", "red,", "x"), k=choose.randint(0, 3))

    return Letter(
        f"<{choose.choice(ADDRESSES)}>",
        people(2),
        people(1),
        words(),
        words(),
        choose.choice(("", "dev.example.org", "dev2.example.org")),
        choose.choice((500, 1024, 1500, 2500, 9000)),
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_it_matches_what_gmail_matches(seed: int) -> None:
    """Several filters at once, on messages that come near to what they look for."""
    choose = Random(seed)
    filters: list[dict[str, str]] = []
    meant: list[tuple[dict[str, str], Meaning]] = []
    for number in range(choose.randint(1, 3)):
        parts = [_meant(choose) for _ in range(choose.choice((1, 1, 2)))]
        without = _meant(choose, 3) if choose.random() < 0.3 else None
        acts = {"label": f"L{number}"} if choose.random() < 0.8 else {}
        for switch in ("shouldArchive", "shouldMarkAsRead", "shouldStar", "shouldTrash"):
            if choose.random() < (0.1 if switch == "shouldTrash" else 0.4):
                acts[switch] = "true"
        one = {"hasTheWord": " ".join(text for text, _ in parts), **acts}
        if without is not None:
            one["doesNotHaveTheWord"] = without[0]

        def all_of(
            letter: Letter,
            parts: list[tuple[str, Meaning]] = parts,
            without: tuple[str, Meaning] | None = without,
        ) -> bool:
            return all(test(letter) for _, test in parts) and not (without and without[1](letter))

        filters.append(one)
        meant.append((one, all_of))
    script = from_gmail(exported(*filters)).script
    for _ in range(12):
        letter = _letter(choose)
        found = outcome_of(script, letter.fields(), " ".join(letter.body), letter.size)
        assert found.filed == _filed([one for one, meaning in meant if meaning(letter)]), (filters, letter, script)


def _filed(acting: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Where Gmail has a message that these filters match, as IMAP shows it."""
    flags = {"\\Seen"} if any("shouldMarkAsRead" in one for one in acting) else set()
    flags |= {"\\Flagged"} if any("shouldStar" in one for one in acting) else set()
    if any("shouldTrash" in one for one in acting):
        return {"Trash": flags}
    boxes = {one["label"] for one in acting if "label" in one}
    archived = [one for one in acting if "shouldArchive" in one]
    if not archived:
        boxes.add("INBOX")
    elif any("label" not in one for one in archived):
        boxes.add("Archive")
    return {box: flags for box in boxes}
