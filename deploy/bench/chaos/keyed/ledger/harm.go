package ledger

import (
	"fmt"
	"time"
)

// HarmKind is what was done to the run.
type HarmKind string

// The harms. Those above Broker are done to one life of a member process.
const (
	Kill   HarmKind = "kill -9"
	Stop   HarmKind = "SIGTERM"
	Zombie HarmKind = "zombie"          // SIGSTOP for longer than the session, then SIGCONT
	Usurp  HarmKind = "replaced zombie" // the same, and meanwhile another process takes its instance id
	Broker HarmKind = "broker kill -9"
	Lead   HarmKind = "leader move"
	Assign HarmKind = "reassignment"
)

// Harm is one thing done. From and To are unix nanoseconds; for a kill, To is when the process was gone; for a zombie, when it
// went on; for a broker, when everything was in sync again.
type Harm struct {
	Kind     HarmKind
	Process  string // the victim, "" for a broker's or a topic's
	From, To int64
	Note     string
}

func (h Harm) String() string {
	return fmt.Sprintf("%s %-16s %-8s for %6v %s", time.Unix(0, h.From).UTC().Format("15:04:05.000"), h.Kind, h.Process,
		time.Duration(h.To-h.From).Round(time.Millisecond), h.Note)
}
