"""The Python side of a worker: gives up what detections must not have, imports them, and explains what they raise.

Rust runs the loop over rows and calls the functions below; see `serve`.
"""

import builtins
import copy
import datetime
import faulthandler
import importlib
import importlib.machinery
import importlib.util
import io
import json
import mmap
import os
import resource
import signal
import sys
import traceback
import types

OPEN_FILES = 256
WRITTEN_FILE_BYTES = 16 * 1024 * 1024
MESSAGE_CHARACTERS = 2_000
TRACEBACK_CHARACTERS = 16_000


class DetectionTimeout(BaseException):
    """A call took longer than its deadline. No `Exception`, so that `except Exception` does not swallow it."""

    __module__ = "builtins"


class Printed(io.TextIOBase):
    """Takes what detections print, for the detection that is being called, and keeps the first bytes of it."""

    encoding = "utf-8"

    def __init__(self, worker):
        self.worker = worker
        self.limit = 0
        self.texts = {}

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        detection = self.worker.current()
        if detection is not None:
            kept = self.texts.setdefault(detection, [[], 0, 0])
            data = text.encode("utf-8", "replace")
            room = max(self.limit - kept[1], 0)
            if room:
                kept[0].append(data[:room])
            kept[1] += min(len(data), room)
            kept[2] += max(len(data) - room, 0)
        return len(text)

    def take(self):
        texts, self.texts = self.texts, {}
        return [
            (detection, b"".join(parts).decode("utf-8", "ignore"), dropped)
            for detection, (parts, _, dropped) in sorted(texts.items())
        ]


class OwnModules:
    """Finds a detection's sibling modules and installed requirements, for that detection alone.

    Asked last, so the standard library wins. What it finds is taken out of `sys.modules` again after the call, and found
    again for its own detection: two detections can each have a `helper.py`. Native extension modules stay shared, since
    most can be loaded only once in a process.
    """

    def __init__(self, host):
        self.host = host
        self.found = set()

    def find_spec(self, name, path=None, target=None):
        detection = self.host.current()
        if detection is None or "." in name:
            return None
        known = detection.modules.get(name)
        if known is not None:
            below = name + "."
            sys.modules.update({name: part for name, part in detection.modules.items() if name.startswith(below)})
            spec = importlib.machinery.ModuleSpec(name, _Known(known))
        else:
            spec = importlib.machinery.PathFinder.find_spec(name, detection.path)
        if spec is not None:
            self.found.add(name)
            self.host.worker.found_modules()
        return spec

    def forget(self, detection):
        """Takes the modules found since out of `sys.modules`, and keeps them for their detection."""
        if not self.found:
            return
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in self.found and not _is_native(module):
                detection.modules[name] = module
                del sys.modules[name]
        self.found.clear()


class _Known:
    """Loads a module that is loaded."""

    def __init__(self, module):
        self.module = module
        self.spec = getattr(module, "__spec__", None)
        self.loader = getattr(module, "__loader__", None)

    def create_module(self, spec):
        return self.module

    def exec_module(self, module):
        module.__spec__ = self.spec
        module.__loader__ = self.loader


def _is_native(module):
    return isinstance(getattr(module, "__loader__", None), importlib.machinery.ExtensionFileLoader)


class Detection:
    def __init__(self, name, package, directory, site_packages, needs_detect):
        self.name = name
        self.package = package
        self.directory = directory
        # its own files, its requirements, and the other detections: `from other_detection.rules import ...`
        self.path = [directory, *([site_packages] if site_packages else []), os.path.dirname(directory)]
        self.needs_detect = needs_detect
        self.modules = {}

    def module(self):
        return importlib.import_module(f"detections.{self.package}.detect")

    def load(self, names):
        """Imports `detect.py` and returns the functions called `names` that it defines, or None for each."""
        module = self.module()
        functions = [getattr(module, name, None) for name in names]
        for name, function in zip(names, functions):
            if function is not None and not callable(function):
                raise TypeError(f"`{name}` in detect.py is {_article(function)}, expected a function")
        if self.needs_detect and functions[0] is None:
            raise AttributeError("detect.py has no function `detect`; write `def detect(record):`")
        return functions


def _article(value):
    name = type(value).__name__
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


class Host:
    """What Rust calls."""

    def __init__(self, worker, hook):
        self.worker = worker
        self.hook = hook
        self.printed = Printed(worker)
        self.modules = OwnModules(self)
        self.detections = []
        self.stood_in = []

    def load(self, detections, output_bytes):
        self.printed.limit = output_bytes
        self.detections = [Detection(*detection) for detection in detections]
        package = types.ModuleType("detections", "The detections of the release.")
        package.__path__ = [os.path.dirname(self.detections[0].directory)] if self.detections else []
        sys.modules["detections"] = package
        # what was written for this release is not known to any finder yet
        importlib.invalidate_caches()
        self.hook.load(self.detections)

    def current(self):
        index = self.worker.current()
        return None if index is None else self.detections[index]

    def forget(self, index):
        self.modules.forget(self.detections[index])

    def functions(self, index, names):
        return self.detections[index].load(names)

    def stand_in(self, index, attributes):
        """Puts something else in place of attributes, given as (dotted path, JSON of what stands in)."""
        for path, stand_in in attributes:
            owner, name = _owner(self.detections[index], path)
            had = name in vars(owner) if hasattr(owner, "__dict__") else True
            before = getattr(owner, name)
            setattr(owner, name, _stand_in(LOADS(stand_in)))
            self.stood_in.append((owner, name, had, before))

    def stand_back(self):
        """Puts back what was there, the last first."""
        while self.stood_in:
            owner, name, had, before = self.stood_in.pop()
            if had:
                setattr(owner, name, before)
            else:
                delattr(owner, name)

    def take_printed(self):
        return self.printed.take()

    def arm(self, seconds):
        self.hook.told.clear()
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    def disarm(self):
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _tick(self, number, frame):
        if os.getppid() != PARENT:
            os._exit(1)
        seconds = self.worker.overdue()
        if seconds is not None:
            raise DetectionTimeout(f"took longer than {seconds:g} seconds")

    def brief(self, index, error):
        """(kind, type, file, line): what tells one mistake from another, quickly."""
        place = _place(error, self.detections[index].directory)
        if isinstance(error, (MemoryError, RecursionError)):
            # what the frames hold is what there is too much of
            traceback.clear_frames(error.__traceback__)
        return (_kind(error), type(error).__qualname__, *place)

    def explain(self, index, error):
        """(message, file, line, traceback) of an exception, with paths relative to the project."""
        directory = self.detections[index].directory
        shown = f"detections/{self.detections[index].name}"
        file, line = _place(error, directory)
        limit = 8 if isinstance(error, RecursionError) else None
        text = "".join(traceback.format_exception(error, limit=limit))
        return (
            _shorten(_message(error).replace(directory, shown), MESSAGE_CHARACTERS),
            None if file is None else f"{shown}/{file}",
            line,
            _shorten(_own_frames(text).replace(directory, shown), TRACEBACK_CHARACTERS),
        )

    def where(self, index, function):
        """(file, line) of a function of the detection, with the path relative to the project."""
        code = getattr(function, "__code__", None)
        file = _within(code.co_filename, self.detections[index].directory) if code is not None else None
        if file is None:
            return (None, None)
        return (f"detections/{self.detections[index].name}/{file}", code.co_firstlineno)


# as they are before a test puts something else in their place
LOADS = json.loads
DEEPCOPY = copy.deepcopy
DATETIME = datetime.datetime


def _owner(detection, path):
    """The object that has the attribute at a dotted path, and the attribute's name. `detect` is the detection's own."""
    first, *rest = path.split(".")
    at = detection.module() if first == "detect" else importlib.import_module(first)
    for place, name in enumerate(rest[:-1], 1):
        if not hasattr(at, name) and isinstance(at, types.ModuleType):
            importlib.import_module(".".join([first, *rest[:place]]))
        at = getattr(at, name)
    if not rest or not hasattr(at, rest[-1]):
        raise AttributeError(f"nothing can stand in for `{path}`: there is no such attribute")
    return at, rest[-1]


def _stand_in(what):
    """What `{"value": ...}`, `{"returns": ...}`, `{"returns_time": ...}` or `{"raises": ...}` means."""
    ((kind, content),) = what.items()
    if kind == "value":
        return content
    if kind == "returns":
        return lambda *arguments, **named: DEEPCOPY(content)
    if kind == "returns_time":
        time = DATETIME.fromisoformat(content)
        return lambda *arguments, **named: time
    error = _exception(content)

    def fail(*arguments, **named):
        raise error

    return fail


def _exception(text):
    path, _, message = text.partition(":")
    *module, name = path.strip().split(".")
    owner = importlib.import_module(".".join(module)) if module else builtins
    kind = getattr(owner, name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise TypeError(f"`{path.strip()}` is no exception that could be raised")
    return kind(message.strip()) if message.strip() else kind()


def _message(error):
    name = type(error).__qualname__
    if isinstance(error, SyntaxError):
        return f"{name}: {error.msg}"
    return "".join(traceback.format_exception_only(error)).strip().partition("\n")[0] or name


def _kind(error):
    if isinstance(error, DetectionTimeout):
        return "timeout"
    if isinstance(error, refusals.DetectionRefused):
        return "refused"
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, RecursionError):
        return "recursion"
    if isinstance(error, SystemExit):
        return "exit"
    return "raised"


def _place(error, directory):
    """The innermost place in the detection's own files; of a syntax error, where it stands."""
    place = (None, None)
    step = error.__traceback__
    while step is not None:
        file = _within(step.tb_frame.f_code.co_filename, directory)
        if file is not None:
            place = (file, step.tb_lineno)
        step = step.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        file = _within(error.filename, directory)
        if file is not None:
            place = (file, error.lineno)
    return place


def _within(file, directory):
    return file[len(directory) + 1 :] if file.startswith(directory + os.sep) else None


def _own_frames(text):
    """Without the frames of the worker and of the import machinery, and what is printed below each."""
    out, keep = [], True
    for line in text.splitlines(keepends=True):
        if line.startswith('  File "'):
            keep = not line.startswith(('  File "<matano', '  File "<frozen importlib')) and "/importlib/" not in line
        elif not line.startswith("    "):
            keep = True
        if keep:
            out.append(line)
    return "".join(out)


def _shorten(text, limit):
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= limit else text[: limit // 2] + "\n[...]\n" + text[-limit // 2 :]


def _limit(memory_bytes):
    def lower(which, value):
        _, hard = resource.getrlimit(which)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(which, (value, value))

    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    lower(resource.RLIMIT_FSIZE, WRITTEN_FILE_BYTES)
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        used = 0
    try:
        lower(resource.RLIMIT_AS, used + memory_bytes)
    except (OSError, ValueError):
        # macOS knows the limit and does not let anyone set it
        pass


def _take_pipes():
    """Moves the host's pipes away from where a `print` or an `input` could reach them, and closes what else was inherited."""
    for fd in os.listdir("/dev/fd"):
        if int(fd) > 2:
            try:
                os.close(int(fd))
            except OSError:
                # the one that listed them
                pass
    orders, reports = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return orders, reports


def _install(worker):
    """Makes `detection` and `detection.enrichment` importable."""
    package = types.ModuleType("detection")
    package.__path__ = []
    package._worker = worker
    exec(compile(DETECTION_SOURCE, "<matano detection>", "exec"), package.__dict__)
    enrichment = types.ModuleType("detection.enrichment", "The enrichment tables of the release, by name.")

    def table(name):
        if name.startswith("__"):
            raise AttributeError(name)
        return worker.table(name)

    enrichment.__getattr__ = table
    package.enrichment = enrichment
    sys.modules["detection"] = package
    sys.modules["detection.enrichment"] = enrichment


PARENT = os.getppid()


def main():
    """Serves the host at the other end of standard input and output until it closes them.

    Arguments: the progress file, how many bytes of memory detections may take, and what files, in JSON.
    """
    progress_file, memory_bytes, confinement = sys.argv[-3], int(sys.argv[-2]), sys.argv[-1]
    orders, reports = _take_pipes()
    with open(progress_file, "r+b") as file:
        progress = mmap.mmap(file.fileno(), 0)
    sys.argv[:] = [""]
    worker = Worker(orders, reports, progress)
    _limit(memory_bytes)
    # before the first line of a detection, and after the last file that only the worker may read
    hook = refusals.Refusals(worker, *worker.isolate(confinement))
    host = Host(worker, hook)
    sys.stdin = open(os.devnull)
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = host.printed
    faulthandler.enable(2, all_threads=False)
    sys.meta_path.append(host.modules)
    _install(worker)
    sys.addaudithook(hook)
    worker.serve(host)
