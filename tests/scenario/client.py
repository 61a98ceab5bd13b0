"""Runs inside the network: mail clients. Operations as a JSON list on stdin, answers on stdout.

send     {"host", "port", "sender", "recipients", "subject", "helo", "login": [user, password],
          "tls": CA file, "until": "rcpt"}   answers {"mail": [code, text], "rcpt": [[code, text], …],
                                "data": [code, text], "auth": [code, text]}; null: not reached
mailbox  {"user", "subjects", "seconds"}   waits for messages with these subjects in the user's INBOX
                                at mail1; answers {subject: [headers of each message]}
"""

import email
import imaplib
import json
import smtplib
import ssl
import sys
import time


def text(reply):
    return None if reply is None else [reply[0], reply[1].decode(errors="replace")]


def send(
    host,
    sender,
    recipients,
    port=25,
    subject="",
    helo="out.elsewhere.test",
    login=None,
    tls=None,
    until="data",
):
    answer = {"mail": None, "rcpt": [], "data": None, "auth": None}
    with smtplib.SMTP(host, port, local_hostname=helo, timeout=90) as smtp:
        if tls:
            smtp.starttls(context=ssl.create_default_context(cafile=tls))
        smtp.ehlo_or_helo_if_needed()
        if login:
            try:
                answer["auth"] = text(smtp.login(*login))
            except smtplib.SMTPAuthenticationError as error:
                answer["auth"] = [error.smtp_code, error.smtp_error.decode(errors="replace")]
                return answer
        answer["mail"] = text(smtp.mail(sender))
        if answer["mail"][0] != 250:
            return answer
        answer["rcpt"] = [text(smtp.rcpt(address)) for address in recipients]
        if until == "data" and any(code == 250 for code, _ in answer["rcpt"]):
            to = ", ".join(recipients)
            lines = [f"From: <{sender}>", f"To: {to}", f"Subject: {subject}", "", "Hello."]
            answer["data"] = text(smtp.data("\r\n".join(lines)))
    return answer


def mailbox(user, subjects, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        imap = imaplib.IMAP4("mail1.internal")
        imap.login(user, f"pw-{user}")
        imap.select("INBOX", readonly=True)
        found = {}
        numbers = imap.search(None, "ALL")[1][0].split()
        if numbers:
            for part in imap.fetch(b",".join(numbers), "(BODY[HEADER])")[1]:
                if isinstance(part, tuple):
                    headers = email.message_from_bytes(part[1])
                    found.setdefault(headers["Subject"], []).append(str(headers))
        imap.logout()
        if set(subjects) <= set(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


operations = {"send": send, "mailbox": mailbox}
answers = []
for request in json.load(sys.stdin):
    try:
        answers.append(operations[request.pop("op")](**request))
    except (OSError, smtplib.SMTPException) as error:
        answers.append({"error": str(error)})
json.dump(answers, sys.stdout)
