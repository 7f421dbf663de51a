/**
 * Reads files of results that faultlab wrote: whatever is wrong with one is said in one sentence that names the file, the field and the remedy.
 * Next: soak/soak_file.ts and compare/comparison_file.ts say what is in theirs
 */
import { readFile, stat } from 'node:fs/promises';
import { UsageError } from '@faultlab/core/base/errors';
import * as v from 'valibot';

/** One kind of file. */
export interface ResultFileKind<Content> {
  /** Its field `kind`, and its field `schema`. */
  readonly kind: string;
  readonly schema: number;
  readonly shape: v.GenericSchema<unknown, Content>;
  /** No file of the kind is larger. */
  readonly bytesMax: number;
  /** "a soak": who writes such files. */
  readonly writer: string;
  /** "a comparison that can be read": what a wrong file is not. */
  readonly wanted: string;
  /** "name one that faultlab compare --json has written": after a file that is missing, and after one that is wrong. */
  readonly remedy: { readonly missing: string; readonly wrong: string };
}

/** @param shown what the user calls the file @throws UsageError for a file that is missing, too large, unreadable or wrong */
export async function readResultFile<Content>(kind: ResultFileKind<Content>, path: string, shown: string): Promise<Content> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) throw new UsageError(`There is no result file ${shown}; ${kind.remedy.missing}.`);
  if (found.size > kind.bytesMax) throw refused(kind, shown, `its ${found.size} bytes are more than ${kind.writer} ever writes`);
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new UsageError(`The result file ${shown} cannot be read (${code}); change its permissions, or name another one.`);
  }
  return parseResultFile(kind, content, shown);
}

/** The same for text. @throws UsageError for the first thing that is wrong */
export function parseResultFile<Content>(kind: ResultFileKind<Content>, content: string, shown: string): Content {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    throw refused(kind, shown, content === '' ? 'it is empty' : 'it is not JSON, or is cut off');
  }
  const other = foreign(kind, json);
  if (other !== undefined) throw refused(kind, shown, other);
  const parsed = v.safeParse(kind.shape, json);
  if (!parsed.success) throw refused(kind, shown, complaint(parsed.issues[0]));
  return parsed.output;
}

/** What is said of a file that something else wrote; a list of its wrong fields would help nobody. */
function foreign(wanted: Pick<ResultFileKind<unknown>, 'kind' | 'schema'>, json: unknown): string | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return 'it is JSON, but not an object';
  const { kind, schema } = json as Record<string, unknown>;
  if (kind !== wanted.kind) return `its kind is ${JSON.stringify(kind) ?? 'missing'}, not "${wanted.kind}"`;
  if (schema !== wanted.schema) return `its schema is ${JSON.stringify(schema) ?? 'missing'}, and this version reads ${wanted.schema}`;
  return undefined;
}

function complaint(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue);
  if (field === null) return issue.message;
  if (issue.expected === 'never') return `it has the field ${field}, which no such file has`;
  return issue.input === undefined ? `it lacks the field ${field}` : `its field ${field} is wrong (${issue.message})`;
}

const refused = ({ wanted, remedy }: Pick<ResultFileKind<unknown>, 'wanted' | 'remedy'>, shown: string, why: string): UsageError =>
  new UsageError(`${shown} is not ${wanted}: ${why}; ${remedy.wrong}.`);
