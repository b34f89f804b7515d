// Plants one bug after the other in a copy of the source and shows that the simulation finds it.
//   make mutants            all of them
//   MUTANT=name make mutants
// Exits non-zero when a bug survives, when a place to plant it is gone, or when the simulation fails without any bug.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tree = join(root, 'target/mutants/tree');
const mutants = JSON.parse(readFileSync(join(root, 'tests/simulation/mutants.json'), 'utf8'));
const seeds = process.env.SEEDS ?? '3000';

rmSync(tree, { recursive: true, force: true });
mkdirSync(tree, { recursive: true });
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
for (const file of files.split('\n').filter(Boolean)) {
  cpSync(join(root, file), join(tree, file), { recursive: true });
}

function simulate() {
  const run = spawnSync('cargo', ['test', '--quiet', '--test', 'simulation', 'every'], {
    cwd: tree,
    encoding: 'utf8',
    env: { ...process.env, SEEDS: seeds, RUST_BACKTRACE: '0', CARGO_TARGET_DIR: join(root, 'target/mutants/build') },
  });
  const output = run.stdout + run.stderr;
  const found = output.match(/^seed \d+: .*$/m);
  if (run.status !== 0 && !found) {
    return { broken: output.split('\n').filter((line) => /^error/.test(line)).join('\n') || output.slice(-2000) };
  }
  return { found: found?.[0] };
}

console.log(`mutants: first without any bug, ${seeds} seeds each`);
const clean = simulate();
if (clean.found || clean.broken) {
  console.error(`mutants: the simulation fails without a planted bug: ${clean.found ?? clean.broken}`);
  process.exit(1);
}

let failures = 0;
for (const { name, edits } of mutants) {
  if (process.env.MUTANT && process.env.MUTANT !== name) continue;
  const originals = new Map();
  let verdict;
  for (const { file, find, replace } of edits) {
    const path = join(tree, file);
    const text = readFileSync(path, 'utf8');
    if (!originals.has(path)) originals.set(path, text);
    if (text.split(find).length !== 2) {
      verdict = `CANNOT BE PLANTED: ${file} does not contain exactly once: ${find}`;
      break;
    }
    writeFileSync(path, text.replace(find, () => replace));
  }
  if (!verdict) {
    const { found, broken } = simulate();
    verdict = broken ? `DOES NOT COMPILE\n${broken}` : found ? `found by ${found.slice(0, 160)}` : 'SURVIVED';
  }
  if (!verdict.startsWith('found')) failures += 1;
  console.log(`${verdict.startsWith('found') ? 'ok  ' : 'FAIL'} ${name}\n     ${verdict}`);
  for (const [path, text] of originals) writeFileSync(path, text);
}
console.log(failures === 0 ? 'mutants: every planted bug was found' : `mutants: ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
