"""Runs one job of a workflow as a GitHub runner would: its environment, its files, its events.

    run.py CASE.json

The case says what GitHub would know; the result is written to standard output as JSON. Commands run for real, and so does our
own action; of other people's actions only what ours needs of them is played, and any other is an error.
"""

import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile

import yaml

from expression import Evaluator

# Where ours is named in workflows.
OURS = ("matano/matano@", "./")


class Loader(yaml.SafeLoader):
    """YAML as GitHub reads it: `on` is a word."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path):
    return yaml.load(pathlib.Path(path).read_text(), Loader)


def is_true(value):
    return str(value).lower() == "true"


class Steps:
    """The steps of a job or of a composite action: outputs by id, and whether anything has failed."""

    def __init__(self, runner, contexts):
        self.runner, self.contexts = runner, contexts
        self.contexts["steps"] = {}
        self.failed = False
        self.results = []

    def evaluator(self, env=None):
        functions = {
            "success": lambda: not self.failed,
            "failure": lambda: self.failed,
            "always": lambda: True,
            "cancelled": lambda: False,
            "hashFiles": lambda *patterns: self.runner.hash_files(patterns),
        }
        return Evaluator({**self.contexts, "env": env or {}}, functions)

    def run(self, steps, env, defaults=None):
        for number, step in enumerate(steps):
            step_env = dict(env)
            evaluator = self.evaluator(step_env)
            step_env.update({name: evaluator.fill(value) for name, value in step.get("env", {}).items()})
            evaluator = self.evaluator(step_env)
            name = evaluator.fill(step.get("name") or step.get("uses") or step["run"].strip().splitlines()[0])
            if not evaluator.condition(step.get("if", "success()")):
                self.results.append({"name": name, "outcome": "skipped"})
                continue
            failed, outputs, inner = self.one(step, step_env, evaluator)
            outcome = "failure" if failed else "success"
            if failed and not is_true(step.get("continue-on-error", False)):
                self.failed = True
            self.contexts["steps"][step.get("id", f"__{number}")] = {"outputs": outputs, "outcome": outcome}
            self.results.append({"name": name, "outcome": outcome, "outputs": outputs, **({"steps": inner} if inner else {})})

    def one(self, step, env, evaluator):
        if "run" in step:
            directory = evaluator.fill(step.get("working-directory", "."))
            return (*self.runner.command(evaluator.fill(step["run"]), step.get("shell"), env, directory), None)
        values = {name: evaluator.fill(value) for name, value in step.get("with", {}).items()}
        uses = step["uses"]
        if uses.startswith(OURS):
            return self.composite(uses, values, env)
        return (*self.runner.foreign(uses, values), None)

    def composite(self, uses, values, env):
        action = load(self.runner.action_root / "action.yml")
        github = {
            **self.contexts["github"],
            "action_path": str(self.runner.action_root),
            "action_repository": "matano/matano",
            "action_ref": uses.partition("@")[2],
        }
        unknown = set(values) - set(action["inputs"])
        if unknown:
            raise SystemExit(f"the action has no input {', '.join(sorted(unknown))}")
        outer = Evaluator({**self.contexts, "github": github}, {})
        inputs = {}
        for name, declared in action["inputs"].items():
            inputs[name] = values.get(name, outer.fill(declared.get("default", "")))
            if is_true(declared.get("required", False)) and not inputs[name]:
                raise SystemExit(f"the action needs the input {name}")
        contexts = {**self.contexts, "github": github, "inputs": inputs}
        inner = Steps(self.runner, contexts)
        inner.run(action["runs"]["steps"], env)
        after = inner.evaluator()
        outputs = {name: after.fill(output["value"]) for name, output in action["outputs"].items()}
        return inner.failed, outputs, inner.results


class Runner:
    """The machine: directories, environment files, and the log."""

    def __init__(self, case):
        self.case = case
        self.action_root = pathlib.Path(case["action_root"]).resolve()
        self.state = pathlib.Path(case["state"]).resolve()
        self.workspace = self.state / "workspace" / case["run_id"]
        self.temp = self.state / "temp" / case["run_id"]
        for directory in (self.workspace, self.temp, self.state / "home", self.state / "tools"):
            directory.mkdir(parents=True, exist_ok=True)
        self.payload = self.temp / "event.json"
        self.payload.write_text(json.dumps(case["event"]))
        self.path, self.env, self.log, self.summary = [], {}, [], ""

    def github(self):
        case = self.case
        return {
            "token": case["token"],
            "event": case["event"],
            "event_name": case["event_name"],
            "repository": case["repository"],
            "sha": case["sha"],
            "ref": case["ref"],
            "ref_name": case["ref"].removeprefix("refs/heads/").removeprefix("refs/pull/"),
            "base_ref": case.get("base_ref", ""),
            "head_ref": case.get("head_ref", ""),
            "run_id": case["run_id"],
            "workspace": str(self.workspace),
            "server_url": case["server_url"],
            "api_url": case["api_url"],
        }

    def environment(self):
        """What GitHub documents as default environment variables. Nothing else of this machine's environment is passed on."""
        case = self.case
        path = [*self.path, *case.get("path", []), os.environ["PATH"]]
        return {
            "PATH": os.pathsep.join(path),
            "HOME": str(self.state / "home"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": case["repository"],
            "GITHUB_REPOSITORY_OWNER": case["repository"].partition("/")[0],
            "GITHUB_SHA": case["sha"],
            "GITHUB_REF": case["ref"],
            "GITHUB_REF_NAME": self.github()["ref_name"],
            "GITHUB_BASE_REF": case.get("base_ref", ""),
            "GITHUB_HEAD_REF": case.get("head_ref", ""),
            "GITHUB_EVENT_NAME": case["event_name"],
            "GITHUB_EVENT_PATH": str(self.payload),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_RUN_ID": case["run_id"],
            "GITHUB_RUN_NUMBER": case["run_id"],
            "GITHUB_RUN_ATTEMPT": case.get("run_attempt", "1"),
            "GITHUB_WORKFLOW": case.get("workflow_name", ""),
            "GITHUB_JOB": case["job"],
            "GITHUB_ACTOR": case.get("actor", "dana"),
            "GITHUB_SERVER_URL": case["server_url"],
            "GITHUB_API_URL": case["api_url"],
            "RUNNER_OS": {"Linux": "Linux", "Darwin": "macOS"}[platform.system()],
            "RUNNER_ARCH": {"x86_64": "X64", "aarch64": "ARM64", "arm64": "ARM64"}[platform.machine()],
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_TOOL_CACHE": str(self.state / "tools"),
            **case.get("environment", {}),
            **self.env,
        }

    def command(self, script, shell, env, directory):
        """Runs a script; whether it failed, and its outputs."""
        files = {}
        for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"):
            handle, files[name] = tempfile.mkstemp(dir=self.temp, prefix=name.lower())
            os.close(handle)
        handle, path = tempfile.mkstemp(dir=self.temp, suffix=".sh")
        with os.fdopen(handle, "w") as file:
            file.write(script)
        flags = ["--noprofile", "--norc", "-eo", "pipefail"] if shell == "bash" else ["-e"]
        done = subprocess.run(
            ["bash", *flags, path],
            cwd=self.workspace / directory,
            env={**self.environment(), **env, **files},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.log.append(done.stdout)
        self.env.update(self.pairs(files["GITHUB_ENV"]))
        self.path[:0] = pathlib.Path(files["GITHUB_PATH"]).read_text().split("\n")[:-1]
        self.summary += pathlib.Path(files["GITHUB_STEP_SUMMARY"]).read_text()
        return done.returncode != 0, self.pairs(files["GITHUB_OUTPUT"])

    @staticmethod
    def pairs(path):
        """`name=value` lines, and values of several lines between delimiters."""
        out, lines = {}, iter(pathlib.Path(path).read_text().splitlines())
        for line in lines:
            name, equals, value = line.partition("=")
            if "<<" in name or not equals:
                name, _, delimiter = line.partition("<<")
                value = []
                for line in lines:
                    if line == delimiter:
                        break
                    value.append(line)
                else:
                    raise SystemExit(f"the value of {name} has no end")
                value = "\n".join(value)
            out[name] = value
        return out

    def hash_files(self, patterns):
        import hashlib

        digest = hashlib.sha256()
        for pattern in patterns:
            for path in sorted(self.workspace.glob(pattern)):
                digest.update(path.read_bytes())
        return digest.hexdigest()

    def foreign(self, uses, values):
        """Other people's actions, as far as ours needs them."""
        name, _, ref = uses.partition("@")
        if len(ref) != 40:
            raise SystemExit(f"{uses} is not pinned by a commit")
        if name == "actions/checkout":
            return self.checkout(values)
        if name == "actions/cache":
            # nothing was cached, and nothing is kept
            return False, {"cache-hit": ""}
        if name == "actions/upload-artifact":
            return self.upload(values)
        if name == "github/codeql-action/upload-sarif":
            sarif = json.loads(pathlib.Path(values["sarif_file"]).read_text())
            (self.state / "code-scanning.json").write_text(json.dumps({"with": values, "sarif": sarif}))
            return sarif["version"] != "2.1.0", {}
        raise SystemExit(f"the scripted runner does not know {uses}")

    def checkout(self, values):
        if is_true(values.get("persist-credentials", True)):
            raise SystemExit("a checkout leaves its token in .git/config: set persist-credentials: false")
        shutil.rmtree(self.workspace)
        depth = [] if values.get("fetch-depth", "1") == "0" else ["--depth", values.get("fetch-depth", "1")]
        source = pathlib.Path(self.case["source"]).resolve().as_uri()
        git = ["git", "-c", "advice.detachedHead=false", "-c", "protocol.file.allow=always"]
        subprocess.run([*git, "clone", "--quiet", *depth, "--no-checkout", source, str(self.workspace)], check=True)
        sha = self.case["sha"]
        subprocess.run([*git, "-C", str(self.workspace), "fetch", "--quiet", *depth, "origin", sha], check=True)
        subprocess.run([*git, "-C", str(self.workspace), "checkout", "--quiet", sha], check=True)
        return False, {"ref": sha}

    def upload(self, values):
        path = pathlib.Path(values["path"])
        if not path.exists():
            return values.get("if-no-files-found", "warn") == "error", {}
        archive = self.state / "artifacts" / self.case["run_id"] / f"{values['name']}.zip"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            out.write(path, path.name)
        return False, {}


def main():
    case = json.loads(pathlib.Path(sys.argv[1]).read_text())
    runner = Runner(case)
    workflow = load(case["workflow"])
    if case["event_name"] not in workflow["on"]:
        raise SystemExit(f"{case['workflow']} does not run on {case['event_name']}")
    if workflow.get("permissions") != {}:
        raise SystemExit("a workflow begins with `permissions: {}`")
    case["workflow_name"] = workflow["name"]
    job = workflow["jobs"][case["job"]]
    contexts = {
        "github": runner.github(),
        "runner": {"temp": str(runner.temp), "os": runner.environment()["RUNNER_OS"]},
        "vars": case.get("vars", {}),
        "secrets": {"GITHUB_TOKEN": case["token"]},
    }
    steps = Steps(runner, contexts)
    result = {"name": workflow["name"], "permissions": job.get("permissions", {}), "environment": job.get("environment")}
    if steps.evaluator().condition(job.get("if", "success()")):
        evaluator = steps.evaluator()
        steps.run(job["steps"], {name: evaluator.fill(value) for name, value in job.get("env", {}).items()})
        result["conclusion"] = "failure" if steps.failed else "success"
    else:
        result["conclusion"] = "skipped"
    json.dump({**result, "steps": steps.results, "log": runner.log, "summary": runner.summary}, sys.stdout)


if __name__ == "__main__":
    main()
