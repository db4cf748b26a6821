PASSWORD = "correct-Horse-7-battery-Staple"


def detect(r):
    return r.deepget("source.ip") == "192.0.2.1"
