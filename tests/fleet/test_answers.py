"""What Azure, Google and AWS say, and no server does that runs here: handed out by a proxy.

The answers are those of their documents, and of what others saw.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pstorefs.fleet import answers
from pstorefs.fleet.objects import Objects
from pstorefs.fleet.remote import RemoteError
from pstorefs.fleet.store import EXISTS, REFUSED, RETRY, StoreError
from pstorefs.settings.ship import Ship
from tests.fleet import servers
from tests.fleet.liar import Liar

NAMED = {
    "s3": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
    "az": {"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "Yg=="},
    "gs": {"GOOGLE_BEARER_TOKEN": "b"},
}
DELETE = "me@x.iam does not have storage.objects.delete access to the Google Cloud Storage object."
CREATE = "me@x.iam does not have storage.objects.create access to the Google Cloud Storage object."


@pytest.fixture(scope="module")
def only_proxy() -> Iterator[servers.Proxy]:
    with servers.Proxy("http://127.0.0.1:1") as found:
        yield found


@pytest.fixture
def proxy(only_proxy: servers.Proxy) -> servers.Proxy:
    only_proxy.seen.clear()
    only_proxy.always, only_proxy.nonsense = 0, b""
    return only_proxy


def says(status: int, code: str, more: str = "") -> tuple[int, bytes]:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Details>{more}</Details></Error>"
    return status, body.encode()


#: What is said to a PUT, what that means, and words of what a user is told.
PUTS = [
    ("s3", says(412, "PreconditionFailed"), EXISTS, ""),
    ("s3", says(409, "ConditionalRequestConflict"), RETRY, "409"),
    ("s3", says(403, "AccessDenied", "BlobAlreadyExists"), REFUSED, "do not allow it"),
    ("s3", says(404, "NoSuchBucket"), REFUSED, "no such bucket"),
    # As AWS says it, with no place to go to: whoever takes it for passing never hears of it.
    ("s3", says(301, "PermanentRedirect"), REFUSED, "give region="),
    ("s3", says(400, "AuthorizationHeaderMalformed"), REFUSED, "give region="),
    ("s3", (200, b"<html>Welcome to our hotel</html>"), RETRY, "check endpoint="),
    ("az", says(409, "BlobAlreadyExists"), EXISTS, ""),
    ("az", says(409, "BlobImmutableDueToPolicy"), EXISTS, ""),
    ("az", says(403, "UnauthorizedBlobOverwrite"), EXISTS, ""),
    # Nothing is stored: to take these for "already there" would lose the dump.
    ("az", says(409, "ContainerBeingDeleted"), RETRY, "ContainerBeingDeleted"),
    ("az", says(409, "AccountBeingCreated"), RETRY, "AccountBeingCreated"),
    ("az", (409, b"<html>a proxy's</html>"), RETRY, "409"),
    ("az", says(403, "AuthorizationPermissionMismatch"), REFUSED, "do not allow it"),
    ("az", says(403, "AuthenticationFailed"), REFUSED, "the clock is wrong"),
    ("az", says(404, "ContainerNotFound"), REFUSED, "no such container"),
    ("az", says(503, "ServerBusy"), RETRY, "503 ServerBusy"),
    ("gs", says(412, "PreconditionFailed"), EXISTS, ""),
    ("gs", says(403, "AccessDenied", DELETE), EXISTS, ""),
    ("gs", says(403, "AccessDenied", CREATE), REFUSED, "do not allow it"),
    ("gs", says(409, "OperationAborted"), RETRY, "409"),
    ("gs", says(404, "NoSuchBucket"), REFUSED, "no such bucket"),
    ("gs", says(429, "SlowDown"), RETRY, "429"),
]


@pytest.mark.parametrize(("scheme", "said", "result", "words"), PUTS)
def test_only_what_is_there_is_taken_for_there(
    scheme: str, said: tuple[int, bytes], result: str, words: str, proxy: servers.Proxy
) -> None:
    proxy.always, proxy.nonsense = said
    outcome = servers.engine(f"{scheme}://crash/x", proxy.endpoint, NAMED[scheme]).put(
        "v1/x", b"x", "x/y"
    )
    assert outcome.result == result
    assert words in outcome.why
    assert bool(words) == bool(outcome.why)
    assert len(proxy.seen) == 1


def test_a_refusal_of_what_was_no_create_is_none_of_these(proxy: servers.Proxy) -> None:
    proxy.answers = [501, 412]  # the second one to a PUT without a condition
    outcome = servers.engine("s3://crash/x", proxy.endpoint, NAMED["s3"]).put("k", b"x", "x/y")
    assert (outcome.result, outcome.why) == (REFUSED, "412")


CREATES = [("s3", "if-none-match", "*"), ("az", "if-none-match", "*"),
           ("gs", "x-goog-if-generation-match", "0")]  # fmt: skip


@pytest.mark.parametrize(("scheme", "name", "value"), CREATES)
def test_every_put_is_one_that_only_creates(
    scheme: str, name: str, value: str, proxy: servers.Proxy
) -> None:
    proxy.always = 503
    servers.engine(f"{scheme}://crash/x", proxy.endpoint, NAMED[scheme]).put("k", b"x", "x/y")
    ((method, _, headers),) = proxy.seen
    assert (method, headers[name]) == ("PUT", value)


@pytest.mark.parametrize("code", ["NoSuchKey", "BlobNotFound"])
def test_an_object_that_is_missing_is_told_from_a_bucket(code: str, proxy: servers.Proxy) -> None:
    proxy.always, proxy.nonsense = says(404, code)
    scheme = "az" if code.startswith("Blob") else "s3"
    store = servers.engine(f"{scheme}://crash/x", proxy.endpoint, NAMED[scheme])
    with pytest.raises(RemoteError, match="no such object"):
        store.get("v1/x", 10)


@pytest.mark.parametrize("status", [400, 401])
def test_a_token_that_is_not_given_concerns_all_that_is_sent(
    status: int, proxy: servers.Proxy
) -> None:
    proxy.always, proxy.nonsense = status, b'{"error":"invalid_request"}'
    named = {
        "AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c",
        "AZURE_CLIENT_SECRET": "s", "AZURE_AUTHORITY_HOST": proxy.endpoint,
    }  # fmt: skip
    outcome = servers.engine("az://crash/x", "", named).put("k", b"x", "x/y")
    assert (outcome.result, outcome.store_wide) == (REFUSED, True)
    assert "gives no token" in outcome.why


NAMES = [
    ("AZURE_STORAGE_ACCOUNT", "set AZURE_STORAGE_ACCOUNT_NAME"),
    ("AZURE_STORAGE_KEY", "set AZURE_STORAGE_ACCOUNT_KEY"),
    ("AZURE_STORAGE_CONNECTION_STRING", "set AZURE_STORAGE_ACCOUNT_NAME and"),
]


@pytest.mark.parametrize(("name", "words"), NAMES)
def test_names_of_azures_own_tools_in_a_file_are_told_with_ours(
    name: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text(f"{name}=secret\n")
    settings = Ship()
    settings.url, settings.credentials = "az://crash", str(tmp_path / "credentials")
    with pytest.raises(StoreError, match=words) as raised:
        Objects(settings)
    assert "secret" not in str(raised.value)


UNUSABLE = [
    ("az://crash", "", "", {}, "AZURE_STORAGE_ACCOUNT_NAME"),
    ("az://crash", "", "westeurope", NAMED["az"], "leave region= out"),
    ("gs://crash", "", "europe-west3", NAMED["gs"], "leave region= out"),
    ("gs://crash", "", "", {"GOOGLE_SERVICE_ACCOUNT": "/none"}, "/none: No such file"),
    ("s3://crash", "", "", {"AWS_ACCESS_KEY_ID": "k"}, "set AWS_SECRET_ACCESS_KEY"),
    ("s3://crash", "", "", {"AWS_SECRET_ACCESS_KEY": "s"}, "set AWS_ACCESS_KEY_ID"),
    ("s3://crash", "", "", NAMED["s3"] | {"AWS_DISABLE_TAGGING": "x"}, "in the environment"),
    # What `echo` makes of a secret, and what obstore panics of.
    ("s3://crash", "", "", NAMED["s3"] | {"AWS_ACCESS_KEY_ID": "k\n"}, "_KEY_ID has a line break"),
    ("s3://crash", "", "", NAMED["s3"] | {"AWS_SECRET_ACCESS_KEY": "k\n"}, "_ACCESS_KEY has a"),
    ("s3://crash", "", "", NAMED["s3"] | {"AWS_SESSION_TOKEN": "k\x01"}, "_TOKEN has a line break"),
    ("s3://crash", "", "", NAMED["s3"] | {"AWS_REGION": "\u00fc"}, "_REGION has a line break"),
    ("az://crash", "", "", NAMED["az"] | {"AZURE_STORAGE_ACCOUNT_NAME": "a\n"}, "_NAME has a line"),
]


@pytest.mark.parametrize(("url", "endpoint", "region", "named", "words"), UNUSABLE)
def test_settings_that_cannot_be_meant_are_told_with_what_to_do(
    url: str, endpoint: str, region: str, named: dict[str, str], words: str
) -> None:
    with pytest.raises(StoreError, match=words):
        servers.engine(url, endpoint, named, region)


def test_variables_of_another_cloud_are_none_of_our_business() -> None:
    named = NAMED["s3"] | {"AZURE_CLIENT_ID": "a\nb", "AWS_LAMBDA_WELCOME": "a\nb"}
    servers.engine("s3://crash", "", named)


def test_a_value_in_quotes_is_taken_as_shells_take_it(proxy: servers.Proxy, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "AWS_ACCESS_KEY_ID=\"quoted\"\r\nAWS_SECRET_ACCESS_KEY='secret'\n"
    )
    settings = Ship()
    settings.url, settings.endpoint = "s3://crash", proxy.endpoint
    settings.credentials = str(tmp_path / "credentials")
    proxy.always = 503
    Objects(settings).put("k", b"x", "x/y")
    ((_, _, headers),) = proxy.seen
    assert "Credential=quoted/" in headers["authorization"]


PROXIES = [
    ("http_proxy", "http://127.0.0.1:9", "is http_proxy right"),
    ("ALL_PROXY", "http://127.0.0.1:9", "is ALL_PROXY right"),
    ("HTTPS_PROXY", "http://127.0.0.1:9", ""),
]


@pytest.mark.parametrize(("name", "value", "words"), PROXIES)
def test_what_a_proxy_does_not_answer_is_told_with_its_variable(
    name: str, value: str, words: str, proxy: servers.Proxy
) -> None:
    proxy.always = 503
    named = NAMED["s3"] | {name: value}
    with servers.environment(named):
        outcome = servers.engine("s3://crash", proxy.endpoint, named).put("k", b"x", "x/y")
    assert outcome.result == RETRY
    assert words in outcome.why
    assert ("503" in outcome.why) == (not words)


def test_a_name_that_no_bucket_has_is_told_with_what_to_do(proxy: servers.Proxy) -> None:
    proxy.always, proxy.nonsense = says(400, "InvalidBucketName")
    outcome = servers.engine("s3://crash", proxy.endpoint, NAMED["s3"]).put("k", b"x", "x/y")
    assert (outcome.result, outcome.store_wide) == (REFUSED, True)
    assert "see the URL" in outcome.why


def test_an_account_that_there_is_not_is_told_by_its_name() -> None:
    named = NAMED["az"] | {"AZURE_STORAGE_ACCOUNT_NAME": "nosuchaccount"}
    endpoint = "https://nosuchaccount.blob.invalid"
    outcome = servers.engine("az://crash", endpoint, named).put("k", b"x", "x/y")
    assert outcome.result == RETRY
    assert "lookup" in outcome.why
    assert "AZURE_STORAGE_ACCOUNT_NAME" in outcome.why


@pytest.mark.parametrize("odd_key", ["b\nc", "b\x7fc", "b\u00fc\nc"])
@pytest.mark.parametrize(
    ("begins", "names", "words"), [(True, ["z"], "up to 999"), (False, [], "and after it")]
)
def test_a_key_without_a_name_ends_no_list_or_is_told_once(
    begins: bool, names: list[str], words: str, odd_key: str
) -> None:
    with Liar() as liar:
        liar.begins = begins
        liar.objects = {f"x/v1/{name}": b"" for name in ("a", odd_key, "z")}
        found = servers.engine("s3://crash/x", liar.endpoint, NAMED["s3"]).names("v1/")
        assert len(liar.seen) == 2
    assert found.names == names
    (odd,) = found.odd
    assert words in odd


@pytest.mark.parametrize("status", [302, 303, 308])
def test_a_redirection_to_elsewhere_says_what_to_look_at(status: int) -> None:
    """A login page before a store, with a Location, which obstore does not follow with a PUT."""
    words = f"Generic S3 error: Server returned non-2xx status code: {status} Found: "
    outcome = answers.judge(answers.KINDS["s3"], words)
    assert (outcome.result, outcome.store_wide) == (REFUSED, True)
    assert "check endpoint=" in outcome.why


#: Whether there is TLS, what whoever listens says, what that means, and words for the user.
NO_STORES = [
    (
        "https",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        REFUSED,
        "does not speak TLS",
    ),
    ("https", b"", RETRY, "before TLS began"),
    ("http", b"", RETRY, "ended before an answer"),
    ("http", b"SSH-2.0-OpenSSH_9.2\r\n" * 3, RETRY, "the answer is not HTTP"),
]


@pytest.mark.parametrize(("scheme", "said", "result", "words"), NO_STORES)
def test_what_is_no_store_is_called_what_it_is(
    scheme: str, said: bytes, result: str, words: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        endpoint = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        outcome = servers.engine("s3://b/p", endpoint, NAMED["s3"]).put("v1/x", b"x", "x/y")
        thread.join()
    assert (outcome.result, outcome.store_wide) == (result, True)
    assert words in outcome.why
