"""Reads the two sources of settings into one tree, and the files that secrets lie in."""

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kalender.errors import ConfigError

PREFIX = "KALENDER_"
SECRETS = frozenset({"url", "api_key", "password", "client_secret", "session_key", "shared_secret"})
SECRET_FILES = frozenset({"key_file", "federated_token_file"})  # which are read when they are used
PROOFS = SECRET_FILES | {"certificate_file", "client_secret_file"}
STAND_IN = "none"


def read_toml(path: Path) -> dict[str, Any]:
    """Read the file, or raise a ConfigError that says what is wrong with it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "cannot be read"
        remedy = "give the right file by --config or KALENDER_CONFIG"
        message = f"{path}: {reason}: {remedy}"
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        place = re.search(r"at line \d+, column \d+|at end of document", str(error))
        message = f"{path} is not TOML{f' ({place[0]})' if place else ''}: mend it there"
    raise ConfigError(message)


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what `KALENDER_A__B=value` say, as a tree; names are lower case."""
    tree: dict[str, Any] = {}
    for variable, value in environ.items():
        path = variable.upper().removeprefix(PREFIX).lower().split("__")
        if not variable.upper().startswith(PREFIX) or len(path) == 1:
            continue  # KALENDER_CONFIG, and what a cluster sets for a service of this name
        branch: Any = value
        for name in reversed(path):
            branch = {name: branch}
        tree = merge(tree, branch)
    return tree


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree over another; a secret and its `_file` displace each other."""
    merged = dict(under)
    for key, value in over.items():
        name = next((known_key for known_key in merged if known_key.lower() == key.lower()), key)
        merged.pop(key.removesuffix("_file") if key.endswith("_file") else f"{key}_file", None)
        value_under = merged.get(name)
        nested = isinstance(value_under, dict) and isinstance(value, dict)
        merged[name] = merge(dict(value_under or {}), value) if nested else value
    return merged


def with_stand_ins(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Put stand-ins in the place of all secrets but the database's, given or not."""
    stand_ins: dict[str, Any] = {"fs": {"api_key": STAND_IN}, "tp": {"api_key": STAND_IN}}
    if isinstance(raw.get("broker"), dict):
        stand_ins["broker"] = {"url": "amqp://localhost/"}
    fs = raw.get("fs")
    if isinstance(fs, dict) and "username" in {key.lower() for key in fs}:
        stand_ins["fs"]["password"] = STAND_IN
    exchanges = raw.get("exchange")
    if isinstance(exchanges, dict):
        stand_ins["exchange"], without_proofs = {}, dict(exchanges)
        for key, backend in exchanges.items():
            if isinstance(backend, dict):
                words = {name.lower(): word for name, word in backend.items()}
                is_application = words.get("kind") == "graph" or words.get("auth") == "oauth2"
                secret = "client_secret" if is_application else "password"
                stand_ins["exchange"][key] = {secret: STAND_IN}
                without_proofs[key] = {
                    name: word for name, word in backend.items() if name.lower() not in PROOFS
                }
        raw = {**raw, "exchange": without_proofs}
    return merge(raw, {key: value for key, value in stand_ins.items() if key in raw})


def resolve_secrets(raw: Mapping[str, Any], *above: str) -> dict[str, Any]:
    """Read each `<secret>_file`, or raise a ConfigError that names the key."""
    resolved: dict[str, Any] = {}
    for key, value in raw.items():
        name = key.removesuffix("_file")
        if isinstance(value, dict):
            resolved[key] = resolve_secrets(value, *above, key)
        elif name == key or name not in SECRETS:
            resolved[key] = value
        elif name in raw:
            message = f"{'.'.join((*above, name))} and {key} are both given: remove one"
            raise ConfigError(message)
        else:
            resolved[name] = _read_secret(value, ".".join((*above, key)))
    return resolved


def _read_secret(path: object, key: str) -> str:
    try:
        return Path(str(path)).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{key}: {error.strerror or 'cannot be read'}: give a file we may read"
    except ValueError:
        message = f"{key}: the file is not text: give one that holds the secret alone"
    raise ConfigError(message)


# -- who else may read them --------------------------------------------------------------------------


def open_to_others(settings: Path | None, environ: Mapping[str, str]) -> Sequence[str]:
    """Return the files that hold secrets and that everybody on this machine may read.

    These are what `_file` keys name, the settings themselves where secrets stand in them, and files
    of environment variables (*.env) beside them.
    """
    tree = read_toml(settings) if settings is not None else {}
    raw = merge(tree, read_environment(environ))
    files = {
        Path(value)
        for name, value in _leaves(raw)
        if name in SECRET_FILES
        or (name.removesuffix("_file") in SECRETS and name.endswith("_file"))
    }
    if settings is not None:
        secrets = [value for name, value in _leaves(tree) if name in SECRETS]
        # a URL without @ tells no password: that of an SQLite database, or of a socket
        if any("://" not in secret or "@" in secret for secret in secrets):
            files.add(settings)
        files |= {path for path in settings.parent.glob("*.env") if _holds_secrets(path)}
    return sorted(str(path) for path in files if _is_open(path))


def _leaves(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in raw.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        elif isinstance(value, str):
            yield key.lower(), value


def _holds_secrets(path: Path) -> bool:
    names = "|".join(sorted(SECRETS)).upper()
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return False
    return (
        re.search(
            rf"^\s*(export\s+)?KALENDER_\w*__({names})\s*=", text, re.MULTILINE | re.IGNORECASE
        )
        is not None
    )


def _is_open(path: Path) -> bool:
    """Whether everybody may read the file, and may come to it."""
    whole = path.absolute()
    try:
        ways = all(above.stat().st_mode & stat.S_IXOTH for above in whole.parents)
        return ways and bool(whole.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
