"""procmail's recipes: the common ones, and what becomes of messages."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.sieve_mail import outcome_of

from mailhorn.sieve import compile_script
from mailhorn.sieve.convert import ConvertError, from_procmail
from mailhorn.sieve.convert.egrep import alternatives, expanded, literal
from mailhorn.sieve.formatting import formatted

COMMON = r"""
# A .procmailrc as there are many
SHELL=/bin/sh
PATH=/usr/bin:/bin:/usr/local/bin
MAILDIR=$HOME/Maildir
DEFAULT=$MAILDIR/
LOGFILE=$HOME/.procmail.log
VERBOSE=no
LISTS=".Lists"
ME=ann@example\.org

# Nobody wants things twice
:0 Whc: .msgid.lock
| formail -D 8192 .msgid.cache

:0 fw: spamassassin.lock
* < 256000
| spamassassin

# Spam
:0:
* ^X-Spam-Level: \*\*\*\*\*\*\*\*
/dev/null

:0
* ^X-Spam-Status: Yes
.Junk/

# Python
:0
* ^List-Id:.*<python-dev\.python\.org>
$LISTS.python-dev/

# Any other list
:0
* ^(List-Post|Mailing-List|X-Mailing-List):
$LISTS/

# Boss
:0 c
* ^From:.*boss@example\.com
* ! ^Subject:.*(holiday|vacation)
! ann@phone.example.net

:0
* $ ^TO_$ME
* ^Subject: *\[ticket #[0-9]+\]
{
    :0 c
    .Tickets.all/

    # Mine
    :0
    * ^X-Assigned: ann$
    .Tickets.mine/

    :0 E
    .Tickets.others/
}

:0
* ^FROM_DAEMON
* ^Subject:.*(undeliver|returned mail)
.Bounces/

# Big ones
:0
* > 5000000
.Big/

:0 B
* viagra|cialis
.Junk/
"""


def test_a_common_file() -> None:
    """Every message goes where procmail would put it."""
    found = from_procmail(COMMON.encode())
    assert [str(one) for one in found.unsaid] == ["< 256000: not in Sieve: | spamassassin; the message stays as it is"]

    def goes(*fields: tuple[str, str], body: str = "", size: int = 1000) -> tuple[list[str], list[str]]:
        outcome = outcome_of(found.script, list(fields), body, size)
        return sorted(outcome.filed), sorted(outcome.sent)

    assert goes(("X-Spam-Level", "********"), ("X-Spam-Status", "Yes, score=9")) == ([], [])
    assert goes(("X-Spam-Level", "***"), ("X-Spam-Status", "Yes, score=5")) == (["Junk"], [])
    assert goes(("List-Id", "Dev <Python-Dev.Python.ORG>")) == (["Lists/python-dev"], [])
    assert goes(("List-Post", "<mailto:x@y>")) == (["Lists"], [])
    boss = ("From", "The Boss <boss@example.com>")
    assert goes(boss, ("Subject", "work")) == (["INBOX"], ["ann@phone.example.net"])
    assert goes(boss, ("Subject", "my Holidays")) == (["INBOX"], [])
    ticket = ("Subject", "[ticket #42] hello")
    assert goes(ticket, ("To", "Ann <ann@example.org>"), ("X-Assigned", "ann")) == (["Tickets/all", "Tickets/mine"], [])
    assert goes(ticket, ("Cc", "ann@example.org"), ("X-Assigned", "bob")) == (["Tickets/all", "Tickets/others"], [])
    assert goes(ticket, ("To", "joann@example.org")) == (["INBOX"], [])
    assert goes(("From", "MAILER-DAEMON@mx.example.org"), ("Subject", "Undelivered mail")) == (["Bounces"], [])
    assert goes(("Subject", "x"), size=6_000_000) == (["Big"], [])
    assert goes(("Subject", "x"), body="buy Cialis now") == (["Junk"], [])
    assert goes(("Subject", "hello")) == (["INBOX"], [])
    assert outcome_of(found.script, [("Message-ID", "<1@x>")], duplicate=True).filed == {}


def script_of(recipe: str) -> str:
    """What recipes become, without what stands above them."""
    script = from_procmail(recipe.encode()).script
    return script.partition("# rule:[")[2].partition("\n")[2]


def becomes(expression: str, flags: str = "") -> str:
    """What a condition becomes, on one line; or "left out"."""
    script = from_procmail(f":0 {flags}\n* {expression}\nx\n".encode()).script
    if "left out" in script:
        return "left out"
    test = script.partition("\nif ")[2].partition(" {\n")[0]
    return " ".join(test.split()).replace("( ", "(").replace(" )", ")").replace("[ ", "[").replace(" ]", "]")


@pytest.mark.parametrize(
    ("expression", "test"),
    [
        ("^Subject:.*foo", 'header :contains "subject" "foo"'),
        ("^Subject: foo", 'header :matches "subject" "foo*"'),
        ("^Subject:[ \t]*foo$", 'header "subject" "foo"'),
        ("^Subject:.*foo$", 'header :matches "subject" "*foo"'),
        (r"^Subject:.*\[foo\]", 'header :contains "subject" "[foo]"'),
        ("^Subject:.*[[]foo]", 'header :contains "subject" "[foo]"'),
        ("^Subject:.*(a|b c)", 'header :contains "subject" ["a", "b c"]'),
        ("^Subject:.*a.*b", 'header :regex "subject" "a.*b"'),
        ("^Subject: a+b", 'header :regex "subject" "^a+b"'),
        ("^Subject:.*[a-z]+$", 'header :regex "subject" "[a-z]+$"'),
        ("^Subject:.*a|^Subject:.*b", 'header :contains "subject" ["a", "b"]'),
        ("(^From:.*a@b|^Sender:.*a@b)", 'anyof (header :contains "from" "a@b", header :contains "sender" "a@b")'),
        ("^From:.*bob@example.com", 'header :contains "from" "bob@example.com"'),
        ("^(From|Reply-To):.*bob", 'header :contains ["from", "reply-to"] "bob"'),
        ("^(Resent-)?(To|Cc):.*bob", 'header :contains ["resent-to", "resent-cc", "to", "cc"] "bob"'),
        ("^X-Loop:", 'exists "x-loop"'),
        ("^X-Loop:.*", 'exists "x-loop"'),
        ("!^X-Loop:", 'not exists "x-loop"'),
        (
            "^TO_bob@example.com",
            'address ["to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"] "bob@example.com"',
        ),
        ("> 1024", "size :over 1K"),
        ("! > 1024", "not size :over 1K"),
        ("B ?? buy", 'body :raw :contains "buy"'),
        ("H ?? ^Subject:.*a", 'header :contains "subject" "a"'),
        (r"^Subject:.*\<foo\>", 'header :regex "subject" "(^|[^a-zA-Z0-9_])foo([^a-zA-Z0-9_]|$)"'),
        ("^From[ :].*bob", 'header :contains "from" "bob"'),
        (
            "^TO()bob@",
            'header :regex ["to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc", "x-envelope-to", '
            '"apparently-to"] "(^|[^-a-zA-Z0-9_.])bob@"',
        ),
        ("^Subject:.*$", 'exists "subject"'),
        ("^Subject:[ \t]*$", 'header "subject" ""'),
        (r"^Subject:.*=\?big5", "left out"),
        ("anywhere", "left out"),
        ("? test -f $HOME/.away", "left out"),
        ("1^0 ^Subject:.*a", "left out"),
        ("$ ^Subject:.*$NOT_SET", "left out"),
        ("FOO ?? bar", "left out"),
        (r"^Subject:.*\/foo", 'header :contains "subject" "foo"'),
        ("^Subject:.*(unclosed", "left out"),
    ],
)
def test_conditions(expression: str, test: str) -> None:
    """Regular expressions as plainly as they can be said."""
    assert becomes(expression) == test


def test_flags_of_conditions() -> None:
    """D: by case. B: the body. HB: both."""
    assert becomes("^Subject:.*Foo", "D") == 'header :comparator "i;octet" :contains "subject" "Foo"'
    assert becomes("foo", "B") == 'body :raw :contains "foo"'
    assert becomes("foo|^Subject:.*a", "HB") == 'anyof (header :contains "subject" "a", body :raw :contains "foo")'


def test_recipes_that_follow_another() -> None:
    """A: if the one before matched. E: if it did not. What was delivered goes no further."""
    script = from_procmail(
        b":0 c\n* ^Subject:.*a\none\n\n:0 A\n* ^Subject:.*b\ntwo\n\n"
        b":0\n* ^Subject:.*c\nthree\n\n:0 E\n* ^Subject:.*d\nfour\n\n:0 E\nfive\n\n:0\nsix\n"
    ).script

    def goes(subject: str) -> list[str]:
        return sorted(outcome_of(script, [("Subject", subject)]).filed)

    assert goes("a b c") == ["one", "two"]
    assert goes("a c") == ["one", "three"]
    assert goes("b d") == ["four"]
    assert goes("x") == ["five"]


def test_what_depends_on_what_cannot_be_said_is_left_out() -> None:
    """Or it would match more than it did; a copy that goes through a block leaves the message where it was."""
    found = from_procmail(b":0\n* ? test -f away\none\n\n:0 E\ntwo\n\n:0\n* ^Subject:.*a\nx\n\n:0 A\ny\n")
    assert outcome_of(found.script, [("Subject", "b")]).filed == {"INBOX": set()}
    assert outcome_of(found.script, [("Subject", "a")]).filed == {"x": set()}
    assert len([one for one in found.unsaid if one.what.startswith("left out")]) == 3
    script = from_procmail(b":0 c\n* ^Subject:.*a\n{\n:0\n* ^Subject:.*b\nx\n\n:0 E\ny\n}\n\n:0\nz\n").script
    assert sorted(outcome_of(script, [("Subject", "a b")]).filed) == ["x", "z"]
    assert sorted(outcome_of(script, [("Subject", "a")]).filed) == ["y", "z"]
    assert sorted(outcome_of(script, [("Subject", "b")]).filed) == ["z"]


def test_what_starts_a_program_keeps_the_message() -> None:
    """And is told; a copy of it is passed over."""
    found = from_procmail(b":0\n* ^Subject:.*a\n| /usr/bin/handle\n\n:0 c\n| /usr/bin/copy\n\n:0\nlater\n")
    assert outcome_of(found.script, [("Subject", "a")]).filed == {"INBOX": set()}
    assert outcome_of(found.script, [("Subject", "b")]).filed == {"later": set()}
    assert [one.what for one in found.unsaid][:2] == [
        "not in Sieve: | /usr/bin/handle; the message is kept instead",
        "not in Sieve: | /usr/bin/copy",
    ]
    assert 'fileinto :create "Lists/Py";' in script_of(":0\n* ^X-A:\n| /usr/lib/dovecot/deliver -m Lists/Py\n")


def test_what_matched_is_a_mailbox() -> None:
    """`\\/` and $MATCH, as lists are filed by their names; nothing else takes `${` for a variable then."""
    lists = b":0\n* ^(List-Id|X-List):.*<\\/[^.>@]+\n* ^Subject:.*x\nlists/$MATCH/\n"
    script = from_procmail(lists).script
    assert 'fileinto :create "lists/${1}";' in script
    fields = [("List-Id", "Some <python-dev.python.org>"), ("Subject", "x")]
    assert outcome_of(script, fields).filed == {"lists/python-dev": set()}
    assert outcome_of(script, [("List-Id", "Some <.>"), ("Subject", "x")]).filed == {"INBOX": set()}
    found = from_procmail(lists + b"\n:0\n* ^Subject:.*[$][{]a[}]\nother\n")
    assert outcome_of(found.script, [("Subject", "${a}")]).filed == {"INBOX": set()}
    assert [one.what for one in found.unsaid] == [
        "left out: it has ${ in it, which another rule needs for something else"
    ]
    assert outcome_of(from_procmail(lists.replace(b"$MATCH", b"all")).script, fields).filed == {"lists/all": set()}


def test_where_mail_is_put() -> None:
    """Maildir, mbox, Maildir++, below MAILDIR, by variables; the inbox is the inbox."""

    def box(target: str, head: str = "") -> str:
        found = re.search(r'fileinto :create "(.*)";|(keep);', from_procmail(f"{head}:0\n{target}\n".encode()).script)
        return "" if found is None else found[1] or found[2]

    assert box("lists/python/") == "lists/python"
    assert box("$HOME/Mail/spam") == "spam"
    assert box("${MAILDIR}/.Spam.old/") == "Spam/old"
    assert box("$DIR/x", 'DIR="$HOME/Maildir/lists"\n') == "lists/x"
    assert box("$DEFAULT") == box("$ORGMAIL") == box("$HOME/Maildir/") == "keep"
    assert box("lists/new/.") == "lists/new" or box("lists/.") == "lists"
    assert box("/var/mail/other") == "other"
    assert box("x", "") == "x"
    assert box("`date +%Y`") == "keep" or box("$YEAR", "YEAR=`date +%Y`\n") == "keep"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("From: a\n", "line 1: expected a recipe"),
        (":0\n* ^a:\n", "line 1: this recipe has no action"),
        (":0 {\n", "line 1: expected :0"),
        (":0\n{\n:0\nx\n", "a block is not closed"),
        ("}\n", "line 1: there is no {"),
        (":0\n{\n" * 30, "nested blocks"),
        (":0" + " " * 10_000 + "!\nx\n", "line 1: expected :0"),
        (":0\n* " + "a" * 30_000 + "\nx\n", "line 2 is longer than 20000 characters"),
    ],
)
def test_what_is_no_procmailrc(text: str, why: str) -> None:
    """One line says what was expected, and where."""
    with pytest.raises(ConvertError, match=re.escape(why)):
        from_procmail(text.encode())


@pytest.mark.parametrize(
    "hostile",
    [
        "^(" + "a)" * 900,
        "(" * 900 + ")" * 900,
        "^Subject:" + "(a|" * 600,
        "$ " + "${a-" * 4000,
        "^(" + "a|" * 900 + "):x",
    ]
    + ["^" + "(a|b)?" * 300 + ":x", "^Subject:" + "[" * 1900, "\\" * 1900 + "x", "^Subject:" + ".*" * 900],
)
def test_hostile_expressions(hostile: str) -> None:
    """They are left out, or converted, at once."""
    compile_script(from_procmail(f":0\n* {hostile}\nx\n".encode()).script)


def test_pieces_of_expressions() -> None:
    """Plain text is known as such; bars and brackets are where they are."""
    assert literal(r"a\.b\*") == "a.b*" and literal("a.b") == "a.b"
    assert literal("a.") is None and literal("ab*") is None and literal("[ab]") is None
    assert list(alternatives("a|(b|c)|[|]|\\|")) == ["a", "(b|c)", "[|]", "\\|"]
    assert expanded("(Resent-)?(To|Cc)") == ["Resent-To", "Resent-Cc", "To", "Cc"]
    assert expanded("(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)") == []


LINES = st.sampled_from(
    [":0", ":0 c", ":0 E", ":0 A", ":0 B:", ":0fw", "* ^Subject:.*a", "* ! ^(To|Cc):.*(b|c.d)", "* ^TO_x@y.z", "* > 10"]
    + ["* ^FROM_MAILER", "* ^From:.*[a-z", "* ^X:.*(", "* $ ^Y:.*$V", "* ?x", "* HB ?? a\\b", "* ^\\(a:", "{", "}"]
    + ["{ }", "box", "$V/box/", "! a@b.c", "! nobody", "| cat", "/dev/null", "V=a", "V=$W`x`", "V", "# note", "", "a\\"]
    + ["* ^Subject:.*\\<a\\>", "* ^Subject: .*[^]]*", "* ^Subject:.*a{2}", "* ^Subject:.*\\/a+", "l/$MATCH"]
    + ["INCLUDERC=x", "{ V=b }"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(LINES, max_size=14)
    | st.lists(st.tuples(LINES, LINES).map(lambda two: f":0\n{two[0]}\n{two[1]}"), max_size=4)
)
def test_whatever_is_in_it_compiles(lines: list[str]) -> None:
    """Or it is refused in one line."""
    try:
        script = from_procmail("\n".join(lines).encode()).script
    except ConvertError as error:
        assert "\n" not in str(error)
        return
    compile_script(script)
    assert formatted(script) == script
