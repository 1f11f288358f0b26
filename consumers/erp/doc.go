// Package erp is the service that keeps the ERP of a merchant in step with orders and customers. It sends each version of them as a
// document that replaces the one before. The ERP is behind an interface, ERP; the one built in speaks HTTP.
//
// What it does with events; anything else is skipped unread:
//
//	orders/create, updated, paid, cancelled, fulfilled, partially_fulfilled   sends the order: the body is all of it
//	customers/create, update, enable, disable                                 sends the customer, likewise
//	orders/edited                                                             skipped and counted: it has the difference alone, and
//	                                                                          orders/updated has the whole
//	orders/delete, customers/delete                                           skipped and counted: books keep what was once in them
//
// What it keeps:
//
//   - The ERP ends with the newest version, in whatever order and however often events come. The version of a document is the updated_at
//     of its body, and between two with the same, which Shopify gives to the second, the time at which Shopify has sent them. An older one
//     than was seen is skipped. An ERP that knows a newer version than we send says so, and we are content.
//   - One document per change. A version in which nothing has changed that the document shows is not sent, and neither is one that has been
//     overtaken by another while it waited. Two different documents never have the same version: the second of one second gets a
//     millisecond more.
//   - One effect per version, by its idempotency key, erp:<shop>:order/<id>:<version>, in spite of crashes and time-outs.
//   - A slow order does not hold up another: each handler is busy with one entity, and there are Config.Consumer.Concurrency of them.
//     What the ERP bears is a setting for all processes together, Config.Call.GroupRate and GroupConcurrency.
//
// While the ERP is away (its breaker is open) events wait, and burn no attempt. By Config.Fallback the documents go to another address
// meanwhile that leads to the same ERP, or they are told as provisional. For that each event has to be looked at: it is put into
// the retry topic, asked again at every trial, and nothing behind it can overtake it there.
//
// What became of an order it tells the event store in the same commit: ERPSynced, with its idempotency key as the effect's name, and
// ServiceProvisional.
//
// What it is not: a way back. It reads nothing from the ERP. Personal data that Shopify withholds is missing from the documents too,
// and what is gone from a body is gone from its document.
package erp
