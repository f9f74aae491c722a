"""Events as they come to somebody who knows Standard Webhooks, verified by its own library."""

import http.server
import json
import os
import threading
import time
from pathlib import Path

from api import Api
from standardwebhooks import Webhook, WebhookVerificationError

# How long a busy machine may take, in seconds.
SOON = 60
READY = json.loads(Path(os.environ["TGA_READY_FILE"]).read_text())


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what comes, and answers the first of each id that is in `refused` with 500."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.came = []
        self.refused = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/in"

    def wait(self, what, condition):
        deadline = time.monotonic() + SOON
        while not condition(self.came):
            assert time.monotonic() < deadline, f"not in {SOON} s: {what}; came {self.came}"
            time.sleep(0.05)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        kind = json.loads(body)["type"]
        self.server.came.append((kind, dict(self.headers), body))
        status = 200
        if kind in self.server.refused:
            self.server.refused.remove(kind)
            status = 500
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def verified(secret, came):
    kind, headers, body = came
    event = Webhook(secret).verify(body, headers)
    assert event["type"] == kind and event["specversion"] == "1.0", event
    assert headers["Content-Type" if "Content-Type" in headers else "content-type"].startswith("application/cloudevents+json")
    return event


def is_refused(secret, headers, body):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


def main():
    api = Api(READY["api"], READY["demo"]["api_key"])
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    made = api.call("POST", "/webhooks", body={"url": receiver.url, "types": ["project.*"]})
    webhook, secret = made.data["id"], made.data["secret"]
    assert secret.startswith("whsec_")
    assert "secret" not in api.get(f"/webhooks/{webhook}", after=made.position).data

    tested = api.call("POST", f"/webhooks/{webhook}/test", body={})
    assert tested.data["status"] == "delivered" and tested.data["test"], tested.data
    test = verified(secret, receiver.came[0])
    assert test["id"] == tested.data["event_id"]

    # An event that is not taken comes again, under the same id and with a signature of its own.
    receiver.refused.add("com.trackagoat.project.added.v1")
    added = api.call("POST", "/projects", body={"name": "For webhooks"})
    receiver.wait("the event comes twice", lambda came: len(came) == 3)
    first, second = (verified(secret, came) for came in receiver.came[1:3])
    assert first == second and first["id"] == receiver.came[1][1]["webhook-id"] == receiver.came[2][1]["webhook-id"]
    assert int(first["position"]) == added.position

    # What was altered, is old, or is signed by another is refused.
    _, headers, body = receiver.came[2]
    assert is_refused(secret, headers, body.replace(b"For webhooks", b"For stranger"))
    assert is_refused(secret, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}, body)
    assert is_refused("whsec_" + "A" * 43 + "=", headers, body)

    # For a day after a rotation both secrets verify.
    renewed = api.call("POST", f"/webhooks/{webhook}/rotate-secret", body={}).data["secret"]
    project = added.data["id"]
    api.call("PATCH", f"/projects/{project}", body={"name": "Still for webhooks"})
    receiver.wait("the change comes", lambda came: len(came) == 4)
    assert verified(secret, receiver.came[3]) == verified(renewed, receiver.came[3])

    listed = {one["event_type"]: one for one in api.pages(f"/webhooks/{webhook}/deliveries")}
    assert listed["project.added"]["status"] == "delivered" and listed["project.added"]["attempts"] == 2, listed
    assert listed["webhook.test"]["test"] and listed["webhook.test"]["position"] is None, listed
    again = api.call("POST", f"/webhooks/{webhook}/deliveries/{listed['project.added']['id']}/resend", body={}, expect=(202,))
    assert again.data["status"] == "pending", again.data
    receiver.wait("it comes once more", lambda came: len(came) == 5)
    assert verified(renewed, receiver.came[4]) == first
    gone = api.call("DELETE", f"/webhooks/{webhook}")
    api.call("DELETE", f"/projects/{project}")
    assert [one for one in api.pages("/webhooks", after=gone.position) if one["id"] == webhook] == []
    print(f"{len(receiver.came)} deliveries verified")


main()
