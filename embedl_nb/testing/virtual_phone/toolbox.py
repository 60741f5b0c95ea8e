"""The programs that every phone has, as far as callers of adb use them. None reaches outside the phone's folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import stat
import time

from embedl_nb.testing.virtual_phone.dumpsys import SETTINGS, dumpsys
from embedl_nb.testing.virtual_phone.programs import Call, Program

__all__ = ["TOOLBOX"]

_BLOCK = 1024 * 1024


def _split_options(call: Call) -> tuple[set[str], list[str]]:
    """Return single letters after ``-`` and what is no option."""
    options: set[str] = set()
    rest: list[str] = []
    for index, argument in enumerate(call.args):
        if argument == "--":
            return options, rest + list(call.args[index + 1 :])
        if len(argument) > 1 and argument.startswith("-"):
            options.update(argument[1:])
        else:
            rest.append(argument)
    return options, rest


async def _echo(call: Call) -> int:
    is_bare = bool(call.args) and call.args[0] == "-n"
    await call.out(" ".join(call.args[is_bare:]) + ("" if is_bare else "\n"))
    return 0


async def _getprop(call: Call) -> int:
    properties = call.handset.properties
    if call.args:
        default = call.args[1] if len(call.args) > 1 else ""
        await call.out(properties.get(call.args[0], default) + "\n")
    else:
        await call.out("".join(f"[{name}]: [{properties[name]}]\n" for name in sorted(properties)))
    return 0


async def _cat(call: Call) -> int:
    code = 0
    for name in call.args:
        try:
            for block in call.handset.files.read_blocks(call.path(name), _BLOCK):
                await call.standard_output(block)
        except OSError as err:
            code = await call.complain(f"{name}: {err.strerror}")
    return code


async def _grep(call: Call) -> int:
    options, rest = _split_options(call)
    if len(rest) < 2:
        return 1 + await call.complain("needs a pattern and files")
    try:
        pattern = re.compile(re.escape(rest[0]) if "F" in options else rest[0], re.IGNORECASE if "i" in options else 0)
    except re.error:
        return 1 + await call.complain(f"bad REGEX '{rest[0]}'")
    found = False
    for name in rest[1:]:
        try:
            content = b"".join(call.handset.files.read_blocks(call.path(name), _BLOCK))
        except OSError as err:
            await call.complain(f"{name}: {err.strerror}")
            continue
        prefix = f"{name}:" if "H" in options or (len(rest) > 2 and "h" not in options) else ""
        lines = [line for line in content.decode(errors="surrogateescape").splitlines() if pattern.search(line)]
        found = found or bool(lines)
        if "q" not in options:
            await call.out("".join(f"{prefix}{line}\n" for line in lines))
    return 0 if found else 1


async def _ls(call: Call) -> int:
    options, rest = _split_options(call)
    files, code = call.handset.files, 0
    for name in rest or ["."]:
        path = call.path(name)
        try:
            is_folder = stat.S_ISDIR(files.stat(path).st_mode) and "d" not in options
            names = files.names(path) if is_folder else [name]
        except OSError as err:
            code = await call.complain(f"{name}: {err.strerror}")
            continue
        shown = [each for each in names if not is_folder or "a" in options or not each.startswith(".")]
        rows = [
            _long_row(call, f"{path}/{each}" if is_folder else path, each) if "l" in options else each for each in shown
        ]
        await call.out("".join(f"{row}\n" for row in rows))
    return code


def _long_row(call: Call, path: str, name: str) -> str:
    found = call.handset.files.stat(path)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.st_mtime))
    target = call.handset.files.link_target(path)
    if target is not None:
        return f"lrwxrwxrwx 1 shell shell 0 {when} {name} -> {target}"
    return f"{stat.filemode(found.st_mode)} {found.st_nlink} shell shell {found.st_size} {when} {name}"


async def _mkdir(call: Call) -> int:
    options, rest = _split_options(call)
    code = 0
    for name in rest:
        try:
            call.handset.files.make_folder(call.path(name), parents="p" in options)
        except OSError as err:
            code = await call.complain(f"'{name}': {err.strerror}")
    return code


async def _chmod(call: Call) -> int:
    if len(call.args) < 2:
        return await call.complain("Need 2 arguments")
    mode, *names = call.args
    code = 0
    for name in names:
        path = call.path(name)
        try:
            old = stat.S_IMODE(call.handset.files.stat(path).st_mode)
            new = old | 0o111 if mode in ("+x", "a+x") else int(mode, 8)
            call.handset.files.set_mode(path, new)
        except ValueError:
            return await call.complain(f"bad mode '{mode}'")
        except OSError as err:
            code = await call.complain(f"chmod '{name}' to {mode}: {err.strerror}")
    return code


async def _rm(call: Call) -> int:
    options, rest = _split_options(call)
    code = 0
    for name in rest:
        try:
            call.handset.files.remove(call.path(name), recursive=bool(options & {"r", "R"}))
        except FileNotFoundError as err:
            if "f" not in options:
                code = await call.complain(f"{name}: {err.strerror}")
        except OSError as err:
            code = await call.complain(f"{name}: {err.strerror}")
    return code


async def _mv(call: Call) -> int:
    _options, rest = _split_options(call)
    if len(rest) != 2:
        return await call.complain("needs a source and a target")
    try:
        call.handset.files.move(call.path(rest[0]), call.path(rest[1]))
    except OSError as err:
        return await call.complain(f"bad '{rest[0]}': {err.strerror}")
    return 0


async def _sha256sum(call: Call) -> int:
    _options, rest = _split_options(call)
    code = 0
    for name in rest:
        digest = hashlib.sha256()
        try:
            for block in call.handset.files.read_blocks(call.path(name), _BLOCK):
                digest.update(block)
                await asyncio.sleep(0)
        except OSError as err:
            code = await call.complain(f"{name}: {err.strerror}")
            continue
        await call.out(f"{digest.hexdigest()}  {name}\n")
    return code


async def _df(call: Call) -> int:
    options, _rest = _split_options(call)
    free, used = call.handset.files.free_bytes // 1024, call.handset.hardware.free_bytes // 1024
    total = free + used
    header = "Filesystem     1K-blocks      Used Available Use% Mounted on"
    await call.out(f"{header}\n/dev/block/dm-63 {total} {used} {free} {100 * used // total}% /data/user/0\n")
    return 0 if options <= {"k"} else await call.complain(f"Unknown option '{''.join(options)}'")


async def _stat(call: Call) -> int:
    if len(call.args) < 3 or call.args[0] != "-c":
        return await call.complain("this phone's stat takes -c FORMAT FILE...")
    code = 0
    for name in call.args[2:]:
        try:
            found = call.handset.files.stat(call.path(name))
        except OSError as err:
            code = await call.complain(f"'{name}': {err.strerror}")
            continue
        await call.out(_formatted(call.args[1], name, found) + "\n")
    return code


def _formatted(template: str, name: str, found: os.stat_result) -> str:
    values = {"%n": name, "%s": found.st_size, "%Y": int(found.st_mtime), "%a": f"{stat.S_IMODE(found.st_mode):o}"}
    return re.sub("%.", lambda match: str(values.get(match[0], match[0])), template)


async def _test(call: Call) -> int:
    args = [argument for argument in call.args if not (call.name == "[" and argument == "]")]
    is_negated = bool(args) and args[0] == "!"
    return int(_holds(call, args[is_negated:]) == is_negated)


def _holds(call: Call, args: list[str]) -> bool:
    if len(args) == 3 and args[1] in ("=", "!="):
        return (args[0] == args[2]) == (args[1] == "=")
    if len(args) == 1:
        return bool(args[0])
    if len(args) != 2:
        return False
    if args[0] in ("-n", "-z"):
        return bool(args[1]) == (args[0] == "-n")
    try:
        found = call.handset.files.stat(call.path(args[1]))
    except OSError:
        return False
    kinds = {"-f": stat.S_ISREG(found.st_mode), "-d": stat.S_ISDIR(found.st_mode), "-s": found.st_size > 0}
    return kinds.get(args[0], args[0] != "-x" or call.handset.files.may_run(call.path(args[1])))


async def _id(call: Call) -> int:
    names = {"-u": "2000", "-un": "shell"}
    everything = "uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input),3003(inet) context=u:r:shell:s0"
    await call.out(names.get("".join(call.args), everything) + "\n")
    return 0


async def _dumpsys(call: Call) -> int:
    service = call.args[0] if call.args else ""
    said = dumpsys(service, call.handset.hardware, call.handset.state())
    if said is None:
        await call.standard_error(f"Can't find service: {service}\n".encode(errors="surrogateescape"))
        return 20
    await call.out(said)
    return 0


async def _settings(call: Call) -> int:
    if len(call.args) != 3 or call.args[0] != "get":
        return await call.complain("this phone's settings takes get NAMESPACE NAME")
    await call.out(SETTINGS.get((call.args[1], call.args[2]), "null") + "\n")
    return 0


async def _taskset(call: Call) -> int:
    args = list(call.args)
    num_cores = len(call.handset.hardware.core_khz)
    if args[:1] == ["-p"] and len(args) == 2:
        await call.out(f"pid {args[1]}'s current affinity mask: {2**num_cores - 1:x}\n")
        return 0
    if len(args) < 2 or not re.fullmatch("[0-9a-fA-F]+", args[0]):
        return await call.complain("needs a mask and a command")
    if not int(args[0], 16) % 2**num_cores:
        return await call.complain("sched_setaffinity: Invalid argument")
    return await call.handset.run_program(call.calling(*args[1:]))


async def _kill(call: Call) -> int:
    args, number = list(call.args), int(signal.SIGTERM)
    if args and args[0].startswith("-"):
        name = args.pop(0)[1:].removeprefix("SIG")
        found = {"0": 0, "9": 9, "15": 15, "2": 2, "KILL": 9, "TERM": 15, "INT": 2}.get(name)
        if found is None:
            return await call.complain(f"bad signal '{name}'")
        number = found
    code = 0
    for argument in args:
        if not call.handset.processes.signal(argument, number):
            code = await call.complain(f"{argument}: No such process")
    return code


async def _pidof(call: Call) -> int:
    pids = call.handset.processes.called(call.args[0] if call.args else "")
    if pids:
        await call.out(" ".join(map(str, pids)) + "\n")
    return 0 if pids else 1


async def _sleep(call: Call) -> int:
    try:
        seconds = float(call.args[0])
    except (IndexError, ValueError):
        return await call.complain("needs a number of seconds")
    await call.handset.clock.sleep(max(0.0, seconds))
    return 0


async def _uname(call: Call) -> int:
    parts = {"-r": "6.1.75-android14-virtual", "-m": "aarch64"}
    everything = "Linux localhost 6.1.75-android14-virtual #1 SMP PREEMPT aarch64 Toybox"
    await call.out(parts.get("".join(call.args), everything if call.args else "Linux") + "\n")
    return 0


async def _uptime(call: Call) -> int:
    state = call.handset.state()
    minutes = int(state.uptime_s // 60)
    load = ", ".join([f"{state.load:.2f}"] * 3)
    clock = time.strftime("%H:%M:%S")
    await call.out(f" {clock} up {minutes // 60}:{minutes % 60:02},  0 users,  load average: {load}\n")
    return 0


TOOLBOX: dict[str, Program] = {
    "[": _test,
    "cat": _cat,
    "chmod": _chmod,
    "df": _df,
    "dumpsys": _dumpsys,
    "echo": _echo,
    "getprop": _getprop,
    "grep": _grep,
    "id": _id,
    "kill": _kill,
    "ls": _ls,
    "mkdir": _mkdir,
    "mv": _mv,
    "pidof": _pidof,
    "rm": _rm,
    "settings": _settings,
    "sha256sum": _sha256sum,
    "sleep": _sleep,
    "stat": _stat,
    "taskset": _taskset,
    "test": _test,
    "uname": _uname,
    "uptime": _uptime,
}
"""By name."""
