/**
 * Columns of text, wide enough for their cells, two blanks apart.
 */
export type Alignment = 'left' | 'right';

/** @returns the lines, the header first; columns are right-aligned unless `align` says otherwise */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[], align: readonly Alignment[] = []): string[] {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all.map((row) =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return align[column] === 'left' ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
}
