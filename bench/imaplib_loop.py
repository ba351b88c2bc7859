"""A mail filter as people write it with imaplib: IDLE by hand, a time limit on the socket, and "timed out" is no error.

Loops like this one are why mailhorn has a watcher: one day they are found at 100 % of a core (docs/compared.md says
why). It is a contender of `./dev bench compared` and stays as it is; nothing imports it.

    python imaplib_loop.py HOST PORT USER PASSWORD
"""

import imaplib
import sys
import time

RENEWAL = 60.0
"""Seconds an IDLE lasts."""
LOOK_UP = 30.0
"""Seconds after which reading is given up, to see whether the IDLE is to be renewed."""
RECONNECT = 30.0
"""Seconds before the next connection."""


def file_lists(box: imaplib.IMAP4) -> int:
    """Move what is for the list, and return how many messages are left."""
    for number in reversed(box.search(None, "SUBJECT", "list")[1][0].split()):
        if box.copy(number.decode(), "Lists")[0] == "OK":
            box.store(number.decode(), "+FLAGS", "\\Deleted")
    box.expunge()
    return int(box.select("INBOX")[1][0] or 0)


def idle(box: imaplib.IMAP4, count: int) -> None:
    """Wait until there are more messages, or until it is time to renew the IDLE."""
    tag = box._new_tag()  # as people do: imaplib had no IDLE before Python 3.14
    box.send(tag + b" IDLE\r\n")
    box.readline()
    box.sock.settimeout(LOOK_UP)
    began = time.time()
    while time.time() - began < RENEWAL:
        try:
            line = box.readline()
        except OSError as error:
            if "timed out" in str(error):
                continue
            raise
        if not line:
            raise ConnectionError("the server closed the connection")
        words = line.split()
        if len(words) == 3 and words[2] == b"EXISTS" and int(words[1]) > count:
            break
        time.sleep(0.05)
    box.send(b"DONE\r\n")
    while not box.readline().startswith(tag):
        pass


def main(host: str, port: int, user: str, password: str) -> None:
    """Filter for ever."""
    while True:
        try:
            box = imaplib.IMAP4(host, port)
            box.login(user, password)
            box.create("Lists")
            box.select("INBOX")
            while True:
                idle(box, file_lists(box))
        except (OSError, imaplib.IMAP4.error) as error:
            print(f"{error}; again in {RECONNECT:.0f} s", flush=True)
            time.sleep(RECONNECT)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
