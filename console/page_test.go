package console_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"millrace/console"
	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/consumers/orderstate"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas"
)

// shopDay fills the database with the last ten minutes of a shop: an order every ten seconds for 20.50 EUR, each with a payment, and
// what services did with the newest one. It is made by the engine.
func shopDay(t *testing.T, db *database.DB) {
	t.Helper()
	const orders = 60
	databasetest.Exec(t, db, fmt.Sprintf(`INSERT INTO %%.events
		(id, shop, shopify_topic, entity_kind, entity_id, time, received_time, inserted_at, order_id, name, currency, total_price, current_total_price, created_at, updated_at, financial_status, body, _topic, _partition, _offset, partition_key)
		WITH intDiv(number, 2) AS o, modulo(number, 2) = 0 AS first, now64(9, 'UTC') - toIntervalSecond(o * 10 + 20) AS at
		SELECT 'webhook-' || toString(number), 'acme.myshopify.com', if(first, 'orders/create', 'orders/paid'), 'order', toString(1000 + o),
			at - toIntervalMillisecond(300), at + toIntervalMillisecond(modulo(number, 2)), at + toIntervalMillisecond(150), 1000 + o, '#' || toString(1000 + o), 'EUR', 20.5, 20.5, at, at + toIntervalMillisecond(modulo(number, 2)),
			if(first, 'pending', 'paid'),
			'{"id":820982911946154508,"name":"#' || toString(1000 + o) || '","current_total_price":"20.50","note":"<b>bold</b>","line_items":[{"id":1,"product_id":7,"title":"Mug <i>blue</i>","sku":"MUG","price":"20.50","quantity":1}]}',
			'shopify.orders', 0, number, 'acme.myshopify.com|order/' || toString(1000 + o)
		FROM numbers(%d)`, 2*orders))
	databasetest.Exec(t, db, `INSERT INTO %.activity (service, source_topic, source_partition, source_offset, shop, entity_kind, entity_id, outcome, attempt, error, note, started, ended)
		SELECT 'inventory', 'shopify.orders', 0, 0, 'acme.myshopify.com', 'order', '1000', outcome, attempt, error, note, now64(9, 'UTC'), now64(9, 'UTC')
		FROM values('outcome String, attempt UInt32, error String, note String', ('retry', 1, 'stock API: 503', ''), ('done', 2, '', 'reserved 1 MUG'))`)
}

func someServices(context.Context) ([]console.Service, error) {
	n, lag, dead, none := int64(3), 1.5, int64(2), int64(0)
	return []console.Service{
		{Name: "analytics", Group: "millrace-analytics", State: "Stable", Members: 1, LagRecords: &n, LagSeconds: &lag, DeadLetters: &none, Retries: &none},
		{Name: "inventory", Group: "millrace-inventory", State: "Stable", Members: 2, LagRecords: &none, LagSeconds: new(float64), DeadLetters: &dead, Retries: &n},
	}, nil
}

// someOrder is what the event store says of any order: inventory's outcome is beside its webhook already, the others' are not.
func someOrder(_ context.Context, shop, orderID string, _ time.Time) (orderstate.View, error) {
	sum, err := schemas.ParseMoney("20.50")
	if err != nil {
		return orderstate.View{}, err
	}
	now, cause := time.Now().Add(time.Hour).Truncate(time.Hour), "webhook-0" // after the webhooks, and the same each time the page asks
	return orderstate.View{
		Shop: shop, OrderID: orderID, Known: true, FinancialStatus: "paid", Currency: "EUR", Total: sum, Outstanding: sum, Provisional: []string{"erp: syncing"},
		Stock:    []orderstate.StockView{{At: now, By: "inventory", Did: "reserved", Lines: []schemas.StockLine{{VariantID: "1", SKU: "MUG", Quantity: 1}}}},
		Payments: []orderstate.PaymentView{{At: now, By: "saga", Did: "charged", Amount: sum, Currency: "EUR", ChargeID: "ch_1"}},
		Sagas:    []orderstate.SagaView{{Saga: "order", Status: "running", Steps: []orderstate.StepView{{Step: "charge", Status: "done"}}}},
		Timeline: []orderstate.Line{
			{At: now, Known: now, By: "shop", Text: "order #1000 created", Cause: cause},
			{At: now, Known: now, By: "inventory", Text: "reserved 1 × MUG", Cause: cause},
			{At: now, Known: now, By: "erp", Text: "erp: syncing, provisional", Reason: "the ERP <b>does not</b> answer", Cause: cause},
			{At: now, Known: now, By: "saga", Text: "charged 20.50 EUR", Note: "known already", Cause: cause + "/saga/StepRequested"},
		},
	}, nil
}

// loaded is true once no panel of the page is loading.
const loaded = `document.querySelectorAll('.panel').length > 0 && !document.querySelector('.panel[aria-busy="true"], .card.loading')`

// painted counts the pixels of a chart that are not transparent, beyond the axes' labels.
const painted = `(id => { const c = document.querySelector('#' + id + ' canvas'); const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 3; i < p.length; i += 4) if (p[i] > 60) n++; return n; })`

func TestThePageInABrowser(t *testing.T) {
	browser := newBrowser(t)
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	shopDay(t, db)
	base := serve(t, db, someServices)

	t.Run("shows figures and charts from the data", func(t *testing.T) {
		b := open(browser, t, base, "/", 1280, 1000, "light")
		b.until(loaded)
		text := eval[string](b, `document.querySelector('.cards').innerText`)
		for _, want := range []string{"60", "€1,230.00", "€20.50", "2", "1.5 s"} {
			if !strings.Contains(text, want) {
				t.Errorf("the cards have no %s:\n%s", want, text)
			}
		}
		drawn := eval[[]float64](b, `document.querySelector('#sales .chart').chart.data.slice(1).map(x => x.reduce((a, v) => a + (v ?? 0), 0))`)
		if len(drawn) != 2 || drawn[0] != 1230 || drawn[1] != 60 {
			t.Errorf("the chart of revenue and orders has sums %v, want 1230 and 60", drawn)
		}
		for _, id := range []string{"sales", "throughput", "delays"} {
			if n := eval[float64](b, painted+`('`+id+`')`); n < 1500 {
				t.Errorf("the chart %s has %v pixels painted", id, n)
			}
		}
		if text := eval[string](b, `document.querySelector('#products').innerText`); !strings.Contains(text, "Mug <i>blue</i>") || !strings.Contains(text, "60 units") {
			t.Errorf("products: %s", text)
		}
		if text := eval[string](b, `document.querySelector('#services').innerText`); !strings.Contains(text, "dead letters") || !strings.Contains(text, "running") {
			t.Errorf("services: %s", text)
		}
		if label := eval[string](b, `document.querySelector('#sales .chart').getAttribute('aria-label')`); !strings.Contains(label, "60 orders") {
			t.Errorf("the chart says %q to those who do not see it", label)
		}
		b.picture("overview-light")
		b.quiet()
	})

	t.Run("finds an order, and tells its story", func(t *testing.T) {
		b := open(browser, t, base, "/", 1280, 1000, "light")
		b.until(loaded)
		b.keys("/")
		b.until(`document.activeElement.id === 'search'`)
		b.emptied()
		b.keys("#1000\r")
		b.until(`document.querySelectorAll('.events tbody tr').length === 2 && location.hash.includes('q=%231000')`)
		b.do(chromedp.Click(`.events tbody tr:last-child td[data-label="About"] a`))
		b.until(`document.querySelectorAll('.timeline .event:not(.between)').length === 2`)
		if hash := eval[string](b, `location.hash`); !strings.HasPrefix(hash, "#/story/acme.myshopify.com/order/1000") {
			t.Errorf("the story's address is %s", hash)
		}
		text := eval[string](b, `document.querySelector('.story').innerText`)
		for _, want := range []string{"Order #1000", "€20.50", "Order created", "Order paid", "inventory", "stock API: 503", "failed, tries again", "reserved 1 MUG", "attempt 2"} {
			if !strings.Contains(text, want) {
				t.Errorf("the story has no %q:\n%s", want, text)
			}
		}
		b.until(`document.querySelector('.timeline .between')`)
		for at, wants := range map[string][]string{
			".stands":                                   {"erp: syncing", "paid, unfulfilled", "€20.50, outstanding €20.50", "charged €20.50 by saga (ch_1)", "reserved 1 × MUG by inventory", "order running", "charge done"},
			".timeline .event:first-child .told":        {"erp: syncing, provisional", "because: the ERP <b>does not</b> answer"}, // with the webhook that led to it, and alone there
			".timeline .event:last-child.between .told": {"charged 20.50 EUR", "known already"},
		} {
			text := eval[string](b, `document.querySelector('`+at+`').innerText`)
			for _, want := range wants {
				if !strings.Contains(text, want) {
					t.Errorf("%s has no %q:\n%s", at, want, text)
				}
			}
		}
		if n := eval[float64](b, `document.querySelectorAll('.timeline .told').length`); n != 2 {
			t.Errorf("%v lines of the event store are shown, want the 2 that no webhook or outcome says already", n)
		}
		b.picture("story-light")
		b.do(chromedp.Click(`.timeline .event a`))
		b.until(`document.querySelector('.drawer[open] pre')`)
		if body := eval[string](b, `document.querySelector('.drawer pre').innerText`); !strings.Contains(body, `"id": 820982911946154508,`) || !strings.Contains(body, `"note": "<b>bold</b>"`) {
			t.Errorf("the body is shown as %s", body)
		}
		b.picture("event-light")
		b.keys("\u001b")
		b.until(`!document.querySelector('.drawer[open]') && !location.hash.includes('event=')`)
		b.do(chromedp.NavigateBack())
		b.until(`document.querySelectorAll('.events tbody tr').length === 2`)
		b.quiet()
	})

	t.Run("an address shows what it showed before", func(t *testing.T) {
		b := open(browser, t, base, "/#/?range=1h&shop=acme.myshopify.com&event=shopify.orders%2F0%2F5", 1280, 1000, "light")
		b.until(`document.querySelector('.drawer[open] pre')`)
		if shop := eval[string](b, `document.getElementById('shop').value`); shop != "acme" {
			t.Errorf("the shop is %q, want acme", shop)
		}
		if pressed := eval[string](b, `document.querySelector('#ranges [aria-pressed="true"]').textContent`); pressed != "1 h" {
			t.Errorf("the range is %q, want 1 h", pressed)
		}
		b.quiet()
	})

	t.Run("works by keyboard", func(t *testing.T) {
		b := open(browser, t, base, "/", 1280, 1000, "light")
		b.until(loaded)
		b.keys("\t")
		if id := eval[string](b, `document.activeElement.id`); id != "skip" {
			t.Errorf("the first stop is %q, want the skip link", id)
		}
		if outline := eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`); outline != "solid" {
			t.Errorf("the focus is not visible: outline %s", outline)
		}
		b.keys("\r")
		b.until(`document.activeElement.id === 'main'`)
		b.keys("3")
		b.until(`location.hash.includes('range=6h')`)
		b.keys("s")
		b.until(`document.activeElement.id === 'shop'`)
		b.emptied()
		b.until(`document.querySelectorAll('#shop-list [role="option"]').length === 2`)
		b.keys("ac")
		b.until(`document.querySelectorAll('#shop-list [role="option"]').length === 1`)
		b.keys("\r")
		b.until(`location.hash.includes('shop=acme.myshopify.com')`)
		b.keys("?")
		b.until(`document.querySelector('#help[open]') && document.activeElement.textContent === 'Close'`)
		b.keys("\r")
		b.until(`!document.querySelector('#help[open]')`)
		b.keys("p")
		b.until(`document.getElementById('live-text').textContent === 'Paused'`)
		b.quiet()
	})

	t.Run("is dark where that is wanted, and light when it is asked for", func(t *testing.T) {
		b := open(browser, t, base, "/", 1280, 1000, "dark")
		b.until(loaded)
		background := `getComputedStyle(document.body).backgroundColor`
		if c := eval[string](b, background); c != "rgb(13, 16, 22)" {
			t.Errorf("the background is %s, want the dark one", c)
		}
		b.picture("overview-dark")
		b.keys("t")
		b.until(background + ` === 'rgb(246, 247, 249)'`)
		b.do(chromedp.Reload())
		b.until(background + ` === 'rgb(246, 247, 249)'`)
		b.quiet()
	})

	t.Run("fits a phone", func(t *testing.T) {
		for _, width := range []int64{320, 390} {
			for name, path := range map[string]string{"overview": "/", "story": "/#/story/acme.myshopify.com/order/1000", "event": "/#/?event=shopify.orders%2F0%2F5"} {
				b := open(browser, t, base, path, width, 844, "light")
				b.until(map[string]string{"overview": loaded, "story": `document.querySelector('.timeline .event')`, "event": `document.querySelector('.drawer[open] pre')`}[name])
				if wide := eval[float64](b, `document.documentElement.scrollWidth`); int64(wide) > width {
					t.Errorf("the %s is %v wide in a window of %d", name, wide, width)
				}
				if width == 390 {
					b.picture("phone-" + name)
				}
				b.quiet()
			}
		}
	})

	t.Run("says that there is nothing", func(t *testing.T) {
		b := open(browser, t, base, "/#/?shop=nobody.myshopify.com&q=%239999", 1280, 1000, "light")
		b.until(loaded)
		text := eval[string](b, `document.getElementById('main').innerText`)
		for _, want := range []string{"No orders in this time", "Nothing sold in this time", "No events in this time", "Nothing is stored for #9999"} {
			if !strings.Contains(text, want) {
				t.Errorf("the page does not say %q:\n%s", want, text)
			}
		}
		b.picture("empty-light")
	})

	t.Run("shows that the engine is away, and recovers", func(t *testing.T) {
		b := open(browser, t, base, "/", 1280, 1000, "light")
		b.until(loaded)
		shown := `!document.getElementById('banner').hidden`
		// The supervisor brings each new engine back within a second, so it takes some deaths until the page asks in between.
		for deadline := time.Now().Add(limit); !eval[bool](b, shown); {
			if time.Now().After(deadline) {
				t.Fatal("the engine was killed again and again, and the page has not noticed")
			}
			e.Kill9()
			b.keys("r")
			for range 20 {
				if eval[bool](b, shown) {
					break
				}
			}
		}
		if text := eval[string](b, `document.getElementById('banner').innerText`); !strings.Contains(text, "ClickHouse does not answer") {
			t.Errorf("the page says %q", text)
		}
		if text := eval[string](b, `document.querySelector('#card-orders .value').textContent`); text != "60" {
			t.Errorf("the last figures are gone: %q orders, want 60", text)
		}
		b.picture("away-light")
		e.WaitReady()
		b.until(`document.getElementById('banner').hidden && document.getElementById('live-text').textContent === 'Live'`)
	})
}
