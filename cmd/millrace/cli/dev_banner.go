package cli

import (
	"strings"
	"text/template"
)

// banner is what a newcomer needs: where everything is, one query and one webhook to paste.
type banner struct {
	Version    string
	Console    string // URL of the web page; "" when there is none
	NoConsole  string // why
	Data       string // path of the data folder
	SecretFile string // path of the file with the secret; "" when it was given by a setting
	Webhooks   string // URL
	ClickHouse string // URL, to which a query is posted
	Database   string
	User       string // of ClickHouse; "" for the default one
	Kafka      string // broker addresses
	Operators  string // URL; "" when there is no listener
	Simulate   float64
	Durability string // a sentence
	// What runs outside of this process.
	KafkaExternal, ClickHouseExternal bool
}

const bannerText = `
millrace {{.Version}} is running.
{{if .Console}}
  console     {{.Console}}  (orders, revenue and events, live: open it in a browser)
{{- else}}
  console     none: {{.NoConsole}}
{{- end}}
  webhooks    {{.Webhooks}}{{if .SecretFile}}  (signed with the secret in {{.SecretFile}}){{end}}
  Kafka       {{.Kafka}}{{if .KafkaExternal}}  (yours){{end}}
  ClickHouse  {{.ClickHouse}}  (database {{.Database}}{{if .ClickHouseExternal}}; yours{{end}})
{{- if .Operators}}
  operators   {{.Operators}}/metrics  /readyz  /healthz  /debug/pprof/
{{- end}}
  data        {{.Data}}  ({{.Durability}})
{{- if .Simulate}}
  simulator   {{.Simulate}} webhooks per second, signed, from a simulated Shopify
{{- end}}

Orders and revenue per shop, from another terminal:

  curl -s {{.ClickHouse}}{{if .User}} --user {{quote .User}}{{end}} --data-binary "
    SELECT shop, currency, count() AS orders, sum(total_price) AS revenue
    FROM {{.Database}}.orders_current GROUP BY shop, currency
    ORDER BY orders DESC LIMIT 10 FORMAT PrettyCompact"

A webhook of your own, signed as Shopify signs:

  SECRET={{if .SecretFile}}$(cat {{quote .SecretFile}}){{else}}'the secret that you gave'{{end}}
  BODY='{"id":820982911946154508,"name":"#1001","currency":"EUR","total_price":"12.50","created_at":"2026-11-23T10:00:00Z","updated_at":"2026-11-23T10:00:00Z"}'
  curl -i {{.Webhooks}} -H 'Content-Type: application/json' \
    -H 'X-Shopify-Topic: orders/create' -H 'X-Shopify-Shop-Domain: acme.myshopify.com' \
    -H "X-Shopify-Webhook-Id: $(date +%s)" \
    -H "X-Shopify-Hmac-Sha256: $(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -binary | base64)" \
    --data-binary "$BODY"

Ctrl-C stops everything in order; the data stay.

`

// String is the text.
func (b banner) String() string {
	t := template.Must(template.New("banner").Funcs(template.FuncMap{"quote": shellQuote}).Parse(bannerText))
	var out strings.Builder
	// A struct and a constant template cannot fail on a strings.Builder; TestBanner would see it.
	if err := t.Execute(&out, b); err != nil {
		return err.Error()
	}
	return out.String()
}

// shellQuote makes text one word of a POSIX shell.
func shellQuote(text string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("/._-+,@%", r) || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
