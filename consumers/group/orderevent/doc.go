// Package orderevent is how a service tells the event store (schemas.OrderEventsTopic) what became of an order: in the unit of work of
// the event that led to it, so the fact is there exactly when the event is done, and once.
//
// A service that emits names schemas.OrderEventsTopic in Service.Emits. One that reads the event store gets its events with Decode.
package orderevent
