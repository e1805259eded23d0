"""Each thing that can be wrong at a start: one line that names the setting."""

import os
import select
import socket
import socketserver
import stat
import struct
import threading
from pathlib import Path

import pytest
from redis import Redis

from mrilu.service import checks
from mrilu.service.account import Account, ServerError
from mrilu.service.placement import ourselves
from mrilu.service.valkey import Server

US = ourselves()


def test_a_second_start_in_the_same_folder_is_refused_and_names_the_first(tmp_path):
    with checks.only_one(tmp_path):
        with pytest.raises(
            ServerError, match=rf"already runs in .*process {os.getpid()}.*DATA_DIR"
        ):
            checks.only_one(tmp_path)
    checks.only_one(tmp_path).close()


def test_a_file_in_place_of_the_data_folder_is_told(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(ServerError, match="DATA_DIR: cannot use"):
        checks.usable_folder(tmp_path / "data", US)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_data_of_another_user_is_refused(tmp_path):
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(ServerError, match="DATA_DIR: .* belongs to user id 12345"):
        checks.usable_folder(tmp_path, US)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_data_folder_and_what_is_in_it_is_closed_to_others(tmp_path):
    data = checks.usable_folder(tmp_path / "data", US)
    (data / "service.json").write_text("{}")
    (data / "service.json").chmod(0o644)
    checks.closed_to_others(data, US)
    assert (mode(data), mode(data / "log"), mode(data / "service.json")) == (0o700, 0o700, 0o600)


def test_the_account_of_our_programs_passes_through_the_data_folder_and_lists_nothing(tmp_path):
    account = Account("x", os.geteuid(), os.getegid(), drops=True)
    assert mode(checks.usable_folder(tmp_path / "data", account)) == 0o710


@pytest.mark.parametrize("bits", [0o777, 0o720, 0o702, 0o1777])
def test_a_data_folder_that_others_may_write_to_is_refused(tmp_path, bits):
    tmp_path.chmod(bits)
    with pytest.raises(ServerError, match="DATA_DIR: others may write to .*chmod go-w"):
        checks.usable_folder(tmp_path, US)


@pytest.mark.parametrize("name", ["supervisord.conf", "log/watcher.log", "instance"])
def test_a_file_in_it_that_others_may_write_to_is_refused(tmp_path, name):
    checks.usable_folder(tmp_path, US)
    (tmp_path / name).touch()
    (tmp_path / name).chmod(0o662)
    with pytest.raises(ServerError, match=f"DATA_DIR: others may write to .*{name}"):
        checks.closed_to_others(tmp_path, US)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable_is_told(tmp_path):
    (tmp_path / "log").mkdir()
    tmp_path.chmod(0o500)
    with pytest.raises(ServerError, match="DATA_DIR: .* is not writable"):
        checks.usable_folder(tmp_path, US)


def test_a_nearly_full_disk_is_told_before_it_is_full(tmp_path):
    checks.enough_room(tmp_path, least=1)
    with pytest.raises(ServerError, match="DATA_DIR: only .* MB free"):
        checks.enough_room(tmp_path, least=2**60)


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path):
    with pytest.raises(ServerError, match="DATABASE_URL: cannot connect") as raised:
        checks.usable_database(f"postgresql://me:secret@/x?host={tmp_path}")
    assert "secret" not in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "failed: Connection refused\n\tIs the server running there?\n",
            "failed: Connection refused",
        ),
        (
            "Several attempts failed:\n- host: a, FATAL: no\n- host: b, FATAL: none",
            "- host: b, FATAL: none",
        ),
        ("", "OSError"),
    ],
)
def test_the_reason_is_told_and_not_libpqs_hint(said, told):
    assert checks.reason_of(OSError(said)) == told


def test_a_redis_that_wants_a_password_is_told(tmp_path):
    with Server(tmp_path / "server") as server:
        with Redis.from_url(server.url) as link:
            link.config_set("requirepass", "secret")
        for url in (server.url, f"{server.url}?password=wrong"):
            with pytest.raises(ServerError, match="REDIS_URL: .*password"):
                checks.usable_redis(url)
        checks.usable_redis(f"{server.url}?password=secret")


def test_a_redis_that_cannot_be_reached_is_told(tmp_path):
    with pytest.raises(ServerError, match="REDIS_URL: cannot connect"):
        checks.usable_redis(f"unix://{tmp_path}/none.sock")


def test_a_redis_that_is_too_old_is_told(tmp_path, monkeypatch):
    with Server(tmp_path / "server") as server:
        checks.usable_redis(server.url)
        monkeypatch.setattr(checks, "LEAST_REDIS", (99, 0))
        with pytest.raises(ServerError, match="REDIS_URL: version .* is too old"):
            checks.usable_redis(server.url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_web_address_that_is_taken_is_told_with_what_to_do(host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ServerError, match=rf"WEB_ADDRESS: .*{host}:{port}: another program .*or to off"
        ):
            checks.usable_address(f"{host}:{port}")
    checks.usable_address(f"127.0.0.1:{port}")


def test_a_web_address_of_another_machine_is_told_and_off_is_never_asked():
    with pytest.raises(ServerError, match="WEB_ADDRESS: cannot listen on .*set WEB_ADDRESS"):
        checks.usable_address("192.0.2.1:8025")
    checks.usable_address("off")


REFUSAL = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0"


class Pooler(socketserver.BaseRequestHandler):
    """As PgBouncer: refuses the startup parameter `options`, or leaves it out and passes on the rest."""

    drops: bool
    upstream: str

    def handle(self) -> None:
        length, kind = struct.unpack("!II", self.request.recv(8))
        while kind != 196608:  # encryption is asked for first
            self.request.sendall(b"N")
            length, kind = struct.unpack("!II", self.request.recv(8))
        words = self.request.recv(length - 8).split(b"\0")
        pairs = dict(zip(words[::2], words[1::2], strict=False))
        if pairs.pop(b"options", None) and not self.drops:
            self.request.sendall(b"E" + struct.pack("!I", len(REFUSAL) + 4) + REFUSAL)
            return
        body = b"".join(b"%b\0%b\0" % pair for pair in pairs.items() if pair[0]) + b"\0"
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.upstream)
            server.sendall(struct.pack("!II", len(body) + 8, kind) + body)
            self._pass_on(server)

    def _pass_on(self, server: socket.socket) -> None:
        while True:
            for one in select.select([self.request, server], [], [])[0]:
                other = server if one is self.request else self.request
                if not (part := one.recv(65536)):
                    return
                other.sendall(part)


@pytest.mark.parametrize("drops", [True, False])
def test_a_pooler_that_keeps_our_settings_from_postgresql_is_refused(cluster, drops):
    handler = type("Handler", (Pooler,), {"drops": drops, "upstream": str(cluster.socket)})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as pooler:
        threading.Thread(target=pooler.serve_forever, daemon=True).start()
        url = f"postgresql://mrilu@127.0.0.1:{pooler.server_address[1]}/mrilu"
        with pytest.raises(ServerError, match="connection pooler such as PgBouncer") as raised:
            checks.usable_database(url)
        pooler.shutdown()
    assert "\n" not in str(raised.value)
    checks.usable_database(cluster.url)  # without it, all is well


@pytest.mark.parametrize(("cuts", "passes"), [(1, True), (9, False)])
def test_a_first_connection_that_is_cut_off_is_made_again(cluster, cuts, passes):
    """A host that lost power may come back with the port of a connection that the server still holds."""
    left = [None] * cuts

    class Cutting(Pooler):
        drops, upstream = False, str(cluster.socket)

        def handle(self) -> None:
            if not left:
                with socket.socket(socket.AF_UNIX) as server:
                    server.connect(self.upstream)
                    self._pass_on(server)
            else:
                left.pop()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cutting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        url = f"postgresql://mrilu@127.0.0.1:{port}/mrilu?sslmode=disable&gssencmode=disable"
        if passes:
            checks.usable_database(url)
        else:
            with pytest.raises(ServerError, match="cannot connect: .*closed the connection"):
                checks.usable_database(url)
        server.shutdown()


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@se/cret:rd#%?@127.0.0.1:1/db", "postgresql://u:rd%zz@127.0.0.1:1/db"]
)
def test_no_piece_of_a_password_that_was_not_escaped_is_shown(url):
    with pytest.raises(ServerError, match="DATABASE_URL") as raised:
        checks.usable_database(url)
    assert not any(piece in str(raised.value) for piece in ("rd#", "rd%", "cret", "zz"))


def test_a_redis_that_would_forget_is_told_at_the_start(tmp_path):
    with Server(tmp_path / "server") as server:
        assert checks.usable_redis(server.url) == []
        with Redis.from_url(server.url) as link:
            link.config_set("maxmemory", "1gb")
            link.config_set("maxmemory-policy", "allkeys-lru")
            link.config_set("appendonly", "no")
        dropped, restarted = checks.usable_redis(server.url)
    assert "REDIS_URL: that server drops keys" in dropped and "allkeys-lru" in dropped
    assert "CONFIG SET appendonly yes" in restarted
