// The page: what the address says, the header, and the clock that reads again.
import { h, s, $, put } from './dom.js';
import * as api from './api.js';
import * as f from './format.js';
import { RANGES, REFRESH, read, link, span, every } from './state.js';
import { restyle } from './charts.js';
import { Overview } from './overview.js';
import { StoryView } from './story.js';
import { Drawer } from './events.js';
import { ShopPicker } from './picker.js';

class App {
  constructor() {
    this.state = read();
    this.main = $('main');
    this.timer = 0;
    this.failures = 0;
    this.drawer = new Drawer(this);
    this.picker = new ShopPicker(this);
    this.controls();
    this.keys();
    addEventListener('hashchange', () => this.route());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.refresh(); });
    addEventListener('online', () => this.refresh());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => restyle());
    this.route(true);
    this.about();
  }

  /** go changes the address. same: what is shown is drawn anew from what is known, and no place in the history is taken. */
  go(change, { same = false } = {}) {
    const next = link(this.state, change);
    if (next === location.hash || (next === '#/' && !location.hash)) { this.route(); return; }
    if (same) { history.replaceState(null, '', next); this.route(); } else location.hash = next;
  }

  /** closed takes an event out of the address: the way back, if the page itself led to it. */
  closed() {
    if (this.opened) history.back();
    else this.go({ event: '' }, { same: true });
  }

  route(first = false) {
    const before = this.state;
    const state = read();
    this.state = state;
    if (!state.event) this.opened = false;
    else if (!first && !before.event) this.opened = true;
    const key = (x) => (x.story ? `story ${x.story.shop} ${x.story.kind} ${x.story.id}` : 'overview');
    if (first || key(before) !== key(state)) {
      this.view?.destroy();
      this.view = state.story ? new StoryView(this) : new Overview(this);
      this.main.replaceChildren(this.view.el);
      if (!first) { scrollTo(0, 0); this.main.focus({ preventScroll: true }); }
      document.title = 'millrace';
    }
    this.show();
    this.drawer.sync();
    const asked = (x) => JSON.stringify([key(x), x.range, x.from, x.to, x.shop, x.q, x.by]);
    const drawn = (x) => JSON.stringify([x.currency, x.refresh]);
    if (first || asked(before) !== asked(state)) {
      const figures = (x) => JSON.stringify([x.range, x.from, x.to, x.shop]);
      if (!first && figures(before) !== figures(state)) this.view.changed();
      this.refresh();
    } else if (drawn(before) !== drawn(state)) {
      this.refresh();
    }
  }

  /** refresh reads everything now, and sets the clock for the next time. */
  async refresh() {
    clearTimeout(this.timer);
    this.running?.abort();
    const run = new AbortController();
    this.running = run;
    const errors = await this.view.load(run.signal);
    if (run.signal.aborted) return;
    const trouble = errors.find(api.away);
    this.failures = trouble ? this.failures + 1 : 0;
    if (!trouble) this.last = Date.now();
    this.trouble(trouble);
    // Trouble that may pass is asked about again by itself, a little later each time.
    const wait = trouble ? Math.min(1500 * this.failures, 10000) : every(this.state);
    if (wait) this.timer = setTimeout(() => { if (!document.hidden) this.refresh(); }, wait);
  }

  trouble(err) {
    const banner = $('banner');
    banner.hidden = !err;
    if (err) put(banner, err.message + this.last, () => [h('strong', {}, err.message), ' ', this.last ? `What is shown is from ${f.timeOfDay(this.last)}. ` : '', 'Trying again by itself.']);
    document.documentElement.classList.toggle('away', Boolean(err));
    this.live(err);
  }

  live(err) {
    const paused = !every(this.state);
    const [level, text] = err ? ['bad', 'No connection'] : !this.last ? ['idle', 'Connecting'] : paused ? ['idle', 'Paused'] : ['good', 'Live'];
    $('live').dataset.level = level;
    if ($('live-text').textContent !== text) $('live-text').textContent = text;
    $('live').title = this.last ? `Read at ${f.timeOfDay(this.last)}` : '';
  }

  controls() {
    $('ranges').replaceChildren(...RANGES.map((r) => h('button', { type: 'button', 'data-range': r.id, 'aria-label': r.long, onclick: () => this.go({ range: r.id }) }, r.label)),
      h('button', { type: 'button', 'data-range': 'custom', 'aria-haspopup': 'dialog', onclick: () => this.custom() }, 'Custom'));
    $('refresh').replaceChildren(...REFRESH.map((r) => h('option', { value: r.id }, r.label)));
    $('refresh').addEventListener('change', (e) => this.go({ refresh: e.target.value }, { same: true }));
    $('theme').replaceChildren(s('svg', { viewBox: '0 0 20 20', 'aria-hidden': 'true' }, s('circle', { cx: 10, cy: 10, r: 7, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.6 }), s('path', { d: 'M10 3a7 7 0 0 1 0 14z', fill: 'currentColor' })));
    $('theme').addEventListener('click', () => this.theme());
    $('help-open').addEventListener('click', () => this.help());
    $('skip').addEventListener('click', (e) => { e.preventDefault(); this.main.focus(); });
    for (const id of ['custom', 'help']) $(id).addEventListener('click', (e) => { if (e.target === $(id)) $(id).close(); });
  }

  show() {
    const { state } = this;
    for (const button of $('ranges').children) button.setAttribute('aria-pressed', String(button.dataset.range === state.range));
    const custom = $('ranges').lastElementChild;
    custom.textContent = state.range === 'custom' ? `${f.dateTime(state.from * 1000)} – ${f.dateTime(state.to * 1000)}` : 'Custom';
    $('refresh').value = state.refresh;
    $('refresh').disabled = state.range === 'custom';
    this.picker.show();
    this.live(document.documentElement.classList.contains('away'));
  }

  theme() {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    const next = dark ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem('millrace.theme', next); } catch { /* then it is for this page alone */ }
    restyle();
  }

  custom() {
    const box = $('custom');
    const now = span(this.state);
    const local = (t) => { const d = new Date(t * 1000); return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, 16); };
    const from = h('input', { type: 'datetime-local', id: 'custom-from', value: local(now.from), required: true });
    const to = h('input', { type: 'datetime-local', id: 'custom-to', value: local(now.to), required: true });
    const wrong = h('p', { class: 'failed', role: 'alert' });
    box.replaceChildren(h('form', { method: 'dialog', onsubmit: (e) => {
      const [a, b] = [from, to].map((x) => Math.floor(new Date(x.value).getTime() / 1000));
      if (!(a < b)) { e.preventDefault(); wrong.textContent = 'The beginning must be before the end.'; return; }
      this.go({ range: 'custom', from: String(a), to: String(b) });
    } }, h('h2', { id: 'custom-title' }, 'Time range'), h('label', { for: 'custom-from' }, 'From'), from, h('label', { for: 'custom-to' }, 'To'), to, wrong,
    h('p', { class: 'hint' }, 'Or draw over a chart with the mouse.'),
    h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => box.close() }, 'Cancel'), h('button', { type: 'submit', class: 'primary' }, 'Show'))));
    box.showModal();
  }

  help() {
    const box = $('help');
    const keys = [['/', 'search events'], ['s', 'choose a shop'], ['1 … 6', 'time range, 15 minutes to 30 days'], ['c', 'a time range of your own'], ['r', 'read again now'],
      ['p', 'pause or go on'], ['t', 'light or dark'], ['o', 'overview'], ['?', 'this list'], ['Esc', 'close what is open']];
    box.replaceChildren(h('h2', { id: 'help-title' }, 'Keyboard shortcuts'), h('dl', { class: 'keys' }, keys.map(([k, what]) => [h('dt', {}, h('kbd', {}, k)), h('dd', {}, what)])),
      h('p', { class: 'hint' }, 'The address of this page holds all that you see: keep it, or share it.'),
      h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'primary', autofocus: true, onclick: () => box.close() }, 'Close')));
    box.showModal();
  }

  keys() {
    document.addEventListener('keydown', (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, select, textarea') || document.querySelector('dialog[open]')) return;
      const act = {
        '/': () => { if (this.state.story) this.go({ story: null }); setTimeout(() => { $('search')?.focus(); $('search')?.scrollIntoView({ block: 'center' }); }); },
        s: () => $('shop').focus(), c: () => this.custom(), r: () => this.refresh(), t: () => this.theme(), o: () => this.go({ story: null, event: '' }),
        p: () => this.go({ refresh: this.state.refresh === 'off' ? 'auto' : 'off' }, { same: true }), '?': () => this.help(),
      }[e.key] ?? (/^[1-6]$/.test(e.key) ? () => this.go({ range: RANGES[e.key - 1].id }) : null);
      if (!act) return;
      e.preventDefault();
      act();
    });
  }

  async about() {
    try {
      const x = await api.get('status');
      $('about').textContent = `millrace ${x.version}${x.simulated ? ` · fed by a simulated store, ${f.rate(x.simulated)} webhooks per second` : ''}`;
    } catch { setTimeout(() => this.about(), 5000); }
  }
}

window.millrace = new App();
