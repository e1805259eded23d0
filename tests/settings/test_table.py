from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.settings.fields import SettingError
from mrilu.settings.load import load, table
from mrilu.settings.secrets import masked, passwords_in
from mrilu.settings.table import PROJECT


def test_defaults_need_no_environment():
    settings = load({})
    assert settings.database_url is None and settings.mail_workers == 3
    assert [(one.name, one.watch) for one in settings.maildirs] == [("sample", "inotify")]


def test_every_setting_is_documented_in_the_readme():
    readme = (PROJECT / "README.md").read_text()
    for variable, default, about in table():
        assert f"| `{variable}` | {default} | {about} |" in readme, variable


def test_maildirs_are_named_or_take_their_folders_name():
    settings = load(
        {"MAILDIR_PATH": "/srv/mail/My Lists, old=/srv/old", "WATCH_MODE": "inotify,old=poll"}
    )
    assert [(one.name, str(one.path), one.watch) for one in settings.maildirs] == [
        ("My_Lists", "/srv/mail/My Lists", "inotify"),
        ("old", "/srv/old", "poll"),
    ]
    assert load({"MAILDIR_PATH": "/srv/a=b"}).maildirs[0].path == Path("/srv/a=b")
    assert load({"MAILDIR_PATH": "/srv/a", "WATCH_MODE": "poll"}).maildirs[0].watch == "poll"


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("MAIL_WORKERS", "0", "whole number"),
        ("MAIL_WORKERS", "two", "whole number"),
        ("BATCH_SIZE", "9" * 30, "whole number"),
        ("KEEP_GONE", "999999999", "700000"),
        ("KEEP_JOB_RUNS", "0", "days"),
        ("MAX_MESSAGE_BYTES", "much", "50M"),
        ("POLL_SECONDS", "-1", "above 0"),
        ("POLL_SECONDS", "nan", "above 0"),
        ("TIMEZONE", "Mars/Olympus", "tz database"),
        ("TIMEZONE", "../../etc/passwd", "tz database"),
        ("GONE_FILES", "burn", "keep, remove"),
        ("DATABASE_URL", "mysql://x", "postgresql://"),
        ("MAILDIR_PATH", "bad name=/x", "name=PATH"),
        ("MAILDIR_PATH", "a=/x,a=/y", "twice"),
        ("WATCH_MODE", "nobody=poll", "no Maildir"),
        ("WATCH_MODE", "ftp", "inotify, poll"),
        ("MAX_DELAY", "0.1", "INITIAL_DELAY"),
    ],
)
def test_an_error_names_the_variable_and_what_to_use(variable, value, hint):
    with pytest.raises(SettingError) as caught:
        load({variable: value})
    assert str(caught.value).startswith(variable) and hint in str(caught.value)


def test_a_secret_may_come_from_a_file_and_is_not_shown(tmp_path):
    (tmp_path / "url").write_text("postgresql://u:hush@h/d\n")
    assert (
        load({"DATABASE_URL_FILE": str(tmp_path / "url")}).database_url == "postgresql://u:hush@h/d"
    )
    with pytest.raises(SettingError, match="DATABASE_URL_FILE: cannot read"):
        load({"DATABASE_URL_FILE": str(tmp_path / "none")})
    with pytest.raises(SettingError) as caught:
        load({"REDIS_URL": "http://:hush@h"})
    assert "hush" not in str(caught.value)
    assert masked("postgresql://u:hush@h:5/d?x=1") == "postgresql://u:***@h:5/d?x=1"
    assert masked("redis://h") == "redis://h"
    assert masked("redis://:hu@sh@h") == "redis://:***@h"
    assert (
        masked("no://u:hush@h and ja=http://h/x?a=b&password=hush#c")
        == "no://u:***@h and ja=http://h/x?a=b&password=***#c"
    )
    assert masked("x=http://h/?token=hush,y=http://h/b") == "x=http://h/?token=***,y=http://h/b"


@pytest.mark.parametrize(
    ("url", "forms"),
    [
        ("postgresql://h/d?password=hu+sh", {"hu+sh", "hu sh", "hu%2Bsh", "hu%20sh"}),
        ("postgresql://h/d?x=1&password=a%20b", {"a%20b", "a b"}),
        ("postgresql://u:hu%2fsh@h/d", {"hu%2fsh", "hu/sh", "hu%2Fsh"}),
        ("en=https://u:one@h/x.xml,ja=https://u:two@h/y.xml", {"one", "two"}),
        ("redis://h", set()),
        ("redis://:@h/?password=", set()),
    ],
)
def test_a_password_is_known_in_each_form_that_others_may_show(url, forms):
    assert passwords_in(url) == forms


def test_a_source_that_cannot_be_read_is_told_without_its_password():
    with pytest.raises(SettingError) as caught:
        load({"DICTIONARY_SOURCE": "https://u:hush@h/nothing.xml"})
    assert "hush" not in str(caught.value)


def test_sizes_have_units():
    sizes = [
        load({"MAX_MESSAGE_BYTES": text}).max_message_bytes
        for text in ("1024", "2k", "3M", "1 GiB")
    ]
    assert sizes == [1024, 2048, 3 * 1024**2, 1024**3]


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        load({}).mail_workers = 3  # type: ignore[misc]


@given(st.sampled_from([row[0] for row in table()]), st.text(max_size=30))
def test_any_text_is_taken_or_refused_with_the_name(variable, value):
    try:
        load({variable: value})
    except SettingError as error:
        assert variable in str(error)


@pytest.mark.parametrize("password", ["p@se/cret", "rd#x", "rd?x", "50%", "%zz", "a/b@c"])
@pytest.mark.parametrize(
    ("variable", "scheme"), [("DATABASE_URL", "postgresql"), ("REDIS_URL", "redis")]
)
def test_a_password_that_was_not_escaped_is_refused_without_showing_it(password, variable, scheme):
    with pytest.raises(SettingError, match=f"{variable}: .*escape what stands") as raised:
        load({variable: f"{scheme}://u:{password}@h.example:1/0"})
    assert password not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40se%2Fcret@h/db",
        "postgresql:///db?host=/run/pg&user=me@example.org",
        "postgresql://mrilu@/mrilu?host=%2Ftmp%2Fx",
        "postgresql://u:p@[::1]:5432/db?options=-csearch_path%3Da",
    ],
)
def test_urls_that_are_well_formed_are_taken(url):
    assert load({"DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATA_DIR", "~no-such-user/data"),
        ("MAILDIR_PATH", "~no-such-user/Maildir"),
        ("MAILDIR_PATH", "mine=/srv/mine,old=~no-such-user/Maildir"),
        ("DICTIONARY_SOURCE", "~no-such-user/exports"),
        ("MUPLIS_URL", "~no-such-user/muplis.tsv"),
    ],
)
def test_the_home_of_nobody_is_refused(variable, value):
    with pytest.raises(SettingError, match=f"^{variable}: .*home"):
        load({variable: value})


def test_a_secret_that_is_no_text_is_refused_without_quoting_it(tmp_path):
    (tmp_path / "secret").write_bytes("p\xe4ss".encode("latin-1"))
    with pytest.raises(SettingError, match="^TOKEN_SECRET_FILE: .*is not UTF-8$") as caught:
        load({"TOKEN_SECRET_FILE": str(tmp_path / "secret")})
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize(
    "name", ["keep_job_runs", "keep_gone", "notify_days", "keep_notifications"]
)
def test_as_many_days_as_may_be_kept_can_be_reckoned_back(name):
    kept = getattr(load({name.upper(): "700000"}), name)
    assert datetime.now(UTC) - timedelta(days=kept) > datetime.min.replace(tzinfo=UTC)
