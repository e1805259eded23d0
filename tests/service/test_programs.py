"""supervisor's configuration, read back by supervisor itself."""

import os
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from mrilu.service.account import Account, ServerError
from mrilu.service.programs import PROGRAMS, Program, ServerProgram, configuration, wanted

PROJECT = Path("/srv/with space/100%/it's")
US = Account("us", 1000, 1000, drops=False)
NOBODY = Account("nobody", 65534, 65534, drops=True)
SERVERS = [
    ServerProgram("postgresql", ["/bin/postgres", "-D", str(PROJECT / "data")], "INT", 20, 10),
    ServerProgram("valkey", ["/bin/valkey-server", "--save", ""], "TERM", 10, 11),
]


def text_for(data: Path, account: Account = US, programs: tuple[Program, ...] = PROGRAMS) -> str:
    return configuration(
        project=PROJECT,
        data=data,
        control=Path("/tmp/mrilu-test/supervisor.sock"),
        servers=SERVERS,
        account=account,
        programs=programs,
        mail_workers=3,
    )


@pytest.fixture
def groups(tmp_path):
    (tmp_path / "log").mkdir()
    file = tmp_path / "supervisord.conf"
    file.write_text(text_for(tmp_path))
    options = ServerOptions()
    options.realize(["-c", str(file)])
    return {group.name: group for group in options.process_group_configs}


def test_our_programs_stop_before_the_servers(groups):
    assert groups["app"].priority > groups["valkey"].priority > groups["postgresql"].priority


def test_our_programs_wait_until_the_servers_are_ready(groups):
    assert not any(program.autostart for program in groups["app"].process_configs)
    assert groups["postgresql"].process_configs[0].autostart


def test_each_program_is_restarted_when_it_dies_and_the_installer_only_when_it_fails(groups):
    restart = {
        program.name: program.autorestart.__name__ for program in groups["app"].process_configs
    }
    assert restart.pop("install") == "RestartWhenExitUnexpected"
    assert set(restart.values()) == {"RestartUnconditionally"}


def test_each_log_is_rotated_at_10_mb_and_three_old_ones_are_kept(groups, tmp_path):
    programs = [process for group in groups.values() for process in group.process_configs]
    assert len(programs) > 5
    for one in programs:
        assert (one.stdout_logfile_maxbytes, one.stdout_logfile_backups) == (10 * 1024**2, 3), (
            one.name
        )
        assert one.redirect_stderr and Path(one.stdout_logfile).parent == tmp_path / "log"


def test_postgresql_is_stopped_by_its_fast_shutdown(groups):
    import signal

    assert groups["postgresql"].process_configs[0].stopsignal == signal.SIGINT


def test_a_path_with_spaces_percents_and_quotes_comes_out_whole(groups):
    import shlex

    command = shlex.split(groups["postgresql"].process_configs[0].command)
    assert command[-1] == str(PROJECT / "data")
    install = next(
        program for program in groups["app"].process_configs if program.name == "install"
    )
    assert str(PROJECT / "mrilu" / "service" / "install.py") in shlex.split(install.command)


def test_servers_get_nothing_of_the_callers_environment(groups):
    import shlex

    for name in ("postgresql", "valkey"):
        assert shlex.split(groups[name].process_configs[0].command)[:2] == ["/usr/bin/env", "-i"]


def test_the_pool_for_mail_has_the_workers_asked_for_and_speaks_json(groups):
    mail = next(program for program in groups["app"].process_configs if program.name == "mail")
    assert (
        "worker-pool mail" in mail.command and "-n 3" in mail.command and "-S json" in mail.command
    )


def test_every_rq_program_speaks_json_and_imports_from_the_project_first():
    for row in PROGRAMS:
        if "rq.cli" in row.arguments:
            assert "-S json" in row.arguments and "-P {project}" in row.arguments


def test_the_encoder_gives_way_to_mail(groups):
    nice = {
        program.name
        for program in groups["app"].process_configs
        if program.command.startswith("nice -n 10 ")
    }
    assert nice == {"embed"}


@pytest.mark.skipif(os.geteuid() != 0, reason="supervisor changes user only as root")
def test_started_by_root_only_the_servers_drop_to_the_account(tmp_path):
    sections = text_for(tmp_path, NOBODY).split("\n[")
    dropped = [section.split("]")[0] for section in sections if "user = nobody" in section]
    assert dropped == ["program:postgresql", "program:valkey"]


def test_a_program_waits_for_its_module_to_exist(tmp_path):
    rows = {row.name for row in wanted(tmp_path)}
    assert "scheduler" not in rows and "mail" in rows
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "schedule.py").touch()
    assert "scheduler" in {row.name for row in wanted(tmp_path)}


def test_a_path_that_supervisor_would_cut_is_refused(tmp_path):
    with pytest.raises(ServerError, match="DATA_DIR"):
        text_for(tmp_path / "one ;two")
