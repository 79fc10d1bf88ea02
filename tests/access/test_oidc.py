import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import books
import pytest
import requests
from console.identity import CLIENT_ID, CLIENT_SECRET, Identity
from stories.stack import at_once

from thermly.access.oidc import Identity as Told
from thermly.access.oidc import Provider, Refused, is_offered, let_in
from thermly.settings import Settings, read
from thermly.store import people
from thermly.store.db import Database

BACK = "http://localhost/back"


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


def settings(folder: Path, issuer: str = "https://id.example", **more: str) -> Settings:
    return read(
        {
            "THERMLY_INSTANCE": str(folder),
            "THERMLY_OIDC_ISSUER": issuer,
            "THERMLY_OIDC_CLIENT_ID": CLIENT_ID,
            **more,
        }
    )


def test_it_is_offered_when_both_names_are_set(tmp_path: Path) -> None:
    assert is_offered(settings(tmp_path))
    assert not is_offered(read({"THERMLY_INSTANCE": str(tmp_path)}))


def test_a_server_that_nobody_signs_in_to_pays_nothing_for_it() -> None:
    heavy = "{'authlib', 'joserfc', 'requests'}"
    code = f"import sys, thermly.console.oidc; sys.exit(not {heavy}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_the_provider_is_described_once_for_many(tmp_path: Path) -> None:
    identity = Identity()
    provider = Provider(settings(tmp_path, identity.issuer), {"OIDC_CLIENT_SECRET": CLIENT_SECRET})
    attempts = [provider.begin(BACK, "/") for _ in range(3)]
    identity.close()
    assert [path for path, _ in identity.asked] == ["/.well-known/openid-configuration"]
    assert (
        len({a.state for _, a in attempts} | {a.nonce for _, a in attempts} | {a.verifier for _, a in attempts})
        == 9
    )
    assert all(a.verifier not in address and a.state in address for address, a in attempts)


def test_a_certificate_is_refused_until_its_issuer_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path / "both.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{path}.key", "-out", str(path)]
    subprocess.run(["openssl", *words.split(), *names], check=True, capture_output=True, timeout=20)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path, f"{path}.key")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    identity = Identity(tls)
    provider = Provider(settings(tmp_path, identity.issuer), {"OIDC_CLIENT_SECRET": CLIENT_SECRET})
    with pytest.raises(Refused):
        provider.begin(BACK, "/")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    address, attempt = provider.begin(BACK, "/")
    sent = requests.get(address, allow_redirects=False, verify=str(path), timeout=10).headers["Location"]
    told = dict(pair.split("=", 1) for pair in urlsplit(sent).query.split("&")) | {"iss": identity.issuer}
    found = provider.finish(attempt, BACK, told)
    identity.close()
    assert (found.subject, found.email, found.name) == (f"{identity.issuer}|ada-1", "ada@example.com", "Ada")


def test_a_secret_that_cannot_be_read_is_told_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    identity = Identity()
    provider = Provider(settings(tmp_path, identity.issuer), {"OIDC_CLIENT_SECRET_FILE": str(tmp_path / "none")})
    with pytest.raises(Refused, match="cannot be asked"):
        provider.begin(BACK, "/")
    identity.close()
    assert "OIDC_CLIENT_SECRET_FILE cannot be read" in caplog.text


def test_somebody_who_comes_twice_at_once_is_made_once(base: Database, tmp_path: Path) -> None:
    ours = settings(tmp_path, THERMLY_OIDC_ALLOWED_DOMAINS="example.com")
    who = Told("https://id.example|1", "ada@example.com", "Ada")

    def come(_: int) -> str:
        own = Database(base.path)
        try:
            return let_in(own, ours, who).id
        finally:
            own.close()

    assert len(set(at_once(4, come))) == 1
    with base.each() as tx:
        assert [p.subject for p in people.listed(tx)] == [who.subject]


def test_two_identities_with_one_address_do_not_become_one_person(base: Database, tmp_path: Path) -> None:
    ours = settings(tmp_path, THERMLY_OIDC_ALLOWED_DOMAINS="example.com")
    let_in(base, ours, Told("https://id.example|1", "ada@example.com", ""))
    with pytest.raises(Refused, match="as somebody else"):
        let_in(base, ours, Told("https://id.example|2", "ADA@example.com", ""))


def test_the_uninvited_never_become_admins(base: Database, tmp_path: Path) -> None:
    ours = settings(tmp_path, THERMLY_OIDC_ALLOWED_DOMAINS="example.com")
    assert let_in(base, ours, Told("https://id.example|1", "admin@example.com", "")).role == "member"
    with pytest.raises(Refused, match="not invited"):
        let_in(base, ours, Told("https://id.example|2", "admin@localhost", ""))
