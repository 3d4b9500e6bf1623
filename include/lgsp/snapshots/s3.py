"""A bucket of S3-compatible storage: whole objects, written only under the condition their writer names."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from lgsp.errors import LgspError, SettingError

VARIABLE = "LGSP_SHARED_URL"
# An open file is streamed in pieces of this size, so memory is bounded by it and the number of threads.
PIECE = 1024 * 1024
THREADS = 4
PRECONDITION_FAILED, CONFLICT, NOT_FOUND = 412, 409, 404
# Of two writers at once a store may refuse both for now.
ATTEMPTS = 10

Item = TypeVar("Item")


class RemoteFailed(LgspError):
    """The remote side did not take, give or hold what it must; the local side and SQL are untouched."""


@dataclass(frozen=True)
class Thing:
    """An object as a listing shows it; its age is by the store's own clock."""

    size: int
    age: timedelta


OPTIONS = {"endpoint_url": "AWS_ENDPOINT_URL", "region_name": "AWS_DEFAULT_REGION"}


@dataclass(frozen=True)
class Bucket:
    """One bucket, and the prefix under which everything of ours lies."""

    name: str
    prefix: str = ""
    client: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def open(cls, url: str) -> Bucket:
        """The bucket of an address such as s3://bucket/prefix; endpoint and credentials by the AWS variables.

        Raises SettingError when it is no such address; the address is not shown, it may hold a secret.
        """
        found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/[\w./-]*)?", url)
        if not found:
            raise SettingError(f"{VARIABLE} must look like s3://bucket/prefix, without credentials or parameters")
        import boto3  # takes a third of a second
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        prefix = (found.group(2) or "").strip("/")
        # Only what was asked for: some stores refuse the checksums that newer clients add of their own accord.
        config = Config(
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, read_timeout=60,
        )  # fmt: skip
        try:
            # Compose hands on what is not set as empty
            given = {name: os.environ.get(variable) or None for name, variable in OPTIONS.items()}
            client = boto3.client("s3", config=config, **given)
        except (BotoCoreError, ValueError) as error:
            raise SettingError(
                f"{VARIABLE}: AWS_ENDPOINT_URL, AWS_PROFILE or another AWS variable makes no sense ({type(error).__name__})"
            ) from None
        return cls(found.group(1), f"{prefix}/" if prefix else "", client)

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def insist_on_conditions(self) -> None:
        """Make sure that the store enforces conditions. Raises SettingError when it does not: nothing would be safe there."""
        is_overwritten = self.put_new("conditions", b"") and self.put_new("conditions", b"")
        if is_overwritten or self.exchange("conditions", b"", '"a version it never had"'):
            raise SettingError(
                f"{VARIABLE}: the store of {self} ignores If-None-Match or If-Match, so two publishers could overwrite each other; "
                "choose one that enforces conditional writes"
            )

    def put_new(self, key: str, content: bytes | Path, sha256: str | None = None) -> bool:
        """Put an object where none is; False when there is one already. The digest of a file must be known."""
        for _ in range(ATTEMPTS):
            refused = self._put(key, content, sha256, (PRECONDITION_FAILED, CONFLICT), IfNoneMatch="*")
            if refused != CONFLICT:
                return refused is None
        raise RemoteFailed(f"{self}: {key} is written by others all the time; try again later")

    def put_over(self, key: str, content: bytes | Path, sha256: str | None = None) -> None:
        """Put an object, whether or not there is one; its age begins again."""
        self._put(key, content, sha256)

    def exchange(self, key: str, content: bytes, version: str | None) -> bool:
        """Put an object in place of a version that was read (None: of nothing); False when it is not there any more."""
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        return self._put(key, content, None, (PRECONDITION_FAILED, CONFLICT, NOT_FOUND), **condition) is None

    def holds(self, key: str, size: int, sha256: str) -> bool:
        """Whether an object has this size and was put with this digest."""
        told = self._ask("head_object", key, (NOT_FOUND,), ChecksumMode="ENABLED", **self._at(key))
        if isinstance(told, int):
            return False
        digest = told.get("ChecksumSHA256") or _base64(told["Metadata"].get("sha256", ""))
        return bool(told["ContentLength"] == size and digest == _base64(sha256))

    def get(self, key: str) -> tuple[bytes, str] | None:
        """A small object and its version; None when there is none."""
        answer = self._ask("get_object", key, (NOT_FOUND,), **self._at(key))
        if isinstance(answer, int):
            return None
        with answer["Body"] as body:
            return self._told("get_object", key, body.read), answer["ETag"]

    def digest(self, key: str) -> str | None:
        """The SHA-256 of an object as it comes back; None when there is none."""
        answer = self._ask("get_object", key, (NOT_FOUND,), **self._at(key))
        if isinstance(answer, int):
            return None
        digest = hashlib.sha256()
        with answer["Body"] as body:
            while piece := self._told("get_object", key, lambda: body.read(PIECE)):
                digest.update(piece)
        return digest.hexdigest()

    def things(self, folder: str) -> dict[str, Thing]:
        """Everything under a folder, by key; ages as of the beginning of the listing."""
        found: dict[str, Thing] = {}
        now, more = None, dict[str, Any]()
        while True:
            page = self._ask("list_objects_v2", folder, Prefix=self.prefix + folder, **more)
            now = now or parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
            for told in page.get("Contents", ()):
                found[told["Key"].removeprefix(self.prefix)] = Thing(told["Size"], now - told["LastModified"])
            if not page.get("NextContinuationToken"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, key: str) -> None:
        """Take an object away; nothing happens when there is none."""
        self._ask("delete_object", key, (NOT_FOUND,), **self._at(key))

    def _at(self, key: str) -> dict[str, str]:
        return {"Key": self.prefix + key}

    def _put(
        self, key: str, content: bytes | Path, sha256: str | None, refusals: tuple[int, ...] = (), **condition: str
    ) -> int | None:
        """Put an object under a condition; which of the foreseen refusals met it. The store checks the digest."""
        digest = sha256 or hashlib.sha256(content if isinstance(content, bytes) else content.read_bytes()).hexdigest()
        told = {"ChecksumSHA256": _base64(digest), "Metadata": {"sha256": digest}, **condition}
        with nullcontext(content) if isinstance(content, bytes) else content.open("rb") as body:
            answer = self._ask("put_object", key, refusals, Body=body, **self._at(key), **told)
        return answer if isinstance(answer, int) else None

    def _ask(self, verb: str, key: str, refusals: tuple[int, ...] = (), **told: Any) -> Any:
        """The store's answer, or which of the foreseen refusals it gave."""
        from botocore.exceptions import ClientError

        try:
            return self._told(verb, key, lambda: getattr(self.client, verb)(Bucket=self.name, **told))
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            if status in refusals and code != "NoSuchBucket":
                return int(status)
        raise RemoteFailed(
            f"{self} refused {verb} of {key or 'everything'}: {code} (HTTP {status}); "
            f"look at {VARIABLE}, AWS_ENDPOINT_URL and the rights of the AWS credentials"
        )

    def _told(self, verb: str, key: str, ask: Callable[[], Any]) -> Any:
        from botocore.exceptions import BotoCoreError

        try:
            return ask()
        except BotoCoreError as error:  # its words may hold the endpoint with a password in it
            why = type(error).__name__
        raise RemoteFailed(
            f"{self} gave no answer to {verb} of {key or 'everything'} ({why}); look at {VARIABLE}, AWS_ENDPOINT_URL and the AWS credentials"
        )


def each(work: Callable[[Item], object], items: Iterable[Item], meanwhile: Callable[[], object]) -> None:
    """Do some work for each item, a few at a time, and something in this thread as each is done; the first failure ends it."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        for done in [pool.submit(work, item) for item in items]:
            done.result()
            meanwhile()
    finally:
        pool.shutdown(cancel_futures=True)


def _base64(digest: str) -> str:
    """A digest as S3 writes it."""
    return base64.b64encode(bytes.fromhex(digest)).decode()
