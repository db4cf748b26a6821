"""What Python itself refuses to detections, and the record of what they tried.

It sees every attempt that goes through Python, with its file and line, and answers in words, even where the operating
system holds nothing. Code that is determined to can get around it; what holds then is in `isolation.rs`.
"""

import os
import sys

# told in one order
TOLD = 100
TARGET_CHARACTERS = 300

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class DetectionRefused(PermissionError):
    """A detection tried to reach something that is not its own: a file, the network, another process, native code."""

    __module__ = "builtins"


WORDS = {
    "read": "read",
    "write": "write",
    "network": "use the network",
    "process": "start processes",
    "signal": "send signals",
    "native": "call native code",
}

NOTHING, FIRST, SECOND, BOTH = slice(0), slice(1), slice(1, 2), slice(2)

# events of `sys.addaudithook` that are always refused: what they want, and which arguments say with what
REFUSED = {
    "os.fork": ("process", NOTHING),
    "os.forkpty": ("process", NOTHING),
    "os.exec": ("process", FIRST),
    "os.posix_spawn": ("process", FIRST),
    "os.spawn": ("process", SECOND),
    "os.system": ("process", FIRST),
    "os.startfile": ("process", FIRST),
    "pty.spawn": ("process", FIRST),
    "subprocess.Popen": ("process", SECOND),
    "os.kill": ("signal", BOTH),
    "os.killpg": ("signal", BOTH),
    "signal.pthread_kill": ("signal", BOTH),
    "socket.bind": ("network", SECOND),
    "socket.connect": ("network", SECOND),
    "socket.sendto": ("network", SECOND),
    "socket.sendmsg": ("network", SECOND),
    "socket.getaddrinfo": ("network", BOTH),
    "socket.getnameinfo": ("network", FIRST),
    "socket.gethostbyname": ("network", FIRST),
    "socket.gethostbyaddr": ("network", FIRST),
    "ctypes.dlopen": ("native", FIRST),
    "ctypes.dlsym": ("native", SECOND),
    "ctypes.dlsym/handle": ("native", SECOND),
    "ctypes.call_function": ("native", FIRST),
    "ctypes.string_at": ("native", FIRST),
    "ctypes.wstring_at": ("native", FIRST),
    "ctypes.cdata": ("native", FIRST),
    "ctypes.cdata/buffer": ("native", FIRST),
}

# events that name files: what they do to how many of their first arguments
FILES = {
    "os.listdir": ("read", 1),
    "os.scandir": ("read", 1),
    "os.getxattr": ("read", 1),
    "os.listxattr": ("read", 1),
    "os.mkdir": ("write", 1),
    "os.remove": ("write", 1),
    "os.rmdir": ("write", 1),
    "os.truncate": ("write", 1),
    "os.chmod": ("write", 1),
    "os.chown": ("write", 1),
    "os.utime": ("write", 1),
    "os.setxattr": ("write", 1),
    "os.removexattr": ("write", 1),
    "os.rename": ("write", 2),
    "os.link": ("write", 2),
}


class Refusals:
    """An audit hook."""

    def __init__(self, worker, readable, writable):
        self.worker = worker
        self.own = tuple(path + os.sep for path in readable)
        self.writable = (writable + os.sep, os.devnull + os.sep)
        self.readable = self.own + self.writable
        self.root = None
        self.names = {}
        self.told = set()

    def load(self, detections):
        """Takes up the detections whose files and lines are told."""
        self.root = os.path.dirname(detections[0].directory) + os.sep if detections else None
        self.names = {detection.package: (index, detection.name) for index, detection in enumerate(detections)}

    def __call__(self, event, arguments):
        refused = REFUSED.get(event)
        if refused is not None:
            # `import ctypes` opens the interpreter itself, which many libraries do and never use
            if event != "ctypes.dlopen" or arguments[0] is not None:
                self._refuse(event, arguments, *refused)
        elif event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes, os.PathLike)):
                self._look("write" if flags & WRITING else "read", path)
        elif event in FILES:
            action, count = FILES[event]
            for path in arguments[:count]:
                if isinstance(path, (str, bytes, os.PathLike)):
                    self._look(action, path)
        elif event == "os.symlink":
            self._look("write", arguments[1])

    def _refuse(self, event, arguments, action, shown):
        # libraries find out whether there is IPv6 by binding to any port, and mean nothing by it
        if event != "socket.bind" or not _any_port(arguments[1]):
            self._tell(action, _shown([argument for argument in arguments[shown] if argument is not None]))
        raise DetectionRefused(f"detections must not {WORDS[action]}: `{event}` is refused")

    def _look(self, action, path):
        """Refuses what leads out of the worker's own files."""
        path = os.fsdecode(path)
        if action == "read" and path.startswith(self.own) and "/.." not in path:
            return
        real = os.path.realpath(path)
        if (real + os.sep).startswith(self.readable if action == "read" else self.writable):
            return
        # the worker itself reads and writes only when no detection is running
        if not self._tell(action, real):
            return
        if action == "write" or os.path.lexists(real):
            raise DetectionRefused(f"detections must not {WORDS[action]} `{real}`")

    def _tell(self, action, target):
        """Tells the host, once in an order. Returns whether it was a detection's doing."""
        place = self._place()
        if place is None:
            return False
        told = (action, target[:TARGET_CHARACTERS], *place)
        if told not in self.told and len(self.told) < TOLD:
            self.told.add(told)
            detection, file, line = place
            self.worker.refusal(detection, action, told[1], file, line)
        return True

    def _place(self):
        """(detection, file, line) of the innermost call in a detection's own files; else the detection that is running."""
        frame = sys._getframe(2) if self.root else None
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(self.root):
                package, _, rest = file[len(self.root) :].partition(os.sep)
                if package in self.names:
                    index, name = self.names[package]
                    return index, f"detections/{name}/{rest}", frame.f_lineno
            frame = frame.f_back
        current = self.worker.current()
        return None if current is None else (current, None, None)


def _any_port(address):
    return isinstance(address, tuple) and len(address) > 1 and address[1] == 0


def _shown(argument):
    if isinstance(argument, (list, tuple)):
        return " ".join(_shown(part) for part in argument)
    if isinstance(argument, bytes):
        argument = argument.decode("utf-8", "replace")
    text = argument if isinstance(argument, str) else repr(argument)
    return "".join(c if c.isprintable() else "?" for c in text)
