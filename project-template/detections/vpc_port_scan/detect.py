# The rows of the query are the matches: what is written here only says how they are told.


def title(r):
    return f"{r['source_ip']} tried {r['ports']} ports of {r['destination_ip']}"


def dedupe(r):
    return r["source_ip"]
