"""Downloads against a server on this machine that breaks off, corrupts, stalls and refuses; nothing else is asked."""

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from test_images import IMAGES, LABELS, ways_out

from cfgedu import files, images
from cfgedu.images import load

FILES = {
    f"{prefix}-{name}.gz": gzip.compress(content)
    for prefix in ("train", "t10k")
    for name, content in (("images-idx3-ubyte", IMAGES), ("labels-idx1-ubyte", LABELS))
}
PAGE = b"<!DOCTYPE html><title>Log in to the hotel's network</title>"


class Server(ThreadingHTTPServer):
    """Serves FILES under /BEHAVIOUR/name, where BEHAVIOUR is a method of Answer; notes in `asked` what was wanted."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked = []
        self.over = threading.Event()  # lets the stalled answers go
        self.both = threading.Barrier(2, timeout=60)

    def mirror(self, behaviour):
        return f"http://127.0.0.1:{self.server_port}/{behaviour}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        behaviour, name = self.path.strip("/").split("/")
        self.server.asked.append(f"{behaviour}/{name}")
        getattr(self, behaviour)(FILES[name])

    def send(self, body, length=None, status=200, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def good(self, body):
        self.send(body, len(body))

    def without_length(self, body):
        self.send(body)

    def unpacking(self, body):
        """Says that the compression belongs to the transport: the client gets the bare IDX file."""
        self.send(body, len(body), Content_Encoding="gzip")

    def slowly(self, body):
        """A pause long enough for the progress bar to move, with a piece and the start of the next behind it."""
        self.send(body[: files.CHUNK + 1], len(body))
        time.sleep(0.3)
        self.wfile.write(body[files.CHUNK + 1 :])

    def together(self, body):
        self.server.both.wait()
        self.good(body)

    def truncating(self, body):
        self.send(body[: len(body) // 2], len(body))

    def truncating_unsaid(self, body):
        self.send(body[: len(body) // 2])

    def corrupting(self, body):
        self.good(gzip.compress(gzip.decompress(body)[:-1] + b"\7"))

    def garbling(self, body):
        self.good(body[:-6] + bytes([body[-6] ^ 1]) + body[-5:])

    def mistaking(self, body):
        self.good(gzip.compress(LABELS if gzip.decompress(body) == IMAGES else IMAGES))

    def stalling(self, body):
        self.send(body[:20], len(body))
        self.server.over.wait()

    def silent(self, body):
        self.server.over.wait()

    def hanging_up(self, body):
        self.close_connection = True

    def missing(self, body):
        self.send(PAGE, len(PAGE), status=404)

    def broken(self, body):
        self.send(PAGE, len(PAGE), status=500)

    def page(self, body):
        self.send(PAGE, len(PAGE))

    def empty(self, body):
        self.send(b"", 0)

    def log_message(self, *args):
        pass


BAD = {  # behaviour: what the error says of it
    "truncating": "IncompleteRead",
    "truncating_unsaid": "its gzip compression is broken",
    "corrupting": "its content has SHA-256 .*, not ",
    "garbling": "its gzip compression is broken",
    "mistaking": "it is train-(images|labels)-idx.-ubyte, another one of MNIST's four files",
    "stalling": "timed out",
    "silent": "timed out",
    "hanging_up": "Remote end closed connection",
    "missing": "the server answered 404 Not Found",
    "broken": "the server answered 500 Internal Server Error",
    "page": "it is no .-dimensional IDX file of unsigned bytes, it starts b'<!DOCTYPE",
    "empty": "it is no .-dimensional IDX file",
    "refusing": ".*refused",
}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The server, with the course's data in an empty folder, the small files' sums, and little patience."""
    monkeypatch.delenv("CFGEDU_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(images, "DATA", tmp_path / "data")
    monkeypatch.setattr(files, "TIMEOUT", (5, 5))
    for name, content in FILES.items():
        monkeypatch.setitem(images.SHA256, name[:-3], hashlib.sha256(gzip.decompress(content)).hexdigest())
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def mirrors(server, monkeypatch):
    """mirrors("stalling", "good") puts these in place of the real ones; "refusing" is a port where nobody listens."""

    def replace(*behaviours):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refusing = f"http://127.0.0.1:{closed.getsockname()[1]}"
        urls = tuple(refusing if name == "refusing" else server.mirror(name) for name in behaviours)
        monkeypatch.setattr(images, "MIRRORS", urls)
        if {"stalling", "silent"} & {*behaviours}:
            monkeypatch.setattr(files, "TIMEOUT", (5, 1))
        return urls

    return replace


def on_disk():
    """{name: content} of data/mnist; empty where there is no such folder."""
    return {path.name: path.read_bytes() for path in (images.DATA / "mnist").glob("*")}


def test_the_split_asked_for_is_downloaded_once(server, mirrors):
    mirrors("good")
    for split, prefix in (("train", "train"), ("test", "t10k")):
        server.asked.clear()
        for _ in range(2):
            x, y = load("mnist", split)
            assert x.shape == (12, 1, 14, 14)
            assert y.tolist() == list(range(12))
        assert server.asked == [f"good/{prefix}-images-idx3-ubyte.gz", f"good/{prefix}-labels-idx1-ubyte.gz"]
    assert on_disk() == FILES


def test_the_reader_s_folder_and_the_course_s_come_before_the_network(server, mirrors, tmp_path, monkeypatch):
    mirrors("good")
    name, other = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
    own, course = tmp_path / "own" / "mnist", images.DATA / "mnist"
    for folder, file in ((own, name), (course, other)):
        folder.mkdir(parents=True)
        (folder / file).write_bytes(FILES[file])
    monkeypatch.setenv("CFGEDU_DATA", str(own.parent))
    assert load("mnist")[0].shape == (12, 1, 14, 14)
    assert server.asked == []
    (course / other).unlink()
    load("mnist")
    assert server.asked == [f"good/{other}"]
    assert [path.name for path in own.iterdir()] == [name]  # a download goes to the course, never to the reader's


@pytest.mark.parametrize("behaviour", ["without_length", "unpacking"])
def test_other_ways_to_send_the_file_are_as_good(mirrors, behaviour):
    mirrors(behaviour)
    for _ in range(2):
        assert load("mnist")[1].tolist() == list(range(12))


@pytest.mark.parametrize(("behaviour", "words"), BAD.items())
def test_after_a_bad_mirror_comes_the_next(server, mirrors, behaviour, words):
    mirrors(behaviour, "good")
    assert load("mnist")[1].tolist() == list(range(12))
    assert on_disk() == {name: FILES[name] for name in FILES if name.startswith("train")}
    assert [url for url in server.asked if url.startswith("good/")] == [
        "good/train-images-idx3-ubyte.gz",
        "good/train-labels-idx1-ubyte.gz",
    ]


@pytest.mark.parametrize(("behaviour", "words"), BAD.items())
def test_every_mirror_s_failure_is_told_with_both_ways_out_and_nothing_is_left(mirrors, behaviour, words):
    urls = mirrors(behaviour, "missing")
    text = f"No good copy of MNIST's file train-images-idx3-ubyte:\n.*{urls[0]}/train-images-idx3-ubyte.gz: {words}"
    with pytest.raises(FileNotFoundError, match=ways_out(f"{text}.*\n{urls[1]}/.*: the server answered 404")) as error:
        load("mnist")
    assert len(str(error.value).splitlines()) == 5  # heading, folder, two mirrors, ways out
    assert not images.DATA.exists()


def damage(name, content):
    (images.DATA / "mnist").mkdir(parents=True, exist_ok=True)
    (images.DATA / "mnist" / name).write_bytes(content)


DAMAGED = {  # named, for a gzip file holds the second in which it was made, and two workers may begin in two seconds
    "empty": b"",
    "a page": PAGE,
    "cut short": FILES["train-images-idx3-ubyte.gz"][:-9],
    "another file": gzip.compress(LABELS),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_of_the_cache_is_downloaded_again(server, mirrors, content):
    mirrors("good")
    damage("train-images-idx3-ubyte.gz", content)
    damage("train-labels-idx1-ubyte.gz", FILES["train-labels-idx1-ubyte.gz"])
    load("mnist")
    assert server.asked == ["good/train-images-idx3-ubyte.gz"]  # and not the file that was good
    load("mnist")
    assert server.asked == ["good/train-images-idx3-ubyte.gz"]
    assert on_disk() == {name: FILES[name] for name in FILES if name.startswith("train")}


def test_a_damaged_unpacked_file_of_the_cache_does_not_hide_the_new_one(server, mirrors):
    mirrors("good")
    damage("train-images-idx3-ubyte", IMAGES[:-1])
    for _ in range(2):
        assert load("mnist")[0].shape == (12, 1, 14, 14)
    assert len(server.asked) == 2


def test_a_damaged_cache_without_a_network_is_told_and_left_alone(mirrors):
    mirrors("refusing")
    damage("train-images-idx3-ubyte.gz", PAGE)
    with pytest.raises(FileNotFoundError, match=ways_out("train-images-idx3-ubyte.gz is damaged: .*refused")):
        load("mnist")
    assert on_disk() == {"train-images-idx3-ubyte.gz": PAGE}


def test_a_damaged_file_of_the_reader_is_never_replaced(server, mirrors, tmp_path, monkeypatch):
    mirrors("good")
    path = tmp_path / "own" / "mnist" / "train-images-idx3-ubyte.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(PAGE)
    monkeypatch.setenv("CFGEDU_DATA", str(path.parents[1]))
    with pytest.raises(ValueError, match=ways_out("train-images-idx3-ubyte.gz is damaged: it is no .-dimensional")):
        load("mnist")
    assert path.read_bytes() == PAGE
    assert server.asked == []
    assert on_disk() == {}


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_of_the_reader_that_does_not_help_is_told_in_one_line(mirrors, tmp_path, monkeypatch, capsys, there):
    """A download is never the silent answer to a wrong CFGEDU_DATA; without one, nothing is said."""
    mirrors("good")
    load("mnist", "test")
    assert capsys.readouterr().out == ""
    own = tmp_path / "own"
    if there:
        (own / "archive").mkdir(parents=True)
        (own / "archive.zip").touch()
    monkeypatch.setenv("CFGEDU_DATA", str(own))
    load("mnist")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"Downloading MNIST's file train-images-idx3-ubyte to {images.DATA / 'mnist'}. ")
    reason = "does not have it, nor do the folders in it (there is: archive, archive.zip)"
    assert said[0].endswith(f"As for CFGEDU_DATA: {own} {reason}." if there else f"there is no folder {own}.")
    load("mnist")
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_kept_is_told(mirrors):
    mirrors("good")
    images.DATA.write_bytes(b"a file where a folder should be")
    with pytest.raises(OSError, match=ways_out("train-images-idx3-ubyte came, but could not be kept: .*")):
        load("mnist")


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.gz"
    path.write_bytes(b"old")

    def full(descriptor):
        os.ftruncate(descriptor, 2)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, b"new content")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_whole_under_a_name_of_its_own_before_it_replaces_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "x.gz"
    path.write_bytes(b"old")
    replace, names = os.replace, set()

    def watched(source, target):
        assert Path(source).read_bytes() == b"new"
        assert Path(source).parent == path.parent  # across file systems a renaming is not atomic
        assert path.read_bytes() == b"old"
        names.add(source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    for _ in range(2):
        files.write(path, b"new")
        assert path.read_bytes() == b"new"
        path.write_bytes(b"old")
    assert len(names) == 2


def test_two_processes_at_once_leave_one_whole_file(server, tmp_path):
    """Both have the server's answer before either may write: the server holds the first until the second has asked."""
    program = """
        import sys
        from pathlib import Path
        from cfgedu.files import fetch
        print(fetch(Path(sys.argv[1]), [sys.argv[2]], len))
    """
    name = "train-images-idx3-ubyte.gz"
    path = tmp_path / "new" / "folder" / name
    arguments = [sys.executable, "-c", textwrap.dedent(program), str(path), f"{server.mirror('together')}/{name}"]
    env = {**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[1])}
    runs = [subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate(timeout=120)[0].strip() for run in runs] == [str(len(FILES[name]))] * 2
    assert [run.returncode for run in runs] == [0, 0]
    assert path.read_bytes() == FILES[name]
    assert list(path.parent.iterdir()) == [path]


def test_a_progress_bar_names_the_file_and_moves(server, monkeypatch, capsys):
    monkeypatch.setitem(FILES, "big.gz", os.urandom(4 * files.CHUNK))
    assert files.get(f"{server.mirror('slowly')}/big.gz", "big.gz") == FILES["big.gz"]
    shown = capsys.readouterr().err
    assert "big.gz:  50%" in shown
    assert "32.8k/65.5k" in shown


def test_what_the_caller_was_handling_is_not_taken_for_the_reason(mirrors):
    mirrors("refusing")
    try:
        raise KeyError("something else")
    except KeyError:
        with pytest.raises(FileNotFoundError, match="refused") as error:
            load("mnist")
    assert "something else" not in str(error.value)


def test_there_is_an_end_to_patience():
    connect, read = files.TIMEOUT
    assert 0 < connect <= 30
    assert 0 < read <= 60


def test_the_real_mirrors_are_two_hosts_over_https():
    hosts = {urlsplit(url).netloc for url in images.MIRRORS if url.startswith("https://")}
    assert len(hosts) == len(images.MIRRORS) >= 2
