"""supervisor's configuration, read back by supervisor itself."""

import shlex
from pathlib import Path

import pytest
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import ServerOptions

from mrilu.service.account import Account, ServerError
from mrilu.service.program import SECRETS
from mrilu.service.programs import (
    PROGRAMS,
    Place,
    Program,
    ServerProgram,
    configuration,
    wanted,
)
from mrilu.settings.roles import SERVES

PROJECT = Path("/srv/with space/100%/it's")
US = Account("us", 1000, 1000, drops=False)
NOBODY = Account("nobody", 65534, 65534, drops=True)
SERVERS = [
    ServerProgram("postgresql", ["/bin/postgres", "-D", str(PROJECT / "data")], "INT", 20, 10),
    ServerProgram("valkey", ["/bin/valkey-server", "--save", ""], "TERM", 10, 11),
]


def text_for(
    data: Path,
    account: Account = US,
    programs: tuple[Program, ...] = PROGRAMS,
    *,
    web_has_its_own: bool = False,
) -> str:
    return configuration(
        place=Place(PROJECT, PROJECT / "code", PROJECT / "bin" / "python"),
        data=data,
        control=Path("/tmp/mrilu-test/supervisor.sock"),
        servers=SERVERS,
        account=account,
        programs=programs,
        mail_workers=3,
        web_has_its_own=web_has_its_own,
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
    command = shlex.split(groups["postgresql"].process_configs[0].command)
    assert command[-1] == str(PROJECT / "data")
    install = next(
        program for program in groups["app"].process_configs if program.name == "install"
    )
    assert str(PROJECT / "mrilu" / "service" / "install.py") in shlex.split(install.command)


def test_servers_get_nothing_of_the_callers_environment(groups):
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
            assert "-S json" in row.arguments and "-P {code}" in row.arguments


def test_what_nobody_waits_for_gives_way_to_mail_and_readers(groups):
    nice = {
        program.name: program.command.split()[2]
        for program in groups["app"].process_configs
        if program.command.startswith("nice -n ")
    }
    assert nice == {"embed": "10", "default": "5", "long": "10"}


def commands(text: str) -> dict[str, list[str]]:
    sections = [section for section in text.split("\n[program:")[1:]]
    return {
        section.split("]")[0]: shlex.split(section.split("command = ")[1].splitlines()[0])
        for section in sections
    }


def test_started_by_root_all_but_the_installer_drop_to_the_account(tmp_path):
    text = text_for(tmp_path, NOBODY)
    servers = [section.split("]")[0] for section in text.split("\n[") if "user = nobody" in section]
    assert servers == ["program:postgresql", "program:valkey"]
    for name, command in commands(text).items():
        if name not in ("postgresql", "valkey", "install"):
            shim = command.index("mrilu.service.program")
            assert command[shim + 2 : shim + 4] == ["nobody", SERVES.get(name, name)], command


def test_started_by_an_ordinary_user_nothing_drops(tmp_path):
    for name, command in commands(text_for(tmp_path)).items():
        if "mrilu.service.program" in command:
            assert command[command.index("mrilu.service.program") + 2] == "-", name


def environments(text: str) -> dict[str, dict[str, str]]:
    found = {}
    for section in text.split("\n[program:")[1:]:
        line = next((one for one in section.splitlines() if one.startswith("environment = ")), "")
        found[section.split("]")[0]] = dict_of_key_value_pairs(line.removeprefix("environment = "))
    return found


def test_a_program_is_not_even_started_with_a_secret_that_it_does_not_need(tmp_path):
    told = environments(text_for(tmp_path, NOBODY))
    assert told["scheduler"]["TZ"] == "UTC"
    for name in ("OPERATOR_PASSWORD", "OPERATOR_PASSWORD_FILE", "SMTP_URL", "SMTP_URL_FILE"):
        assert told["mail"][name] == told["watcher"][name] == told["install"][name] == ""
    assert "OPERATOR_PASSWORD" not in told["web"] and "SMTP_URL_FILE" not in told["notify"]
    assert "DATABASE_URL" not in told["mail"] and told["install"]["DATABASE_URL_FILE"] == ""


def test_the_web_is_started_without_the_owners_url_where_it_has_its_own(tmp_path):
    for own in (True, False):
        told = environments(text_for(tmp_path, NOBODY, web_has_its_own=own))["web"]
        assert ("DATABASE_URL" in told) == ("DATABASE_URL_FILE" in told) == own


def test_what_secrets_a_program_gets_is_written_down():
    assert {row.role or row.name for row in PROGRAMS} == set(SECRETS)


def test_a_program_waits_for_its_module_to_exist(tmp_path):
    rows = {row.name for row in wanted(tmp_path)}
    assert "scheduler" not in rows and "mail" in rows
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "schedule.py").touch()
    assert "scheduler" in {row.name for row in wanted(tmp_path)}


def test_a_path_that_supervisor_would_cut_is_refused(tmp_path):
    with pytest.raises(ServerError, match="DATA_DIR"):
        text_for(tmp_path / "one ;two")
