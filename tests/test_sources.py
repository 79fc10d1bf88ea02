"""Which addresses and types may be named as a source."""

import pytest

from thermly import sources
from thermly.errors import InvalidRequest

GOOGLE = "generativelanguage.googleapis.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://x",
        "http://x.example:8080/a?b#c",
        "https://me:secret@x.example/a",
        "https://192.0.2.1/a",
        "https://[2001:db8::1]/a",
        "https://bücher.example/a",
        "https://storage.googleapis.com/bucket/a.png?X-Goog-Signature=1",
        "https://bucket.storage.googleapis.com/a.png",
        "https://commondatastorage.googleapis.com/gtv-videos-bucket/sample/a.jpg",
        "https://maps.googleapis.com/maps/api/staticmap?center=Rome",
        "https://firebasestorage.googleapis.com/v0/b/x",
        f"https://x.example/{GOOGLE}/files/x",
        f"https://{GOOGLE}.example/files/x",
        "https://notgoogleapis.com/x",
    ],
)
def test_what_is_on_the_web_may_be_named(url: str) -> None:
    sources.check_address(url, "a.b")
    assert not sources.names_stored(url)


@pytest.mark.parametrize(
    "url",
    [
        "gs://bucket/x",
        "files/abc",
        "file:///etc/passwd",
        "https://",
        "https:///files/x",
        "https://x y/",
        f"https://{GOOGLE}/v1beta/files/x",
        f"http://{GOOGLE}/v1beta/files/x",
        f"https://{GOOGLE.upper()}/v1beta/files/x",
        f"https://{GOOGLE}.:443/v1beta/files/x",
        f"https://x.example@{GOOGLE}/v1beta/files/x",
        f"https://{GOOGLE}\\@x.example/v1beta/files/x",
        f"https://%67{GOOGLE[1:]}/v1beta/files/x",
        f"https://{chr(0xFF47)}{GOOGLE[1:]}/v1beta/files/x",
        f"https://{GOOGLE[:3]}{chr(0xAD)}{GOOGLE[3:]}/v1beta/files/x",
        f"https://{GOOGLE[:3]}\t{GOOGLE[3:]}/v1beta/files/x",
        "https://us-central1-aiplatform.googleapis.com/x",
        "https://www.googleapis.com/drive/v3/files/x",
        "https://googleapis.com/x",
    ],
)
def test_what_a_vendor_stores_may_not(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sources.check_address(url, "a.b")
    assert caught.value.param == "a.b" and "'a.b'" in caught.value.message
    assert sources.names_stored(url)


def test_films_are_known_by_their_address() -> None:
    assert all(sources.is_film(f"https://{host}/x") for host in ("youtu.be", "www.youtube.com", "M.YouTube.com"))
    assert not any(sources.is_film(url) for url in ("https://x/youtu.be", "https://myyoutube.com/x", "youtu.be/x"))


def test_images_have_one_name_for_each_type() -> None:
    assert sources.image_type("image/png", "a") == "image/png"
    assert sources.image_type("IMAGE/JPG", "a") == "image/jpeg"
    for media_type in (None, "", "text/html", "image/svg+xml", "image/"):
        with pytest.raises(InvalidRequest) as caught:
            sources.image_type(media_type, "a.b")
        assert caught.value.param == "a.b" and "'a.b'" in caught.value.message
