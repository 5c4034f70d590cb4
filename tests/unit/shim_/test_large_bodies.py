"""A large body is written piece by piece, and comes out as a small one does."""

from __future__ import annotations

import json

import pytest

from shim.encoding import as_json_text


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_pieces_make_the_same_text(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.dumps({"path\\": 'a "word" \\ and \\" more', "more": ["\\"] * 9}).encode()
    whole = as_json_text(document)
    monkeypatch.setattr("shim.encoding.LARGE_BYTES", piece)
    assert bytes(as_json_text(document)) == whole
    assert json.loads(b'"' + whole + b'"').encode() == document
