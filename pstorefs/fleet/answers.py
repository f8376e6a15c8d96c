"""The meaning of stores' answers. Pure.

obstore gives the status and the code of an answer only in the words of its error, and what became
of a request without an answer only in Rust's debug form. All functions here take these words.

Answers of Azure, Google and AWS that no server in tests/fleet gives are taken from their documents
and from reports of others; tests/fleet/test_answers.py hands them out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pstorefs.fleet.store import REFUSED, RETRY, Answer
from pstorefs.system.printable import printable


class Kind(NamedTuple):
    """The peculiarities of one kind of store.

    `config`: what obstore is told always. `endpoint`, `region`: what it calls these options; empty:
    there is none. `there`: refusals of a create that mean that the object is there already: a
    status, and a piece of the answer behind it. `lookup`: what to do about a host without address.
    `variables`: how those of the environment begin that are one line of ASCII each.
    """

    config: dict[str, str]
    endpoint: str
    region: str
    there: tuple[tuple[int, str], ...]
    lookup: str = ""
    variables: str = ""


KINDS = {
    # 409 is another PUT of the same key at the same time, which may fail.
    "s3": Kind(
        {"checksum_algorithm": "SHA256", "conditional_put": "etag"},
        "endpoint",
        "region",
        ((412, ""),),
        variables="AWS_",
    ),
    # 409 is a container that is being deleted as well, and then nothing is stored. 403: a SAS that
    # may create, and not overwrite, hears of that first (github.com/Azure/azure-cli/issues/19203).
    "az": Kind(
        {},
        "endpoint",
        "",
        (
            (409, "<Code>BlobAlreadyExists<"),
            (409, "<Code>BlobImmutableDueToPolicy<"),
            (403, "<Code>UnauthorizedBlobOverwrite<"),
            (412, ""),
        ),
        "is AZURE_STORAGE_ACCOUNT_NAME right?",
        "AZURE_",
    ),
    # Overwriting needs the permission to delete, creating does not. A key that may only create may
    # get that answer first.
    "gs": Kind(
        {},
        "base_url",
        "",
        ((412, ""), (403, "does not have storage.objects.delete access")),
    ),
}

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,80})</Code>")
_LONGEST = 20_000
# What obstore says, in the debug form of Rust, of requests that got no answer.
_LOOKUP = re.compile(r'error: "(failed to lookup address [^"\n]{0,100})')
_CAUSES = (
    (_LOOKUP, RETRY),
    (re.compile(r'message: "([^"\n]{1,100})"'), RETRY),
    (re.compile(r"(InvalidCertificate)\(\s{0,99}(?:NotValidYet|Expired)"), RETRY),
    (re.compile(r"(InvalidCertificate)"), REFUSED),
    (re.compile(r"kind: (Timeout)"), RETRY),
    # An answer that is not HTTP, or not TLS; and an end of the connection instead of either.
    (re.compile(r"error: (InvalidMessage)\("), REFUSED),
    (re.compile(r"(tls handshake eof)"), RETRY),
    (re.compile(r"hyper::Error\(\s{0,99}(IncompleteMessage)"), RETRY),
    (re.compile(r"hyper::Error\(\s{0,99}(Parse)\("), RETRY),
    # 301 of S3, which says the region in a header that obstore does not show.
    (re.compile(r"(redirect without LOCATION)"), REFUSED),
)
LATE = "no answer in time"
_REDIRECTED = (
    "a redirection, which is not followed: check endpoint=, and any proxy before the store"
)
# An answer of success that is none of a store: of a proxy, or where guests log in.
_NO_ETAG = ("ETag Header missing", "Content-Length Header missing")
NO_STORE = "the answer is not from a store: check endpoint=, and any proxy before the store"
_REGION = "the bucket is in another region: give region="
_OF_CAUSES = {
    "redirect without LOCATION": _REGION,
    "InvalidCertificate": "the store's certificate is not trusted: check ca= and the clock",
    "Timeout": LATE,
    "InvalidMessage": "the server there does not speak TLS: must endpoint= begin with http://?",
    "tls handshake eof": "the connection ended before TLS began: does the store speak TLS?",
    "IncompleteMessage": "the connection ended before an answer",
    "Parse": "the answer is not HTTP: check endpoint=; does it have to begin with https://?",
}
# Where obstore asks for credentials if it was given none: EC2 and Google, ECS and EKS.
_METADATA = ("//169.254.169.254", "//169.254.170.2", "//metadata.google.internal")
# The cloud of Azure makes a token of an id and a secret, or does not.
_NO_TOKEN = "Error performing token request"  # noqa: S105 (words)
_CONDITION = ("NotImplemented", "NotSupported", "UnsupportedHeader")
# What S3 says with a status that means something else as well: the clock, a token that ran out, a
# slow line, bytes that changed on their way.
_PASSING_CODES = frozenset(
    (
        *("RequestTimeTooSkewed", "RequestExpired", "ExpiredToken", "TokenRefreshRequired"),
        *("RequestTimeout", "BadDigest", "InvalidDigest", "IncompleteBody", "SlowDown"),
        *("XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InternalError"),
        *("ServiceUnavailable", "OperationAborted", "ConditionalRequestConflict"),
    )
)
# Of one object, and not of the store.
_OWN_FAULT = (400, 411, 413, 414, 422)
_PASSING = (408, 409, 425, 429)
_HINTS = {
    301: _REGION,
    302: _REDIRECTED,
    303: _REDIRECTED,
    307: _REGION,
    308: _REDIRECTED,
    401: "the credentials are not accepted",
    403: "the credentials are not accepted, or do not allow it",
    404: "no such bucket",
}
_HINTS_OF_CODES = {
    "NoSuchKey": "no such object",
    "InvalidBucketName": "see the URL; or the store has its buckets in another place of it"
    " (AWS_VIRTUAL_HOSTED_STYLE_REQUEST)",
    "BlobNotFound": "no such object",
    "ContainerNotFound": "no such container",
    # A request that is signed for another region than that of the bucket.
    "AuthorizationHeaderMalformed": _REGION,
    # Azure says this also of a SAS that has expired, and of a machine whose clock is wrong.
    "AuthenticationFailed": "the credentials are not accepted, or have expired, or the clock is"
    " wrong",
}
# What obstore says of settings, and what to do. Azure's own tools have other names.
_TO_DO = {
    "Account must be specified": "set AZURE_STORAGE_ACCOUNT_NAME",
    "'azure_storage_account'": "set AZURE_STORAGE_ACCOUNT_NAME",
    "'azure_storage_key'": "set AZURE_STORAGE_ACCOUNT_KEY",
    "'azure_storage_connection_string'": "set AZURE_STORAGE_ACCOUNT_NAME and ..._KEY",
    "Missing AccessKeyId": "set AWS_ACCESS_KEY_ID",
    "Missing SecretAccessKey": "set AWS_SECRET_ACCESS_KEY",
    "ailed to parse": "see the variables AWS_..., AZURE_... or GOOGLE_... in the environment",
    "root_certificate": "see ca=",
}


def answer(said: str) -> tuple[int, str]:
    """The status of a store's answer, 0 if there was none, and the code in it, S3's or Azure's."""
    status, code = _STATUS.search(said, 0, _LONGEST), _CODE.search(said, 0, _LONGEST)
    return int(status[1]) if status else 0, code[1] if code else ""


def is_there(kind: Kind, said: str) -> bool:
    """Whether a create was refused because the object is there already."""
    match = _STATUS.search(said, 0, _LONGEST)
    return match is not None and any(
        int(match[1]) == status and said.find(words, match.end(), _LONGEST) >= 0
        for status, words in kind.there
    )


def takes_no_conditions(said: str) -> bool:
    """Whether a create was refused because the store cannot do that."""
    status, code = answer(said)
    return status == 501 or code in _CONDITION


def judge(kind: Kind, said: str) -> Answer:
    """What became of a request that failed: `RETRY` or `REFUSED`."""
    status, code = answer(said)
    if any(place in said.partition(" in ")[0] for place in _METADATA):
        words = "no credentials are given, and this machine has none from its cloud"
        return Answer(RETRY, words, store_wide=True)
    if status == 0:
        return _unanswered(kind, said[:_LONGEST])
    words = " ".join(filter(None, (str(status), code)))
    if status >= 500 or status in _PASSING or code in _PASSING_CODES:
        return Answer(RETRY, words, store_wide=True)
    if _NO_TOKEN in said.partition("\n")[0]:
        return Answer(REFUSED, f"{words}: the cloud gives no token for these credentials", True)
    hint = _HINTS_OF_CODES.get(code) or _HINTS.get(status)
    if hint:
        words = f"{words}: {hint}"
    return Answer(REFUSED, words, store_wide=bool(hint) or status not in _OWN_FAULT)


def _unanswered(kind: Kind, said: str) -> Answer:
    """What became of a request without an answer. It may have been carried out all the same."""
    for pattern, result in _CAUSES:
        if match := pattern.search(said):
            words = _OF_CAUSES.get(match[1], match[1])
            hint = f": {kind.lookup}" if pattern is _LOOKUP and kind.lookup else ""
            return Answer(result, f"{printable(words)}{hint}", store_wide=True)
    if any(words in said for words in _NO_ETAG):
        return Answer(RETRY, NO_STORE, store_wide=True)
    return Answer(
        RETRY, printable(said.partition("\n")[0].rpartition(" - ")[2])[:300], store_wide=True
    )


def first_line(said: str) -> str:
    """One line for people of what obstore says."""
    line = said.partition("\n")[0]
    return printable(line.rpartition(" - ")[2] or line)[:300]


def unusable(said: str) -> str:
    """One line for people, of settings that obstore does not take."""
    line = first_line(said)
    return "".join((line, *(f": {do}" for words, do in _TO_DO.items() if words in line)))
