def detect(r): return True


def severity(r): return "high"
