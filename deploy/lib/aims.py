"""Prints what the named benchmark reports (paths without .json) aimed at and what they reached."""

import json
import sys


def rows(path):
    with open(path + ".json", encoding="utf-8") as file:
        report = json.load(file)
    for aim in report["aims"]:
        bound = ("at least " if aim["better"] == "higher" else "at most ") + f"{aim['aim']:,g}"
        reached = f"{aim['reached']:,.4g}" if aim["reached"] < 1000 else f"{aim['reached']:,.0f}"
        yield report["benchmark"], aim["name"], bound, reached, aim["unit"], "yes" if aim["met"] else "NO"


table = [("benchmark", "figure", "aim", "reached", "unit", "met")]
for name in sys.argv[1:]:
    table += rows(name)
widths = [max(len(row[column]) for row in table) for column in range(6)]
for row in table:
    print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
