"""
enotify: tell somebody (RFC 5435), by mailto (RFC 5436) or an https webhook.

Adds: notify [:from <string>] [:importance <"1" / "2" / "3">] [:options <string-list>] [:message <string>] <method>,
      valid_notify_method <uris: string-list>, notify_method_capability <uri> <capability> <keys>, set :encodeurl
"""

import re
from urllib.parse import urlsplit

from ..actions import Notify
from ..address import outbound
from ..errors import SieveRuntimeError
from ..fcc import fcc_source
from ..language import ActionWord, Call, Extension, Tagged, Takes, TestWord
from ..limits import MAX_URI
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Step, Test
from ..questions import NotifyCapability
from ..replies import mailto
from ..run import Run, values_of

_OPTION = re.compile(r"[a-z0-9][a-z0-9._-]*=[^\0\n\r]*", re.IGNORECASE | re.ASCII)


METHODS = ("mailto", "https")
"""URI schemes that are known."""


def _has_scheme(uri: str) -> bool:
    return uri.partition(":")[0].lower() in METHODS


def uri_problem(uri: str) -> str | None:
    """Return what is wrong with a method, None if it is one of ours."""
    if len(uri) > MAX_URI or not uri.isprintable() or " " in uri:
        return "this is no URI"
    scheme = uri.partition(":")[0].lower()
    if scheme == "mailto":
        return None if mailto(uri) is not None else "this mailto URI is not valid"
    if scheme == "https":
        try:
            host = urlsplit(uri).hostname
        except ValueError:
            host = None
        return None if host else "this https URI has no host"
    return f'there is no notification by "{scheme[:40]}"; known are mailto and https'


def _notify(call: Call) -> Step:
    method, line = call.text(0), call.line
    message, sender = call.tag_text("message"), call.tag_text("from")
    options = call.tag_texts("options") or ()
    importance = call.tag_string("importance", "2")
    if importance not in ("1", "2", "3"):
        raise call.error('expected "1", "2" or "3" after :importance')
    if method.constant is not None and (wrong := uri_problem(method.constant)):
        if _has_scheme(method.constant):
            raise call.error(wrong, 0)
        call.warn(wrong)  # "an error condition at run time" (RFC 5435 §3.1): scripts may ask first
    if sender is not None and sender.constant is not None and outbound(sender.constant) is None:
        raise call.error("what stands after :from is no address")
    for option in options:
        if option.constant is not None and not _OPTION.fullmatch(option.constant):
            raise call.error('an option is written as "name=value"')
    fcc, has_fcc = fcc_source(call), call.has("fcc")
    if has_fcc and method.constant is not None and not _has_copies(method.constant):
        call.warn(_NO_COPIES)
    call.inventory.actions.add("notify")

    def notify(run: Run) -> None:
        uri = method.value(run)
        if wrong := uri_problem(uri):
            raise SieveRuntimeError(line, wrong)
        if has_fcc and not _has_copies(uri):
            raise SieveRuntimeError(line, _NO_COPIES)
        author = None if sender is None else sender.value(run)
        if author is not None and outbound(author) is None:
            raise SieveRuntimeError(line, "what stands after :from is no address")
        text = None if message is None else message.value(run)
        given = tuple([option.value(run) for option in options])
        run.notify(Notify(uri, text, int(importance), author, given, fcc(run), line))

    return notify


_NO_COPIES = "only of notifications by mailto a copy can be filed"


def _has_copies(uri: str) -> bool:
    """Say whether what is sent is a message that can be filed, too (RFC 8580 §6)."""
    return uri.partition(":")[0].lower() == "mailto"


def _valid_notify_method(call: Call) -> Test:
    uris = call.texts(0)
    return lambda run: all(uri_problem(uri.value(run)) is None for uri in uris)


def _notify_method_capability(call: Call) -> Test:
    """False for what is not known, never an error (RFC 5435 §5)."""
    uri, capability = call.text(0), call.text(1)
    with_keys = matcher(call, call.texts(2))

    def notify_method_capability(run: Run) -> bool:
        target, wanted = uri.value(run), capability.value(run).lower()
        found: tuple[str, ...] = ()
        if wanted == "fcc" and ":" in target:  # nothing but the scheme is needed (RFC 8580 §6.1)
            found = ("yes" if _has_copies(target) else "no",)
        elif uri_problem(target) is None:
            found = run.answer(NotifyCapability(target, wanted))
        return bool(found) and with_keys.any(run, (values_of(found, with_keys.comparator),))

    return notify_method_capability


EXTENSION: Extension = Extension(
    "enotify",
    tests=(
        TestWord("valid_notify_method", "valid_notify_method <uris>", _valid_notify_method, (Takes.STRINGS,)),
        TestWord(
            "notify_method_capability",
            "notify_method_capability [:comparator <name>] [:is / :contains / :matches] <uri> <capability> <keys>",
            _notify_method_capability,
            (Takes.STRING, Takes.STRING, Takes.STRINGS),
            (*COMPARATOR, *MATCH_TYPE),
        ),
    ),
    actions=(
        ActionWord(
            "notify",
            'notify [:from <address>] [:importance "1" / "2" / "3"] [:options <options>] [:message <text>] <uri>;',
            _notify,
            (Takes.STRING,),
            (
                Tagged("from", "from", Takes.STRING),
                Tagged("importance", "importance", Takes.STRING),
                Tagged("options", "options", Takes.STRINGS),
                Tagged("message", "message", Takes.STRING),
            ),
        ),
    ),
    tags={"set": (Tagged("encodeurl", "encode"),)},
    asks=frozenset({"send"}),
    rfc="RFC 5435, RFC 5436",
)
