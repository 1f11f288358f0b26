// The newest events with search, and one event whole.
import { h, $, put } from './dom.js';
import * as api from './api.js';
import * as f from './format.js';
import { link } from './state.js';

const PAGE = 15;

/** placeOf names an event in an address: its record, and what it is about, by which it is found at once. */
export const placeOf = (e) => [e.topic, e.partition, e.offset, e.shop, e.entity_kind, e.entity_id].map(encodeURIComponent).join('/');

/** entityLink leads to the story of what an event is about. */
export function entityLink(state, e) {
  const order = e.order_id && e.order_id !== '0';
  const [kind, id] = order ? ['order', e.order_id] : [e.entity_kind, e.entity_id];
  const label = order ? (e.name || `order ${e.order_id}`) : id ? `${kind.replaceAll('_', ' ')} ${id}` : kind;
  if (!kind || (!id && kind !== 'shop')) return h('span', {}, label || '–');
  return h('a', { href: link(state, { story: { shop: e.shop, kind, id: id || '-' }, event: '' }), title: `The story of ${label}` }, label);
}

export class EventsPanel {
  constructor(app, panel) {
    this.app = app;
    this.panel = panel;
    this.older = []; // pages that were asked for
    this.next = '';
    this.input = h('input', { id: 'search', type: 'search', placeholder: 'Order #1001, order id or webhook id', 'aria-label': 'Search events by order name, order id or webhook id', autocomplete: 'off', spellcheck: 'false' });
    this.form = h('form', { class: 'search', role: 'search', onsubmit: (e) => { e.preventDefault(); this.search(); } },
      this.input, h('button', { type: 'submit' }, 'Search'));
    this.input.addEventListener('search', () => { if (!this.input.value) this.search(); });
    this.input.value = app.state.q;
    panel.tools.append(this.form);
    this.table = h('tbody', {});
    this.more = h('button', { type: 'button', class: 'more', hidden: true, onclick: () => this.loadOlder() }, 'Show older');
    panel.body.append(h('div', { class: 'scroll' }, h('table', { class: 'rows events' },
      h('thead', {}, h('tr', {}, ['Received', 'What', 'About', 'Shop', 'Webhook id'].map((x) => h('th', { scope: 'col' }, x)), h('th', { scope: 'col', class: 'num' }, 'Delay'))),
      this.table)), this.more);
  }

  search() { this.app.go({ q: this.input.value.trim(), event: '' }); }

  params() {
    const { state } = this.app;
    return { shop: state.shop, q: state.q, limit: PAGE };
  }

  async load(signal, { from, to }, one) {
    const { state } = this.app;
    if (document.activeElement !== this.input) this.input.value = state.q;
    // A search is for a thing, whenever it was.
    const time = state.q ? {} : { from, to };
    const key = JSON.stringify([this.params(), state.range, state.from]);
    if (key !== this.key) { this.key = key; this.older = []; this.next = ''; }
    await one('events', { ...this.params(), ...time }, (page) => {
      this.time = time;
      this.newest = page.events;
      if (!this.older.length) this.next = page.next;
      this.show();
    }, [this.panel]);
  }

  async loadOlder() {
    this.more.disabled = true;
    try {
      const page = await api.get('events', { ...this.params(), ...this.time, before: this.next });
      if (!this.older.length) this.held = this.newest; // from now on the list grows downwards only
      this.older.push(...page.events);
      this.next = page.next;
      this.show();
    } catch (err) {
      this.panel.failed(err);
    }
    this.more.disabled = false;
  }

  show() {
    const { state } = this.app;
    const all = this.older.length ? [...this.held, ...this.older] : this.newest;
    this.panel.title.textContent = state.q ? `Events that match ${state.q}` : 'Latest events';
    if (!all.length) {
      this.more.hidden = true;
      this.table.replaceChildren();
      this.table.dataset.signature = '';
      if (state.q) this.panel.empty(`Nothing is stored for ${state.q}`, 'Searched were order names, order ids and webhook ids, each exactly, at all times.');
      else this.panel.empty('No events in this time');
      return;
    }
    this.panel.ready();
    this.more.hidden = !this.next;
    put(this.table, JSON.stringify([all.map(placeOf), link(state)]), () => all.map((e) => this.row(e)));
    for (const cell of this.table.querySelectorAll('time')) cell.textContent = f.ago(cell.dateTime);
  }

  row(e) {
    const { state } = this.app;
    const delay = (new Date(e.inserted) - new Date(e.received)) / 1000;
    const cell = (label, content, props = {}) => h('td', { 'data-label': label, ...props }, content);
    return h('tr', {},
      cell('Received', h('time', { datetime: e.received, title: f.absolute(e.received) }, f.ago(e.received))),
      cell('What', h('a', { class: 'what', href: link(state, { event: placeOf(e) }), title: 'Headers and body' }, h('i', { class: `d-${f.domain(e.shopify_topic)}` }), e.shopify_topic || e.topic)),
      cell('About', entityLink(state, e)),
      cell('Shop', h('a', { class: 'quiet', href: link(state, { shop: e.shop, event: '' }), title: `Only ${e.shop}` }, f.shopName(e.shop))),
      cell('Webhook id', h('code', { title: e.id }, e.id.length > 18 ? e.id.slice(0, 8) + '…' + e.id.slice(-4) : e.id)),
      cell('Delay', f.seconds(Math.max(delay, 0)), { class: 'num', title: 'from receipt to row' }));
  }
}

function unescaped(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

/** Drawer shows one event over the page. */
export class Drawer {
  constructor(app) {
    this.app = app;
    this.el = $('drawer');
    this.el.addEventListener('close', () => { if (this.app.state.event) this.app.closed(); });
    this.el.addEventListener('click', (e) => { if (e.target === this.el) this.el.close(); });
    this.shown = '';
  }

  async sync() {
    const wanted = this.app.state.event;
    if (wanted === this.shown) return;
    this.shown = wanted;
    if (!wanted) { this.el.close(); return; }
    const [topic, partition, offset, shop, kind, id] = wanted.split('/').map(unescaped);
    this.fill('Event', h('p', { class: 'wait', 'aria-busy': 'true' }, 'Loading …'));
    if (!this.el.open) this.el.showModal();
    try {
      if (!topic || !/^\d+$/.test(partition) || !/^\d+$/.test(offset)) throw new api.ApiError('bad_request', 'This address names no event.');
      const event = await api.get('event', { topic, partition, offset, shop, kind, id });
      if (this.shown === wanted) this.show(event);
    } catch (err) {
      if (this.shown === wanted) this.fill('Event', h('p', { class: 'failed' }, err.message), h('button', { type: 'button', onclick: () => { this.shown = ''; this.sync(); } }, 'Try again'));
    }
  }

  fill(title, ...content) {
    this.el.replaceChildren(h('header', {}, h('h2', { id: 'drawer-title' }, title),
      h('button', { type: 'button', class: 'icon', 'aria-label': 'Close', title: 'Close (Esc)', onclick: () => this.el.close() }, '×')), h('div', { class: 'drawer-body' }, content));
  }

  show(e) {
    const { state } = this.app;
    const pair = (name, value) => (value === '' || value === null || value === undefined ? null : [h('dt', {}, name), h('dd', {}, value)]);
    const when = (t, since) => [f.absolute(t), since ? h('small', {}, ` + ${f.seconds(Math.max((new Date(t) - new Date(since)) / 1000, 0))}`) : null];
    let body = e.body;
    let readable = false;
    if (!e.truncated) { try { body = pretty(e.body); readable = true; } catch { /* no JSON: shown as it is */ } }
    const code = h('pre', { tabindex: '0', 'aria-label': 'Body' }, h('code', {}, readable ? highlighted(body) : body));
    const copy = h('button', { type: 'button', onclick: async () => {
      try { await navigator.clipboard.writeText(e.body); copy.textContent = 'Copied'; } catch { copy.textContent = 'Select the text to copy it'; }
    } }, 'Copy');
    this.fill(f.happening(e.shopify_topic),
      h('dl', {},
        pair('About', entityLink({ ...state, event: '' }, e)), pair('Shop', e.shop),
        pair('Triggered', when(e.triggered)), pair('Received', when(e.received, e.triggered)), pair('In ClickHouse', when(e.inserted, e.received)),
        pair('Webhook id', h('code', {}, e.id)), pair('Event id', e.event_id && h('code', {}, e.event_id))),
      h('details', {}, h('summary', {}, 'Headers and place'), h('dl', {},
        pair('Kafka', h('code', {}, `${e.topic} / ${e.partition} @ ${e.offset}`)), pair('Key', h('code', {}, e.partition_key)),
        pair('ce_type', e.type), pair('ce_shopifytopic', e.shopify_topic), pair('ce_subject', e.entity_id ? `${e.entity_kind}/${e.entity_id}` : e.entity_kind),
        pair('content-type', e.content_type), pair('ce_shopifyapiversion', e.api_version), pair('traceparent', e.trace_parent && h('code', {}, e.trace_parent)))),
      h('div', { class: 'body-head' }, h('h3', {}, 'Body', h('small', {}, ` ${f.bytes(e.body_bytes)}${e.truncated ? `, the first ${f.bytes(e.body.length)} are shown` : ''}`)), copy),
      code);
  }
}

/** pretty indents JSON without reading its numbers: an id of 19 digits stays what it is. */
export function pretty(text) {
  JSON.parse(text); // throws where it is none
  let out = '';
  let depth = 0;
  const line = () => '\n' + '  '.repeat(depth);
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      let end = i + 1;
      while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
      out += text.slice(i, end + 1);
      i = end;
    } else if (c === '{' || c === '[') {
      const close = /^\s*[}\]]/.exec(text.slice(i + 1, i + 200));
      if (close) { out += c + close[0].trim(); i += close[0].length; } else { depth++; out += c + line(); }
    } else if (c === '}' || c === ']') { depth--; out += line() + c;
    } else if (c === ',') out += c + line();
    else if (c === ':') out += ': ';
    else if (!/\s/.test(c)) out += c;
  }
  return out;
}

function highlighted(text) {
  const out = [];
  const tokens = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d[\d.eE+-]*)/g;
  let at = 0;
  for (const m of text.matchAll(tokens)) {
    if (m.index > at) out.push(text.slice(at, m.index));
    if (m[1]) { out.push(h('span', { class: m[2] ? 'j-key' : 'j-text' }, m[1])); if (m[2]) out.push(m[2]); } else out.push(h('span', { class: m[3] ? 'j-word' : 'j-number' }, m[0]));
    at = m.index + m[0].length;
  }
  out.push(text.slice(at));
  return out;
}
