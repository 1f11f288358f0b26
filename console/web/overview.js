// The overview: cards, charts, products, services, events.
import { h, s, put } from './dom.js';
import { Chart, legend, palette } from './charts.js';
import * as api from './api.js';
import * as f from './format.js';
import { link, span } from './state.js';
import { EventsPanel } from './events.js';
import { servicesTable } from './services.js';

/** Panel is one box: it loads, shows, is empty or failed, and keeps its last figures while newer ones are fetched. */
export class Panel {
  constructor(id, title, { wide = '', extra = null } = {}) {
    this.id = id;
    this.title = h('h2', { id: `${id}-title` }, title);
    this.tools = h('div', { class: 'tools' }, extra);
    this.body = h('div', { class: 'panel-body' });
    this.note = h('div', { class: 'note', hidden: true });
    this.el = h('section', { class: `panel ${wide}`, id, 'aria-labelledby': `${id}-title`, 'aria-busy': 'true' },
      h('header', {}, this.title, this.tools), this.note, this.body);
    this.loading();
  }

  loading() {
    this.fresh = false;
    this.el.setAttribute('aria-busy', 'true');
    this.el.classList.add('loading');
  }

  /** ready shows the body. */
  ready() {
    this.el.setAttribute('aria-busy', 'false');
    this.el.classList.remove('loading', 'empty', 'failed', 'stale');
    this.note.hidden = true;
    this.fresh = true;
  }

  empty(text, hint) {
    this.ready();
    this.el.classList.add('empty');
    this.note.hidden = false;
    this.note.replaceChildren(h('p', { class: 'big' }, text), hint ? h('p', {}, hint) : '');
  }

  failed(err) {
    this.el.setAttribute('aria-busy', 'false');
    this.el.classList.remove('loading');
    if (this.fresh && api.away(err)) { this.el.classList.add('stale'); return; } // the banner says why
    this.fresh = false;
    this.el.classList.remove('empty');
    this.el.classList.add('failed');
    this.note.hidden = false;
    this.note.replaceChildren(h('p', { class: 'big' }, err.message),
      h('button', { type: 'button', onclick: () => this.el.dispatchEvent(new CustomEvent('again', { bubbles: true })) }, 'Try again'));
  }
}

function card(id, label) {
  const el = {
    value: h('div', { class: 'value' }, '–'), sub: h('div', { class: 'sub' }, '\u00a0'), delta: h('span', { class: 'delta', hidden: true }),
    spark: s('svg', { class: 'spark', viewBox: '0 0 100 24', preserveAspectRatio: 'none', 'aria-hidden': 'true' }),
  };
  el.root = h('article', { class: 'card loading', id: `card-${id}` }, h('h3', {}, label, el.delta), el.value, el.sub, el.spark);
  return el;
}

function sparkline(svg, values) {
  const top = Math.max(...values, 0);
  if (values.length < 2 || top === 0) { svg.replaceChildren(); return; }
  const points = values.map((v, i) => `${(i / (values.length - 1) * 100).toFixed(2)},${(22 - v / top * 20).toFixed(2)}`);
  svg.replaceChildren(s('polygon', { points: `0,24 ${points.join(' ')} 100,24` }), s('polyline', { points: points.join(' ') }));
}

/** age is where it says as of when sums are, which the server makes every few minutes of all shops over a week and more. */
const age = () => h('small', { class: 'age', hidden: true, title: 'Over a week and more, all shops are added up every few minutes. One shop is always as of now.' });
function aged(el, asOf) {
  el.hidden = !asOf;
  el.textContent = asOf ? `as of ${f.dateTime(asOf)}` : '';
}

/** squeeze adds neighbours up until few are left, so that a sparkline stays calm. */
function squeeze(values, few = 40) {
  const size = Math.ceil(values.length / few);
  const out = [];
  for (let i = values.length; i > 0; i -= size) out.unshift(values.slice(Math.max(0, i - size), i).reduce((a, b) => a + b, 0));
  return out;
}

const total = (series, key) => series.reduce((sum, one) => one[key].map((v, i) => v + (sum[i] ?? 0)), []);

const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];

/** points is the length of a point that divides a time into at most so many. */
const points = (from, to, most) => STEPS.find((step) => (to - from) / step <= most && (step >= 60 || to - from <= 7200)) ?? 28 * 86400;

export class Overview {
  constructor(app) {
    this.app = app;
    this.cards = {};
    const titles = [['orders', 'Orders'], ['revenue', 'Revenue, gross'], ['aov', 'Average order'], ['refunds', 'Refunds'],
      ['rate', 'Events per second'], ['delay', 'Receipt to row, p95'], ['lag', 'Lag of services'], ['dead', 'Open dead letters']];
    for (const [id, label] of titles) this.cards[id] = card(id, label);

    this.by = h('div', { class: 'segments small', role: 'group', 'aria-label': 'What the chart shows' });
    this.currencies = h('div', { class: 'segments small', role: 'group', 'aria-label': 'Currency' });
    this.salesAge = age();
    this.sales = new Panel('sales', 'Revenue and orders', { wide: 'two', extra: [this.salesAge, this.currencies, this.by] });
    this.productsAge = age();
    this.products = new Panel('products', 'Top products', { extra: this.productsAge });
    this.throughput = new Panel('throughput', 'Events per second by topic', { wide: 'two' });
    this.delays = new Panel('delays', 'Delay');
    this.services = new Panel('services', 'Services', { wide: 'three' });
    this.events = new EventsPanel(app, new Panel('events', 'Latest events', { wide: 'three' }));

    this.salesChart = new Chart(this.sales.body, { height: 250 });
    this.salesLegend = h('div', {});
    this.sales.body.append(this.salesLegend);
    this.throughputChart = new Chart(this.throughput.body, { height: 210 });
    this.throughputLegend = h('div', {});
    this.throughput.body.append(this.throughputLegend);
    this.delayChart = new Chart(this.delays.body, { height: 210 });
    this.delayLegend = h('div', {});
    this.delays.body.append(this.delayLegend);

    this.el = h('div', { class: 'overview' },
      h('h1', { class: 'hidden' }, 'Overview'),
      h('section', { class: 'cards', 'aria-label': 'Figures of the time range' }, Object.values(this.cards).map((c) => c.root)),
      h('div', { class: 'grid' }, this.sales.el, this.products.el, this.throughput.el, this.delays.el, this.services.el, this.events.panel.el));
    this.el.addEventListener('span', (e) => app.go({ range: 'custom', from: String(e.detail.from), to: String(e.detail.to) }));
    this.el.addEventListener('again', () => app.refresh());
  }

  destroy() { for (const chart of [this.salesChart, this.throughputChart, this.delayChart]) chart.destroy(); }

  /** changed is called when another time or shop is asked for: what is shown is no longer what was asked. */
  changed() {
    for (const p of [this.sales, this.products, this.throughput, this.delays, this.events.panel]) p.loading();
    this.before = null;
    for (const c of Object.values(this.cards)) c.delta.hidden = true;
  }

  /** load reads everything once; it returns the errors. */
  async load(signal) {
    const { state } = this.app;
    const { from, to, long } = span(state);
    const at = { from, to, shop: state.shop };
    this.period = long;
    const errors = [];
    const one = async (path, params, show, panels) => {
      try {
        const answer = await api.get(path, params, signal);
        if (signal.aborted) return;
        show(answer);
      } catch (err) {
        if (signal.aborted) return;
        errors.push(err);
        if (!(err instanceof api.ApiError)) console.error(err);
        for (const p of panels) p.failed(err instanceof api.ApiError ? err : new api.ApiError('internal', 'This answer could not be shown.'));
      }
    };
    const byShop = state.by === 'shops' && !state.shop;
    await Promise.all([
      one('totals', at, (x) => this.showTotals(x), []),
      one('sales', { ...at, step: points(from, to, 61) }, (x) => this.showSales(x), [this.sales]),
      byShop ? one('sales/shops', { from, to, step: points(from, to, 61) }, (x) => this.showByShop(x), [this.sales]) : null,
      one('throughput', { ...at, step: points(from, to, 121) }, (x) => this.showThroughput(x, to), [this.throughput]),
      one('products', at, (x) => this.showProducts(x), [this.products]),
      one('delays', { ...at, step: points(from, to, 121) }, (x) => this.showDelays(x), [this.delays]),
      one('services', {}, (x) => this.showServices(x.services), [this.services]),
      this.events.load(signal, { from, to }, one),
    ]);
    if (!this.before && !signal.aborted && !errors.length) {
      this.before = {};
      // A range of a week and more begins with its day, so what is before it ends there.
      const first = to - from >= 7 * 86400 ? Math.floor(from / 86400) * 86400 : from;
      await one('totals', { ...at, from: 2 * first - to, to: first }, (x) => { this.before = x; this.compare(); }, []);
    }
    return errors;
  }

  set(id, value, sub, level = '') {
    const c = this.cards[id];
    c.root.className = `card ${level}`;
    if (c.value.textContent !== value) c.value.textContent = value;
    c.sub.textContent = sub || '\u00a0';
    c.sub.title = c.sub.textContent.trim();
  }

  showTotals(t) {
    this.totals = t;
    const main = t.currencies[0];
    this.set('orders', f.count(t.orders), [t.orders ? `${f.short(t.new_customers)} new customers, ${f.short(t.returning_customers)} returning` : '', t.cancellations ? `${f.short(t.cancellations)} cancelled` : ''].filter(Boolean).join(' · '));
    const rest = t.currencies.slice(1).map((c) => f.money(c.gross, c.currency, { compact: true }));
    this.set('revenue', main ? f.money(main.gross, main.currency, { compact: true }) : '–', rest.length ? '+ ' + rest.join(' + ') : main ? `net ${f.money(main.net, main.currency, { compact: true })}` : 'no orders');
    this.set('aov', main ? f.money(main.average, main.currency) : '–', t.currencies.slice(1).map((c) => f.money(c.average, c.currency)).join(' · '));
    const refunded = t.currencies.filter((c) => Number(c.refunded) !== 0).map((c) => f.money(c.refunded, c.currency, { compact: true }));
    this.set('refunds', f.count(t.refunds), refunded.join(' + ') || 'nothing refunded');
    this.compare();
  }

  /** compare tells how the range differs from the same length of time before it. */
  compare() {
    const [now, then] = [this.totals, this.before];
    const show = (id, a, b) => {
      const el = this.cards[id].delta;
      el.hidden = !(b >= 10 && Number.isFinite(a));
      if (el.hidden) return;
      const change = (a - b) / b;
      el.textContent = f.percent(change);
      el.title = 'beside the same length of time before';
      el.dataset.sign = Math.abs(change) < 0.005 ? '' : change > 0 ? 'up' : 'down';
    };
    if (!now || !then?.currencies) return;
    show('orders', now.orders, then.orders);
    const main = now.currencies[0];
    const was = then.currencies.find((c) => c.currency === main?.currency);
    if (main && was && then.orders >= 10) show('revenue', Number(main.gross), Number(was.gross));
  }

  showSales(x) {
    this.salesData = x;
    const orders = total(x.series, 'orders');
    sparkline(this.cards.orders.spark, squeeze(orders));
    if (x.series[0]) sparkline(this.cards.revenue.spark, squeeze(x.series[0].gross.map(Number)));
    else sparkline(this.cards.revenue.spark, []);
    if (this.app.state.by === 'shops' && !this.app.state.shop) return;
    this.drawSales(x, false);
  }

  showByShop(x) { this.drawSales(x, true); }

  drawSales(x, byShop) {
    const { state } = this.app;
    aged(this.salesAge, x.as_of);
    const names = [...new Set(x.series.map((one) => one.currency))];
    const currency = names.includes(state.currency) ? state.currency : names[0];
    this.salesTools(names, currency);
    if (!currency) {
      this.sales.empty('No orders in this time', 'Orders appear here within a second of their webhook.');
      return;
    }
    this.sales.ready();
    const chosen = x.series.filter((one) => one.currency === currency);
    // A point that is not over yet would make every line fall at its end; bars may grow.
    const over = (values) => (x.times.at(-1) + x.step > Date.now() / 1000 ? [...values.slice(0, -1), null] : values);
    const axes = { y: (v) => f.axisMoney(v, currency) };
    let series;
    if (byShop) {
      series = chosen.map((one, i) => ({ name: f.shopName(one.shop), kind: 'line', colour: palette(i), values: over(one.gross.map(Number)), exact: one.gross.map((v) => f.money(v, currency)), format: String }));
    } else {
      const one = chosen[0];
      axes.y2 = f.short;
      series = [
        { name: 'Gross revenue', kind: 'bars', colour: '--c1', values: one.gross.map(Number), exact: one.gross.map((v) => f.money(v, currency)), format: String },
        { name: 'Orders', kind: 'line', axis: 'y2', colour: '--c3', values: over(one.orders), format: f.count },
      ];
    }
    const figures = this.totals?.currencies.find((c) => c.currency === currency);
    this.salesChart.draw({ times: x.times, step: x.step, series, axes, unit: currency, summary: byShop
      ? `Gross revenue in ${currency} over time of ${chosen.map((c) => f.shopName(c.shop)).join(', ')}.`
      : `Gross revenue in ${currency} and orders over time: ${f.count(chosen[0].total)} orders${figures ? ', ' + f.money(figures.gross, currency) : ''}.` });
    put(this.salesLegend, JSON.stringify([byShop, currency, chosen.map((c) => [c.shop, c.total]), figures]), () => legend(byShop
      ? chosen.map((c, i) => ({ colour: palette(i), name: f.shopName(c.shop), value: `${f.count(c.total)} orders` }))
      : [{ colour: '--c1', name: 'Gross revenue', value: figures ? f.money(figures.gross, currency) : undefined },
        { colour: '--c3', name: 'Orders', value: f.count(chosen[0].total) },
        ...(figures ? [{ colour: '--line-2', name: 'Net revenue', value: f.money(figures.net, currency) }] : [])]));
  }

  salesTools(names, current) {
    const { state } = this.app;
    put(this.currencies, JSON.stringify([names, current]), () => (names.length < 2 ? [] : names.slice(0, 6).map((c) => h('button', {
      type: 'button', 'aria-pressed': String(c === current), onclick: () => this.app.go({ currency: c }, { same: true }),
    }, c))));
    put(this.by, JSON.stringify([state.by, Boolean(state.shop)]), () => (state.shop ? [] : [['', 'All'], ['shops', 'By shop']].map(([id, label]) => h('button', {
      type: 'button', 'aria-pressed': String(state.by === id), onclick: () => this.app.go({ by: id }, { same: true }),
    }, label))));
  }

  showThroughput(x, to) {
    // The last point is not over yet: as a rate it would always fall.
    let n = x.times.length;
    while (n > 1 && x.times[n - 1] + x.step > to) n--;
    const times = x.times.slice(0, n);
    const perSecond = total(x.series, 'counts').slice(0, n).map((v) => v / x.step);
    const last = perSecond.slice(-Math.max(1, Math.round(30 / x.step)));
    const now = last.length ? last.reduce((a, b) => a + b, 0) / last.length : 0;
    this.set('rate', f.rate(now), `${f.short(x.total)} events in the ${this.period ?? 'time chosen'}`);
    sparkline(this.cards.rate.spark, perSecond.slice(-60));
    if (!x.total) {
      this.throughput.empty('No events in this time', this.app.state.shop ? 'Choose another shop or a longer time.' : 'Send a webhook to the receiver, or start `millrace dev --simulate 50`.');
      return;
    }
    this.throughput.ready();
    const series = x.series.map((one, i) => ({ name: one.topic, kind: 'area', colour: one.topic === 'others' ? '--c-rest' : palette(i), values: one.counts.slice(0, n).map((v) => v / x.step), format: (v) => f.rate(v) + '/s' }));
    this.throughputChart.draw({ times, step: x.step, series, stacked: true, axes: { y: f.short }, summary: `Events per second by topic, ${f.count(x.total)} in all: ${x.series.map((t) => `${t.topic} ${f.count(t.total)}`).join(', ')}.` });
    put(this.throughputLegend, JSON.stringify(x.series.map((t) => [t.topic, t.total])), () => legend(x.series.map((t, i) => ({ name: t.topic, colour: t.topic === 'others' ? '--c-rest' : palette(i), value: f.short(t.total) }))));
  }

  showProducts({ products, as_of: asOf }) {
    aged(this.productsAge, asOf);
    if (!products.length) { this.products.empty('Nothing sold in this time'); return; }
    this.products.ready();
    const top = Math.max(...products.map((p) => p.units), 1);
    put(this.products.body, JSON.stringify(products), () => h('ol', { class: 'products' }, products.map((p) => h('li', { vars: { '--share': Math.max(p.units, 0) / top } },
      h('div', { class: 'name' }, h('strong', { title: p.title }, p.title || 'Without a name'), h('small', {}, [this.app.state.shop ? '' : f.shopName(p.shop), p.sku].filter(Boolean).join(' · '))),
      h('div', { class: 'figures' }, h('strong', {}, f.count(p.units), h('span', { class: 'unit' }, p.units === 1 ? ' unit' : ' units')), h('small', {}, f.money(p.revenue, p.currency)))))));
  }

  showDelays(x) {
    const insert = x.insert.all;
    if (insert.p50 === null) {
      this.set('delay', '–', 'no events');
      this.delays.empty('No events in this time');
      return;
    }
    this.set('delay', f.seconds(insert.p95), `Shopify to receipt ${f.seconds(x.receive.all.p95)}`, insert.p95 > 30 ? 'bad' : insert.p95 > 5 ? 'warn' : '');
    this.delays.ready();
    const line = (name, values, c) => ({ name, kind: 'line', colour: c, values, gaps: true, format: f.seconds });
    this.delayChart.draw({ times: x.times, step: x.step, axes: { y: (v) => (v === 0 ? '0' : f.seconds(v)) }, series: [line('Receipt to row, p50', x.insert.p50, '--c2'), line('p95', x.insert.p95, '--c1'), line('p99', x.insert.p99, '--c4')],
      summary: `Time from the receipt of an event to its row in ClickHouse: half within ${f.seconds(insert.p50)}, 95 % within ${f.seconds(insert.p95)}, 99 % within ${f.seconds(insert.p99)}.` });
    const { receive } = x;
    put(this.delayLegend, JSON.stringify([insert, receive.all]), () => h('table', { class: 'mini' },
      h('thead', {}, h('tr', {}, h('th', {}, ''), ...['p50', 'p95', 'p99'].map((p, i) => h('th', { scope: 'col' }, h('i', { vars: { background: `var(${['--c2', '--c1', '--c4'][i]})` } }), p)))),
      h('tbody', {},
        h('tr', {}, h('th', { scope: 'row' }, 'Receipt → row'), ...['p50', 'p95', 'p99'].map((p) => h('td', {}, f.seconds(insert[p])))),
        h('tr', {}, h('th', { scope: 'row' }, 'Shopify → receipt'), ...['p50', 'p95', 'p99'].map((p) => h('td', {}, f.seconds(receive.all[p])))))));
  }

  showServices(services) {
    const known = (key) => services.map((one) => one[key]).filter((v) => v !== null && v !== undefined);
    const [lag, records, dead, waiting] = ['lag_seconds', 'lag_records', 'dead_letters', 'retries'].map(known);
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const worst = lag.length ? Math.max(...lag) : null;
    this.set('lag', worst === null ? '–' : worst === 0 ? '0 s' : f.seconds(worst), services.length ? (sum(records) ? `${f.short(sum(records))} events to go` : 'nothing waits') : 'no services', worst > 60 ? 'bad' : worst > 15 ? 'warn' : '');
    this.set('dead', dead.length ? f.count(sum(dead)) : '–', waiting.length ? `${f.count(sum(waiting))} waiting for a retry` : 'no services with retries', sum(dead) > 0 ? 'warn' : '');
    if (!services.length) { this.services.empty('No services', 'A service appears here once its consumer group exists.'); return; }
    this.services.ready();
    put(this.services.body, JSON.stringify(services), () => servicesTable(services));
  }
}
