"""main.cf: settings with lines, expansion, typed values, defaults."""

from ipaddress import ip_interface

import pytest

from mailldap.errors import ConfigError
from mailldap.postfix.host import Host, networks
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.parameters import default_of, is_known

HOST = Host(
    "mx", tuple(map(ip_interface, ("127.0.0.1/8", "192.0.2.9/24", "::1/128", "2001:db8::9/64")))
)


def parse(text: str) -> MainCf:
    return MainCf.parse(text, "/etc/postfix/main.cf", host=HOST)


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("$a", "1"),
        ("${a}$(a)", "11"),
        ("$$a", "$a"),
        ("${a?yes}", "yes"),
        ("${a:no}", ""),
        ("${empty?yes}", ""),
        ("${empty:no}", "no"),
        ("${nosuch:no}", "no"),
        ("${a?{x y}:{z}}", "x y"),
        ("${empty ? {x} : {z}}", "z"),
        ("${{$a} == {1} ? {same} : {other}}", "same"),
        ("${{10} > {9}}", "true"),
        ("${{b10} > {b9}}", ""),
        ("${{4294967297} == {1} ? {int} : {long}}", "long"),
        ("${{3.10} >level {3.9} ? {newer}}", "newer"),
        ("$chain", "<1>"),
        ("$a-b", "1-b"),
        ("$nosuch", ""),
    ],
)
def test_expansion(value, expanded):
    main = parse(f"a = 1\nempty =\nchain = <$link>\nlink = $a\nprobe = {value}\n")
    assert main.get("probe") == expanded


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("${a", "truncated macro reference"),
        ("$", "empty macro name"),
        ("${a b}", "attribute name syntax error"),
        ("$probe", "unreasonable macro call nesting"),
        ("${{a} = {b}}", "expected at"),
        ("${{a} ==x {b}}", "bad operator suffix"),
        ("${{x} <level {1}}", "malformed compatibility level"),
        ("${{$probe} == {x}}", "unreasonable macro call nesting"),
        ("${a?{x}y}", '":" expected at'),
        ("${{9223372036854775808} > {1}}", "bad conversion: 9223372036854775808"),
        pytest.param("${{%s} > {1}}" % ("9" * 5000), "bad conversion: 999", id="5000 digits"),
    ],
)
def test_what_cannot_be_expanded_names_the_line(value, complaint):
    main = parse(f"# first\nprobe = {value}\n")
    with pytest.raises(ConfigError, match="macro processing error") as caught:
        main.get("probe")
    assert complaint in caught.value.message
    assert caught.value.line == 2
    assert caught.value.file == "/etc/postfix/main.cf"


def test_duplicates_count_last_and_are_warned_about_when_they_differ():
    main = parse("a = 1\nb = 2\na = 3\nb = 2\n")
    assert (main.get("a"), main.explicit("b"), main.location("a")) == ("3", "2", 3)
    assert main.warnings == ["/etc/postfix/main.cf, line 3: overriding earlier entry: a=1"]
    assert [s.name for s in main.settings] == ["a", "b", "a", "b"]


def test_a_line_that_is_no_setting_is_refused_with_its_line():
    with pytest.raises(ConfigError) as caught:
        parse("a = 1\n\nno setting\n")
    assert str(caught.value) == (
        "/etc/postfix/main.cf:3: missing '=' after attribute name: \"no setting\""
    )


def test_typed_values():
    main = parse(
        "i = 10\nb = YES\nmaximal_backoff_time = 2h\nqueue_run_delay = 30\nbad = 10x\nl = a, {b c} d\n"
    )
    assert main.get_int("i", 1, 10) == 10
    assert main.get_bool("b")
    assert main.get_time("maximal_backoff_time") == 7200
    assert main.get_time("queue_run_delay") == 30
    assert main.get_list("l") == ["a", "{b", "c}", "d"]
    assert main.get_maps("l") == ["a", "{b c}", "d"]
    for read, words in (
        (lambda: main.get_int("bad"), "bad numerical configuration: bad = 10x"),
        (lambda: main.get_int("i", 11), "invalid i parameter value 10 < 11"),
        (lambda: main.get_bool("i"), "bad boolean configuration: i = 10"),
        (lambda: main.get_time("bad"), "bad time value or unit: 10x"),
    ):
        with pytest.raises(ConfigError, match=words):
            read()
    with pytest.raises(KeyError):
        main.get("no_such_parameter_at_all")
    assert main.lookup("no_such_parameter_at_all") is None


def test_defaults_depend_on_level_and_machine():
    old, new = parse(""), parse("compatibility_level = 3.6\n")
    assert (old.get("append_dot_mydomain"), new.get("append_dot_mydomain")) == ("yes", "no")
    assert (old.get("smtputf8_enable"), new.get("smtputf8_enable")) == ("no", "yes")
    assert new.get("relay_domains") == ""
    assert old.get("relay_domains") == "mx.localdomain, localhost.localdomain, localhost"
    assert new.get("mynetworks") == "127.0.0.1/32 192.0.2.9/32 [::1]/128 [2001:db8::9]/128"
    assert old.get("mynetworks") == "127.0.0.0/8 192.0.2.0/24 [::1]/128 [2001:db8::]/64"
    named = parse("mydomain = example.com\ninet_interfaces = loopback-only\n")
    assert named.get("myhostname") == "mx.example.com"
    assert [str(i) for i in named.own_interfaces()] == ["127.0.0.1/8", "::1/128"]
    assert parse("myhostname = a.b.c\n").get("mydomain") == "b.c"
    assert (
        parse("inet_protocols = ipv4\ninet_interfaces = 192.0.2.9\n").get("mynetworks")
        == "192.0.2.0/24"
    )


def test_networks_by_class():
    assert networks([ip_interface("10.1.2.3/30"), ip_interface("192.0.2.1/30")], "class") == [
        "10.0.0.0/8",
        "192.0.2.0/24",
    ]


def test_known_parameters():
    assert default_of("virtual_alias_maps") == "$virtual_maps"
    assert default_of("cyrus_destination_recipient_limit") == "$default_destination_recipient_limit"
    assert default_of("x_initial_destination_concurrency") == "$initial_destination_concurrency"
    assert not is_known("virtual_alias_map")
    assert is_known("myhostname")
