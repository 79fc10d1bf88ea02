"""What an answer tells in its headers."""

from typing import Any

from thermly.exchange import Usage
from thermly.gateway import Escalation
from thermly.web import respond


class Answered:
    def __init__(self, model: str) -> None:
        self.escalation = Escalation(model, "its answer was empty", Usage(), 1)


def headers(model: str) -> dict[str, str]:
    answer: Any = Answered(model)
    return dict(respond.escalated(answer))


def test_a_model_whose_name_no_header_can_say_is_told_all_the_same() -> None:
    assert headers("house/of:words-1.5@x")["x-escalated-from"] == "house/of:words-1.5@x"
    told = headers("模型\r\nx: y")["x-escalated-from"]
    assert told.isascii() and told.isprintable() and told.startswith("%E6%A8%A1")
