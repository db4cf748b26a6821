def detect(r):
    return r.deepget("source.ip") == "192.0.2.1"


def dedupe(r):
    if r.deepget("event.id") is None:
        return r.deepget("user.name")
    return f"{r.deepget('source.ip')} {r['seen']:%Y-%m-%d} {r['seen'].hour}"
