package notifications

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"os"
	"slices"
	"strings"
	texttemplate "text/template"

	"millrace/schemas"
)

//go:embed templates
var defaults embed.FS

// content is a mail without its envelope.
type content struct{ Subject, Text, HTML string }

// templates are those of all mails.
type templates struct{ order, shipping *templateSet }

// templateSet is one mail: a subject, a text and an HTML body, of which the last two are alternatives of each other.
type templateSet struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// files are the names of a set's templates: subject, text, HTML.
func files(set string) [3]string { return [3]string{set + "_subject.txt", set + ".txt", set + ".html"} }

const (
	orderSet    = "order"
	shippingSet = "shipping"
)

// loadTemplates reads the templates: each from dir where dir has a file of its name, else the built-in one. All are tried on a
// full and on an empty event, so that a mistake in one is an error of the start and not of an order.
//
// A file in dir with another name is an error: it would be a template that is never used.
func loadTemplates(dir string) (*templates, error) {
	builtIn, err := fs.Sub(defaults, "templates")
	if err != nil {
		return nil, fmt.Errorf("open the built-in templates: %w", err)
	}
	layers := []fs.FS{builtIn}
	if dir != "" {
		own := os.DirFS(dir)
		if err := onlyKnown(dir, own); err != nil {
			return nil, err
		}
		layers = []fs.FS{own, builtIn}
	}
	order, orderErr := parse(orderSet, layers)
	shipping, shippingErr := parse(shippingSet, layers)
	if err := errors.Join(orderErr, shippingErr); err != nil {
		return nil, err
	}
	t := &templates{order: order, shipping: shipping}
	return t, t.try()
}

func onlyKnown(dir string, own fs.FS) error {
	entries, err := fs.ReadDir(own, ".")
	if err != nil {
		return fmt.Errorf("read the folder of templates: %w", err)
	}
	order, shipping := files(orderSet), files(shippingSet)
	known := slices.Concat(order[:], shipping[:])
	var errs []error
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("%s in the folder of templates %s is not a template's name: those are %s", name, dir, strings.Join(known, ", ")))
		}
	}
	return errors.Join(errs...)
}

// parse reads one set, each file from the first layer that has it.
func parse(set string, layers []fs.FS) (*templateSet, error) {
	var texts [3]string
	names := files(set)
	for i, name := range names {
		text, err := first(layers, name)
		if err != nil {
			return nil, fmt.Errorf("read template %s: %w", name, err)
		}
		texts[i] = text
	}
	subject, subjectErr := texttemplate.New(names[0]).Parse(texts[0])
	text, textErr := texttemplate.New(names[1]).Parse(texts[1])
	html, htmlErr := htmltemplate.New(names[2]).Parse(texts[2])
	if err := errors.Join(subjectErr, textErr, htmlErr); err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	return &templateSet{subject: subject, text: text, html: html}, nil
}

func first(layers []fs.FS, name string) (string, error) {
	for _, layer := range layers {
		text, err := fs.ReadFile(layer, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return string(text), err
	}
	return "", fs.ErrNotExist
}

// try renders every set for a full and an empty view. The second must work too: personal data are missing from the bodies of an
// app that is not approved for them.
func (t *templates) try() error {
	var errs []error
	for _, v := range []*OrderView{sampleOrder(), {Shop: "acme", Domain: "acme.myshopify.com"}} {
		_, err := t.order.render(v)
		errs = append(errs, err)
	}
	for _, v := range []*ShippingView{sampleShipping(), {Shop: "acme", Domain: "acme.myshopify.com"}} {
		_, err := t.shipping.render(v)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *templateSet) render(view any) (content, error) {
	var subject, text, html strings.Builder
	if err := errors.Join(s.subject.Execute(&subject, view), s.text.Execute(&text, view), s.html.Execute(&html, view)); err != nil {
		return content{}, fmt.Errorf("render mail: %w", err)
	}
	c := content{Subject: oneLine(subject.String()), Text: text.String(), HTML: html.String()}
	if c.Subject == "" {
		return content{}, fmt.Errorf("render mail: template %s gives an empty subject", s.subject.Name())
	}
	return c, nil
}

func sampleOrder() *OrderView {
	return &OrderView{
		Shop: "acme", Domain: "acme.myshopify.com", Order: "#1001", Customer: "Ada", StatusURL: "https://acme.example/orders/1",
		Lines:    []LineView{{Name: "Tea", Quantity: 2, Price: "4.50 EUR"}},
		Subtotal: "9.00 EUR", Discounts: "1.00 EUR", Shipping: "3.90 EUR", Tax: "1.20 EUR", Total: "11.90 EUR",
		ShipTo: addressLines(&schemas.Address{Name: "Ada Byron", Address1: "1 Mill Lane", City: "Bath", Zip: "BA1", Country: "United Kingdom"}),
	}
}

func sampleShipping() *ShippingView {
	o := sampleOrder()
	return &ShippingView{
		Shop: o.Shop, Domain: o.Domain, Order: o.Order, Shipment: "#1001.1", Customer: o.Customer, Lines: o.Lines, ShipTo: o.ShipTo,
		Carrier: "UPS", Parcels: []Parcel{{Number: "1Z1", URL: "https://tracking.example/1Z1"}, {Number: "1Z2"}},
	}
}
