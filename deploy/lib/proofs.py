"""What proofs came to, for people and for the record. Called by deploy/test:

proofs.py record SUMMARY RECORD KEY=VALUE...   adds a line to RECORD: the keys, and the sums of SUMMARY's lines
proofs.py mutation OUTCOMES LEAST SHARDS       writes a summary of cargo-mutants' report; fails below LEAST percent
"""

import json
import os
import sys


def sums(summary):
    total = {}
    try:
        with open(summary, encoding="utf-8") as lines:
            for line in lines:
                for name, count in json.loads(line).items():
                    total[name] = total.get(name, 0) + count
    except FileNotFoundError:
        pass  # The proof ended before it could say anything.
    return total


def record(summary, file, *given):
    known = {"true": True, "false": False}
    entry = {}
    for pair in given:
        name, value = pair.split("=", 1)
        entry[name] = int(value) if name == "seconds" else known.get(value, value)
    entry |= sums(summary)
    with open(file, "a", encoding="utf-8") as out:
        out.write(json.dumps(entry, separators=(",", ":")) + "\n")


def mutation(outcomes, least, shards):
    with open(outcomes, encoding="utf-8") as report:
        report = json.load(report)
    # What hangs the tests is found as well: they do not pass.
    found = report["caught"] + report["timeout"]
    judged = found + report["missed"]
    score = 100 * found / judged if judged else 0
    print(f"{judged} judged, {report['unviable']} did not compile, {found} found: {score:.1f} % (at least {least})")
    counts = {"mutants": judged, "mutants_found": found, "score": round(score, 1), "shards": int(shards)}
    with open(os.environ["TGA_PROOF_SUMMARY"], "a", encoding="utf-8") as out:
        out.write(json.dumps(counts) + "\n")
    return score >= float(least)


if __name__ == "__main__":
    does, *arguments = sys.argv[1:]
    sys.exit({"record": record, "mutation": mutation}[does](*arguments) is False)
