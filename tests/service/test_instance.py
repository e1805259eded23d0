"""How other commands find the servers of the service."""

import json
import os
from types import SimpleNamespace
from typing import cast

import pytest

from mrilu.service import instance
from mrilu.service.account import ServerError
from mrilu.service.placement import ourselves
from mrilu.service.postgres import Cluster
from mrilu.service.valkey import Server
from mrilu.settings.load import load


def noted(folder, **urls):
    (folder / instance.NOTE).write_text(json.dumps(urls))
    return load({"DATA_DIR": str(folder)})


def test_the_noted_servers_are_found_and_rq_and_psql_are_on_the_path(tmp_path):
    found = instance.environment_of(
        noted(tmp_path, DATABASE_URL="postgresql:///x", REDIS_URL="unix:///y", binaries="/pg")
    )
    assert found["DATABASE_URL"] == "postgresql:///x"
    assert found["REDIS_URL"] == found["RQ_REDIS_URL"] == "unix:///y"
    assert found["PATH"].split(os.pathsep)[1] == "/pg"


def test_before_the_first_start_the_next_step_is_told(tmp_path):
    with pytest.raises(ServerError, match=r"never started in .*run ./run.sh first"):
        instance.environment_of(load({"DATA_DIR": str(tmp_path)}))


def test_servers_that_were_set_by_hand_need_no_start_here(tmp_path):
    settings = load(
        {"DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql:///x", "REDIS_URL": "redis://y"}
    )
    assert instance.environment_of(settings)["DATABASE_URL"] == "postgresql:///x"


def test_a_setting_that_the_start_had_and_this_command_lacks_is_named(tmp_path):
    with pytest.raises(ServerError, match="DATABASE_URL is unset here"):
        instance.environment_of(noted(tmp_path, DATABASE_URL="", REDIS_URL="unix:///y"))


def test_secrets_of_other_servers_are_not_written_down(tmp_path):
    url = "postgresql://me:secret@example.org/x"
    service = instance.Instance(
        load({"DATA_DIR": str(tmp_path), "DATABASE_URL": url}), ourselves(), tmp_path, None, None
    )
    service.note()
    assert "me:secret" not in (tmp_path / instance.NOTE).read_text()


def test_our_programs_are_told_the_servers_in_use_and_no_file_that_would_overrule_them(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("DATABASE_URL_FILE", "/run/secret")
    service = instance.Instance(
        load({"DATA_DIR": str(tmp_path)}),
        ourselves(),
        tmp_path,
        cast(Cluster, SimpleNamespace(url="postgresql:///x")),
        cast(Server, SimpleNamespace(url="unix:///y")),
    )
    told = service.environment()
    assert (told["DATABASE_URL"], told["RQ_REDIS_URL"]) == ("postgresql:///x", "unix:///y")
    assert "DATABASE_URL_FILE" not in told


def test_a_secret_by_file_stays_in_its_file(tmp_path, monkeypatch):
    (tmp_path / "db").write_text("postgresql://me:hush@h/d")
    (tmp_path / "redis").write_text("redis://:hush@h")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "db"))
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path / "redis"))
    told = instance.Instance(load(), ourselves(), tmp_path, None, None).environment()
    assert told["DATABASE_URL_FILE"] == str(tmp_path / "db")
    assert not any("hush" in value for value in told.values())
