#!/usr/bin/env node
// Writes docs/KERNEL_MAP.md from the @kernel and @fidelity lines of packages/core/src. With --check it only says whether the page is up to date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'packages/core/src');
const page = join(root, 'docs/KERNEL_MAP.md');

/** Text of the tags in a file's opening comment; a tag's text may run over several lines. */
function headerTags(text) {
  const header = /^\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? '';
  const tags = {};
  let current = null;
  for (const line of header.split('\n').map((raw) => raw.replace(/^\s*\*\s?/, '').trim())) {
    const tag = /^@(kernel|fidelity)\s+(.*)$/.exec(line);
    if (tag !== null) {
      current = tag[1];
      tags[current] = tag[2];
    } else if (line === '' || /^(@|Next:)/.test(line)) current = null;
    else if (current !== null) tags[current] += ` ${line}`;
  }
  return tags;
}

function rows() {
  const files = readdirSync(source, { recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .sort();
  return files.flatMap((file) => {
    const { kernel, fidelity } = headerTags(readFileSync(join(source, file), 'utf8'));
    if (kernel === undefined || kernel.startsWith('none')) return [];
    return [{ kernel, file: file.replaceAll('\\', '/'), fidelity: fidelity ?? 'not stated' }];
  });
}

const cell = (text) => text.replaceAll('|', '\\|');
const text = [
  '# Kernel map',
  '',
  'Kernel source and symbols, the file that models them, and how faithfully. Made by `node scripts/kernel_map.mjs` from the first lines of each',
  'file; do not edit.',
  '',
  '| kernel | file | fidelity |',
  '| --- | --- | --- |',
  ...rows().map(({ kernel, file, fidelity }) => `| ${cell(kernel)} | [${file}](../packages/core/src/${file}) | ${cell(fidelity)} |`),
  '',
].join('\n');

if (process.argv.includes('--check')) {
  let current = '';
  try {
    current = readFileSync(page, 'utf8');
  } catch {
    // A missing page is an old page.
  }
  if (current !== text) {
    console.error(`${relative(root, page)} is not up to date; run node scripts/kernel_map.mjs and commit the result.`);
    process.exitCode = 1;
  }
} else writeFileSync(page, text);
