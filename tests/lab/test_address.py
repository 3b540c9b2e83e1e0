"""OLLAMA_HOST means what Ollama's own client makes of it; what nobody could call is a sentence."""

import pytest

from quantlab.lab.address import read_address, server_address
from quantlab.lab.server import LabError, Server
from tests.lab.stand_in import ollama_that, stand_in

# what Ollama's tests of envconfig.Host and ConnectableHost (0.34.2) ask, as a client sees it
SAME_AS_OLLAMA = {
    "": "http://127.0.0.1:11434", "1.2.3.4": "http://1.2.3.4:11434", ":1234": "http://127.0.0.1:1234",
    "1.2.3.4:1234": "http://1.2.3.4:1234", "example.com": "http://example.com:11434",
    "example.com:1234": "http://example.com:1234", ":0": "http://127.0.0.1:0",
    ":66000": "http://127.0.0.1:11434", ":-1": "http://127.0.0.1:11434", "[::1]": "http://[::1]:11434",
    "::1": "http://[::1]:11434", "[::1]:1337": "http://[::1]:1337", "[::]": "http://[::1]:11434",
    "[::]:1234": "http://[::1]:1234", " 1.2.3.4 ": "http://1.2.3.4:11434",
    '"1.2.3.4"': "http://1.2.3.4:11434", ' " 1.2.3.4 " ': "http://1.2.3.4:11434",
    "'1.2.3.4'": "http://1.2.3.4:11434", "http://1.2.3.4": "http://1.2.3.4:80",
    "http://1.2.3.4:4321": "http://1.2.3.4:4321", "https://1.2.3.4": "https://1.2.3.4:443",
    "https://1.2.3.4:4321": "https://1.2.3.4:4321", "ollama.com": "https://ollama.com:443",
    "https://example.com/ollama": "https://example.com:443/ollama", "127.0.0.1": "http://127.0.0.1:11434",
    "0.0.0.0": "http://127.0.0.1:11434", "0.0.0.0:1234": "http://127.0.0.1:1234",
    "192.168.1.5:8080": "http://192.168.1.5:8080", "https://0.0.0.0:4321": "https://127.0.0.1:4321"}
# of the same kinds, read in its source
ALSO = {
    "::": "http://[::1]:11434", "[::1": "http://[::1]:11434", "fe80::2": "http://[fe80::2]:11434",
    "http://::1": "http://[::1]:80", "https://[::1]": "https://[::1]:443", "::ffff:0.0.0.0":
    "http://127.0.0.1:11434", "[fe80::1%eth0]:99": "http://[fe80::1%eth0]:99", "http://":
    "http://127.0.0.1:80", "https://": "https://127.0.0.1:443", "https:///ollama":
    "https://127.0.0.1:443/ollama", "localhost:": "http://localhost:11434",
    "localhost:port": "http://localhost:11434", "https://localhost:70000": "https://localhost:443",
    "HTTP://localhost": "http://localhost:11434", "localhost:+80": "http://localhost:80",
    "localhost:1/a b?c": "http://localhost:1/a%20b%3Fc", "ollama.com:11434": "http://ollama.com:11434",
    "https://ollama.com": "https://ollama.com:443", "/path": "http://127.0.0.1:11434/path",
    "localhost:65535": "http://localhost:65535", "localhost:65536": "http://localhost:11434"}


@pytest.mark.parametrize(("host", "url"), [*SAME_AS_OLLAMA.items(), *ALSO.items()])
def test_a_client_calls_what_ollama_s_own_client_calls(host, url, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert server_address() == Server().address == url


@pytest.mark.parametrize(("host", "words"), [
    ("ftp://localhost", "begins with ftp://"), ("://x", "begins with ://"), ("a b", "would be 'a b'"),
    ("a:b:c", "would be 'a:b:c'"), ("localhost?x=1", "its host"), ("[x", "its host"), ("[::1]x", "its host"),
    ("fe80::zz", "its host"), ("1.2.3.4\\x", "its host"), ("fe80::1%a]b", "its host")])
def test_what_no_client_can_call_is_refused_with_what_would_be_right(host, words):
    with pytest.raises(ValueError, match="is no address") as error:
        server_address(host)
    assert words in str(error.value)


@pytest.mark.parametrize("host", ["me:geheim@host", "http://me:geheim@host:99", "https://geheim@host/path",
                                  "https://me:geh@eim@host", "me:geheim@[::1]:99"])
def test_a_password_in_the_address_gets_a_sentence_that_does_not_repeat_it(host):
    with pytest.raises(LabError, match="a user or a password") as error:
        Server(host).version()
    assert error.value.kind == "down" and "…@" in str(error.value)
    assert not any(secret in str(error.value) for secret in ("geheim", "geh", "eim", "me:"))


@pytest.mark.parametrize("host", ["127.0.0.1:66000", "127.0.0.1:port", "127.0.0.1:-1"])
def test_where_a_port_was_not_taken_the_failed_call_says_so(host, monkeypatch):
    assert f"OLLAMA_HOST={host!r} has no port" in read_address(host)[1]
    monkeypatch.setattr("quantlab.lab.address.USUAL_PORT", "9")
    with pytest.raises(LabError, match=r"No Ollama answers at http://127\.0\.0\.1:9\. .* has no port"):
        Server(host).version()
    assert read_address("127.0.0.1:66")[1] == "" and "any free port" in read_address(":0")[1]


def test_a_server_behind_a_path_is_asked_there():
    asked = []

    def answer(path, body):
        asked.append(path)
        return ollama_that(path.removeprefix("/proxy/ollama"), body)

    with stand_in(answer) as url:
        assert Server(url + "/proxy/ollama/").version() == "0.0"
        assert len(Server(url + "/proxy/ollama").models()) == 7
    assert asked == ["/proxy/ollama/api/version", "/proxy/ollama/api/tags"]
