"""Usage x price -> cost; request -> how much input it can be; both -> what to hold. Pure integers.

Knows: how vendors count and bill tokens. Must not know: accounts, balances, who asks, which model is best.
Prices are pico-dollars per token; every sum is made in pico-dollars and rounded up once, to nano-dollars.
"""

import math

import msgspec
from msgspec import Struct

from thermly import dimensions
from thermly.catalog import Drawing, Price, Target
from thermly.exchange import ChatRequest, Media, Message, Part, ToolCall, ToolResult, Usage
from thermly.pictures import ImageRequest
from thermly.vectors import EmbeddingRequest

PICO_PER_NANO = 1_000
NO_LIMIT = 2**31 - 1
"""What `affordable_output` says where output costs nothing."""

UNKNOWN_MEDIA_BOUND = 1_048_576
"""Input whose size only the upstream can see (a file or sound by address or id, pages of a web search): the
largest context window in use. Callers lower any bound to the model's own window: none reads more."""

QUIET_TOOLS = ("functionDeclarations", "computer", "tool_search_tool_")
"""How the names begin of tools by which a vendor reads nothing that is not in the request. Any other that it runs
may fill the model's window: with pages, results of programs, what another server says."""

IMAGE_BOUND = 48_169
"""gpt-4o-mini counts 2,833 + 5,667 per tile and scales an image to eight tiles at most. Others stay below: gpt-4o
1,445; patch-counting OpenAI models at most 10,000 patches x 1.62; Gemini 258 for each 768-pixel tile."""

IMAGE_BOUND_OF_KIND = {"anthropic": 5_000}
"""Anthropic scales an image to 4,784 tokens at most."""

LOW_IMAGE_BOUND_OF_KIND = {"openai_like": 2_833}
"""What `detail: low` promises, and to whom it means anything (gpt-4o-mini's figure, the dearest)."""

FILE_BASE_BOUND = 50_000
"""A file's few first pages, each as text and as image, before its size says anything. Beyond it: a token a
byte. A file made to unpack to more than that outgrows its hold; settling charges what it was."""

AUDIO_BYTES_PER_TOKEN = 8
"""Gemini counts 32 tokens a second, OpenAI 10; speech at 2 kbit/s, below any codec in use, has 8 bytes for
each of the 32."""

SYSTEM_BOUND = 1_000
"""What a vendor's own instructions add when there are tools or a schema (Anthropic's: 346 to 804)."""

MESSAGE_BOUND = 16

# How OpenAI counts an image, with gpt-4o's figures: scaled into a square, then to a shortest side, cut into tiles.
IMAGE_BASE_ESTIMATE = 85
IMAGE_TILE_ESTIMATE = 170
IMAGE_TILE_PIXELS = 512
IMAGE_LONGEST_PIXELS = 2_048
IMAGE_SHORTEST_PIXELS = 768
UNKNOWN_IMAGE_PIXELS = (1_024, 1_024)
UNKNOWN_MEDIA_ESTIMATE = 2_000
AUDIO_BYTES_PER_TOKEN_ESTIMATE = 500
FILE_BYTES_PER_TOKEN_ESTIMATE = 20
TEXT_BYTES_PER_TOKEN_ESTIMATE = 4
MESSAGE_ESTIMATE = 4


class Size(Struct, frozen=True, gc=False):
    """How much there is to read in one request."""

    text_bytes: int
    messages: int
    instructed: bool = False
    images: int = 0
    low_images: int = 0
    audio_bytes: int = 0
    files: int = 0
    file_bytes: int = 0
    text_file_bytes: int = 0
    unknown: int = 0
    image_estimate: int = 0

    @property
    def estimate(self) -> int:
        """Tokens, moderately."""
        return (
            (self.text_bytes + self.text_file_bytes) // TEXT_BYTES_PER_TOKEN_ESTIMATE
            + self.messages * MESSAGE_ESTIMATE
            + self.image_estimate
            + self.audio_bytes // AUDIO_BYTES_PER_TOKEN_ESTIMATE
            + self.file_bytes // FILE_BYTES_PER_TOKEN_ESTIMATE
            + self.unknown * UNKNOWN_MEDIA_ESTIMATE
        )

    def bound(self, kind: str = "") -> int:
        """Tokens, at most: a token is at least a byte. `kind` of provider narrows what an image can cost."""
        image = IMAGE_BOUND_OF_KIND.get(kind, IMAGE_BOUND)
        return (
            self.text_bytes
            + self.messages * MESSAGE_BOUND
            + self.instructed * SYSTEM_BOUND
            + self.images * image
            + self.low_images * LOW_IMAGE_BOUND_OF_KIND.get(kind, image)
            + self.audio_bytes // AUDIO_BYTES_PER_TOKEN
            + self.files * FILE_BASE_BOUND
            + self.file_bytes
            + self.text_file_bytes
            + self.unknown * UNKNOWN_MEDIA_BOUND
        )


def estimate_input_tokens(request: ChatRequest) -> int:
    """Moderate: for choosing a model."""
    return measure(request).estimate


def measure(request: ChatRequest) -> Size:
    """Everything the upstream will read, counted once."""
    size = 0
    for message in request.messages:
        size += _message_bytes(message)
    instructed = bool(request.tools)
    if request.tools:
        size += len(msgspec.json.encode(request.tools))
    if request.response_format is not None and request.response_format.kind != "text":
        instructed = True
        size += len(msgspec.json.encode(request.response_format))
    if request.extras:
        size += len(msgspec.json.encode(request.extras))
    searches = int(request.web_search is not None or _fetches(request))
    media = tuple(request.media())
    if not media:
        return Size(size, len(request.messages), instructed, unknown=searches)
    return _with_media(Size(size, len(request.messages), instructed, unknown=searches), media)


def _fetches(request: ChatRequest) -> bool:
    for facts in (request.extras or {}).values():
        if facts.get("mcp_servers"):
            return True
        for row in facts.get("tools") or ():
            names = (row["type"],) if "type" in row else row.keys()
            if not all(name.startswith(QUIET_TOOLS) for name in names):
                return True
    return False


def _message_bytes(message: Message) -> int:
    size = len(msgspec.json.encode(message.extras)) if message.extras else 0
    for part in message.parts:
        size += _part_bytes(part)
    return size


def _part_bytes(part: Part) -> int:
    """The bytes of everything in it that is text. What vendors sent along may be read by them again."""
    size = len(msgspec.json.encode(part.extras)) if part.extras else 0
    if isinstance(part, ToolCall):
        return size + _bytes(part.id) + _bytes(part.name) + _bytes(part.arguments)
    if isinstance(part, ToolResult):
        return size + _bytes(part.call_id) + _bytes(part.name) + sum(_part_bytes(p) for p in part.parts)
    if isinstance(part, Media):
        return size + _bytes(part.name or "")
    return size + _bytes(part.text)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _with_media(size: Size, media: tuple[Media, ...]) -> Size:
    found = dict.fromkeys(Size.__struct_fields__[3:], 0)
    for part in media:
        data_bytes = len(part.data) * 3 // 4 if part.data is not None else 0
        if part.kind == "image":
            found["low_images" if _low_detail(part) else "images"] += 1
            found["image_estimate"] += _image_estimate(part)
        elif part.data is None:
            found["unknown"] += 1
        elif part.kind == "audio":
            found["audio_bytes"] += data_bytes
        elif (part.media_type or "").startswith("text/"):
            found["text_file_bytes"] += data_bytes
        else:
            found["files"] += 1
            found["file_bytes"] += data_bytes
    found["unknown"] += size.unknown
    return msgspec.structs.replace(size, **found)


def _low_detail(image: Media) -> bool:
    return any(facts.get("detail") == "low" for facts in (image.extras or {}).values())


def _image_estimate(image: Media) -> int:
    if _low_detail(image):
        return IMAGE_BASE_ESTIMATE
    told = dimensions.of_base64(image.data) if image.data else None
    longest, shortest = sorted(told or UNKNOWN_IMAGE_PIXELS, reverse=True)
    scale = min(1.0, IMAGE_LONGEST_PIXELS / longest)
    scale = min(scale, IMAGE_SHORTEST_PIXELS / shortest)
    tiles = math.ceil(longest * scale / IMAGE_TILE_PIXELS) * math.ceil(shortest * scale / IMAGE_TILE_PIXELS)
    return IMAGE_BASE_ESTIMATE + IMAGE_TILE_ESTIMATE * tiles


def cost(usage: Usage, price: Price) -> int:
    """What the exchange costs, in nano-dollars. Counts that contradict each other are clamped into the whole:
    what is no part of the input cannot be cheaper input."""
    read = max(usage.input_tokens, 0)
    cached = min(max(usage.cached_input_tokens, 0), read)
    written_1h = min(max(usage.cache_write_1h_tokens, 0), read - cached)
    written = min(max(usage.cache_write_tokens, 0), read - cached - written_1h)
    tier = _tier(price, read)
    return _nanousd(
        (read - cached - written_1h - written) * tier.input
        + cached * tier.cached_input
        + written * tier.cache_write
        + written_1h * tier.cache_write_1h
        + max(usage.output_tokens, 0) * tier.output
    )


def ceiling(input_bound: int, output_tokens: int, n: int, price: Price) -> int:
    """The most that `n` choices of `output_tokens` each can cost, in nano-dollars: what to hold.

    Where `n` choices are made by `n` calls, the caller multiplies the input bound too.
    """
    written = max(output_tokens, 0) * max(n, 1)
    return _nanousd(
        max(
            max(input_bound, 0) * _dearest_input(tier) + written * tier.output
            for tier in _reachable(price, input_bound)
        )
    )


def affordable_output(available_nanousd: int, input_bound: int, n: int, price: Price) -> int:
    """The most tokens per choice whose ceiling can be paid; 0 where not one can."""
    tiers = _reachable(price, input_bound)
    return min(_affordable(available_nanousd, input_bound, n, tier) for tier in tiers)


def _affordable(available_nanousd: int, input_bound: int, n: int, tier: Price) -> int:
    left = available_nanousd * PICO_PER_NANO - max(input_bound, 0) * _dearest_input(tier)
    if left < 0:
        return 0
    return min(left // (tier.output * max(n, 1)), NO_LIMIT) if tier.output else NO_LIMIT


def measure_embedding(request: EmbeddingRequest) -> tuple[int, int]:
    """Tokens of all inputs: (an estimate, at most). Rows of token numbers are counted already."""
    counted = sum(len(value) for value in request.inputs if not isinstance(value, str))
    sizes = [len(value.encode()) for value in request.inputs if isinstance(value, str)]
    estimate = sum(-(-size // TEXT_BYTES_PER_TOKEN_ESTIMATE) for size in sizes)
    return counted + estimate, counted + sum(sizes) + len(sizes) * MESSAGE_BOUND


def image_ceiling(request: ImageRequest, target: Target) -> int:
    """The most that the images can cost, in nano-dollars. `request` has the size and quality that are asked of
    the target."""
    drawing = target.model.drawing or Drawing()
    if drawing.per_image:
        return request.n * _per_image(drawing, request)
    tokens = drawing.tokens.get(request.quality or "") or max(drawing.tokens.values(), default=0)
    calls = -(-request.n // drawing.per_call)
    read = calls * (len(request.prompt.encode()) + SYSTEM_BOUND)
    return cost(Usage(input_tokens=read, output_tokens=tokens * request.n), target.price)


def image_cost(request: ImageRequest, target: Target, usage: Usage | None) -> int:
    """What the images cost: by the row's own price list, or by the tokens that the upstream told."""
    if (target.model.drawing or Drawing()).per_image or usage is None:
        return image_ceiling(request, target)
    return cost(usage, target.price)


def _per_image(drawing: Drawing, request: ImageRequest) -> int:
    size, quality = request.size or "", request.quality or ""
    for key in ((size, quality), (size, ""), ("", quality), ("", "")):
        if key in drawing.per_image:
            return drawing.per_image[key]
    return max(drawing.per_image.values())


def _tier(price: Price, input_tokens: int) -> Price:
    reached = [row for row in price.above if input_tokens > row[0]]
    return max(reached, key=lambda row: row[0])[1] if reached else price


def _reachable(price: Price, input_bound: int) -> list[Price]:
    return [price, *(tier for threshold, tier in price.above if input_bound > threshold)]


def _dearest_input(price: Price) -> int:
    return max(price.input, price.cached_input, price.cache_write, price.cache_write_1h)


def _nanousd(pico: int) -> int:
    return -(-pico // PICO_PER_NANO)
