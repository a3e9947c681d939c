"""Spoilt files through every reader: each is read or refused in a sentence, soon and in little memory
python bench/fuzz.py [READER ...] [--files 100000] [--seconds S] [--seed 0] [--keep FOLDER]

A small valid tree of each format (`tests/formats.py`), and of each kind of folder that hysp itself keeps
(`tests/kept.py`), has one file spoilt at a time: bytes flipped, cut or doubled, lines swapped, numbers and words
replaced, keys renamed, values of other types, odd names. With --seconds all readers together end after so long, each
after the same share of it. A reader breaks on a file
when anything but a `HyspError` comes out of it, a warning of another library included; when its message is no single
line of at most 1,000 characters; when it takes 2 seconds of a core; or when it takes 500 MB. The first file that
breaks a reader in each way is kept, with its whole tree, and the exit code is 1. The limits need Linux."""

import argparse
import io
import json
import multiprocessing
import pickle
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hysp.clips import printable  # noqa: E402
from hysp.core import HyspError  # noqa: E402

seconds = 2  # Of a core, for one file
megabytes = 500
longest_message = 1000  # Characters
patience = 60  # Seconds of the clock for one file; a reader that waits uses no core

# Bytes and text


def flip(data, rng):
    "One to eight bytes become others"
    spoilt = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt)


def part(data, rng):
    "Begin and end of a part of at most 2,000 bytes"
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.randint(1, 2000))


def cut_end(data, rng):
    return data[: rng.randrange(len(data))]


def cut_part(data, rng):
    start, end = part(data, rng)
    return data[:start] + data[end:]


def double_part(data, rng):
    start, end = part(data, rng)
    return data[:end] + data[start:end] + data[end:]


def double_all(data, rng):
    return data + data


def insert_bytes(data, rng):
    start, _ = part(data, rng)
    what = rng.choice((b"\0", b"\xff\xfe", b"\r", b'"', b"[" * 50_000, b"\xef\xbb\xbf", b"'", b","))
    return data[:start] + what + data[start:]


def swap_lines(data, rng):
    lines = data.split(b"\n")
    first = rng.randrange(len(lines))
    second = rng.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def drop_line(data, rng):
    lines = data.split(b"\n")
    lines.pop(rng.randrange(len(lines)))
    return b"\n".join(lines)


def double_line(data, rng):
    lines = data.split(b"\n")
    i = rng.randrange(len(lines))
    return b"\n".join([*lines[:i], lines[i], *lines[i:]])


odd_numbers = (
    b"nan inf -inf 1e999 -1 0 1e30 -5e-324 9.9.9 0x1F 1_0 true 99999999999999999999".split()
)
odd_numbers += [b"", b"7" * 5000, b"2147483648", "٣".encode()]
odd_words = [
    b"",
    b"x",
    b"X" * 3000,
    b"null",
    b"frame",
    b"-",
    b"nan",
    "é\x85".encode(),
    b"{}",
    b"[]",
]


def replace_one(data, rng, pattern, others):
    "One of the words that look so becomes another"
    places = [match.span() for match in re.finditer(pattern, data)]
    if not places:
        return flip(data, rng)
    start, end = rng.choice(places)
    return data[:start] + rng.choice(others) + data[end:]


def change_number(data, rng):
    return replace_one(data, rng, rb"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?", odd_numbers)


def change_word(data, rng):
    return replace_one(data, rng, rb"[A-Za-z]{2,}", odd_words)


of_bytes = (flip, cut_end, cut_part, double_part, double_all, insert_bytes)
of_text = (swap_lines, drop_line, double_line, change_number, change_number, change_word)

# Values within a file: JSON, pickles, arrays

odd_values = [None, True, -1, 0, 1e30, float("nan"), float("inf"), 10**30, "x", "", [], {}, [[]]]
odd_values += [{"x": 1}, [1, "a"], 1.5, "1", 2**31, [None], b"x"]
odd_types = ("float64", "float16", "int8", "uint64", "complex128", "bool", "U3", "S2", "M8[s]")


def change_array(array, rng):
    "An array of another type or shape, or with an odd number in it"
    how = rng.choice(("type", "flat", "first", "whole", "more", "none", "number", "axes", "object"))
    if how == "type":
        return array.astype(rng.choice(odd_types))
    if how == "first" and array.ndim:
        return array[:1]
    if how == "whole":
        return np.array(rng.choice([0, -1, 2**40, np.nan, "x"]))
    if how == "more":
        return array[None]
    if how == "none":
        return array[:0] if array.ndim else array
    if how == "axes":
        return array.T
    if how == "object":
        return array.astype(object)
    if how == "number" and array.size and array.dtype.kind in "fiu":
        changed = array.copy()
        value = rng.choice([-1, 0, 127, np.nan, np.inf, 1e30])
        if np.can_cast(np.min_scalar_type(value), array.dtype, "same_kind"):
            changed.flat[rng.randrange(array.size)] = value
        return changed
    return array.reshape(-1)


def change_tensor(tensor, rng):
    import torch

    return torch.from_numpy(np.array(change_array(tensor.numpy(), rng)))


def change_keys(tree, rng):
    "A key renamed or taken out, or the value under one changed"
    key = rng.choice(list(tree))
    how = rng.choice(("rename", "drop", "value", "value", "value"))
    rest = {name: value for name, value in tree.items() if name != key}
    if how == "drop":
        return rest
    if how == "rename":
        return rest | {f"{key}x": tree[key]}
    return rest | {key: change_value(tree[key], rng)}


def change_list(tree, rng):
    "An element taken out, doubled or changed, or the order turned round"
    i = rng.randrange(len(tree))
    how = rng.choice(("drop", "double", "turn", "value", "value", "value"))
    if how == "drop":
        return tree[:i] + tree[i + 1 :]
    if how == "double":
        return tree[:i] + [tree[i]] + tree[i:]
    if how == "turn":
        return tree[::-1]
    return tree[:i] + [change_value(tree[i], rng)] + tree[i + 1 :]


def change_value(tree, rng):
    "The same value with one thing in it changed"
    if hasattr(tree, "numpy") and rng.random() < 0.9:
        return change_tensor(tree, rng)
    if isinstance(tree, np.ndarray) and rng.random() < 0.9:
        return change_array(tree, rng)
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        return change_keys(tree, rng)
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        return change_list(tree, rng)
    return rng.choice(odd_values)


def change_json(data, rng):
    changed = change_value(json.loads(data), rng)
    return json.dumps(changed, default=str).encode()


def change_pickle(data, rng):
    return pickle.dumps(change_value(pickle.loads(data), rng))


def change_npy(data, rng):
    file = io.BytesIO()
    np.save(file, change_array(np.load(io.BytesIO(data)), rng))
    return file.getvalue()


def change_yaml(data, rng):
    changed = change_value(yaml.safe_load(data), rng)
    return yaml.safe_dump(changed, sort_keys=False).encode()


def change_safetensors(data, rng):
    "A part of the heading changed, or of the description in it"
    size = int.from_bytes(data[:8], "little")
    heading = json.loads(data[8 : 8 + size])
    if "__metadata__" in heading and rng.random() < 0.7:
        described = heading["__metadata__"]
        described["hysp"] = change_json(described["hysp"].encode(), rng).decode()
    else:
        heading = change_value(heading, rng)
    text = json.dumps(heading, default=str).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def change_state(data, rng):
    "A state of torch with one of its plain values changed, or a tensor"
    import torch

    state = torch.load(io.BytesIO(data), weights_only=True)
    file = io.BytesIO()
    torch.save(change_value(state, rng), file)
    return file.getvalue()


def change_npz(data, rng):
    with np.load(io.BytesIO(data)) as archive:
        arrays = {key: archive[key] for key in archive.files}
    file = io.BytesIO()
    np.savez(file, **change_keys(arrays, rng))
    return file.getvalue()


of_values = {
    ".json": change_json,
    ".pkl": change_pickle,
    ".pickle": change_pickle,
    ".npy": change_npy,
    ".npz": change_npz,
    ".yaml": change_yaml,
    ".safetensors": change_safetensors,
    ".pt": change_state,
    ".ckpt": change_state,
}
not_text = (".pkl", ".pickle", ".npy", ".npz", ".zip", ".pt", ".ckpt", ".safetensors")

# A tree with one file spoilt


def spoil_bytes(data, suffix, rng):
    "A valid file with one to three things wrong"
    if suffix in of_values and rng.random() < 0.6:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return of_values[suffix](data, rng)
        except (ValueError, TypeError, OverflowError):  # What cannot be made cannot be met
            return cut_end(data, rng)
    ways = of_bytes if suffix in not_text else of_bytes + 2 * of_text
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if data:
            data = rng.choice(ways)(data, rng)
    return data


odd_names = ("é{}", " {}", "{}\r", "{}\udcff", "{}.bak", ".{}", "{} (1)", "x", "{}" + 60 * "y")


def spoil_name(path, rng):
    "Another name for a file: another number in it, or one of `odd_names`"
    stem, suffix = path.stem, path.suffix
    if rng.random() < 0.5 and re.search(r"\d", stem):
        return path.with_name(re.sub(r"\d+", str(rng.randrange(200)), stem, count=1) + suffix)
    return path.with_name(rng.choice(odd_names).format(stem) + suffix)


def spoil(files, rng):
    "Which of the files (path: bytes) is spoilt; under which name and with which bytes it lies there"
    path = rng.choice(sorted(files))
    if rng.random() < 0.05:
        return path, spoil_name(path, rng), files[path]
    return path, path, spoil_bytes(files[path], path.suffix.lower(), rng)


def chance_of(name, seed, i):
    return random.Random(f"{seed} {name} {i}")


# One file through a reader


def bad_message(error):
    "What is wrong with the message of an error; None if nothing is"
    text = str(error)
    if len(text) > longest_message:
        return f"a message of more than {longest_message:,} characters"
    return None if text == printable(text) != "" else "a message that is no single line"


def place_of(error):
    "Where in the package an exception came from"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{Path('hysp')}/" in frame.filename]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def out_of_memory(error):
    "Did an exception begin with a lack of memory?"
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def judge(error):
    "Whether a file was refused as it should be, else in which way the reader broke"
    if out_of_memory(error):
        return f"more than {megabytes} MB, {place_of(error)}"
    if not isinstance(error, HyspError):
        return f"{type(error).__name__}, {place_of(error)}"
    wrong = bad_message(error)
    return f"{wrong}, {place_of(error)}" if wrong else "refused"


def read_all(read, folder):
    "Read every clip of a tree: 'read', 'refused', or in which way the reader broke"
    try:
        source = read(folder)
    except Exception as error:
        return judge(error)
    outcomes = []
    for fault in source.faults:
        wrong = bad_message(fault)
        outcomes.append(f"{wrong}, in faults" if wrong else "refused")
    for i in range(len(source)):
        try:
            source[i]
        except Exception as error:
            outcomes.append(judge(error))
    broken = [outcome for outcome in outcomes if outcome != "refused"]
    return [*broken, *outcomes, "read"][0]


def limit_memory():
    "From now on, at most so much more memory for this process"
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def work(pipe, name, read, folder, files, span, seed, until):
    "Files of the span, one after the other, until it is late; tells the pipe before and after each"
    limit_memory()
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", ResourceWarning)  # As Python does for those who use a program
    for i in span:
        if time.monotonic() > until:
            break
        path, spoilt, data = spoil(files, chance_of(name, seed, i))
        path.unlink()
        try:
            spoilt.write_bytes(data)
        except OSError:  # The disk does not take such a name
            spoilt = path
            spoilt.write_bytes(data)
        pipe.send(i)
        begun = time.perf_counter()
        signal.setitimer(signal.ITIMER_PROF, seconds)  # The kernel ends the process then
        outcome = read_all(read, folder)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send((outcome, time.perf_counter() - begun, peak_memory()))
        spoilt.unlink()
        for place in {path, spoilt} & set(files):  # Another file may have had the odd name
            place.write_bytes(files[place])


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# All files of a reader


@dataclass
class Report:
    "What became of the files of one reader"

    outcomes: Counter = field(default_factory=Counter)
    first: dict = field(default_factory=dict)  # Way of breaking: number of the first file
    seconds: float = 0.0
    slowest: float = 0.0
    peak: float = 0.0  # MB above the beginning

    def add(self, i, outcome, took=0.0, peak=0.0):
        self.outcomes[outcome] += 1
        self.seconds += took
        self.slowest = max(self.slowest, took)
        self.peak = max(self.peak, peak)
        if outcome not in ("read", "refused"):
            self.first.setdefault(outcome, i)

    @property
    def broken(self):
        return sum(self.outcomes[outcome] for outcome in self.first)


def follow(pipe, report, at_first):
    "Note what a worker tells until it is silent: the file that it was at then, None if it was done"
    at = None
    while pipe.poll(patience):
        try:
            told = pipe.recv()
        except EOFError:
            break
        if isinstance(told, int):
            at = told
        else:
            outcome, took, peak = told
            report.add(at, outcome, took, peak - at_first)
            at = None
    return at


def end(worker):
    "In which way a worker ended that was not done"
    worker.join(0.5)
    if worker.is_alive():
        worker.kill()
        worker.join()
        return f"waits for more than {patience} s"
    if worker.exitcode == -signal.SIGPROF:
        return f"more than {seconds} s of a core"
    return f"the process ended with code {worker.exitcode}"


def write_tree(files, folder):
    "All files of a tree, in an empty folder"
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def fuzz(name, read, folder, count, seed=0, until=float("inf")):
    "Spoil files of the tree in `folder`, one at a time, and read it with `read`; `until` when"
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report = Report()
    processes = multiprocessing.get_context("fork")
    span = range(count)
    while span:
        ours, theirs = processes.Pipe(duplex=False)
        args = (theirs, name, read, folder, files, span, seed, until)
        worker = processes.Process(target=work, args=args)
        worker.start()
        theirs.close()
        at = follow(ours, report, peak_memory())
        if at is None:
            worker.join()
            assert worker.exitcode == 0, "the worker failed between two files"
            break
        report.add(at, end(worker))
        write_tree(files, folder)
        span = range(at + 1, count)
    return report, files


def keep_first(report, name, files, folder, seed, keep):
    "A tree for the first file that broke the reader in each way: (way, tree)"
    for way, i in report.first.items():
        path, spoilt, data = spoil(files, chance_of(name, seed, i))
        changed = {other: content for other, content in files.items() if other != path}
        changed[spoilt] = data
        tree = keep / name / str(i)
        write_tree({tree / o.relative_to(folder): d for o, d in changed.items()}, tree)
        yield way, i, tree / spoilt.relative_to(folder)


columns = dict(reader=-18, files=8, read=8, refused=9, broken=8)
columns |= {"ms a file": 11, "slowest s": 11, "peak MB": 9}


def row_of(cells):
    "A row of the table: names to the left, numbers to the right"
    return "".join(
        f"{cell:<{-width}}" if width < 0 else f"{cell:>{width}}"
        for cell, width in zip(cells, columns.values())
    )


def line_of(name, report):
    "A reader's row"
    count = sum(report.outcomes.values())
    outcomes = report.outcomes["read"], report.outcomes["refused"], report.broken
    mean = 1000 * report.seconds / max(1, count)
    return row_of(
        (name, count, *outcomes, f"{mean:.2f}", f"{report.slowest:.2f}", round(report.peak))
    )


def main():
    from formats import formats
    from kept import kept

    readers = formats | kept
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(readers)}")
    parser.add_argument("--files", type=int, default=100_000, help="spoilt files a reader, at most")
    parser.add_argument("--seconds", type=float, help="time for all readers together, about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that break a reader")
    args = parser.parse_args()
    for name in args.readers:
        if name not in readers:
            parser.error(f"unknown reader '{name}' (known: {', '.join(readers)})")
    names = args.readers or list(readers)
    keep = args.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    end = time.monotonic() + (args.seconds or float("inf"))
    broken = 0
    print(row_of(columns))
    for i, name in enumerate(names):
        now = time.monotonic()
        until = now + (end - now) / (len(names) - i)
        broken += try_reader(name, readers[name], args, keep, until)
    return 1 if broken else 0


def try_reader(name, reader, args, keep, until):
    "Print a reader's row and each way in which it broke; how many files broke it"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tree"
        reader.plant(folder)
        report, files = fuzz(name, reader.read, folder, args.files, args.seed, until)
        print(line_of(name, report), flush=True)
        for way, i, path in keep_first(report, name, files, folder, args.seed, keep):
            print(f"    {report.outcomes[way]} of them: {way}; file {i} is {path!r}", flush=True)
    return report.broken


if __name__ == "__main__":
    sys.exit(main())
