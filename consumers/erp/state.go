package erp

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// stateVersion is the version of the state's JSON. A reader refuses others: an older program must not write over what it does not
// understand.
const stateVersion = 1

// state is what is kept of an order or a customer. Its zero value is one that has not come yet.
type state struct {
	V           int       `json:"v"`
	Seen        time.Time `json:"seen,omitzero"`         // the newest updated_at
	SeenSent    time.Time `json:"seen_sent,omitzero"`    // when Shopify had sent it
	Version     time.Time `json:"version,omitzero"`      // of the document that the ERP has from us
	Hash        string    `json:"hash,omitempty"`        // of that document
	Provisional bool      `json:"provisional,omitempty"` // it has been told that the ERP has yet to get the newest
}

func readState(text []byte) (state, error) {
	s := state{V: stateVersion}
	if len(text) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, fmt.Errorf("read state: %w", err)
	}
	if s.V != stateVersion {
		return state{}, fmt.Errorf("read state: it has version %d, this program knows %d", s.V, stateVersion)
	}
	return s, nil
}

func (s *state) text() []byte {
	text, err := json.Marshal(s)
	if err != nil { // of text and times of this age: cannot be
		panic(err)
	}
	return text
}

// see notes a version, unless it is older than one that was seen.
func (s *state) see(updated, sent time.Time) (fresh bool) {
	if newer(s.Seen, s.SeenSent, updated, sent) {
		return false
	}
	s.Seen, s.SeenSent = updated, sent
	return true
}

// next is the version of the document to be sent: the updated_at that was seen, or a millisecond more than the last one where that has
// been used already. No two documents have the same version, since they would have the same key.
func (s *state) next() time.Time {
	if s.Seen.After(s.Version) {
		return s.Seen
	}
	return s.Version.Add(time.Millisecond)
}

// hashOf tells documents apart.
func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}
