package flood

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	"millrace/cmd/storesim/sim"
)

// request is a whole HTTP request, ready to be written, and the place of its webhook id.
type request struct {
	raw  []byte
	idAt int
}

// idLength is that of a UUID in text.
const idLength = 36

// build makes n requests of distinct orders in 100 shops.
func build(cfg Config, n int) ([]request, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse url: %w", err)
	}
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("draw run id: %w", err)
	}
	first := int64(5_000_000_000_000) + int64(salt[0])<<40 + int64(salt[1])<<32 // another run, other orders
	secret := []byte(cfg.Secret.Reveal())
	now := time.Now().UTC()
	all := make([]request, n)
	for i := range all {
		body := body(first+int64(i), cfg.BodySize, now)
		var b bytes.Buffer
		b.Grow(len(body) + 700)
		fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", u.RequestURI(), u.Host, sim.UserAgent, len(body))
		fmt.Fprintf(&b, "X-Shopify-Topic: orders/updated\r\nX-Shopify-Shop-Domain: flood-%d.myshopify.com\r\nX-Shopify-API-Version: %s\r\n", i%100, sim.APIVersion)
		fmt.Fprintf(&b, "X-Shopify-Hmac-Sha256: %s\r\nX-Shopify-Event-Id: %s\r\n", sim.Sign(secret, body), uuidText(salt, uint64(i)))
		fmt.Fprintf(&b, "X-Shopify-Triggered-At: %s\r\nX-Shopify-Webhook-Id: ", now.Format("2006-01-02T15:04:05.000000000Z"))
		all[i].idAt = b.Len()
		b.WriteString(uuidText(salt, 0))
		b.WriteString("\r\n\r\n")
		b.Write(body)
		all[i].raw = b.Bytes()
	}
	return all, nil
}

// body is an order of exactly size bytes: as many line items as fit, and a note for the rest.
func body(id int64, size int, now time.Time) []byte {
	var b bytes.Buffer
	b.Grow(size)
	at := now.Format("2006-01-02T15:04:05-07:00")
	fmt.Fprintf(&b, `{"id":%d,"admin_graphql_api_id":"gid://shopify/Order/%d","currency":"USD","email":"buyer.%d@mail.example","financial_status":"paid",`, id, id, id%1e6)
	fmt.Fprintf(&b, `"created_at":%q,"updated_at":%q,"total_price":"%d.90","current_total_price":"%d.90","line_items":[`, at, at, id%900, id%900)
	const tail = `],"note":""}`
	for n := int64(1); ; n++ {
		line := fmt.Sprintf(`{"id":%d,"product_id":%d,"variant_id":%d,"sku":"SKU-%06d","title":"Rain Jacket","quantity":%d,"price":"189.00","taxable":true,"total_discount":"0.00"}`,
			id*10+n, 7_000_000_000_000+n, 8_000_000_000_000+n, id%1e6, 1+n%3)
		if n > 1 {
			line = "," + line
		}
		if b.Len()+len(line)+len(tail) > size {
			break
		}
		b.WriteString(line)
	}
	b.WriteString(`],"note":"`)
	for b.Len() < size-2 {
		b.WriteByte("the quick brown fox jumps over the lazy dog "[b.Len()%44])
	}
	b.WriteString(`"}`)
	return b.Bytes()
}

// uuidText writes a version 4 UUID whose bits are the run's salt and n.
func uuidText(salt [8]byte, n uint64) string {
	dst := make([]byte, idLength)
	putID(dst, salt, 0, n)
	return string(dst)
}

// putID writes the UUID of request n of connection c in place: eight digits of salt, the version, the connection, the
// count. It is called per request and costs some nanoseconds, where drawing a random UUID would cost a microsecond.
func putID(dst []byte, salt [8]byte, c uint16, n uint64) {
	hex.Encode(dst[0:8], salt[0:4])
	dst[8], dst[13], dst[18], dst[23] = '-', '-', '-', '-'
	hex.Encode(dst[9:13], salt[4:6])
	dst[14] = '4'
	const digits = "0123456789abcdef"
	dst[15], dst[16], dst[17] = digits[salt[6]>>4], digits[salt[6]&15], digits[salt[7]>>4]
	dst[19] = "89ab"[c>>14]
	dst[20], dst[21], dst[22] = digits[c>>8&15], digits[c>>4&15], digits[c&15]
	dst[24] = digits[c>>12&3]
	for i := idLength - 1; i > 24; i-- {
		dst[i] = digits[n&15]
		n >>= 4
	}
}
