"""Mail that is sent in the tests: first `resolve` says what will become of it, then it is sent."""

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.containers import wait_until
from tests.scenario.stack import Stack

NAMES = {"mx": "mx.example.com", "mail1": "mail1.internal", "submission": "mail.example.com"}
FATES = {"deliver": "sent", "reject": "bounced", "defer": "deferred"}
DELIVERY = re.compile(
    r"postfix/(?:[\w-]+/)?(?P<program>\w+)\[\d+\]: (?P<id>\w+): to=<(?P<to>.*?)>,(?: orig_to=<.*?>,)?"
    r" relay=(?P<relay>[^,]+),.* dsn=(?P<dsn>[\d.]+), status=(?P<status>\w+)(?P<words>.*)"
)


@dataclass
class Posting:
    """One message to one recipient: what was said of it and what a host answered."""

    host: str
    address: str
    subject: str
    said: dict[str, Any]
    answer: dict[str, Any]
    log_from: int
    #: False where what happens beyond the next hop, or in a broken program, decides the fate.
    foreseeable: bool = True
    deliveries: list[re.Match[str]] = field(default_factory=list)

    @property
    def reply(self) -> str:
        """The last reply that the message got, `550 5.1.1 …`."""
        code, text = self.answer["data"] or self.answer["rcpt"][0]
        return f"{code} {text}"

    @property
    def queue_id(self) -> str | None:
        """Its number in the host's queue; None where it was not taken."""
        found = re.search(r"queued as (\w+)", self.reply)
        return found[1] if found else None


class Post:
    """Sends, and remembers what it sent, for the comparison at the end."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.postings: list[Posting] = []

    def send(
        self, *addresses: str, host: str = "mx", foreseeable: bool = True, **how: Any
    ) -> list[Posting]:
        """A message of its own to each address, by a client outside; `how` as client.py has it."""
        said = self.stack.mailldap_json(host, "resolve", "-c", "/etc/postfix", "--", *addresses)
        log_from = len(self.stack[host].logs())
        subjects = [uuid.uuid4().hex for _ in addresses]
        how = {"sender": "remote@elsewhere.test", **how}
        answers = self.stack.client(
            *(
                {"op": "send", "host": NAMES[host], "recipients": [address], "subject": s, **how}
                for address, s in zip(addresses, subjects, strict=True)
            )
        )
        said = said if len(addresses) > 1 else [said]
        sent = [
            Posting(host, address, subject, one, answer, log_from, foreseeable)
            for address, subject, one, answer in zip(
                addresses, subjects, said, answers, strict=True
            )
        ]
        for posting in sent:
            assert "error" not in posting.answer, posting.answer
            assert posting.said.get("query") == posting.address, posting.said
        self.postings += sent
        return sent

    def arrive(self, postings: list[Posting], user: str = "john.smith") -> None:
        """Asserts that each message is in the user's mailbox, once."""
        [found] = self.stack.client(
            {"op": "mailbox", "user": user, "subjects": [p.subject for p in postings]}
        )
        for posting in postings:
            copies = found.get(posting.subject, [])
            assert len(copies) == 1, f"{posting.address}: {posting.reply}: {len(copies)} copies"

    def follow(self, posting: Posting, seconds: float = 30) -> list[re.Match[str]]:
        """The delivery attempts that the host's log has of a message, the first to each recipient."""
        expected = len(posting.said["recipients"])

        def look() -> bool:
            log = self.stack[posting.host].logs()[posting.log_from :]
            first: dict[str, re.Match[str]] = {}
            for match in DELIVERY.finditer(log):
                if match["id"] == posting.queue_id:
                    first.setdefault(match["to"], match)
            posting.deliveries = list(first.values())
            return len(first) >= max(expected, 1)

        try:
            wait_until(look, "deliveries in the log", seconds, 0.2)
        except TimeoutError:
            got = [match[0] for match in posting.deliveries]
            raise AssertionError(f"{posting.address}: said {posting.said}, log has {got}") from None
        return posting.deliveries

    def compare(self, posting: Posting) -> str | None:
        """What happened to a message, if it is not what `resolve` said; else None."""
        said = posting.said
        where = f"{posting.host}: {posting.address}: `resolve` said {said['outcome']}"
        if posting.queue_id is None:
            if "Relay access denied" in posting.reply:
                # Whether a client may relay is no matter of the address; that it would be relaying
                # is: the address is none of ours.
                ours = [r for r in said["recipients"] if r["class"] != "default"]
                return f"{where} as one of ours, Postfix {posting.reply}" if ours else None
            outcome = "defer" if posting.reply.startswith("4") else "reject"
            if said["outcome"] != outcome:
                return f"{where}, Postfix {posting.reply}"
            words = f"{said['dsn']} {said['reason']}"
            if posting.reply[4:] != words:
                return f"{where} with {words!r}, Postfix {posting.reply[4:]!r}"
            return None
        if not said["recipients"]:
            return f"{where}, Postfix took it"
        happened = {match["to"]: match for match in self.follow(posting)}
        foretold = {recipient["address"]: recipient for recipient in said["recipients"]}
        if happened.keys() != foretold.keys():
            return f"{where} to {sorted(foretold)}, Postfix sent to {sorted(happened)}"
        for address, recipient in foretold.items():
            match = happened[address]
            if posting.foreseeable and match["status"] != FATES[recipient["outcome"]]:
                return f"{where}: {recipient}, Postfix {match[0]}"
            if recipient["transport"] == "smtp" and recipient["outcome"] == "deliver":
                host, _, port = recipient["nexthop"].lower().replace("[", "").partition("]")
                reached = re.fullmatch(r"(.*?)(?:\[.*\](?::\d+)?)?", match["relay"])
                assert reached
                if reached[1] not in {host, "none"} or not match["relay"].endswith(port):
                    return f"{where} by {recipient['nexthop']}, Postfix by {match['relay']}"
        return None
