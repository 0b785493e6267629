"""Which keys of `meta` name secrets; what stands under them is never kept."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

MASK = "[masked]"
"""Stands for a secret, whatever it was."""
NOTHING = "none"
"""Instead of names: nothing is a secret."""

SECRET_NAMES = (
    "password", "passwords", "passwd", "pwd", "passphrase", "passcode",
    "secret", "secrets", "secret_key", "client_secret",
    "token", "access_token", "refresh_token", "auth_token", "api_token", "id_token", "csrf_token",
    "api_key", "api_keys", "access_key", "private_key", "signing_key", "encryption_key",
    "authorization", "bearer", "jwt",
    "cookie", "cookies", "set_cookie",
    "session", "session_id", "phpsessid", "jsessionid",
    "credential", "credentials",
)  # fmt: skip

MAX_KNOWN = 4_096
MAX_KEY_LENGTH = 256
"""Of a longer key it is not asked where its words begin."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_SEPARATORS = re.compile(r"[\W_]+")


class SecretKeys:
    """Tells keys that name a secret, however they are written.

    A name is found as whole words: `api_key` in `X-API-Key`, `apikey` and `http.apiKey.value`, but
    not in `monkey`; `password` in `dbPassword2`, but not in `passwordless`.
    """

    def __init__(self, names: Iterable[str] = SECRET_NAMES) -> None:
        """Look for these names; upper or lower case and what stands between words are the same."""
        self._names = frozenset(filter(None, map(_joined, names)))
        self._longest = max(map(len, self._names), default=0)
        self._any = re.compile("|".join(map(re.escape, self._names)) or "(?!)")
        self._known: dict[str, bool] = {}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The usual names, those in `text` with commas between, and none with a `-` before it.

        `none` stands for no name at all. Raises `ValueError` saying what can be no name.
        """
        if text.strip() == NOTHING:
            return cls(())
        chosen = list(SECRET_NAMES)
        for part in text.split(","):
            name = part.strip()
            joined = _joined(name)
            if not joined:
                raise ValueError(f"{part!r} is no name")
            if name.startswith("-"):
                chosen = [each for each in chosen if _joined(each) != joined]
            else:
                chosen.append(name)
        return cls(chosen)

    def __contains__(self, key: str) -> bool:
        """Whether the key names a secret."""
        found = self._known.get(key)
        if found is None:
            found = self._names_one(key)
            if len(key) <= MAX_KEY_LENGTH:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[key] = found
        return found

    def hides(self, key: str, value: object) -> bool:
        """Whether the value may not be kept; nothing and yes or no give no secret away."""
        return key in self and value is not None and not isinstance(value, bool)

    def masked(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """The same JSON object with a mask for each secret, at any depth."""
        known = self._known
        for key, value in meta.items():
            if known.get(key) is not False or isinstance(value, dict | list):
                break
        else:  # as most are: flat, and with keys that were seen before
            return dict(meta)
        return {
            key: MASK if self.hides(key, value) else self._within(value)
            for key, value in meta.items()
        }

    def _within(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.masked(value)
        if isinstance(value, list):
            return [self._within(member) for member in value]
        return value

    def _names_one(self, key: str) -> bool:
        if self._any.search(_joined(key)) is None:
            return False
        if len(key) > MAX_KEY_LENGTH:
            return True
        words = _WORD.findall(_HUMP.sub(" ", key))
        return any(self._starts_at(words, place) for place in range(len(words)))

    def _starts_at(self, words: list[str], place: int) -> bool:
        """Whether words from that place on are a name, when nothing stands between them."""
        run = ""
        for word in words[place:]:
            run += word.casefold()
            if len(run) > self._longest:
                return False
            if run in self._names:
                return True
        return False


def _joined(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()


USUAL = SecretKeys()
