"""/rq behind real proxies of this machine, which pass strangers' requests on as if they were its own.

Where nginx, haproxy and socat are not installed (Debian: nginx-light haproxy socat) the tests say so and skip.
"""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis
from waitress import wasyncore

from mrilu.runtime.operators import operator_token
from mrilu.settings.table import Settings
from mrilu.web.app import make_app
from mrilu.web.server import Server, make_server

DEADLINE = 30.0

NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{target}; {more} }} }} }}
"""
NGINX_KINDS = {
    "nginx as it comes": "",
    "nginx with HTTP/1.1": "proxy_http_version 1.1;",
    "nginx with keep-alive": 'proxy_http_version 1.1; proxy_set_header Connection "";',
    "nginx with Host": "proxy_http_version 1.1; proxy_set_header Host $host;",
    "nginx with X-Forwarded-For": "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
}
HAPROXY = """
defaults
  mode {mode}
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen here
  bind 127.0.0.1:{port}
  server there 127.0.0.1:{target}
"""


@pytest.fixture
def site(service_settings: Settings, redis_client: Redis) -> Iterator[int]:
    """The port of the pages under the default settings, served as `python -m mrilu.web` does."""
    made = make_server(make_app(service_settings), "127.0.0.1:0")
    thread = threading.Thread(target=made.run)
    thread.start()
    yield int(made.effective_listen[0][1])
    for one in [one for one in made.map.values() if isinstance(one, Server)]:
        one.pull_trigger()
    wasyncore.close_all(made.map)
    made.task_dispatcher.shutdown()
    thread.join(DEADLINE)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        return int(one.getsockname()[1])


def nginx(kind: str) -> Callable[[Path, int, int], list[str]]:
    def command(folder: Path, port: int, target: int) -> list[str]:
        facts = {"folder": folder, "port": port, "target": target, "more": NGINX_KINDS[kind]}
        (folder / "nginx.conf").write_text(NGINX.format(**facts))
        return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    return command


def haproxy(mode: str) -> Callable[[Path, int, int], list[str]]:
    def command(folder: Path, port: int, target: int) -> list[str]:
        (folder / "haproxy.cfg").write_text(HAPROXY.format(mode=mode, port=port, target=target))
        return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]

    return command


def socat(folder: Path, port: int, target: int) -> list[str]:
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"
    return ["socat", listen, f"TCP:127.0.0.1:{target}"]


PROXIES = {
    **{kind: nginx(kind) for kind in NGINX_KINDS},
    "haproxy": haproxy("http"),
    "haproxy by connection": haproxy("tcp"),
    "socat": socat,
}


@pytest.fixture
def proxied(request: pytest.FixtureRequest, site: int, tmp_path: Path) -> Iterator[int]:
    """The port of the proxy."""
    port = free_port()
    command = PROXIES[request.param](tmp_path, port, site)
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + DEADLINE
        while status(port, "/livez") != 200:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(DEADLINE)


def status(port: int, path: str, method: str = "GET", **headers: str) -> int:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", None, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=DEADLINE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.parametrize("proxied", PROXIES, indirect=True)
def test_strangers_behind_a_proxy_of_this_machine_see_and_change_nothing(
    proxied: int, redis_client: Redis
) -> None:
    for path in ("/rq", "/rq/", "/rq/0/data/queues.json", "/rq/0/view/jobs", "/metrics"):
        assert status(proxied, path) == 401
    for path in ("/rq/queue/mail/queued/empty", "/rq/requeue/mail", "/rq/job/x/delete"):
        assert status(proxied, path, "POST") == 401
    told = base64.b64encode(f"me:{operator_token(redis_client)}".encode()).decode()
    assert status(proxied, "/rq/", Authorization=f"Basic {told}") == 200
