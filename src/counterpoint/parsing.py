"""From what was typed to a verb's arguments, and from jsonargparse's complaints to sentences.

What a verb takes is the signature of its function; the options of a fit are those of `Settings`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from inspect import Parameter, signature
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from counterpoint import bounded
from counterpoint.errors import InputError, nearest
from counterpoint.settings import Settings

_EACH_FIT_ITS_OWN = {"seed", "verbose"}  # `compare` counts its seeds, and shows one line a fit


def parse(verb: str, function: Callable[..., None], argv: Sequence[str]) -> dict[str, Any] | None:
    """Read a verb's arguments; config files in with --config, out with --print_config.

    Args:
        verb: As it was typed.
        function: Its signature and docstring say what the verb takes.
        argv: What was typed after the verb.

    Returns:
        The function's arguments, or None if help or a configuration was asked for and has been printed.

    Raises:
        InputError: If an argument is unknown, missing, or of the wrong type.
    """
    parser = parser_for(verb, function)
    words = spelled(argv, hints(function))
    refuse_code(words)
    try:
        given = vars(parser.parse_args(_gathered(words, function)))
    except SystemExit:
        return None
    own = signature(function).parameters
    mine = {k: v for k, v in given.items() if k in own}
    if "settings" in own:
        mine["settings"] = {f.name: given[f.name] for f in fields(Settings) if f.name in given}
    kinds = _together(function)
    return mine | {k: kind(**{f.name: given[f.name] for f in fields(kind)}) for k, kind in kinds.items()}


def parser_for(verb: str, function: Callable[..., None]) -> Any:
    """Return the parser of a verb: its words first, then options with --, none of which may be shortened."""
    from jsonargparse import ActionConfigFile, ArgumentParser  # pyright: ignore[reportPrivateImportUsage]

    class Parser(ArgumentParser):
        def error(self, message: str, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
            raise InputError(explained(message, verb, function))

    summary = (function.__doc__ or "").strip().splitlines()[0]
    parser = Parser(prog=f"counterpoint {verb}", description=summary, allow_abbrev=False)
    parser.add_argument(
        "--config", action=ActionConfigFile, help="Options from a YAML file; what is typed wins over it."
    )
    parser.add_function_arguments(function, as_positional=True, skip={"settings", *_together(function)})
    if "settings" in signature(function).parameters:
        parser.add_class_arguments(Settings, skip={*_not_here(function)})
    for kind in _together(function).values():
        parser.add_class_arguments(kind)
    return parser


def refuse_code(words: Sequence[str]) -> None:
    """Refuse what would make the parser import a class by its name, in words and in config files.

    Raises:
        InputError: A value names a `class_path`; or a config file is another kind of file, names a further
            one, or is no plain YAML.

    Example:
        >>> refuse_code(["--options.rate={class_path: subprocess.Popen}"])
        Traceback (most recent call last):
        counterpoint.errors.InputError: an option has a 'class_path', which would import code by its name; \
give names and numbers.
    """
    for word in words:
        option, equals, value = word.partition("=")
        given: Any = {option: value} if equals else [word]
        if option == "--config" and Path(value).exists():
            text = bounded.yaml_text(Path(value), "give a YAML file, such as the config.yaml of a run.")
            try:
                given = bounded.plain_yaml(text)
            except ValueError as error:
                raise InputError(
                    f"the config file holds no options ({error}); it needs lines such as 'epochs: 100'."
                ) from error
            if isinstance(given, dict) and "config" in given:
                said = "the config file has an option 'config'; put the other file's lines into it."
                raise InputError(said)
        if any("class_path" in key.split(".") for key in bounded.keys_of(given)):
            said = (
                "an option has a 'class_path', which would import code by its name; give names and numbers."
            )
            raise InputError(said)


def hints(function: Callable[..., None]) -> dict[str, Any]:
    """Return the type of every argument of a verb, those of `Settings` among them."""
    kinds, found = _together(function), get_type_hints(function)
    found = {k: v for k, v in found.items() if k not in ("return", "settings", *kinds)}
    found |= {k: v for kind in kinds.values() for k, v in get_type_hints(kind).items()}
    if "settings" in signature(function).parameters:
        found |= {k: v for k, v in get_type_hints(Settings).items() if k not in _not_here(function)}
    return found


def _together(function: Callable[..., None]) -> dict[str, Any]:
    """Return the arguments that are several options together, name -> their dataclass."""
    return {k: v for k, v in get_type_hints(function).items() if is_dataclass(v)}


def _not_here(function: Callable[..., None]) -> set[str]:
    return _EACH_FIT_ITS_OWN if "seeds" in signature(function).parameters else set()


def spelled(argv: Sequence[str], types: Mapping[str, Any]) -> list[str]:
    """Return what was typed as jsonargparse spells it.

    Config files go first, so that an option wins over the file wherever it stands; a flag without a value is
    true; lists may come without brackets; a dash in a name does for an underscore.

    Example:
        >>> typed = ["a.npz", "--resume", "--hidden", "64,32", "--config", "c.yaml"]
        >>> spelled(typed, {"resume": bool, "hidden": list[int]})
        ['--config=c.yaml', 'a.npz', '--resume=true', '--hidden=[64,32]']
    """
    first, rest, words = [], [], list(argv)
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if option.startswith("--") and (plain := option[2:].replace("-", "_")) in types:
            option, word = f"--{plain}", f"--{plain}{equals}{value}"
        hint = types.get(option.removeprefix("--")) if option.startswith("--") else None
        follows = bool(words) and not words[0].startswith("--")
        if option == "--config" and (equals or follows):
            first.append(f"{option}={value if equals else words.pop(0)}")
        elif hint is bool and not equals:
            rest.append(f"{option}={words.pop(0) if follows and not _file(words[0]) else 'true'}")
        elif "list" in str(hint) and (equals or follows):
            value = (value if equals else words.pop(0)).strip()
            rest.append(f"{option}={value if value.startswith('[') else '[' + value.strip('()') + ']'}")
        else:
            rest.append(word)
    return first + rest


def _gathered(words: list[str], function: Callable[..., None]) -> list[str]:
    """Put all words of a verb that takes any number of them at its end into one list."""
    first = [k for k, p in signature(function).parameters.items() if _is_word(p)]
    option = "" if first else next((f"--{k}=" for k in signature(function).parameters), "")
    first = first or [option.strip("-=")]  # a verb may do without words; those that come are an option then
    if get_origin(hints(function).get(first[-1])) is not list:
        return words
    bare, rest, left = [], [], list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            bare.append(word)
        else:
            follows = "=" not in word and left and not re.match(r"-(?![\d.])", left[0])
            rest.append(f"{word}={left.pop(0)}" if follows else word)
    single, several = bare[: len(first) - 1], bare[len(first) - 1 :]
    words = [*single, *([option + json.dumps(several)] if several else [])]
    files = sum(word.startswith("--config=") for word in rest)  # first, so that what is typed wins
    return [*rest[:files], *words, *rest[files:]]


def _file(word: str) -> bool:
    """Return whether the word after a flag is data or a run, not the flag's value."""
    return "." in word or "/" in word or Path(word).exists()


def explained(message: str, verb: str, function: Callable[..., None]) -> str:
    """Say in one line what jsonargparse complains about: what was given, what is allowed, the nearest name.

    Example:
        >>> def f(data: str, epochs: int = 3) -> None: ...
        >>> explained('Parser key "epochs": Expected a <class int>. Got value: abc', "fit", f)
        "--epochs is 'abc'; it must be a whole number."
        >>> explained("unrecognized arguments: --epoch 3", "fit", f)
        "there is no option --epoch. Did you mean '--epochs'? `counterpoint fit --help` lists them."
    """
    types = hints(function)
    first = [k for k, p in signature(function).parameters.items() if _is_word(p)]
    if found := re.match(r"unrecognized arguments: (.*)", message, re.DOTALL):
        return _unknown(found[1].split(), types, first, verb)
    if found := re.match(r"the following arguments are required: (.*)", message):
        return _missing(found[1].split(", "), first, function, verb)
    if found := re.match(r"argument --([\w.]+).*: expected (?:one|at least one) argument", message):
        return f"--{found[1]} came without a value; it must be {wanted(types.get(found[1]))}."
    if found := re.match(r"Option '([^']+)' is not accepted", message):
        return (
            f"the config file has an option {found[1]!r}, which `{verb}` does not.{nearest(found[1], types)}"
        )
    if found := re.match(r"Problems parsing config: (.*)|Unexpected config: (.*)", message, re.DOTALL):
        said = " ".join((found[1] or found[2] or "").split())
        return f"the config file holds no options ({said}); it needs lines such as 'epochs: 100'."
    if found := re.match(r'Parser key "config":\s*(.*)', message, re.DOTALL):
        return f"--config: {' '.join(found[1].split())}; give a YAML file, such as the config.yaml of a run."
    if found := re.match(r'Parser key "([\w.]+)"', message):
        return _mistyped(found[1], message, types)
    return " ".join(message.split())


def _is_word(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind is not Parameter.KEYWORD_ONLY


def _unknown(words: list[str], types: Mapping[str, Any], first: list[str], verb: str) -> str:
    option = next((w.partition("=")[0] for w in words if w.startswith("-")), None)
    if option is None:
        return f"{words[0]!r} is one word too many; `counterpoint {verb}` takes {_shown(first) or 'none'}."
    name = option.removeprefix("--").replace("-", "_")
    if name in first:
        return f"there is no option {option}; {name} is given without it: {_typed(verb, first)}."
    known = [f"--{k}" for k in (*types, "config", "print_config", "help") if k not in first]
    longer = [k for k in known if k.startswith(f"--{name}")]
    hint = f" Did you mean {longer[0]!r}?" if len(longer) == 1 else nearest(option, known)
    return f"there is no option {option}.{hint} `counterpoint {verb} --help` lists them."


def _missing(names: list[str], first: list[str], function: Callable[..., None], verb: str) -> str:
    needed = [k for k, p in signature(function).parameters.items() if p.default is Parameter.empty]
    flags = [f"--{k} {k.upper()}" for k in needed if k not in first]
    lacking = [n.upper() if n in first else f"--{n}" for n in names]
    are = "is" if len(lacking) == 1 else "are"
    return f"{' and '.join(lacking)} {are} missing; type {_typed(verb, first, flags)}."


def _typed(verb: str, first: list[str], flags: Sequence[str] = ()) -> str:
    return f"`{' '.join(['counterpoint', verb, *(k.upper() for k in first), *flags])}`"


def _shown(first: list[str]) -> str:
    return " and ".join(k.upper() for k in first)


def _mistyped(key: str, message: str, types: Mapping[str, Any]) -> str:
    """Say which value is of the wrong type, and what it must be."""
    given = re.findall(r"(?:Got|Given) value: ?(.*)", message)
    value = given[-1] if given else ""
    hint = types.get(key)
    if inner := re.fullmatch(r"NestedArg\(key='(.*?)', val=(.*)\)", value):
        inside = [get_args(part)[1] for part in _parts(hint) if get_origin(part) is dict]
        if not inside:
            return f"there is no option --{key}.{inner[1]}; --{key} is {wanted(hint)}."
        key, hint, value = f"{key}.{inner[1]}", inside[0], inner[2].strip("'")
    shown = value if value[:1] in "[{" and value else repr(value)
    return f"--{key} is {shown}; it must be {wanted(hint)}."


def wanted(hint: Any) -> str:
    """Return a type in words.

    Example:
        >>> wanted(int | None), wanted(int | float | None), wanted(bool)
        ('a whole number or null', 'a number or null', 'true or false')
    """
    parts = _parts(hint)
    words = {
        int: "" if float in parts else "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        dict: "a mapping, such as '{name: value}'",
        list: "words" if hint == list[str] else "whole numbers with commas, such as 256,128",
        type(None): "null",
    }
    said = (words.get(get_origin(p) or p, "") for p in parts)
    return " or ".join(filter(None, said)) or "another value"


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def as_typed(message: str, function: Callable[..., None]) -> str:
    """Return an error's advice in the words of the command line instead of Python's.

    Example:
        >>> def f(data: str, label: str, overwrite: bool = False) -> None: ...
        >>> as_typed("say which with label=NAME; or overwrite=True.", f)
        'say which with --label NAME; or --overwrite.'
    """
    names = "|".join(sorted({*hints(function), "clip", "overwrite", "resume", "retries"}))

    def option(found: re.Match[str]) -> str:
        name, value = found.groups()
        return f"--{name}" if value == "True" else f"--{name} {'A,B' if value == '[...]' else value}"

    return re.sub(rf"\b(?<!-)({names})=(\[\.\.\.\]|[\w./:-]*\w)", option, message)
