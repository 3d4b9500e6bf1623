"""Read and write whole objects in a bucket of S3-compatible storage, with conditional writes."""

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

URL_VARIABLE = "LGSP_SHARED_URL"
# Objects are read in chunks of this size, so memory is bounded by it and the number of threads.
CHUNK_BYTES = 1024 * 1024
THREADS = 4
PRECONDITION_FAILED, CONFLICT, NOT_FOUND = 412, 409, 404
# When two writers put one object at the same time, a store may refuse both with 409; then the request is repeated.
ATTEMPTS = 10

# By the end of a key; browsers and portals show or download an object by it.
CONTENT_TYPES = {
    ".parquet": "application/vnd.apache.parquet", "catalog.json": "application/ld+json", ".json": "application/json",
    ".yaml": "application/yaml", ".md": "text/markdown; charset=utf-8",
}  # fmt: skip
DEFAULT_TYPE = "application/octet-stream"

Item = TypeVar("Item")


class RemoteFailed(LgspError):
    """The object store refused a request or its content is wrong; the local files and SQL are unchanged."""


@dataclass(frozen=True)
class StoredObject:
    """An object in a listing: its size in bytes, and its age by the store's own clock."""

    size: int
    age: timedelta


OPTIONS = {"endpoint_url": "AWS_ENDPOINT_URL", "region_name": "AWS_DEFAULT_REGION"}


@dataclass(frozen=True)
class Bucket:
    """One bucket, and the prefix of all our keys in it."""

    name: str
    prefix: str = ""
    client: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def open(cls, url: str) -> Bucket:
        """The bucket of a URL such as s3://bucket/prefix; endpoint and credentials come from the AWS variables.

        Raises SettingError when the URL has another form; the message does not show the URL, which may contain a secret.
        """
        match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/[\w./-]*)?", url)
        if not match:
            raise SettingError(f"{URL_VARIABLE} must look like s3://bucket/prefix, without credentials or parameters")
        import boto3  # here, because it takes a third of a second
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        prefix = (match.group(2) or "").strip("/")
        # Some stores refuse the checksums that newer clients add by default.
        config = Config(
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, read_timeout=60,
        )  # fmt: skip
        try:
            # Docker Compose passes a variable that is not set as an empty text
            options = {name: os.environ.get(variable) or None for name, variable in OPTIONS.items()}
            client = boto3.client("s3", config=config, **options)
        except (BotoCoreError, ValueError) as error:
            raise SettingError(
                f"{URL_VARIABLE}: AWS_ENDPOINT_URL, AWS_PROFILE or another AWS variable is invalid ({type(error).__name__})"
            ) from None
        return cls(match.group(1), f"{prefix}/" if prefix else "", client)

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def require_conditional_writes(self) -> None:
        """Check that the store enforces conditional writes.

        Raises SettingError when it does not: two publishers could then overwrite each other.
        """
        is_overwritten = self.put_new("conditions", b"") and self.put_new("conditions", b"")
        if is_overwritten or self.replace_version("conditions", b"", '"a version it never had"'):
            raise SettingError(
                f"{URL_VARIABLE}: the store of {self} ignores If-None-Match or If-Match, so two publishers could overwrite each other; "
                "choose a store that enforces conditional writes"
            )

    def put_new(self, key: str, content: bytes | Path, sha256: str | None = None) -> bool:
        """Put an object under a key that has none; False when there is one already. `sha256` is its SHA-256 in hex."""
        for _ in range(ATTEMPTS):
            status = self._put(key, content, sha256, (PRECONDITION_FAILED, CONFLICT), IfNoneMatch="*")
            if status != CONFLICT:
                return status is None
        raise RemoteFailed(f"{self}: other processes kept writing {key} during {ATTEMPTS} attempts; try again later")

    def overwrite(self, key: str, content: bytes | Path, sha256: str | None = None) -> None:
        """Put an object, whether or not the key has one; its age starts again at zero."""
        self._put(key, content, sha256)

    def replace_version(self, key: str, content: bytes, version: str | None) -> bool:
        """Replace an object whose version was read before (None: there was no object); False when it changed since."""
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        return self._put(key, content, None, (PRECONDITION_FAILED, CONFLICT, NOT_FOUND), **condition) is None

    def has_content(self, key: str, size: int, sha256: str) -> bool:
        """Whether an object has this size in bytes and this SHA-256, by the store's own record."""
        head = self._request("head_object", key, (NOT_FOUND,), ChecksumMode="ENABLED", **self._at(key))
        if isinstance(head, int):
            return False
        digest = head.get("ChecksumSHA256") or _base64(head["Metadata"].get("sha256", ""))
        return bool(head["ContentLength"] == size and digest == _base64(sha256))

    def get(self, key: str) -> tuple[bytes, str] | None:
        """The content of a small object, and its version (ETag); None when there is no such object."""
        response = self._request("get_object", key, (NOT_FOUND,), **self._at(key))
        if isinstance(response, int):
            return None
        with response["Body"] as body:
            return self._answered("get_object", key, body.read), response["ETag"]

    def digest(self, key: str) -> str | None:
        """The SHA-256 of an object, computed from its downloaded content; None when there is no such object."""
        response = self._request("get_object", key, (NOT_FOUND,), **self._at(key))
        if isinstance(response, int):
            return None
        digest = hashlib.sha256()
        with response["Body"] as body:
            while chunk := self._answered("get_object", key, lambda: body.read(CHUNK_BYTES)):
                digest.update(chunk)
        return digest.hexdigest()

    def list_objects(self, folder: str) -> dict[str, StoredObject]:
        """All objects whose key starts with `folder`, by key; ages are measured at the start of the listing."""
        objects: dict[str, StoredObject] = {}
        now, continuation = None, dict[str, Any]()
        while True:
            page = self._request("list_objects_v2", folder, Prefix=self.prefix + folder, **continuation)
            now = now or parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
            for entry in page.get("Contents", ()):
                age = now - entry["LastModified"]
                objects[entry["Key"].removeprefix(self.prefix)] = StoredObject(entry["Size"], age)
            if not page.get("NextContinuationToken"):
                return objects
            continuation = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, key: str) -> None:
        """Delete an object; no error when there is none."""
        self._request("delete_object", key, (NOT_FOUND,), **self._at(key))

    def _at(self, key: str) -> dict[str, str]:
        return {"Key": self.prefix + key}

    def _put(
        self,
        key: str,
        content: bytes | Path,
        sha256: str | None,
        expected_errors: tuple[int, ...] = (),
        **condition: str,
    ) -> int | None:
        """Put an object; the HTTP status when it is one of `expected_errors`, else None. The store checks the digest."""
        digest = sha256 or hashlib.sha256(content if isinstance(content, bytes) else content.read_bytes()).hexdigest()
        headers = {"ChecksumSHA256": _base64(digest), "Metadata": {"sha256": digest}, **condition}
        headers["ContentType"] = next((t for end, t in CONTENT_TYPES.items() if key.endswith(end)), DEFAULT_TYPE)
        with nullcontext(content) if isinstance(content, bytes) else content.open("rb") as body:
            response = self._request("put_object", key, expected_errors, Body=body, **self._at(key), **headers)
        return response if isinstance(response, int) else None

    def _request(self, operation: str, key: str, expected_errors: tuple[int, ...] = (), **arguments: Any) -> Any:
        """The store's response, or the HTTP status when it is one of `expected_errors`.

        Raises RemoteFailed for any other error.
        """
        from botocore.exceptions import ClientError

        try:
            return self._answered(
                operation, key, lambda: getattr(self.client, operation)(Bucket=self.name, **arguments)
            )
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            if status in expected_errors and code != "NoSuchBucket":
                return int(status)
        raise RemoteFailed(
            f"{self} refused {operation} of {key or 'everything'}: {code} (HTTP {status}); "
            f"check {URL_VARIABLE}, AWS_ENDPOINT_URL and the permissions of the AWS credentials"
        )

    def _answered(self, operation: str, key: str, send: Callable[[], Any]) -> Any:
        from botocore.exceptions import BotoCoreError

        try:
            return send()
        except BotoCoreError as error:  # its message may contain the endpoint with a password in it
            reason = type(error).__name__
        raise RemoteFailed(
            f"{self} gave no answer to {operation} of {key or 'everything'} ({reason}); "
            f"check {URL_VARIABLE}, AWS_ENDPOINT_URL and the AWS credentials"
        )


def for_each(work: Callable[[Item], object], items: Iterable[Item], after_each: Callable[[], object]) -> None:
    """Call `work` for each item in up to THREADS threads, and `after_each` in this thread after each item.

    Raises the first error of `work` or `after_each`; items that have not started by then are skipped.
    """
    pool = ThreadPoolExecutor(THREADS)
    try:
        for future in [pool.submit(work, item) for item in items]:
            future.result()
            after_each()
    finally:
        pool.shutdown(cancel_futures=True)


def _base64(digest: str) -> str:
    """A hex digest in base64, as S3 expects it."""
    return base64.b64encode(bytes.fromhex(digest)).decode()
