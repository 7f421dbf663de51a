/** A report as text: what is in it, that nothing of it is markup which the data brought, and that it loads nothing. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, suite } from '@faultlab/test-support';
import { parseComparison } from '@faultlab/workers/compare/comparison_file';
import { escaped, html, jsonMarkup } from '@faultlab/workers/html_report/markup';
import { shownClaims } from '@faultlab/workers/html_report/of_claims';
import { shownComparison } from '@faultlab/workers/html_report/of_comparison';
import { reportPage } from '@faultlab/workers/html_report/page';
import { writeComparisonReport } from '@faultlab/workers/html_report/write_report';
import fc from 'fast-check';
import { inFolder, mainHere } from '../soak/fixtures.ts';
import { CLAIMS_FIXTURE, comparisonFixture, HOSTILE } from './comparison_fixture.ts';

const test = suite('html_report/page');

const SMALL = { scenarios: 2, policies: 3, runs: 4, paths: 6, eventsPerCpu: 80 };
const pageOf = (): Promise<string> =>
  reportPage({
    title: 'title <b>',
    comparisons: [shownComparison(parseComparison(JSON.stringify(comparisonFixture(SMALL)), 'c.json'), 'c.json')],
    claims: [shownClaims(CLAIMS_FIXTURE, 'claims.json')],
    runs: [],
    leftOut: [{ name: '<i>x</i>.json', value: 'it is no JSON' }],
  });

let kept: Promise<string> | undefined;
/** Made once for all tests of this file. */
const page = (): Promise<string> => {
  kept ??= pageOf();
  return kept;
};

test('the same results give the same page', async () => {
  assert.is(await pageOf(), await page());
});

test('names in results cannot become markup, and the page names no other place', async () => {
  const text = await page();
  assert.not.ok(text.includes(HOSTILE));
  assert.not.ok(/<[bi]>/.test(text));
  assert.ok(text.includes(escaped(HOSTILE)));
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(text) ?? [];
  assert.match(
    policy ?? '',
    /^default-src &#39;none&#39;; script-src &#39;sha256-[\w+/=]+&#39;; style-src &#39;sha256-[\w+/=]+&#39;; img-src data:;/,
  );
  const withoutScript = text.replace(/<script>[\s\S]*?<\/script>/, '').replaceAll('http://www.w3.org/2000/svg', '');
  assert.not.match(withoutScript, /https?:|(?:src|href)="(?!#|data:,")/);
  assert.not.match(withoutScript, /\son\w+="|\sstyle="/);
});

test('text comes back from HTML and from data as it was, and ends no element', () => {
  const named = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" } as const;
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const { text: markup } = html`<p title="${text}">${text}</p>`;
      const [, content = ''] = /^<p title="[^"<>]*">([^<>"]*)<\/p>$/.exec(markup) ?? [];
      const back = content.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => named[entity as keyof typeof named]);
      assert.is(back, text.replace(/[^\t\n\r\u0020-\u{10ffff}]|[\ud800-\udfff]/gu, '\ufffd'));
      const data = jsonMarkup({ text }).text;
      assert.not.ok(data.includes('<'));
      assert.equal(JSON.parse(data), { text });
    }),
  );
});

test('every chart has marks and a table behind it, each policy its own look, and each metric its row', async () => {
  const text = await page();
  const figures = text.split('<figure').slice(1);
  for (const figure of figures.filter((each) => each.includes('class="chart"'))) {
    assert.ok(figure.includes('class="mark ') && figure.includes('<table>'), figure.slice(0, 200));
  }
  assert.ok(figures.some((each) => each.includes('Waits for mmap_lock write')));
  assert.ok(figures.some((each) => each.includes('Latency: fault: vma lock')));
  for (const look of ['stroke-dasharray="7 3"', 'stroke-dasharray="2 3"', '-p0', '-p1', '-p2']) assert.ok(text.includes(look), look);
  assert.match(text, /2 of 24 runs|6 of 24 runs/);
  assert.ok(text.includes('✗ not held'));
});

test('a policy keeps its look where another one has nothing to show', async () => {
  const file = comparisonFixture(SMALL);
  const scenarios = file.scenarios.map((scenario) => ({
    ...scenario,
    policies: scenario.policies.map((record, place) => ({
      ...record,
      runs: record.runs.map((run) => (place === 0 ? { ...run, histograms: { ...run.histograms, latency: {} } } : run)),
    })),
  }));
  const page = await reportPage({
    title: 't',
    comparisons: [shownComparison({ ...file, scenarios }, 'c')],
    claims: [],
    runs: [],
    leftOut: [],
  });
  const figure = page.split('<figure').find((each) => each.includes('<figcaption>Latency: fault: vma lock')) ?? '';
  assert.ok(figure.includes('class="line c1"') && figure.includes('class="line c2"') && !figure.includes('class="line c0"'));
});

test('a comparison without runs, and one of a single policy, still make a page', async () => {
  const file = comparisonFixture({ ...SMALL, policies: 1, runs: 1 });
  const empty = { ...file, scenarios: file.scenarios.map((scenario) => ({ ...scenario, policies: [] })) };
  for (const each of [file, empty]) {
    const page = await reportPage({ title: 't', comparisons: [shownComparison(each, 'c')], claims: [], runs: [], leftOut: [] });
    assert.ok(page.endsWith('</html>\n'));
  }
});

test('report takes the results of a folder, says what it left out, and replaces its page', () =>
  inFolder(async (folder) => {
    const files = {
      'a.json': comparisonFixture(SMALL),
      'b.json': CLAIMS_FIXTURE,
      'c.json': { kind: 'stress' },
      'd.json': { kind: 'comparison' },
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(content));
    writeFileSync(join(folder, 'e.json'), '{');
    writeFileSync(join(folder, 'report.html'), 'old');
    const { code, out } = await mainHere(['report', '.'], folder);
    assert.is(code, 0);
    const lines = out.trimEnd().split('\n');
    assert.equal(lines.slice(0, 2), ['Comparison: a.json', 'Claims: b.json']);
    assert.is(lines.filter((line) => line.startsWith('Left out: ')).length, 3);
    assert.match(lines.at(-1) ?? '', /^report: 1 comparisons, 1 files of claims, 0 runs, 3 left out, \d+ KiB in \.\/report\.html$/);
    assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /^<!doctype html>[\s\S]+c\.json/);
    assert.equal(
      readdirSync(folder).filter((name) => name.includes('.part')),
      [],
    );
  }));

test('the folder of an export has its run and timeline in the report', () =>
  inFolder(async (folder) => {
    const exported = await mainHere(['stress', '--scenario', 'munmap_storm', '--seconds', '0.2', '--cpus', '2', '--export', '.'], folder);
    assert.is(exported.code, 0, exported.errors);
    const { out, code } = await mainHere(['report', '.'], folder);
    assert.is(code, 0);
    assert.match(out, /^Run: run\.json\nLeft out: trace\.json: [^\n]+\nreport: 0 comparisons, 0 files of claims, 1 runs, 1 left out, /);
    const text = readFileSync(join(folder, 'report.html'), 'utf8');
    assert.ok(text.includes('class="lanes"') && text.includes('munmap_storm under linux-6.18'));
    writeFileSync(join(folder, 'run.json'), '{"kind":"run"}');
    assert.match((await mainHere(['report', '.'], folder)).errors, /run\.json: it is no run that can be read: /);
  }));

test('a folder without results is refused in one sentence, and nothing is written', () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, 'x.json'), '{"kind":"soak"}');
    const refused = await mainHere(['report', '.'], folder);
    assert.is(refused.code, 2);
    assert.is(
      refused.errors,
      'There is no result of faultlab compare --json, claims --json or stress --export in . (x.json: it is of the kind "soak"); name a folder with one.\n',
    );
    assert.match((await mainHere(['report', 'nowhere'], folder)).errors, /^The folder nowhere cannot be read \(ENOENT\); [^\n]+\.\n$/);
    assert.equal(readdirSync(folder), ['x.json']);
  }));

test('a comparison is written as a page of its own', () =>
  inFolder(async (folder) => {
    const bytes = await writeComparisonReport(folder, 'one.html', comparisonFixture(SMALL));
    assert.is(readFileSync(join(folder, 'one.html')).length, bytes);
  }));

test.run();
