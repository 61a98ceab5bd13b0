"""Who may send as whom: every answer of the submission host is what `sender check` said."""

import json

import pytest

#: Login, sender, allowed.
CASES = [
    ("user1", "user1@example.com", True),
    ("user1", "USER2@Example.com", True),
    ("user1", "user3@example.com", False),
    ("user1", "unlisted@example.com", False),
    ("user1", "user1@elsewhere.test", False),  # owned by nobody: not by this user either
    ("user1", "", True),
    ("user2", "user2@example.com", False),
    ("user3", "user3@example.com", True),
    ("user3", "user1@example.com", False),
    ("user4", "unlisted@example.com", True),
    ("user4", "another@example.com", True),
    ("user4", "user1@example.com", False),
    ("user4", "sample@example.com", False),
    ("user4", "unlisted@mail.example.com", False),  # @example.com does not cover it
    ("", "user1@example.com", False),
    ("", "unlisted@example.com", False),
    ("", "remote@elsewhere.test", True),
    ("", "", True),
]
#: The command line of mailldap, many times in one process.
CHECK = """import json, os, sys, tempfile
sys.path[:0] = ["/opt/mailldap", "/opt/site-packages"]
from mailldap.cli.app import execute
out = os.dup(1)
for login, sender in json.load(sys.stdin):
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        command = ["-o", "json", "sender", "check", "-c", "/etc/postfix", "--", login, sender]
        status = execute(command, {})
        sys.stdout.flush()
        said.seek(0)
        os.write(out, json.dumps([status, json.load(said)]).encode() + bytes([10]))
"""


def ask_mailldap(stack) -> list[tuple[int, dict]]:
    pairs = [(login, sender) for login, sender, _ in CASES]
    done = stack.run("submission", "python3", "-Bc", CHECK, input=json.dumps(pairs).encode())
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask_postfix(stack) -> list[list]:
    def operation(login: str, sender: str) -> dict:
        asked = {"op": "send", "host": "mail.example.com", "sender": sender, "subject": "-"}
        asked |= {"recipients": ["jane.doe@example.com"], "until": "rcpt"}
        if login:
            asked |= {"port": 587, "login": [login, f"pw-{login}"], "tls": "/pki/ca.pem"}
        return asked

    answers = stack.client(*(operation(login, sender) for login, sender, _ in CASES))
    for (login, _, _), answer in zip(CASES, answers, strict=True):
        assert not login or answer["auth"][0] == 235, answer
    return [answer["rcpt"][0] for answer in answers]


def agree(stack) -> None:
    said, happened = ask_mailldap(stack), ask_postfix(stack)
    for (login, sender, allowed), (status, verdict), (code, text) in zip(
        CASES, said, happened, strict=True
    ):
        case = f"{login or 'nobody'} as <{sender}>: {verdict} {code} {text}"
        assert verdict["allowed"] is allowed, case
        assert status == (0 if allowed else 1), case
        if allowed:
            assert code == 250, case
        else:
            assert verdict["reply"] == f"{code} {text}", case


def test_scenario_4_senders_from_ldap(stack):
    assert "ldap:/etc/postfix/ldap-senders.cf" in stack.get("submission", "/etc/postfix/main.cf")
    agree(stack)


@pytest.mark.parametrize("kind", ["hash", "texthash"])
def test_scenario_4_senders_from_a_table_of_the_same_directory(stack, kind):
    with stack.configured("submission", {"postfix": {"senders": {"format": kind}}}):
        assert f"{kind}:/etc/postfix/sender_login_maps" in stack.get(
            "submission", "/etc/postfix/main.cf"
        )
        agree(stack)


def test_scenario_4_a_wrong_password_is_no_login(stack):
    [answer] = stack.client(
        {"op": "send", "host": "mail.example.com", "port": 587, "sender": "user1@example.com",
         "recipients": ["jane.doe@example.com"], "login": ["user1", "wrong"], "tls": "/pki/ca.pem"}
    )  # fmt: skip
    assert answer["auth"][0] == 535
