"""course_setup.py: whose settings hold, which torch, which machine, and a sentence for every cause of a failure."""

import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import course
import course_setup
from course_setup import choose_torch, explain, find_uv, folder_problem, installer_environment, machine_problem

posix = pytest.mark.skipif(os.name == "nt", reason="stand-ins are POSIX scripts")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A folder, and no setting of pip, uv, proxies or certificates but those that a test makes."""
    for name in os.environ:
        if name.startswith(("PIP_", "UV_")) or name.upper().endswith(("_PROXY", "SSL_CERT_FILE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    return tmp_path


def settings(uv, root):
    """What the installer gets, without what only says that it reads no files."""
    env = installer_environment(uv, course.environment(), root)
    assert env.get("UV_NO_CONFIG") == "1" if uv else env["PIP_CONFIG_FILE"] == os.devnull
    silent = ("PIP_CONFIG_FILE", "UV_NO_CONFIG")
    return {name: text for name, text in env.items() if name.startswith(("PIP_", "UV_")) and name not in silent}


# ---------------------------------------------------------------- settings of pip and uv

ELSEWHERE = "prefix target root user no-deps dry-run require-hashes no-build-isolation no-binary only-binary pre python"
ELSEWHERE += (
    " platform editable requirement require-virtualenv report log ignore-installed src config-settings isolated"
)
ELSEWHERE += " system-python break-system-packages project-environment override exclude exclude-newer resolution"
ELSEWHERE += " prerelease no-editable no-sources venv-relocatable working-dir project env-file an-option-of-tomorrow"


@pytest.mark.parametrize("uv", [None, "uv"])
def test_variables_that_say_where_packages_are_put_or_which_are_left_out(bare, monkeypatch, uv):
    for option in ELSEWHERE.split():
        for tool in ("PIP", "UV"):
            monkeypatch.setenv(course_setup.variable(tool, option), "/x")
    assert settings(uv, bare) == {}


@pytest.mark.parametrize(("uv", "tool"), [(None, "PIP"), ("uv", "UV")])
def test_variables_that_say_where_packages_come_from(bare, monkeypatch, uv, tool):
    own = {course_setup.variable(tool, option): f"a {option}" for option in course_setup.SOURCES}
    for name, text in own.items():
        monkeypatch.setenv(name, text)
    assert settings(uv, bare) == own


def test_names_and_passwords_of_uv_s_indexes_stay(bare, monkeypatch):
    own = {"UV_INDEX_SCHOOL_USERNAME": "a", "UV_INDEX_SCHOOL_PASSWORD": "b"}
    for name, text in {**own, "UV_INDEX_STRATEGY": "first-index"}.items():
        monkeypatch.setenv(name, text)
    assert settings("uv", bare) == own


def test_the_same_in_a_file_of_pip(bare, monkeypatch):
    file = bare / "pip.conf"
    rows = "\n".join(f"{option} = /x" for option in ELSEWHERE.split())
    file.write_text(
        f"[global]\n{rows}\nindex-url = https://one/simple\nfind_links =\n    /a b\n    /c\ntimeout = 5\n"
        f"[install]\n{rows}\nindex-url = https://two/simple\n"
    )
    monkeypatch.setattr(course_setup, "pip_files", lambda: ["/nowhere/pip.conf", str(file)])
    monkeypatch.setenv("PIP_TIMEOUT", "7")
    assert settings(None, bare) == {
        "PIP_INDEX_URL": "https://two/simple",  # what is said for `install` is stronger than what is for all commands
        "PIP_FIND_LINKS": "/a b /c",
        "PIP_TIMEOUT": "7",  # and a variable than both
    }


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pip has other folders")
def test_pip_s_files_are_those_that_pip_itself_names(bare, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_DIRS", "/first:/second")
    pytest.importorskip("pip", reason="uv makes environments without pip")
    for variables in ({}, {"XDG_CONFIG_HOME": "/own"}, {"PIP_CONFIG_FILE": "/named.conf"}):
        monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
        for name, text in variables.items():
            monkeypatch.setenv(name, text)
        listing = subprocess.run([sys.executable, "-m", "pip", "config", "debug"], capture_output=True, text=True)
        named = re.findall(r"^  (/.*), exists: ", listing.stdout, re.MULTILINE)  # the weakest kind first
        ours = [os.path.expanduser(file) for file in course_setup.pip_files()]
        assert set(ours) == set(named)
        assert ours.index("/second/pip/pip.conf") < ours.index("/first/pip/pip.conf") < ours.index("/etc/pip.conf")


def test_a_file_of_pip_that_pip_cannot_read(bare, monkeypatch):
    (bare / "pip.conf").write_text("no section\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(bare / "pip.conf"))
    with pytest.raises(course.Problem, match="(?s)pip's settings cannot be read: .*pip.conf"):
        settings(None, bare)


@pytest.mark.skipif(os.name == "nt", reason="uv has other folders there")
def test_the_same_in_the_files_of_uv(bare, monkeypatch):
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(bare / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(bare / "system"))
    for folder, text in {
        "system/uv": "offline = true\nlink-mode = 'copy'\n",
        "config/uv": """
            exclude-newer = "2020-01-01"
            allow-insecure-host = ["a:1", "b"]
            no-cache = true
            link-mode = "hardlink"
            [pip]
            target = "/x"
            prefix = "/x"
            no-deps = true
            find-links = ["/one", "/two"]
            [[index]]
            name = "school"
            url = "https://school/simple"
            [[index]]
            url = "https://mirror/simple"
            default = true
            [[index]]
            name = "never"
            url = "https://never/simple"
            explicit = true
            """,
        "course": "[pip]\nsystem = true\nkeyring-provider = 'subprocess'\n",
    }.items():
        (bare / folder).mkdir(parents=True)
        (bare / folder / "uv.toml").write_text(text)
    expected = {
        "UV_OFFLINE": "true",
        "UV_INSECURE_HOST": "a:1 b",
        "UV_NO_CACHE": "true",
        "UV_LINK_MODE": "hardlink",
        "UV_FIND_LINKS": "/one,/two",
        "UV_INDEX": "school=https://school/simple",
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_KEYRING_PROVIDER": "subprocess",
    }
    assert settings("uv", bare / "course") == expected
    monkeypatch.setenv("UV_CONFIG_FILE", str(bare / "course/uv.toml"))
    assert settings("uv", bare / "course") == {"UV_KEYRING_PROVIDER": "subprocess"}
    (bare / "course/uv.toml").write_text("[pip")
    with pytest.raises(course.Problem, match="uv cannot read its settings in .*uv.toml"):
        settings("uv", bare)


def test_uv_looks_where_pip_is_told_to_look(bare, monkeypatch):
    own = {
        "INDEX_URL": "https://a/simple",
        "EXTRA_INDEX_URL": "https://b c",
        "FIND_LINKS": "/one /two",
        "PROXY": "http://p",
    }
    own |= {"CONSTRAINT": "/c.txt", "TRUSTED_HOST": "a", "CERT": "/cert.pem", "CACHE_DIR": "/pip's"}
    for name, text in own.items():
        monkeypatch.setenv(f"PIP_{name}", text)
    expected = {
        "UV_DEFAULT_INDEX": "https://a/simple",
        "UV_INDEX": "https://b c",
        "UV_FIND_LINKS": "/one,/two",
        "UV_CONSTRAINT": "/c.txt",
        "UV_INSECURE_HOST": "a",
    }
    assert settings("uv", bare) == expected
    env = installer_environment("uv", course.environment(), bare)
    assert (env["SSL_CERT_FILE"], env["HTTPS_PROXY"]) == ("/cert.pem", "http://p")
    monkeypatch.setenv("UV_INDEX", "https://own/simple")  # who has told uv itself gets that
    expected |= {"UV_INDEX": "https://own/simple"}
    del expected["UV_DEFAULT_INDEX"]
    assert settings("uv", bare) == expected


# ---------------------------------------------------------------- installers that run


@posix
def test_a_uv_that_does_not_run_is_passed_over(bare, monkeypatch):
    scripts = {
        "shim": "#!/bin/sh\necho 'pyenv: uv: command not found' >&2\nexit 127\n",
        "foreign": "\x7fELF of another machine",
        "good": "#!/bin/sh\necho uv 0.13.9\n",
    }
    for name, text in scripts.items():
        (bare / name).mkdir()
        (bare / name / "uv").write_text(text)
        (bare / name / "uv").chmod(0o755)
    env = {"VIRTUAL_ENV": str(bare / ".venv")}
    monkeypatch.setenv("PATH", os.pathsep.join(str(bare / name) for name in ("", "shim", "foreign")))
    assert find_uv(env) is None
    monkeypatch.setenv("PATH", os.pathsep.join(str(bare / name) for name in scripts))
    assert find_uv(env) == str(bare / "good/uv")
    assert find_uv({"VIRTUAL_ENV": str(bare / "good")}) is None  # one in .venv goes away with it


# ---------------------------------------------------------------- which torch


class Index(BaseHTTPRequestHandler):
    """An index of which some paths answer, some refuse and some never end."""

    def do_GET(self):
        if "silent" in self.path:
            self.server.over.wait()
        self.send_response(404 if "missing" in self.path else 200)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def index(bare, monkeypatch):
    """The address of such an index, on a Linux machine without an NVIDIA driver."""
    monkeypatch.setattr(course_setup.platform, "system", lambda: "Linux")
    monkeypatch.setattr(course_setup.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(course_setup, "has_nvidia", lambda env: False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        server.daemon_threads, server.over = True, threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.over.set()
        server.shutdown()
        thread.join()


def test_without_a_driver_torch_comes_without_cuda_and_that_is_said(index, monkeypatch):
    monkeypatch.setattr(course_setup, "PATIENCE", 30)  # a busy machine is not what is tested
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(course_setup.platform, "machine", lambda machine=machine: machine)
        choice, line = choose_torch(f"{index}/good", course.environment(), [])
        assert choice == "cpu"
        assert "--cuda lab" in line


@pytest.mark.parametrize("place", ["missing", "silent", None])
def test_an_index_that_does_not_answer_changes_nothing(index, place):
    start = time.monotonic()
    address = f"{index}/{place}" if place else "http://127.0.0.1:9"
    assert choose_torch(address, course.environment(), []) == ("default", "")
    assert time.monotonic() - start < 10  # two, on a machine that has nothing else to do


def test_two_seconds_hold_whatever_hangs(index, monkeypatch):
    """As a name server that does not answer, for which urllib's timeout does not count."""
    monkeypatch.setattr(course_setup, "ASK", "import time; time.sleep(60)")
    start = time.monotonic()
    assert choose_torch(f"{index}/good", course.environment(), []) == ("default", "")
    assert 2 <= time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("env", "args"),
    [
        ({"PIP_INDEX_URL": "https://x"}, []),
        ({"PIP_NO_INDEX": "1"}, []),
        ({"UV_DEFAULT_INDEX": "https://x"}, []),
        ({"UV_TORCH_BACKEND": "cu130"}, []),
        ({}, ["--index-url=https://x"]),
        ({}, ["-i", "https://x"]),
    ],
)
def test_who_has_an_index_of_their_own_gets_torch_from_there(index, env, args):
    assert choose_torch(f"{index}/good", {**course.environment(), **env}, args) == ("default", "")


def test_with_a_driver_or_on_another_system_the_index_is_not_asked(index, monkeypatch):
    monkeypatch.setattr(course_setup, "runs", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(course_setup, "has_nvidia", lambda env: True)
    choice, line = choose_torch(f"{index}/good", course.environment(), [])
    assert choice == "default"
    assert "--cpu lab" in line
    monkeypatch.setattr(course_setup, "has_nvidia", lambda env: False)
    for system, machine in (("Darwin", "arm64"), ("Windows", "AMD64"), ("Linux", "riscv64")):
        monkeypatch.setattr(course_setup.platform, "system", lambda system=system: system)
        monkeypatch.setattr(course_setup.platform, "machine", lambda machine=machine: machine)
        assert choose_torch(f"{index}/good", course.environment(), []) == ("default", "")


@posix
def test_signs_of_an_nvidia_driver(bare, monkeypatch):
    monkeypatch.setattr(course_setup.os.path, "exists", lambda path: False)
    env = {"PATH": str(bare)}
    monkeypatch.setenv("PATH", str(bare))
    assert course_setup.has_nvidia(env) is False
    for code, answer in ((9, False), (0, True)):
        (bare / "nvidia-smi").write_text(f"#!/bin/sh\nexit {code}\n")
        (bare / "nvidia-smi").chmod(0o755)
        assert course_setup.has_nvidia(env) is answer
    for path in ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1"):
        monkeypatch.setattr(course_setup.os.path, "exists", lambda other, path=path: other == path)
        assert course_setup.has_nvidia({"PATH": ""}) is True


# ---------------------------------------------------------------- machines and folders


@pytest.mark.parametrize(
    ("system", "machine", "libc", "said"),
    [
        ("Linux", "x86_64", ("glibc", "2.28"), None),
        ("Linux", "aarch64", ("glibc", "2.41"), None),
        ("Darwin", "arm64", ("", ""), None),
        ("Windows", "AMD64", ("", ""), None),
        ("Windows", "ARM64", ("", ""), None),
        ("Darwin", "x86_64", ("", ""), "Intel Macs, for which PyTorch has made no version since 2.2.2"),
        ("Linux", "armv7l", ("glibc", "2.36"), "no PyTorch for Linux on armv7l"),
        ("Linux", "riscv64", ("glibc", "2.41"), "no PyTorch for Linux on riscv64"),
        ("Linux", "x86_64", ("musl", "1.2.5"), "musl, as Alpine does"),
        ("Linux", "x86_64", ("glibc", "2.17"), "glibc 2.17, and PyTorch needs 2.28"),
        ("FreeBSD", "amd64", ("", ""), "no PyTorch for the system FreeBSD"),
        ("MINGW64_NT-10.0", "x86_64", ("", ""), "on Windows, take the Python of python.org"),
    ],
)
def test_a_machine_that_can_never_work_is_told_so(monkeypatch, system, machine, libc, said):
    monkeypatch.setattr(course_setup.platform, "system", lambda: system)
    monkeypatch.setattr(course_setup.platform, "machine", lambda: machine)
    monkeypatch.setattr(course_setup.platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(course_setup.sys, "maxsize", 2**63 - 1)
    found = machine_problem()
    assert found is None if said is None else said in found


def test_a_python_of_32_bits_and_one_that_is_not_cpython(monkeypatch):
    monkeypatch.setattr(course_setup.sys, "maxsize", 2**31 - 1)
    assert "install a 64-bit Python" in machine_problem()
    monkeypatch.setattr(course_setup.sys, "implementation", type("", (), {"name": "pypy"}))
    assert "pypy" in machine_problem()


def test_folders_whose_names_stop_the_set_up():
    for name in ("/a {b}", "/a}b", "/costs $five", "/{", f"/a{os.pathsep}b"):
        assert name in folder_problem(name)
        assert "rename the folder" in folder_problem(name)
    for name in ("/the course", "/100%", "/a$", "/$5", "/o'neil", "/[x]", "/한글", "/-x"):
        assert folder_problem(name) is None


# ---------------------------------------------------------------- causes of a failure

RETRY = "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by "
SAID = {  # what pip and uv print, and words of the sentence
    RETRY + "'NewConnectionError(': Failed to establish a new connection: [Errno 111] Connection refused')'": "network",
    "  Caused by: dns error: failed to lookup address information: Name or service not known": "network",
    RETRY + "'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
    "self-signed certificate in certificate chain (_ssl.c:1006)'))'": "PIP_CERT",
    "  Caused by: error sending request for url\n  Caused by: invalid peer certificate: UnknownIssuer": "SSL_CERT_FILE",
    RETRY + "'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
    "certificate is not yet valid (_ssl.c:1006)'))'": "date and clock",
    RETRY + "'SSLError(\"Can't connect to HTTPS URL because the SSL module is not available.\")'": "built without SSL",
    "certificate verify failed: certificate has expired (_ssl.c:1006)": "date and clock",
    "  Caused by: invalid peer certificate: Expired": "date and clock",
    "  Caused by: invalid peer certificate: certificate not valid yet: verification time 1": "date and clock",
    RETRY + "'ProxyError('Cannot connect to proxy.', NewConnectionError('refused'))'": "HTTPS_PROXY",
    "OSError('Tunnel connection failed: 407 Proxy Authentication Required')": "HTTPS_PROXY",
    "  Caused by: client error (Connect)\n  Caused by: tunnel error: unsuccessful": "HTTPS_PROXY",
    "ERROR: Could not install packages due to an OSError: [WinError 32] The process cannot access the file because it "
    "is being used by another process: 'C:\\\\x.pyd'": "in use",
    "error: failed to remove file\n  Caused by: Access is denied. (os error 5)": "in use",
    "HINT: This error might have occurred since this system does not have Windows Long Path support enabled": "C:\\cfg",
    "OSError: [Errno 36] File name too long: '/x'": "short path",
    "ERROR: OSError: [Errno 28] No space left on device": "too little disk space",
    "failed to write: There is not enough space on the disk. (os error 112)": "too little disk space",
    "OSError: [Errno 122] Disk quota exceeded": "too little disk space",
    "OSError: [Errno 30] Read-only file system: '/x'": "cannot be written",
    "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'": "may not write",
    "MemoryError": "out of memory",
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.": "came damaged",
    "zipfile.BadZipFile: File is not a zip file": "came damaged",
    "ERROR: HTTP error 403 while getting https://x\n403 Client Error: Forbidden for url": "refuses you",
    "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io": "constraint of yours",
    "ERROR: No matching distribution found for torch==2.13.0": "no version of a package",
    "error: command 'gcc' failed": "installation failed (see above)",
}


@pytest.mark.parametrize("printed", SAID, ids=lambda printed: printed[-30:])
def test_each_cause_has_its_sentence(printed):
    around = ["Collecting torch", *printed.splitlines(), "Downloading scipy-1.17.1.whl (407 kB)"]
    assert SAID[printed] in explain(around)
    assert SAID[printed] in explain([*around, "ERROR: Could not find a version that satisfies the requirement x"]) or (
        SAID[printed] == "installation failed (see above)"
    )


@posix
def test_an_installer_that_the_system_kills_was_out_of_memory(tmp_path):
    kill = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    with open(tmp_path / "lock", "w") as lock, pytest.raises(course.Problem, match="out of memory"):
        course.run_installer(kill, dict(os.environ), lock)


def test_it_reads_as_the_script_that_imports_it(tmp_path):
    """course.py finds its part wherever it is started from, also with PYTHONSAFEPATH."""
    script = Path(course.__file__)
    for env in ({}, {"PYTHONSAFEPATH": "1"}):
        run = [sys.executable, str(script), "--help"]
        result = subprocess.run(run, cwd=tmp_path, env={**os.environ, **env}, capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (0, "")
