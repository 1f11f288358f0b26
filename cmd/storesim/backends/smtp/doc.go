// Package smtp is the SMTP server of the simulated world: it accepts mail, accounts for it and throws it away, and misbehaves
// as package faults says.
//
// What depends on the recipient and the time is answered to RCPT: an outage 451 and a rate limit 450, or 421 where the rule
// is that of the whole server, because that is what tells a client that not the recipient is to blame; refuse 550. What is left
// to chance is decided after the message, because only then the event is known on which chance hangs, and by the rules of
// the first recipient's domain: error 451, permanent 554, and delays, timeouts, resets and lost answers. As with the stock
// API a delay stands before the effect, which happens although the client has gone.
//
// X-Millrace-Event is the event that the mail is about: one mail per event is right, more are duplicates. X-Millrace-Shop
// and X-Millrace-Order, where set, make mails findable in the ledger by them. A message without X-Millrace-Event hangs its
// chance on its Message-ID.
package smtp
