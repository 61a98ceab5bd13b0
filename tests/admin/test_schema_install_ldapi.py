"""Root on the directory host installs the schema through ldapi:/// with -Y EXTERNAL."""

import shutil
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from mailldap.admin.schema import check_schema, install_schema, plan_install
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.errors import CouldNotAsk
from tests.servers import Lab

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ldapi(lab: Lab):
    """The URI of a slapd in the lab without our schema, on a socket that is here too."""
    if lab.container is None:
        pytest.skip("the image's slapd is asked through its socket")
    folder = lab.folder("ldapi")
    for name in ("schema", "ldif"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "docker" / "openldap" / "entrypoint", folder / "entrypoint")
    uri = f"ldapi://{quote(str(folder / 'run' / 'ldapi'), safe='')}"
    settings = {
        "STATE": f"{folder}/state", "SHARE": str(folder), "RUN": f"{folder}/run", "URLS": uri,
        "DATA": "none", "SCHEMAS": "core cosine inetorgperson", "INDEX": "no", "LOGLEVEL": "none",
    }  # fmt: skip
    lab.exec(["bash", "-c", f"setsid bash {folder}/entrypoint >{folder}/log 2>&1 &"], env=settings)
    yield uri
    lab.exec(["bash", "-c", f"kill $(cat {folder}/run/slapd.pid)"])


def test_external_may_install_what_nobody_else_may(ldapi: str) -> None:
    server = LdapServer(ServerOptions((ldapi,), sasl_external=True))
    deadline = time.monotonic() + 30
    while True:
        try:
            identity = server.whoami()
            break
        except CouldNotAsk:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert identity.endswith("cn=peercred,cn=external,cn=auth")
    assert not check_schema(server).usable
    assert plan_install(server).needed
    assert install_schema(server).needed
    assert check_schema(server).usable
    assert not install_schema(server).needed, "already there is fine"
    server.close()
