"""``ldap:`` tables as Postfix answers them.

Source: ldap_table(5); Postfix's dict_ldap_lookup().
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from mailldap.directory.base import Session, SessionParameters
from mailldap.directory.libldap_text import err2string
from mailldap.errors import ApiError, CouldNotAsk
from mailldap.ldap.entry import Entry
from mailldap.postfix.words import c_string, is_utf8
from mailldap.tables.base import Answer, Failed, Found, NotFound, Probe, TableContext
from mailldap.tables.ldap_config import LdapConfig, load_config
from mailldap.tables.ldap_result import Collector, LookupFailed, Query, search
from mailldap.tables.match_list import Opener, match_string
from mailldap.tables.table import BaseTable

_IN_DN = re.compile(r'[ \t"#+,;<>\\]')
_IN_FILTER = re.compile(r"[*()\\]")
_NO_SUCH_OBJECT = 32


class LdapTable(BaseTable):
    """One LDAP table; nothing is opened before the first lookup."""

    folds = True

    def __init__(self, path: str, context: TableContext, opener: Opener) -> None:
        super().__init__("ldap", path, context)
        #: The checked parameters.
        self.config: LdapConfig = load_config(path, context, opener)
        self._base: str | None = None
        self._filter: str | None = None
        self._entries: list[str] = []
        #: What there is to say about the last answer.
        self._notes: list[str] = []

    def prepare(self, key: str) -> str | None:
        """Return the key that is looked up; where smtputf8_enable is off, None without warning."""
        if not self.context.utf8 and not is_utf8(key):
            return None
        return super().prepare(key)

    def find(self, key: str) -> Answer:
        """Return what the servers have for *key*."""
        question = self.question(key)
        if not isinstance(question, Query):
            return question
        return self._ask(question, key)

    def question(self, key: str) -> Query | Answer:
        """Return the search that *key* leads to, or the answer where it leads to none.

        The conversation is opened first, as Postfix does.
        """
        self._base = self._filter = None
        self._entries = []
        self._notes = []
        config = self.config
        outside = self.outside(key)
        if outside is not None:
            self._notes.append("not asked: domain does not list what is behind the @")
            return outside
        try:
            self.session()
        except ApiError as error:
            return self._no_connection(error)
        except CouldNotAsk as error:
            return self._unanswered(error)
        if not key:
            self.context.warn(f'table "{self.name}": empty query string -- ignored')
            return NotFound()
        base = config.templates.expand_query(config.search_base, key, _quote_dn)
        query = config.templates.expand_query(config.query_filter, key, _quote_filter)
        if base is None or query is None:
            self._notes.append("not asked: the key lacks a part that the templates insert")
            return NotFound()
        self._base, self._filter = base, query
        return Query(base, config.scope, query, config.attributes.all)

    def outside(self, key: str) -> Answer | None:
        """Return the answer for a key that the list of domains keeps from the servers, or None."""
        config = self.config
        if config.domain is None:
            return None
        at = key.rfind("@")
        if at <= 0:
            return NotFound()
        matched = match_string(config.name, config.domain, key[at + 1 :], self.context)
        if isinstance(matched, Failed):
            return matched
        return None if matched else NotFound()

    def _ask(self, question: Query, key: str) -> Answer:
        try:
            code, entries = search(self.session(), self.config, question)
        except ApiError as error:
            return self._broken(error)
        except CouldNotAsk as error:
            self._forget()
            return self._unanswered(error)
        return self.conclude(question, key, code, entries)

    def asked(self, key: str) -> Query | Answer:
        """Return the search that ``get(key)`` begins with, or its answer where there is none."""
        key = c_string(key)
        prepared = self.prepare(key)
        return NotFound() if prepared is None else self.question(prepared)

    def answered(self, key: str, question: Query, code: int, entries: Sequence[Entry]) -> Answer:
        """Return what ``get(key)`` answers when its search brought *entries* and a result code."""
        key = c_string(key)
        prepared = self.prepare(key)
        assert prepared is not None
        return self.checked(key, self.conclude(question, prepared, code, entries))

    def conclude(self, question: Query, key: str, code: int, entries: Sequence[Entry]) -> Answer:
        """Return the answer for *key*, whose search brought *entries* and a result code."""
        config = self.config
        self._notes = []
        if code == _NO_SUCH_OBJECT and config.search_base.dynamic:
            self._notes.append("this base does not exist: no error where search_base has a %")
            return NotFound()
        if code == _NO_SUCH_OBJECT:
            message = f"Search base '{question.base}' not found: {code}: {err2string(code)}"
            self.context.warn(f"dict_ldap_lookup: {config.name}: {message}")
            return Failed(message)
        if code:
            return self._search_error(code)
        collector = Collector(config, self.session(), key, self.context.warn)
        try:
            collector.collect(entries)
        except LookupFailed as failure:
            return Failed(str(failure))
        except CouldNotAsk as error:
            self._forget()
            return self._unanswered(error)
        finally:
            self._entries = collector.seen
            if collector.last_code:
                self.context.warn(
                    "dict_ldap_lookup: Had some trouble with entries returned by search: "
                    + err2string(collector.last_code)
                )
        if collector.text:
            return Found(collector.text)
        if entries:
            wanted = ", ".join(config.attributes.all) or "result_attribute, which is empty"
            self._notes.append(f"no value to be used in {wanted}")
        return NotFound()

    def _broken(self, error: ApiError) -> Failed:
        """Return the failure of a conversation; a failed reconnection has words of its own."""
        if error.message.startswith("Unable to "):
            self._forget()
            return self._no_connection(error)
        self._name_servers()
        return self._search_error(error.result)

    def _no_connection(self, error: ApiError) -> Failed:
        about_tls = error.message.startswith("Unable to allocate new TLS context")
        function = "dict_ldap_set_tls_options" if about_tls else "dict_ldap_connect"
        self.context.warn(f"{function}: {error.message}")
        self._name_servers()
        return Failed(error.message)

    def _unanswered(self, error: CouldNotAsk) -> Failed:
        self.context.warn(error.message)
        self._name_servers()
        return Failed(error.message)

    def _name_servers(self) -> None:
        """Say where the answer should have come from: Postfix's words do not tell."""
        self._notes.append(f"server_host: {' '.join(self.config.session.hosts)}")

    def _search_error(self, code: int) -> Failed:
        message = f"Search error {code}: {err2string(code)}"
        self.context.warn(f"dict_ldap_lookup: {message} ")
        self._forget()
        return Failed(message)

    def session(self) -> Session:
        """Return the conversation that tables with the same parameters share."""
        sessions = self._sessions()
        session = sessions.get(self.config.session)
        if session is None:
            session = sessions[self.config.session] = self.context.open_session(self.config.session)
        return session

    def _sessions(self) -> dict[SessionParameters, Session]:
        sessions = self.context.shared.setdefault("ldap", {})
        return cast("dict[SessionParameters, Session]", sessions)

    def _forget(self) -> None:
        """End the conversation; the next lookup opens a new one."""
        session = self._sessions().pop(self.config.session, None)
        if session is not None:
            session.close()

    def describe(self, key: str, answer: Answer) -> Probe:
        """Return the last lookup with its base, filter and entries."""
        return Probe(
            self.name,
            key,
            base=self._base,
            filter=self._filter,
            entries=tuple(self._entries),
            result=answer.value if isinstance(answer, Found) else None,
            error=answer.message if isinstance(answer, Failed) else None,
            notes=tuple(self._notes),
        )

    def close(self) -> None:
        """End the conversation, also for the tables that share it."""
        self._forget()


def _quote_dn(text: str) -> str:
    """Return *text* as Postfix quotes it in a search base."""
    return _IN_DN.sub(lambda match: f"\\{ord(match[0]):02X}", text)


def _quote_filter(text: str) -> str:
    """Return *text* as Postfix quotes it in a filter."""
    return _IN_FILTER.sub(lambda match: f"\\{ord(match[0]):02X}", text)
