// Package saga leads orders through the saga on a real Kafka while its processes are killed with kill -9 at every boundary of every step,
// and compares what is left with what a saga promises.
//
// All are programs as they are delivered: three `millrace consume saga`, one `consume translate` and one `consume orderstate`, and
// `storesim backends` as stock, payment and carrier. Between each saga process and the partners stands a gate (package gate), which
// knows by that who asks for what, and kills the process at the boundary of its plan: before the partner has the request, before
// the answer is there, before the commit, and about when the commit is through; of reserve, charge, ship and confirm and of what undoes
// them. A killed process is started again at once, with its instance id.
//
// The orders come from here and not from the simulator's stories: there the shop sends its goods itself, and here the saga has to. Each
// order has its fate from the seed: the stock, the payment or the carrier refuses it for good, it is edited or cancelled in the middle,
// or when its parcel has left; its events come twice or in the wrong order. The partners fail besides, without an effect or after it.
// When nothing goes on any more, package check compares the orders with the partners' account, the event store, the states and the
// dead letters, and `millrace order check` the kept state of every order with the fold of its events.
package saga
