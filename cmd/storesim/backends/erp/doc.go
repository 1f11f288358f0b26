// Package erp is the HTTP API of a simulated ERP: it keeps the newest document of each order and customer. What it has in common with
// other partners is in package partner.
//
//	PUT /v1/orders/{shop}/{order}        {"version","document"}  201 new, 200 replaced: {"document_id"}
//	PUT /v1/customers/{shop}/{customer}  likewise
//
// A version is a time, RFC 3339: the updated_at of the document. Permanent: 409 stale for an older version than is known; nothing
// changes, and the client may count it as done. The same version under another key is written again and is an anomaly.
package erp
