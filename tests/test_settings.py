import json
from decimal import Decimal
from pathlib import Path

import pytest

from thermly.settings import BY_NAME, SECRETS, SETTINGS, Settings, SettingsError, read, secret, sources


def settings(instance: Path, toml: str = "", **environ: str) -> Settings:
    """The settings of this instance with this thermly.toml."""
    if toml:
        (instance / "thermly.toml").write_text(toml, encoding="utf-8")
    return read({"THERMLY_INSTANCE": str(instance), **environ})


def test_every_setting_has_a_default_a_help_text_and_a_field(tmp_path: Path) -> None:
    found = settings(tmp_path)
    for setting in SETTINGS:
        assert setting.help
        if setting.name != "instance":
            assert getattr(found, setting.name) == setting.default
    assert set(Settings.__struct_fields__) == {*BY_NAME, "catalog_rows"}
    assert found.database == tmp_path / "thermly.db"
    assert found.catalog_rows == {}


def test_every_setting_can_be_set_in_the_environment_and_in_the_file(tmp_path: Path) -> None:
    wanted = {
        s.name: s.choices[-1] if s.choices else {int: 41, float: 0.75, str: "some text"}[type(s.default)]
        for s in SETTINGS
        if s.name != "instance"
    }
    wanted["invalid_request_status"] = 400
    wanted |= {s.name: f"{s.schemes[0]}://host.example" for s in SETTINGS if s.schemes}
    from_environment = settings(tmp_path, **{f"THERMLY_{n.upper()}": str(v) for n, v in wanted.items()})
    from_file = settings(tmp_path, "\n".join(f"{n} = {json.dumps(v)}" for n, v in wanted.items()))
    assert from_environment == from_file
    for name, value in wanted.items():
        assert getattr(from_file, name) == value, name


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    assert settings(tmp_path, "port = 1234").port == 1234
    assert settings(tmp_path, "port = 1234", THERMLY_PORT="4321").port == 4321
    assert settings(tmp_path, "port = 1234", THERMLY_PORT="").port == 1234, "empty is not set"


def test_hosts_name_redis_by_convention_and_our_own_name_goes_over_theirs(tmp_path: Path) -> None:
    assert settings(tmp_path, REDIS_URL="redis://a").redis_url == "redis://a"
    assert settings(tmp_path, REDIS_URL="redis://a", THERMLY_REDIS_URL="redis://b").redis_url == "redis://b"
    assert settings(tmp_path, REDIS_URL="", THERMLY_REDIS_URL="").redis_url == ""


def test_a_value_can_come_from_the_file_that_a_variable_names(tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("redis://:secret@host\n")
    assert settings(tmp_path, THERMLY_REDIS_URL_FILE=str(tmp_path / "redis")).redis_url == "redis://:secret@host"
    assert settings(tmp_path, REDIS_URL_FILE=str(tmp_path / "redis")).redis_url == "redis://:secret@host"
    assert secret({"KEY_FILE": str(tmp_path / "redis"), "KEY": "other"}, "KEY") == "redis://:secret@host"
    assert secret({"KEY": ""}, "KEY") is None
    (tmp_path / "empty").write_text(" \n")
    assert secret({"KEY_FILE": str(tmp_path / "empty")}, "KEY") is None


@pytest.mark.parametrize("contents", [None, b"\xff\xfe\xff"])
def test_a_secrets_file_that_cannot_be_read_is_named(tmp_path: Path, contents: bytes | None) -> None:
    if contents is not None:
        (tmp_path / "secret").write_bytes(contents)
    with pytest.raises(SettingsError, match="KEY_FILE cannot be read"):
        secret({"KEY_FILE": str(tmp_path / "secret")}, "KEY")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "many", "THERMLY_PORT must be a whole number, not 'many'"),
        ("PORT", "8080.5", "THERMLY_PORT must be a whole number"),
        ("PORT", "-1", "THERMLY_PORT must be at least 0"),
        ("PORT", "65536", "THERMLY_PORT must be at most 65535"),
        ("WEB_THREADS", "0", "THERMLY_WEB_THREADS must be at least 1"),
        ("ROUTING_QUALITY", "high", "THERMLY_ROUTING_QUALITY must be a number, not 'high'"),
        ("ROUTING_QUALITY", "0.49", "THERMLY_ROUTING_QUALITY must be at least 0.5"),
        ("ROUTING_QUALITY", "95", "THERMLY_ROUTING_QUALITY must be at most 1"),
        ("ROUTING_QUALITY", "nan", "THERMLY_ROUTING_QUALITY must be at least 0.5"),
        ("LOG_LEVEL", "loud", "THERMLY_LOG_LEVEL must be one of debug, info, warning, error, not 'loud'"),
        ("INVALID_REQUEST_STATUS", "500", "must be one of 422, 400"),
        ("CACHE_SCOPE", "Account", "must be one of account, everyone, off"),
        ("PROT", "1", "THERMLY_PROT is no setting of Thermly. Did you mean THERMLY_PORT"),
        ("COMPLETELY_DIFFERENT", "1", "is no setting of Thermly.$"),
        ("PUBLIC_URL", "llm.example", "THERMLY_PUBLIC_URL must be an address that begins with https:// or http://"),
        ("PUBLIC_URL", "ftp://llm.example", "THERMLY_PUBLIC_URL must be an address"),
        ("PUBLIC_URL", "https://", "THERMLY_PUBLIC_URL must be an address"),
        ("PUBLIC_URL", "https://[llm.example", "THERMLY_PUBLIC_URL must be an address"),
        ("PUBLIC_URL", "https://llm.example:many", "THERMLY_PUBLIC_URL must be an address"),
        ("PUBLIC_URL", "https://llm example", "THERMLY_PUBLIC_URL must be an address"),
        ("SMTP_URL", "mail.example:25", "THERMLY_SMTP_URL must be an address that begins with smtp:// or smtps://"),
        ("SMTP_URL", "http://localhost:25", "THERMLY_SMTP_URL must be an address"),
        ("OIDC_ISSUER", "id.example", "THERMLY_OIDC_ISSUER must be an address that begins with https://"),
        ("OIDC_ISSUER", "http://id.example", "THERMLY_OIDC_ISSUER must be an address that begins with https://"),
        ("OIDC_ISSUER", "https://id.example", "THERMLY_OIDC_ISSUER needs THERMLY_OIDC_CLIENT_ID too"),
        ("OIDC_CLIENT_ID", "me", "THERMLY_OIDC_CLIENT_ID needs THERMLY_OIDC_ISSUER too"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_would_do(tmp_path: Path, name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        settings(tmp_path, **{f"THERMLY_{name}": value})


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(tmp_path, THERMLY_SMTP_URL="mail://me:hush@host")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("issuer", ["https://id.example/realms/a", "http://localhost:8443", "http://127.0.0.1:1"])
def test_who_vouches_for_people_is_spoken_to_over_tls_or_on_this_machine(tmp_path: Path, issuer: str) -> None:
    assert settings(tmp_path, THERMLY_OIDC_ISSUER=issuer, THERMLY_OIDC_CLIENT_ID="me").oidc_issuer == issuer


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_that_cannot_be_read_are_named_before_anything_starts(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}_FILE cannot be read"):
        settings(tmp_path, **{f"{name}_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("prot = 1", "'prot' in thermly.toml is no setting of Thermly. Did you mean port"),
        ('instance = "/elsewhere"', "'instance' in thermly.toml"),
        ("[model.x]", "'model' in thermly.toml"),
        ("port = [1]", "must be a whole number"),
        ("port = true", "must be a whole number"),
        ("port =", "thermly.toml cannot be read"),
        ("port = 1\nport = 2", "thermly.toml cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_named_too(tmp_path: Path, toml: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        settings(tmp_path, toml)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "thermly.toml").mkdir()
    with pytest.raises(SettingsError, match=r"thermly\.toml cannot be read"):
        settings(tmp_path)


def test_the_name_that_clients_give_their_key_is_nobodys_mistake(tmp_path: Path) -> None:
    """The banner of `thermly up` says $THERMLY_KEY: who exports it can still run every command."""
    settings(tmp_path, THERMLY_KEY="sk-thermo-x")


def test_the_rows_of_the_catalogue_are_kept_apart_and_their_prices_exact(tmp_path: Path) -> None:
    found = settings(
        tmp_path, "[models.m]\ninput_per_mtok = 0.1\n[aliases]\na = 'm'\n[providers.p]\nkind = 'gemini'"
    )
    assert found.catalog_rows == {
        "models": {"m": {"input_per_mtok": Decimal("0.1")}},
        "aliases": {"a": "m"},
        "providers": {"p": {"kind": "gemini"}},
    }


def test_the_instance_folder_does_not_depend_on_where_one_goes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read({}).instance == tmp_path / "instance"
    assert read({"THERMLY_INSTANCE": "here"}).instance == tmp_path / "here"


def test_sources_say_where_a_setting_comes_from(tmp_path: Path) -> None:
    (tmp_path / "thermly.toml").write_text('port = 1\ndrain_s = 2\n[models]\n"gpt-4o" = false\n')
    (tmp_path / "redis").write_text("redis://a")
    environ = {"THERMLY_INSTANCE": str(tmp_path), "THERMLY_PORT": "3", "THERMLY_LOG_LEVEL": ""}
    found = sources({**environ, "REDIS_URL_FILE": str(tmp_path / "redis"), "THERMLY_KEY": "x"})
    assert found == {
        **dict.fromkeys(("instance", "port", "redis_url"), "environment"),
        "drain_s": "file",
    }
    assert sources({"THERMLY_INSTANCE": str(tmp_path / "none")}) == {"instance": "environment"}
