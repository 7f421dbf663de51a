/**
 * Draws a timeline, and zooms it by keys, wheel, drag and buttons. Drawn anew at each change: only what is in view, and of slices that are narrower than
 * a pixel only the first of each pixel.
 */
import type { TimelineData } from '@faultlab/workers/html_report/timeline_data';
import { scaleLinear } from 'd3-scale';
import { svg } from './svg.ts';
import { fitted, moved, type Stretch, zoomed } from './window_of_time.ts';

const NAMES = 84;
const ROW = 13;
const LANE_GAP = 10;
const TOP = 26;
const ZOOM = 1.6;
const WHEEL_ZOOM = 1.25;
const MOVE = 0.2;
const WIDTH_LEAST = 320;
/** Wake-ups that are drawn at once. */
const WAKES_MOST = 600;
const LETTER = 6.2;

type Slice = TimelineData['slices'][number];

export class TimelineView {
  readonly #data: TimelineData;
  readonly #lanes: SVGSVGElement;
  readonly #said: HTMLElement | null;
  #stretch: Stretch;
  /** The slice, or the wake-up, that the keys have chosen. */
  #slice = -1;
  #wake = -1;
  #dragged: number | undefined;

  constructor(figure: Element) {
    this.#data = JSON.parse(figure.querySelector('script.data')?.textContent ?? '') as TimelineData;
    this.#lanes = figure.querySelector('svg.lanes') as SVGSVGElement;
    this.#said = figure.querySelector('output');
    this.#stretch = this.#first;
    this.#listen(figure);
    this.draw();
  }

  get #first(): Stretch {
    const [from, to] = this.#data.shown;
    return fitted({ from, to }, this.#data.endUs);
  }

  get #width(): number {
    return Math.max(WIDTH_LEAST, this.#lanes.clientWidth);
  }

  get #laneHeight(): number {
    return this.#data.rows * ROW + LANE_GAP;
  }

  get #x(): ReturnType<typeof scaleLinear<number, number>> {
    return scaleLinear([this.#stretch.from, this.#stretch.to], [NAMES, this.#width - 4]);
  }

  #show(stretch: Stretch): void {
    this.#stretch = fitted(stretch, this.#data.endUs);
    this.draw();
    const { from, to } = this.#stretch;
    this.#say(`Shown: ${(from / 1000).toFixed(3)} ms to ${(to / 1000).toFixed(3)} ms of ${(this.#data.endUs / 1000).toFixed(3)} ms`);
  }

  #say(text: string): void {
    if (this.#said !== null) this.#said.textContent = text;
  }

  #do(what: string | undefined): boolean {
    const actions: Readonly<Record<string, () => void>> = {
      in: () => this.#show(zoomed(this.#stretch, 1 / ZOOM)),
      out: () => this.#show(zoomed(this.#stretch, ZOOM)),
      left: () => this.#show(moved(this.#stretch, -MOVE)),
      right: () => this.#show(moved(this.#stretch, MOVE)),
      all: () => this.#show({ from: 0, to: this.#data.endUs }),
      start: () => this.#show(this.#first),
      next: () => this.#chooseWake(1),
      previous: () => this.#chooseWake(-1),
      down: () => this.#chooseSlice(1),
      up: () => this.#chooseSlice(-1),
    };
    const action = actions[what ?? ''];
    action?.();
    return action !== undefined;
  }

  #listen(figure: Element): void {
    const keys: Readonly<Record<string, string>> = {
      '+': 'in',
      '=': 'in',
      '-': 'out',
      '−': 'out',
      ArrowLeft: 'left',
      ArrowRight: 'right',
      ArrowUp: 'up',
      ArrowDown: 'down',
      Home: 'all',
      '0': 'start',
      n: 'next',
      p: 'previous',
    };
    const lanes = this.#lanes;
    lanes.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.#do(keys[event.key.length === 1 ? event.key.toLowerCase() : event.key])) event.preventDefault();
    });
    for (const button of figure.querySelectorAll<HTMLButtonElement>('button[data-do]')) {
      button.addEventListener('click', () => this.#do(button.dataset['do']));
    }
    lanes.addEventListener(
      'wheel',
      (event) => {
        if (document.activeElement !== lanes && !event.ctrlKey) return;
        event.preventDefault();
        this.#show(zoomed(this.#stretch, event.deltaY < 0 ? 1 / WHEEL_ZOOM : WHEEL_ZOOM, this.#timeAt(event.clientX)));
      },
      { passive: false },
    );
    lanes.addEventListener('pointerdown', (event) => {
      lanes.focus();
      this.#dragged = this.#timeAt(event.clientX);
      lanes.setPointerCapture(event.pointerId);
    });
    lanes.addEventListener('pointermove', (event) => {
      if (this.#dragged === undefined) return;
      const by = this.#dragged - this.#timeAt(event.clientX);
      this.#show({ from: this.#stretch.from + by, to: this.#stretch.to + by });
    });
    for (const name of ['pointerup', 'pointercancel'] as const) {
      lanes.addEventListener(name, () => {
        this.#dragged = undefined;
      });
    }
    new ResizeObserver(() => this.draw()).observe(lanes);
  }

  #timeAt(clientX: number): number {
    return this.#x.invert(clientX - this.#lanes.getBoundingClientRect().left);
  }

  /** From slice to slice in the order of their beginnings, starting with the first in view. */
  #chooseSlice(step: 1 | -1): void {
    const order = this.#data.slices.map((_, place) => place).sort((a, b) => this.#slices(a)[3] - this.#slices(b)[3] || a - b);
    const before = order.indexOf(this.#slice);
    const inView = order.findIndex((place) => this.#slices(place)[4] >= this.#stretch.from);
    const place = before < 0 ? inView : before + step;
    const chosen = order[place];
    if (chosen === undefined) return;
    [this.#slice, this.#wake] = [chosen, -1];
    const [cpu, , , start, end, text] = this.#slices(chosen);
    this.#reveal(start, end);
    this.#say(`${this.#data.titles[cpu]} at ${(start / 1000).toFixed(3)} ms: ${text}`);
  }

  #slices(place: number): Slice {
    return this.#data.slices[place] as Slice;
  }

  #chooseWake(step: 1 | -1): void {
    const { wakes, titles } = this.#data;
    if (wakes.length === 0) {
      this.#say('There is no wake-up in this timeline.');
      return;
    }
    const order = wakes.map((_, place) => place).sort((a, b) => (wakes[a]?.[2] ?? 0) - (wakes[b]?.[2] ?? 0));
    const before = order.indexOf(this.#wake);
    const inView = order.findIndex((place) => (wakes[place]?.[3] ?? 0) >= this.#stretch.from);
    const chosen = order[before < 0 ? Math.max(0, inView) : Math.min(Math.max(before + step, 0), order.length - 1)] ?? 0;
    [this.#slice, this.#wake] = [-1, chosen];
    const [from, to, woken, ran] = wakes[chosen] ?? [0, 0, 0, 0];
    this.#reveal(woken, ran);
    this.#say(`${titles[from]} wakes ${titles[to]} at ${(woken / 1000).toFixed(3)} ms; it went on ${ran - woken} us later`);
  }

  /** Moves only if it has to. */
  #reveal(start: number, end: number): void {
    const { from, to } = this.#stretch;
    if (start < from || end > to) {
      const length = Math.max(to - from, (end - start) * 1.2);
      const middle = (start + end) / 2;
      this.#stretch = fitted({ from: middle - length / 2, to: middle + length / 2 }, this.#data.endUs);
    }
    this.draw();
  }

  draw(): void {
    const { titles } = this.#data;
    const height = TOP + titles.length * this.#laneHeight + 4;
    const lanes = this.#lanes;
    lanes.setAttribute('viewBox', `0 0 ${this.#width} ${height}`);
    lanes.setAttribute('height', String(height));
    lanes.dataset['from'] = String(this.#stretch.from);
    lanes.dataset['to'] = String(this.#stretch.to);
    lanes.replaceChildren(this.#axis(height), ...this.#names(), this.#drawnSlices(), this.#drawnWakes());
  }

  #axis(height: number): SVGElement {
    const x = this.#x;
    const ticks = x.ticks(Math.max(2, Math.floor(this.#width / 110)));
    const step = (ticks[1] ?? 1) - (ticks[0] ?? 0);
    const digits = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
    const lines = ticks.map((tick) => svg('path', { d: `M${x(tick).toFixed(1)} ${TOP - 6}V${height}` }));
    const texts = ticks.map((tick) => svg('text', { x: x(tick), y: 13, 'text-anchor': 'middle' }, `${(tick / 1000).toFixed(digits)} ms`));
    return svg('g', {}, svg('g', { class: 'grid' }, ...lines), svg('g', { class: 'axis' }, ...texts));
  }

  #names(): SVGElement[] {
    return this.#data.titles.map((title, lane) => {
      const y = TOP + lane * this.#laneHeight;
      return svg(
        'g',
        { class: 'axis lane' },
        svg('path', { class: 'rule', d: `M0 ${y - LANE_GAP / 2}H${this.#width}` }),
        svg('text', { x: 2, y: y + this.#laneHeight / 2 }, title),
      );
    });
  }

  #drawnSlices(): SVGElement {
    const { from, to } = this.#stretch;
    const x = this.#x;
    const group = svg('g', {});
    /** By row, the pixel up to which something is drawn. */
    const drawn = new Map<number, number>();
    this.#data.slices.forEach(([cpu, row, look, start, end, text], place) => {
      if (end < from || start > to) return;
      const [left, right] = [x(Math.max(start, from)), x(Math.min(end, to))];
      const key = cpu * this.#data.rows + row;
      const chosen = place === this.#slice;
      if (right - left < 1 && Math.floor(right) <= (drawn.get(key) ?? -1) && !chosen) return;
      drawn.set(key, Math.floor(right));
      const y = TOP + cpu * this.#laneHeight + row * ROW;
      const width = Math.max(right - left, 1);
      const box = { x: left, y, width, height: ROW - 2, class: `slice k${look}${chosen ? ' chosen' : ''}`, 'data-place': String(place) };
      group.append(svg('rect', box, svg('title', {}, `${this.#data.titles[cpu]}: ${text}`)));
      const letters = Math.floor((width - 6) / LETTER);
      if (letters >= 6)
        group.append(
          svg('text', { class: 'in', x: left + 3, y: y + ROW - 4 }, text.length <= letters ? text : `${text.slice(0, letters - 1)}…`),
        );
    });
    return group;
  }

  #drawnWakes(): SVGElement {
    const { from, to } = this.#stretch;
    const x = this.#x;
    const group = svg('g', {});
    const inView = this.#data.wakes
      .map((wake, place) => ({ wake, place }))
      .filter(({ wake: [, , woken, ran] }) => ran >= from && woken <= to);
    for (const { wake, place } of inView.slice(0, WAKES_MOST)) {
      const [waker, sleeper, woken, ran] = wake;
      const [x1, x2] = [x(woken), x(ran)];
      const [y1, y2] = [this.#laneMiddle(waker), this.#sleepRow(sleeper)];
      const angle = (Math.atan2(y2 - y1, x2 - x1) * 180) / Math.PI;
      const chosen = place === this.#wake ? ' chosen' : '';
      const title = svg(
        'title',
        {},
        `${this.#data.titles[waker]} wakes ${this.#data.titles[sleeper]}, which goes on ${ran - woken} us later`,
      );
      group.append(
        svg('path', { class: `wake${chosen}`, d: `M${x1.toFixed(1)} ${y1}L${x2.toFixed(1)} ${y2}` }, title),
        svg('path', {
          class: `wake-head${chosen}`,
          d: 'M0 0L-8 -3.5L-8 3.5Z',
          transform: `translate(${x2.toFixed(1)} ${y2}) rotate(${angle.toFixed(0)})`,
        }),
      );
    }
    return group;
  }

  #laneMiddle(cpu: number): number {
    return TOP + cpu * this.#laneHeight + (this.#data.rows * ROW) / 2;
  }

  /** Sleeps are the last row of a lane. */
  #sleepRow(cpu: number): number {
    return TOP + cpu * this.#laneHeight + (this.#data.rows - 0.5) * ROW - 1;
  }
}
