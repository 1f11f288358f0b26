// All that the page shows is in the address, so that every view can be kept, shared and gone back to:
//   #/?range=1h&shop=acme.myshopify.com&q=%231001      the overview
//   #/story/acme.myshopify.com/order/8209?range=1h     the story of one order
// `event=<topic>/<partition>/<offset>` opens an event over either.

export const RANGES = [
  { id: '15m', label: '15 m', long: 'last 15 minutes', seconds: 900 },
  { id: '1h', label: '1 h', long: 'last hour', seconds: 3600 },
  { id: '6h', label: '6 h', long: 'last 6 hours', seconds: 6 * 3600 },
  { id: '24h', label: '24 h', long: 'last 24 hours', seconds: 86400 },
  { id: '7d', label: '7 d', long: 'last 7 days', seconds: 7 * 86400 },
  { id: '30d', label: '30 d', long: 'last 30 days', seconds: 30 * 86400 },
];

export const REFRESH = [
  { id: 'auto', label: 'Live' }, { id: '2', label: '2 s' }, { id: '10', label: '10 s' }, { id: '30', label: '30 s' },
  { id: '60', label: '1 min' }, { id: 'off', label: 'Paused' },
];

const DEFAULTS = { range: '15m', from: '', to: '', shop: '', currency: '', by: '', q: '', event: '', refresh: 'auto' };

export function read(hash = location.hash) {
  const state = { ...DEFAULTS, story: null };
  const [path, query] = hash.replace(/^#/, '').split('?');
  const parts = path.split('/').filter(Boolean).map(part);
  if (parts[0] === 'story' && parts.length === 4) state.story = { shop: parts[1], kind: parts[2], id: parts[3] };
  const params = new URLSearchParams(query ?? '');
  for (const key of Object.keys(DEFAULTS)) if (params.has(key)) state[key] = params.get(key);
  const custom = /^\d+$/.test(state.from) && /^\d+$/.test(state.to) && Number(state.from) < Number(state.to);
  if (state.range === 'custom' ? !custom : !RANGES.some((r) => r.id === state.range)) state.range = DEFAULTS.range;
  if (!REFRESH.some((r) => r.id === state.refresh)) state.refresh = DEFAULTS.refresh;
  return state;
}

function part(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

/** link is the address of state with some of it changed. */
export function link(state, change = {}) {
  const next = { ...state, ...change };
  if (next.range !== 'custom') { next.from = ''; next.to = ''; }
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(DEFAULTS)) if (next[key] && next[key] !== value) params.set(key, next[key]);
  const path = next.story ? '/story/' + [next.story.shop, next.story.kind, next.story.id].map(encodeURIComponent).join('/') : '/';
  const query = params.toString();
  return '#' + path + (query ? '?' + query : '');
}

/** span is the range in seconds since 1970. */
export function span(state, now = Date.now()) {
  if (state.range === 'custom') return { from: Number(state.from), to: Number(state.to), live: false };
  const range = RANGES.find((r) => r.id === state.range);
  const to = Math.floor(now / 1000) + 1;
  return { from: to - range.seconds, to, live: true, long: range.long };
}

/** every is the time between two readings, in milliseconds; 0 for none. */
export function every(state) {
  if (state.refresh === 'off' || state.range === 'custom') return 0;
  if (state.refresh !== 'auto') return Number(state.refresh) * 1000;
  return { '15m': 3000, '1h': 5000, '6h': 15000, '24h': 30000, '7d': 60000, '30d': 60000 }[state.range];
}
