"""How a typed program uses mailldap: mypy --strict reads this file, and the tests run it."""

from collections.abc import Iterator
from typing import assert_type

import mailldap
from mailldap.errors import AddressTaken, CouldNotAsk, MailldapError
from mailldap.ldap.entry import Entry
from mailldap.provision.bulk import ImportReport
from mailldap.provision.result import Result
from mailldap.simulate.result import Recipient, Resolution, SenderList
from mailldap.tables.base import Failed, Found, NotFound


def give(mail: mailldap.MailDirectory, recipient: str, address: str) -> str | None:
    """Return the owner of *address* where it is taken."""
    try:
        results = mail.aliases.add(recipient, address)
    except AddressTaken as error:
        assert_type(error.owners, tuple[str, ...])
        return error.owners[0]
    assert_type(results, list[Result])
    return None


def where(mail: mailldap.MailDirectory, address: str) -> str:
    answer = mail.lookup(address)
    if isinstance(answer, Found):
        return answer.value
    if isinstance(answer, NotFound):
        return "nobody"
    assert_type(answer, Failed)
    return answer.message


def _code(error: MailldapError) -> str:
    return error.code


def main(path: str) -> list[str]:
    told: list[str] = []
    with mailldap.connect(f"ldif:{path}", base="dc=example,dc=com") as mail:
        assert_type(mail, mailldap.MailDirectory)
        told.append(give(mail, "jane.doe", "sales@example.com") or "free")
        told.append(give(mail, "jane.doe", "new@example.com") or "free")
        assert_type(mail.aliases.list("jane.doe"), Iterator[tuple[str, str]])
        assert_type(mail.recipients.entry("jane.doe"), Entry)
        jane = mail.recipients.get("jane.doe")
        assert_type(jane, mailldap.MailRecipient)
        told.append(where(mail, "new@example.com"))
        told += [where(mail, "absent@example.com")]
        resolution = mail.resolve("new@example.com")
        assert_type(resolution, Resolution)
        assert_type(resolution.recipients, tuple[Recipient, ...])
        told.append(resolution.outcome)
        assert_type(mail.simulator.sender_list("x"), SenderList)
        for key, answer in mail.lookup_many(["new@example.com", "sales@example.com"]):
            told.append(f"{key} {type(answer).__name__}")
        with open(path, "rb") as stream:
            report = mail.import_ldif(stream, path)
        assert_type(report, ImportReport)
        told.append(f"{report.done} {report.already}")
        told.append(next(mail.export_ldif()).splitlines()[0])
    try:
        mailldap.connect("ldap://127.0.0.1:1", connect_timeout=1.0).recipients.entry("x")
    except CouldNotAsk as error:
        told.append(_code(error))
    return told
