package smtp

import (
	"bytes"
	"mime"
	"net/mail"
	"strings"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
)

// Headers by which a client says what a mail is about.
const (
	headerEvent = "X-Millrace-Event"
	headerShop  = "X-Millrace-Shop"
	headerOrder = "X-Millrace-Order"
)

// describe makes the ledger's entry of a message. A text that is no message has no headers, and is accepted like any other.
func describe(text []byte, from string, to []string) effects.Entry {
	m, err := mail.ReadMessage(bytes.NewReader(text))
	h := mail.Header{}
	if err == nil {
		h = m.Header
	}
	e := effects.Entry{
		Kind: effects.MailKind, Backend: faults.SMTP, Key: header(h, headerEvent), Shop: header(h, headerShop), Order: header(h, headerOrder),
	}
	e.Mail = &effects.Mail{
		From: from, To: append([]string{}, to...), Subject: header(h, "Subject"), MessageID: strings.Trim(header(h, "Message-ID"), "<>"),
		Event: e.Key, Bytes: len(text),
	}
	return e
}

// header returns a header in plain text, or as it stands when its encoding is unknown.
func header(h mail.Header, name string) string {
	raw := h.Get(name)
	var d mime.WordDecoder
	if text, err := d.DecodeHeader(raw); err == nil {
		return text
	}
	return raw
}
