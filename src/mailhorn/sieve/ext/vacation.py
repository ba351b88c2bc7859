"""
vacation and vacation-seconds: answer that one is away (RFC 5230, RFC 6131).

Adds: vacation [:days <number> / :seconds <number>] [:subject <string>] [:from <string>] [:addresses <string-list>]
               [:mime] [:handle <string>] <reason: string>
"""

from ..actions import Vacation
from ..address import is_sender, outbound
from ..errors import SieveRuntimeError
from ..fcc import fcc_source
from ..language import ActionWord, Call, Extension, Tagged, Takes
from ..limits import DEFAULT_VACATION_DAYS, MAX_VACATION_DAYS, MAX_VACATION_SECONDS, MIN_VACATION_DAYS
from ..parser import Strings
from ..program import Step
from ..run import Run


def _handle(call: Call) -> str:
    """Make a handle of what is written, before variables are put in; each argument apart (RFC 5230 §4.2)."""
    written: dict[str, str] = {"reason": "", "subject": "", "from": "", "mime": str(call.has("mime"))}
    name = ""
    for argument in call.node.arguments:
        if isinstance(argument, Strings):
            written[name or "reason"] = "\0".join(argument.values)
            name = ""
        else:
            name = getattr(argument, "name", "")
            name = name if name in ("subject", "from", "addresses", "handle", "fcc", "flags", "mailboxid") else ""
    return "\1".join(f"{key}\2{written[key]}" for key in ("subject", "from", "mime", "reason"))


def _vacation(call: Call) -> Step:
    line, mime = call.line, call.has("mime")
    seconds = call.tag_number("period", DEFAULT_VACATION_DAYS)
    if call.choice("period", "days") == "days":
        seconds = min(max(seconds, MIN_VACATION_DAYS), MAX_VACATION_DAYS) * 86400
    else:
        seconds = min(seconds, MAX_VACATION_SECONDS)
    reason, subject, sender = call.text(0), call.tag_text("subject"), call.tag_text("from")
    own, handle = call.tag_texts("addresses") or (), call.tag_text("handle")
    made = _handle(call)
    fcc = fcc_source(call)
    if sender is not None and sender.constant is not None and not is_sender(sender.constant):
        raise call.error('expected an address after :from, such as "ann@example.org" or "Ann <ann@example.org>"')
    if mime and reason.constant is not None and not reason.constant.partition("\r\n\r\n")[0].isascii():
        raise call.error("the MIME header before the text must be ASCII (RFC 5230 §5.7)", 0)
    for address in own:
        if address.constant is not None and outbound(address.constant) is None:
            raise call.error(f'":addresses" has "{address.constant[:80]}", which is no address')
    call.inventory.actions.add("vacation")

    def vacation(run: Run) -> None:
        written = None if sender is None else sender.value(run)
        if written is not None and not is_sender(written):
            raise SieveRuntimeError(line, "what stands after :from is no address")
        run.vacation(
            Vacation(
                reason.value(run),
                made if handle is None else handle.value(run),
                seconds,
                None if subject is None else subject.value(run),
                written,
                tuple([address.value(run) for address in own]),
                mime,
                fcc(run),
                line,
            )
        )

    return vacation


EXTENSION: Extension = Extension(
    "vacation",
    actions=(
        ActionWord(
            "vacation",
            "vacation [:days <number>] [:subject <text>] [:from <address>] [:addresses <addresses>] [:mime]"
            " [:handle <name>] <reason>;",
            _vacation,
            (Takes.STRING,),
            (
                Tagged("days", "period", Takes.NUMBER),
                Tagged("subject", "subject", Takes.STRING),
                Tagged("from", "from", Takes.STRING),
                Tagged("addresses", "addresses", Takes.STRINGS),
                Tagged("mime", "mime"),
                Tagged("handle", "handle", Takes.STRING),
            ),
        ),
    ),
    asks=frozenset({"send", "memory"}),
    rfc="RFC 5230",
)
SECONDS: Extension = Extension(
    "vacation-seconds",
    actions=EXTENSION.actions,  # requiring it is requiring vacation as well (RFC 6131 §3)
    tags={"vacation": (Tagged("seconds", "period", Takes.NUMBER),)},
    asks=EXTENSION.asks,
    rfc="RFC 6131",
)
