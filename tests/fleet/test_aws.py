"""The policy of docs/fleet.md for AWS, as far as moto enforces IAM: it evaluates no conditions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest

from pstorefs.fleet import ship
from pstorefs.fleet.objects import Objects
from pstorefs.fleet.remote import RemoteError
from pstorefs.fleet.store import EXISTS, REFUSED
from tests.fleet import servers, site

ROOT = Path(__file__).parents[2]
SLOW = Path(sys.executable).parents[1] / "slow/bin"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (SLOW / "moto_server").exists(), reason="no moto: tests/run slow installs it"
    ),
]
#: Run by moto's own Python. So many actions are not checked: those that make what is checked.
_UNCHECKED = 4
_SETUP = """
import boto3, sys
about = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="x",
             aws_secret_access_key="x")
iam = boto3.client("iam", **about)
iam.create_user(UserName="machine")
iam.put_user_policy(UserName="machine", PolicyName="drop", PolicyDocument=sys.argv[2])
boto3.client("s3", **about).create_bucket(Bucket="crashes")
key = iam.create_access_key(UserName="machine")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
"""


def policy() -> str:
    """The text of it, which must be JSON."""
    document = (ROOT / "docs" / "fleet.md").read_text()
    found = re.search(
        r'^    (\{"Version": "2012-10-17".*?)\n\n', document, re.DOTALL | re.MULTILINE
    )
    assert found
    assert json.loads(found[1])["Statement"][0]["Condition"]
    return found[1]


class Aws:
    def __init__(self, endpoint: str, key: tuple[str, str]) -> None:
        self.endpoint, self.key = endpoint, key

    def engine(self, prefix: str = "fleet") -> Objects:
        named = {"AWS_ACCESS_KEY_ID": self.key[0], "AWS_SECRET_ACCESS_KEY": self.key[1]}
        return servers.engine(f"s3://crashes/{prefix}", self.endpoint, named)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    (port,) = servers.free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    words = ["env", f"INITIAL_NO_AUTH_ACTION_COUNT={_UNCHECKED}", SLOW / "moto_server"]
    words += ["-H", "127.0.0.1", "-p", str(port)]
    with servers.served(words, port, tmp_path_factory.mktemp("moto"), "/moto-api/"):
        made = subprocess.run(
            [SLOW / "python", "-c", _SETUP, endpoint, policy()],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        name, secret = made.stdout.split()
        yield Aws(endpoint, (name, secret))


def test_a_machine_with_the_policy_of_the_documents_ships_all(aws: Aws, tmp_path: Path) -> None:
    archive = site.archived(tmp_path)
    for state in ("state", "lost"):  # with receipts lost, all is sent again
        results = site.run(site.sender(archive, tmp_path / state, aws.engine()))
        assert len(results) == 10
        assert ship.status(results) == 0


def test_the_machines_key_may_put_the_canary_of_check_once(aws: Aws) -> None:
    key = "v1/check/00/machine"
    assert aws.engine().put(key, b"x", "x/y").there
    assert aws.engine().put(key, b"y", "x/y").result == EXISTS


FORBIDDEN: dict[str, Callable[[Objects], object]] = {
    "list": lambda store: store.names("v1/index/"),
    "folders": lambda store: store.folders("v1/"),
    "get": lambda store: store.get("v1/check/00/machine", 10),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_machines_key_reads_nothing(what: str, aws: Aws) -> None:
    with pytest.raises(RemoteError, match=r"403 AccessDenied.*do not allow it"):
        FORBIDDEN[what](aws.engine())


def test_the_machines_key_deletes_nothing(aws: Aws) -> None:
    assert aws.engine().put("v1/check/00/kept", b"x", "x/y").there
    with pytest.raises(obstore.exceptions.BaseError, match="AccessDenied"):
        obstore.delete(aws.engine()._store, "v1/check/00/kept")
    assert aws.engine().put("v1/check/00/kept", b"x", "x/y").result == EXISTS


@pytest.mark.parametrize("key", ["v1/compact/date=2026-11-28/all.parquet", "v1/x", "x"])
def test_it_writes_nowhere_else(key: str, aws: Aws) -> None:
    assert aws.engine().put(key, b"x", "x/y").result == REFUSED
    assert aws.engine("other").put("v1/dumps/x", b"x", "x/y").result == REFUSED
