// How numbers, money and times are shown. Sums arrive as decimal text and are shown from the text, never added up here.

const locale = navigator.languages?.length ? [...navigator.languages] : undefined;
const cache = new Map();

function number(options) {
  const key = JSON.stringify(options);
  if (!cache.has(key)) cache.set(key, new Intl.NumberFormat(locale, options));
  return cache.get(key);
}

export const count = (n) => number({ maximumFractionDigits: 0 }).format(n);
export const short = (n) => Math.abs(n) < 10000 ? number({ maximumFractionDigits: Math.abs(n) < 10 ? 1 : 0 }).format(n)
  : number({ notation: 'compact', maximumFractionDigits: 1 }).format(n);
export const rate = (n) => number({ maximumFractionDigits: n < 10 ? 2 : n < 100 ? 1 : 0 }).format(n);
export const percent = (n) => number({ style: 'percent', maximumFractionDigits: Math.abs(n) < 0.1 ? 1 : 0, signDisplay: 'exceptZero' }).format(n);

/** money shows decimal text in its currency. Intl takes the text itself, so no digit is lost. */
export function money(text, currency, { compact = false } = {}) {
  const known = /^[A-Z]{3}$/.test(currency ?? '');
  const options = known ? { style: 'currency', currency } : { maximumFractionDigits: 2, minimumFractionDigits: 2 };
  if (compact && Math.abs(Number(text)) >= 1e7) Object.assign(options, { notation: 'compact', minimumFractionDigits: 0, maximumFractionDigits: 2 });
  try { return number(options).format(text); } catch { return text + (currency ? ' ' + currency : ''); }
}

/** axisMoney is short, for the labels of an axis. */
export function axisMoney(n, currency) {
  const known = /^[A-Z]{3}$/.test(currency ?? '');
  return number({ ...(known ? { style: 'currency', currency } : {}), notation: 'compact', minimumFractionDigits: 0, maximumFractionDigits: 1 }).format(n);
}

export function seconds(n) {
  if (n === null || n === undefined) return '–';
  if (n < 0.001) return '< 1 ms';
  if (n < 1) return number({ maximumFractionDigits: n < 0.01 ? 1 : 0 }).format(n * 1000) + ' ms';
  if (n < 120) return number({ maximumFractionDigits: n < 10 ? 2 : 1 }).format(n) + ' s';
  if (n < 7200) return number({ maximumFractionDigits: n < 600 ? 1 : 0 }).format(n / 60) + ' min';
  if (n < 172800) return number({ maximumFractionDigits: 1 }).format(n / 3600) + ' h';
  return number({ maximumFractionDigits: 1 }).format(n / 86400) + ' d';
}

export function bytes(n) {
  if (n < 1000) return count(n) + ' B';
  if (n < 1e6) return number({ maximumFractionDigits: 1 }).format(n / 1e3) + ' kB';
  return number({ maximumFractionDigits: 1 }).format(n / 1e6) + ' MB';
}

const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const full = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'long' });
const dayTime = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'narrow' });

export const timeOfDay = (t) => clock.format(new Date(t));
export const absolute = (t) => full.format(new Date(t));
export const dateTime = (t) => dayTime.format(new Date(t));

const instant = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });

/** exact shows milliseconds too, which tell events of one second apart. */
export const exact = (t) => instant.format(new Date(t));

export function ago(t) {
  const n = (new Date(t) - Date.now()) / 1000;
  const a = Math.abs(n);
  if (a < 1.5) return 'now';
  if (a < 60) return relative.format(Math.round(n), 'second');
  if (a < 3600) return relative.format(Math.round(n / 60), 'minute');
  if (a < 86400) return relative.format(Math.round(n / 3600), 'hour');
  return relative.format(Math.round(n / 86400), 'day');
}

/** unset tells ClickHouse's empty time, 1970, from a real one. */
export const unset = (t) => !t || new Date(t).getTime() <= 0;

export const shopName = (shop) => (shop ?? '').replace(/\.myshopify\.com$/, '');

const VERBS = {
  'orders/create': 'Order created', 'orders/updated': 'Order updated', 'orders/paid': 'Order paid', 'orders/cancelled': 'Order cancelled',
  'orders/fulfilled': 'Order fulfilled', 'orders/partially_fulfilled': 'Order partly fulfilled', 'orders/edited': 'Order edited',
  'orders/delete': 'Order deleted', 'refunds/create': 'Refund made', 'fulfillments/create': 'Shipment created',
  'fulfillments/update': 'Shipment updated', 'order_transactions/create': 'Payment recorded', 'draft_orders/create': 'Draft created',
};

/** happening is a Shopify topic as a sentence. */
export function happening(topic) {
  if (VERBS[topic]) return VERBS[topic];
  const [thing, verb] = topic.split('/');
  const words = (x) => (x ?? '').replaceAll('_', ' ');
  const one = words(thing).replace(/ies$/, 'y').replace(/s$/, '');
  return (one.charAt(0).toUpperCase() + one.slice(1) + ' ' + words(verb)).trim();
}

/** domain is the part of a topic that chooses its colour. */
export const domain = (topic) => (topic ?? '').split('/')[0];
