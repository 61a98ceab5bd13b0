"""The parameters of one LDAP table, as ldap_table(5) has them, each checked as Postfix checks it.

Source: ldap_table(5); Postfix's dict_ldap_open(), in whose order faults and warnings come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from mailldap.directory.base import Scope, SessionParameters
from mailldap.directory.libldap.uri import UrlError, is_ldap_url, parse_uri
from mailldap.directory.libldap_text import err2string
from mailldap.errors import ConfigError
from mailldap.postfix.words import lower_ascii, split_list
from mailldap.tables.base import TableContext
from mailldap.tables.match_list import Opener, Pattern, read_patterns
from mailldap.tables.source import Source, get_bool, get_int, get_str, open_source
from mailldap.tables.template import Template, TemplateError, Templates

_SCOPES = {"one": Scope.ONE, "base": Scope.BASE, "sub": Scope.SUB}
_BINDS = {"no": "none", "none": "none", "yes": "simple", "simple": "simple", "sasl": "sasl"}


class Attributes(NamedTuple):
    """The requested attributes in Postfix's order: terminal, leaf, ordinary, special."""

    terminal: tuple[str, ...]
    leaf: tuple[str, ...]
    ordinary: tuple[str, ...]
    special: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Everything that is asked for."""
        return self.terminal + self.leaf + self.ordinary + self.special


class LdapConfig(NamedTuple):
    """A checked LDAP table.

    ``session`` says how to reach the servers. ``domain`` is None where the table has no domain
    list.
    """

    name: str
    session: SessionParameters
    scope: Scope
    search_base: Template
    query_filter: Template
    result_format: Template
    templates: Templates
    domain: list[Pattern] | None
    attributes: Attributes
    recursion_limit: int
    expansion_limit: int
    size_limit: int

    @property
    def hosts(self) -> str:
        """The server list as Postfix prints it."""
        return " ".join(self.session.hosts)


def load_config(name: str, context: TableContext, opener: Opener) -> LdapConfig:
    """Return the table that *name* means: a file (``/…`` or ``./…``) or a prefix in main.cf.

    Raises TableUnavailable for a file that cannot be read, ConfigError for a value that Postfix
    refuses. What Postfix only warns about goes to ``context.warn``.
    """
    return _Loader(name, context, opener).load()


class _Loader:
    def __init__(self, name: str, context: TableContext, opener: Opener) -> None:
        self.name = name
        self.context = context
        self.opener = opener
        self.source: Source = open_source(name, context)
        self.version = 0

    def load(self) -> LdapConfig:
        server_host = self.text("server_host", "localhost", required=True)
        server_port = self.number("server_port", 389)
        self.version = self.protocol_version()
        hosts = self.servers(server_host, server_port)
        scope = self.scope()
        search_base = self.text("search_base")
        timeout = self.number("timeout", 10)
        query_filter = self.text("query_filter", "(mailacceptinggeneralid=%s)")
        result_format = self.text("result_format") or self.text(
            "result_filter", "%s", required=True
        )
        templates = Templates()
        base = self.template(templates.query, search_base, "search_base", "query")
        query = self.template(templates.query, query_filter, "query_filter", "query")
        if not query.dynamic:
            self.warn(f"{self.name}: Fixed query_filter {query_filter} is probably useless")
        origin = "result_format" if self.text("result_format") else "result_filter"
        result = self.template(templates.result, result_format, origin, "result")
        domain = self.domain()
        attributes = Attributes(
            self.words("terminal_result_attribute"),
            self.words("leaf_result_attribute"),
            self.words("result_attribute", "maildrop"),
            self.words("special_result_attribute"),
        )
        bind = self.bind()
        bind_dn, bind_pw = self.text("bind_dn"), self.text("bind_pw")
        self.ignored_cache()
        recursion_limit = self.number("recursion_limit", 1000, 1)
        expansion_limit = self.number("expansion_limit", 0)
        size_limit = self.number("size_limit", expansion_limit)
        dereference = self.dereference()
        chase_referrals = self.flag("chase_referrals")
        sasl = bind == "sasl"
        session = SessionParameters(
            hosts=hosts,
            timeout=timeout,
            bind=bind,
            bind_dn=bind_dn,
            bind_pw=bind_pw,
            dereference=dereference,
            chase_referrals=chase_referrals,
            sasl_mechs=self.text("sasl_mechs") if sasl else "",
            sasl_realm=self.text("sasl_realm") if sasl else "",
            sasl_authz_id=self.text("sasl_authz_id") if sasl else "",
            sasl_minssf=self.number("sasl_minssf", 0, 0, 4096) if sasl else 0,
            start_tls=self.start_tls(),
            version=self.version,  # which start_tls may have raised
            tls_require_cert=self.flag("tls_require_cert"),
            tls_ca_cert_file=self.text("tls_ca_cert_file"),
            tls_ca_cert_dir=self.text("tls_ca_cert_dir"),
            tls_cert=self.text("tls_cert"),
            tls_key=self.text("tls_key"),
            tls_cipher_suite=self.text("tls_cipher_suite"),
        )
        self.number("debuglevel", 0)
        return LdapConfig(
            name=self.name,
            session=session,
            scope=scope,
            search_base=base,
            query_filter=query,
            result_format=result,
            templates=templates,
            domain=domain,
            attributes=attributes,
            recursion_limit=recursion_limit,
            expansion_limit=expansion_limit,
            size_limit=size_limit,
        )

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        return get_str(self.source, name, default, required=required)

    def number(self, name: str, default: int, minimum: int = 0, maximum: int = 0) -> int:
        return get_int(self.source, name, default, minimum, maximum)

    def flag(self, name: str) -> bool:
        return get_bool(self.source, name, default=False)

    def words(self, name: str, default: str = "") -> tuple[str, ...]:
        return tuple(split_list(self.text(name, default)))

    def warn(self, message: str) -> None:
        self.context.warn(f"dict_ldap_open: {message}")

    def protocol_version(self) -> int:
        fallback = 3 if self.context.debian else 2
        version = self.number("version", fallback, 2)
        if version in {2, 3}:
            return version
        self.warn(f"{self.name} Unknown version {version}, using {fallback}.")
        return fallback

    def servers(self, server_host: str, port: int) -> tuple[str, ...]:
        """Return the items of server_host as URLs."""
        urls = []
        for item in split_list(server_host):
            if is_ldap_url(item):
                try:
                    url = parse_uri(item)
                except UrlError as error:
                    self.warn(
                        f"error parsing URL {item}: {error.code}: {err2string(error.code)}; "
                        "skipping"
                    )
                    continue
                if url.scheme != "ldap" and self.version != 3:
                    self.warn(f"URL scheme {url.scheme} requires protocol version 3")
                    self.version = 3
                urls.append(item)
            else:
                urls.append(f"ldap://{item}" if ":" in item else f"ldap://{item}:{port}")
        return tuple(urls)

    def scope(self) -> Scope:
        value = self.text("scope", "sub", required=True)
        scope = _SCOPES.get(lower_ascii(value))
        if scope is None:
            self.warn(f"{self.name}: Unrecognized value {value} specified for scope; using sub")
            return Scope.SUB
        return scope

    def template(
        self, parse: Callable[[str], Template], text: str, parameter: str, kind: str
    ) -> Template:
        try:
            return parse(text)
        except TemplateError as error:
            raise self.source.fault(
                parameter,
                f"db_common_parse: {self.name}: Invalid {kind} template: {text}",
                hint="after % only %, s, u, d, S, U, D and 1 to 9 mean something; "
                "a percent sign is %%",
            ) from error

    def domain(self) -> list[Pattern] | None:
        value = self.text("domain")
        if not value:
            return None
        exact = replace(self.context, fold=False)
        try:
            return read_patterns(self.name, value, exact, self.opener)
        except ConfigError as error:
            if error.file:
                raise
            raise self.source.fault("domain", error.message, error.hint) from error

    def bind(self) -> str:
        value = self.text("bind", "yes", required=True)
        bind = _BINDS.get(lower_ascii(value))
        if bind is None:
            raise self.source.fault(
                "bind",
                f"unsupported parameter value: bind = {value}",
                hint="write no, yes or sasl",
            )
        return bind

    def ignored_cache(self) -> None:
        if self.flag("cache"):
            self.warn(f"{self.name} ignoring cache")
        for name in ("cache_expiry", "cache_size"):
            if self.number(name, -1) >= 0:
                self.warn(f"{self.name} ignoring {name}")

    def dereference(self) -> int:
        value = self.number("dereference", 0)
        if 0 <= value <= 3:
            return value
        self.warn(f"{self.name} Unrecognized value {value} specified for dereference; using 0")
        return 0

    def start_tls(self) -> bool:
        start_tls = self.flag("start_tls")
        if start_tls and self.version < 3:
            self.warn(f"{self.name} start_tls requires protocol version 3")
            self.version = 3
        return start_tls
