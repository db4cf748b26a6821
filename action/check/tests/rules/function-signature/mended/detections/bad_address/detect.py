def detect(r):
    return r.deepget("source.ip") == "192.0.2.1"


def title(r):
    return "bad address"
