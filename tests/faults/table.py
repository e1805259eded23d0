"""The faults: each a context manager that begins one and ends it again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import psycopg

from mrilu.settings.table import PROJECT
from tests.faults.scene import Scene

BOUND, HOST_BOUND = 10.0, 60.0  # seconds from a fault's end until the archive is level
LEFT_BYTES = 64 * 1024
EXPORTS, EMBEDDING, SENDING = "export_dictionaries", "embed_missing", "send_notifications"


@dataclass(frozen=True)
class Fault:
    """One fault: how it begins and ends, how many seconds it lasts, and the bound for what follows."""

    name: str
    strike: Callable[[Scene], AbstractContextManager[object]]
    seconds: float = 0.0
    bound: float = BOUND
    needs: str = ""  # the disk that must be mountable; "base": root's rights


# -- processes


@contextmanager
def killed(mark: str, at_most: int, scene: Scene) -> Iterator[None]:
    """kill -9; the supervisor starts it again."""
    for one in scene.processes(mark)[:at_most]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    yield


@contextmanager
def a_worker_killed(scene: Scene) -> Iterator[None]:
    """kill -9 of one of the pool's workers, not of the pool."""
    pools = scene.processes("worker-pool")
    workers = [one for pool in pools for one in pool.children()]
    if workers:
        scene.chance.choice(workers).kill()
    yield


@contextmanager
def run_killed(scene: Scene) -> Iterator[None]:
    """kill -9 of the worker of "long" and its fork in the middle of a run, which must come back by itself."""
    scene.source.hold()
    scene.service.run("run", "update_muplis", "--force")
    if not scene.source.asked.wait(20):
        raise TimeoutError("update_muplis did not ask its source")
    scene.runs_wanted["update_muplis"] = time.time()
    for one in scene.processes("worker long"):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    scene.source.release()
    yield


@contextmanager
def killed_at_work(job: str, mark: str, scene: Scene) -> Iterator[None]:
    """kill -9 of a worker while it runs the job, with what it started; the run must come back by itself."""
    scene.feed.burst(100)  # so that there is something to do
    scene.until_at_work(job, 30)
    scene.runs_wanted[job] = time.time()
    for one in scene.processes(mark):
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (one, *one.children(recursive=True)):
                process.kill()
    yield


@contextmanager
def stopped(marks: tuple[str, ...], scene: Scene) -> Iterator[None]:
    """SIGSTOP, and SIGCONT at the end."""
    victims = [one for mark in marks for one in scene.processes(mark)]
    for one in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.suspend()
    yield
    for one in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.resume()


@contextmanager
def power_cut(scene: Scene) -> Iterator[None]:
    """Everything is killed at once, and started again; the fault ends when the service is up."""
    scene.kill_tree()
    scene.crashes.append(time.monotonic())
    scene.service.start()
    scene.connect()
    yield


# -- PostgreSQL


@contextmanager
def postmaster_killed(scene: Scene) -> Iterator[None]:
    """kill -9 of the database server's first process."""
    scene.postmaster().kill()
    scene.crashes.append(time.monotonic())
    yield


@contextmanager
def backend_killed(scene: Scene) -> Iterator[None]:
    """kill -9 of one session: PostgreSQL ends all and recovers."""
    children = [
        one for one in scene.postmaster().children() if "[local]" in " ".join(one.cmdline())
    ]
    if children:
        scene.chance.choice(children).kill()
        scene.crashes.append(time.monotonic())
    yield


@contextmanager
def sessions_ended(scene: Scene) -> Iterator[None]:
    """All sessions but ours are ended by the server."""
    with scene.link() as link:
        link.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    yield


@contextmanager
def connections_used_up(scene: Scene) -> Iterator[None]:
    """Other programs take all connections, and each that becomes free."""
    taken: list[psycopg.Connection] = []
    with contextlib.suppress(psycopg.OperationalError):
        while len(taken) < 100:
            taken.append(scene.link())
    with contextlib.suppress(psycopg.Error):
        taken[0].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mrilu'"
        )
        while len(taken) < 100:
            taken.append(scene.link())
    yield
    for one in taken:
        one.close()


@contextmanager
def table_locked(scene: Scene) -> Iterator[None]:
    """A maintenance locks a table that each import writes."""
    with psycopg.connect(scene.urls["DATABASE_URL"]) as link:
        link.execute("LOCK TABLE location IN ACCESS EXCLUSIVE MODE")
        yield
        link.rollback()


# -- Valkey


@contextmanager
def command(*words: str, scene: Scene) -> Iterator[None]:
    """Send one command to Valkey."""
    with scene.redis() as link:
        link.execute_command(*words)
    yield


@contextmanager
def configured(name: str, value: str, scene: Scene) -> Iterator[None]:
    """Change one of Valkey's settings for a while."""
    with scene.redis() as link:
        [before] = link.config_get(name).values()
        link.config_set(name, value)
        yield
        link.config_set(name, before)


@contextmanager
def read_only(scene: Scene) -> Iterator[None]:
    """Valkey follows a master that is not there, and takes no writes."""
    with socket.create_server(("127.0.0.1", 0)) as nobody, scene.redis() as link:
        link.execute_command("REPLICAOF", "127.0.0.1", nobody.getsockname()[1])
        yield
        link.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def suspended(scene: Scene) -> Iterator[None]:
    """`rq suspend` in a deploy script, and `rq resume`."""
    with scene.redis() as link:
        link.set("rq:suspended", 1)
        yield
        link.delete("rq:suspended")


@contextmanager
def queues_emptied(scene: Scene) -> Iterator[None]:
    """`rq empty` while work waits, of which no one is told: it is healed within a minute."""
    with scene.redis() as link:
        link.set("rq:suspended", 1)
        time.sleep(1.5)
        for raw in link.lrange("rq:queue:mail", 0, -1):
            link.delete(b"rq:job:" + raw)
        link.delete("rq:queue:mail")
        link.delete("rq:suspended")
    yield


@contextmanager
def queue_file_damaged(scene: Scene) -> Iterator[None]:
    """Valkey's append-only file ends in zeros, as after a power cut, when it starts again."""
    [valkey] = [one for one in scene.processes("valkey-server") if one.name() == "valkey-server"]
    files = (scene.service.data / "valkey").resolve().glob("appendonlydir/*.incr.aof")
    tail = sorted(files)[-1]
    valkey.kill()
    with open(tail, "ab") as file:
        file.write(bytes(4096))
    yield


# -- disks and the Maildir


@contextmanager
def disk_full(name: str, scene: Scene) -> Iterator[None]:
    """Something else fills the disk."""
    disk = scene.disks[name]
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - LEFT_BYTES)
    yield
    ballast.unlink()


@contextmanager
def maildir_away(scene: Scene) -> Iterator[None]:
    """The Maildir's disk is not mounted for a while."""
    away = scene.service.maildir.with_name("away")
    scene.service.maildir.rename(away)
    yield
    away.rename(scene.service.maildir)


@contextmanager
def folder_unreadable(scene: Scene) -> Iterator[None]:
    """Something that is not a folder stands in new/'s place: what chmod 000 is for others holds for root, too."""
    new = scene.service.maildir / "new"
    hidden = new.with_name("hidden")
    new.rename(hidden)
    new.symlink_to(new)  # ELOOP for whoever looks
    yield
    new.unlink()
    hidden.rename(new)


@contextmanager
def moves_at_once(count: int, scene: Scene) -> Iterator[None]:
    """More files than inotify's queue holds are moved in at once."""
    scene.feed.burst(count)
    yield


@contextmanager
def written_in_place(scene: Scene) -> Iterator[None]:
    """Files are written where they stay, in two goes with a pause between."""
    scene.feed.in_place(20, 3.0)
    yield


# -- another host


@contextmanager
def host_dead(scene: Scene) -> Iterator[None]:
    """The workers of another host take all work, and that host dies; ours were away in the meantime."""
    environ = scene.service.environ | scene.urls | {"RQ_REDIS_URL": scene.urls["REDIS_URL"]}
    rq = [
        sys.executable,
        "-P",
        "-m",
        "rq.cli",
        "worker-pool",
        "mail",
        "-P",
        str(PROJECT),
        "-n",
        "2",
    ]
    rq += ["-w", "jobs.workers.MailWorker", "-S", "json", "-l", "WARNING"]
    other = ["unshare", "--uts", "sh", "-c", 'hostname another-host && exec "$@"', "sh", *rq]
    ours = scene.processes("worker-pool")
    ours += [child for pool in ours for child in pool.children()]
    process = subprocess.Popen(
        other,
        env=environ,
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        time.sleep(4)
        for one in ours:
            one.suspend()
        time.sleep(1)
        scene.feed.burst(300)
        time.sleep(0.3)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for one in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()
    yield


def _programs() -> Iterator[Fault]:
    marks = {
        "watcher": "-m watcher",
        "mail pool": "worker-pool",
        "default worker": "worker default",
        "notify worker": "worker notify",
        "embed worker": "worker embed",
        "scheduler": "jobs.schedule",
    }
    for name, mark in marks.items():
        yield Fault(f"kill -9: {name}", partial(killed, mark, 1))
    yield Fault("kill -9: a mail worker", a_worker_killed)
    yield Fault("kill -9: default worker in a run", run_killed)
    yield Fault("kill -9: an export", partial(killed_at_work, EXPORTS, "worker long"))
    yield Fault("kill -9: sending", partial(killed_at_work, SENDING, "worker notify"))
    yield Fault("kill -9: all our programs", partial(killed, sys.executable, 99))
    yield Fault("kill -9: everything, power cut", power_cut)
    for name, mark in (*marks.items(), ("valkey", "valkey-server"), ("postgresql", "postgres")):
        if name not in ("default worker", "embed worker"):
            yield Fault(f"SIGSTOP: {name}", partial(stopped, (mark,)), seconds=2)
    yield Fault("SIGSTOP: all our programs", partial(stopped, (sys.executable,)), seconds=2)


FAULTS = (
    *_programs(),
    Fault("kill -9: postmaster", postmaster_killed),
    Fault("kill -9: a backend", backend_killed),
    Fault("sessions terminated", sessions_ended),
    Fault("connections used up", connections_used_up, seconds=2),
    Fault("a table locked", table_locked, seconds=2),
    Fault("FLUSHALL", lambda scene: command("FLUSHALL", scene=scene)),
    Fault("CLIENT KILL", lambda scene: command("CLIENT", "KILL", "TYPE", "normal", scene=scene)),
    Fault("CLIENT PAUSE", lambda scene: command("CLIENT", "PAUSE", "2000", scene=scene), seconds=2),
    Fault("maxmemory", partial(configured, "maxmemory", "1"), seconds=2),
    Fault("read-only Valkey", read_only, seconds=2),
    Fault("rq suspend", suspended, seconds=2),
    Fault("rq empty", queues_emptied, bound=60.0),
    Fault("damaged append-only file", queue_file_damaged),
    Fault("disk full: database", partial(disk_full, "postgresql"), seconds=2, needs="postgresql"),
    Fault("disk full: Valkey", partial(disk_full, "valkey"), seconds=2, needs="valkey"),
    Fault("disk full: exports", partial(disk_full, "exports"), seconds=1, needs="exports"),
    Fault("disk full: /tmp", partial(disk_full, "tmp"), seconds=1, needs="tmp"),
    Fault("Maildir away", maildir_away, seconds=2),
    Fault("folder unreadable", folder_unreadable, seconds=2),
    Fault("moves at once", partial(moves_at_once, 2_000)),
    Fault("written in place", written_in_place),
    Fault("another host dies", host_dead, bound=HOST_BOUND, needs="base"),
)
# With EMBEDDINGS=on, in a service of their own: they keep a core busy, which would make each other recovery slower.
EMBEDS = (
    Fault("kill -9: embedding", partial(killed_at_work, EMBEDDING, "worker embed")),
    Fault("SIGSTOP: embedding", partial(stopped, ("worker embed",)), seconds=2),
)
HARD = Fault("20,000 moves at once", partial(moves_at_once, 20_000), bound=60.0)  # nightly


def named(name: str) -> list[Fault]:
    """Return the faults whose name contains `name`."""
    return [one for one in (*FAULTS, *EMBEDS, HARD) if name in one.name]


def can_strike(fault: Fault, disks: dict[str, Path]) -> bool:
    """Tell whether this machine lets the fault be made."""
    return not fault.needs or fault.needs in disks
