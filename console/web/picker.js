// The shop picker: a combobox that finds shops by the beginning of their name.
import { h, $ } from './dom.js';
import * as api from './api.js';
import * as f from './format.js';

export class ShopPicker {
  constructor(app) {
    this.app = app;
    this.input = $('shop');
    this.list = $('shop-list');
    this.clear = $('shop-clear');
    this.active = -1;
    this.input.addEventListener('focus', () => { this.input.select(); this.find(); });
    this.input.addEventListener('input', () => this.find());
    this.input.addEventListener('keydown', (e) => this.key(e));
    this.input.addEventListener('blur', () => { this.close(); this.show(); });
    this.clear.addEventListener('click', () => this.choose(''));
  }

  show() {
    if (document.activeElement !== this.input) this.input.value = f.shopName(this.app.state.shop);
    this.clear.hidden = !this.app.state.shop;
  }

  async find() {
    const prefix = this.input.value.trim().toLowerCase();
    this.asked?.abort();
    const asked = new AbortController();
    this.asked = asked;
    const chosen = f.shopName(this.app.state.shop) === prefix;
    try {
      const { shops } = await api.get('shops', { prefix: chosen ? '' : prefix, limit: 12 }, asked.signal);
      if (!asked.signal.aborted && document.activeElement === this.input) this.open(shops, chosen ? '' : prefix);
    } catch (err) {
      if (!asked.signal.aborted) this.options([], err.message);
    }
  }

  open(shops, prefix) {
    const all = prefix ? [] : [{ shop: '', name: 'All shops' }];
    this.options([...all, ...shops.map((x) => ({ shop: x.shop, name: f.shopName(x.shop), events: x.events }))], `No shop begins with ${prefix}`);
  }

  options(items, otherwise) {
    this.items = items;
    this.active = items.length > 1 || (items[0] && items[0].shop) ? 0 : -1;
    this.list.replaceChildren(...(items.length ? items.map((x, i) => h('li', { role: 'option', id: `shop-${i}`, 'aria-selected': 'false', onmousedown: (e) => { e.preventDefault(); this.choose(x.shop); } },
      h('span', {}, x.name), x.events ? h('small', {}, `${f.short(x.events)} events`) : null)) : [h('li', { class: 'none' }, otherwise)]));
    this.list.hidden = false;
    this.input.setAttribute('aria-expanded', 'true');
    this.mark();
  }

  mark() {
    [...this.list.children].forEach((el, i) => el.setAttribute('aria-selected', String(i === this.active)));
    const el = this.list.children[this.active];
    if (el) { this.input.setAttribute('aria-activedescendant', el.id); el.scrollIntoView({ block: 'nearest' }); } else this.input.removeAttribute('aria-activedescendant');
  }

  key(e) {
    const n = this.items?.length ?? 0;
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      if (this.list.hidden) { this.find(); return; }
      if (n) this.active = (this.active + (e.key === 'ArrowDown' ? 1 : n - 1)) % n;
      this.mark();
    } else if (e.key === 'Enter') {
      e.preventDefault();
      if (!this.list.hidden && this.items[this.active]) this.choose(this.items[this.active].shop);
      else if (!this.input.value.trim()) this.choose('');
    } else if (e.key === 'Escape') {
      this.close();
      this.input.blur();
    }
  }

  close() {
    this.asked?.abort();
    this.list.hidden = true;
    this.input.setAttribute('aria-expanded', 'false');
    this.input.removeAttribute('aria-activedescendant');
  }

  choose(shop) {
    this.close();
    this.input.blur();
    this.app.go({ shop });
  }
}
