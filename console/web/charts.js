// Charts on uPlot: colours from the style sheet, one tooltip for all, and a sentence for those who cannot see them.
import { h } from './dom.js';
import * as f from './format.js';

const uPlot = window.uPlot;
const drawn = new Set();

/** colour is a custom property of the theme in force. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const palette = (i) => `--c${(i % 8) + 1}`;

/** restyle draws all charts anew, after a change of the theme. */
export function restyle() { for (const chart of drawn) chart.rebuild(); }

const alpha = (hex, a) => hex + Math.round(a * 255).toString(16).padStart(2, '0');

/**
 * Chart is one figure. draw() takes
 *   times   seconds since 1970, one per point
 *   series  [{name, values, colour, format, kind: 'line'|'area'|'bars', axis: 'y'|'y2', show}]
 *   stacked whether the series lie on one another
 *   axes    {y: format, y2: format}
 *   summary what the chart says, as a sentence
 */
export class Chart {
  constructor(parent, { height = 240 } = {}) {
    this.tip = h('div', { class: 'tip', hidden: true });
    this.box = h('div', { class: 'chart', role: 'img', vars: { '--height': `${height}px` } });
    parent.append(this.box);
    this.plot = null;
    this.spec = null;
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.box);
    drawn.add(this);
  }

  destroy() {
    drawn.delete(this);
    this.sizes.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  resize() {
    const { width, height } = this.room();
    if (this.plot && width > 0 && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
  }

  // room is what the box gives: it grows with its panel, and the plot, which lies over it, never makes it grow.
  room() { return { width: Math.floor(this.box.clientWidth), height: Math.floor(this.box.clientHeight) }; }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    if (this.spec) this.draw(this.spec);
  }

  draw(spec) {
    this.spec = spec;
    this.box.setAttribute('aria-label', spec.summary);
    const shape = JSON.stringify([spec.stacked, spec.unit, spec.series.map((x) => [x.name, x.colour, x.kind, x.axis]), Object.keys(spec.axes)]);
    const data = this.data(spec);
    if (this.plot && shape === this.shape) {
      this.plot.setData(data);
      this.shown();
      return;
    }
    this.shape = shape;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(spec), data, this.box);
    this.plot.over.append(this.tip);
    this.box.chart = this.plot; // for whoever inspects the page
  }

  data({ times, series, stacked }) {
    if (!stacked) return [times, ...series.map((x) => x.values)];
    // The last series lies at the bottom of the stack, so each line is the sum of itself and those after it.
    const sums = [];
    let below = times.map(() => 0);
    for (const one of [...series].reverse()) {
      below = below.map((v, i) => v + (one.values[i] ?? 0));
      sums.unshift(below);
    }
    return [times, ...sums];
  }

  options(spec) {
    const ink = colour('--ink-3');
    const grid = { stroke: colour('--line'), width: 1 };
    const font = '11px ' + getComputedStyle(document.body).fontFamily;
    const axis = (scale, side, format) => ({
      scale, side, stroke: ink, font, size: (u, values) => Math.max(40, 14 + 6.6 * Math.max(0, ...(values ?? []).map((v) => (v ?? '').length))),
      grid: scale === 'y' ? grid : { show: false }, ticks: { show: false }, gap: 6, space: 48, values: (u, splits) => splits.map((v) => (v === null ? '' : format(v))),
    });
    const axes = [{ stroke: ink, font, grid: { show: false }, ticks: { stroke: colour('--line'), size: 4 }, gap: 3, size: 26, space: 70, values: clockLabels }];
    const scales = { x: { time: true } };
    for (const [scale, format] of Object.entries(spec.axes)) {
      axes.push(axis(scale, scale === 'y' ? 3 : 1, format));
      scales[scale] = { range: (u, min, max) => [0, niceTop(max)] };
    }
    const series = [{}];
    for (const one of spec.series) {
      const stroke = colour(one.colour);
      const options = { label: one.name, scale: one.axis ?? 'y', stroke, width: spec.stacked ? 1 : 1.75, points: { show: false }, spanGaps: Boolean(one.gaps) };
      if (one.kind === 'area') options.fill = alpha(stroke, spec.stacked ? 0.38 : 0.14);
      if (one.kind === 'bars') Object.assign(options, { width: 0, fill: alpha(stroke, 0.82), stroke: undefined, paths: uPlot.paths.bars({ size: [0.72, 28], align: 0, radius: 0.18 }) });
      series.push(options);
    }
    return {
      ...this.room(), padding: [10, spec.axes.y2 ? 0 : 12, 0, 0], legend: { show: false }, axes, scales, series,
      bands: spec.stacked ? spec.series.slice(1).map((_, i) => ({ series: [i + 1, i + 2] })) : undefined,
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 7, fill: (u, i) => colour(spec.series[i - 1].colour) } },
      hooks: {
        setCursor: [() => this.shown()],
        setSelect: [(u) => {
          if (u.select.width < 8) return;
          const from = Math.floor(u.posToVal(u.select.left, 'x'));
          const to = Math.ceil(u.posToVal(u.select.left + u.select.width, 'x'));
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (to - from >= 10) this.box.dispatchEvent(new CustomEvent('span', { bubbles: true, detail: { from, to } }));
        }],
      },
    };
  }

  // shown fills the tooltip from the point under the cursor.
  shown() {
    const u = this.plot;
    const i = u?.cursor.idx;
    if (i === null || i === undefined || u.cursor.left < 0) { this.tip.hidden = true; return; }
    const { times, series, step } = this.spec;
    const lines = series.map((one) => ({ one, value: one.values[i] })).filter((x) => x.value !== null && x.value !== undefined && !x.one.quiet);
    this.tip.replaceChildren(
      h('strong', {}, step >= 86400 ? f.dateTime(times[i] * 1000) : step < 60 ? f.timeOfDay(times[i] * 1000) : f.dateTime(times[i] * 1000)),
      ...lines.map(({ one, value }) => h('div', {}, h('i', { vars: { background: `var(${one.colour})` } }), h('span', {}, one.name), h('b', {}, (one.exact?.[i]) ?? one.format(value)))),
      lines.length ? null : h('div', {}, 'nothing'),
    );
    this.tip.hidden = false;
    const left = u.valToPos(times[i], 'x');
    const room = u.over.clientWidth;
    const flip = left > room / 2;
    this.tip.style.left = flip ? 'auto' : `${left + 14}px`;
    this.tip.style.right = flip ? `${room - left + 14}px` : 'auto';
  }
}

function niceTop(max) {
  if (!(max > 0)) return 1;
  const wanted = max * 1.08;
  const unit = 10 ** Math.floor(Math.log10(wanted));
  for (const m of [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]) if (m * unit >= wanted) return m * unit;
  return wanted;
}

function clockLabels(u, splits) {
  const length = u.scales.x.max - u.scales.x.min;
  const time = new Intl.DateTimeFormat(undefined, length > 3 * 86400 ? { month: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit', ...(length < 240 ? { second: '2-digit' } : {}) });
  return splits.map((v) => time.format(new Date(v * 1000)));
}

/** legend lists series with their colours and figures. */
export const legend = (items) => h('ul', { class: 'legend' }, items.map((x) => h('li', {},
  h('i', { vars: { background: `var(${x.colour})` } }), h('span', {}, x.name), x.value === undefined ? null : h('b', {}, x.value))));
