"""What report.txt says where a dump's text holds no report of the dump itself."""

from __future__ import annotations

import pytest

from pstorefs.dump import group
from pstorefs.report import report_txt, summary_json
from pstorefs.report.context import Context
from pstorefs.report.material import DecodedMaterial
from tests.made import Texts, efi_name, record_of

OLDER = (
    "<1>[   10.000000] BUG: kernel NULL pointer dereference, address: 0000000000000018\n"
    "<4>[   10.000001] Oops: Oops: 0000 [#1] SMP\n"
    "<4>[   10.000002] RIP: 0010:f+0x4c/0x130\n"
    "<4>[   10.000003] Call Trace:\n<4>[   10.000004]  g+0x1/0x2\n"
    "<4>[   10.000005] ---[ end trace 0000000000000000 ]---\n"
)


@pytest.mark.parametrize(
    ("older", "words"),
    [
        (OLDER, b"The text holds no report of this dump itself, only of what came before;"),
        ("", b"The text holds no report of a crash;"),
    ],
)
def test_a_text_with_reports_is_not_said_to_hold_none(older: str, words: bytes) -> None:
    texts = Texts()
    text = f"Restart#2 Part1\n{older}<5>[   99.000000] reboot: Restarting system\n"
    (dump,) = group([record_of(efi_name(1_700_000_000, 1, 2), text.encode(), texts=texts)])
    made = DecodedMaterial(dump, texts)
    context = Context()
    keys = summary_json.completed(made.keys(), context)
    said = report_txt.report(keys, made.words(), context)
    assert said.splitlines()[-1].startswith(words)
    assert report_txt.words_of(said) == b""
