"""People: who is signed in in a run, whom it may shut out, and another org in which they are invited.

The person of a run is an admin of its org and must stay one, and their sessions must live. So what ends a session or a
membership is sent with one of theirs in the other org, or is about one of a few others, who are let in again.
"""

import itertools
import random

from api import Api

# To whom it is addressed answers an invitation.
ANSWERS = ("POST /invitations/{id}/accept", "POST /invitations/{id}/decline")
# Each may send 600 requests in any 60 s (section 4 of the contract); a person has at most 20 in an org (8.4).
SESSIONS = 19
REQUESTS_PER_SECOND = 150
OTHERS = 3


def address():
    return f"g{random.SystemRandom().getrandbits(60):x}@strangers.example"


def join(api, chief):
    """A new person with an account, an admin of the chief's org."""
    email = address()
    invited = chief.call("POST", "/invitations", body={"email": email, "role": "admin"}).data
    token = invited["accept_url"].partition("token=")[2]
    auth = Api(api.removesuffix("/api/v1") + "/auth", None)
    body = {"token": token, "name": "Grace", "password": f"{random.SystemRandom().getrandbits(80):x}"}
    session = auth.call("POST", "/invitations/accept", body=body).data
    return {"user_id": session["user_id"], "email": email, "token": session["token"], "session_id": session["id"]}


def make_people(api, chief, elsewhere):
    """The person of all runs, and others, each with a session in the org elsewhere, from which they can come back."""
    person = join(api, chief)
    others = [join(api, chief) for _ in range(OTHERS)]
    for other in others:
        invited = invitation(elsewhere, other)
        session = Api(api, other["token"])
        session.call("POST", f"/invitations/{invited}/accept")
        there = elsewhere.get("/orgs/self").data["id"]
        other["token"] = session.call("POST", "/sessions", body={"org_id": there}).data["token"]
    return person, others


def make_sessions(api, org, person):
    """As many as there may be, but for one: ids and tokens."""
    first = Api(api, person["token"])
    made = [first.call("POST", "/sessions", body={"org_id": org}).data for _ in range(SESSIONS - 1)]
    return [person["session_id"], *(one["id"] for one in made)], [person["token"], *(one["token"] for one in made)]


def invitation(chief, person, role="member"):
    """An open one to a person; none if they are a member already."""
    body = {"email": person["email"], "role": role}
    answer = chief.call("POST", "/invitations", body=body, expect=(201, 409))
    if answer.status == 201:
        return answer.data["id"]
    return answer.json["meta"]["id"] if answer.code == "duplicate" else None


class Helpers:
    """What a run does besides the requests that are tried."""

    def __init__(self, chief, state):
        self.chief, self.state = chief, state
        self.elsewhere = Api(state["api"], state["elsewhere"]["chief_key"])
        self.others = itertools.cycle(state["people"])
        self.sessions = itertools.cycle(state["sessions"])

    def next_session(self):
        """One of the run, by turns, so that none meets its limit."""
        return next(self.sessions)

    def _as_person(self, method, path, body=None):
        return Api(self.state["api"], self.next_session()).call(method, path, body=body)

    def join_elsewhere(self):
        invited = invitation(self.elsewhere, self.state["person"])
        if invited:
            self._as_person("POST", f"/invitations/{invited}/accept")

    def session_elsewhere(self):
        self.join_elsewhere()
        body = {"org_id": self.state["elsewhere"]["org_id"]}
        return self._as_person("POST", "/sessions", body).data["token"]

    def _invited_elsewhere(self):
        person = self.state["person"]
        path = f"/members/{person['user_id']}"
        self.elsewhere.call("DELETE", path, {"keys": "keep"}, expect=(200, 404))
        return invitation(self.elsewhere, person)

    def _member(self):
        """One who may be shut out, and who is let in again if they were."""
        other = next(self.others)
        invited = invitation(self.chief, other, "admin")
        if invited:
            Api(self.state["api"], other["token"]).call("POST", f"/invitations/{invited}/accept")
        return other

    def disposable(self, kind, is_answer):
        """An object of a kind that is about people; of other kinds none."""
        if kind == "members":
            return self._member()["user_id"]
        if kind == "sessions":
            other = Api(self.state["api"], self._member()["token"])
            return other.call("POST", "/sessions", body={"org_id": self.state["org_id"]}).data["id"]
        if kind == "invitations":
            if is_answer and self.state["sessions"]:
                return self._invited_elsewhere()
            return self.chief.call("POST", "/invitations", body={"email": address()}).data["id"]
        return None
