"""The whole service as an operator meets it: pages, logs, backup, restore."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

from tests.factories import deliver, mail
from tests.web.conftest import values

SECRET = "hush-hush-hush"


def test_a_day_of_an_operator(service, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    service.environ |= {
        "WEB_ADDRESS": place,
        "TOKEN_SECRET": SECRET,
        "OPERATOR_PASSWORD": SECRET,
        "METRICS_TOKEN": SECRET,
        "LOG_FORMAT": "json",
    }

    def ask(path: str, **headers: str) -> tuple[int, str]:
        try:
            wanted = urllib.request.Request(f"http://{place}{path}", headers=headers)
            with urllib.request.urlopen(wanted, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    service.start()
    service.until(lambda: ask("/readyz")[0] == 200, 30)
    assert ask("/rq/")[0] == 401

    deliver(service.maildir, mail("<one@x>", subject="hidden words"))
    imported = 'mrilu_mails_total{result="imported"}'
    service.until(
        lambda: values(ask("/metrics", Authorization=f"Bearer {SECRET}")[1]).get(imported) == 1, 10
    )
    assert service.kill9("-m mrilu.web") == 1
    service.until(
        lambda: values(ask("/metrics", Authorization=f"Bearer {SECRET}")[1]).get(imported) == 1, 30
    )

    file = tmp_path / "mrilu.backup"
    assert service.run("backup", str(file)).returncode == 0
    deliver(service.maildir, mail("<two@x>"))
    service.until(lambda: service.status()["messages"] == 2, 10)
    done = service.run("restore", str(file), "--yes")
    assert done.returncode == 0, done.stderr
    # the second mail came after the backup: the watcher's scan brings it back
    service.until(
        lambda: (
            service.run("status", "--json").returncode == 0 and service.status()["messages"] == 2
        ),
        60,
    )

    told = service.run("doctor", "--json")
    wrong = [one for one in json.loads(told.stdout) if one["level"] == "error"]
    assert not wrong and told.returncode == 0, wrong
    assert service.stop() < 10
    logs = {
        path.name: path.read_text(errors="replace")
        for path in (service.data / "log").iterdir()
        if path.is_file()
    }
    assert not [name for name, text in logs.items() if SECRET in text or "hidden words" in text]
    lines = [json.loads(line) for line in logs["mail.log"].splitlines() if line.startswith("{")]
    summary = next(line for line in lines if line["event"] == "imported")
    assert summary["run_id"] and summary["job_id"] and summary["imported"] == 1
