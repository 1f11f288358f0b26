package smtp

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
)

// session is one client's connection, from its EHLO. go-smtp resets it between messages, with BDAT from another goroutine than
// the one that takes the message.
type session struct {
	s *Server
	c *gosmtp.Conn

	mu     sync.Mutex
	known  bool // the client has authenticated
	from   string
	to     []string
	ended  func() // of the transaction that is under way; nil when there is none
	broken bool   // the connection was cut: nothing more is to be judged on it
}

// unavailable is about the server itself and not about a recipient.
const unavailable = 421

func failure(code int, enhanced gosmtp.EnhancedCode, text string) error {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// AuthMechanisms offers PLAIN when there is a user.
func (v *session) AuthMechanisms() []string {
	if v.s.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth checks user and password.
func (v *session) Auth(mech string) (sasl.Server, error) {
	if mech != sasl.Plain || v.s.User == "" {
		return nil, gosmtp.ErrAuthUnknownMechanism
	}
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != v.s.User || password != v.s.Password.Reveal() {
			v.s.Ledger.Refuse(effects.Refusal{Backend: faults.SMTP, Key: user, Reason: "unauthorized", Status: gosmtp.ErrAuthFailed.Code})
			return gosmtp.ErrAuthFailed
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.known = true
		return nil
	}), nil
}

// Mail begins a message.
func (v *session) Mail(from string, _ *gosmtp.MailOptions) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.s.User != "" && !v.known {
		return failure(530, gosmtp.EnhancedCode{5, 7, 0}, "Authentication required")
	}
	v.end() // a client may begin again without an end
	v.ended = v.s.Ledger.Request(faults.SMTP)
	v.from = from
	return nil
}

// Rcpt takes a recipient, or meets what the rules of its domain say of this moment.
func (v *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if v.cutAlready() {
		return cutError{}
	}
	fate := v.s.Faults.Gate(domain(to), "")
	v.account(fate, to)
	switch {
	case fate.Do == faults.Down && fate.Whole:
		return failure(unavailable, gosmtp.EnhancedCode{4, 3, 2}, "Service not available")
	case fate.Do == faults.Limit && fate.Whole:
		return failure(unavailable, gosmtp.EnhancedCode{4, 7, 0}, "Too much mail, try again in "+fate.RetryAfter.String())
	}
	switch fate.Do {
	case faults.Down:
		return failure(451, gosmtp.EnhancedCode{4, 4, 1}, "The mail system of the recipient does not answer")
	case faults.Limit:
		return failure(450, gosmtp.EnhancedCode{4, 2, 1}, "The recipient gets mail too quickly, try again in "+fate.RetryAfter.String())
	case faults.Refuse:
		const unknownMailbox = 550
		v.s.Ledger.Refuse(effects.Refusal{Backend: faults.SMTP, Key: to, Reason: string(faults.Refuse), Status: unknownMailbox})
		return failure(unknownMailbox, gosmtp.EnhancedCode{5, 1, 1}, "No such mailbox")
	case faults.Hang:
		v.hang()
		return v.cut()
	case faults.Reset:
		return v.cut()
	default:
		v.mu.Lock()
		defer v.mu.Unlock()
		v.to = append(v.to, to)
		return nil
	}
}

// Data takes the message, or meets what chance says.
func (v *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	v.mu.Lock()
	e := describe(text, v.from, v.to)
	v.mu.Unlock()
	chance := e.Key
	if chance == "" {
		chance = e.Mail.MessageID
	}
	fate := v.s.Faults.Draw(domain(e.Mail.To[0]), "", chance)
	if !v.wait(fate.Delay) {
		return v.cut()
	}
	v.account(fate, chance)
	switch fate.Do {
	case faults.Fail:
		return failure(451, gosmtp.EnhancedCode{4, 3, 0}, "Local error in processing")
	case faults.Refuse:
		const policy = 554
		v.s.Ledger.Refuse(effects.Refusal{Backend: faults.SMTP, Key: chance, Shop: e.Shop, Order: e.Order, Reason: string(faults.Refuse), Status: policy})
		return failure(policy, gosmtp.EnhancedCode{5, 7, 1}, "Message refused")
	case faults.Hang:
		v.hang()
		return v.cut()
	case faults.Reset:
		return v.cut()
	case faults.LoseAnswer:
		v.s.Ledger.Record(e)
		return v.cut()
	default:
		v.s.Ledger.Record(e)
		return nil
	}
}

// Reset forgets the message.
func (v *session) Reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.from, v.to = "", nil
	v.end()
}

// Logout is the end of the connection.
func (v *session) Logout() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.end()
	return nil
}

// end accounts for the end of a transaction. v.mu is held.
func (v *session) end() {
	if v.ended != nil {
		v.ended()
		v.ended = nil
	}
}

func (v *session) account(f faults.Fate, key string) {
	if f.Do == faults.Serve || f.Do == faults.Refuse {
		return
	}
	name := f.Do
	if f.Outage {
		name = faults.Down
	}
	v.s.Ledger.Fault(faults.SMTP, string(name))
	v.s.Logger.Debug("fault", "backend", faults.SMTP, "key", key, "fault", string(f.Do))
}

// wait tells whether the time passed before the program was told to stop.
func (v *session) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-v.s.stop:
		return false
	}
}

// hang waits until the client gives up or the server stops. The client is waiting for an answer, so what it still sends is of
// no use, and only reading tells that it has gone.
func (v *session) hang() {
	c := v.c.Conn()
	if c.SetReadDeadline(time.Now().Add(maxHang)) == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

type cutError struct{}

func (cutError) Error() string { return "the connection was cut" }

// cut ends the connection without an answer: the error that it returns reaches nobody.
func (v *session) cut() error {
	v.mu.Lock()
	v.broken = true
	v.mu.Unlock()
	faults.Cut(v.c.Conn())
	return cutError{}
}

// cutAlready is true while go-smtp works off commands that a client had sent ahead on a connection that is cut.
func (v *session) cutAlready() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.broken
}

func domain(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}
