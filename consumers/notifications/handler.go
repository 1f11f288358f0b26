package notifications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// Kinds of mail: part of Message.EventKey, and labels.
const (
	kindOrder    = "order_confirmation"
	kindShipping = "shipping_confirmation"
)

type handler struct {
	cfg       Config
	templates *templates
	mailer    Mailer
	call      *outgoing.Client
	log       *slog.Logger
	now       func() time.Time

	sentOrders, sentShipments prometheus.Counter
	loginLog                  *rate.Sometimes // a refused login concerns every event: once a minute is enough
}

// notice is a mail that an event asks for, before it is known whether it has been sent.
type notice struct {
	kind       string
	id, order  schemas.ID
	recipients []string
	render     func() (content, error)
	sent       prometheus.Counter
	done       string // for the order's story
}

// Handle sends the mail that e asks for, unless the state says that it has been sent.
func (h *handler) Handle(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	n, err := h.notice(e)
	if err != nil {
		return err
	}
	done, err := readSent(u.State().Get())
	if err != nil {
		return group.Permanent(err)
	}
	key := fmt.Sprintf("%s/%s", n.kind, n.id)
	if done.has(key) {
		return group.Skip("already_sent")
	}
	if h.cfg.MaxAge > 0 && h.now().Sub(e.Time) > h.cfg.MaxAge {
		return group.Skip("too_old")
	}
	to, err := recipient(n.recipients...)
	if err != nil {
		return group.Permanent(err)
	}
	if to == "" {
		return group.Skip("no_recipient")
	}
	c, err := n.render()
	if err != nil {
		return group.Permanent(err)
	}
	if err := h.send(ctx, e.Shop, h.message(e.Shop, key, n.order, to, c)); err != nil {
		return err
	}
	n.sent.Inc()
	u.Note(n.done)
	if strings.HasPrefix(e.Subject, "order/") { // a shipment may name no order
		sent := &schemas.ConfirmationSent{Effect: schemas.Effect{Effect: e.Shop + "/" + key}, Kind: n.kind}
		if err := orderevent.Emit(u, e, Name, "", sent); err != nil {
			return err
		}
	}
	return u.State().Set(done.with(key))
}

// notice reads what e asks for. The error is a verdict.
func (h *handler) notice(e *group.Event) (notice, error) {
	switch e.Topic {
	case h.cfg.orderTopic():
		if h.cfg.OrderOn == OrderSaga {
			return h.requestedNotice(e)
		}
		return h.orderNotice(e)
	case "fulfillments/create", "fulfillments/update":
		return h.shippingNotice(e)
	default:
		return notice{}, group.Skip("other_topic")
	}
}

func (h *handler) orderNotice(e *group.Event) (notice, error) {
	var o orderBody
	if err := decode(e.Body, &o); err != nil {
		return notice{}, group.Permanent(err)
	}
	switch {
	case o.ID == 0:
		return notice{}, group.Permanent(errors.New("the order has no id"))
	case !o.CancelledAt.IsZero():
		return notice{}, group.Skip("cancelled")
	}
	return notice{
		kind: kindOrder, id: o.ID, order: o.ID, recipients: o.recipients(), sent: h.sentOrders, done: "mailed order confirmation",
		render: func() (content, error) { return h.templates.order.render(orderView(e.Shop, &o)) },
	}, nil
}

// requestedNotice is the confirmation that a saga asks for.
func (h *handler) requestedNotice(e *group.Event) (notice, error) {
	fact, err := orderevent.Decode(e)
	if err != nil {
		return notice{}, err
	}
	d, ok := fact.Data.(*schemas.ConfirmationRequested)
	switch {
	case !ok || d.Kind != kindOrder:
		return notice{}, group.Skip("other_topic")
	case d.Order == nil:
		return notice{}, group.Permanent(errors.New("the request has no order"))
	case !d.Order.CancelledAt.IsZero():
		return notice{}, group.Skip("cancelled")
	}
	id, err := strconv.ParseInt(fact.OrderID, 10, 64)
	if err != nil {
		return notice{}, group.Permanent(fmt.Errorf("read the order's id: %w", err))
	}
	n := notice{
		kind: kindOrder, id: schemas.ID(id), order: schemas.ID(id), sent: h.sentOrders, done: "mailed order confirmation",
		render: func() (content, error) { return h.templates.order.render(requestedView(e.Shop, d.Order)) },
	}
	if c := d.Order.Contact; c != nil {
		n.recipients = []string{c.Email}
	}
	return n, nil
}

func (h *handler) shippingNotice(e *group.Event) (notice, error) {
	var f schemas.Fulfillment
	if err := decode(e.Body, &f); err != nil {
		return notice{}, group.Permanent(err)
	}
	view := shippingView(e.Shop, &f)
	switch {
	case f.ID == 0:
		return notice{}, group.Permanent(errors.New("the fulfilment has no id"))
	case f.Status == "cancelled" || f.Status == "error" || f.Status == "failure":
		return notice{}, group.Skip("not_shipped")
	case len(view.Parcels) == 0 && h.cfg.ShippingOn == ShippingTracked:
		return notice{}, group.Skip("not_tracked")
	}
	return notice{
		kind: kindShipping, id: f.ID, order: f.OrderID, recipients: []string{f.Email}, sent: h.sentShipments, done: "mailed shipping confirmation",
		render: func() (content, error) { return h.templates.shipping.render(view) },
	}, nil
}

func (h *handler) message(shop, key string, order schemas.ID, to string, c content) *Message {
	name := shopName(shop)
	from := forShop(h.cfg.From.Address, name)
	eventKey := shop + "/" + key
	return &Message{
		From: mail.Address{Name: oneLine(forShop(h.cfg.From.Name, name)), Address: from}, ReplyTo: forShop(h.cfg.ReplyTo, name),
		To: to, EventKey: eventKey, ID: messageID(eventKey, from), Shop: shop, Order: order.String(), content: c,
	}
}

func (h *handler) send(ctx context.Context, shop string, m *Message) error {
	err := h.call.Do(ctx, shop, func(ctx context.Context) error { return h.mailer.Send(ctx, m) })
	if errors.Is(err, errLogin) {
		h.loginLog.Do(func() {
			h.log.ErrorContext(ctx, "mail server refuses the login", "setting", "notifications.smtp.username", "err", err)
		})
	}
	return err
}

// sentList is the state of an order: what has been mailed about it, <kind>/<id> each.
type sentList struct {
	Sent []string `json:"sent"`
}

func readSent(state []byte) (sentList, error) {
	var s sentList
	if len(state) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(state, &s); err != nil {
		return s, fmt.Errorf("read what was sent: %w", err)
	}
	return s, nil
}

func (s sentList) has(key string) bool { return slices.Contains(s.Sent, key) }

func (s sentList) with(key string) []byte {
	// A list of strings cannot fail to marshal.
	text, _ := json.Marshal(sentList{Sent: append(slices.Clone(s.Sent), key)})
	return text
}
