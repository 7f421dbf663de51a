/**
 * How many ways the fault path goes under a policy: one fault of every kind is taken, and of every decision in packages/core/src/fault the outcomes that
 * happened are counted. What V8 counts how often is a range of the bundle; decisions come from its syntax tree, their files from its source map.
 *
 *   node scripts/lib/branches.mjs        prints the counts of all policies as JSON; needs a build
 */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { SourceMap } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseAst } from 'rollup/parseAst';

const root = fileURLToPath(new URL('../..', import.meta.url));
const BUNDLE = join(root, 'packages/core/bundle/all.js');
const PART = /\/src\/fault\//;

/** Where the lines of a text begin, and the source of an offset. */
function sourceOf(text) {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const map = new SourceMap(JSON.parse(readFileSync(`${BUNDLE}.map`, 'utf8')));
  return (offset) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (starts[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return map.findEntry(low, offset - starts[low]).originalSource ?? '';
  };
}

/** Decisions of two outcomes: where they are, and where the code begins that runs with one of them. Cases of a switch have one each. */
function decisionsIn(text) {
  const found = [];
  const visit = (node) => {
    if (node.type === 'IfStatement' || node.type === 'ConditionalExpression')
      found.push({ at: node.start, taken: node.consequent.start, both: true });
    if (node.type === 'LogicalExpression') found.push({ at: node.left.start, taken: node.right.start, both: true });
    if (node.type === 'SwitchCase' && node.consequent.length > 0)
      found.push({ at: node.start, taken: node.consequent[0].start, both: false });
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) if (child?.type !== undefined) visit(child);
    }
  };
  visit(parseAst(text));
  return found;
}

/** How often the code at an offset ran: the count of the innermost range around it. */
function countAt(functions, offset) {
  let [count, width] = [0, Number.POSITIVE_INFINITY];
  for (const { ranges } of functions) {
    const [whole] = ranges;
    if (offset < whole.startOffset || offset >= whole.endOffset) continue;
    for (const range of ranges) {
      const size = range.endOffset - range.startOffset;
      if (offset >= range.startOffset && offset < range.endOffset && size <= width) [count, width] = [range.count, size];
    }
  }
  return count;
}

/** @returns of each policy the decisions that were met, and their outcomes */
export async function countBranches() {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const built = (path) => import(pathToFileURL(join(root, path)).href);
  const { POLICIES } = await built('packages/core/bundle/policy/policies.js');
  const { measureKinds } = await built('packages/workers/bundle/fault_kinds/measure.js');
  const text = readFileSync(BUNDLE, 'utf8');
  const fileAt = sourceOf(text);
  const decisions = decisionsIn(text).filter(({ at }) => PART.test(fileAt(at)));
  await session.post('Profiler.takePreciseCoverage');
  const counted = [];
  for (const policy of POLICIES) {
    const faults = measureKinds(policy);
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const functions = result.find(({ url }) => url === pathToFileURL(BUNDLE).href).functions;
    const outcomes = [];
    let met = 0;
    decisions.forEach(({ at, taken, both }, place) => {
      const [all, times] = [countAt(functions, at), countAt(functions, taken)];
      if (all > 0 || times > 0) met++;
      if (times > 0) outcomes.push(`${place}+`);
      if (both && all > times) outcomes.push(`${place}-`);
    });
    const sum = (of) => faults.reduce((total, fault) => total + of(fault), 0);
    counted.push({
      policy: policy.name,
      decisions: met,
      outcomes,
      attempts: sum(({ vmaAttempts, mmapAttempts }) => vmaAttempts + mmapAttempts),
      mmapAcquisitions: sum(({ mmapRead, mmapWrite }) => mmapRead + mmapWrite),
      drops: sum(({ dropped }) => dropped),
    });
  }
  await session.post('Profiler.stopPreciseCoverage');
  session.disconnect();
  return counted;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const counted = await countBranches();
  console.log(
    JSON.stringify(
      counted.map(({ outcomes, ...rest }) => ({ ...rest, outcomes })),
      undefined,
      0,
    ),
  );
}
