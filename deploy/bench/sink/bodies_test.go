package main

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"millrace/schemas"
)

func TestBodiesAreJSONOfTheSizeAskedForAndDiffer(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{leastBodyBytes, 6144} {
		seen := map[string]bool{}
		for range 200 {
			body := orderBody(nil, random.IntN(1e9), size, time.Now(), random)
			if len(body) != size || !json.Valid(body) {
				t.Fatalf("a body of %d bytes, valid %v, want %d: %s", len(body), json.Valid(body), size, body)
			}
			seen[string(body)] = true
		}
		if len(seen) != 200 {
			t.Errorf("%d distinct bodies of 200", len(seen))
		}
	}
}

func TestRecordsAreEventsOfAllTopics(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	topics := map[string]bool{}
	for i, k := range everyTopic(leastBodyBytes) {
		r := k.record(i, time.Now(), random)
		if _, err := schemas.ParseHeaders(r.Headers); err != nil || !json.Valid(r.Value) {
			t.Errorf("%s: headers %v, body %s", k.topic, err, r.Value)
		}
		topics[r.Topic] = true
	}
	if len(topics) != len(schemas.Domains()) {
		t.Errorf("records for topics %v, want all %d", topics, len(schemas.Domains()))
	}
}
