"""A server that speaks S3 as far as LIST and GET go, and says what a test wants.

Real ones refuse to keep what it hands out.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from typing_extensions import Self

_PAGE = 1000


class Liar:
    """`objects`: by key, the prefix included. Keys may be what no client would make."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.seen: list[str] = []
        self.dead = False
        #: Whether a list begins where it is asked to; on Azurite it does not.
        self.begins = True
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.dead = True  # connections that are open end, too
        self._server.shutdown()
        self._server.server_close()

    def listed(self, query: dict[str, list[str]]) -> bytes:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        begin = query.get("start-after", [""]) if self.begins else [""]
        after = query.get("continuation-token", begin)[0]
        found: list[str] = []
        folders: dict[str, None] = {}
        for key in sorted(self.objects):
            if not key.startswith(prefix) or key <= after:
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders[prefix + rest.partition(delimiter)[0] + delimiter] = None
            else:
                found.append(key)
        page, more = found[:_PAGE], len(found) > _PAGE
        text = "".join(
            f"<Contents><Key>{_xml(key)}</Key><LastModified>2026-11-28T10:00:00.000Z</LastModified>"
            f"<ETag>x</ETag><Size>{len(self.objects[key])}</Size></Contents>"
            for key in page
        )
        text += "".join(
            f"<CommonPrefixes><Prefix>{_xml(one)}</Prefix></CommonPrefixes>" for one in folders
        )
        if more:
            text += f"<NextContinuationToken>{_xml(page[-1])}</NextContinuationToken>"
        truncated = str(more).lower()
        return (
            f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{text}</ListBucketResult>"
        ).encode()


def _xml(key: str) -> str:
    return "".join(c if c >= " " else f"&#{ord(c)};" for c in escape(key))


def _handler(liar: Liar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Silent."""

        def do_GET(self) -> None:
            if liar.dead:
                self.close_connection = True
                return
            where = urlsplit(self.path)
            liar.seen.append(where.path)
            if "list-type" in where.query:
                self._answer(200, liar.listed(parse_qs(where.query)))
                return
            data = liar.objects.get(unquote(where.path).split("/", 2)[2])
            self._answer(404 if data is None else 200, data or b"")

        def _answer(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
            self.send_header("ETag", quoteattr("x"))
            self.end_headers()
            self.wfile.write(data)

    return Handler
