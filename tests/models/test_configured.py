import datetime
from pathlib import Path

import pytest

from thermly.catalog import Catalog, CatalogError
from thermly.models import configured
from thermly.settings import SettingsError, read

OLLAMA = """
[providers.ollama]
kind = "openai_like"
base_url = "http://127.0.0.1:11434/v1"

[models."qwen3:8b"]
provider = "ollama"
free = true
"""


def catalog(instance: Path, toml: str = "", **environ: str) -> Catalog:
    (instance / "thermly.toml").write_text(toml, encoding="utf-8")
    environ["THERMLY_INSTANCE"] = str(instance)
    return configured.catalog(read(environ), environ)


def available(found: Catalog) -> set[str]:
    return {p.name for p in found.providers.values() if p.available}


def test_without_any_key_no_provider_is_available(tmp_path: Path) -> None:
    assert available(catalog(tmp_path)) == set()


@pytest.mark.parametrize(
    ("variable", "provider"),
    [
        ("OPENAI_API_KEY", "openai"),
        ("ANTHROPIC_API_KEY", "anthropic"),
        ("GEMINI_API_KEY", "google"),
        ("GOOGLE_API_KEY", "google"),
        ("DEEPSEEK_API_KEY", "deepseek"),
    ],
)
def test_a_providers_key_makes_it_available(tmp_path: Path, variable: str, provider: str) -> None:
    found = catalog(tmp_path, **{variable: "secret"})
    assert available(found) == {provider}
    assert found.providers[provider].key == "secret"
    (tmp_path / "key").write_text("from a file\n")
    found = catalog(tmp_path, **{f"{variable}_FILE": str(tmp_path / "key")})
    assert found.providers[provider].key == "from a file"
    assert available(catalog(tmp_path, **{variable: ""})) == set()


def test_of_two_names_for_a_key_the_first_goes_over_the_second(tmp_path: Path) -> None:
    found = catalog(tmp_path, GEMINI_API_KEY="first", GOOGLE_API_KEY="second")
    assert found.providers["google"].key == "first"


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY_FILE cannot be read"):
        catalog(tmp_path, OPENAI_API_KEY_FILE=str(tmp_path / "nowhere"))


def test_a_base_url_can_be_set_where_the_vendors_own_clients_read_it(tmp_path: Path) -> None:
    found = catalog(tmp_path, OPENAI_API_KEY="k", OPENAI_BASE_URL="http://proxy:9/v1/")
    assert found.providers["openai"].base_url == "http://proxy:9/v1"
    assert found.providers["anthropic"].base_url == "https://api.anthropic.com"
    with pytest.raises(CatalogError, match="base_url must begin with http"):
        catalog(tmp_path, OPENAI_BASE_URL="proxy:9")


def test_a_local_model_takes_a_few_lines_and_no_key(tmp_path: Path) -> None:
    found = catalog(tmp_path, OLLAMA)
    assert available(found) == {"ollama"}
    model = found.find("qwen3:8b", datetime.date.today())
    assert model is not None
    target = found.target(model)
    assert target is not None
    assert (target.provider.base_url, target.provider.key) == ("http://127.0.0.1:11434/v1", None)
    assert (target.price.input, target.price.output) == (0, 0)


def test_a_provider_may_name_one_variable_or_several_for_its_key(tmp_path: Path) -> None:
    row = '[providers.mine]\nkind = "openai_like"\nbase_url = "https://example.org"\nkey_env = '
    assert catalog(tmp_path, row + '"MY_KEY"', MY_KEY="one").providers["mine"].key == "one"
    assert catalog(tmp_path, row + '["A", "B"]', B="two").providers["mine"].key == "two"
    assert "mine" not in available(catalog(tmp_path, row + '"MY_KEY"'))


def test_a_model_that_nobody_priced_is_known_and_not_served(tmp_path: Path) -> None:
    found = catalog(tmp_path, '[models.gpt-next]\nprovider = "openai"', OPENAI_API_KEY="k")
    assert found.models["gpt-next"].price is None
    assert found.target(found.models["gpt-next"]) is None


def test_a_price_of_ones_own_goes_over_the_built_in_one_and_leaves_the_rest(tmp_path: Path) -> None:
    before = catalog(tmp_path).models["gpt-4o"]
    after = catalog(tmp_path, "[models.gpt-4o]\noutput_per_mtok = 11.5").models["gpt-4o"]
    assert before.price is not None and after.price is not None
    assert (after.price.output, after.price.input) == (11_500_000, before.price.input)
    assert (after.can, after.context_window) == (before.can, before.context_window)


def test_models_and_aliases_can_be_removed(tmp_path: Path) -> None:
    found = catalog(tmp_path, "[models]\ngpt-6-astra = false\n[aliases]\nclaude-opus = false")
    assert "gpt-6-astra" not in found.models
    assert "claude-opus" not in found.aliases


def test_a_provider_is_removed_together_with_its_models_or_the_first_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="model 'deepseek-v4-flash': provider 'deepseek' is not"):
        catalog(tmp_path, "[providers]\ndeepseek = false")


def test_the_sandbox_stands_in_for_every_provider_and_needs_no_key(tmp_path: Path) -> None:
    found = catalog(tmp_path, OLLAMA, THERMLY_SANDBOX_URL="http://127.0.0.1:9", OPENAI_API_KEY="secret")
    assert available(found) == {"openai", "anthropic", "google", "deepseek", "localai", "ollama"}
    assert {p.key for p in found.providers.values()} == {"sandbox"}, "no real key goes to it"
    assert {p.base_url for p in found.providers.values()} == {
        "http://127.0.0.1:9/openai/v1", "http://127.0.0.1:9/deepseek/v1", "http://127.0.0.1:9/ollama/v1",
        "http://127.0.0.1:9/anthropic", "http://127.0.0.1:9/google", "http://127.0.0.1:9/localai/v1",
    }  # fmt: skip


@pytest.mark.parametrize("environ", [{}, {"THERMLY_SANDBOX_URL": "http://127.0.0.1:9"}])
@pytest.mark.parametrize(
    "toml",
    [
        "providers = 5",
        "[providers]\nopenai = 5",
        "[providers.x]",
        '[providers.x]\nkind = "telepathy"\nbase_url = "http://x"',
        '[providers.x]\nkind = ["gemini"]\nbase_url = "http://x"',
        '[providers.x]\nkind = "gemini"\nbase_url = "http://x"\nkey_env = 5',
        '[providers.x]\nkind = "gemini"\nbase_url = "http://x"\nbase_url_env = 5',
        '[providers.x]\nkind = "gemini"\nbase_url = "http://x"\nkey_env = [5]',
        "[models.x]",
        "[models.gpt-4o]\ninput_per_mtok = nan",
        "[models.gpt-4o]\nretired_on = 2026-01-01T00:00:00",
        "[models.gpt-4o]\nretired_on = '2026-01-01'",
        "aliases = 5",
        "[aliases]\na = 5",
    ],
)
def test_whatever_the_file_says_wrong_is_told_in_a_sentence(
    tmp_path: Path, toml: str, environ: dict[str, str]
) -> None:
    with pytest.raises(CatalogError, match=r"\w+"):
        catalog(tmp_path, toml, **environ)
