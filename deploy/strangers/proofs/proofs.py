"""The log verified by somebody who has its public key, its contract, and nothing of its code: the two chains of an
exported file, the seal at its end, and proofs asked for over HTTP. Only Python's own library is used.

    proofs.py EXPORT PUBLIC_KEY        a file alone
    proofs.py                          the system of TGA_READY_FILE, with TGA_BINARY to ask for its public key
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from ed25519 import is_signed

UNHASHED = ("data", "prevhash", "hash")
ZERO = "0" * 64
SEAL = "com.trackagoat.export.sealed.v1"
# How long it may take until what was written is signed; 10 s as the contract has it, and some for a busy machine.
SIGNED_WITHIN = 60
# With what `log verify` ends.
WHOLE, WRONG, UNPROVEN = 0, 1, 3


class Found(Exception):
    """Something that is not as it was recorded, or not as the contract has it."""


def expect(holds, text):
    if not holds:
        raise Found(text)


def canonical(value):
    """RFC 8785, for values whose numbers are integers or written alike by both languages."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


class Key:
    """`name+id+base64`, as tools for signed notes have it."""

    def __init__(self, text):
        self.text = text.strip()
        self.name, key_id, key = self.text.split("+", 2)
        key = base64.b64decode(key)
        expect(key[0] == 1 and len(key) == 33, "not an Ed25519 key")
        self.id, self.key = sha256(self.name.encode(), b"\n", key)[:4], key[1:]
        expect(self.id.hex() == key_id, "the key's id is not that of name and key")

    def open(self, note):
        """The lines of a note that this key has signed."""
        text, _, signatures = note.rpartition("\n\n")
        text += "\n"
        for line in signatures.splitlines():
            dash, name, signature = line.split(" ")
            signature = base64.b64decode(signature)
            if dash == "\u2014" and name == self.name and signature[:4] == self.id:
                expect(is_signed(self.key, text.encode(), signature[4:]), "the signature is wrong")
                return text.splitlines()
        raise Found("the note is not signed with this key")

    def checkpoint(self, note):
        origin, size, root, epoch, at = self.open(note)[:5]
        expect(origin == self.name and epoch.startswith("epoch ") and at.startswith("time "), "not a checkpoint")
        return int(size), base64.b64decode(root)

    def seal(self, note):
        origin, org, tree, _, decisions, observations, _ = self.open(note)
        expect(origin == f"{self.name} seal" and org.startswith("org "), "not a seal")
        _, size, root = tree.split(" ")
        ends = {}
        for line in (decisions, observations):
            stream, version, end = line.split(" ")
            ends[stream] = (int(version), end)
        return org.removeprefix("org "), int(size), base64.b64decode(root), ends


def chained(lines):
    """Where both streams end, if every event follows the one before it; and the org."""
    ends = {"decisions": (0, ZERO), "observations": (0, ZERO)}
    last, orgs = 0, set()
    for event in map(json.loads, lines):
        where = f"position {event['position']}"
        version, end = ends[event["stream"]]
        expect(int(event["position"]) > last, f"{where}: out of order")
        expect(event["streamversion"] == str(version + 1), f"{where}: version {version + 1} is missing")
        expect(event["prevhash"] == end, f"{where}: does not follow version {version}")
        envelope = {name: value for name, value in event.items() if name not in UNHASHED}
        found = sha256(bytes.fromhex(end), canonical(envelope), canonical(event["data"])).hex()
        expect(found == event["hash"], f"{where}: its hash is not that of its content")
        ends[event["stream"]] = (version + 1, found)
        last = int(event["position"])
        orgs.add(event["source"].removeprefix("/orgs/"))
    expect(len(orgs) == 1, f"events of {len(orgs)} orgs")
    return ends, orgs.pop()


def lines_of(text):
    """Those of an export: a text in one may hold what Python takes for the end of a line too, as U+2028."""
    return text.removesuffix("\n").split("\n")


def sealed(lines, key):
    """Verifies an export with a seal; returns the size of the tree and its root."""
    seal = json.loads(lines[-1])
    expect(seal["type"] == SEAL, "the export has no seal")
    ends, org = chained(lines[:-1])
    size, root = key.checkpoint(seal["data"]["checkpoint"])
    expect(key.seal(seal["data"]["seal"]) == (org, size, root, ends), "the streams do not end where the seal says")
    return size, root


def over(left, right):
    return sha256(b"\x01", left, right)


def includes(leaf, index, size, path, root):
    """RFC 9162, 2.1.3.2."""
    place, last, known = index, size - 1, leaf
    for other in path:
        if last == 0:
            return False
        if place % 2 or place == last:
            known = over(other, known)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            known = over(known, other)
        place, last = place >> 1, last >> 1
    return last == 0 and known == root


def continues(old_size, size, path, old_root, root):
    """RFC 9162, 2.1.4.2, for trees that are neither empty nor the same."""
    if old_size & (old_size - 1) == 0:
        path = [old_root, *path]
    place, last = old_size - 1, size - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            old, new = over(other, old), over(other, new)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            new = over(new, other)
        place, last = place >> 1, last >> 1
    return last == 0 and old == old_root and new == root


class Api:
    """The system that runs."""

    def __init__(self, ready):
        self.url, self.secret = ready["api"], ready["demo"]["api_key"]

    def call(self, path, body=None):
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode(), answer.headers

    def get(self, path):
        return json.loads(self.call(path)[0])["data"]

    def checkpoint(self, key, at_least):
        """A signed head over so many events at least."""
        until = time.monotonic() + SIGNED_WITHIN
        while True:
            told = self.get("/audit/checkpoint")
            size, root = key.checkpoint(told["note"])
            expect((size, root.hex()) == (told["tree_size"], told["root_hash"]), "the head is not what its note says")
            if size >= at_least:
                return size, root
            expect(time.monotonic() < until, f"position {at_least} is not signed after {SIGNED_WITHIN} s")
            time.sleep(0.5)

    def is_refused(self, path, status):
        try:
            self.call(path)
        except urllib.error.HTTPError as refusal:
            return refusal.code == status
        return False


def bytes_of(proof):
    return [bytes.fromhex(one) for one in proof["hashes"]]


def story(api, key):
    old_size, old_root = api.checkpoint(key, 1)
    _, headers = api.call("/projects", body={"name": "Proofs"})
    position = int(headers["Tga-Position"])
    size, root = api.checkpoint(key, position)
    proof = api.get(f"/audit/proof?from_size={old_size}&to_size={size}")
    expect(continues(old_size, size, bytes_of(proof), old_root, root), "the log has not only grown")

    lines = lines_of(api.call("/audit/export?seal=true")[0])
    sealed_size, _ = sealed(lines, key)
    expect(sealed_size >= position, "what was written before is not under the seal")
    events = [json.loads(line) for line in lines[:-1]]
    own = next(event for event in events if event["position"] == str(position))
    for event in (events[0], own):
        index = int(event["position"]) - 1
        proof = api.get(f"/audit/proof?position={index + 1}&tree_size={size}")
        leaf = sha256(b"\x00", bytes.fromhex(event["hash"]))
        expect(proof["leaf_index"] == index and proof["leaf_hash"] == leaf.hex(), "the proof is of another leaf")
        expect(includes(leaf, index, size, bytes_of(proof), root), f"position {index + 1} is not proven")
        wrong = sha256(b"\x00", leaf)
        expect(not includes(wrong, index, size, bytes_of(proof), root), "anything is proven")
    expect(api.is_refused("/audit/proof?position=9007199254740991", 400), "what is not there is proven")
    expect(verdict(lines, key) == WHOLE, "`log verify` does not find an export whole that is")
    for changed, found in spoiled(lines):
        expect(verdict(changed, key) == found, "`log verify` says something else of an export that was changed")
        try:
            sealed(changed, key)
        except Found:
            continue
        raise Found("an export that was changed is taken for whole")
    print(f"{len(events)} events under one seal, {size} under one head: all is proven")


def verdict(lines, key):
    """What the program itself says of an export."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".ndjson") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        asked = [os.environ["TGA_BINARY"], "log", "verify", "--file", file.name, "--public-key", key.text]
        return subprocess.run(asked, check=False, capture_output=True).returncode


def spoiled(lines):
    """What somebody might do to a file, and what the program says of it."""
    yield lines[:-1], UNPROVEN
    yield lines[1:], UNPROVEN
    yield lines[:-2] + lines[-1:], WRONG
    yield [*lines[:2], *lines[3:]], WRONG
    yield [*lines[:1], lines[2], lines[1], *lines[3:]], WRONG
    yield [*lines[:-2], lines[-2].replace('"actor":"', '"actor":"x'), lines[-1]], WRONG


def main():
    if len(sys.argv) == 3:
        with open(sys.argv[1], encoding="utf-8") as file:
            size, _ = sealed(lines_of(file.read()), Key(sys.argv[2]))
        print(f"complete as of position {size}")
        return
    with open(os.environ["TGA_READY_FILE"], encoding="utf-8") as file:
        ready = json.load(file)
    environment = {**os.environ, "TGA_DATABASE_URL": ready["database_url"]}
    asked = [os.environ["TGA_BINARY"], "log", "checkpoint", "--public-key"]
    told = subprocess.run(asked, env=environment, check=True, capture_output=True, text=True)
    story(Api(ready), Key(told.stdout))


if __name__ == "__main__":
    try:
        main()
    except Found as found:
        sys.exit(f"error: {found}")
