"""Opening tables: what is refused and how, what daemons go on without, what is shared."""

import os

import pytest

from mailldap.directory.base import SearchRequest, SearchResult
from mailldap.errors import ApiError, ConfigError, TableUnavailable
from mailldap.ldap.entry import Entry
from mailldap.tables.base import Failed, Found, NotFound, Probe, TableContext
from mailldap.tables.open import lookup, open_maps, open_table


class Directory:
    """A session that finds one entry, or fails as it is told."""

    def __init__(self) -> None:
        self.requests: list[SearchRequest] = []
        self.opened = 0
        self.closed = 0
        self.error: ApiError | None = None
        self.result = SearchResult(0, [Entry.of("uid=a", {"maildrop": ["x@y"]})])

    def __call__(self, _parameters) -> "Directory":
        self.opened += 1
        return self

    def run(self, request: SearchRequest) -> SearchResult:
        self.requests.append(request)
        if self.error:
            raise self.error
        return self.result

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def context(directory, heard) -> TableContext:
    return TableContext(
        open_session=directory, parameter={"default_database_type": "hash"}.get, warn=heard.append
    )


def table_file(tmp_path, **settings: str) -> str:
    path = tmp_path / "x.cf"
    values = {"search_base": "dc=x", "query_filter": "mail=%s", **settings}
    path.write_text("".join(f"{name} = {value}\n" for name, value in values.items()))
    return f"ldap:{path}"


@pytest.mark.parametrize("kind", ["mysql", "pgsql", "sqlite", "tcp", "socketmap", "memcache", "environ", "randmap"])  # fmt: skip
def test_types_that_cannot_be_asked_say_why(kind, context):
    with pytest.raises(ConfigError) as caught:
        open_table(f"{kind}:x", context)
    assert caught.value.message.startswith(f"{kind}:x cannot be asked from here: it")
    assert "postmap -q" in caught.value.hint


def test_unknown_types(context):
    with pytest.raises(TableUnavailable, match="unsupported dictionary type: LDAP"):
        open_table("LDAP:x", context)


def test_nis_has_nothing_on_a_machine_without_a_domain(context, heard):
    context.read_file = {"/proc/sys/kernel/domainname": b"(none)\n"}.__getitem__
    tables = [open_table("nis:mail.aliases", context), open_table("nis:x", context)]
    assert [table.get("root") for table in tables] == [NotFound(), NotFound()]
    assert heard == ["dict_nis_init: NIS domain name not set - NIS lookups disabled"]
    context.read_file = {"/proc/sys/kernel/domainname": b"office\n"}.__getitem__
    with pytest.raises(ConfigError, match="NIS server"):
        open_table("nis:mail.aliases", context)


def test_an_alias_file_is_known_by_main_cf(context, tmp_path, heard):
    (tmp_path / "aliases").write_text("Sales: jane,\n  bob\n")
    spec = f"hash:{tmp_path}/aliases"
    for parameter in ("alias_maps", "alias_database"):
        context.parameter = {parameter: f"hash:/elsewhere, proxy:{spec}"}.get
        assert open_table(spec, context).get("SALES") == Found("jane, bob")
    assert heard[-1].endswith(f"run postalias on {tmp_path}/aliases")
    context.parameter = {}.get
    assert open_table(spec, context).get("sales") == NotFound()
    assert open_table(spec, context).get("sales:") == Found("jane,  bob")


def test_a_bare_path_has_the_default_type_for_postmap_only(context, tmp_path):
    (tmp_path / "x").write_text("key value\n")
    assert lookup([f"{tmp_path}/x"], "key", context) == Found("value")
    with pytest.raises(ConfigError, match='expecting "type:name" form instead of "/'):
        open_table(f"{tmp_path}/x", context)


def test_proxy_is_seen_through(context):
    assert open_table("proxy:static:x", context).name == "static:x"
    with pytest.raises(ConfigError, match="type:name"):
        open_table("proxy:x", context)


def test_a_database_without_text(context, tmp_path):
    with pytest.raises(TableUnavailable, match=r"open database .*/nothing.db: No such file"):
        open_table(f"hash:{tmp_path}/nothing", context)
    (tmp_path / "binary.db").touch()
    with pytest.raises(ConfigError, match="only its text can be read") as caught:
        open_table(f"hash:{tmp_path}/binary", context)
    assert not isinstance(caught.value, TableUnavailable)


def test_a_directory_in_place_of_a_file(context, tmp_path):
    """It can be opened; reading it ends the program, but for pattern tables."""
    for kind, words in (
        ("texthash", f"read {tmp_path}: Is a directory"),
        ("cidr", f"cidr map {tmp_path}: read error: Is a directory"),
    ):
        with pytest.raises(ConfigError, match=f"^{words}$") as caught:
            open_table(f"{kind}:{tmp_path}", context)
        assert not isinstance(caught.value, TableUnavailable)
    for kind in ("regexp", "pcre"):
        assert open_table(f"{kind}:{tmp_path}", context).get("a") == NotFound()
    with pytest.raises(TableUnavailable, match=f"^open database {tmp_path}.db: No such file"):
        open_table(f"hash:{tmp_path}", context)


def test_a_bare_path_is_a_table_to_postmap_only(context, tmp_path):
    path = tmp_path / "map"
    path.write_text("a b\n")
    assert lookup([str(path)], "a", context) == Found("b")
    with pytest.raises(ConfigError, match='expecting "type:name" form instead of "/'):
        open_table(str(path), context)


def test_a_database_that_is_missing_or_older_is_a_warning(context, heard, tmp_path):
    path = tmp_path / "map"
    path.write_text("a b\n")
    assert lookup([str(path)], "A", context) == Found("b")
    assert heard == [f"open database {path}.db: No such file or directory; run postmap on {path}"]
    heard.clear()
    database = tmp_path / "map.db"
    database.touch()
    os.utime(database, (1, 1))
    assert lookup([f"hash:{path}"], "a", context) == Found("b")
    assert heard == [f"database {path}.db is older than source file {path}"]


def test_files_come_through_the_context(context, heard):
    context.read_file = {"/nowhere/map": b"a b\n"}.__getitem__
    assert lookup(["hash:/nowhere/map"], "a", context) == Found("b")
    assert heard == []


def test_daemons_go_on_without_a_table(context, heard):
    context.daemon = True
    table = open_table("texthash:/nonexistent", context)
    answer = table.get("a")
    assert isinstance(answer, Failed)
    assert heard == [
        "open database /nonexistent: No such file or directory",
        "texthash:/nonexistent is unavailable. open database /nonexistent: No such file or directory",
    ]


def test_daemons_do_not_start_with_a_bad_value(context, tmp_path):
    context.daemon = True
    with pytest.raises(ConfigError) as caught:
        open_table(table_file(tmp_path, timeout="soon"), context)
    assert caught.value.line == 3
    assert caught.value.message.endswith("x.cf:3: bad numerical configuration: timeout = soon")


def test_maps_are_searched_in_order(context, heard):
    maps = open_maps(
        "regexp:{{/a/ pattern}}, inline:{a=fixed, c=d}", context, title="virtual_alias_maps"
    )
    assert maps.find("a") == Found("pattern")
    assert maps.find("a", partial=True) == Found("fixed")
    assert maps.find("") == NotFound()
    failing = open_maps("fail:x static:y", context)
    assert isinstance(failing.find("k"), Failed)
    empty = open_maps("regexp:{{/k/}}", context, title="virtual_alias_maps")
    heard.clear()
    assert empty.find("k").kind == "config"
    assert heard[0] == "virtual_alias_maps lookup of k returns an empty string result"


def test_ldap_asks_for_what_the_file_says(context, directory, tmp_path):
    spec = table_file(
        tmp_path, scope="one", size_limit="3", timeout="7", result_attribute="maildrop mail"
    )
    assert lookup([spec], "A@X", context) == Found("x@y")
    (request,) = directory.requests
    assert (request.base, request.scope, request.size_limit, request.time_limit) == (
        "dc=x",
        1,
        3,
        7,
    )
    assert request.attributes == ("maildrop", "mail")


def test_tables_with_equal_servers_share_a_conversation(context, directory, tmp_path):
    spec = table_file(tmp_path)
    (tmp_path / "y.cf").write_text((tmp_path / "x.cf").read_text() + "size_limit = 5\n")
    for each in (spec, f"ldap:{tmp_path}/y.cf", spec):
        lookup([each], "a", context)
    assert directory.opened == 1


def test_a_broken_conversation_is_opened_anew(context, directory, heard, tmp_path):
    spec = table_file(tmp_path)
    directory.error = ApiError(-5, "Timed out", "Timed out")
    assert lookup([spec], "a", context) == Failed("Search error -5: Timed out")
    assert heard == ["dict_ldap_lookup: Search error -5: Timed out "]
    directory.error = None
    assert lookup([spec], "a", context) == Found("x@y")
    assert (directory.opened, directory.closed) == (2, 1)


def test_a_missing_base_is_not_found_only_where_the_key_makes_it(context, directory, tmp_path):
    directory.result = SearchResult(32)
    assert isinstance(lookup([table_file(tmp_path)], "a@b", context), Failed)
    assert lookup([table_file(tmp_path, search_base="dc=%d")], "a@b", context) == NotFound()


def test_no_connection_is_a_failure_also_for_keys_that_do_not_fit(context, directory, tmp_path):
    def refuse(_parameters):
        raise ApiError(-1, "Can't contact LDAP server", "Unable to bind to server x")

    context.open_session = refuse
    assert isinstance(
        lookup([table_file(tmp_path, query_filter="mail=%u@%d")], "a", context), Failed
    )
    assert directory.requests == []


def test_probes_tell_what_was_asked(context, tmp_path):
    probes: list[Probe] = []
    context.probe = probes.append
    spec = table_file(tmp_path)
    lookup(["inline:{b=c}", spec], "A", context)
    assert probes == [
        Probe("inline:{b=c}", "A"),
        Probe(spec, "A", base="dc=x", filter="mail=a", entries=("uid=a",), result="x@y"),
    ]


def test_the_protocol_version_of_the_build(context, tmp_path):
    assert open_table(table_file(tmp_path), context).config.session.version == 3
    context.debian = False
    assert open_table(table_file(tmp_path), context).config.session.version == 2


@pytest.mark.parametrize(
    ("listed", "opens"),
    [
        ("proxy:static:x", True),
        ("a, proxy:static:x b", True),
        ("proxy:proxy:static:x", True),
        ("{ proxy:static:x key=value }", True),
        ("unionmap:{static:y, proxy:static:x}", True),
        ("pipemap:{unionmap:{proxy:static:x}}", True),
        ("", False),
        ("static:x", False),
        ("proxy:static:xy", False),
        ("randmap:{proxy:static:x}", False),
        ("unionmap:{static:x}", False),
    ],
)
def test_proxymap_opens_what_proxy_read_maps_lists(context, heard, listed, opens):
    context.parameter = {"proxy_read_maps": listed}.get
    assert open_table("proxy:proxy:static:x", context).name == "static:x"
    assert bool(heard) == (not opens), "somebody who asks by name is told only"
    context.daemon = True
    if opens:
        assert open_table("proxy:proxy:static:x", context).name == "static:x"
        return
    with pytest.raises(ConfigError, match='not configured for table "static:x"') as caught:
        open_table("proxy:static:x", context)
    assert "proxy_read_maps" in (caught.value.hint or "")


def test_what_proxymap_cannot_open_fails_at_each_lookup(context):
    assert isinstance(open_table("proxy:texthash:/nonexistent", context).get("a"), Failed)
