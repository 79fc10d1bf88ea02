"""Every setting once: name, default, help. Read from the environment, then from `instance/thermly.toml`.

Knows: names and defaults. Must not know: what the settings are for in code.
A setting `x` is `THERMLY_X` in the environment or `x = …` in the file; the environment wins. Secrets come
from the environment or from the file that `NAME_FILE` names, and never from `thermly.toml`.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it and says what would do."""


class Setting(Struct, frozen=True):
    """`secret`: its value opens something, and is shown nowhere. `schemes`: of an address; plain http will do on
    this machine wherever https does."""

    name: str
    default: int | float | str
    help: str
    choices: tuple[str, ...] = ()
    least: float = 0
    most: float = 2**31 - 1
    secret: bool = False
    schemes: tuple[str, ...] = ()


SETTINGS = (
    Setting("instance", "instance", "Folder for the database, settings file and everything else that is kept"),
    Setting("host", "127.0.0.1", "Address to listen on; 0.0.0.0 for every interface"),
    Setting("port", 8080, "Port to listen on", most=65_535),
    Setting("web_workers", 0, "Web processes; 0: one per usable core, four at most"),
    Setting("web_threads", 2048, "Requests and streams that one web process serves at once", least=1),
    Setting("rq_workers", 1, "Processes for background jobs", least=1),
    Setting(
        "redis_url", "", "Redis to use; empty: `thermly up` starts one of its own on a unix socket", secret=True
    ),
    Setting(
        "limits_storage",
        "database",
        "Where request limits are counted: `database` (exact on one box) or `redis` (several boxes share them)",
        choices=("database", "redis"),
    ),
    Setting(
        "invalid_request_status",
        422,
        "HTTP status on /v1 for a body that breaks the rules: 422 or 400",
        choices=("422", "400"),
    ),
    Setting("max_body_mib", 32, "Largest request body", least=1),
    Setting("upstream_connect_timeout_s", 10, "Seconds to connect to a provider", least=1),
    Setting("upstream_timeout_s", 600, "Seconds for a whole reply, or for the first byte of a stream", least=1),
    Setting("upstream_idle_timeout_s", 120, "Seconds of silence after which a stream counts as broken", least=1),
    Setting("keepalive_s", 15, "Seconds of silence after which a streaming client is sent a comment", least=1),
    Setting("drain_s", 30, "Seconds that streams in flight are given to finish at shutdown", least=1),
    Setting(
        "cache_scope",
        "account",
        "Who shares cached answers: `account` (each its own), `everyone`, or `off`",
        choices=("account", "everyone", "off"),
    ),
    Setting("cache_max_mib", 256, "Size of all cached answers; the oldest go first", least=1),
    Setting(
        "cascade",
        "on",
        "Whether `auto` asks a better model too where a whole answer is visibly inadequate: `on` or `off`",
        choices=("on", "off"),
    ),
    Setting(
        "routing_quality",
        0.95,
        "Share of the best tier's quality that `auto` keeps, at the least cost: from 0.5 to 1",
        least=0.5,
        most=1,
    ),
    Setting("image_wait_s", 180, "Seconds that an image request waits for its images", least=1),
    Setting(
        "slow_jobs", 4, "Images and background responses that one job process works on at once", least=1, most=64
    ),
    Setting("image_lifetime_h", 24, "Hours after which an image and its address are gone", least=1, most=87_600),
    Setting("memory_lifetime_d", 30, "Days after which responses and conversations are gone", least=1, most=36_500),
    Setting(
        "memory_max_mib", 512, "Size of all responses and conversations that one account may have kept", least=1
    ),
    Setting(
        "transcript_lifetime_d",
        7,
        "Days after which transcripts are gone, of accounts that want what they ask and get answered kept",
        least=1,
        most=36_500,
    ),
    Setting(
        "public_url",
        "",
        "Address of this server, as in image URLs and links; empty: the one that the client has called",
        schemes=("https", "http"),
    ),
    Setting("demo_credit_usd", 5, "Credit of the account that the first start makes"),
    Setting("low_balance_usd", 1, "Balance below which an account is reported once per top-up"),
    Setting(
        "alert_webhook_url",
        "",
        "Where low balances are reported (JSON by POST); empty: only in the log",
        secret=True,
    ),
    Setting(
        "alert_webhooks",
        "public",
        "Where the webhooks of accounts may lead: to `public` addresses only, or `anywhere` (this network too)",
        choices=("public", "anywhere"),
    ),
    Setting(
        "smtp_url",
        "",
        "Mail server: `smtp://user:password@host:587` or `smtps://…`; empty: no mail is sent",
        secret=True,
        schemes=("smtp", "smtps"),
    ),
    Setting("mail_from", "", "Address that mail is sent from; empty: `thermly@` and this machine's name"),
    Setting(
        "stripe_currency",
        "usd",
        "Currency that cards pay in; one unit of it buys one dollar of credit",
        choices=("usd", "eur", "gbp", "chf", "cad", "aud"),
    ),
    Setting(
        "metrics_token",
        "",
        "Bearer token with which `/metrics` may be read; empty: only by clients on this machine, without a proxy",
        secret=True,
    ),
    Setting(
        "trusted_proxies",
        0,
        "Proxies in front whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed",
        most=64,
    ),
    Setting(
        "oidc_issuer",
        "",
        "OpenID provider to sign in to the console with, by its address; empty: none",
        schemes=("https",),
    ),
    Setting("oidc_client_id", "", "This server's name at the OpenID provider"),
    Setting(
        "oidc_allowed_domains",
        "",
        "E-mail domains, with commas, whose people may sign in uninvited, as members; empty: nobody's",
    ),
    Setting("oidc_default_account", "members", "Account that the uninvited join; made when there is none"),
    Setting("accounting_delay_s", 2, "Seconds within which finished requests appear in the daily totals", least=1),
    Setting("housekeeping_interval_s", 60, "Seconds between two sweeps of expired rows", least=1),
    Setting("sandbox_url", "", "The offline upstream in place of every provider; `thermly up` sets it"),
    Setting("log_level", "info", "What is logged", choices=("debug", "info", "warning", "error")),
)
BY_NAME = {s.name: s for s in SETTINGS}
FOREIGN = {"redis_url": "REDIS_URL"}  # names that hosts set by convention
AT_HOME = ("localhost", "127.0.0.1", "::1")
NOT_OURS = frozenset({"THERMLY_KEY"})  # what clients call their key, also in the banner of `thermly up`
SECRETS = {
    "OIDC_CLIENT_SECRET": "This server's secret at the OpenID provider",
    "STRIPE_SECRET_KEY": "Payments by card",
    "STRIPE_WEBHOOK_SECRET": "What Stripe signs its events with",
}
"""Secrets that have no setting: of the environment alone, or of the file that `NAME_FILE` names."""


class Settings(Struct, frozen=True):
    instance: Path
    host: str
    port: int
    web_workers: int
    web_threads: int
    rq_workers: int
    redis_url: str
    limits_storage: str
    invalid_request_status: int
    max_body_mib: int
    upstream_connect_timeout_s: int
    upstream_timeout_s: int
    upstream_idle_timeout_s: int
    keepalive_s: int
    drain_s: int
    cache_scope: str
    cache_max_mib: int
    cascade: str
    routing_quality: float
    image_wait_s: int
    slow_jobs: int
    image_lifetime_h: int
    memory_lifetime_d: int
    memory_max_mib: int
    transcript_lifetime_d: int
    public_url: str
    demo_credit_usd: int
    low_balance_usd: int
    alert_webhook_url: str
    alert_webhooks: str
    smtp_url: str
    mail_from: str
    stripe_currency: str
    metrics_token: str
    trusted_proxies: int
    oidc_issuer: str
    oidc_client_id: str
    oidc_allowed_domains: str
    oidc_default_account: str
    accounting_delay_s: int
    housekeeping_interval_s: int
    sandbox_url: str
    log_level: str
    catalog_rows: dict[str, Any]

    @property
    def database(self) -> Path:
        return self.instance / "thermly.db"


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """Raises SettingsError for unknown names (with a suggestion), for values out of bounds, and for files of
    secrets that cannot be read."""
    for name in environ:
        if name.startswith("THERMLY_") and not _known(name):
            raise SettingsError(f"{name} is no setting of Thermly." + _suggest(name))
    instance = Path(environ.get("THERMLY_INSTANCE") or "instance").absolute()
    values = _file(instance / "thermly.toml")
    rows = {k: values.pop(k) for k in ("providers", "models", "aliases") if k in values}
    for name in values:
        if name not in BY_NAME or name == "instance":
            raise SettingsError(f"{name!r} in thermly.toml is no setting of Thermly." + _suggest(name))
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        env = "THERMLY_" + setting.name.upper()
        raw: Any = secret(environ, env) or secret(environ, FOREIGN.get(setting.name, env))
        found[setting.name] = _value(setting, raw if raw is not None else values.get(setting.name))
    found["instance"] = instance
    found["catalog_rows"] = rows
    _check_pair(found, "oidc_issuer", "oidc_client_id")
    for name in SECRETS:
        secret(environ, name)
    return Settings(**found)


def sources(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Where each setting that is not at its default comes from: environment or file. Raises SettingsError."""
    found = dict.fromkeys(_file(Path(environ.get("THERMLY_INSTANCE") or "instance") / "thermly.toml"), "file")
    for name in BY_NAME:
        ours = "THERMLY_" + name.upper()
        if secret(environ, ours) or secret(environ, FOREIGN.get(name, ours)):
            found[name] = "environment"
    return {name: source for name, source in found.items() if name in BY_NAME}


def secret(environ: Mapping[str, str], name: str) -> str | None:
    """The variable `name`, or the contents of the file that `NAME_FILE` names; None when neither is set."""
    if path := environ.get(name + "_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE cannot be read: {error}") from error
    return environ.get(name) or None


def _known(name: str) -> bool:
    return name in NOT_OURS or name.removeprefix("THERMLY_").removesuffix("_FILE").lower() in BY_NAME


def _suggest(name: str) -> str:
    plain = name.removeprefix("THERMLY_").removesuffix("_FILE").lower()
    close = difflib.get_close_matches(plain, BY_NAME, 1)
    return f" Did you mean {'THERMLY_' + close[0].upper() if name.isupper() else close[0]}?" if close else ""


def _file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error


def _value(setting: Setting, raw: Any) -> Any:
    if raw is None:
        return setting.default
    name = f"THERMLY_{setting.name.upper()}"
    if setting.choices and str(raw) not in setting.choices:
        raise SettingsError(f"{name} must be one of {', '.join(setting.choices)}, not {raw!r}.")
    if setting.schemes and raw:
        _check_address(setting, str(raw))
    if isinstance(setting.default, str):
        return str(raw)
    kind, words = (int, "a whole number") if isinstance(setting.default, int) else (float, "a number")
    try:
        value = kind(str(raw))
    except ValueError as error:
        raise SettingsError(f"{name} must be {words}, not {str(raw)!r}.") from error
    if not value >= setting.least:
        raise SettingsError(f"{name} must be at least {setting.least}, not {value}.")
    if value > setting.most:
        raise SettingsError(f"{name} must be at most {setting.most}, not {value}.")
    return value


def _check_address(setting: Setting, url: str) -> None:
    """The message says nothing of the value, which may have a password in it."""
    try:
        parsed = urlsplit(url)
        host, _ = parsed.hostname, parsed.port
    except ValueError:
        parsed, host = urlsplit(""), None
    at_home = parsed.scheme == "http" and host in AT_HOME and "https" in setting.schemes
    if not host or not (parsed.scheme in setting.schemes or at_home) or any(c.isspace() for c in url):
        words = " or ".join(f"{scheme}://" for scheme in setting.schemes)
        raise SettingsError(f"THERMLY_{setting.name.upper()} must be an address that begins with {words}.")


def _check_pair(found: Mapping[str, Any], one: str, other: str) -> None:
    for there, gone in ((one, other), (other, one)):
        if found[there] and not found[gone]:
            raise SettingsError(f"THERMLY_{there.upper()} needs THERMLY_{gone.upper()} too: set both, or none.")
