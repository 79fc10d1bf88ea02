"""The API as an OpenAPI 3.1 document, made from what validates and from the tables.

Knows: what the document looks like. Must not know: Flask, or any field, bound or status by itself; those are told
by the types, the surfaces and the table of operations.
"""

import importlib.metadata
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from thermly import errors
from thermly.errors import GatewayError
from thermly.web import openapi_samples as samples
from thermly.web.openapi_operations import ERRORS, FAMILIES, OPERATIONS
from thermly.web.openapi_schemas import JSON, Schemas
from thermly.web.openapi_terms import SSE, Answer, Operation, Parameter
from thermly.web.openapi_words import ABOUT, HEADERS, KINDS, REFUSED, SCHEMES, STATUSES, SURFACES
from thermly.web.surfaces import Surface

LIMIT_HEADERS = tuple(f"X-RateLimit-{what}-Requests" for what in ("Limit", "Remaining", "Reset"))
ALSO = {405: ("Allow",), **dict.fromkeys((429, 502, 503), ("Retry-After",))}
MEDIA = "application/json"
NOTHING_YET = {"type": "object", "maxProperties": 0, "description": "A sign of life."}


def document(surfaces: tuple[Surface, ...]) -> JSON:
    surfaces = tuple(s for s in surfaces if any(o.serves in s.serves for o in OPERATIONS))
    schemas = Schemas(FAMILIES)
    maker = _Maker(surfaces, schemas)
    paths = maker.paths()
    responses = dict(maker.refusals())
    schemas.borrow()
    schemas.describe()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Thermly",
            "version": importlib.metadata.version("thermly"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": mount.tag, "description": SURFACES[mount.name]} for mount in maker.mounts()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": responses,
            "headers": {
                name: {"description": text, "schema": {"type": kind}} for name, (text, kind) in HEADERS.items()
            },
            "securitySchemes": SCHEMES,
        },
    }


class Mount(Struct, frozen=True):
    """A place where operations stand, and the surface whose rules they keep there; None: they need no key."""

    name: str
    prefix: str
    surface: Surface | None
    tag: str


class _Maker:
    def __init__(self, surfaces: tuple[Surface, ...], schemas: Schemas) -> None:
        self._surfaces, self._schemas = surfaces, schemas

    def paths(self) -> JSON:
        found: JSON = {}
        for mount in self.mounts():
            for operation in OPERATIONS:
                if stands(operation, mount):
                    methods = found.setdefault(mount.prefix + operation.path, {})
                    methods[operation.method] = self._operation(operation, mount)
        return found

    def mounts(self) -> Iterator[Mount]:
        for surface in reversed(self._surfaces):
            yield Mount(surface.name, surface.prefix, surface, surface.prefix)
        yield Mount("root", "", self._surfaces[-1], "/")
        yield Mount("", "", None, "Without a key")

    def _operation(self, operation: Operation, mount: Mount) -> JSON:
        surface = mount.surface
        made: JSON = {
            "operationId": f"{mount.name.replace('-', '_')}_{operation.id}".removeprefix("_"),
            "tags": [mount.tag],
            "summary": operation.summary,
            "description": operation.about,
            "security": security(surface),
        }
        if operation.parameters:
            made["parameters"] = [self._parameter(one) for one in operation.parameters]
        if operation.body:
            made["requestBody"] = {
                "required": True,
                "content": {MEDIA: {"schema": self._body(operation, surface), "example": operation.example}},
            }
        made["responses"] = self._responses(operation, surface)
        made["x-codeSamples"] = [
            {"lang": lang, "label": label, "source": source} for lang, label, source in _samples(operation, mount)
        ]
        return made

    def _body(self, operation: Operation, surface: Surface | None) -> JSON:
        if len(operation.body) > 1:
            schema = self._schemas.one_of(operation.body_name, operation.body)
        else:
            schema = self._schemas.of(operation.body[0])
        if surface is None or operation.bounds is None:
            return schema
        return {"allOf": [schema, operation.bounds(surface.bounds)]}

    def _parameter(self, parameter: Parameter) -> JSON:
        made: JSON = {
            "name": parameter.name,
            "in": parameter.where,
            "required": parameter.where == "path",
            "description": parameter.about,
            "schema": msgspec.json.schema(parameter.kind),
        }
        return made if parameter.example is None else {**made, "example": parameter.example}

    # ---- answers

    def _responses(self, operation: Operation, surface: Surface | None) -> JSON:
        by = surface or self._surfaces[-1]
        found = {str(answer.status): self._answer(answer, operation, by) for answer in operation.answers}
        for status in sorted({by.status(kind("")) for kind in operation.refusals}):
            found[str(status)] = {"$ref": f"#/components/responses/{_refusal(by, status)}"}
        return found

    def _answer(self, answer: Answer, operation: Operation, surface: Surface) -> JSON:
        limits = LIMIT_HEADERS if operation.counted else ()
        marked = surface.id_headers if operation.serves else ()
        made: JSON = {
            "description": answer.about or STATUSES[answer.status],
            "headers": _headers((*marked, *answer.headers, *limits)),
        }
        if answer.kinds:
            made["content"] = {
                media: {} if kind is None else {"schema": self._written(media, kind, answer, surface)}
                for media, kind in answer.kinds.items()
            }
        return made

    def _written(self, media: str, kind: Any, answer: Answer, surface: Surface) -> JSON:
        """What is sent while it is made may break off, which only an error in its place can tell."""
        schema = self._schemas.of(kind)
        error = self._schemas.of(ERRORS[surface.dialect.__name__])
        if media == SSE:
            return event_of(schema if answer.tells_errors else {"anyOf": [schema, error]})
        if schema.get("type") == "array":
            return {**schema, "items": {"anyOf": [schema["items"], error, NOTHING_YET]}}
        return schema

    def refusals(self) -> Iterator[tuple[str, JSON]]:
        """Every refusal of every surface, as the dialect writes it."""
        for surface in self._surfaces:
            by_status: dict[int, dict[str, GatewayError]] = {}
            for kind, made in errors.kinds().items():
                error = made(KINDS[kind])
                by_status.setdefault(surface.status(error), {})[kind] = error
            for status, kinds in sorted(by_status.items()):
                yield _refusal(surface, status), self._refusal(surface, status, kinds)

    def _refusal(self, surface: Surface, status: int, kinds: dict[str, GatewayError]) -> JSON:
        about = REFUSED if kinds.keys() == {"content_refused"} else STATUSES[status]
        also = ALSO.get(status, ())
        if "unauthenticated" in kinds:
            also = ("WWW-Authenticate", *also)
            about = about if status == 401 else f"{STATUSES[401]} {about}"
        return {
            "description": about,
            "headers": _headers((*surface.id_headers, *also, *LIMIT_HEADERS)),
            "content": {
                MEDIA: {
                    "schema": self._schemas.of(ERRORS[surface.dialect.__name__]),
                    "examples": {
                        kind: {"value": msgspec.json.decode(surface.dialect.write_error(error))}
                        for kind, error in kinds.items()
                    },
                }
            },
        }


def stands(operation: Operation, mount: Mount) -> bool:
    if mount.surface is None:
        return not operation.serves
    return operation.serves in mount.surface.serves and (operation.at_root or bool(mount.prefix))


def event_of(schema: JSON) -> JSON:
    """A server-sent event: its data is text with JSON in it, or the word that ends OpenAI's streams."""
    said = {"type": "string", "contentMediaType": MEDIA, "contentSchema": schema}
    data = {"anyOf": [said, {"const": "[DONE]"}]}
    return {"type": "object", "required": ["data"], "properties": {"data": data}}


def security(surface: Surface | None) -> list[JSON]:
    """The ways to say the key, any one of which will do."""
    if surface is None:
        return []
    ways = ["bearer" if name == "Authorization" else name for name in surface.key_headers]
    return [{way: []} for way in (*ways, *(("key",) if "gemini" in surface.serves else ()))]


def _refusal(surface: Surface, status: int) -> str:
    return f"{surface.name}-{status}"


def _headers(names: tuple[str, ...]) -> JSON:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _samples(operation: Operation, mount: Mount) -> Iterator[tuple[str, str, str]]:
    if operation.sample is None:
        return
    path = mount.prefix + operation.path
    for parameter in (one for one in operation.parameters if one.where == "path"):
        path = path.replace("{" + parameter.name + "}", parameter.example or samples.UNKNOWN)
    key_header = mount.surface.key_headers[0] if mount.surface else None
    yield "Shell", "curl", samples.curl(operation.sample, operation.method, path, key_header, operation.example)
    yield "Python", operation.sample.client, samples.python(operation.sample, mount.prefix)
