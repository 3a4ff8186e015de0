"""`course.py play [NN ...]`: serves the demos alone, without code, on this machine, for a class or a talk.

It shows the gallery of the web edition, which is built at the first start, and again when the course has changed. The
demos run in the browser: no kernel starts, and they stay alive when the server has gone.
"""

import argparse
import functools
import http.server
import os
import sys
import threading
import webbrowser
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a script of tools/ does not find tools by itself

from tools.lessons import named

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build/site"
MADE_OF = ("README.md", "cfgedu", "data", "docs", "notebooks", "site", "tools", "translations")


def chosen(words, folder=ROOT / "notebooks"):
    """The numbers of the lessons that the words name (06, a file name or a path); none without words."""
    return [path.name[:2] for path in named(words, sorted(folder.glob("*.ipynb")), "lesson")] if words else []


def outdated(site=SITE, root=ROOT):
    """Whether there are no pages yet, or something that they are made of is newer."""
    whole = site / ".complete"  # which the build of the pages makes last
    if not whole.exists():
        return True
    files = [file for name in MADE_OF for file in [root / name, *(root / name).rglob("*")] if file.is_file()]
    return any(file.stat().st_mtime > whole.stat().st_mtime for file in files if "__pycache__" not in file.parts)


def server_on(port, folder=SITE):
    """A server of the folder on this machine's port, or on a free one for 0; nobody else can reach it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def end_headers(self):
            self.send_header("Cache-Control", "no-cache")  # a page that was built anew is fetched anew
            super().end_headers()

    class Server(http.server.ThreadingHTTPServer):
        allow_reuse_address = os.name != "nt"  # there it would let two servers share a port

    try:
        return Server(("127.0.0.1", port), functools.partial(Quiet, directory=str(folder)))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise SystemExit(f"Port {port} cannot be used ({why}): name another, or none for a free one.") from None


def main():
    parser = argparse.ArgumentParser(prog="course.py play", description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", metavar="NN", help="whose demos, such as 06 (default: all lessons)")
    parser.add_argument("--port", type=int, default=0, help="the port to serve on (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    options = parser.parse_args()
    try:
        serve(chosen(options.numbers), options.port, not options.no_browser)
    except KeyboardInterrupt:
        sys.exit(130)


def serve(numbers, port, browser):
    with server_on(port) as server:  # before the pages are built: a port that is taken is told at once
        if outdated():
            from tools import site

            print("Building the pages.", flush=True)
            site.make()
        asked = f"?demos={','.join(numbers)}" if numbers else ""
        address = f"http://127.0.0.1:{server.server_address[1]}/gallery.html{asked}"
        print(f"The demos are at {address} (Ctrl-C ends this).", flush=True)
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main()
