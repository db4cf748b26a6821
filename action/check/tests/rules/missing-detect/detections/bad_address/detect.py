def detct(r):
    return True
