package faults

// The operations of the HTTP APIs, as Rule.Only names them.
const (
	Reserve  = "reserve"
	Release  = "release"
	Charge   = "charge"
	Refund   = "refund"
	Ship     = "ship"
	Cancel   = "cancel"
	Order    = "order"
	Customer = "customer"
	Forward  = "forward"
	Read     = "read"
)

// operations lists those of a backend; mail has none.
func operations(backend string) []string {
	switch backend {
	case Stock:
		return []string{Reserve, Release}
	case Payment:
		return []string{Charge, Refund, Read}
	case Carrier:
		return []string{Ship, Cancel, Read}
	case ERP:
		return []string{Order, Customer}
	case Hook:
		return []string{Forward}
	default:
		return nil
	}
}
