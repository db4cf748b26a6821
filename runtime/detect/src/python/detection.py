"""What a detection imports: `from detection import remotecache`, `from detection.enrichment import <table>`."""

# by name: a test may put something else in their place, for the detection and not for us
from json import dumps as _dumps, loads as _loads


class RemoteCache:
    """Values shared by all detections and all workers, by namespace and key. What has expired is not there."""

    def __init__(self, namespace, ttl=3600):
        if not isinstance(namespace, str) or not namespace:
            raise TypeError("remotecache needs a namespace: a string that is not empty")
        if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or not 1 <= ttl <= 10 * 366 * 86400:
            raise ValueError(f"`ttl` is {ttl!r}, expected a number of seconds from one to ten years")
        self.namespace = namespace
        self.ttl = int(ttl)

    def __repr__(self):
        return f"remotecache({self.namespace!r}, ttl={self.ttl})"

    def __getitem__(self, key):
        """The value, or None where there is none."""
        return self._value(key, "get")

    def get(self, key, default=None):
        value = self._value(key, "get")
        return default if value is None else value

    def __contains__(self, key):
        return self._value(key, "get") is not None

    def __setitem__(self, key, value):
        self._value(key, {"set": _to_cache(value)})

    def __delitem__(self, key):
        self._value(key, "delete")

    def increment_counter(self, key, n=1):
        """Adds `n` to the number at `key`, which begins at zero, and returns the sum."""
        return self._value(key, {"add": _whole(n)})

    def decrement_counter(self, key, n=1):
        """Subtracts `n` from the number at `key`, which begins at zero, and returns the difference."""
        return self._value(key, {"add": -_whole(n)})

    def add_to_string_set(self, key, value):
        """Adds one string or several to the set at `key` and returns the set as a sorted list."""
        return sorted(self._value(key, {"add_strings": _strings(value)}) or [])

    def remove_from_string_set(self, key, value):
        """Takes one string or several out of the set at `key` and returns the rest as a sorted list."""
        return sorted(self._value(key, {"remove_strings": _strings(value)}) or [])

    def _value(self, key, operation):
        request = {"namespace": self.namespace, "key": str(key), "ttl_seconds": self.ttl, "operation": operation}
        answer = _loads(_worker.cache(_dumps(request)))
        if "failed" in answer:
            raise RuntimeError(f"remotecache({self.namespace!r}): {answer['failed']}")
        value = answer["value"]
        if value is None:
            return None
        ((kind, content),) = value.items()
        return set(content) if kind == "strings" else content


def _to_cache(value):
    if value is None:
        raise TypeError("None can't be stored in a remotecache; delete the key instead")
    if isinstance(value, (set, frozenset)):
        return {"strings": _strings(value)}
    return {"json": value}


def _whole(n):
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"a counter changes by a whole number, not by {n!r}")
    return n


def _strings(value):
    values = [value] if isinstance(value, str) else list(value)
    for item in values:
        if not isinstance(item, str):
            raise TypeError(f"a string set holds strings, not {item!r}")
    return sorted(set(values))


def remotecache(namespace, ttl=3600):
    """A cache of its own for each namespace; what is written stays for `ttl` seconds."""
    return RemoteCache(namespace, ttl)
