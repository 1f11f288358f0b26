package sim

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"millrace/cmd/storesim/adminapi"
)

// AdminAPI returns the stores' Admin API, nil where Config.AdminListen names no address. It shows each store as it is at that moment,
// the events that were forgotten included, also when Run has ended.
func (s *Simulator) AdminAPI() (http.Handler, error) {
	if s.gen.catalogue == nil {
		return nil, nil
	}
	api, err := adminapi.New(adminapi.Config{
		Token: s.cfg.AdminToken, Bucket: s.cfg.AdminPoints, Restore: s.cfg.AdminRestore, Version: APIVersion,
	}, s.gen.catalogue, s.now)
	if err != nil {
		return nil, err
	}
	return api.Handler(), nil
}

// Shops returns the domains of all stores.
func (s *Simulator) Shops() []string {
	all := make([]string, s.cfg.Shops)
	for n := range all {
		all[n] = s.gen.frame(n).domain
	}
	return all
}

// keepCatalogue begins to keep what the Admin API shows. All shops are there from the beginning, also those that have sold nothing yet.
func (g *generator) keepCatalogue() {
	g.catalogue = adminapi.NewCatalogue()
	for n := range g.cfg.Shops {
		s := g.frame(n)
		g.catalogue.PutShop(s.domain,
			adminapi.Object{"id": gid("Shop", s.id), "name": s.name, "myshopifyDomain": s.domain},
			adminapi.Object{"id": gid("Location", s.location), "name": "Warehouse", "isActive": true})
	}
}

// publish shows what the event that d became is about, as it is now. An order's updated_at is that of its newest orders/* event: a
// change that Shopify would tell nobody of is not to be found by the difference.
func (g *generator) publish(o *order, d *draft) {
	switch {
	case d.stock != nil:
		g.catalogue.PutLevel(d.stock.shop.domain, d.stock.level())
	case d.entity == &o.entity:
		if strings.HasPrefix(d.topic, "orders/") {
			o.told = o.updated
		}
		g.catalogue.PutOrder(o.shop.domain, o.published())
	}
}

// stockShop shows the stock that a shop begins with. It is as old as the product, so nobody looks for a webhook of it.
func (g *generator) stockShop(s *shop) {
	for _, p := range s.products {
		for _, v := range p.variants {
			v.changed = p.created
			g.catalogue.PutLevel(s.domain, v.level())
		}
	}
}

func (v *variant) level() adminapi.Level {
	available := adminapi.Object{"name": "available", "quantity": v.available, "updatedAt": adminapi.Time(v.changed)}
	return adminapi.Level{
		Item: v.item, Created: v.product.created, Updated: v.changed,
		Node: adminapi.Object{
			"id":        fmt.Sprintf("%s?inventory_item_id=%d", gid("InventoryLevel", v.shop.location), v.item),
			"createdAt": adminapi.Time(v.product.created), "updatedAt": adminapi.Time(v.changed), "isActive": true,
			"item": adminapi.Object{"id": gid("InventoryItem", v.item)}, "location": adminapi.Object{"id": gid("Location", v.shop.location), "name": "Warehouse", "isActive": true},
			"quantities": adminapi.Resolver(func(args map[string]any) (any, error) {
				names, _ := args["names"].([]any)
				found := []adminapi.Object{}
				for _, name := range names {
					if name == available["name"] {
						found = append(found, available)
					}
				}
				return found, nil
			}),
		},
	}
}

// utc turns a time as a webhook has it into one as the Admin API has it.
func utc(stamp string) any {
	t, err := time.Parse(stampLayout, stamp)
	if err != nil {
		return nil
	}
	return adminapi.Time(t)
}

func utcOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return adminapi.Time(t)
}

// optional is what p points to, or null.
func optional[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// bag is an amount in both currencies. Unlike a webhook's it is always there.
func (p *pricing) bag(m money) adminapi.Object {
	full := *p
	full.compact = false
	s := full.set(m)
	return adminapi.Object{"shopMoney": s.ShopMoney.node(), "presentmentMoney": s.PresentmentMoney.node()}
}

// node writes an amount with no more zeros than Shopify's Decimal has: 90.0, 12.5.
func (a amount) node() adminapi.Object {
	text := a.Amount
	if strings.Contains(text, ".") {
		text = strings.TrimRight(text, "0")
	} else {
		text += "."
	}
	if strings.HasSuffix(text, ".") {
		text += "0"
	}
	return adminapi.Object{"amount": text, "currencyCode": a.CurrencyCode}
}

func (a *address) node() any {
	if a == nil {
		return nil
	}
	return adminapi.Object{
		"id":        "gid://shopify/MailingAddress/" + cmp.Or(strings.ReplaceAll(a.Zip, " ", ""), "1"),
		"firstName": optional(a.FirstName), "lastName": optional(a.LastName), "name": a.Name, "company": optional(a.Company),
		"address1": a.Address1, "address2": optional(a.Address2), "city": a.City, "zip": a.Zip, "province": optional(a.Province),
		"provinceCode": optional(a.ProvinceCode), "country": a.Country, "countryCodeV2": a.CountryCode, "phone": optional(a.Phone),
		"latitude": optional(a.Latitude), "longitude": optional(a.Longitude),
	}
}
