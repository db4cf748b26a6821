def detect(r):
    return (r.deepget("source.adress") == # matano: ignore[unknown-record-column]
     "192.0.2.1")
