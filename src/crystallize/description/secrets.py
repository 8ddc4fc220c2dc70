"""Parameters that are named like secrets: what is written down of them is a digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

WORDS = (
    r"token|password|passwd|passphrase|pwd|secrets?|credentials?|passwords|"
    r"(api|access|private|secret|auth|signing|encryption)_?keys?"
)
SECRET = re.compile(rf"(.*_)?({WORDS})(_?(id|value|text))?", re.IGNORECASE)
SHOWN = re.compile(
    rf"""((?:{WORDS})["']?\s*[=:]\s*)((?P<quote>["']).*?(?<!\\)(?P=quote))""", re.IGNORECASE
)
"""In text that shows an object: a name, and a text that is its value."""
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
DIGITS = 16
NUMBERS = frozenset({int, float, bool})


@lru_cache(1024)
def is_secret(name: str) -> bool:
    """Whether a parameter's name says that its value is for nobody's eyes.

    Examples
    --------
    >>> [is_secret(name) for name in ("api_key", "hfToken", "DB_PASSWORD", "max_tokens", "key")]
    [True, True, True, False, False]
    """
    return SECRET.fullmatch(CAMEL.sub("_", name).replace("-", "_")) is not None


def without_secrets(name: str, value: Any) -> Any:
    """A parameter's value with a digest in the place of every secret; itself if there is none.

    Texts and bytes are secrets, at any depth, where a name above them says so; numbers are not.

    Examples
    --------
    >>> without_secrets("login", {"user": "me", "password": "hunter2"})
    {'user': 'me', 'password': 'secret sha256:f52fbd32b2b3b86f'}
    """
    return _within(value, is_secret(name))


def without_secrets_among(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters with a digest in the place of every secret; themselves if there is none."""
    for value in parameters.values():
        if type(value) not in NUMBERS:
            return {key: without_secrets(key, value) for key, value in parameters.items()}
    return parameters


def without_secrets_in_text(text: str) -> str:
    """Text that shows an object, with a digest in the place of every secret that it names.

    Examples
    --------
    >>> without_secrets_in_text("Login(user='me', password='hunter2')")
    "Login(user='me', password='secret sha256:f52fbd32b2b3b86f')"
    """
    return SHOWN.sub(lambda found: f"{found[1]}{_digest(found['quote'], found)!r}", text)


def _digest(quote: str, found: re.Match[str]) -> str:
    return _of_text(found[0][len(found[1]) :].strip(quote))


def _of_text(value: str | bytes) -> str:
    given = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")
    return f"secret sha256:{hashlib.sha256(given).hexdigest()[:DIGITS]}"


def _within(value: Any, secret: bool) -> Any:
    if type(value) in NUMBERS:  # as most parameters are
        return value
    if isinstance(value, (str, bytes)):
        return _of_text(value) if secret and value else value
    if type(value) is dict:
        made = {
            key: _within(item, secret or (isinstance(key, str) and is_secret(key)))
            for key, item in value.items()
        }
        return value if all(made[key] is value[key] for key in made) else made
    if type(value) in (list, tuple):
        # By kind, of which there are few: a long list of numbers is read at C's speed.
        if set(map(type, value)).isdisjoint((dict, list, tuple, *((str, bytes) * secret))):
            return value
        items = [_within(item, secret) for item in value]
        return value if all(map(_is, items, value)) else type(value)(items)
    return value


def _is(one: object, other: object) -> bool:
    return one is other
