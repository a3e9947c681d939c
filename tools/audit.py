"""Licence and date of each package that hysp is installed with: python tools/audit.py [PACKAGE ...]

Without names, all that hysp requires, directly or through another package, and has here. Versions and licences are
read from what is installed; the date of a release is asked of pypi.org, one request a package. Without a network the
dates are left out, which is said. The exit code is 1 where a licence is not told or not among `known`."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from packaging.requirements import Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

# What may be used and handed on beside code under the MIT licence; NVIDIA's libraries come with torch, under their own
known = (
    r"MIT|BSD|Apache|PSF|Python Software|MPL|Mozilla|ISC|HPND|0BSD|Unlicense|CC0|Zlib|NVIDIA|LGPL"
)
patience = 10  # Seconds for an answer


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def required(name, found):
    "Add a package and all that it requires here, by their plain names, to what was found"
    try:
        installed = distribution(name)
    except PackageNotFoundError:  # For another system, or an option that nobody chose
        return
    found[plain(name)] = installed
    for line in installed.requires or ():
        requirement = Requirement(line)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and plain(requirement.name) not in found:
            required(requirement.name, found)


def licence(installed):
    "What a package says of its licence, in a few words; empty where it says nothing"
    told = installed.metadata
    if told["License-Expression"]:
        return told["License-Expression"]
    classes = told.get_all("Classifier") or ()
    named = [line.split(" :: ")[-1] for line in classes if line.startswith("License :: OSI")]
    if named:
        return ", ".join(named)
    return " ".join((told["License"] or "").split())[:60]


def version_of(file_name):
    "The version that a file of an index is of; None for a file that is no package"
    parse = parse_wheel_filename if file_name.endswith(".whl") else parse_sdist_filename
    try:
        return parse(file_name)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def released(installed):
    "Day on which the version was put on pypi.org; None where it is not there"
    address = f"https://pypi.org/simple/{plain(installed.name)}/"
    question = Request(address, headers=dict(Accept="application/vnd.pypi.simple.v1+json"))
    try:
        with urlopen(question, timeout=patience) as answer:
            files = json.load(answer)["files"]
    except HTTPError:  # A package of another index
        return None
    ours = Version(installed.version.partition("+")[0])
    times = [file["upload-time"] for file in files if version_of(file["filename"]) == ours]
    return min(times)[:10] if times else None


def days_of(packages):
    "The day of each release; no more is asked once there was no answer"
    try:
        days = [released(packages[0])]
        with ThreadPoolExecutor(4) as pool:
            return days + list(pool.map(released, packages[1:]))
    except OSError as error:
        print(f"no dates of releases: pypi.org does not answer ({error})", file=sys.stderr)
        return [None] * len(packages)


def main(names):
    found = {}
    for name in names:
        required(name, found)
    packages = [found[name] for name in sorted(found)]
    if not packages:
        print(f"not installed: {', '.join(names)}", file=sys.stderr)
        return 1
    if names != ["hysp"]:
        packages = [found[plain(name)] for name in names if plain(name) in found]
    odd = []
    for package, day in zip(packages, days_of(packages)):
        words = licence(package)
        print(f"{package.name:28} {package.version:16} {day or '-':12} {words or '-'}")
        if package.name != "hysp" and not re.search(known, words):
            odd.append(package.name)
    if odd:
        print(f"look at the licences of {', '.join(odd)}", file=sys.stderr)
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["hysp"]))
