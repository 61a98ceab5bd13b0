"""What every test stands on: a clean environment, and real servers for those that ask for them."""

import shutil
import signal
from collections.abc import Callable, Iterator

import hypothesis
import pytest

from tests.containers import IN_CI, Engine, LocalSlapd, NoEngineError, free_port
from tests.servers import Ds389, Lab, Pki, Slapd

CONTAINER_FIXTURES = {
    "ds389", "engine", "lab", "pki", "slapd", "slapd_factory", "slapd_unique", "stack",
}  # fmt: skip

# A slow machine is no fault of the code; a failure can be run again from what is printed.
# CI looks at the same examples each time; new ones are for `make fuzz` and for people.
hypothesis.settings.register_profile("mailldap", deadline=None, print_blob=True, derandomize=IN_CI)
hypothesis.settings.register_profile(
    "fuzz",
    deadline=None,
    print_blob=True,
    max_examples=5000,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("mailldap")


def pytest_configure(config: pytest.Config) -> None:
    # Terminated as interrupted: fixtures are torn down, containers go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if CONTAINER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.container)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """In CI a container test that was skipped has not passed: it fails."""
    report = yield
    if (
        IN_CI
        and report.skipped
        and not hasattr(report, "wasxfail")
        and item.get_closest_marker("container")
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where container tests must run: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing of the machine's LDAP, Postfix or mailldap settings reaches a test."""
    import os

    for name in list(os.environ):
        if name.startswith(("MAILLDAP", "LDAP")) or name in {
            "MAIL_CONFIG", "NO_COLOR", "FORCE_COLOR", "XDG_CONFIG_HOME", "COLUMNS",
        }:  # fmt: skip
            monkeypatch.delenv(name)
    monkeypatch.setenv("LDAPNOINIT", "1")
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp() / "home"))


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine | None]:
    """The container engine; None where there is none and this machine's own programs serve."""
    made = Engine()
    try:
        made.build("openldap", "lab")
    except NoEngineError as error:
        if IN_CI:
            pytest.fail(f"no container engine in CI: {error}", pytrace=False)
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(f"\n*** NO CONTAINER ENGINE: using what this machine has ***\n{error}")
        yield None
        return
    yield made
    made.close()


def _needs(program: str) -> None:
    if not (shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/lib/ldap")):
        pytest.skip(f"no container engine, and no {program} on this machine")


@pytest.fixture(scope="session")
def slapd_factory(engine: Engine | None) -> Iterator[Callable[..., Slapd]]:
    """Makes real slapds.

    `slapd_factory(unique=False, tls=None, suffix="dc=example,dc=com", mounts=(), **settings)`
    returns a Slapd that holds ldif/example.ldif. `unique` adds slapo-unique (serialize) on mail and
    mailAlternateAddress. `tls` is what `pki.issue(...)` gave, with its CA as a third: StartTLS, and
    `tls_uri` (ldaps). Settings are the image's (docker/openldap/entrypoint), in lower case:
    schemas="core cosine inetorgperson misc", data="base", sizelimit=2, anonymous="no", index="no",
    nosync=0, loglevel="none", role=…. All go when the session ends; `remove()` does it earlier.
    """
    made: list[Slapd] = []

    def make(
        *,
        unique: bool = False,
        tls: tuple[object, object, object] | None = None,
        suffix: str = "dc=example,dc=com",
        **settings: object,
    ) -> Slapd:
        port, tls_port = free_port(), free_port()
        env = {
            "SUFFIX": suffix,
            "ADMIN_PASSWORD": Slapd.admin_password,
            "UNIQUE": str(int(unique)),
            "NOSYNC": "1",
            **{key.upper(): str(value) for key, value in settings.items()},
        }
        urls = f"ldap://127.0.0.1:{port}/ ldapi:///"
        options: list[str] = ["--network", "host"]
        if tls:
            certificate, key, ca = map(str, tls)
            env |= {"TLS_CERT": certificate, "TLS_KEY": key, "TLS_CA": ca}
            urls += f" ldaps://127.0.0.1:{tls_port}/"
            folder = certificate.rpartition("/")[0]
            options += ["-v", f"{folder}:{folder}:ro"]
        if engine:
            place = engine.run("openldap", env={**env, "URLS": urls}, options=options)
        else:
            _needs("slapd")
            place = LocalSlapd(env, urls)
        server = Slapd(place, port, suffix, unique=unique)
        server.tls_uri = f"ldaps://127.0.0.1:{tls_port}" if tls else None
        made.append(server)
        return server

    yield make
    for server in made:
        server.remove()


@pytest.fixture(scope="session")
def slapd(slapd_factory: Callable[..., Slapd]) -> Slapd:
    """A real slapd with our schema; `reset()` it before use, for others have used it."""
    return slapd_factory()


@pytest.fixture(scope="session")
def slapd_unique(slapd_factory: Callable[..., Slapd]) -> Slapd:
    """The same with slapo-unique."""
    return slapd_factory(unique=True)


@pytest.fixture(scope="session")
def ds389(engine: Engine | None) -> Iterator[Ds389]:
    """A real 389 Directory Server with its own mailRecipient schema; like `slapd`, `reset()` it."""
    if engine is None:
        pytest.skip("no container engine for 389 Directory Server")
    port = free_port()
    place = engine.run(
        "ds389",
        env={"PORT": str(port), "LISTEN": "127.0.0.1", "ADMIN_PASSWORD": Ds389.admin_password},
        options=["--network", "host"],
    )
    server = Ds389(place, port, "dc=example,dc=com", unique=False)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def lab(engine: Engine | None) -> Iterator[Lab]:
    """The real programs; see tests.servers.Lab."""
    if engine is None:
        _needs("postmap")
    made = Lab(engine)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def pki(lab: Lab) -> Pki:
    """A certificate authority of this run; see tests.servers.Pki."""
    return Pki(lab)
