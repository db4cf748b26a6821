import json

def detect(r):
    user = r.get("user") or {}
    details = json.loads(r.get("details") or "{}")
    return (
        r.deepget("source.address") == "192.0.2.1"
        and user.get("name") == details["name"]
        and r.deepget("details.anything") is None
        and r["event"].get("outcome") == "failure"
    )


def title(r):
    r = dict(r)
    return r["own"]
