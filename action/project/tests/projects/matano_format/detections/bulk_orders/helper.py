def limit():
    return 100_000
