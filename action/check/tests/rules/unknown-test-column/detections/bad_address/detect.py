def detect(r):
    return r.deepget("source.ip") == "192.0.2.1"
