"""The Responses routes: identify, read, admit, recall, answer, remember, respond.

What came of a request is committed before its reply ends, so the next request finds it, whichever process serves
it. A client that leaves finds what had arrived, as a response that failed.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
from flask import Flask, Response
from flask import request as current
from flask.typing import ResponseReturnValue
from msgspec import Struct
from msgspec.structs import replace
from werkzeug.routing import BaseConverter

from thermly import ids
from thermly.background import Background
from thermly.caller import Caller
from thermly.dialects import responses
from thermly.dialects.responses import Asked, Writer
from thermly.errors import GatewayError, Internal, InvalidRequest, UpstreamFailed
from thermly.exchange import ChatRequest, Done
from thermly.gateway import Answer, Gateway
from thermly.generated import Generated
from thermly.keeping.memory import UNDER_WAY, Memory
from thermly.web import callers, respond
from thermly.web.edge import Body, Whole
from thermly.web.limits import Limits
from thermly.web.respond import Headers
from thermly.web.surfaces import Surface

log = logging.getLogger("thermly.web")


class ResponseId(BaseConverter):
    """No id: the vendor's paths for what is not served here. Otherwise a POST to them would be told that another
    method is allowed."""

    regex = r"(?!(?:compact|input_tokens)\Z)[^/]+"


class Reading(Struct, frozen=True):
    """What was asked, the model's name as it is shown, and what answers."""

    asked: Asked
    model: str
    answer: Callable[[ChatRequest, Caller], Answer | Generated]


class Views:
    def __init__(
        self, surface: Surface, memory: Memory, background: Background, gateway: Gateway, limits: Limits
    ) -> None:
        self._surface, self._gateway, self._limits = surface, gateway, limits
        self._memory, self._background = memory, background

    def register(self, app: Flask) -> None:
        path, name = self._surface.prefix + "/responses", self._surface.name
        app.url_map.converters["response"] = ResponseId
        one = path + "/<response:response_id>"
        for rule, what, view, method in (
            (path, "responses", self._create, "POST"),
            (one, "response", self._get, "GET"),
            (one, "response_deletion", self._delete, "DELETE"),
            (one + "/cancel", "response_cancel", self._cancel, "POST"),
            (one + "/input_items", "input_items", self._input_items, "GET"),
        ):
            app.add_url_rule(rule, f"{what}.{name}", view, methods=[method], provide_automatic_options=False)

    def _identify(self) -> Caller:
        return callers.identify(current.headers, self._surface.key_headers, self._gateway.database)

    # ---- create

    def _create(self) -> ResponseReturnValue:
        caller = self._identify()
        reading = self._read(cast(Body, current).whole_body())
        with self._limits.admitted(caller) as told:
            try:
                return self._answer(reading, caller, told)
            except GatewayError as error:
                responses.rename_field(error, reading.asked.facts)
                raise

    def _read(self, body: bytes) -> Reading:
        asked = responses.read_request(body, self._surface.bounds)
        return Reading(asked, asked.chat.model, functools.partial(self._gateway.answer, surface=self._surface.name))

    def _answer(self, reading: Reading, caller: Caller, told: Headers) -> ResponseReturnValue:
        account_id, memory, asked = caller.account_id, self._memory, reading.asked
        if asked.store:
            memory.admit(account_id, caller.key_id)
        items = responses.resolve(asked.items, functools.partial(memory.item, account_id=account_id))
        asked = replace(asked, items=items)
        earlier = memory.recall(account_id, asked.previous_response_id, asked.conversation)
        chat = responses.with_history(asked, earlier)
        if current.headers.get("x-no-cache", "").lower() in ("true", "1"):
            chat = replace(chat, fresh=True)
        if asked.background:
            queued = self._background.accept(asked, chat, caller, self._surface.name)
            return respond.whole(
                responses.write_reply(queued, asked.include), queued["id"].removeprefix("resp_"), told
            )
        answer = reading.answer(chat, caller)
        telling = Telling(answer, asked, functools.partial(self._remember, asked, caller), reading.model)
        headers = [*told, ("x-request-id", "req_" + answer.id)]
        if not asked.stream:
            body = responses.write_reply(telling.whole(), asked.include)
            return Whole(body, [*headers, *respond.escalated(answer)])
        headers += [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")]
        response = Response(telling.stream(), 200, headers, content_type="text/event-stream; charset=utf-8")
        response.call_on_close(answer.close)
        return response

    def _remember(self, asked: Asked, caller: Caller, response: dict[str, Any]) -> None:
        if asked.store:
            self._memory.remember(caller.account_id, response, asked.items, asked.conversation)

    # ---- afterwards

    def _get(self, response_id: str) -> ResponseReturnValue:
        caller = self._identify()
        if current.args.get("stream", "").lower() == "true":
            raise InvalidRequest("A response is streamed only while it is made.", param="stream")
        include = responses.read_include(_list("include"))
        found = self._memory.response(response_id, caller.account_id)
        if found.status in UNDER_WAY:
            self._background.revive(response_id)
        return respond.whole(responses.write_reply(msgspec.json.decode(found.body), include), ids.new())

    def _delete(self, response_id: str) -> ResponseReturnValue:
        caller = self._identify()
        self._background.delete(response_id, caller.account_id)
        return respond.whole(responses.write_deleted(response_id, "response"), ids.new())

    def _cancel(self, response_id: str) -> ResponseReturnValue:
        caller = self._identify()
        response = self._background.cancel(response_id, caller.account_id)
        return respond.whole(responses.write_reply(response, frozenset()), ids.new())

    def _input_items(self, response_id: str) -> ResponseReturnValue:
        caller = self._identify()
        items = self._memory.inputs(response_id, caller.account_id)
        page, include = responses.read_page(current.args), responses.read_include(_list("include"))
        return respond.whole(responses.write_items(items, page, include), ids.new())


class Telling:
    """One answer as a response, whole or streamed; `keep` is given it before its end is told."""

    def __init__(
        self, answer: Answer | Generated, asked: Asked, keep: Callable[[dict[str, Any]], None], model: str
    ) -> None:
        self._answer, self._asked, self._keep, self._model = answer, asked, keep, model
        self._writer: Writer | None = None
        self._kept = False

    def whole(self) -> dict[str, Any]:
        """Raises GatewayError; then there is no response."""
        try:
            for event in self._answer:
                writer = self._writer or self._begin()
                writer.feed(event)
                if isinstance(event, Done):
                    self._keep_once(writer.response)
        finally:
            self._answer.close()
        assert self._writer is not None
        return self._writer.response

    def stream(self) -> Iterator[bytes]:
        try:
            yield from responses.write_events(self._answer, self._begin, self._keep_once)
        except GeneratorExit:
            if self._writer is not None and not self._kept:
                self._writer.fail(UpstreamFailed("The client left before the end."))
                self._keep_once(self._writer.response)
            raise
        except GatewayError as error:
            log.warning("req_%s broke off: %s %s", self._answer.id, error.code or error.kind, error.detail)
            if self._writer is None:
                responses.rename_field(error, self._asked.facts)
                yield responses.write_error_event(error)
        except Exception:
            log.exception("req_%s broke off", self._answer.id)
            if self._writer is None:
                yield responses.write_error_event(Internal("Internal error."))

    def _begin(self) -> Writer:
        answer = self._answer
        model = answer.actual_model if answer.smart else self._model
        opening = responses.opening(self._asked, "resp_" + answer.id, answer.started_ms // 1000, model)
        self._writer = Writer(opening, self._asked.include, lambda: int(time.time()))
        return self._writer

    def _keep_once(self, response: dict[str, Any]) -> None:
        if not self._kept:
            self._kept = True
            self._keep(response)


def _list(name: str) -> list[str]:
    """A query parameter that may be repeated, as `include` or as `include[]`."""
    return [*current.args.getlist(name), *current.args.getlist(name + "[]")]
