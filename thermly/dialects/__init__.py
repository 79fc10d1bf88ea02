"""Dialects: the JSON of one wire language that clients speak, to and from the exchange. Pure.

Must not know: Flask, SQL, sockets, providers. Each dialect module offers

    read_request(body, bounds)            -> ChatRequest, or InvalidRequest naming the field
    write_reply(reply, request, label)    -> bytes
    write_events(events, request, label)  -> iterator of bytes; `label` is called once something is known
    write_error(error)                    -> bytes
    write_error_event(error)              -> bytes, for a stream that has begun
"""

from msgspec import Struct


class Bounds(Struct, frozen=True):
    """What a surface allows; None: no bound of its own."""

    max_tools: int
    max_messages: int | None = None
    max_message_chars: int | None = None
    max_output_tokens: int | None = None


class Label(Struct, frozen=True):
    """What a reply says about itself. `model` is the name to show; `actual_model` the one that answered;
    `escalated_from` one that was asked before it and is paid too, `escalated_because` what its answer lacked."""

    id: str
    created_s: int
    model: str
    actual_model: str
    complexity_level: int
    cached: bool
    escalated_from: str = ""
    escalated_because: str = ""
