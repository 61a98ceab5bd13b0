"""The path of `deliver` that old instructions name: found, mended, and the mail is not lost."""

import re

RIGHT = "/usr/lib/cyrus/bin/deliver"
WRONG = "/usr/lib/cyrus-imapd/deliver"


def test_scenario_3_a_wrong_deliver_path_is_found_and_mended(stack, post):
    with stack.configured("mail1", {"postfix": {"cyrus": {"delivery": "pipe"}}}):
        stack.mailldap("mail1", "postfix", "check", "/etc/postfix", status=0)
        stack.run("mail1", "sed", "-i", f"s#{RIGHT}#{WRONG}#", "/etc/postfix/master.cf")
        stack.reload("mail1")
        start = len(stack["mail1"].logs())
        sent = post.send("sample@example.com")
        deferred = stack.wait_log("mail1", r"relay=cyrus,.* dsn=(\S+), status=(\w+) (.*)", start)
        assert deferred[1] == "4.3.0"
        assert deferred[2] == "deferred"
        assert WRONG in deferred[3]

        found = stack.mailldap_json("mail1", "postfix", "check", "/etc/postfix", status=1)[
            "findings"
        ]
        [finding] = [f for f in found if f["severity"] == "error"]
        lines = stack.get("mail1", "/etc/postfix/master.cf").splitlines()
        assert finding["file"] == "/etc/postfix/master.cf"
        assert WRONG in finding["message"] + lines[finding["line"] - 1]
        assert WRONG in lines[finding["line"] - 1]

        stack.mailldap("mail1", "postfix", "fix", "--yes", "/etc/postfix")
        mended = stack.get("mail1", "/etc/postfix/master.cf")
        assert mended.splitlines() == [line.replace(WRONG, RIGHT) for line in lines]
        stack.mailldap("mail1", "postfix", "check", "/etc/postfix", status=0)
        stack.reload("mail1")
        stack.run("mail1", "postqueue", "-f")
        post.arrive(sent)
        assert re.search(r"relay=cyrus,.* status=sent", stack["mail1"].logs()[start:])
