// How an order stands by its own events (the event store), and which of them belong where in its story.
import { h } from './dom.js';
import * as f from './format.js';

const LEVELS = { completed: 'good', running: 'warn', compensating: 'warn', parked: 'bad', aborted: 'bad' };

const words = (...parts) => parts.filter(Boolean).join(' ');
const goods = (lines) => (lines?.length ? lines.map((l) => `${f.count(l.quantity)} × ${l.sku || `variant ${l.variant_id}`}`).join(', ') : 'everything');
const parcels = (tracking) => (tracking ?? []).map((t) => words(t.company, t.number)).join(', ');
const some = (text) => Boolean(text) && Number(text) !== 0;

function status(o) {
  if (!o.known) return ['the order itself has not come: what has come waits for it'];
  return [[o.financial_status, o.fulfillment_status || 'unfulfilled', o.cancelled_at && words('cancelled', o.cancel_reason && `(${o.cancel_reason})`), o.deleted_at && 'deleted', o.test && 'a test order']
    .filter(Boolean).join(', ').replaceAll('_', ' ')];
}

function money(o) {
  if (!o.total) return [];
  const sum = (text) => f.money(text, o.currency);
  return [[sum(o.total), o.current_total && o.current_total !== o.total && `now ${sum(o.current_total)}`, some(o.refunded) && `refunded ${sum(o.refunded)}`,
    some(o.outstanding) && `outstanding ${sum(o.outstanding)}`].filter(Boolean).join(', ')];
}

function saga(one) {
  const steps = (one.steps ?? []).map((s) => words(s.compensation && 'undo', s.step, s.status, s.error && `(${s.error})`));
  return [h('span', { class: `chip ${LEVELS[one.status] ?? 'idle'}` }, words(one.saga, one.status)), steps.length ? ` ${steps.join(', ')}` : ''];
}

/** standing is the state of an order, in the words of `millrace order show`. */
export function standing(o) {
  const rows = [
    ['Not final', (o.provisional ?? []).map((p) => h('span', { class: 'chip warn' }, p))],
    ['Status', status(o)],
    ['Money', money(o)],
    ['Payment', (o.payments ?? []).map((p) => words(p.did, p.amount && f.money(p.amount, p.currency), `by ${p.by}`, p.charge_id && `(${p.charge_id})`))],
    ['Stock', (o.stock ?? []).map((k) => `${k.did} ${goods(k.lines)} by ${k.by}`)],
    ['Shipment', (o.shipments ?? []).map((k) => [words(k.shipment_id, k.status), parcels(k.tracking)].filter(Boolean).join(', '))],
    ['Fulfilment', (o.fulfillments ?? []).map((k) => [words(k.name || k.fulfillment_id, k.status), k.shipment_status, parcels(k.tracking)].filter(Boolean).join(', '))],
    ['Refund', (o.refunds ?? []).map((r) => words(r.amount && f.money(r.amount, o.currency), f.dateTime(r.created_at)))],
    ['Mail', (o.mails ?? []).map((m) => words(m.kind.replaceAll('_', ' '), f.dateTime(m.at)))],
    ['ERP', (o.documents ?? []).map((d) => words(d.document, 'as of', f.dateTime(d.version)))],
    ['Saga', (o.sagas ?? []).map(saga)],
  ];
  return h('dl', {}, rows.filter(([, values]) => values.length).map(([name, values]) => [h('dt', {}, name), values.map((v) => h('dd', {}, v))]));
}

/**
 * spread says where the lines of an order's timeline belong: with the webhook that caused them, by its id, or apart, in the order in
 * which they became known. What the shop told is the webhook itself, and what a service tells is beside its outcome already; either is said
 * again only where there is more to say of it.
 */
export function spread(order, events) {
  const beside = new Map(events.map((e) => [e.id, []]));
  const said = new Set(events.flatMap((e) => e.activity.filter((a) => a.outcome === 'done' && a.note).map((a) => `${e.id} ${a.service}`)));
  const apart = [];
  for (const line of order?.timeline ?? []) {
    const own = beside.get(line.cause);
    if (!own) apart.push(line);
    else if (line.reason || (line.by === 'shop' ? line.note : !said.has(`${line.cause} ${line.by}`))) own.push(line);
  }
  apart.sort((a, b) => new Date(a.known) - new Date(b.known));
  return { beside, apart };
}

/** told is one line of the timeline: who did what, when, and why. */
export function told(line) {
  return h('li', { class: 'told' }, h('strong', {}, line.by), h('span', { class: 'say' }, line.text), line.reason ? h('span', { class: 'say' }, `because: ${line.reason}`) : null,
    line.note ? h('span', { class: 'chip idle' }, line.note) : null, h('small', {}, h('time', { datetime: line.at, title: f.absolute(line.at) }, f.exact(line.at))));
}
