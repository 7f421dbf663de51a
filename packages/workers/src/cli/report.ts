/**
 * `faultlab report`: the results in a folder as one HTML file, for people.
 * Next: html_report/write_report.ts
 */
import { REPORT_FILE } from '../html_report/report_file.ts';
import { type CliCommand, type CliContext, userPath } from './command.ts';

export const reportCommand: CliCommand = (program, context) => {
  program
    .command('report')
    .summary('make one HTML file of the results in a folder')
    .description(
      `Reads what faultlab compare --json, claims --json and stress --export have written into a folder, and writes ${REPORT_FILE} into it: policies side by ` +
        'side, latencies, waits, a timeline, claims. The file needs no network and nothing beside it (docs/REPORT.md).',
    )
    .argument('<folder>', 'the folder with the results')
    .addHelpText('after', EXAMPLES)
    .action((folder: string) => report(folder, context));
};

const EXAMPLES = `
Examples:
  faultlab compare --json out/compare.json && faultlab report out

Exit codes: 0 written, 2 misuse.`;

async function report(folder: string, { out }: CliContext): Promise<void> {
  const { writeReport } = await import('../html_report/write_report.ts');
  const { data, bytes } = await writeReport(userPath(folder), folder);
  const { comparisons, claims, runs, leftOut } = data;
  for (const { title } of [...comparisons, ...claims, ...runs]) out.write(`${title}\n`);
  for (const { name, value } of leftOut) out.write(`Left out: ${name}: ${value}\n`);
  const kib = (bytes / 1024).toFixed(0);
  out.write(
    `report: ${comparisons.length} comparisons, ${claims.length} files of claims, ${runs.length} runs, ${leftOut.length} left out, ${kib} KiB in ${folder}/${REPORT_FILE}\n`,
  );
}
