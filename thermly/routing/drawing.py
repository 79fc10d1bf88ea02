"""An image request + catalogue -> the target that draws, and the request in that model's sizes and qualities.

Knows: what each image model draws. Must not know: money, the network.
"""

import datetime
import math

from msgspec.structs import replace

from thermly.catalog import Catalog, Drawing, Target
from thermly.errors import InvalidRequest
from thermly.pictures import ImageRequest
from thermly.routing.names import permitted_models, resolve

QUALITIES = {"standard": "medium", "hd": "high", "medium": "standard", "low": "standard", "high": "hd"}
"""What a retired model called its qualities, in the words of those that answer for it, and back."""


def plan_images(
    request: ImageRequest, catalog: Catalog, allowed: frozenset[str] | None, today: datetime.date
) -> tuple[Target, ImageRequest]:
    """The one target, and the request in its words: what a retired model promised is kept by its successor.

    Raises UnknownModel, PermissionDenied, or InvalidRequest naming the field.
    """
    permitted = permitted_models(request.model, allowed, catalog, today)
    target = resolve(request.model, "image", catalog, permitted, today)
    promised = catalog.models[catalog.aliases.get(request.model, request.model)].drawing or Drawing()
    able = target.model.drawing or Drawing()
    size, quality = _size(request, promised), _quality(request, promised)
    if len(request.prompt) > promised.max_prompt_chars:
        raise InvalidRequest(
            f"The prompt may have at most {promised.max_prompt_chars:,} characters.", param="prompt"
        )
    return target, replace(request, size=_nearest(size, able), quality=_translated(quality, able))


def _size(request: ImageRequest, promised: Drawing) -> str | None:
    if request.size is None:
        return promised.sizes[0] if promised.sizes else None
    if promised.sizes and request.size not in promised.sizes:
        raise InvalidRequest(
            f"The model '{request.model}' has the sizes {', '.join(promised.sizes)}.", param="size"
        )
    return request.size


def _quality(request: ImageRequest, promised: Drawing) -> str | None:
    if request.quality is None:
        return promised.qualities[0] if promised.qualities else None
    if request.quality in promised.qualities:
        return request.quality
    if not promised.qualities and request.quality in ("standard", "auto"):
        return None
    known = f"has the qualities {', '.join(promised.qualities)}" if promised.qualities else "has no qualities"
    raise InvalidRequest(f"The model '{request.model}' {known}.", param="quality")


def _nearest(size: str | None, able: Drawing) -> str | None:
    """The size itself, or the one of the nearest shape, and of those the nearest in width."""
    if size is None or not able.sizes or size in able.sizes:
        return size
    if size == "auto":
        return able.sizes[0]
    width, height = _extent(size)
    shape = math.log(width / height)

    def distance(other: str) -> tuple[float, int]:
        w, h = _extent(other)
        return abs(math.log(w / h) - shape), abs(w - width)

    return min((s for s in able.sizes if s != "auto"), key=distance)


def _extent(size: str) -> tuple[int, int]:
    width, _, height = size.partition("x")
    return int(width), int(height)


def _translated(quality: str | None, able: Drawing) -> str | None:
    if quality is None or quality in able.qualities:
        return quality
    meant = QUALITIES.get(quality)
    if meant in able.qualities:
        return meant
    return able.qualities[0] if able.qualities else None
