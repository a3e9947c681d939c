"""What bench/gpu.py wrote, of one call or several, as the table that the page How fast? reads.

    python bench/gpu_table.py first/results.json second/results.json > nbs/tutorials/how_fast.csv

A line is one number: of which call and part, of what, what it says, and its value."""

import csv
import json
import sys
from collections import Counter
from pathlib import Path

columns = "call", "part", "of", "says", "value"


def numbers_of(row):
    "The texts of a row as one name, and its numbers; of a list one for each place, from 1"
    texts = [str(value)[:70] for value in row.values() if isinstance(value, str)]
    numbers = []
    for name, value in row.items():
        if isinstance(value, int | float):
            numbers.append((name, value))
        elif isinstance(value, list):
            numbers += [(f"{name} {place}", each) for place, each in enumerate(value, 1)]
    return ", ".join(texts), numbers


def lines_of(results):
    "Yields part, of, says and value for each number of a call"
    for part, about in results.items():
        yield part, "", f"seconds until {about['ended']}", about.get("seconds", 0)
        if part == "golden":
            outcomes = Counter(row["outcome"] for row in about["rows"])
            yield from ((part, "", outcome, count) for outcome, count in outcomes.items())
            continue
        for place, row in enumerate(longest_curves(about["rows"])):
            name, numbers = numbers_of(row)
            # A row of what is learned is one of several of its name
            name = f"{place}: {name}" if part in ("learn", "profile") else name
            yield from ((part, name, says, value) for says, value in numbers)


def longest_curves(rows):
    "The rows without curves that a later row continues"
    curves = [row for row in rows if any(isinstance(value, list) for value in row.values())]
    return [row for row in rows if row not in curves[:-1]]


def main(files):
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for call, file in enumerate(files, 1):
        for *names, value in lines_of(json.loads(Path(file).read_text("utf-8"))):
            writer.writerow([call, *names, f"{value:.6g}"])


if __name__ == "__main__":
    main(sys.argv[1:])
