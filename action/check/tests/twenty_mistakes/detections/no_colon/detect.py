def detect(r):
    if r.deepget("source.ip") == "192.0.2.1" # mistake: python-syntax
        return True
    return False
