"""`course.py notebooks [NN ...]`: runs notebooks from clean kernels, in order, and stores their outputs.

What is stored depends on the notebook alone: no timing, no model ids of widgets, no paths, progress bars in their last
state, pictures in few colours. A notebook that fails, or grows over the limit, is left as it was.
"""

import argparse
import base64
import io
import os
import re
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a script of tools/ finds cfgedu, but not tools

from cfgedu import saving
from cfgedu.files import write
from tools.lessons import named

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 1_500_000
CELL_TIMEOUT = 600
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}
BLOCK, SEEN = 8, 2  # pixels; levels, of 256, by which a palette may move the areas of a picture, see `distance`
ANSI_MOVES = re.compile(r"\x1b\[\d*[A-K]")
BAR_TIMING = re.compile(r"\[\d+:\d[\d:]*(?:<[^,\]]*)?, *[^,\]]*(?:, )?([^\]]*)\]")
PEAK_MEMORY = """
try:
    import resource, sys
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
except ImportError:
    import psutil
    print(psutil.Process().memory_info().peak_wset / 2**20)
"""


def chosen(numbers, root=ROOT):
    """The paths of the notebooks that the words name (06, a file name or a path), lessons first, then solutions."""
    folder = root / "notebooks"
    return named(numbers, sorted(folder.glob("*.ipynb")) + sorted((folder / "solutions").glob("*.ipynb")))


def normalise(notebook):
    """Makes two runs of the same notebook equal to the letter. In place; returns the notebook."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(kept_metadata(cell.metadata))
        if cell.cell_type == "code":
            cell.outputs = [normalised_output(output) for output in joined_streams(cell.outputs)]
    return notebook


def kept_metadata(metadata):
    """A cell's tags, the name and words of its demo, the words for its picture: {"mystnb": {"image": {"alt": ...}}}."""
    kept = {name: metadata[name] for name in ("tags", "demo") if metadata.get(name)}
    words = alt(metadata)
    return kept | ({"mystnb": {"image": {"alt": words}}} if words else {})


def alt(metadata):
    """The words for the picture of a cell, from its metadata; None where there are none."""
    for key in ("mystnb", "image", "alt"):
        metadata = metadata.get(key) if isinstance(metadata, dict) else None
    return metadata if isinstance(metadata, str) else None


def joined_streams(outputs):
    """One output for each run of text on the same stream: where it was cut depends on timing."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" == joined[-1].output_type and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output.copy())
    return joined


def normalised_output(output):
    if output.output_type == "stream":
        output.text = last_state(output.text)
    elif output.output_type == "error":
        output.traceback = [without_paths(line) for line in output.traceback]
    else:  # of any widget: a model id means nothing without its kernel, and viewers show an error for it
        output.data = output.data.copy()
        saving.without_view(output)
    return output


def last_state(text):
    """What a terminal shows in the end: a carriage return begins the line again. Progress bars lose their timing."""
    if "\r" not in text:
        return text
    rows = [ANSI_MOVES.sub("", row).rstrip("\r").split("\r")[-1] for row in text.split("\n")]
    return "\n".join(BAR_TIMING.sub(lambda bar: f"[{bar[1]}]" if bar[1] else "", row).rstrip() for row in rows)


def without_paths(text):
    """Tracebacks name files below the course or its environment, in full or from the home folder."""
    for folder, short in ((Path(sys.prefix), ".venv/"), (ROOT, "")):
        text = text.replace(f"{folder}{os.sep}", short)
        if folder.is_relative_to(Path.home()):
            text = text.replace(f"~{os.sep}{folder.relative_to(Path.home())}{os.sep}", short)
    return text


def distance(picture, other):
    """How far the mean colours of two pictures' blocks are apart: in levels of a channel, in the worst hundredth.

    A palette leaves edges where they are and moves areas. One sees bands in smooth fields from about 2.5 on, at 2 none.
    """
    height, width = (size // BLOCK * BLOCK for size in (picture.height, picture.width))
    difference = np.asarray(picture, float)[:height, :width] - np.asarray(other, float)[:height, :width]
    blocks = difference.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean((1, 3))
    far = np.sort(abs(blocks).max(axis=2), axis=None)
    return far[-max(1, far.size // 100) :].mean() if far.size else 0.0


def in_few_colours(png):
    """A PNG file in 256 colours, with nothing beside the picture; the file as it is where one would see that."""
    picture = Image.open(io.BytesIO(png))
    if picture.mode == "P" or (picture.mode == "RGBA" and picture.getextrema()[3] != (255, 255)):
        return png
    picture = picture.convert("RGB")
    methods = (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE)  # good at smooth fields, good at lines
    few = [picture.quantize(256, method=method, kmeans=2, dither=Image.Dither.NONE) for method in methods]
    best = min(few, key=lambda new: distance(picture, new.convert("RGB")))
    file = io.BytesIO()
    best.save(file, "PNG", optimize=True)
    unseen = distance(picture, best.convert("RGB")) <= SEEN
    return file.getvalue() if unseen and len(file.getvalue()) < len(png) else png


def shrink(notebook):
    """The pictures of a notebook in few colours, a third of their bytes. In place; returns the notebook."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = base64.b64encode(in_few_colours(base64.b64decode(data["image/png"]))).decode()
    return notebook


def execute(path, probe=PEAK_MEMORY):
    """Runs one notebook; returns it with fresh outputs, the seconds it took and its kernel's peak memory in MB.

    probe: code that prints the peak, where another is wanted.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # no remark on how the kernel's messages travel on this machine
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.monotonic()
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        seconds = time.monotonic() - start
        notebook.cells.append(nbformat.v4.new_code_cell(probe))
        printed = client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1, store_history=False)
        notebook.cells.pop()
    return shrink(normalise(notebook)), seconds, float(printed.outputs[0].text)


def renew(path):
    """Executes one notebook and stores it; returns what went wrong, or None."""
    try:
        notebook, seconds, peak = execute(path)
    except (CellExecutionError, CellTimeoutError, DeadKernelError, ValueError) as error:
        return str(error)
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, version=4) + "\n"
    size = len(text.encode())
    if size > MOST_BYTES:
        return f"{size / 1e6:.2f} MB with its outputs, over the limit of {MOST_BYTES / 1e6} MB"
    changed = text != path.read_text(encoding="utf-8")
    if changed:
        write(path, text.encode())
    state = "changed" if changed else "as before"
    print(
        f"{path.relative_to(ROOT)!s:<60} {seconds:6.1f} s {peak:7.0f} MB peak {size / 1e3:7.0f} kB  {state}", flush=True
    )
    return None


def main():
    parser = argparse.ArgumentParser(prog="course.py notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", metavar="NN", help="which notebooks, such as 06 (default: all)")
    failed = 0
    for path in chosen(parser.parse_args().numbers):
        problem = renew(path)
        if problem:
            failed += 1
            print(f"{path.relative_to(ROOT)}: left as it was.\n{problem}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
