"bench/fuzz.py finds each way in which a reader breaks and names the file; all readers withstand a few files"

import os
import subprocess
import sys
from pathlib import Path

import pytest
from formats import formats
from kept import kept

root = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits of fuzz.py need Linux")

# Readers that break on every file that is not what it was
readers = """
import time
import numpy as np
from hysp.core import HyspError

class Clips(list):
    faults = ()

class Raw(HyspError):
    "An error that does not keep its message to a line"
    __str__ = Exception.__str__

def hang():
    while True:
        pass

def wait():
    time.sleep(100)

def foreign():
    return {}["key"]

def leave():
    raise SystemExit(3)

def gigabyte():
    return np.ones(2**27)

def hidden_gigabyte():
    try:
        return gigabyte()
    except MemoryError as error:
        raise HyspError("cannot be read") from error

def two_lines():
    raise Raw("one\\ntwo")

def endless():
    raise Raw("x" * 1001)

def warned():
    return np.float32(1e300)

def refuses():
    raise HyspError("is not what it was")
"""
script = (
    readers
    + """
import sys
from pathlib import Path
import fuzz
fuzz.patience = 3 if sys.argv[1] == "wait" else 60

def read(folder):
    if [(o.name, o.read_bytes()) for o in folder.iterdir()] != [("a.txt", b"1.5 word\\n")]:
        globals()[sys.argv[1]]()
    return Clips()

folder = Path(sys.argv[2])
report, files = fuzz.fuzz(sys.argv[1], read, folder, int(sys.argv[3]))
print(dict(report.outcomes), report.broken)
assert [o.read_bytes() for o in folder.iterdir()] == [b"1.5 word\\n"]
kept = list(fuzz.keep_first(report, sys.argv[1], files, folder, 0, folder.parent / "kept"))
assert all(path.is_file() for _, _, path in kept) and len(kept) == len(report.first)
"""
)


def run(*args):
    paths = os.pathsep.join(map(str, (root, root / "bench", root / "tests")))
    return subprocess.run(
        [sys.executable, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | dict(PYTHONPATH=paths, OMP_NUM_THREADS="1"),
    )


@pytest.mark.parametrize(
    "way,says",
    [
        ("foreign", "{'KeyError, <string>:"),
        ("leave", "{'the process ended with code 3': 5} 5"),
        ("gigabyte", "{'more than 500 MB, "),
        ("hidden_gigabyte", "{'more than 500 MB, "),
        ("two_lines", "{'a message that is no single line, "),
        ("endless", "{'a message of more than 1,000 characters, "),
        ("warned", "{'RuntimeWarning, "),
        ("refuses", "{'refused': 5} 0"),
        ("hang", "{'more than 2 s of a core': 1} 1"),
        ("wait", "{'waits for more than 3 s': 1} 1"),
    ],
)
def test_each_way_to_break_is_found(tmp_path, way, says):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a.txt").write_text("1.5 word\n")
    count = 1 if way in ("hang", "wait") else 5
    done = run("-c", script, way, tmp_path / "tree", count)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(says), done.stdout


def test_the_same_seed_spoils_the_same(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(root / "bench"))
    import fuzz

    files = {tmp_path / "a.csv": b"x,y\n1,2\n3,4\n", tmp_path / "b.json": b'{"x": [1, 2]}'}
    one = [fuzz.spoil(files, fuzz.chance_of("csv", 0, i)) for i in range(200)]
    assert one == [fuzz.spoil(files, fuzz.chance_of("csv", 0, i)) for i in range(200)]
    assert len({data for _, _, data in one}) > 120
    assert {path for path, _, _ in one} == set(files)
    assert any(path != spoilt for path, spoilt, _ in one)


def test_an_unknown_reader_is_named():
    done = run(root / "bench/fuzz.py", "ntuu", "--files", 1)
    assert done.returncode == 2 and "unknown reader 'ntuu' (known: ntu, " in done.stderr


def test_every_reader_withstands_200_files(tmp_path):
    done = run(root / "bench/fuzz.py", "--files", 200, "--keep", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert {row[0] for row in rows} == {*formats, *kept}
    for name, files, read, refused, *_ in rows:
        assert int(files) == int(read) + int(refused) == 200, name
        assert int(read) >= 2 and int(refused) >= 20, f"{name}: what is spoilt makes no difference"


def test_fuzzing_ends_in_time(tmp_path):
    done = run(root / "bench/fuzz.py", "config", "tables", "--seconds", 4, "--keep", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    files = [int(line.split()[1]) for line in done.stdout.splitlines()[1:]]
    assert len(files) == 2 and all(0 < count < 100_000 for count in files)
