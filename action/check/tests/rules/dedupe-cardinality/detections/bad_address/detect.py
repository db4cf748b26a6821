def detect(r):
    return r.deepget("source.ip") == "192.0.2.1"


def dedupe(r):
    event = r.get("event") or {}
    if r.deepget("user.name") is None:
        return event.get("id")
    return f"{r.deepget('user.name')}/{r['seen']}/" + str(r.deepget("matano.record_id"))
