"""Keys never reach the log."""

import logging

import pytest

from thermly.running import logs


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("key sk-thermo-abcdefgh", "key sk-ther…"),
        ("sk-proj-abc_DEF-123", "sk-proj…"),
        ("url?key=AIzaSyA123-x", "url?key=AIza…"),
        ("gsk_abcdefgh12 xai-abcdefgh", "gsk_abcd… xai-abcd…"),
        ("sk_live_51Hxyz whsec_abcdef", "sk_live… whsec_abcd…"),
        ("redis://:hunter2@127.0.0.1:6379/0", "redis://:…@127.0.0.1:6379/0"),
        ("smtp://u:p@ss/w@host", "smtp://u:…@host"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("a skeleton in the task-list", "a skeleton in the task-list"),
    ],
)
def test_keys_are_hidden(said: str, logged: str):
    record = logging.LogRecord("thermly.x", logging.INFO, "", 0, "%s", (said,), None)
    assert logs.Redacted("%(message)s").format(record) == logged


def test_keys_in_tracebacks_are_hidden():
    try:
        raise ValueError("sk-thermo-abcdefgh")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "m", (), (type(error), error, error.__traceback__))
    assert "abcdefgh" not in logs.Redacted("%(message)s").format(record)


def test_configuring_twice_logs_once(capsys: pytest.CaptureFixture[str]):
    logger = logging.getLogger("thermly")
    before = logger.handlers[:], logger.level, logger.propagate
    try:
        logs.configure("info")
        logs.configure("info")
        logging.getLogger("thermly.gateway").info("said once")
        logging.getLogger("thermly.gateway").debug("not said")
    finally:
        logger.handlers[:], logger.level, logger.propagate = before
    told = capsys.readouterr().err
    assert told.count("said once") == 1 and "not said" not in told
