"""Which notebooks the words of a command name. Only the standard library: `play --help` asks before any set-up."""

from pathlib import Path


def named(words, paths, kind="notebook"):
    """Those paths whose file names begin with a word (06, a file name or a path); all of them without words.

    Raises SystemExit with a sentence for a word that is no such beginning.
    """
    names = [Path(word).name for word in words]
    unknown = [name for name in names if not any(path.name.startswith(name) for path in paths)]
    if unknown:
        there = ", ".join(path.stem for path in paths if path.parent.name != "solutions")
        raise SystemExit(f"No {kind} begins with {', '.join(unknown)}. There are: {there}.")
    return [path for path in paths if not names or path.name.startswith(tuple(names))]
