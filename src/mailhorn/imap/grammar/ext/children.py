"""CHILDREN (RFC 3348, RFC 9051 §7.3.1).

Changes: `mbx-list-oflag =/ "\\HasChildren" / "\\HasNoChildren"`. They are attributes of a ListResponse; of a
mailbox at most one of them is true.
"""

from typing import Final

HAS_CHILDREN: Final = "\\HasChildren"
HAS_NO_CHILDREN: Final = "\\HasNoChildren"


def child_mbox_flag(has_children: bool) -> str:
    """
    child-mbox-flag = "\\HasChildren" / "\\HasNoChildren"

    RFC 9051 §9.
    """
    return HAS_CHILDREN if has_children else HAS_NO_CHILDREN
