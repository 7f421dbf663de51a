/**
 * Reads the record of a script: JSON, one line an operation. Every line is checked, and so is that it belongs to the script.
 * Next: compare.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import * as v from 'valibot';
import { badLine, shortened } from './operations/words.ts';
import type { ScriptLine } from './parse_script.ts';
import { type KernelRecord, OBSERVED_KEYS } from './record.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const AREA = v.pipe(
  v.strictObject({
    start: count,
    end: count,
    prot: v.pipe(v.string(), v.regex(/^[r-][w-][x-][ps]$/)),
    pgoff: count,
    of: v.string(),
    pages: v.pipe(v.string(), v.regex(/^[.AFS]*$/)),
  }),
  v.check(({ start, end, pages }) => end > start && pages.length === end - start, 'pages must have one letter a page of the area'),
);

const RECORD = v.strictObject({
  op: count,
  mm: v.picklist([0, 1]),
  do: v.string(),
  result: v.pipe(v.string(), v.nonEmpty()),
  minflt: count,
  majflt: count,
  vmas: v.array(AREA),
  events: v.array(v.string()),
  unstable: v.optional(v.array(v.picklist(OBSERVED_KEYS))),
  noisy: v.optional(v.boolean()),
});

/**
 * The records of a script, one for each of its lines and in their order.
 * @throws UsageError with file and line when a line is no record, or when the record belongs to another script
 */
export function readRecord(file: string, text: string, script: readonly ScriptLine[]): KernelRecord[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const records = lines.map((line, index) => readLine(file, index + 1, line, script[index], index));
  if (records.length !== script.length) {
    throw new UsageError(
      `${file} has ${records.length} records, but its script has ${script.length} operations; record the script again, or move the record away.`,
    );
  }
  return records;
}

function readLine(file: string, line: number, text: string, scripted: ScriptLine | undefined, index: number): KernelRecord {
  const place = { file, line, text };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw badLine(place, 'there is no JSON object', 'a record is one JSON object a line');
  }
  const parsed = v.safeParse(RECORD, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw badLine(
      place,
      `the key ${shortened(v.getDotPath(issue) ?? '(none)', 80)} is wrong (${shortened(issue.message, 200)})`,
      'record the script again',
    );
  }
  const record = parsed.output;
  if (scripted === undefined) throw badLine(place, 'there is a record more than the script has operations', 'record the script again');
  const same = record.op === index && record.mm === scripted.space && record.do.replace(/^@\s*/, '') === scripted.text;
  if (!same) {
    const expected = `operation ${index} "${shortened(scripted.text, 80)}" of address space ${scripted.space}`;
    throw badLine(place, `${expected} of the script is not what was recorded`, 'record the script again');
  }
  return record;
}
