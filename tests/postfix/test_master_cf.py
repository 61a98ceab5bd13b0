"""master.cf: services, their defaults, and where each word stands."""

import pytest

from mailldap.errors import ConfigError
from mailldap.postfix.lines import physical_lines
from mailldap.postfix.master_cf import MasterCf

TEXT = """\
# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       y       -       -       smtpd
  -o syslog_name=postfix/x -o { smtpd_banner = two words }
pickup    unix  n       -       n       60?     1       pickup
cyrus     unix  -       n       n       -       -       pipe
# comment inside
  flags=DRX user=cyrus
  argv=/cyrus/bin/deliver -e -r ${sender} ${user}
pickup    unix  n       -       n       30      1       pickup
"""


def test_fields_and_defaults():
    master = MasterCf.parse(TEXT, "master.cf", chroot=True)
    smtp = master.services["smtp/inet"]
    assert (smtp.private, smtp.unprivileged, smtp.chroot, smtp.max_proc) == (
        False,
        True,
        True,
        None,
    )
    assert smtp.options() == {"syslog_name": "postfix/x", "smtpd_banner": "two words"}
    assert master.transport("cyrus").private
    assert master.transport("smtp") is None


def test_the_last_of_equal_services_runs():
    master = MasterCf.parse(TEXT)
    assert master.services["pickup/unix"].wakeup == 30
    assert [e.wakes_if_used for e in master.entries if e.name == "pickup"] == [True, False]
    assert master.warnings == [
        'duplicate master.cf entry for service "pickup" (master.cf, line 9) -- using the last entry'
    ]


def test_each_word_is_where_it_says():
    lines = physical_lines(TEXT)
    for service in MasterCf.parse(TEXT).entries:
        for word in service.words:
            assert lines[word.line - 1].startswith(word.text, word.column)
    path = next(
        w for w in MasterCf.parse(TEXT).transport("cyrus").arguments if w.text.startswith("argv=")
    )
    assert (path.line, path.column) == (8, 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("x", 'missing "transport type" field'),
        ("x tcp n - n - - smtpd", "bad transport type: tcp"),
        ("x inet - - n - - smtpd", "inet service cannot be private"),
        ("x unix Y - n - - smtpd", 'field "private": bad value: "Y"'),
        ("x unix n - n ? - smtpd", 'field "wakeup_time": bad value: "?"'),
        ("x unix n - n - many smtpd", 'field "max_proc": bad value: "many"'),
        ("x unix n - n - - -", 'field "command" has no default value'),
        ("x unix n - n - -", 'missing "command" field'),
        pytest.param(f"x unix n - n - {'9' * 5000} y", 'field "max_proc": bad value', id="digits"),
        ("x unix n - n - - pipe {a", "missing '}'"),
    ],
)
def test_faults_name_the_line(line, words):
    with pytest.raises(ConfigError) as caught:
        MasterCf.parse(f"# first\n{line}\n", "master.cf")
    assert words in caught.value.message
    assert caught.value.line == 2
