"""`action/install.sh` over a releases page on this machine: what is verified, and what is not run."""

import functools
import hashlib
import http.server
import io
import os
import pathlib
import platform
import subprocess
import tarfile
import tempfile
import threading
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "action/install.sh"
TARGET = {
    ("Linux", "x86_64"): "x86_64-unknown-linux-gnu",
    ("Linux", "aarch64"): "aarch64-unknown-linux-gnu",
    ("Darwin", "x86_64"): "x86_64-apple-darwin",
    ("Darwin", "arm64"): "aarch64-apple-darwin",
}[platform.system(), platform.machine()]
VERSION = "1.2.3"
NAME = f"matano-{VERSION}-{TARGET}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Install(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        page = self.root / "www/acme/matano/releases/download" / f"v{VERSION}"
        page.mkdir(parents=True)
        self.archive = page / f"{NAME}.tar.gz"
        with tarfile.open(self.archive, "w:gz") as out:
            program = b"#!/bin/sh\necho matano 1.2.3\n"
            member = tarfile.TarInfo(f"{NAME}/matano")
            member.size, member.mode = len(program), 0o755
            out.addfile(member, io.BytesIO(program))
        self.sums = page / "SHA256SUMS"
        self.sums.write_text(f"{hashlib.sha256(self.archive.read_bytes()).hexdigest()}  {self.archive.name}\n")
        (self.root / "action").mkdir()
        (self.root / "action/Cargo.toml").write_text(f'[workspace.package]\nversion = "{VERSION}"\n')
        self.program("gh", 'echo "$@" >> "$RUNNER_TEMP/gh.txt"')
        handler = functools.partial(Quiet, directory=self.root / "www")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.server = f"http://127.0.0.1:{server.server_port}"

    def program(self, name, script):
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run_script(self, verb, **environment):
        base = {
            "PATH": f"{self.root / 'bin'}:/usr/bin:/bin",
            "ACTION_PATH": str(self.root / "action"),
            "ACTION_REPOSITORY": "acme/matano",
            "ACTION_REF": f"v{VERSION}",
            "INPUT_VERSION": "",
            "GITHUB_SERVER_URL": self.server,
            "GITHUB_OUTPUT": str(self.root / "output"),
            "GITHUB_PATH": str(self.root / "path"),
            "RUNNER_TEMP": str(self.root),
        }
        return subprocess.run(["bash", SCRIPT, verb], env={**base, **environment}, capture_output=True, text=True)

    def resolved(self, **environment):
        (self.root / "output").unlink(missing_ok=True)
        done = self.run_script("resolve", **environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return dict(line.split("=", 1) for line in (self.root / "output").read_text().splitlines())

    def place(self):
        return self.root / "matano" / f"{VERSION}-{TARGET}"

    def test_a_release_is_verified_and_put_on_the_path(self):
        done = self.run_script("install")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("matano 1.2.3", done.stdout)
        self.assertEqual((self.root / "path").read_text(), f"{self.place()}/bin\n")
        asked = (self.root / "gh.txt").read_text()
        self.assertIn("--repo acme/matano --signer-workflow acme/matano/.github/workflows/release.yml", asked)

    def test_the_version_is_the_inputs_the_tags_or_that_of_the_pinned_commit(self):
        self.assertEqual(self.resolved()["version"], VERSION)
        self.assertEqual(self.resolved(INPUT_VERSION="v9.9.9")["version"], "9.9.9")
        self.assertEqual(self.resolved(ACTION_REF=COMMIT)["version"], VERSION)
        self.assertEqual(self.resolved(ACTION_REF="main")["version"], "source")
        self.assertEqual(self.resolved(INPUT_VERSION="source")["version"], "source")
        self.sums.unlink()
        self.assertEqual(self.resolved(ACTION_REF=COMMIT)["version"], "source")

    def test_a_pinned_commit_must_be_the_one_that_was_built(self):
        self.assertEqual(self.run_script("install", ACTION_REF=COMMIT).returncode, 0)
        self.assertIn(f"--source-digest {COMMIT}", (self.root / "gh.txt").read_text())

    def test_a_wrong_checksum_is_not_run_and_not_kept(self):
        self.archive.write_bytes(self.archive.read_bytes() + b"x")
        done = self.run_script("install")
        self.assertEqual(done.returncode, 3)
        self.assertIn("is not run", done.stdout)
        self.assertEqual(list(self.place().iterdir()), [])
        self.assertFalse((self.root / "path").exists())

    def test_a_cached_archive_is_verified_again(self):
        self.assertEqual(self.run_script("install").returncode, 0)
        (self.place() / self.archive.name).write_bytes(b"something else")
        done = self.run_script("install")
        self.assertEqual(done.returncode, 3, done.stdout)

    def test_an_attestation_that_does_not_hold_is_the_end(self):
        self.program("gh", "echo no attestation found; exit 1")
        done = self.run_script("install")
        self.assertEqual(done.returncode, 3)
        self.assertIn("no attestation found", done.stdout)
        self.assertFalse((self.root / "path").exists())

    def test_a_release_that_is_not_there_is_named(self):
        done = self.run_script("install", INPUT_VERSION="7.0.0")
        self.assertEqual(done.returncode, 3)
        self.assertIn("is there a release v7.0.0?", done.stdout)

    def test_without_a_release_it_is_built_from_the_actions_own_source(self):
        self.program(
            "cargo",
            'while [ $# -gt 0 ]; do [ "$1" = --target-dir ] && t=$2; shift; done\n'
            'mkdir -p "$t/release"; printf "#!/bin/sh\\necho matano built\\n" > "$t/release/matano"\n'
            'chmod +x "$t/release/matano"; : > "$t/release/libdetect.so"',
        )
        done = self.run_script("install", ACTION_REF="main")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("building from source", done.stdout)
        self.assertIn("matano built", done.stdout)
        # what was built is used again, and only for the same source
        self.program("cargo", "exit 1")
        self.assertEqual(self.run_script("install", ACTION_REF="main").returncode, 0)
        (self.root / "action/main.rs").write_text("fn main() {}\n")
        self.assertNotEqual(self.run_script("install", ACTION_REF="main").returncode, 0)

    def test_a_build_is_cached_by_its_source_and_not_by_the_name_of_its_ref(self):
        before = self.resolved(ACTION_REF="main")
        self.assertEqual(self.resolved(ACTION_REF="other"), before)
        self.assertTrue(before["directory"].endswith(before["key"].removeprefix("matano-")))
        (self.root / "action/sub dir").mkdir()
        (self.root / "action/sub dir/lib.rs").write_text("")
        self.assertNotEqual(self.resolved(ACTION_REF="main")["key"], before["key"])
        (self.root / "action/target").mkdir()
        after = self.resolved(ACTION_REF="main")
        (self.root / "action/target/built").write_text("")
        self.assertEqual(self.resolved(ACTION_REF="main"), after)


if __name__ == "__main__":
    unittest.main()
