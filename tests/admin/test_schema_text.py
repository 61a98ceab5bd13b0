"""The schema as files: one source, two forms, two editions, loaded by a real slapd."""

import io
import tarfile
from pathlib import Path

import pytest

from mailldap.admin.schema import Edition, Form, schema_entry, schema_text
from mailldap.ldap.definitions import read_definitions
from mailldap.model.recipient import ATTRIBUTES

SCHEMA = Path(__file__).parents[2] / "schema"
#: 50ns-mail.ldif and 01core389.ldif of 389-ds-base.
OFFICIAL = {
    "mailAlternateAddress": "2.16.840.1.113730.3.1.13",
    "mailHost": "2.16.840.1.113730.3.1.18",
    "mailRoutingAddress": "2.16.840.1.113730.3.1.24",
    "mailAccessDomain": "2.16.840.1.113730.3.1.12",
    "mailAutoReplyMode": "2.16.840.1.113730.3.1.14",
    "mailAutoReplyText": "2.16.840.1.113730.3.1.15",
    "mailDeliveryOption": "2.16.840.1.113730.3.1.16",
    "mailForwardingAddress": "2.16.840.1.113730.3.1.17",
    "mailMessageStore": "2.16.840.1.113730.3.1.19",
    "mailProgramDeliveryInfo": "2.16.840.1.113730.3.1.20",
    "mailQuota": "2.16.840.1.113730.3.1.21",
    "multiLineDescription": "1.3.6.1.4.1.250.1.2",
    "mailRecipient": "2.16.840.1.113730.3.2.3",
}


def definitions(form: Form, edition: Edition):
    return {d.names[0]: d for d in read_definitions(schema_text(form, edition).encode(), "x")}


@pytest.mark.parametrize("edition", Edition)
@pytest.mark.parametrize("form", Form)
def test_the_files_of_the_project_are_what_is_shown(form: Form, edition: Edition) -> None:
    file = SCHEMA / f"{edition.value}.{form.value}"
    assert file.read_text("utf-8") == schema_text(form, edition)
    assert schema_text(form, edition).isascii()


@pytest.mark.parametrize("edition", Edition)
def test_both_forms_say_the_same(edition: Edition) -> None:
    one, other = definitions(Form.SCHEMA, edition), definitions(Form.LDIF, edition)
    assert {k: str(v) for k, v in one.items()} == {k: str(v) for k, v in other.items()}
    assert schema_entry(edition).texts("cn") == (edition.value,)


def test_the_official_identifiers_with_rules() -> None:
    full = definitions(Form.SCHEMA, Edition.FULL)
    assert {name: d.oid for name, d in full.items()} == OFFICIAL
    for name, definition in full.items():
        if definition.is_class:
            assert definition.words("MAY") == ATTRIBUTES
            assert definition.has("AUXILIARY")
        else:
            ia5 = definition.syntax == "1.3.6.1.4.1.1466.115.121.1.26"
            assert ia5 == (name in {"mailMessageStore", "mailProgramDeliveryInfo"})
            kind = "IA5" if ia5 else ""
            assert definition.first("EQUALITY") == f"caseIgnore{kind}Match"
            assert definition.first("SUBSTR") == f"caseIgnore{kind}SubstringsMatch"
            assert not definition.has("SINGLE-VALUE")


def test_the_misc_edition_leaves_out_what_misc_has() -> None:
    full, misc = definitions(Form.SCHEMA, Edition.FULL), definitions(Form.SCHEMA, Edition.MISC)
    assert full.keys() - misc.keys() == {"mailHost", "mailRoutingAddress"}
    assert misc["mailAlternateAddress"].oid == "1.3.6.1.4.1.7914.1.2.1.4"
    for name in misc.keys() - {"mailAlternateAddress"}:
        assert str(full[name]) == str(misc[name])


def tar(files: dict[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, text in files.items():
            data = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


#: slapd.conf and its verdict for each: .schema files by include, with and without misc.
LOADING = """
cd "$1" && tar x
for edition in mailrecipient mailrecipient-misc; do for misc in no yes; do
  {
    for name in core cosine inetorgperson; do echo "include /etc/ldap/schema/$name.schema"; done
    [ $misc = no ] || echo "include /etc/ldap/schema/misc.schema"
    echo "include $1/$edition.schema"
  } > slapd.conf
  echo "$edition misc=$misc $(slaptest -u -f slapd.conf >log 2>&1 && echo loads || echo refused)"
done; done
"""


def test_slapd_loads_the_schema_files(slapd) -> None:
    """mailrecipient without misc, mailrecipient-misc with it, and not the other way round."""
    place = slapd.exec(["mktemp", "-d"]).stdout.decode().strip()
    done = slapd.exec(
        ["sh", "-c", LOADING, "loading", place],
        tar({f"{e.value}.schema": schema_text(Form.SCHEMA, e) for e in Edition}),
    )
    slapd.exec(["rm", "-r", place])
    assert done.stdout.decode().splitlines() == [
        "mailrecipient misc=no loads",
        "mailrecipient misc=yes refused",
        "mailrecipient-misc misc=no refused",
        "mailrecipient-misc misc=yes loads",
    ], done.stderr


def test_slapadd_loads_the_cn_config_form(slapd_factory) -> None:
    """The image takes schema/*.ldif by slapadd -n 0; a server that answers has loaded them."""
    server = slapd_factory(schemas="core cosine inetorgperson misc mailrecipient-misc", data="base")
    server.remove()
