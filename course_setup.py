"""What course.py tells pip and uv, on which machines it can, and what their failures mean. Imported by course.py alone.

Where packages come from is the user's affair: their index, certificate, proxy, constraint and cache hold, in a variable
(PIP_CERT, UV_INDEX), in pip.conf or uv.toml, or before the word (--cert FILE). All other settings may put packages
elsewhere, or take others or none (prefix, no-deps, dry-run, ...; each new version of pip and uv knows more of them).
So SOURCES lists what may stay, and everything else is left out.
"""

import configparser
import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

SOURCES = {
    *("index-url", "pypi-url", "extra-index-url", "default-index", "index", "no-index", "find-links"),
    *("constraint", "build-constraint", "torch-backend", "offline", "keyring-provider", "credentials-dir"),
    *("cert", "client-cert", "native-tls", "system-certs", "use-feature", "use-deprecated"),  # truststore, legacy-certs
    *("trusted-host", "insecure-host", "allow-insecure-host", "proxy", "http-proxy", "https-proxy", "no-proxy"),
    *("timeout", "default-timeout", "http-timeout", "request-timeout", "retries", "http-retries", "resume-retries"),
    *("cache-dir", "no-cache-dir", "no-cache", "link-mode"),
    *("concurrent-downloads", "concurrent-builds", "concurrent-installs"),
}
FROM_PIP = {  # pip's settings that hold for uv where it has none of its own, and uv's words for them
    "index-url": "default-index",
    "extra-index-url": "index",
    "no-index": "no-index",
    "find-links": "find-links",
    "constraint": "constraint",
    "trusted-host": "insecure-host",
}
VENV_PYTHON = ".venv/Scripts/python.exe" if os.name == "nt" else ".venv/bin/python"
PATIENCE = 2  # seconds for the index of the torch without CUDA
ASK = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])"
LINUX = ("x86_64", "amd64", "aarch64", "arm64")  # the machines for which there is a torch for Linux

AGAIN = "then run the same command again."
DISK_IS_FULL = (
    "There is too little disk space: the course needs about 2.5 GB (on Linux several more for the CUDA build of "
    "torch, which `python3 course.py --cpu lab` does without): free some, " + AGAIN
)
OUT_OF_MEMORY = "This machine ran out of memory: close other programs, " + AGAIN
MARKS = {  # of a cause, in the lines that an installer wrote last; the first cause that fits: the particular ones first
    "disk": r"no space left|not enough space|disk full|disk quota exceeded|(errno|os error) 28\b|os error 112\b",
    "memory": r"memoryerror|out of memory|cannot allocate memory|(errno|os error) 12\b",
    "clock": r"certificate (has |is )?(expired|not yet valid)|certificate: expired|expired certificate|certexpired"
    r"|cert_?not_?valid|notvalidyet|not valid (yet|before|after)",
    "no ssl": r"ssl module (in python )?is not available",
    "certificate": r"certificate|ssl ?error|\bssl:|unknownissuer|self[- ]signed|tls handshake|handshake ?failure",
    "proxy": r"proxy ?error|to proxy|via proxy|proxy (auth|url)|407 proxy|code:? \(?407|tunnel (conn|err|fail)"
    r"|unsuccessful tunnel|for socks",
    "in use": r"(winerror|os error) (5|32)\b|used by another process|text file busy",
    "long path": r"long path|path too long|name too long|(winerror|os error) 206\b|(errno|os error) 36\b",
    "read-only": r"read-only file system|(errno|os error) 30\b",
    "permission": r"permission denied|operation not permitted|access is denied|(errno|os error) 13\b",
    "damaged": r"do not match the hash|hashes do not match|hash mismatch|bad ?zip|not a zip file|incompleteread"
    r"|failed to extract|invalid wheel|wheel .* is invalid",
    "refused": r"40[13] client error|code:? \(?40[13]|unauthorized|forbidden",
    "network": r"connection|timed out|timeout|name resolution|failed to fetch|dns error|unreachable|sending request",
    "conflict": r"conflicting dependencies|resolutionimpossible|requirements are unsatisfiable",
    "no version": r"no matching distribution|no solution found|could not find a version",
}
SENTENCES = {
    "disk": DISK_IS_FULL,
    "memory": OUT_OF_MEMORY,
    "clock": "The certificate of the package index counts as expired or not yet valid: see that this machine's date "
    "and clock are right, " + AGAIN,
    "no ssl": "This Python was built without SSL, so it reaches no index: install the one of python.org or of your "
    "system, and start again with it.",
    "certificate": "The package index shows a certificate that this machine does not trust, as where a company or a "
    "school looks into the traffic: name the file of its certificate in PIP_CERT (for uv in SSL_CERT_FILE), see that "
    "the clock is right, " + AGAIN,
    "proxy": "The proxy does not let the installer through: correct HTTPS_PROXY (or `proxy` in pip's settings), with "
    "name and password where it asks for them, or unset it where there is no proxy, " + AGAIN,
    "in use": "A file of the environment is in use: close JupyterLab, notebooks and editors that use it, " + AGAIN,
    "long path": "The path of a file became too long for this system: move the course to a folder with a short path, "
    "such as C:\\cfg (or switch long paths on in Windows), " + AGAIN,
    "read-only": "The disk here cannot be written: copy the course to one that can, and start it there.",
    "permission": "The installer may not write a file that it names above: give yourself the right to, or copy the "
    "course to a folder of yours, " + AGAIN,
    "damaged": "A package came damaged: run the same command again, and if that happens again, empty the installer's "
    "cache first (`pip cache purge`, `uv cache clean`).",
    "refused": "The package index refuses you: see that its address, your name and your password are right, " + AGAIN,
    "network": "The package index is out of reach: check the network (or the proxy), " + AGAIN,
    "conflict": "What the course needs does not go together with a constraint of yours: look at PIP_CONSTRAINT, "
    "UV_CONSTRAINT and `constraint` in pip's settings, " + AGAIN,
    "no version": "The index has no version of a package for this Python and machine (see above): start with another "
    "Python between 3.11 and 3.14, or name an index that has it, as `python3 course.py --help` shows.",
}


class Problem(Exception):
    """What went wrong and what to do about it, in one sentence."""


def explain(lines):
    """The sentence that goes with an installer's last lines."""
    text = "\n".join(lines).lower()
    cause = next((cause for cause, marks in MARKS.items() if re.search(marks, text)), None)
    return SENTENCES.get(cause, "The installation failed (see above): mend what it names, " + AGAIN)


def runs(command, env, seconds=30):
    """Whether a program starts at all and ends well, within the time."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, env=env, timeout=seconds, **quiet).returncode == 0
    return False


def find_uv(env):
    """The first uv on the PATH that runs: a version manager may have put one there that does not. None: pip it is."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        uv = shutil.which("uv", path=folder) if folder else None
        if uv and not uv.startswith(env["VIRTUAL_ENV"]) and runs([uv, "--version"], env):
            return uv
    return None


def writable(folder):
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


# ---------------------------------------------------------------- this machine and its torch


def machine_problem():
    """The sentence for a machine on which PyTorch cannot be installed, whatever one does; None for all others."""
    system, machine = platform.system(), platform.machine().lower()
    libc, version = platform.libc_ver()
    if sys.implementation.name != "cpython":
        return f"This Python is {sys.implementation.name}, for which there is no PyTorch: take the one of python.org."
    if sys.maxsize < 2**32:
        return "This Python is a 32-bit one, and PyTorch exists for 64 bits alone: install a 64-bit Python."
    if system == "Darwin" and machine == "x86_64":
        return (
            "This Python is for Intel Macs, for which PyTorch has made no version since 2.2.2: the course cannot run "
            "with it. If the Mac has an M1 or a later chip, install a Python for Apple silicon and start with that one."
        )
    if system not in ("Linux", "Darwin", "Windows"):
        return f"There is no PyTorch for the system {system}: on Windows, take the Python of python.org."
    if system == "Linux" and machine not in LINUX:
        return f"There is no PyTorch for Linux on {machine}: the course needs a machine with x86-64 or arm64."
    if system == "Linux" and "musl" in f"{sysconfig.get_config_var('SOABI')} {sysconfig.get_platform()} {libc}":
        return (
            "This Linux builds on musl, as Alpine does, and there is no PyTorch for it: take one that builds on glibc, "
            "such as Debian, Ubuntu or Fedora, or a container of one."
        )
    if libc == "glibc" and tuple(map(int, re.findall(r"\d+", version)[:2])) < (2, 28):
        return f"This Linux has glibc {version}, and PyTorch needs 2.28 or later: take a newer Linux."
    return None


def folder_problem(folder):
    """The sentence for a folder in which the set-up cannot work, None for all others."""
    if os.pathsep in folder:
        return f"The course lies in {folder}: rename the folder, for {os.pathsep!r} separates the folders of the PATH."
    if re.search(r"[{}]|\$[A-Za-z_]", folder):
        return (
            f"The course lies in {folder}: rename the folder, for braces and $NAME stop setuptools, which installs it."
        )
    return None


def choose_torch(cpu_index, env, args):
    """("cpu", a line to say) where a torch without CUDA serves as well and can be had, else ("default", line or "")."""
    fixed = {"--index-url", "-i", "--pypi-url", "--default-index", "--no-index", "--offline", "--torch-backend"}
    own_index = {variable(tool, option.lstrip("-")) for tool in ("PIP", "UV") for option in fixed}
    if platform.system() != "Linux" or platform.machine().lower() not in LINUX:
        return "default", ""
    if own_index & set(env) or fixed & {arg.partition("=")[0] for arg in args}:
        return "default", ""  # who put another index in the place of the usual one gets everything from there
    if has_nvidia(env):
        return "default", "An NVIDIA driver is here: torch comes with CUDA (without: `python3 course.py --cpu lab`)."
    if not runs([sys.executable, "-c", ASK, cpu_index + "/torch/"], env, PATIENCE):  # a process: DNS may hang
        return "default", ""
    return "cpu", "No NVIDIA driver is here: torch comes without CUDA (with: `python3 course.py --cuda lab`)."


def has_nvidia(env):
    marks = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/etc/nv_tegra_release", "/usr/lib/wsl/lib/libcuda.so.1")
    return any(map(os.path.exists, marks)) or runs(["nvidia-smi"], env, seconds=5)


# ---------------------------------------------------------------- what the user's settings may say


def installer_environment(uv, env, root):
    """The surroundings `env` of pip, or of uv, with the user's settings of it as far as they are in SOURCES."""
    env = {name: text for name, text in env.items() if not name.startswith(("PIP_", "UV_"))}
    pip = pip_settings()
    for option, names in (("cert", ["SSL_CERT_FILE"]), ("proxy", ["HTTPS_PROXY", "HTTP_PROXY"])):
        for name in names if option in pip else []:
            env.setdefault(name, pip[option])
    if not uv:
        env["PIP_CONFIG_FILE"] = os.devnull  # no file at all: what may stay of them stands in variables
        return {**env, **{variable("PIP", option): text for option, text in pip.items()}}
    own = uv_settings(root)
    own_index = any("index" in option for option in own)
    for option, name in FROM_PIP.items():
        if option in pip and not ("index" in option and own_index):
            own.setdefault(name, pip[option].replace(" ", ",") if option == "find-links" else pip[option])
    env.update({variable("UV", option): text for option, text in own.items()}, UV_NO_CONFIG="1")
    env.update({name: text for name, text in os.environ.items() if re.match("UV_INDEX_.*_(USERNAME|PASSWORD)$", name)})
    if not writable(os.path.expanduser("~")):
        env.setdefault("UV_NO_CACHE", "1")
    return env


def variable(tool, option):
    return f"{tool}_{option.upper().replace('-', '_')}"


def kept(tool, settings):
    """{option: value} of the settings in files and of the tool's variables, which are stronger; "" counts as unset."""
    found = {name[len(tool) + 1 :]: text for name, text in os.environ.items() if name.startswith(f"{tool}_") and text}
    together = {**settings, **{name.lower().replace("_", "-"): text for name, text in found.items()}}
    return {option: text for option, text in together.items() if option in SOURCES and text}


def pip_settings():
    """{option: value} of pip's files and variables. (`pip config list` obeys some of them, and fails with others.)"""
    said = configparser.RawConfigParser(default_section="no section is")
    try:
        said.read([str(Path(file).expanduser()) for file in pip_files()], encoding="utf-8")
    except (configparser.Error, ValueError) as error:
        raise Problem(f"pip's settings cannot be read: {error}") from None
    options = {}
    for section in filter(said.has_section, ("global", "install")):
        for option, text in said.items(section):
            options[option.replace("_", "-")] = " ".join(text.split())
    return kept("PIP", options)


def pip_files():
    """Where pip looks for settings, the strongest last."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home, name = "~/.config", "pip.conf"
    if os.name == "nt":
        system, home, name = [os.environ.get("PROGRAMDATA", "")], os.environ.get("APPDATA", ""), "pip.ini"
    elif sys.platform == "darwin":
        own = "~/Library/Application Support"
        system, home = ["/Library/Application Support"], own if Path(own, "pip").expanduser().is_dir() else home
    else:
        system = [*reversed((os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")), "/etc/"]
        home = os.environ.get("XDG_CONFIG_HOME") or home
    folders = [folder if folder == "/etc/" else os.path.join(folder, "pip") for folder in [*system, home] if folder]
    folders[-1:-1] = ["~/pip" if os.name == "nt" else "~/.pip"]
    return [os.path.join(folder, name) for folder in [*folders, sys.prefix]] + ([named] if named else [])


def uv_settings(root):
    """{option: value} of uv's files and variables, the values written as variables hold them."""
    said = {}
    for file in uv_files(root):
        try:
            table = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        except OSError:
            continue
        except ValueError as error:
            raise Problem(f"uv cannot read its settings in {file}: {error}.") from None
        for option, value in {**table, **table.get("pip", {})}.items():
            if isinstance(value, bool):
                said[option] = str(value).lower()
            elif option == "index":  # tables: one of them may be the default
                places = [("=".join(filter(None, (row.get("name"), row["url"]))), row) for row in value]
                said["default-index"] = " ".join(place for place, row in places if row.get("default"))
                said["index"] = " ".join(place for place, row in places if not row.keys() & {"default", "explicit"})
            elif isinstance(value, list):
                said[option] = ("," if option == "find-links" else " ").join(map(str, value))
            else:
                said[option] = str(value)
    said["insecure-host"] = said.pop("allow-insecure-host", "")
    return kept("UV", said)


def uv_files(root):
    """Where uv looks for settings, the strongest last."""
    if os.environ.get("UV_CONFIG_FILE"):
        return [os.environ["UV_CONFIG_FILE"]]
    if os.environ.get("UV_NO_CONFIG"):
        return []
    if os.name == "nt":
        folders = [os.environ.get("PROGRAMDATA", ""), os.environ.get("APPDATA", "")]
    else:
        system = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        folders = ["/etc", *reversed(system.split(":")), os.environ.get("XDG_CONFIG_HOME") or "~/.config"]
    near = [folder / "uv.toml" for folder in (root, *root.parents) if (folder / "uv.toml").is_file()]
    return [*(Path(folder).expanduser() / "uv/uv.toml" for folder in folders if folder), *near[:1]]
