def detct(r): # mistake: missing-detect
    return r.deepget("source.ip") == "192.0.2.1"
