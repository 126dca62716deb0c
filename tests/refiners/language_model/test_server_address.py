"""What of a server's address is sent, what is shown, and what is hidden."""

import base64
import logging

import pytest

from prox.errors import UsageError
from prox.refiners.language_model.server_address import ERROR_LENGTH, parse_address

KEY = "sk-very-secret-0123456789"
URL = "http://127.0.0.1:8000/v1"


def test_a_plain_url_is_shown_as_it_is():
    address = parse_address(f" {URL}/\n", {})
    assert (address.shown, address.query, address.authorization, address.secrets) == (URL, "", "", ())


def test_secrets_are_sent_and_not_shown():
    address = parse_address("https://user:p%40ssword@host/v1?api_key=query-key", {"OPENAI_API_KEY": KEY})
    basic = base64.b64encode(b"user:p@ssword").decode()
    assert address.shown == "https://host/v1"
    assert address.query == "api_key=query-key"
    assert address.authorization == f"Basic {basic}"
    secrets = (KEY, basic, "p%40ssword", "p@ssword", "query-key")
    assert address.line(" ".join(secrets)) == "*** *** *** *** ***"
    assert not [secret for secret in secrets if secret in repr(address)]


def test_the_first_key_counts():
    environment = {"PROX_API_KEY": f" {KEY}\n", "OPENAI_API_KEY": "other-key"}
    address = parse_address(URL, environment)
    assert (address.authorization, address.key_variable) == (f"Bearer {KEY}", "PROX_API_KEY")
    address = parse_address(URL, environment | {"PROX_API_KEY": " "})
    assert (address.authorization, address.key_variable) == ("Bearer other-key", "OPENAI_API_KEY")


def test_what_is_too_short_to_be_a_secret_is_left_in_texts():
    assert parse_address("http://a:b@host/v1?c=d", {"PROX_API_KEY": "abc"}).line("abc d b") == "abc d b"


def test_a_secret_within_another_leaves_no_rest():
    assert parse_address("http://host/v1?key=secret", {"PROX_API_KEY": "secret-key"}).masked("secret-key") == "***"


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.2", True), ("[::1]", True), ("10.0.0.1", False), ("localhost.example", False)],
)
def test_this_machine_is_local(host, local):
    assert parse_address(f"http://{host}:8000/v1", {}).local is local


@pytest.mark.parametrize(
    "url", ["", "small", "127.0.0.1:8000/v1", "ftp://host/v1", "http://", "http://host:port/v1", "http://[::1/v1"]
)
def test_what_is_no_url_is_a_wrong_use(url):
    with pytest.raises(UsageError, match="is not the URL of a server"):
        parse_address(url, {})


@pytest.mark.parametrize(
    "url", ["user:p@ssword@host/v1", "http://user:p@ssword@host:x/v1?key=query-key", "?key=query-key"]
)
def test_a_url_that_is_none_hides_its_secrets(url):
    with pytest.raises(UsageError) as raised:
        parse_address(url, {})
    assert "ssword" not in str(raised.value)
    assert "query-key" not in str(raised.value)


@pytest.mark.parametrize("key", ["sk-schlüssel", "two words", "line\nbreak"])
def test_a_key_that_is_none_is_not_shown(key):
    with pytest.raises(UsageError) as raised:
        parse_address(URL, {"PROX_API_KEY": key})
    assert "PROX_API_KEY" in str(raised.value)
    assert key not in str(raised.value)


def test_a_line_is_short_and_printable():
    address = parse_address(URL, {"PROX_API_KEY": KEY})
    assert address.line("no\nroom\x00 here") == "no room here"
    assert len(address.line("<p>sorry</p>" * 1000)) == ERROR_LENGTH
    assert KEY[:4] not in address.line("x" * (ERROR_LENGTH - 10) + KEY)


def test_logs_are_masked():
    address = parse_address(f"{URL}?key=query-key", {})
    record = logging.LogRecord("httpx", logging.INFO, "", 0, "%s %s", ("GET", f"{URL}?key=query-key"), None)
    assert address.log_filter(record)
    assert record.getMessage() == f"GET {URL}?key=***"
