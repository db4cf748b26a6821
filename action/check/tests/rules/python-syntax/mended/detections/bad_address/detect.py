def detect(r):
    return True
