// The table of services: who is behind, and what was given up.
import { h } from './dom.js';
import * as f from './format.js';

const unknown = (v) => v === null || v === undefined;

/** health is a word for how a service does, with its colour. */
export function health(one) {
  if (one.error) return ['unknown', 'unknown', one.error];
  if (one.members === 0 && one.lag_records > 0) return ['bad', 'stopped', 'No process of this service is running, and events wait for it.'];
  if (one.members === 0) return ['idle', 'not running', 'No process of this service is running.'];
  if (one.lag_seconds > 60) return ['bad', 'behind', 'Events wait for more than a minute.'];
  if (one.dead_letters > 0) return ['warn', 'dead letters', 'Events were given up: see millrace dlq list.'];
  if (one.lag_seconds > 15) return ['warn', 'behind', 'Events wait for some seconds.'];
  return ['good', 'running', 'Up to date.'];
}

export function servicesTable(services) {
  const cell = (label, text, props = {}) => h('td', { 'data-label': label, ...props }, text);
  return h('div', { class: 'scroll' }, h('table', { class: 'rows' },
    h('thead', {}, h('tr', {}, ...[['Service'], ['State'], ['Lag', 'num'], ['Events to go', 'num'], ['Waiting retries', 'num'], ['Open dead letters', 'num'], ['Processes', 'num']]
      .map(([label, cls]) => h('th', { scope: 'col', class: cls }, label)))),
    h('tbody', {}, services.map((one) => {
      const [level, word, why] = health(one);
      return h('tr', {},
        h('th', { scope: 'row' }, one.name, h('small', {}, one.group === one.name ? '' : one.group)),
        cell('State', h('span', { class: `chip ${level}`, title: why }, word)),
        cell('Lag', unknown(one.lag_seconds) ? '–' : one.lag_seconds === 0 ? '0 s' : f.seconds(one.lag_seconds), { class: 'num' }),
        cell('Events to go', unknown(one.lag_records) ? '–' : f.count(one.lag_records), { class: 'num' }),
        cell('Waiting retries', unknown(one.retries) ? '–' : f.count(one.retries), { class: 'num' }),
        cell('Open dead letters', unknown(one.dead_letters) ? '–' : h(one.dead_letters ? 'strong' : 'span', { class: one.dead_letters ? 'warn' : '' }, f.count(one.dead_letters)), { class: 'num' }),
        cell('Processes', f.count(one.members), { class: 'num' }));
    }))));
}
