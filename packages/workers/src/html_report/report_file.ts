/**
 * The name of the report, alone, so that a command line that writes none need not load charts to tell it.
 * Next: write_report.ts
 */
export const REPORT_FILE = 'report.html';
