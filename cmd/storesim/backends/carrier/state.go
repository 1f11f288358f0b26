package carrier

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/partner"
)

// Statuses of a shipment.
const (
	accepted  = "accepted"
	shipped   = "shipped"
	delivered = "delivered"
	cancelled = "cancelled"
)

// state is what is to be shipped. Its methods are called one after another.
type state struct {
	cfg    Config
	orders map[partner.Order][]*shipment
	count  int64
}

// shipment moves by the clock: what it is follows from when it came.
type shipment struct {
	number    int64
	came      time.Time
	cancelled bool
}

func (p *shipment) id() string { return fmt.Sprintf("shp-%d", p.number) }

func (s *state) status(p *shipment) string {
	age := time.Since(p.came)
	switch {
	case p.cancelled:
		return cancelled
	case s.cfg.ShipAfter == 0 || age < s.cfg.ShipAfter:
		return accepted
	case s.cfg.DeliverAfter == 0 || age < s.cfg.ShipAfter+s.cfg.DeliverAfter:
		return shipped
	default:
		return delivered
	}
}

func (s *state) describe(p *shipment) map[string]string {
	number := fmt.Sprintf("SIM%09d", p.number)
	return map[string]string{
		"shipment_id": p.id(), "status": s.status(p),
		"tracking_company": "Storesim Parcels", "tracking_number": number, "tracking_url": "https://parcels.example/" + number,
	}
}

func (s *state) ship(of partner.Order, o order) partner.Answer {
	if lacking := o.Address.lacks(); lacking != "" {
		return partner.Refuse(http.StatusUnprocessableEntity, reasonUndeliverable, "detail", lacking+" is missing")
	}
	s.count++
	p := &shipment{number: s.count, came: time.Now()}
	e := effects.Entry{Kind: effects.Shipped, Shipment: p.id(), Lines: o.Lines}
	if len(s.orders[of]) > 0 {
		e.Anomalies = []string{effects.DoubleShipment}
	}
	s.orders[of] = append(s.orders[of], p)
	return partner.Did(http.StatusCreated, s.describe(p), e)
}

func (s *state) cancel(of partner.Order, c cancellation) partner.Answer {
	all, known := s.orders[of]
	answer := map[string]string{"status": cancelled}
	switch {
	case !known && c.Close:
		return partner.Nothing(http.StatusOK, answer)
	case !known:
		return partner.Early(reasonUnknown)
	}
	var ids []string
	for _, p := range all {
		switch s.status(p) {
		case shipped, delivered:
			return partner.Refuse(http.StatusConflict, reasonShipped, "detail", p.id()+" has left")
		case accepted:
			ids = append(ids, p.id())
		}
	}
	if len(ids) == 0 {
		return partner.Nothing(http.StatusOK, answer)
	}
	for _, p := range all {
		p.cancelled = true
	}
	return partner.Did(http.StatusOK, answer, effects.Entry{Kind: effects.ShipmentCancelled, Shipment: strings.Join(ids, " "), Reason: c.Reason})
}

func (s *state) read(of partner.Order) partner.Answer {
	all, known := s.orders[of]
	if !known {
		return partner.Early(reasonUnknown)
	}
	return partner.Tell(http.StatusOK, s.describe(all[len(all)-1]))
}
