"""Inputs to begin with, out of the dialogues and letters of the tests."""

import re
from pathlib import Path

from tests.kit.letters import AWKWARD, generated
from tests.kit.sieve import MESSAGE_A, MESSAGE_B

DIALOGUES = Path(__file__).parent.parent / "tests" / "dialogues"
EXAMPLES = Path(__file__).parent.parent / "examples"

_LINE = re.compile(r"([CS])(\d): ?(.*)")
_NAME = re.compile("‹[^›]*›")


def commands() -> list[bytes]:
    """What each client of each dialogue says; who has to log in finds nobody logged in."""
    out = [b"a FETCH 1:* (FLAGS BODY.PEEK[1.2.MIME]<0.5>)\r\n"]
    for client, said in _said("C"):
        login = any(word in said.upper() for word in (b" LOGIN ", b" AUTHENTICATE "))
        out.append((b"u UNAUTHENTICATE\r\n" if login and client else b"") + said)
    return out


def responses() -> list[bytes]:
    """What the server says to each client of each dialogue."""
    return [said for _, said in _said("S")]


def _said(who: str) -> list[tuple[int, bytes]]:
    found = []
    for file in sorted(DIALOGUES.glob("*.txt")):
        clients: dict[int, list[str]] = {}
        for line in file.read_text("utf-8").splitlines():
            match = _LINE.fullmatch(line)
            if match and match[1] == who:
                clients.setdefault(int(match[2]), []).append(_NAME.sub("17", match[3]).replace("…", "text"))
        for client, lines in clients.items():
            # Long ones in pieces: an input is best when it is about one thing.
            for at in range(0, len(lines), 5):
                found.append((client, "".join(f"{line}\r\n" for line in lines[at : at + 5]).encode()))
    return found


def letters() -> list[bytes]:
    """Messages, awkward ones and generated ones."""
    return [*AWKWARD.values(), *(generated(seed) for seed in range(30))]


def smtp() -> list[bytes]:
    """Sessions of SMTP and of LMTP."""
    begin = b"EHLO a.example\r\nMAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<c@d.example>\r\n"
    return [
        begin + b"DATA\r\nSubject: a\r\n\r\n..text\r\n.\r\nQUIT\r\n",
        begin + b"BDAT 6\r\nabcd\r\nBDAT 3 LAST\r\nx\r\nNOOP\r\n",
        begin.replace(b"EHLO", b"LHLO") + b"RCPT TO:<e@f>\r\nDATA\r\n\r\n.\r\nRSET\r\nVRFY x\r\n",
        b"HELO [192.0.2.1]\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\nx\r\n\n.\n\r\n.\r\n",
        b"EHLO x\r\nAUTH PLAIN\r\nAHVzZXIAc2VjcmV0\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nAUTH PLAIN =\r\n*\r\n",
        b'EHLO x\r\nMAIL FROM:<"a b\\"c"@[IPv6:::1]> SMTPUTF8 AUTH=<>\r\nRCPT TO:<@x,@y:"q"@d>\r\nBDAT 0 LAST\r\n',
        "EHLO x\r\nMAIL FROM:<ü@é.example> SMTPUTF8\r\nRCPT TO:<é@ü> NOTIFY=NEVER\r\nEXPN l\r\nHELP\r\n".encode(),
        b"EHLO x\r\nSTARTTLS\r\nEHLO x\r\nMAIL FROM:<a@b> SIZE=99999999999\r\nGET / HTTP/1.1\r\n",
    ]


def managesieve() -> list[bytes]:
    """Sessions of ManageSieve; those that begin with NUL are not logged in."""
    return [
        b'\0AUTHENTICATE "PLAIN" "AGEAYg=="\r\nLISTSCRIPTS\r\nUNAUTHENTICATE\r\nLISTSCRIPTS\r\n',
        b'\0AUTHENTICATE "LOGIN"\r\n"bW9yZQ=="\r\n{8+}\r\nAGEAYg==\r\nCAPABILITY\r\n',
        b'\0AUTHENTICATE "X" {4}\r\nYWJj\r\n"*"\r\nSTARTTLS\r\nNOOP "a \\"b\\\\"\r\nLOGOUT\r\n',
        b"\0CHECKSCRIPT {70000+}\r\nkeep;\r\nNOOP\r\n",
        b'PUTSCRIPT "foo" {31+}\r\n#comment\r\nInvalidSieveCommand\r\n\r\nSETACTIVE "foo"\r\nSETACTIVE ""\r\n',
        b'CHECKSCRIPT {5}\r\nkeep;\r\nGETSCRIPT "a"\r\nDELETESCRIPT {1+}\r\na\r\nRENAMESCRIPT "a" "b"\r\n',
        b'HAVESPACE "myscript" 999999\r\nHAVESPACE "" 01\r\nNOOP\r\nNOOP {3+}\r\n\r\n\xff\r\n\r\nGET / HTTP/1.1\r\n',
    ]


def scripts() -> list[bytes]:
    """Sieve scripts, each followed by NUL and the header that it is asked about."""
    header = "".join(f"{name}: {value}\r\n" for name, value in [*MESSAGE_A, *MESSAGE_B]).encode()
    every = b'require ["fileinto", "envelope", "imap4flags", "copy", "mailbox", "encoded-character"];\r\n'
    bodies = [
        *(file.read_bytes() for file in sorted(EXAMPLES.glob("*.sieve"))),
        every + b'if header :contains "Subject" ["a", "b"] { fileinto :create "x/y"; stop; } else { keep; }',
        every + b'if allof (not address :domain :matches ["From","To"] "*.ex?mple.org", size :over 10K) { discard; }',
        every + b'if anyof (envelope :localpart :is "from" "tim", exists ["X-A", "Date"]) { redirect :copy "a@b"; }',
        every + b'setflag ["\\\\Seen", "a b"]; if hasflag :contains "s" { addflag "x"; removeflag "a"; } keep;',
        every + b'if mailboxexists ["INBOX", "a"] { fileinto :copy :flags "\\\\Seen" "a"; } elsif true { } # end\r\n',
        every + b'if header :comparator "i;octet" :is "X" text:\r\n..a\r\n.\r\n { discard; } /* x */ keep "${hex:41}";',
        every + b'if header :matches "Subject" "*${unicode:e9}*a*b?\\\\*" { fileinto "${hex:24 24}"; }',
    ]
    return [body + b"\0" + header for body in bodies]


def searches() -> list[bytes]:
    """A search program, CR LF, and the message that is asked."""
    programs = [
        b"ALL",
        b"UNSEEN OR FROM ann SUBJECT tea",
        b"NOT (TEXT mail BODY b) 1:* UID 3",
        b'HEADER Message-ID "" HEADER X-A b TO "example" CC a BCC b',
        b"SENTSINCE 1-Feb-2001 BEFORE 2-Mar-2002 LARGER 10 SMALLER 9999 KEYWORD x",
        b'CHARSET UTF-8 SUBJECT "Gr\xc3\xbc" SENTON 3-Apr-2020 YOUNGER 10 MODSEQ 3',
        b"SUBJECT {3}\r\nabc FROM {0}\r\n",
    ]
    from_letters = letters()
    return [
        program + b"\r\n" + letter
        for number, program in enumerate(programs)
        for letter in from_letters[number :: len(programs)]
    ]
