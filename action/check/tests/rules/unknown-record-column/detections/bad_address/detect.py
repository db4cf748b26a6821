import json


def detect(r):
    user = r.get("user") or {}
    return (
        r.deepget("source.adress") == "192.0.2.1"
        and user.get("nme") == "root"
        and r["usr"]["name"] == "root"
        and r.get("event.outcome") == "failure"
    )


def title(r):
    return f"{who(r)} from {r.deepget('destination.ip')} with {r.deepget('whatever')}"


def who(r):
    return r["user"]["name"] or r["user"]["mail"]
