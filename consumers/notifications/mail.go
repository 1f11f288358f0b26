package notifications

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"strings"
)

// Message is one mail to one recipient.
type Message struct {
	From    mail.Address
	ReplyTo string // empty: From
	To      string
	// EventKey names what the mail is about, <shop>/<kind>/<id>: the same for every repeat, whatever delivery led to it. It is the
	// header X-Millrace-Event, and ID is made of it.
	EventKey string
	ID       string // Message-ID, without angle brackets
	Shop     string // header X-Millrace-Shop: acme.myshopify.com
	Order    string // header X-Millrace-Order: the order's id, of which a shipment's EventKey says nothing
	content
}

// Mailer sends mails. Its error is nil when the server has taken the message. It is permanent (package group) when the server will
// never take it, and marked with outgoing.Answered when it says nothing against the server. It may also come when the message was
// taken and the answer was lost.
type Mailer interface {
	Send(ctx context.Context, m *Message) error
}

// Headers by which a mail can be found, and its repeat recognised.
const (
	HeaderEvent = "X-Millrace-Event"
	HeaderShop  = "X-Millrace-Shop"
	HeaderOrder = "X-Millrace-Order"
)

// messageID is the same for every repeat of a mail, so that a receiver may drop the second. It is a hash, because an order's number
// in it would be a way to guess at others.
func messageID(eventKey, from string) string {
	sum := sha256.Sum256([]byte(eventKey))
	domain := from[strings.LastIndexByte(from, '@')+1:]
	return hex.EncodeToString(sum[:16]) + "@" + domain
}
