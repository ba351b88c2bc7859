"""
What Sieve scripts ask and decide at a delivery, and after what an IMAP client did: answered, and carried out.

Rule 1: whatever goes wrong, the message is kept in INBOX; only a rule makes it disappear. Rule 2: letters are in the
queue before the message is in its mailboxes, and both before the sender is told. Rule 3: what was seen and answered is
remembered last. Rule 4: nothing waits that need not: a script that asks and does nothing that takes time is done
at once.
"""
