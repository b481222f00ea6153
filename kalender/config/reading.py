"""Reads the two sources of settings into one tree, and the files that secrets lie in."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kalender.errors import ConfigError

PREFIX = "KALENDER_"
SECRETS = frozenset({"url", "api_key", "password"})


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
        name = next((known for known in merged if known.lower() == key.lower()), key)
        merged.pop(key.removesuffix("_file") if key.endswith("_file") else f"{key}_file", None)
        old = merged.get(name)
        nested = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = merge(dict(old or {}), value) if nested else value
    return merged


def resolve_secrets(raw: Mapping[str, Any], *above: str) -> dict[str, Any]:
    """Read each `<secret>_file`, or raise a ConfigError that names the key."""
    found: dict[str, Any] = {}
    for key, value in raw.items():
        name = key.removesuffix("_file")
        if isinstance(value, dict):
            found[key] = resolve_secrets(value, *above, key)
        elif name == key or name not in SECRETS:
            found[key] = value
        elif name in raw:
            message = f"{'.'.join((*above, name))} and {key} are both given: remove one"
            raise ConfigError(message)
        else:
            found[name] = _read_secret(value, ".".join((*above, key)))
    return found


def _read_secret(path: object, key: str) -> str:
    try:
        return Path(str(path)).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{key}: {error.strerror or 'cannot be read'}: give a file we may read"
    except ValueError:
        message = f"{key}: the file is not text: give one that holds the secret alone"
    raise ConfigError(message)
