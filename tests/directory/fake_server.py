"""A scripted LDAP server on loopback, in threads: what a real one would rather not do."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from mailldap.directory.base import Scope
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions


def tlv(tag, *parts):
    """One BER element; independent of the code under test."""
    content = b"".join(parts)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes(4, "big")
    return bytes([tag, 0x84]) + size + content


def number(value, tag=2):
    size = value.bit_length() // 8 + 1
    return tlv(tag, value.to_bytes(size, "big"))


def message(message_id, op, *controls):
    extra = tlv(0xA0, *controls) if controls else b""
    return tlv(0x30, number(message_id), op, extra)


def result(tag, code=0, text=b"", *extra):
    return tlv(tag, number(code, 10), tlv(4), tlv(4, text), *extra)


def entry(dn, **attributes):
    return tlv(
        0x64,
        tlv(4, dn.encode()),
        tlv(
            0x30,
            *(
                tlv(0x30, tlv(4, name.encode()), tlv(0x31, *(tlv(4, v) for v in values)))
                for name, values in attributes.items()
            ),
        ),
    )


def reference(*uris):
    return tlv(0x73, *(tlv(4, uri.encode()) for uri in uris))


class Connection:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""

    def read(self):
        """The next request: (id, operation tag, operation content); None at the end."""
        while True:
            if len(self.buffer) >= 2:
                length, start = self.buffer[1], 2
                if length & 0x80:
                    start += length & 0x7F
                    length = int.from_bytes(self.buffer[2:start], "big")
                if len(self.buffer) >= start + length and len(self.buffer) >= start:
                    content = self.buffer[start : start + length]
                    self.buffer = self.buffer[start + length :]
                    size = content[1]
                    message_id = int.from_bytes(content[2 : 2 + size], "big")
                    op = content[2 + size :]
                    begin = 2 + (op[1] & 0x7F if op[1] & 0x80 else 0)
                    return message_id, op[0], op[begin:]
            try:
                more = self.sock.recv(65536)
            except OSError:
                return None
            if not more:
                return None
            self.buffer += more

    def send(self, *messages):
        with contextlib.suppress(OSError):
            self.sock.sendall(b"".join(messages))

    def secure(self, certificate, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class FakeServer:
    """Runs *handler(connection)* in a thread for each connection."""

    def __init__(
        self, handler: Callable[[Connection], None], path: str | None = None, tls=None
    ) -> None:
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.uri = "ldapi://" + path.replace("/", "%2F")
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            scheme = "ldaps" if tls else "ldap"
            self.uri = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.listener.listen()
        self.handler = handler
        self.tls = tls
        self.accepted = 0
        self.seen: list[int] = []
        self.open: list[Connection] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            connection = Connection(sock)
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.tls:
                connection.secure(*self.tls)
            self.handler(connection)
        except (OSError, IndexError):
            pass  # it was spoken to in another protocol, or not at all
        finally:
            connection.close()

    def stop_listening(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_listening()
        for connection in self.open:
            connection.close()


def polite(*entries, code=0, bind=0):
    """A handler that binds anybody with *bind* and answers every search with *entries*."""

    def handle(connection):
        while request := connection.read():
            message_id, tag, _ = request
            if tag == 0x60:
                connection.send(message(message_id, result(0x61, bind)))
            elif tag == 0x63:
                found = [message(message_id, e) for e in entries]
                connection.send(*found, message(message_id, result(0x65, code)))
            elif tag == 0x42:
                return

    return handle


def silent(connection):
    """Takes whatever comes and never answers."""
    while connection.sock.recv(65536):
        pass


def hangs_up(connection):
    """Closes when the first bytes have come."""
    connection.sock.recv(65536)


def raw_handler(answers):
    """A handler that answers each operation tag with these operations."""

    def handle(connection):
        while request := connection.read():
            message_id, tag, _ = request
            operations = answers.get(tag, ())
            for operation in operations if isinstance(operations, tuple) else (operations,):
                connection.send(message(message_id, operation))

    return handle


@contextlib.contextmanager
def directory(*handlers, **options):
    """A directory on scripted servers, closed at the end."""
    with contextlib.ExitStack() as stack:
        uris = tuple(
            h if isinstance(h, str) else stack.enter_context(FakeServer(h)).uri for h in handlers
        )
        made = LdapServer(ServerOptions(uris, **{"base": "dc=x", "timeout": 30.0} | options))
        stack.callback(made.close)
        yield made


def everything(made):
    return list(made.search("dc=x", Scope.SUB, "(mail=*)"))
