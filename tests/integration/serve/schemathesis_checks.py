"""A check for schemathesis, which loads it: valid requests are answered, unless a text in them has a grammar of its own."""

from __future__ import annotations

from typing import Any

import schemathesis  # type: ignore[import-not-found]  # in the environment of the tool only

# What OpenAPI cannot describe: the grammars of filters and searches, a column that is given two orders, the characters of
# a key; and which options go with $deltatoken.
GRAMMARS = ("$filter", "$search", "$orderby", "key")


@schemathesis.check  # type: ignore[untyped-decorator]
def valid_requests_are_answered(_: Any, response: Any, case: Any) -> None:
    """Fail for a request as described that is refused for a reason that the description could have named."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if not is_valid or response.status_code in (200, 401, 404, 414) or "$deltatoken" in case.query:
        return
    error = response.json().get("error")  # the envelope has only a message
    assert error is None or error.get("target") in GRAMMARS, f"{response.status_code} {error}"
