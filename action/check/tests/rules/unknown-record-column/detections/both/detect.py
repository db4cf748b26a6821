def detect(r):
    return r.deepget("source.ip") == "192.0.2.1" and r.deepget("url.path") == "/" and r.deepget("url.pth") is None
