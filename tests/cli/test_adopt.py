"""`mailhorn account adopt`: what it says, and when it will not."""

from pathlib import Path

from tests.kit.commands import mailhorn, serving

MAIL = b"Subject: x\n\nhello\n"


def test_adopting(tmp_path: Path) -> None:
    """Not beside a server, not what is no Maildir, not twice; otherwise it says what became of it."""
    maildir = tmp_path / "Maildir"
    for part in ("cur", "new", "tmp", ".git..x/cur"):
        (maildir / part).mkdir(parents=True)
    (maildir / "new" / "1.a.host").write_bytes(MAIL)
    adopt = ("account", "adopt", "ann", str(maildir), "--password-stdin")
    with serving(tmp_path):
        refused = mailhorn(*adopt, home=tmp_path, text="secret\n")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "is running; stop it, adopt, and start it again" in refused.stderr
    missing = mailhorn("account", "adopt", "ann", "nowhere", "--password-stdin", home=tmp_path, text="secret\n")
    assert missing.returncode == 1 and "nowhere is no Maildir" in missing.stderr
    adopted = mailhorn(*adopt, home=tmp_path, text="secret\n")
    assert adopted.returncode == 0
    assert adopted.stdout.startswith("Adopted ann: 1 message in 1 mailbox, 0 with the UIDs they had. Data: ")
    assert adopted.stderr.startswith(f"mailhorn: {maildir}/.git..x is left out: ")
    again = mailhorn(*adopt, home=tmp_path, text="secret\n")
    assert again.returncode == 1 and again.stderr.startswith("mailhorn: ann is there already; ")
    assert "ann" in mailhorn("account", "list", home=tmp_path).stdout
