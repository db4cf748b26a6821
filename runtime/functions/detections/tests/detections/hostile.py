# A detection that wants out: it takes Python's own guard rail away and asks the operating system itself.
import ctypes
import json
import os
import resource
import socket
import struct
import sys

PLACES = json.loads("""%PLACES%""")
OUT = PLACES["out"]
SECRET = OUT + "/credentials"
PARENT = os.getppid()


def around():
    frame = sys._getframe()
    while "refusals" not in frame.f_globals:
        frame = frame.f_back
    refusals = frame.f_globals["refusals"]
    refusals.REFUSED.clear()
    refusals.FILES.clear()
    refusals.Refusals._look = lambda *arguments: None


around()
LIBC = ctypes.CDLL(None)


def read(path):
    with open(path, "rb") as file:
        return len(file.read(16)) > 0


def raw_read(path):
    buffer = ctypes.create_string_buffer(16)
    fd = LIBC.open(path.encode(), os.O_RDONLY)
    return fd >= 0 and LIBC.read(fd, buffer, 16) > 0


def write(path):
    with open(path, "w") as file:
        return file.write("x") > 0


def through_symlink():
    os.symlink(SECRET, "link")
    return read("link")


def through_hard_link():
    os.link(SECRET, "hard")
    return read("hard")


def raw_tcp():
    fd = LIBC.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", PLACES["tcp"], bytes([127, 0, 0, 1]))
    return fd >= 0 and LIBC.connect(fd, address, len(address)) == 0


def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
        return to.sendto(b"x", ("127.0.0.1", PLACES["udp"])) > 0


def udp_message():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
        return to.sendmsg([b"x"], [], 0, ("127.0.0.1", PLACES["udp"])) > 0


def serve():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        return True


def unix(address):
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(address)
        return True


def shared_memory():
    number = LIBC.shmget(0, 4096, 0o600)
    return number >= 0 and LIBC.shmctl(number, 0, None) == 0


QUIET = {
    "read": lambda: read(SECRET),
    "read by libc": lambda: raw_read(SECRET),
    "read through a symbolic link": through_symlink,
    "read through a hard link": through_hard_link,
    "read of the system": lambda: read("/etc/passwd"),
    "listing": lambda: len(os.listdir(OUT)) > 0,
    "environment of the parent": lambda: read(f"/proc/{PARENT}/environ"),
    "environment of the parent by libc": lambda: raw_read(f"/proc/{PARENT}/environ"),
    "command line of the parent": lambda: read(f"/proc/{PARENT}/cmdline"),
    "memory of the parent": lambda: open(f"/proc/{PARENT}/mem", "rb").close() is None,
    "files of the parent": lambda: len(os.listdir(f"/proc/{PARENT}/fd")) > 0,
    "directory of the parent": lambda: len(os.readlink(f"/proc/{PARENT}/cwd")) > 0,
    "write": lambda: write(OUT + "/new"),
    "write by libc": lambda: LIBC.open((OUT + "/raw").encode(), os.O_WRONLY | os.O_CREAT, 0o600) >= 0,
    "write into its own release": lambda: write(__file__ + ".new"),
    "truncation": lambda: os.truncate(OUT + "/truncated", 0) is None,
    "removal": lambda: os.remove(OUT + "/removed") is None,
    "renaming": lambda: os.rename(OUT + "/renamed", OUT + "/elsewhere") is None,
    "directory": lambda: os.mkdir(OUT + "/made") is None,
    "mode": lambda: os.chmod(SECRET, 0o644) is None,
    "times": lambda: os.utime(SECRET, (1, 1)) is None,
    "TCP": lambda: socket.create_connection(("127.0.0.1", PLACES["tcp"]), 5).close() is None,
    "TCP by libc": raw_tcp,
    "UDP": udp,
    "UDP by sendmsg": udp_message,
    "a server": serve,
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close() is None,
    "abstract socket": lambda: unix("\0" + PLACES["abstract"]),
    "socket in a directory": lambda: unix(OUT + "/socket"),
    "signal": lambda: os.kill(PARENT, 0) is None,
    "limits of the parent": lambda: len(resource.prlimit(PARENT, resource.RLIMIT_NOFILE)) > 0,
    "another process group": lambda: os.setpgid(0, 0) is None,
    "shared memory": shared_memory,
}


def fork():
    child = LIBC.fork()
    if child == 0:
        LIBC._exit(0)
    return child > 0 and os.waitpid(child, 0)[0] == child


def peek():
    with open(f"/proc/{PARENT}/maps") as maps:
        start = int(maps.readline().partition("-")[0], 16)
    return copy(start)


def copy(start):
    buffer = ctypes.create_string_buffer(16)
    near = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 16)
    far = (ctypes.c_void_p * 2)(start, 16)
    return LIBC.process_vm_readv(PARENT, near, 1, far, 1, 0) == 16


DEADLY = {
    "fork": fork,
    "shell": lambda: LIBC.system(b"true") == 0,
    "spawn": lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)[1] == 0,
    "tracing": lambda: LIBC.ptrace(0x4206, PARENT, None, None) == 0,
    "memory of the parent": lambda: copy(0) or peek(),
    "user namespace": lambda: LIBC.unshare(0x10000000) == 0,
}


def attempt(probe):
    try:
        return bool(probe())
    except OSError:
        return False


def detect(r):
    return True


def title(r):
    action = r["event"]["action"]
    if action in DEADLY:
        return json.dumps(attempt(DEADLY[action]))
    return json.dumps({name: attempt(probe) for name, probe in QUIET.items()})
