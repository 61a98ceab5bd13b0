"""What --apply keeps of an administrator's lists. Real postconf: tests/real/test_generated.py."""

import pytest

from mailldap.errors import ConfigError
from mailldap.postfix.apply import merge_parameters, plan_apply
from mailldap.postfix.main_cf import MainCf

OURS = {
    "virtual_alias_domains": "example.com",
    "virtual_alias_maps": "ldap:/etc/postfix/ldap-aliases.cf",
}


def merged(text, **ours):
    return merge_parameters(MainCf.parse(text), ours)


def test_nothing_there():
    assert merged("", **OURS) == OURS


def test_other_alias_tables_and_their_domains_stay():
    # virtual_alias_domains defaults to the tables: domains that are keys there must stay ours.
    found = merged("virtual_alias_maps = hash:/etc/postfix/virtual\n", **OURS)
    assert found == {
        "virtual_alias_domains": "hash:/etc/postfix/virtual, example.com",
        "virtual_alias_maps": "hash:/etc/postfix/virtual, ldap:/etc/postfix/ldap-aliases.cf",
    }


def test_what_is_there_already_is_not_added_again():
    text = (
        "virtual_alias_domains = example.org, example.com\n"
        "virtual_alias_maps = hash:/x proxy:ldap:/etc/postfix/ldap-aliases.cf\n"
    )
    assert merged(text, **OURS) == {}


def test_tables_in_braces_are_one_item():
    text = "transport_maps = inline:{a=smtp:, b=smtp:}\n"
    found = merged(text, transport_maps="inline:{.internal=smtp:}")
    assert found == {"transport_maps": "inline:{a=smtp:, b=smtp:}, inline:{.internal=smtp:}"}


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("permit_mynetworks, reject_unknown_sender_domain",
         "reject_sender_login_mismatch, permit_mynetworks, reject_unknown_sender_domain"),
        ("permit_sasl_authenticated reject_sender_login_mismatch",
         "reject_sender_login_mismatch, permit_sasl_authenticated"),
        ("reject_sender_login_mismatch, permit_mynetworks", None),
        ("warn_if_reject reject_sender_login_mismatch, reject_unknown_sender_domain",
         "reject_sender_login_mismatch, reject_unknown_sender_domain"),
        ("check_sender_access {hash:/x, a = b}, permit",
         "reject_sender_login_mismatch, check_sender_access {hash:/x, a = b}, permit"),
    ],
)  # fmt: skip
def test_the_refusal_comes_first(own, wanted):
    found = merged(
        f"smtpd_sender_restrictions = {own}\n",
        smtpd_sender_restrictions="reject_sender_login_mismatch",
    )
    assert found.get("smtpd_sender_restrictions") == wanted


def test_our_password_table_comes_first():
    found = merged("smtp_sasl_password_maps = hash:/old\n", smtp_sasl_password_maps="hash:/new")
    assert found == {"smtp_sasl_password_maps": "hash:/new, hash:/old"}


def test_a_single_value_is_replaced():
    assert merged("relayhost = old\n", relayhost="[new]:587") == {"relayhost": "[new]:587"}


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("hash:/x, proxy:mysql:/y", "hash:/x, proxy:mysql:/y, proxy:ldap:/l.cf"),
        ("", "proxy:ldap:/l.cf"),
        ("$virtual_alias_maps", None),
        ("proxy:mysql:/y ${virtual_alias_maps}", None),
        ("$mine\nmine = proxy:ldap:/l.cf", None),
    ],
)
def test_proxymap_may_open_our_tables(own, wanted):
    found = merged(f"proxy_read_maps = {own}\n", virtual_alias_maps="proxy:ldap:/l.cf")
    assert found.get("proxy_read_maps") == wanted
    found = merged(f"proxy_read_maps = {own}\n", virtual_alias_maps="ldap:/l.cf")
    assert "proxy_read_maps" not in found
    assert "proxy_read_maps" not in merged("", virtual_alias_maps="proxy:ldap:/l.cf")


def test_what_postconf_did_not_make_is_an_error(tmp_path):
    (tmp_path / "main.cf").write_bytes(b"smtpd_banner = a\0b\n")
    with pytest.raises(ConfigError, match="could not set relayhost"):
        plan_apply(tmp_path, {"relayhost": "h"}, postconf=["true"])


def test_without_postfix_files_nothing_is_applied(tmp_path):
    with pytest.raises(ConfigError, match=r"main\.cf: cannot be read"):
        plan_apply(tmp_path, OURS, postconf=("true",))


def test_what_postconf_refuses_changes_nothing(tmp_path):
    (tmp_path / "main.cf").write_text("myhostname = mx\n")
    refusing = ("sh", "-c", "echo 'postconf: fatal: no' >&2; exit 1")
    with pytest.raises(ConfigError, match="postconf: fatal: no"):
        plan_apply(tmp_path, OURS, postconf=refusing)
    assert (tmp_path / "main.cf").read_text() == "myhostname = mx\n"
    assert [p.name for p in tmp_path.iterdir()] == ["main.cf"]


def test_what_postconf_made_is_shown_then_put_in_place(tmp_path):
    main = tmp_path / "main.cf"
    main.write_text("myhostname = mx\n")
    main.chmod(0o640)
    editing = ("sh", "-c", 'echo "$4" >> "$2/main.cf"', "postconf")
    plan = plan_apply(tmp_path, {"relayhost": "[h]:587"}, postconf=editing)
    assert "+relayhost=[h]:587" in plan.diff()
    assert main.read_text() == "myhostname = mx\n"
    folder = plan.apply()
    assert main.read_text() == "myhostname = mx\nrelayhost=[h]:587\n"
    assert main.stat().st_mode & 0o777 == 0o640
    assert (folder / "0-main.cf").read_text() == "myhostname = mx\n"
