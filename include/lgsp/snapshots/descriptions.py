"""Write the files that describe the tables of a snapshot: contracts, JSON Schemas, expectation suites, data dictionary.

    contracts/<table>.odcs.yaml            the published contract (Open Data Contract Standard)
    contracts/<table>.schema.json          JSON Schema of a row
    contracts/<table>.expectations.json    suite of Great Expectations
    contracts/data-dictionary.md           all tables in two languages

They change with the program or the settings, not with the data: a snapshot has hard links to the files of the previous one,
and nothing is encoded while program and settings are the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lgsp import files as durable
from lgsp.schema import contract, dictionary, expectation_suite, json_schema, odcs
from lgsp.schema.fingerprint import fingerprint
from lgsp.schema.installation import Installation
from lgsp.snapshots.manifest import DescriptionFile, Descriptions, Manifest

FOLDER = "contracts"
DICTIONARY = f"{FOLDER}/data-dictionary.md"


def write(folder: Path, installation: Installation, previous: Path | None, published: Manifest | None) -> Descriptions:
    """Write the descriptions into a snapshot's folder; their entry in its manifest.

    `previous` is the folder of the previous snapshot and `published` its manifest: equal files are linked from there.
    """
    made_of = Descriptions(program=_program(), installation=installation.as_record(), files=[])
    before = published.get("descriptions") if published else None
    (folder / FOLDER).mkdir()
    if before and previous and {**before, "files": []} == made_of:
        if all(_link(previous, folder, file) for file in before["files"]):
            return before
    known = {file["path"]: file for file in before["files"]} if before else {}
    listed = []
    for path, content in encoded(installation).items():
        file = DescriptionFile(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        if not (previous and known.get(path) == file and _link(previous, folder, file)):
            (folder / path).unlink(missing_ok=True)  # never write through a link into the previous snapshot
            durable.write(folder / path, content)
        listed.append(file)
    return {**made_of, "files": listed}


@cache
def encoded(installation: Installation) -> dict[str, bytes]:
    """The content of each file, by its path in the snapshot's folder."""
    return dict(_encode(installation))


def _encode(installation: Installation) -> Iterator[tuple[str, bytes]]:
    for table in contract.every():
        path = f"{FOLDER}/{table.name}"
        yield f"{path}{odcs.SUFFIX}", odcs.text(table, installation).encode()
        yield f"{path}{json_schema.SUFFIX}", json_schema.encode(table)
        yield f"{path}{expectation_suite.SUFFIX}", expectation_suite.encode(table)
    yield DICTIONARY, dictionary.published().encode()


def _link(previous: Path, folder: Path, file: DescriptionFile) -> bool:
    """Link an unaltered file of the previous snapshot; False when it is not there, was altered, or cannot be linked."""
    source, target = previous / file["path"], folder / file["path"]
    try:
        if hashlib.sha256(source.read_bytes()).hexdigest() != file["sha256"]:
            return False
        os.link(source, target)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


@cache
def _program() -> str:
    """A fingerprint of everything that the descriptions are made of, except the settings."""
    package = contract.FOLDER.parent
    folders = (contract.FOLDER, contract.RULES, package / "codelists", package / "schema", package / "sources")
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".yml", ".py")]
    return fingerprint([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])
