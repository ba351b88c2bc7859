"""Thunderbird's filters: every term and every action, and how filters follow each other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.sieve_mail import outcome_of

from mailhorn.sieve import compile_script
from mailhorn.sieve.convert import ConvertError, from_thunderbird
from mailhorn.sieve.convert.thunderbird import folder_of
from mailhorn.sieve.formatting import formatted

HEAD = 'version="9"\nlogging="no"\n'
HOME = "imap://ann%40example.org@imap.example.org"


def escaped(text: str) -> str:
    """A value as it stands in the file."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def written(condition: str, *actions: tuple[str, str], name: str = "F", enabled: str = "yes", type: str = "17") -> str:
    """A filter as it stands in the file."""
    lines = [f'name="{escaped(name)}"', f'enabled="{enabled}"', f'type="{type}"']
    for action, value in actions:
        lines.append(f'action="{action}"')
        lines += [f'actionValue="{escaped(value)}"'] if value else []
    return "\n".join([*lines, f'condition="{escaped(condition)}"']) + "\n"


def becomes(condition: str) -> str:
    """What a condition becomes: on one line, or "left out"."""
    script = from_thunderbird((HEAD + written(condition, ("Mark flagged", ""))).encode()).script
    if "left out" in script:
        return "left out"
    test = script.partition("\nif ")[2].partition(" {\n    addflag")[0]
    return " ".join(test.split()).replace("( ", "(").replace(" )", ")")


@pytest.mark.parametrize(
    ("condition", "test"),
    [
        ("AND (subject,contains,[list])", 'header :contains "subject" "[list]"'),
        ("AND (subject,doesn't contain,x)", 'not header :contains "subject" "x"'),
        ("AND (subject,is,Hello, you)", 'header "subject" "Hello, you"'),
        ('AND (subject,begins with,"a*)")', 'header :matches "subject" "a\\\\*)*"'),
        ("AND (subject,ends with,z)", 'header :matches "subject" "*z"'),
        ("AND (subject,is empty,)", 'not header :matches "subject" "?*"'),
        ("AND (from,contains,ann@)", 'header :contains "from" "ann@"'),
        ("AND (from,is,ann@example.org)", 'address "from" "ann@example.org"'),
        ("AND (from,isn't,ann@example.org)", 'not address "from" "ann@example.org"'),
        ("AND (cc,begins with,B)", 'anyof (address :matches "cc" "B*", header :matches "cc" "B*")'),
        ("AND (all addresses,contains,x)", 'header :contains ["from", "to", "cc", "bcc"] "x"'),
        ("AND (cc,is empty,)", 'not exists "cc"'),
        ('AND ("list-id",contains,py)', 'header :contains "list-id" "py"'),
        ("AND (X-Spam-Flag,is,YES)", 'header "x-spam-flag" "YES"'),
        ("AND (body,contains,unsubscribe)", 'body :text :contains "unsubscribe"'),
        ("AND (size,is greater than,2048)", "size :over 2M"),
        ("AND (size,is less than,10)", "size :under 10K"),
        ("AND (priority,is,Highest)", 'header :matches "x-priority" "1*"'),
        ("AND (date,is before,31-Dec-2025)", 'date :value "lt" "date" "date" "2025-12-31"'),
        ("AND (has attachment status,is,false)", "left out"),
        ("OR (subject,contains,a) OR (subject,contains,b)", 'header :contains "subject" ["a", "b"]'),
        ("AND (subject,is,a) AND (from,contains,b)", 'allof (header "subject" "a", header :contains "from" "b")'),
        ("AND (age in days,is greater than,3)", "left out"),
        ("AND (from in ab,is in ab,moz://a)", "left out"),
        ("AND (junk status,is,2)", "left out"),
        ("AND (status,isn't,read)", "left out"),
        ("AND (no such,is,x)", "left out"),
        ("AND (subject,contains)", "left out"),
        ("nonsense", "left out"),
        ("", "left out"),
        ("OR (tag,contains,$label1) OR (subject,contains,a)", 'header :contains "subject" "a"'),
        ("AND (status,isn't,read) AND (subject,contains,a)", "left out"),
    ],
)  # fmt: skip
def test_terms(condition: str, test: str) -> None:
    """Each attribute and operator; what cannot be said never makes a filter match more."""
    assert becomes(condition) == test


def test_actions_and_their_order() -> None:
    """Flags first, as they are on the message wherever it goes; who is moved or deleted meets no other filter."""
    text = HEAD
    text += written("AND (subject,contains,a)", ("Move to folder", f"{HOME}/Lists/Py"), ("Mark read", ""), name="A")
    text += written("AND (subject,contains,b)", ("AddTag", "$label1"), ("Copy to folder", f"{HOME}/Copies"), name="B")
    text += written("AND (subject,contains,c)", ("Forward", "bob@example.net"), ("Stop execution", ""), name="C")
    text += written("AND (subject,contains,d)", ("Delete", ""), name="D")
    text += written("ALL", ("Mark flagged", ""), ("JunkScore", "0"), ("Label", "2"), name="E")
    found = from_thunderbird(text.encode())
    assert not found.unsaid and found.rules == 5

    def done(subject: str) -> dict[str, set[str]]:
        return outcome_of(found.script, [("Subject", subject)]).filed

    assert done("a b c d") == {"Lists/Py": {"\\Seen"}}
    assert done("b c d") == {"Copies": {"$label1"}, "INBOX": {"$label1"}}
    assert outcome_of(found.script, [("Subject", "c")]).sent == {"bob@example.net"}
    assert done("d") == {"Trash": set()}
    assert done("x") == {"INBOX": {"\\Flagged", "$NotJunk", "$label2"}}


def test_what_cannot_be_done_is_told() -> None:
    """The rest of the filter stays; what is off, or is for other mail, is a comment."""
    text = HEAD
    text += written("ALL", ("Reply", "mailbox://x"), ("Change priority", "High"), ("Mark read", ""), name="Some")
    text += written("ALL", ("Custom", "addon#action"), ("Forward", "no address"), name="None")
    text += written("AND (subject,is,x)", ("Delete", ""), name="Off", enabled="no")
    text += written("AND (subject,is,x)", ("Delete", ""), name="Sent", type="64")
    found = from_thunderbird(text.encode())
    assert [str(one) for one in found.unsaid] == [
        "Some: not in Sieve: Reply mailbox://x",
        "Some: not in Sieve: Change priority High",
        "None: not in Sieve: Custom addon#action",
        "None: not in Sieve: Forward no address: it is no address",
        "None: left out, as nothing that it does can be said",
        "Off: left out: it was switched off",
        "Sent: left out: it does not run on mail that comes",
    ]
    assert outcome_of(found.script, [("Subject", "x")]).filed == {"INBOX": {"\\Seen"}}
    assert '#     if header "subject" "x" {' in found.script


def test_folders() -> None:
    """Of IMAP accounts in modified UTF-7 or not, and of this computer."""
    assert folder_of(f"{HOME}/INBOX/Lists") == "INBOX/Lists"
    assert folder_of("imap://ann@imap.example.org/Entw&APw-rfe%20alt") == "Entwürfe alt"
    assert folder_of("imap://ann@imap.example.org/A%26B/&-") == "A&B/&"
    assert folder_of("mailbox://nobody@Local%20Folders/Archiv%C3%A9") == "Archivé"
    assert folder_of("imap://ann@imap.example.org/&AP-") == "&AP-"


@pytest.mark.parametrize("content", [b"", b"\0\0", b"<feed/>", b"name=x\n", HEAD.encode() + b"what is this\n"])
def test_what_is_no_filter_file(content: bytes) -> None:
    """One line says so."""
    with pytest.raises(ConvertError, match="this is no msgFilterRules.dat: "):
        from_thunderbird(content)


@pytest.mark.parametrize("hostile", [" " * 10**6 + "x", "a " * 10**5, 'name="' + "\\\\" * 10**5])
def test_hostile_lines(hostile: str) -> None:
    """They are refused at once."""
    with pytest.raises(ConvertError, match="line 3 is not of the form"):
        from_thunderbird((HEAD + hostile).encode())


WORDS = st.sampled_from(
    "subject from to cc body size priority date status tag 'list-id' X-Y contains is isn't matches a*b \\ \" ) ( , é"
    " 12 31-Dec-2025 begins ends with empty".split()
)
TEXTS = st.lists(WORDS, max_size=3).map(" ".join) | st.text(max_size=10).filter(str.isprintable)
TERMS = st.builds(
    "{} ({},{},{})".format,
    st.sampled_from(["AND", "OR"]),
    st.sampled_from(["subject", "from", "to or cc", "body", "size", "date", "X-Y", '"list-id"', "cc"]) | TEXTS,
    st.sampled_from("contains,is,isn't,begins with,ends with,is empty,is greater than,is before".split(",")) | TEXTS,
    TEXTS,
)
ACTIONS = st.tuples(
    st.sampled_from(
        ["Move to folder", "Copy to folder", "Delete", "Mark read", "Mark unread", "AddTag", "Forward", "Reply"]
    ),
    TEXTS | st.builds((HOME + "/{}").format, TEXTS),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.lists(TERMS, max_size=3), st.lists(ACTIONS, max_size=3), TEXTS, st.booleans()), max_size=3)
)
def test_whatever_is_in_it_compiles(
    filters: list[tuple[list[str], list[tuple[str, str]], str, bool]],
) -> None:
    """And it is written as `mailhorn sieve format` writes it."""
    text = HEAD + "".join(
        written(" ".join(terms), *actions, name=name, enabled="yes" if on else "no")
        for terms, actions, name, on in filters
    )
    script = from_thunderbird(text.encode()).script
    compile_script(script)
    assert formatted(script) == script
