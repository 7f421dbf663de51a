/** Charts by keyboard: the arrow keys go from mark to mark, and what a mark says is said below the chart. */
export function readMarksByKey(chart: SVGSVGElement): void {
  const marks = [...chart.querySelectorAll<SVGElement>('.mark')];
  const said = chart.nextElementSibling;
  let place = -1;
  const choose = (next: number): void => {
    marks[place]?.classList.remove('chosen');
    place = Math.min(Math.max(next, 0), marks.length - 1);
    marks[place]?.classList.add('chosen');
    if (said !== null) said.textContent = marks[place]?.dataset['t'] ?? '';
  };
  const steps: Readonly<Record<string, () => number>> = {
    ArrowRight: () => place + 1,
    ArrowDown: () => place + 1,
    ArrowLeft: () => place - 1,
    ArrowUp: () => place - 1,
    Home: () => 0,
    End: () => marks.length - 1,
  };
  chart.addEventListener('keydown', (event) => {
    const step = steps[event.key];
    if (step === undefined || marks.length === 0) return;
    event.preventDefault();
    choose(step());
  });
  chart.addEventListener('pointerover', (event) => {
    const mark = (event.target as Element).closest<SVGElement>('.mark');
    if (mark !== null) choose(marks.indexOf(mark));
  });
}
