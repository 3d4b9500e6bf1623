"""A sealed landing folder is never changed; only `expire` removes what is in it, and says why."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from lgsp import signing
from lgsp.errors import ContractError, PublicationFailed
from lgsp.land import archive
from lgsp.land.archive import Batch, Pack
from lgsp.signing import SigningKey

FACTS = {
    "batch_id": "documents.w.1-000001",
    "source": "documents",
    "from": "2026-08-01",
    "to": "2026-08-02",
    "declared": 1,
    "read": 1,
    "gap": 0,
}


def _sealed(folder: Path) -> Path:
    pack = Pack(folder)
    pack.annotate(pack.append("edocs", "getEdoc 1", 200, b"<a/>", 0.1, is_durable=True), is_whole=True, records=1)
    pack.seal(FACTS)
    return folder


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_sealed_folder_refuses_a_second_pack(tmp_path: Path) -> None:
    folder = _sealed(tmp_path / "documents" / "batch")
    before = _content(folder)
    for attempt in (Pack, archive.remove_unsealed):
        with pytest.raises(ContractError, match="sealed batch, which is never replaced"):
            attempt(folder)
    assert _content(folder) == before


def test_a_moved_pack_does_not_replace_a_sealed_folder(tmp_path: Path) -> None:
    folder = _sealed(tmp_path / "sealed")
    pack = Pack(tmp_path / "sweep-1")
    with pytest.raises(OSError, match="not empty"):
        pack.move(folder)
    assert Batch.open(folder).prove()


def test_an_unsealed_folder_is_replaced(tmp_path: Path) -> None:
    Pack(tmp_path / "batch").close_unsealed()
    assert Batch.open(_sealed(tmp_path / "batch")).prove()


def test_the_manifest_has_all_that_a_ledger_needs(tmp_path: Path) -> None:
    landed = Batch.open(_sealed(tmp_path / "batch"))
    assert landed.manifest["format"] == archive.FORMAT and FACTS.items() <= landed.manifest.items()
    assert landed.opened_at <= landed.sealed_at and landed.purpose == "window"


@pytest.mark.parametrize(
    ("entries", "purpose"), [({}, "window"), ({"deleted": []}, "sweep"), ({"purpose": "sweep"}, "sweep")]
)
def test_a_manifest_of_the_first_format_stays_readable(
    tmp_path: Path, entries: dict[str, object], purpose: str
) -> None:
    folder = _sealed(tmp_path / "batch")
    manifest = {
        name: value
        for name, value in Batch.open(folder).manifest.items()
        if name not in ("format", "opened_at", "sealed_at")
    }
    (folder / archive.MANIFEST).write_bytes(orjson.dumps({**manifest, **entries}))
    landed = Batch.open(folder)
    assert landed.purpose == purpose and landed.opened_at == landed.sealed_at and landed.prove()


def test_a_manifest_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    folder = _sealed(tmp_path / "batch")
    manifest = Batch.open(folder).manifest
    (folder / archive.MANIFEST).write_bytes(orjson.dumps({**manifest, "format": archive.FORMAT + 1}))
    with pytest.raises(ContractError, match="of a newer version of lgsp"):
        Batch.open(folder)


@pytest.mark.parametrize("name", ["bodies.pack", "calls.jsonl"])
def test_every_flipped_byte_is_found(tmp_path: Path, name: str) -> None:
    folder = _sealed(tmp_path / "batch")
    content = (folder / name).read_bytes()
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 0x20
        (folder / name).write_bytes(bytes(flipped))
        with pytest.raises(ContractError, match="was altered after landing"):
            Batch.open(folder).prove()


def test_an_expired_batch_says_why_and_is_signed(tmp_path: Path) -> None:
    key, folder = SigningKey.from_pem(signing.new_key()), _sealed(tmp_path / "batch")
    archive.expire(folder, "older than ten years", key)
    assert sorted(_content(folder)) == ["expired.json", "expired.json.sig"]
    content, signature = (_content(folder)[name] for name in ("expired.json", "expired.json.sig"))
    signing.verify(key.public, content, signature, "expired.json")
    with pytest.raises(PublicationFailed):
        signing.verify(key.public, content + b" ", signature, "expired.json")
    with pytest.raises(ContractError, match="was removed: older than ten years"):
        Batch.open(folder)
    with pytest.raises(ContractError, match="never replaced"):
        Pack(folder)
    archive.expire(folder, "again", key)
    assert _content(folder)["expired.json"] == content


def test_an_expiry_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    key, folder = SigningKey.from_pem(signing.new_key()), _sealed(tmp_path / "batch")
    kept = _content(folder)
    archive.expire(folder, "an erasure", key)
    (folder / "bodies.pack").write_bytes(kept["bodies.pack"])
    archive.expire(folder, "an erasure", key)
    assert not (folder / "bodies.pack").exists()


def test_nothing_else_removes_landed_files(root: Path) -> None:
    allowed = {"land/archive.py"}
    ways = re.compile(r"rmtree|unlink|rmdir|os\.remove|\.rename\(|shutil\.move")
    found = {
        str(path.relative_to(root / "include" / "lgsp"))
        for path in (root / "include" / "lgsp").rglob("*.py")
        if ".landing" in (text := path.read_text(encoding="utf-8")) and ways.search(text)
    }
    # these remove staging folders, and the unpacked copy of a backup, only
    assert found - allowed <= {
        "harmonise/stage.py",
        "maintain/retention.py",
        "maintain/backup.py",
        "maintain/withdraw.py",
    }, (  # fmt: skip
        "landing is removed by archive.expire alone"
    )
