"""What may be named as the source of an image, a sound or a file: an address on the web.

Knows: addresses, media types. Must not know: any wire, who asks, who is asked. A vendor account holds the files of
all who share it, and who can name one has it read to him: so nothing that is stored there can be named.
"""

import mimetypes
import re
import unicodedata

from thermly.errors import InvalidRequest

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/heic", "image/heif")
_ALIASES = {"image/jpg": "image/jpeg"}
# No backslash, space or escape where the host is: readers of addresses differ about them.
_HOST = re.compile(r"https?://(?:[^/?#@\\\s]*@)?([\w.-]+|\[[\da-fA-F:.]+\])(?::\d*)?(?=[/?#]|\Z)")
# Gemini reads what Google's own services hold as who asks it may; of what they hold, this is on the web.
_GOOGLE = "googleapis.com"
_ON_THE_WEB = re.compile(r"(?:(?:[\w.-]+\.)?storage|commondatastorage|firebasestorage|maps)\.googleapis\.com")
_FILMS = re.compile(r"(?:[\w-]+\.)?(?:youtube\.com|youtube-nocookie\.com|youtu\.be)")


def check_address(url: str, where: str) -> None:
    """Raises InvalidRequest, naming the field `where`, for all but addresses that anybody could fetch."""
    host = _host(url)
    if host is None:
        raise InvalidRequest(f"Expected an http(s) URL, at '{where}'.", param=where)
    if names_stored(url):
        raise InvalidRequest(f"There are no stored files here, at '{where}'.", param=where)


def names_stored(url: str) -> bool:
    """Whether the address may mean something that a vendor stores for its customer."""
    host = _host(url)
    if host is None:
        return True
    return f".{host}".endswith("." + _GOOGLE) and not _ON_THE_WEB.fullmatch(host)


def is_film(url: str) -> bool:
    """Gemini watches a whole film at such an address, whatever it is called beside it."""
    host = _host(url)
    return host is not None and _FILMS.fullmatch(host) is not None


def is_video(media_type: str | None, url: str | None) -> bool:
    """A file without a type is what its address ends in, as Gemini is told it."""
    if url and is_film(url):
        return True
    told = media_type or (guessed_type(url) if url else None)
    return (told or "").lower().startswith("video/")


def guessed_type(url: str) -> str | None:
    return mimetypes.guess_type(url.partition("?")[0], strict=False)[0]


def is_heic(media_type: str | None) -> bool:
    return (media_type or "").lower().startswith(("image/heic", "image/heif"))


def image_type(media_type: str | None, where: str) -> str:
    """The type by its usual name. Raises InvalidRequest, naming the field `where`, for what is no image."""
    known = usual_type(media_type or "")
    if known not in IMAGES:
        raise InvalidRequest(
            f"An image is of the type {', '.join(IMAGES[:-1])} or {IMAGES[-1]}, at '{where}'.", param=where
        )
    return known


def usual_type(media_type: str) -> str:
    return _ALIASES.get(media_type.lower(), media_type.lower())


def _host(url: str) -> str | None:
    """As a resolver would have it, who knows neither case, nor wide letters, nor a dot at the end."""
    match = _HOST.match(url)
    return unicodedata.normalize("NFKC", match[1]).lower().rstrip(".") if match else None
