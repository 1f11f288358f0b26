// The story of one order (or of any other entity): each event, and which service did what with it, when.
import { h, put } from './dom.js';
import * as api from './api.js';
import * as f from './format.js';
import { link } from './state.js';
import { placeOf } from './events.js';
import { standing, spread, told } from './order.js';

const GOOD = ['done'];
const QUIET = ['skipped', 'waiting', 'dropped'];

/** outcome is how an outcome is shown. */
function outcome(word) {
  const text = { dead_lettered: 'dead letter', retry: 'failed, tries again', redriven: 'sent back', dropped: 'given up for good' }[word] ?? word;
  if (GOOD.includes(word)) return ['good', text];
  if (QUIET.includes(word)) return ['idle', text];
  if (word === 'dead_lettered') return ['bad', text];
  return ['warn', text];
}

export class StoryView {
  constructor(app) {
    this.app = app;
    this.head = h('header', { class: 'story-head' });
    this.list = h('ol', { class: 'timeline' });
    this.note = h('div', { class: 'note', hidden: true });
    this.order = null; // what the event store says, once it has said it
    this.stands = h('section', { class: 'stands', 'aria-label': 'How the order stands', hidden: true });
    this.el = h('article', { class: 'story loading', 'aria-busy': 'true' },
      h('nav', { 'aria-label': 'Back' }, this.back = h('a', { class: 'back', href: '#/' }, '← Overview')), this.head, this.note, this.stands, this.list);
  }

  destroy() {}

  changed() {}

  async load(signal) {
    const { state } = this.app;
    const { story } = state;
    this.back.href = link(state, { story: null, event: '' });
    try {
      const answer = await api.get('story', { shop: story.shop, kind: story.kind, id: story.id === '-' ? '' : story.id }, signal);
      if (signal.aborted) return [];
      this.show(answer);
      if (story.kind === 'order') await this.told(story, answer, signal);
      return [];
    } catch (err) {
      if (signal.aborted) return [];
      this.failed(err);
      return [err];
    }
  }

  /** told adds what the event store says of the order: how it stands, and who did what, and why. Without it the story is as it was. */
  async told(story, answer, signal) {
    let order;
    try {
      ({ order } = await api.get('order', { shop: story.shop, id: story.id }, signal));
    } catch {
      return;
    }
    if (signal.aborted) return;
    this.order = order;
    this.stands.hidden = !order;
    if (!order) return;
    put(this.stands, JSON.stringify({ ...order, timeline: null }), () => [h('h2', { class: 'hidden' }, 'How the order stands'), standing(order)]);
    this.show(answer);
  }

  failed(err) {
    this.el.classList.remove('loading');
    this.el.setAttribute('aria-busy', 'false');
    if (this.have && api.away(err)) return; // the banner says why
    const { story } = this.app.state;
    this.note.hidden = false;
    this.note.replaceChildren(h('p', { class: 'big' }, err.code === 'not_found' ? `Nothing is stored about ${story.kind.replaceAll('_', ' ')} ${story.id} of ${f.shopName(story.shop)}` : err.message),
      err.code === 'not_found' ? '' : h('button', { type: 'button', onclick: () => this.app.refresh() }, 'Try again'));
  }

  show(x) {
    this.have = true;
    this.note.hidden = true;
    this.el.classList.remove('loading');
    this.el.setAttribute('aria-busy', 'false');
    const { state } = this.app;
    put(this.head, JSON.stringify([x.order, x.events.length, x.more]), () => this.heading(x));
    put(this.list, JSON.stringify([x.events, this.order?.timeline, link(state)]), () => {
      const { beside, apart } = spread(this.order, x.events);
      const rows = [];
      const meanwhile = (until) => { // one card for what was told between two webhooks
        const lines = [];
        while (apart.length && new Date(apart[0].known) < until) lines.push(apart.shift());
        if (lines.length) rows.push(h('li', { class: 'event between' }, h('i', { class: 'node', 'aria-hidden': 'true' }), h('ul', { class: 'activity', 'aria-label': 'What happened meanwhile' }, lines.map(told))));
      };
      let before = null;
      let known = null; // the last event that told how the order stands
      for (const e of x.events) {
        meanwhile(new Date(e.received));
        const gap = before ? (new Date(e.received) - new Date(before.received)) / 1000 : 0;
        if (gap >= 60) rows.push(h('li', { class: 'gap' }, `${f.seconds(gap)} later`));
        rows.push(this.item(e, known, e.repeat ? [] : beside.get(e.id)));
        before = e;
        if (e.amount !== null) known = e;
      }
      meanwhile(Infinity);
      return rows;
    });
  }

  heading(x) {
    const o = x.order;
    const name = o?.name || x.events.find((e) => e.name)?.name;
    const title = x.kind === 'order' ? `Order ${name || x.id}` : `${f.happening(x.kind + '/').trim()} ${x.id}`;
    document.title = `${title} · millrace`;
    const states = o ? [o.financial_status, o.fulfillment_status || 'unfulfilled', o.cancelled ? 'cancelled' : '', o.test ? 'test' : ''].filter(Boolean) : [];
    const services = new Set(x.events.flatMap((e) => e.activity.map((a) => a.service)));
    return [
      h('h1', {}, title, states.map((word) => h('span', { class: `chip ${['paid', 'fulfilled'].includes(word) ? 'good' : ['cancelled', 'voided'].includes(word) ? 'bad' : 'idle'}` }, word.replaceAll('_', ' ')))),
      h('p', { class: 'facts' },
        h('span', {}, x.shop), h('span', {}, `${x.kind.replaceAll('_', ' ')} ${x.id}`),
        o ? h('span', {}, o.current_total !== o.total ? [h('s', {}, f.money(o.total, o.currency)), ' ', h('strong', {}, f.money(o.current_total, o.currency))] : h('strong', {}, f.money(o.total, o.currency))) : null,
        h('span', {}, `${f.count(x.events.length)}${x.more ? ' oldest' : ''} ${x.events.length === 1 ? 'event' : 'events'}`),
        services.size ? h('span', {}, `seen by ${[...services].join(', ')}`) : null),
    ];
  }

  item(e, known, lines) {
    const { state } = this.app;
    const tells = e.amount !== null && e.amount !== undefined;
    const total = tells && e.amount !== known?.amount ? f.money(e.amount, e.currency) : '';
    const status = tells ? ['financial_status', 'fulfillment_status'].filter((key) => e[key] && e[key] !== known?.[key]).map((key) => e[key]) : [];
    const passed = e.activity.filter((a) => a.outcome === 'skipped' && !a.note);
    const did = e.activity.filter((a) => !passed.includes(a));
    return h('li', { class: `event ${e.repeat ? 'repeat' : ''}` }, h('i', { class: `node d-${f.domain(e.shopify_topic)}`, 'aria-hidden': 'true' }),
      h('div', { class: 'what' },
        h('a', { href: link(state, { event: placeOf(e) }), title: 'Headers and body' }, f.happening(e.shopify_topic)),
        e.repeat ? h('span', { class: 'chip idle', title: 'The same webhook was delivered before' }, 'delivered again') : null,
        status.map((w) => h('span', { class: 'chip idle' }, w.replaceAll('_', ' '))),
        total ? h('span', { class: 'amount' }, total) : null,
        h('time', { datetime: e.received, title: f.absolute(e.received) }, f.exact(e.received))),
      h('p', { class: 'trail' }, h('span', {}, e.shopify_topic), h('span', {}, `Shopify → receipt ${f.seconds(Math.max((new Date(e.received) - new Date(e.triggered)) / 1000, 0))}`),
        h('span', {}, `→ row ${f.seconds(Math.max((new Date(e.inserted) - new Date(e.received)) / 1000, 0))}`)),
      e.activity.length || lines.length ? h('ul', { class: 'activity', 'aria-label': 'What services did' }, did.map((a) => this.act(a, e)), lines.map(told),
        passed.length ? h('li', { class: 'passed' }, `passed over by ${passed.map((a) => a.service + (a.class ? ` (${a.class.replaceAll('_', ' ')})` : '')).join(', ')}`) : null) : null);
  }

  act(a, e) {
    const [level, word] = outcome(a.outcome);
    return h('li', {}, h('strong', {}, a.service), h('span', { class: `chip ${level}` }, word),
      h('span', { class: 'say' }, a.note || (a.outcome === 'done' ? '' : (a.class ?? '').replaceAll('_', ' '))), a.error ? h('span', { class: 'error' }, a.error) : null,
      h('small', {}, [a.attempt > 1 ? `attempt ${a.attempt}` : '', `took ${f.seconds(Math.max((new Date(a.finished) - new Date(a.started)) / 1000, 0))}`, `${f.seconds(Math.max((new Date(a.finished) - new Date(e.received)) / 1000, 0))} after receipt`,
        f.unset(a.due) ? '' : `due ${f.ago(a.due)}`].filter(Boolean).join(' · ')));
  }
}
