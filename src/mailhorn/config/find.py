"""Where settings files are looked for, and how one is read.

Rule 1: the first of `--config`, the environment, the user's folder and /etc that exists is the only one read.
Rule 2: whatever is wrong with it is one line: which file, which setting, what to do.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import msgspec

from .settings import Secret, Section, ServeSettings, WatchSettings

Program = Literal["serve", "watch"]
AnySettings = TypeVar("AnySettings", bound=Section)


class ConfigError(Exception):
    """The settings cannot be used. The text says what, where and what to do, in one line."""


def serve_settings(config: Path | None, env: Mapping[str, str] = os.environ) -> tuple[ServeSettings, Path | None]:
    """Return the mail server's settings and the file they came from (None: all defaults). Raises ConfigError."""
    path = find("serve", config, env)
    return read(ServeSettings, path, env), path


def watch_settings(config: Path | None, env: Mapping[str, str] = os.environ) -> tuple[WatchSettings, Path | None]:
    """Return the watcher's settings and the file they came from (None: there is none). Raises ConfigError."""
    path = find("watch", config, env)
    return read(WatchSettings, path, env), path


def places(program: Program, env: Mapping[str, str]) -> list[Path]:
    """Return where the program's settings file is looked for if nobody names one."""
    name = f"{program}.toml"
    home = env.get("HOME")
    own = [Path(env["XDG_CONFIG_HOME"]) / "mailhorn" / name] if env.get("XDG_CONFIG_HOME") else []
    if home:
        own.append(Path(home) / ".config" / "mailhorn" / name)
    return [*own, Path("/etc/mailhorn") / name]


def state_folder(env: Mapping[str, str], root: bool) -> Path:
    """Return where data are kept if no setting says otherwise. Raises ConfigError if there is no such place."""
    if root:
        return Path("/var/lib/mailhorn")
    if env.get("XDG_DATA_HOME"):
        return Path(env["XDG_DATA_HOME"]) / "mailhorn"
    if env.get("HOME"):
        return Path(env["HOME"]) / ".local" / "share" / "mailhorn"
    raise ConfigError("no place to keep data: neither HOME nor XDG_DATA_HOME is set; set MAILHORN_DATA")


def find(program: Program, config: Path | None, env: Mapping[str, str]) -> Path | None:
    """Return the settings file to read, None if there is none. Raises ConfigError if a named one is missing."""
    variable = f"MAILHORN_{program.upper()}_CONFIG"
    named, origin = config, "--config"
    if named is None and env.get(variable):
        named, origin = Path(env[variable]), f"${variable}"
    if named is not None:
        if not named.exists():
            raise ConfigError(f"{named}: no such file (from {origin})")
        return named
    return next((place for place in places(program, env) if place.is_file()), None)


def read(kind: type[AnySettings], path: Path | None, env: Mapping[str, str]) -> AnySettings:
    """
    Read a settings file and let the environment override single settings of it.

    Args:
        kind: What the file describes.
        path: The file; None means all defaults. Paths in it are relative to its folder, `~` is the home.
        env: `MAILHORN_IMAP_PORT=1143` overrides `port` in `[imap]`, and so on for all but lists of tables.

    Raises:
        ConfigError: The file cannot be read, is not TOML, or something in it is unknown or of a wrong type.

    """
    tree: dict[str, Any] = {}
    base = Path()
    if path is not None:
        base = path.absolute().parent
        try:
            tree = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: is not UTF-8 text") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: is not TOML: {error}") from error
        for problem in _unknown(kind, tree, ""):
            raise ConfigError(f"{path}: {problem}")
    settings = _convert(kind, tree, base, str(path))
    for variable, keys, value in _overrides(kind, env, "MAILHORN", ()):
        branch = tree
        for key in keys[:-1]:
            branch = branch.setdefault(key, {})
        branch[keys[-1]] = value
        settings = _convert(kind, tree, base, f"${variable}", strict=False)
    return settings


def _convert(
    kind: type[AnySettings], tree: dict[str, Any], base: Path, origin: str, strict: bool = True
) -> AnySettings:
    def custom(wanted: type, value: Any) -> Any:
        if not isinstance(value, str) or not value:
            raise ValueError("Expected text that is not empty")
        if wanted is Secret:
            return Secret(value)
        return base / Path(value).expanduser()

    try:
        return msgspec.convert(tree, kind, dec_hook=custom, strict=strict)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `")
        key = where.rstrip("`").removeprefix("$").removeprefix(".")
        message = message.replace("Object missing required field", "is missing").replace(" | null", "")
        for ours, theirs in _WORDS.items():
            message = message.replace(f"`{ours}`", theirs)
        message = message.replace("`", "")
        if message.startswith("Invalid enum value"):
            message = f"expected {', '.join(_choices(kind, key))}, got{message.removeprefix('Invalid enum value')}"
        raise ConfigError(f"{origin}: {key + ': ' if key else ''}{message[:1].lower()}{message[1:]}") from error


_WORDS = {
    "object": "a table",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}
"""How msgspec's names of types read to an operator."""


def _choices(kind: type[Section], key: str) -> list[str]:
    """Return what a setting may be that has only so many values."""
    name, _, rest = key.partition(".")
    for known, hint, section, _ in sections(kind):
        if known == name.partition("[")[0]:
            return _choices(section, rest) if section is not None else [str(one) for one in get_args(get_args(hint)[0])]
    return []


def sections(kind: type[Section]) -> Iterator[tuple[str, Any, type[Section] | None, bool]]:
    """Yield name, full type, section type (None for a plain setting) and whether it is a list of them."""
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.encode_name]
        bare = get_args(hint)[0]
        inner = get_args(bare)
        if isinstance(bare, type) and issubclass(bare, Section):
            yield field.encode_name, hint, bare, False
        elif inner and isinstance(inner[0], type) and issubclass(inner[0], Section):
            yield field.encode_name, hint, inner[0], True
        else:
            yield field.encode_name, hint, None, False


def _unknown(kind: type[Section], tree: dict[str, Any], where: str) -> Iterator[str]:
    """Yield a line for each key that is no setting."""
    known = {name: (section, many) for name, _, section, many in sections(kind)}
    for key, value in tree.items():
        if key not in known:
            yield f"{where}{key} is not a setting; {_nearest(key, list(known), where)}"
            continue
        section, many = known[key]
        if section is not None:
            for number, item in enumerate(value if many and isinstance(value, list) else [value]):
                if isinstance(item, dict):
                    yield from _unknown(section, item, f"{where}{key}{f'[{number}]' if many else ''}.")


def _nearest(key: str, known: list[str], where: str) -> str:
    import difflib  # here and not above: it is needed for mistakes only

    close = difflib.get_close_matches(key.lower(), known, n=1)
    if close:
        return f"did you mean {where}{close[0]}?"
    return f"known here: {', '.join(known)}"


def _overrides(
    kind: type[Section], env: Mapping[str, str], prefix: str, keys: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield variable, path of the setting, and its value, for each setting that the environment gives."""
    for name, hint, section, many in sections(kind):
        variable = f"{prefix}_{name.upper()}"
        if section is not None and not many:
            yield from _overrides(section, env, variable, (*keys, name))
        elif section is None and variable in env:
            value: Any = env[variable]
            if "tuple[" in str(hint):
                value = re.split(r"\s*,\s*", value.strip())
            elif "Path" in str(hint) and value:
                value = str(Path(value).expanduser().absolute())  # not relative to the file's folder
            yield variable, (*keys, name), value
