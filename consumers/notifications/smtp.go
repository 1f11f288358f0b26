package notifications

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
)

// errLogin is wrapped by errors of a server that refuses the user, or demands one: a matter of configuration.
var errLogin = errors.New("the SMTP server refuses the login")

// smtpMailer is a Mailer that hands mails to one SMTP server. It keeps some connections open between mails.
type smtpMailer struct {
	cfg     SMTPConfig
	options []gomail.Option
	tls     *tls.Config
	now     func() time.Time
	idle    idlePool
}

// newSMTP connects to nothing. timeout bounds the connecting, and the handing over of one mail, each. The error is that of a CA file
// that cannot be used.
func newSMTP(cfg SMTPConfig, timeout time.Duration) (*smtpMailer, error) {
	host, portText, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("smtp.address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("smtp.address: %w", err)
	}
	m := &smtpMailer{cfg: cfg, now: time.Now, idle: idlePool{most: cfg.IdleConnections, timeout: cfg.IdleTimeout}}
	m.tls = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		text, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("smtp.ca_file: %w", err)
		}
		m.tls.RootCAs = x509.NewCertPool()
		if !m.tls.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("smtp.ca_file: %s holds no PEM certificate", cfg.CAFile)
		}
	}
	// RSET after a mail that the server has taken could only turn a success into a failure; the next MAIL FROM resets as well.
	m.options = []gomail.Option{
		gomail.WithPort(port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(m.tls), gomail.WithTLSPolicy(policy(cfg.TLS)), gomail.WithoutRset(),
	}
	if cfg.HelloName != "" {
		m.options = append(m.options, gomail.WithHELO(cfg.HelloName))
	}
	if cfg.Username != "" {
		m.options = append(m.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(cfg.Username), gomail.WithPassword(cfg.Password.Reveal()))
	}
	return m, nil
}

// policy of STARTTLS. A connection that begins with TLS is dialled so by dial; the opportunistic policy then makes the library
// look at the connection it has, and a server does not offer STARTTLS inside of TLS.
func policy(mode string) gomail.TLSPolicy {
	switch mode {
	case TLSStartTLS:
		return gomail.TLSMandatory
	case TLSImplicit:
		return gomail.TLSOpportunistic
	default:
		return gomail.NoTLS
	}
}

// Send hands one mail over, on a connection that is open already if there is one. A server closes idle connections when it likes:
// what fails on such a one before the server could have taken the mail is tried once on a new one.
func (m *smtpMailer) Send(ctx context.Context, message *Message) error {
	msg, err := m.build(message)
	if err != nil {
		return outgoing.Answered(group.Permanent(err))
	}
	if s := m.idle.take(); s != nil {
		err := m.sendOn(ctx, s, msg)
		if err == nil || !beforeRecipient(err) || ctx.Err() != nil {
			return verdictOf(err)
		}
	}
	s, err := m.dial(ctx)
	if err != nil {
		return err
	}
	return verdictOf(m.sendOn(ctx, s, msg))
}

// sendOn sends on s, and keeps s for the next mail if all went well.
func (m *smtpMailer) sendOn(ctx context.Context, s *session, msg *gomail.Msg) error {
	// The library waits for answers without ctx.
	release := context.AfterFunc(ctx, s.abort)
	err := s.client.Send(msg)
	if !release() || err != nil {
		s.abort()
		if ctx.Err() != nil && err != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return err
	}
	m.idle.put(s)
	return nil
}

// dial opens a connection, up to and including the login.
func (m *smtpMailer) dial(ctx context.Context) (*session, error) {
	s := &session{}
	release := func() bool { return true }
	// The library does not close a connection on which the greeting, STARTTLS or the login fails, and does not watch ctx after the
	// dial: the connection is therefore opened here.
	open := func(dialing context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dialing, network, addr)
		if err != nil {
			return nil, err
		}
		s.conn = conn
		release = context.AfterFunc(ctx, s.abort)
		if m.cfg.TLS != TLSImplicit {
			return conn, nil
		}
		over := tls.Client(conn, m.tls)
		return over, over.HandshakeContext(dialing)
	}
	host := m.tls.ServerName
	client, err := gomail.NewClient(host, append(m.options[:len(m.options):len(m.options)], gomail.WithDialContextFunc(open))...)
	if err != nil {
		return nil, fmt.Errorf("set up SMTP client: %w", err)
	}
	s.client = client
	err = client.DialWithContext(ctx)
	if !release() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		s.abort()
		if isLogin(err) {
			err = fmt.Errorf("%w: %w", errLogin, err)
		}
		return nil, fmt.Errorf("connect to SMTP server %s: %w", m.cfg.Address, err)
	}
	return s, nil
}

func (m *smtpMailer) build(message *Message) (*gomail.Msg, error) {
	// A boundary that follows from the mail makes repeats equal but for their date.
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary("mr-"+message.ID[:32]))
	msg.FromMailAddress(&message.From)
	if message.ReplyTo != "" {
		if err := msg.ReplyTo(message.ReplyTo); err != nil {
			return nil, fmt.Errorf("set Reply-To: %w", err)
		}
	}
	if err := msg.To(message.To); err != nil {
		return nil, errors.New("set To: the customer's e-mail address is not one")
	}
	msg.SetMessageIDWithValue(message.ID)
	msg.SetDateWithValue(m.now())
	msg.Subject(message.Subject)
	msg.SetGenHeader(HeaderEvent, message.EventKey)
	msg.SetGenHeader(HeaderShop, message.Shop)
	msg.SetGenHeader(HeaderOrder, message.Order)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no vacation notice in answer
	msg.SetBodyString(gomail.TypeTextPlain, message.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, message.HTML)
	return msg, nil
}

// beforeRecipient tells whether a mail failed before the server was told of its recipient, so that it cannot have it.
func beforeRecipient(err error) bool {
	var send *gomail.SendError
	return errors.As(err, &send) && (send.Reason == gomail.ErrConnCheck || send.Reason == gomail.ErrSMTPMailFrom)
}

// verdictOf makes permanent what the server will refuse again: a recipient or a content that it answers with 5xx. A refused sender
// is not among them: it is the same for all mails, so it is a matter of configuration and not of the event.
//
// What the server says about a recipient is an answer, also where it says "later": only 421 is about the server itself.
func verdictOf(err error) error {
	var send *gomail.SendError
	if err == nil {
		return nil
	}
	if !errors.As(err, &send) {
		return fmt.Errorf("send mail: %w", err)
	}
	code := send.ErrorCode()
	// The text of a SendError has the recipient's address, which must not get into logs and headers of dead letters.
	reason := fmt.Errorf("send mail: %s: the server answers %d %s", send.Reason, code, send.EnhancedStatusCode())
	switch send.Reason {
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		if code >= 500 {
			return outgoing.Answered(group.Permanent(reason))
		}
		if send.Reason == gomail.ErrSMTPRcptTo && code >= 400 && code != 421 {
			return outgoing.Answered(reason)
		}
	case gomail.ErrGetRcpts, gomail.ErrGetSender, gomail.ErrNoUnencoded:
		return outgoing.Answered(group.Permanent(fmt.Errorf("send mail: %s", send.Reason)))
	default:
	}
	if code == 0 {
		return fmt.Errorf("send mail: %s: the connection failed", send.Reason)
	}
	return reason
}

// isLogin recognises the answers with which RFC 4954 refuses a login or demands one.
func isLogin(err error) bool {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		switch answer.Code {
		case 530, 534, 535, 538, 454, 432:
			return true
		}
	}
	return false
}

// Values of SMTPConfig.TLS.
const (
	TLSNone     = "none"
	TLSStartTLS = "starttls"
	TLSImplicit = "tls"
)
