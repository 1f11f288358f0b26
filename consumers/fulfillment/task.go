package fulfillment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// TasksTopic is the service's own topic: what it is to do later.
const TasksTopic = "millrace.fulfillment.tasks"

// Kinds of tasks: what stands where an event has its Shopify topic.
const (
	kindShip   = "fulfillment/ship"
	kindCancel = "fulfillment/cancel"
	kindTrack  = "fulfillment/track"
)

// taskVersion is the version of a task's JSON; see stateVersion.
const taskVersion = 1

// task is the value of a record of TasksTopic.
type task struct {
	V          int       `json:"v"`
	OrderID    string    `json:"order_id"`
	Shipment   *Shipment `json:"shipment,omitempty"`    // of kindShip
	ShipmentID string    `json:"shipment_id,omitempty"` // of kindCancel: the one that is cancelled, if it is known
	Known      Status    `json:"known,omitzero"`        // of kindTrack: what the carrier said last
	N          int       `json:"n,omitempty"`           // of kindTrack: counts the tasks of a shipment
	Since      time.Time `json:"since,omitzero"`        // of kindTrack: when the first was written
	Due        time.Time `json:"due,omitzero"`          // of kindTrack: when the carrier is to be asked for the first time
}

// emit puts a task for later behind those of its order, in the commit of e. The error is a verdict.
func emit(u group.UnitOfWork, e *group.Event, kind string, t task) error {
	return put(u, e, kind, e.ID+"/"+Name+"/"+kind, e.Shop+"|order/"+t.OrderID, t)
}

// put writes a task under an id, which tells repeats apart.
func put(u group.UnitOfWork, e *group.Event, kind, id, key string, t task) error {
	t.V = taskVersion
	value, err := json.Marshal(t)
	if err != nil {
		return group.Permanent(err) // of structs of text, numbers and times: cannot be
	}
	now := time.Now()
	meta := schemas.Event{
		ID: id, Shop: e.Shop, Topic: kind, Subject: "order/" + t.OrderID, Time: now, Received: now,
		ContentType: "application/json", PartitionKey: key, TraceParent: e.TraceParent,
	}
	return u.Emit(group.Record{Topic: TasksTopic, Key: key, Value: value, Headers: schemas.AppendHeaders[group.Header](nil, &meta)})
}

// task does one task.
func (h *handler) task(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	var t task
	if err := json.Unmarshal(e.Body, &t); err != nil {
		return group.Permanent(fmt.Errorf("read task: %w", err))
	}
	of := Order{Shop: e.Shop, ID: t.OrderID}
	switch {
	case t.V != taskVersion:
		return group.Permanent(fmt.Errorf("read task: it has version %d, this program knows %d", t.V, taskVersion))
	case e.Topic == kindShip && t.Shipment != nil:
		return h.shipNow(ctx, e, u, t.Shipment)
	case e.Topic == kindCancel:
		return h.cancelNow(ctx, e, u, of, t.ShipmentID)
	case e.Topic == kindTrack:
		return h.track(ctx, e, u, of, t)
	default:
		return group.Permanent(fmt.Errorf("a task of unknown kind %q", e.Topic))
	}
}

// shipNow creates the shipment of an order that went on without it.
func (h *handler) shipNow(ctx context.Context, e *group.Event, u group.UnitOfWork, s *Shipment) error {
	made, err := h.create(ctx, *s)
	switch {
	case errors.Is(err, ErrClosed): // it was cancelled meanwhile
		if err := tell(u, e, "not shipped: the order is closed at the carrier", &schemas.ServiceSettled{Service: Name}); err != nil {
			return err
		}
		return group.Skip(skipClosed)
	case err != nil:
		return err
	default:
		return h.started(e, u, s, &made)
	}
}

// cancelNow makes up for a cancellation that the carrier could not be told.
func (h *handler) cancelNow(ctx context.Context, e *group.Event, u group.UnitOfWork, of Order, shipmentID string) error {
	err := h.close(ctx, of)
	switch {
	case errors.Is(err, ErrShipped):
		h.late.Inc()
		if err := tell(u, e, "cancelled by the shop after the shipment had left", &schemas.ServiceSettled{Service: Name}); err != nil {
			return err
		}
		return group.Skip(skipShipped)
	case err != nil:
		return err
	default:
		return tellCancelled(u, e, of, shipmentID)
	}
}

// follow puts the next task of following a shipment, unless there is nothing more to come.
func (h *handler) follow(u group.UnitOfWork, e *group.Event, id string, t task) error {
	if h.cfg.TrackEvery == 0 || final(t.Known.Status) {
		return nil
	}
	now := time.Now()
	if t.N == 0 {
		t.Since = now
	}
	t.N++
	t.Due = now.Add(h.cfg.TrackEvery)
	// A key of its own: the task waits for weeks, and what is to be done for the order must not wait behind it.
	return put(u, e, kindTrack, fmt.Sprintf("%s:%d", id, t.N), e.Shop+"|shipment/"+t.OrderID, t)
}

func final(status string) bool {
	return status == schemas.ShipmentStatusDelivered || status == schemas.ShipmentStatusCancelled
}

// errUnchanged is why a task of following is put off.
var errUnchanged = errors.New("the shipment is as it was: the carrier is asked again at its time")

// track asks what has become of a shipment.
func (h *handler) track(ctx context.Context, e *group.Event, u group.UnitOfWork, of Order, t task) error {
	switch wait := time.Until(t.Due); {
	case h.cfg.TrackEvery == 0, time.Since(t.Since) > h.cfg.TrackFor:
		u.Note("shipment " + t.Known.ShipmentID + " is not followed any more")
		return group.Skip(skipGivenUp)
	case wait > 0:
		return group.Unavailable(wait, errUnchanged)
	}
	var now Status
	err := h.call.Do(ctx, of.Shop, func(ctx context.Context) error {
		var err error
		now, err = h.carrier.Status(ctx, of)
		return err
	})
	switch {
	case errors.Is(err, ErrUnknownShipment):
		return group.Permanent(err)
	case err != nil && ctx.Err() != nil:
		return err // of a stop: not the carrier's
	case err != nil && outgoing.IsAnswer(err):
		return err
	case err != nil: // a question is not worth a dead letter
		return group.Unavailable(h.cfg.TrackEvery, err)
	case now == t.Known:
		return group.Unavailable(h.cfg.TrackEvery, errUnchanged)
	}
	if err := tellTracking(u, e, &now); err != nil {
		return err
	}
	t.Known = now
	return h.follow(u, e, fmt.Sprintf("track:%s:%s", of.Shop, of.ID), t)
}
