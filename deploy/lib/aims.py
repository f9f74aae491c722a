"""Prints what the named benchmark reports aimed at and what they reached, and what they did not do."""

import json
import sys


def number(value):
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def row(benchmark, aim):
    bound = ("at least " if aim["better"] == "higher" else "at most ") + f"{aim['aim']:,g}"
    if aim["reached"] is None:
        return benchmark, aim["name"], bound, "no figure", aim["unit"], "?"
    return benchmark, aim["name"], bound, number(aim["reached"]), aim["unit"], "yes" if aim["met"] else "NO"


reports = []
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        reports.append(json.load(file))
table = [("benchmark", "figure", "aim", "reached", "unit", "met")]
table += [row(report["benchmark"], aim) for report in reports for aim in report["aims"]]
widths = [max(len(cells[column]) for cells in table) for column in range(6)]
for cells in table:
    print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())
for report in reports:
    if report["not_done"]:
        print(f"\nnot done by {report['benchmark']}:")
        for text in report["not_done"]:
            print(f"- {text}")
